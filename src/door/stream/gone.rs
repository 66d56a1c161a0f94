//! Noticing that a client has gone while nothing is read from it.

use super::DoorStream;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use tokio::io::Interest;
use tokio::net::TcpStream;

impl DoorStream {
    /// Ends when the client has closed its connection, or its sending side of it, which nginx takes for the
    /// same. What it sends before stays unread. Never ends when the system cannot tell.
    pub fn gone(&self) -> impl Future<Output = ()> + Send + use<> {
        // SAFETY: the stream's number is that of its socket, which it keeps open at least until it is dropped.
        let socket = unsafe { BorrowedFd::borrow_raw(self.inner_ref().id()) };
        let socket = socket.try_clone_to_owned();
        async move {
            match socket {
                Ok(socket) => closed(socket).await,
                Err(_) => std::future::pending().await,
            }
        }
    }
}

/// Ends with the connection; never where it cannot be watched.
async fn closed(socket: OwnedFd) {
    // Of whatever kind it is: only the system's word of it is waited for.
    let socket = TcpStream::from_std(socket.into());
    while let Ok(socket) = &socket
        && let Ok(ready) = socket.ready(Interest::READABLE).await
    {
        if ready.is_read_closed() {
            return;
        }
        // Something to read: only what comes after it is news.
        let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        drop(socket.try_io(Interest::READABLE, nothing));
    }
    std::future::pending().await
}
