//! A backend that has gone silent: connections to it are neither accepted nor refused.

use super::{Addressed, free_port};
use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A listener that never accepts, its queue filled: the kernel drops every further SYN, as the
/// network does for a machine that is gone.
pub struct SilentBackend {
    address: SocketAddr,
    _listener: Socket,
    _queue: Vec<TcpStream>,
}

impl SilentBackend {
    pub fn start() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        listener.set_reuse_address(true).expect("SO_REUSEADDR");
        listener.bind(&address.into()).expect("bind");
        listener.listen(0).expect("listen");
        let mut queue = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            queue.push(stream);
            assert!(queue.len() < 100, "the queue of {address} does not fill");
        }
        Self {
            address,
            _listener: listener,
            _queue: queue,
        }
    }
}

impl Addressed for SilentBackend {
    fn address(&self) -> SocketAddr {
        self.address
    }
}
