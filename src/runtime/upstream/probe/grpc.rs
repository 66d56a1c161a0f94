//! A check by the gRPC health checking protocol, over HTTP/2 without TLS.

use super::expected::CheckValues;
use super::{Line, host, reason};
use crate::model::GrpcCheck;
use bytes::Bytes;
use http::{HeaderMap, Uri, Version};
use pingora::http::RequestHeader;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::{Error, ErrorType, Result};

/// A check of a gRPC service.
pub(super) struct GrpcProbe {
    check: GrpcCheck,
    line: Line,
}

impl GrpcProbe {
    pub(super) fn new(check: &GrpcCheck, line: Line) -> Self {
        Self {
            check: check.clone(),
            line,
        }
    }

    /// Runs it once.
    pub(super) async fn run(&self, address: SocketAddr, server: &str) -> Result<(), String> {
        let answer = self.ask(address, server).await;
        let (status, body) = answer.map_err(|error| reason(&error))?;
        match status {
            0 => match serving_status(&body) {
                Some(SERVING) => Ok(()),
                Some(status) => Err(format!(
                    "its serving status is {status}, expected {SERVING}"
                )),
                None => Err("its answer is no HealthCheckResponse".to_owned()),
            },
            // A server that does not know the protocol.
            status if Some(status) == self.check.status => Ok(()),
            status => Err(format!("answered grpc-status {status}")),
        }
    }

    /// The status of the call, and the message that was answered.
    async fn ask(&self, address: SocketAddr, server: &str) -> Result<(u16, Vec<u8>)> {
        let text = super::super::discovery::address_text(&address);
        let host = host(
            self.check.host.as_ref(),
            server,
            &CheckValues::new(&text, None),
        );
        let mut peer = self.line.peer(address);
        peer.options.set_http_version(2, 2);
        let (session, _) = self.line.connector.get_http_session(&peer).await?;
        let HttpSession::H2(mut session) = session else {
            return Error::e_explain(ErrorType::H2Error, "no HTTP/2");
        };
        session.read_timeout = self.line.times.read;
        session.write_timeout = self.line.times.send;
        let mut request = RequestHeader::build("POST", PATH.as_bytes(), None)?;
        let uri = Uri::builder().scheme("http").authority(&*host);
        match uri.path_and_query(PATH).build() {
            Ok(uri) => request.set_uri(uri),
            Err(error) => {
                return Error::e_because(ErrorType::InvalidHTTPHeader, "no authority", error);
            }
        }
        request.set_version(Version::HTTP_2);
        request.insert_header("content-type", "application/grpc")?;
        request.insert_header("te", "trailers")?;
        session.write_request_header(Box::new(request), false)?;
        let question = question(&self.check.service);
        session.write_request_body(question, true).await?;
        session.read_response_header().await?;
        let header = session.response_header().cloned();
        let mut body = Vec::new();
        while let Some(chunk) = session.read_response_body().await? {
            if body.len() + chunk.len() > MOST_ANSWER {
                return Error::e_explain(ErrorType::InvalidHTTPHeader, "too long an answer");
            }
            body.extend_from_slice(&chunk);
        }
        let trailers = session.read_trailers().await?;
        let written = header
            .as_ref()
            .and_then(|header| grpc_status(&header.headers));
        let status = written.or_else(|| grpc_status(trailers.as_ref()?));
        match (status, header) {
            (Some(status), _) => Ok((status, body)),
            (None, Some(header)) => Error::e_explain(
                ErrorType::InvalidHTTPHeader,
                format!("answered {} without a grpc-status", header.status.as_u16()),
            ),
            (None, None) => Error::e_explain(ErrorType::InvalidHTTPHeader, "no answer"),
        }
    }
}

fn grpc_status(headers: &HeaderMap) -> Option<u16> {
    headers
        .get("grpc-status")?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// A `HealthCheckRequest` with this service, as a message on the wire: a flag, the length, and the
/// protobuf field 1, a string, whose length is below 2^14: `config` takes no longer name.
fn question(service: &str) -> Bytes {
    let mut message = Vec::with_capacity(service.len() + 8);
    if !service.is_empty() {
        message.push(0x0a);
        let [high, low] = u16::try_from(service.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes();
        match (high, low) {
            (0, 0..=0x7f) => message.push(low),
            // Seven bits each, the lower ones first.
            (high, low) => message.extend([low | 0x80, high << 1 | low >> 7]),
        }
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = vec![0];
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&message);
    framed.into()
}

/// The status that a `HealthCheckResponse` says: field 1, a number; 0 when it is left out. `None` when
/// it is no such message.
fn serving_status(body: &[u8]) -> Option<u64> {
    let (head, message) = body.split_at_checked(5)?;
    let length = u32::from_be_bytes(head[1..].try_into().ok()?) as usize;
    // Nothing was said of compression, so that there is none.
    let mut rest = message.get(..length).filter(|_| head[0] == 0)?;
    let mut status = 0;
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        match key & 7 {
            0 => {
                let value = varint(&mut rest)?;
                if key >> 3 == 1 {
                    status = value;
                }
            }
            1 => rest = rest.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                rest = rest.get(length..)?;
            }
            5 => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

const PATH: &str = "/grpc.health.v1.Health/Check";
const SERVING: u64 = 1;
const MOST_ANSWER: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_framed_protobuf() {
        assert_eq!(&*question(""), b"\0\0\0\0\0");
        assert_eq!(&*question("ab"), b"\0\0\0\0\x04\x0a\x02ab");
        let long = "x".repeat(300);
        assert_eq!(question(&long)[5..8], [0x0a, 0xac, 0x02]);
        assert_eq!(serving_status(b"\0\0\0\0\x02\x08\x01"), Some(1));
        assert_eq!(
            serving_status(b"\0\0\0\0\0"),
            Some(0),
            "UNKNOWN is not written"
        );
        let with_others = b"\0\0\0\0\x08\x12\x02ab\x08\x02\x18\x07";
        assert_eq!(serving_status(with_others), Some(2));
        for broken in [
            &b""[..],
            b"\0\0\0\0\x02\x08",
            b"\0\0\0\0\x01\x08",
            b"\x01\0\0\0\0",
        ] {
            assert_eq!(serving_status(broken), None, "{broken:?}");
        }
    }
}
