//! Accepting on one socket: each connection gets a task of its own.
//!
//! Pingora's listening service could do it. Its tasks keep what a TLS handshake would need for as long
//! as a connection lives, 9 kB, and its streams a buffer of their own.

use crate::door::{Door, Socket};
use crate::model::ListenAddress;
use crate::os_error::OsError;
use crate::proxy::Proxy;
use log::error;
use pingora_core::protocols::Stream;
use pingora_core::server::ShutdownWatch;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Notify;
use tokio::time::sleep;

/// The listeners that are at work, so that a graceful stop knows when the last one is done: one is
/// until it accepts no more and its last connection is closed.
#[derive(Default)]
pub(super) struct AtWork {
    listeners: AtomicUsize,
    ended: Notify,
}

impl AtWork {
    /// Waits until there are none.
    pub(super) async fn end(&self) {
        loop {
            let ended = self.ended.notified();
            if self.listeners.load(Ordering::Acquire) == 0 {
                return;
            }
            ended.await;
        }
    }
}

/// The door of one listener. Its accept loop and each of its connections hold it, so it is dropped
/// with the last of them.
pub(super) struct Acceptor {
    door: Door<Proxy>,
    at_work: Arc<AtWork>,
    /// Says when nothing more is accepted, and that connections are to end when they can.
    stopped: ShutdownWatch,
}

impl Acceptor {
    pub(super) fn new(door: Door<Proxy>, at_work: &Arc<AtWork>, stopped: ShutdownWatch) -> Self {
        at_work.listeners.fetch_add(1, Ordering::AcqRel);
        Self {
            door,
            at_work: Arc::clone(at_work),
            stopped,
        }
    }

    /// Accepts until it is stopped.
    pub(super) async fn run(self, listener: Listener) {
        let acceptor = Arc::new(self);
        acceptor.accept(listener).await;
        acceptor.door.end();
    }

    /// The socket is closed behind it, before this listener counts as ended.
    async fn accept(self: &Arc<Self>, listener: Listener) {
        let mut stopped = self.stopped.clone();
        // A watch whose sender is gone ends too.
        let stop = stopped.wait_for(|stopped| *stopped);
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                _ = &mut stop => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(stream) => {
                    let acceptor = Arc::clone(self);
                    tokio::spawn(async move {
                        acceptor.door.serve(stream, &acceptor.stopped).await;
                    });
                }
                Err(cause) => {
                    let (level, pause) = weigh(&cause);
                    let cause = OsError(&cause);
                    error!("[{level}] accept4() failed ({cause})");
                    if pause {
                        tokio::select! {
                            () = sleep(UNTIL_THERE_ARE_FILES) => {}
                            _ = &mut stop => return,
                        }
                    }
                }
            }
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.at_work.listeners.fetch_sub(1, Ordering::AcqRel);
        self.at_work.ended.notify_waiters();
    }
}

/// A socket that is listened on.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Waits for connections on this socket, which does not block. In a runtime.
    pub(super) fn new(address: &ListenAddress, socket: OwnedFd) -> io::Result<Self> {
        Ok(match address {
            ListenAddress::Inet(_) => Self::Tcp(TcpListener::from_std(socket.into())?),
            ListenAddress::Unix(_) => Self::Unix(UnixListener::from_std(socket.into())?),
        })
    }

    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, client) = listener.accept().await?;
                Ok(Box::new(Socket::tcp(stream, client)))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Box::new(Socket::unix(stream)))
            }
        }
    }
}

/// How nginx weighs an error of `accept4()`, and whether it waits before it tries again.
fn weigh(cause: &io::Error) -> (&'static str, bool) {
    match cause.raw_os_error() {
        Some(libc::ECONNABORTED) => ("error", false),
        Some(libc::EMFILE | libc::ENFILE) => ("crit", true),
        _ => ("alert", false),
    }
}

/// nginx's `accept_mutex_delay`.
const UNTIL_THERE_ARE_FILES: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_weighed_as_nginx_does() {
        let weighed = |code| weigh(&io::Error::from_raw_os_error(code));
        assert_eq!(weighed(libc::ECONNABORTED), ("error", false));
        assert_eq!(weighed(libc::EMFILE), ("crit", true));
        assert_eq!(weighed(libc::ENFILE), ("crit", true));
        assert_eq!(weighed(libc::ENOBUFS), ("alert", false));
    }
}
