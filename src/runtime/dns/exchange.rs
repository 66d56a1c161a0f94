//! A question to the servers of a resolver, and its answer: over UDP, and over TCP when the answer is
//! longer than that carries.

use super::Failure;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use log::error;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Asks one server after the other, `first` first, until one has answered. It goes on for as long as it is
/// waited for.
pub(super) async fn ask(
    servers: &[SocketAddr],
    first: usize,
    query: Query,
) -> Result<Message, Failure> {
    let mut truncated = false;
    let mut round = 0;
    loop {
        let Some(server) = servers.get(first.wrapping_add(round) % servers.len().max(1)) else {
            return Err(Failure::NOT_FOUND);
        };
        let patience = Instant::now() + RESEND;
        match timeout_at(patience, ask_one(*server, &query, &mut truncated)).await {
            Ok(Ok(message)) => return read(message),
            Ok(Err(cause)) => {
                error!("{cause} while resolving, resolver: {server}");
                round += 1;
                // One that cannot be asked is followed by the next at once, but none is asked all the time.
                if round % servers.len() == 0 {
                    sleep_until(patience).await;
                }
            }
            Err(_) => round += 1,
        }
    }
}

fn read(message: Message) -> Result<Message, Failure> {
    match u16::from(message.metadata.response_code) {
        0 => Ok(message),
        code => Err(Failure(code)),
    }
}

async fn ask_one(server: SocketAddr, query: &Query, truncated: &mut bool) -> io::Result<Message> {
    // A random number each time, and with a new socket a random port: nobody answers for the server.
    let mut request = Message::query();
    request.metadata.recursion_desired = true;
    request.add_query(query.clone());
    let bytes = request.to_vec().map_err(io::Error::other)?;
    if !*truncated {
        let message = over_udp(server, &request, &bytes).await?;
        if !message.metadata.truncation {
            return Ok(message);
        }
        *truncated = true;
    }
    over_tcp(server, &request, &bytes).await
}

async fn over_udp(server: SocketAddr, request: &Message, bytes: &[u8]) -> io::Result<Message> {
    let any = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut buffer = vec![0; LONGEST_DATAGRAM];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if let Some(message) = accept(&buffer[..length], request) {
            return Ok(message);
        }
    }
}

async fn over_tcp(server: SocketAddr, request: &Message, bytes: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream
        .write_all(&[&length.to_be_bytes(), bytes].concat())
        .await?;
    loop {
        let length = stream.read_u16().await?;
        let mut buffer = vec![0; length.into()];
        stream.read_exact(&mut buffer).await?;
        match accept(&buffer, request) {
            Some(message) if !message.metadata.truncation => return Ok(message),
            _ => {}
        }
    }
}

/// The answer to a request, if it is one. What is none is passed over, as in nginx: anybody may send it.
fn accept(bytes: &[u8], request: &Message) -> Option<Message> {
    let message = Message::from_vec(bytes)
        .inspect_err(|cause| error!("invalid DNS response: {cause}"))
        .ok()?;
    let header = &message.metadata;
    let is_answer = header.message_type == MessageType::Response
        && header.op_code == OpCode::Query
        && header.id == request.metadata.id
        && header.response_code != ResponseCode::FormErr
        && u16::from(header.response_code) <= u16::from(ResponseCode::Refused)
        && message.queries == request.queries;
    if !is_answer {
        error!(
            "unexpected DNS response {} ({})",
            header.id, header.response_code
        );
    }
    is_answer.then_some(message)
}

/// How long a server may take before the next is asked, as in nginx.
const RESEND: Duration = Duration::from_secs(5);

/// nginx's NGX_RESOLVER_UDP_SIZE.
const LONGEST_DATAGRAM: usize = 4096;
