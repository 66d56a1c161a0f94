//! Appending values in nginx's forms. Each function says whether there is a value.

use super::super::passage::{Destination, Try};
use crate::door::RequestLine;
use pingora_core::protocols::l4::socket::SocketAddr as Socket;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub(super) fn text(value: &str, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value.as_bytes());
    true
}

pub(super) fn bytes(value: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}

pub(super) fn display(value: impl std::fmt::Display, out: &mut Vec<u8>) -> bool {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{value}");
    true
}

pub(super) fn number(value: impl itoa::Integer, out: &mut Vec<u8>) -> bool {
    text(itoa::Buffer::new().format(value), out)
}

/// nginx's times: seconds with three digits.
pub(super) fn seconds(value: Duration, out: &mut Vec<u8>) -> bool {
    let milliseconds = value.subsec_millis();
    number(value.as_secs(), out);
    out.push(b'.');
    for power in [100, 10, 1] {
        number(milliseconds / power % 10, out);
    }
    true
}

pub(super) fn time(value: Option<Duration>, out: &mut Vec<u8>) -> bool {
    match value {
        Some(value) => seconds(value, out),
        None => text("-", out),
    }
}

/// One end of a connection; `None` on a Unix socket.
pub(super) fn inet(end: Option<&Socket>) -> Option<SocketAddr> {
    end.and_then(Socket::as_inet).copied()
}

pub(super) fn address(end: Option<SocketAddr>, out: &mut Vec<u8>) -> bool {
    match end {
        Some(end) => ip(end.ip(), out),
        // nginx's word for the other end of a Unix socket.
        None => text("unix:", out),
    }
}

fn ip(address: IpAddr, out: &mut Vec<u8>) -> bool {
    let IpAddr::V4(address) = address else {
        return display(address, out);
    };
    let mut digits = itoa::Buffer::new();
    for (at, octet) in address.octets().into_iter().enumerate() {
        if at > 0 {
            out.push(b'.');
        }
        out.extend_from_slice(digits.format(octet).as_bytes());
    }
    true
}

/// The address as its bytes; nginx's word for a Unix socket is no shorter.
pub(super) fn binary_address(end: Option<SocketAddr>, out: &mut Vec<u8>) -> bool {
    match end.map(|end| end.ip()) {
        Some(IpAddr::V4(ip)) => bytes(Some(&ip.octets()), out),
        Some(IpAddr::V6(ip)) => bytes(Some(&ip.octets()), out),
        None => text("unix:", out),
    }
}

/// The port; empty on a Unix socket, and when a proxy said none.
pub(super) fn port(end: Option<SocketAddr>, out: &mut Vec<u8>) -> bool {
    match end.map(|end| end.port()) {
        Some(port @ 1..) => number(port, out),
        Some(0) | None => true,
    }
}

/// The protocol as the client wrote it; HTTP/0.9 has none.
pub(super) fn protocol(line: &RequestLine) -> &[u8] {
    match line.protocol() {
        b"" => b"HTTP/0.9",
        written => written,
    }
}

pub(super) fn each(
    tries: &[Try],
    out: &mut Vec<u8>,
    mut value: impl FnMut(&Try, &mut Vec<u8>) -> bool,
) -> bool {
    let mut separator = "";
    for one in tries {
        // As nginx: a comma before the next server, a colon where the request was redirected inside.
        if matches!(one.to, Destination::Redirected) {
            separator = " : ";
            continue;
        }
        text(separator, out);
        value(one, out);
        separator = ", ";
    }
    !tries.is_empty()
}

pub(super) fn random_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// Local time, formatted once a second for each thread and format.
pub(super) fn local_time(format: &'static str, out: &mut Vec<u8>) -> bool {
    use std::cell::RefCell;
    thread_local! {
        static CACHE: RefCell<Vec<(&'static str, i64, String)>> = const { RefCell::new(Vec::new()) };
    }
    let now = jiff::Timestamp::now().as_second();
    CACHE.with_borrow_mut(|cache| {
        let at = match cache.iter().position(|(known, ..)| *known == format) {
            Some(at) => at,
            None => {
                cache.push((format, i64::MIN, String::new()));
                cache.len() - 1
            }
        };
        let (_, second, text) = &mut cache[at];
        if *second != now {
            *second = now;
            *text = jiff::Zoned::now().strftime(format).to_string();
        }
        out.extend_from_slice(text.as_bytes());
    });
    true
}
