//! A request header in the form that Pingora accepts.
//!
//! Most requests are handed over as they came. What nginx serves and Pingora's parser refuses is
//! written anew: odd line ends, header lines without a colon, control characters, absolute URIs,
//! HTTP/0.9. The names of headers keep their case and all lines their order.

use super::RequestLine;
use super::headers::{HeaderLine, Headers, value_bytes};
use bytes::BytesMut;
use http::Version;

/// How many header lines Pingora's parser takes.
pub(super) const MOST_HEADERS: usize = 256;

/// Whether Pingora reads this request line as it is. `received` is the line as it came, with its
/// end.
pub(super) fn is_plain(line: &RequestLine, received: &[u8]) -> bool {
    let version: &[u8] = match line.version() {
        Version::HTTP_11 => b" HTTP/1.1\r\n",
        _ => b" HTTP/1.0\r\n",
    };
    let (method, target) = (line.method(), line.target());
    target.first() == Some(&b'/')
        && received.len() == method.len() + 1 + target.len() + version.len()
        && received.ends_with(version)
        && target.iter().all(|&byte| is_plain_byte(byte))
}

/// Writes a header anew.
pub(super) fn write(line: &RequestLine, lines: &[HeaderLine], buffer: &[u8]) -> BytesMut {
    let length = lines
        .iter()
        .map(|line| line.name.len() + line.value.len() + 4)
        .sum::<usize>();
    let mut out = BytesMut::with_capacity(length + line.raw().len() + 32);
    out.extend_from_slice(line.method());
    out.extend_from_slice(b" ");
    write_target(line.target(), &mut out);
    out.extend_from_slice(match line.version() {
        Version::HTTP_11 => b" HTTP/1.1\r\n",
        _ => b" HTTP/1.0\r\n",
    });
    for line in lines {
        out.extend_from_slice(&buffer[line.name.clone()]);
        out.extend_from_slice(b": ");
        out.extend(value_bytes(&buffer[line.value.clone()]));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// The lines that Pingora can be given: those whose names are tokens of HTTP. nginx passes on
/// others too when `ignore_invalid_headers` is off.
pub(super) fn keep_tokens(headers: &mut Headers, buffer: &[u8]) {
    headers.retain(|line| {
        buffer[line.name.clone()]
            .iter()
            .all(|&byte| is_token_byte(byte))
    });
}

fn write_target(target: &[u8], out: &mut BytesMut) {
    // The fragment never leaves the client by RFC 9110; Pingora would cut it too.
    let end = memchr::memchr(b'#', target).unwrap_or(target.len());
    let target = &target[..end];
    if target.first() != Some(&b'/') {
        out.extend_from_slice(b"/");
    }
    for &byte in target {
        if is_plain_byte(byte) {
            out.extend_from_slice(&[byte]);
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'%', HEX[high], HEX[low]]);
        }
    }
}

/// The bytes of a target that pass through Pingora unchanged.
fn is_plain_byte(byte: u8) -> bool {
    !matches!(byte, 0..=0x20 | b'"' | b'#' | b'<' | b'>' | b'`' | b'\\' | b'^' | b'{' | b'|' | b'}' | 0x7f..)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
