//! The connection that a try goes over: it ends with the request that `keepalive_requests` or
//! `keepalive_time` make its last, and its bytes are counted where a configuration asks for them.

use super::passage::Passage;
use crate::runtime::connection;
use crate::runtime::upstream::Connection;
use pingora_core::protocols::{Digest, SocketDigest};
use pingora_core::{Error, ErrorType, Result};
use socket2::SockRef;
use std::net::Shutdown;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Instant;

/// The error of ours for a connection that has carried its last request, or was idle while its server
/// was taken out: another one is to be used.
pub(super) const SPENT: &str = "the connection is not used any more";

/// A connection that carries a request.
pub(super) struct Line {
    connection: Arc<Connection>,
    descriptor: RawFd,
}

/// The bytes of one try, by the system's count.
#[derive(Debug)]
pub(super) struct Meter {
    /// A descriptor of its own: after a failure Pingora closes the connection before we hear of it.
    socket: OwnedFd,
    before: Traffic,
}

/// Bytes in both directions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traffic {
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl Passage {
    /// The try under way has a connection, whose bytes are counted if somebody wants to know.
    ///
    /// # Errors
    /// The connection is [`SPENT`]. Nothing was sent on it.
    pub(super) fn connected(
        &mut self,
        descriptor: RawFd,
        digest: Option<&Digest>,
        counts: bool,
    ) -> Result<()> {
        let now = Instant::now();
        if let Some(current) = self.current() {
            current.connect_time = Some(now.saturating_duration_since(current.began));
        }
        let Some(connection) = connection(digest) else {
            return Ok(());
        };
        let Some(selected) = &self.selected else {
            return Ok(());
        };
        if !selected.uses(connection, now) {
            return Err(Error::new_up(ErrorType::Custom(SPENT)));
        }
        self.line = Some(Line {
            connection: Arc::clone(connection),
            descriptor,
        });
        if counts && let Some(current) = self.current() {
            current.meter = Meter::start(descriptor);
        }
        Ok(())
    }

    /// The server's answer is read to its end. Pingora is about to put the connection among the idle
    /// ones, unless it was the last answer that it may carry: the request may not be `sent` to its end.
    pub(super) fn answered(&mut self, sent: bool) {
        let now = Instant::now();
        if let Some(current) = self.current() {
            current.end_at(|| now, None);
        }
        if let Some(line) = self.line.take()
            && let Some(selected) = &self.selected
            && selected.has_used(&line.connection, self.servers.keepalive(), sent, now)
        {
            line.shut();
        }
    }
}

impl Line {
    /// To Pingora it looks as if the server had closed it.
    fn shut(&self) {
        // An error means that it is closed already.
        let _ = SockRef::from(&borrow(&self.descriptor)).shutdown(Shutdown::Read);
    }
}

impl Meter {
    fn start(descriptor: RawFd) -> Option<Self> {
        let socket = borrow(&descriptor).try_clone_to_owned().ok()?;
        let before = traffic(&socket)?;
        Some(Self { socket, before })
    }

    /// What went over the connection since the try began.
    pub(super) fn read(&self) -> Option<Traffic> {
        let now = traffic(&self.socket)?;
        Some(Traffic {
            received: now.received.saturating_sub(self.before.received),
            sent: now.sent.saturating_sub(self.before.sent),
        })
    }
}

/// The bytes of a TCP connection so far.
fn traffic(socket: &OwnedFd) -> Option<Traffic> {
    let info = SocketDigest::from_raw_fd(socket.as_raw_fd()).tcp_info()?;
    // The system counts the end of what the server sends as a byte.
    let end = u64::from(ENDED.contains(&info.tcpi_state));
    let sent = info.tcpi_bytes_sent.saturating_sub(info.tcpi_bytes_retrans);
    Some(Traffic {
        received: info.tcpi_bytes_received.saturating_sub(end),
        sent: sent + u64::from(info.tcpi_notsent_bytes),
    })
}

/// The states of TCP in which the other end has sent its last: TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK
/// and CLOSING, by the system's numbers.
const ENDED: [u8; 5] = [6, 7, 8, 9, 11];

/// A descriptor of Pingora's.
fn borrow(descriptor: &RawFd) -> BorrowedFd<'_> {
    // SAFETY: Pingora tells the descriptor when a connection begins to carry a request and keeps the
    // connection open until the phases of that request that can get here are over; a `Line` is taken
    // by the first end that the try has.
    unsafe { BorrowedFd::borrow_raw(*descriptor) }
}
