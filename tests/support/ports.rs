//! Free ports of 127.0.0.1.

use socket2::{Domain, Socket, Type};
use std::fs;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A port where nothing listens, handed out once.
///
/// It lies below the range the kernel takes ports of outgoing connections from: a connection of
/// another test could otherwise sit on it by the time it is used.
pub fn free_port() -> u16 {
    static NEXT: OnceLock<AtomicU32> = OnceLock::new();
    const LOWEST: u16 = 10_000;
    let span = u32::from(outgoing_from().saturating_sub(LOWEST).max(1000));
    let next = NEXT.get_or_init(|| AtomicU32::new(std::process::id().wrapping_mul(997)));
    loop {
        let offset = next.fetch_add(1, Ordering::Relaxed) % span;
        let port = LOWEST + u16::try_from(offset).expect("the span fits a port");
        if is_free(port) {
            return port;
        }
    }
}

/// Binds without listening: while another thread forks, the child holds a copy of the socket for a
/// moment, and only one that listens would keep others from the port.
fn is_free(port: u16) -> bool {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("SO_REUSEADDR");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    socket.bind(&address.into()).is_ok()
}

fn outgoing_from() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(32_768)
}
