//! A request as the door hands it on: admitted to `ProxyHttp`, or refused.

use super::{Connection, DoorStream, Fault, Headers, RequestLine};
use crate::model::ClientKeepalive;
use crate::runtime::{Assigned, Generation, ListenerId, Site};
use http::Method;
use http::Version as HttpVersion;
use http::header::USER_AGENT;
use memchr::memmem;
use pingora_core::protocols::http::ServerSession;
use pingora_http::RequestHeader;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// Where a request came in and what its first line says: known for every request, as far as it
/// was read.
#[derive(Debug)]
pub struct Arrival {
    /// The generation it is served by; `None` once [`released`](Self::release_generation).
    pub generation: Option<Arc<Generation>>,
    /// The socket.
    pub listener: ListenerId,
    /// The site its host chose, the listener's default until then.
    pub site: Arc<Site>,
    /// The connection.
    pub connection: Arc<Connection>,
    /// The client's address where a proxy in front has said another than the connection's.
    pub real_client: Option<SocketAddr>,
    /// The request line; incomplete only in a [`Refusal`].
    pub line: RequestLine,
    /// `$host`: lower case, without port and final dot. The request line's host wins over the
    /// Host header; without both it is the site's name.
    pub host: Box<str>,
    /// Whether the request named it.
    pub names_host: bool,
    /// The variables that the request has written: groups of the `server_name` that matched, and what the
    /// configuration sets on its way.
    pub assigned: Assigned,
    /// Whether it was there, or began to be, before the request before it was answered: `$pipe`.
    pub pipelined: bool,
    /// When its first byte was there.
    pub started: Instant,
    /// Bytes of the request line and header lines.
    pub header_length: usize,
    /// [`Connection::sent`] when it began.
    pub(super) sent_before: u64,
    /// [`Connection::received`] when it began.
    pub(super) received_before: u64,
}

impl Arrival {
    /// The client's address: `$remote_addr` and `$remote_port`. `None` on a Unix socket.
    pub fn client(&self) -> Option<SocketAddr> {
        let connected = || self.connection.client_inet();
        self.real_client.or_else(connected)
    }

    /// Lets the generation go: for a request that goes on for hours and needs nothing of it any more.
    pub fn release_generation(&mut self) {
        self.generation = None;
    }

    /// Bytes written to the client for this request so far: `$bytes_sent`.
    pub fn bytes_sent(&self) -> u64 {
        self.connection.sent() - self.sent_before
    }

    /// Bytes of this request, header and body, read so far: `$request_length`.
    pub fn request_length(&self) -> u64 {
        self.connection.received() - self.received_before
    }
}

/// A request that passed the door.
#[derive(Debug)]
pub struct Admission {
    /// Where it came in and its first line.
    pub arrival: Arrival,
    /// How its body is delimited.
    pub framing: Framing,
    /// Whether it asks for another protocol: `Upgrade` in an HTTP/1.1 request.
    pub upgrade: bool,
    /// Whether it has an `Expect`.
    pub expects: bool,
    /// Whether the connection may stay open after it, as far as the client says.
    pub keepalive: bool,
    /// Why it is none: only its error's page is to be served. What is left of it is not read.
    pub fault: Option<Fault>,
    /// Its header, until its session has it.
    pub(super) header: Option<RequestHeader>,
}

/// How a request's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

impl Admission {
    /// Takes what the door hands over. To be called in the first phase of `ProxyHttp`. `None` when the
    /// session is not the door's, as in a subrequest.
    pub fn receive(session: &mut ServerSession) -> Option<Box<Self>> {
        DoorStream::of_mut(session)?.admission.take()
    }

    /// Whether the connection stays open after this request by the rules of a location.
    pub fn is_kept(&self, rules: &ClientKeepalive, request: &RequestHeader) -> bool {
        let connection = &self.arrival.connection;
        self.keepalive
            && rules.timeout.is_some()
            && connection.requests() < rules.requests
            && self
                .arrival
                .started
                .saturating_duration_since(connection.started)
                <= rules.time
            && !is_disabled(rules, request)
    }
}

/// `keepalive_disable`, by what nginx looks for in `User-Agent`.
fn is_disabled(rules: &ClientKeepalive, request: &RequestHeader) -> bool {
    // Only a POST of an old browser matters.
    if !rules.not_for_safari && (!rules.not_for_msie6 || request.method != Method::POST) {
        return false;
    }
    let Some(agent) = request.headers.get(USER_AGENT) else {
        return false;
    };
    let agent = agent.as_bytes();
    let contains = |text: &[u8], word: &str| memmem::find(text, word.as_bytes()).is_some();
    if let Some(at) = memmem::find(agent, MSIE) {
        let version = &agent[at + MSIE.len()..];
        let old = match version {
            [b'4' | b'5', b'.', ..] => true,
            [b'6', b'.', ..] => !contains(version, "SV1"),
            _ => false,
        };
        return rules.not_for_msie6 && old && request.method == Method::POST;
    }
    let other = ["Opera", "Gecko/", "Chrome/"];
    rules.not_for_safari
        && contains(agent, "Safari/")
        && contains(agent, "Mac OS X")
        && !other.iter().any(|other| contains(agent, other))
}

const MSIE: &[u8] = b"MSIE ";

/// A request that never reaches `ProxyHttp`.
#[derive(Debug)]
pub struct Refusal<'a> {
    /// Why.
    pub fault: Fault,
    /// What was read of it.
    pub arrival: Arrival,
    pub(super) headers: &'a Headers,
    pub(super) buffer: &'a [u8],
}

impl Refusal<'_> {
    /// The first header line of this name among those read before the fault.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.value(self.buffer, name)
    }

    /// The same with its name, as it was written.
    pub fn header_line(&self, name: &str) -> Option<(&[u8], &[u8])> {
        self.headers.named(self.buffer, name)
    }

    /// Whether the answer has no header: an HTTP/0.9 client takes everything for the body.
    pub fn body_only(&self) -> bool {
        self.arrival.line.version() == HttpVersion::HTTP_09
    }
}
