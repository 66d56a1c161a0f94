//! What is known of a client connection, shared by the requests that arrive on it.

use super::counters::Counted;
use super::lifelines::Lifeline;
use crate::model::Lingering;
use parking_lot::Mutex;
use pingora_core::protocols::l4::ext::TCP_INFO;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::{IO, SocketDigest, Stream};
use std::fmt;
use std::sync::Arc;
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
    _counted: Counted,
    socket: Option<Arc<SocketDigest>>,
    requests: AtomicU32,
    sent: AtomicU64,
    received: AtomicU64,
    /// The stream of a connection that is not used again, so that the door can close it in its own
    /// time. Locked when a connection ends.
    leftover: Mutex<Option<Leftover>>,
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
            _counted: Counted::connection(),
            socket: stream.get_socket_digest(),
            requests: AtomicU32::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            leftover: Mutex::new(None),
        }
    }

    /// The client's address: `$remote_addr` and `$remote_port`.
    pub fn client(&self) -> Option<&SocketAddr> {
        self.socket.as_ref()?.peer_addr()
    }

    /// The address it was accepted on: `$server_addr` and `$server_port`. The first call asks the
    /// kernel.
    pub fn server(&self) -> Option<&SocketAddr> {
        self.socket.as_ref()?.local_addr()
    }

    /// What the kernel knows of it, asked now.
    pub fn tcp_info(&self) -> Option<TCP_INFO> {
        self.socket.as_ref()?.tcp_info()
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

    pub(super) fn count_request(&self) -> u32 {
        self.requests.fetch_add(1, Relaxed) + 1
    }

    pub(super) fn count_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn count_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn leave(&self, leftover: Leftover) {
        *self.leftover.lock() = Some(leftover);
    }

    pub(super) fn take_leftover(&self) -> Option<Leftover> {
        self.leftover.lock().take()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection(*{})", self.serial)
    }
}

static SERIAL: AtomicU64 = AtomicU64::new(1);
