//! What is known of a client connection, shared by the requests that arrive on it.

use super::counters::Counted;
use super::home::Home;
use super::lifelines::Lifeline;
use crate::model::Lingering;
use parking_lot::Mutex;
use pingora_core::protocols::l4::ext::TCP_INFO;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::{IO, SocketDigest, Stream};
use std::fmt;
use std::os::fd::RawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// One client connection.
pub struct Connection {
    /// Counts connections since the process started: `$connection`, and nginx's `*45` in error logs.
    pub serial: u64,
    /// When it was accepted.
    pub started: Instant,
    /// Whether it came over TLS.
    pub secure: bool,
    pub(super) lifeline: Lifeline,
    /// Where its stream comes back to from the session of a request.
    pub(super) home: Home,
    _counted: Counted,
    socket: Socket,
    requests: AtomicU32,
    sent: AtomicU64,
    received: AtomicU64,
    /// The stream of a connection that is not used again, so that the door can close it in its own
    /// time. Locked when a connection ends.
    leftover: Mutex<Option<Box<Leftover>>>,
}

/// What is known of its socket. A [`SocketDigest`] has room for three addresses of any kind.
struct Socket {
    /// `None` for what is no socket.
    descriptor: Option<RawFd>,
    /// The client's address, where it is one of the internet's.
    inet: Option<std::net::SocketAddr>,
    /// The client's address as Pingora has it: from the start where it is another one, else once somebody
    /// wants it.
    client: OnceLock<Option<Box<SocketAddr>>>,
    /// The address it was accepted on, once somebody wants it.
    server: OnceLock<Option<Box<SocketAddr>>>,
}

/// What is left when a connection's stream is dropped.
pub(super) struct Leftover {
    pub(super) stream: Stream,
    /// Bytes of this request or a later one were not read.
    pub(super) unread: bool,
    /// How long it is read from before it is closed.
    pub(super) lingering: Lingering,
}

impl Connection {
    pub(super) fn new(stream: &dyn IO) -> Self {
        Self {
            serial: SERIAL.fetch_add(1, Relaxed),
            started: Instant::now(),
            secure: stream.get_ssl_digest().is_some(),
            lifeline: Lifeline::default(),
            home: Home::default(),
            _counted: Counted::connection(),
            socket: Socket::of(stream),
            requests: AtomicU32::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            leftover: Mutex::new(None),
        }
    }

    /// The client's address: `$remote_addr` and `$remote_port`.
    pub fn client(&self) -> Option<&SocketAddr> {
        let socket = &self.socket;
        let inet = || socket.inet.map(|inet| Box::new(inet.into()));
        socket.client.get_or_init(inet).as_deref()
    }

    /// The same, where it is one of the internet's.
    pub fn client_inet(&self) -> Option<std::net::SocketAddr> {
        self.socket.inet
    }

    /// The address it was accepted on: `$server_addr` and `$server_port`. The first call asks the
    /// kernel.
    pub fn server(&self) -> Option<&SocketAddr> {
        let socket = &self.socket;
        let ask = || Some(Box::new(socket.digest()?.local_addr()?.clone()));
        socket.server.get_or_init(ask).as_deref()
    }

    /// What the kernel knows of it, asked now.
    pub fn tcp_info(&self) -> Option<TCP_INFO> {
        self.socket.digest()?.tcp_info()
    }

    /// How many requests have begun on it, this one included: `$connection_requests`.
    pub fn requests(&self) -> u32 {
        self.requests.load(Relaxed)
    }

    /// Bytes written to it so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Bytes of requests, headers and bodies, taken from it so far. What was read ahead of the
    /// current request is not counted.
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn count_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn count_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn leave(&self, leftover: Leftover) {
        *self.leftover.lock() = Some(Box::new(leftover));
    }

    pub(super) fn take_leftover(&self) -> Option<Leftover> {
        self.leftover.lock().take().map(|leftover| *leftover)
    }
}

impl Socket {
    fn of(stream: &dyn IO) -> Self {
        let digest = stream.get_socket_digest();
        let client = digest.as_ref().and_then(|digest| digest.peer_addr());
        let inet = client.and_then(SocketAddr::as_inet).copied();
        Self {
            descriptor: digest.as_ref().map(|_| stream.id()),
            inet,
            client: match inet {
                Some(_) => OnceLock::new(),
                None => client.cloned().map(Box::new).into(),
            },
            server: OnceLock::new(),
        }
    }

    /// Asks the kernel.
    fn digest(&self) -> Option<SocketDigest> {
        self.descriptor.map(SocketDigest::from_raw_fd)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection(*{})", self.serial)
    }
}

static SERIAL: AtomicU64 = AtomicU64::new(1);
