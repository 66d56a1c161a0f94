//! A client that sends the bytes it is told and reads one answer after the other.

use super::wire::{Framing, Head, read_body, read_head};
use super::{HOST, PATIENCE};
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// One connection; another one once the server has announced that it closes the first.
pub struct Client {
    address: SocketAddr,
    reader: BufReader<TcpStream>,
    /// The last answer said `Connection: close`.
    closing: bool,
    connections: usize,
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Response {
    pub head: Head,
    pub status: u16,
    pub body: Vec<u8>,
    pub framing: Framing,
    /// Whether the body came to the end its framing announces.
    pub whole: bool,
}

impl Client {
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("connect to {address}: {error}"))
    }

    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            address,
            reader: BufReader::with_capacity(64 * 1024, stream),
            closing: false,
            connections: 1,
        })
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("send");
    }

    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())
    }

    /// How many connections [`Client::exchange`] has needed so far.
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// Sends a request and reads its answer, over a new connection if the last answer announced
    /// the end of the old one, as every client does.
    #[track_caller]
    pub fn exchange(&mut self, request: impl AsRef<[u8]>) -> Response {
        let request = request.as_ref();
        if self.closing {
            let connections = self.connections + 1;
            *self = Self::connect(self.address);
            self.connections = connections;
        }
        self.send(request);
        if request.starts_with(b"HEAD ") {
            self.read_bodiless()
        } else {
            self.read()
        }
    }

    /// `GET` of a path of [`HOST`].
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Response {
        self.exchange(format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"))
    }

    /// The next answer.
    #[track_caller]
    pub fn read(&mut self) -> Response {
        self.try_read(true)
            .expect("an answer")
            .expect("an answer, not the end of the connection")
    }

    /// The next answer, to HEAD.
    #[track_caller]
    pub fn read_bodiless(&mut self) -> Response {
        self.try_read(false)
            .expect("an answer")
            .expect("an answer, not the end of the connection")
    }

    /// The next answer; `None` is the end of the connection.
    pub fn try_read(&mut self, with_body: bool) -> io::Result<Option<Response>> {
        let Some(head) = read_head(&mut self.reader)? else {
            return Ok(None);
        };
        let status = head
            .start_line
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5)?.parse().ok())
            .ok_or_else(|| io::Error::other(format!("status line {:?}", head.start_line)))?;
        let framing = if !with_body || status < 200 || status == 204 || status == 304 {
            Framing::Empty
        } else {
            head.framing().unwrap_or(Framing::Close)
        };
        self.closing = head
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let mut body = Vec::new();
        // A connection that breaks in the middle is an answer that is not whole.
        let whole = read_body(&mut self.reader, framing, &mut body).unwrap_or(false);
        Ok(Some(Response {
            head,
            status,
            body,
            framing,
            whole,
        }))
    }

    /// Waits for the other side to close, and sees that it sends nothing more.
    #[track_caller]
    pub fn expect_end(&mut self) {
        let rest = self.read_rest();
        assert!(
            rest.is_empty(),
            "more came: {:?}",
            String::from_utf8_lossy(&rest)
        );
    }

    /// Everything up to the end of the connection.
    #[track_caller]
    pub fn read_rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the connection stays open: {error}"),
        }
        rest
    }

    #[track_caller]
    pub fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes).expect("bytes");
        bytes
    }

    /// The head of an answer whose body is read by other means.
    #[track_caller]
    pub fn read_head(&mut self) -> Head {
        read_head(&mut self.reader)
            .expect("a head")
            .expect("a head, not the end of the connection")
    }

    /// Reads and forgets body bytes, and says how many there were before the end or the limit.
    pub fn discard(&mut self, limit: u64) -> u64 {
        let (mut buffer, mut total) = (vec![0; 1 << 20], 0);
        while total < limit {
            match self.reader.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(read) => total += read as u64,
            }
        }
        total
    }

    /// Whether nothing comes for this long on a connection that stays open.
    pub fn is_quiet_for(&mut self, time: Duration) -> bool {
        let stream = self.reader.get_ref();
        stream.set_read_timeout(Some(time)).expect("set a timeout");
        let result = stream.peek(&mut [0]);
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("set a timeout");
        matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    pub fn finish_sending(&self) {
        // The other side may have gone already.
        drop(self.reader.get_ref().shutdown(Shutdown::Write));
    }

    /// Vanishes with a reset, as a client does whose machine lost its network.
    pub fn reset(self) {
        socket2::SockRef::from(self.reader.get_ref())
            .set_linger(Some(Duration::ZERO))
            .expect("set SO_LINGER");
    }

    pub fn into_stream(self) -> TcpStream {
        self.reader.into_inner()
    }
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// Every value of a header, in order.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.head.values(name).collect()
    }

    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }
}
