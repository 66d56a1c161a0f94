//! Free ports of 127.0.0.1.

use std::fs;
use std::net::TcpListener;
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
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn outgoing_from() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(32_768)
}
