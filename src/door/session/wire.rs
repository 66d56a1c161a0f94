//! Answers as they are sent: the text of a header, and how a body is delimited.

use super::DoorStream;
use crate::door::Placed;
use bytes::{BufMut, BytesMut};
use http::{HeaderName, Method, StatusCode, Version, header};
use pingora_core::protocols::http::date;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;

/// How the answer's body is delimited, and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framed {
    /// There is no header yet.
    Unknown,
    Length(u64),
    Chunked,
    UntilClose,
    /// It is written.
    Whole,
}

impl Framed {
    /// What a header says of it (RFC 9112, 6.3).
    pub(super) fn of(header: &ResponseHeader, method: &Method) -> Self {
        let status = header.status;
        if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || *method == Method::HEAD
        {
            return Self::Length(0);
        }
        let codings = header.headers.get_all(header::TRANSFER_ENCODING);
        if let Some(codings) = codings.iter().next_back() {
            let last = codings.as_bytes().rsplit(|byte| *byte == b',').next();
            let last = last.unwrap_or_default().trim_ascii();
            if last.eq_ignore_ascii_case(b"chunked") {
                return Self::Chunked;
            }
        }
        let length = header.headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.trim().parse().ok());
        length.map_or(Self::UntilClose, Self::Length)
    }
}

/// A header as it is sent: the lines that have a place of theirs in nginx's, and then the others in their
/// order. No variable knows the door's own, but `$sent_http_connection`.
pub(super) fn header(
    header: &ResponseHeader,
    stream: &mut DoorStream,
    is_interim: bool,
) -> Result<BytesMut> {
    let mut text = BytesMut::with_capacity(ROOM);
    text.put_slice(match header.version {
        Version::HTTP_09 => b"HTTP/0.9 ",
        Version::HTTP_10 => b"HTTP/1.0 ",
        Version::HTTP_11 => b"HTTP/1.1 ",
        _ => return Error::e_explain(ErrorType::WriteError, "no version of HTTP/1"),
    });
    text.put_slice(header.status.as_str().as_bytes());
    text.put_slice(b" ");
    text.put_slice(header.get_reason_phrase().unwrap_or_default().as_bytes());
    text.put_slice(b"\r\n");
    if !is_interim {
        begin(header, stream, &mut text);
    }
    let withheld = |name| stream.withholds(&name);
    let (server, date) = (withheld(header::SERVER), withheld(header::DATE));
    let upgrades = header.status == StatusCode::SWITCHING_PROTOCOLS;
    let places = stream.manner.placed;
    let is_placed =
        |name: &[u8]| placed(places).any(|(_, placed)| name.eq_ignore_ascii_case(placed));
    let mut written = 0_u32;
    let mut is_left_out = |name: &[u8]| match name.len() {
        4 => date && name.eq_ignore_ascii_case(b"date"),
        6 => server && name.eq_ignore_ascii_case(b"server"),
        10 => !upgrades && name.eq_ignore_ascii_case(b"connection"),
        // The first of them is written. What else the configuration adds stays, but no second length or coding.
        length @ (8 | 12 | 13) if !is_interim && is_placed(name) => {
            let before = written;
            written |= 1 << length;
            before != written
        }
        14..=17 => !is_interim && is_placed(name),
        _ => false,
    };
    let uncased = (!header.has_case()).then_some(&header.headers);
    let uncased = uncased.into_iter().flatten();
    let uncased = uncased.map(|(name, value)| (name.as_str().as_bytes(), value));
    let cased = header.case_header_iter();
    let cased = cased.map(|(name, value)| (name.as_slice(), value));
    for (name, value) in cased.chain(uncased) {
        if !is_left_out(name) {
            put_line(name, value.as_bytes(), &mut text);
        }
    }
    text.put_slice(b"\r\n");
    Ok(text)
}

/// The lines that come before the others.
fn begin(header: &ResponseHeader, stream: &mut DoorStream, text: &mut BytesMut) {
    let headers = &header.headers;
    if stream.writes_own(&header::SERVER, headers)
        && let Some(name) = stream.server_name()
    {
        put_line(b"Server", name.as_bytes(), text);
    }
    if stream.writes_own(&header::DATE, headers) {
        put_line(b"Date", date::get_cached_date().as_bytes(), text);
    }
    for (name, written) in placed(stream.manner.placed) {
        if let Some(value) = headers.get(name) {
            put_line(written, value.as_bytes(), text);
        }
    }
    if header.status != StatusCode::SWITCHING_PROTOCOLS {
        let kept: &[u8] = match stays_open(stream) {
            true => b"keep-alive",
            false => b"close",
        };
        put_line(b"Connection", kept, text);
    }
}

/// Whether another request may come after this answer. A call that cannot unwind, as the one to C cannot, leaves
/// what calls it as the profile knows it.
#[inline(never)]
#[allow(improper_ctypes_definitions)]
extern "C" fn stays_open(stream: &mut DoorStream) -> bool {
    stream.stays_open()
}

fn put_line(name: &[u8], value: &[u8], text: &mut BytesMut) {
    text.reserve(name.len() + value.len() + 4);
    text.put_slice(name);
    text.put_slice(b": ");
    text.put_slice(value);
    text.put_slice(b"\r\n");
}

/// The line before a chunk, in hexadecimal, at the end of the array from where it begins.
pub(super) fn chunk_head(length: usize) -> ([u8; 18], usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut head = *b"................\r\n";
    let (mut at, mut left) = (16, length);
    loop {
        at -= 1;
        head[at] = HEX[left % 16];
        left /= 16;
        if left == 0 {
            return (head, at);
        }
    }
}

/// The answer's own lines that stand before the others, as nginx orders and writes them.
fn placed(placed: Placed) -> impl Iterator<Item = &'static (HeaderName, &'static [u8])> {
    PLACED.iter().filter(move |(name, _)| match name {
        name if *name == header::LAST_MODIFIED => placed.last_modified,
        name if *name == header::LOCATION => placed.location,
        _ => true,
    })
}

static PLACED: [(HeaderName, &[u8]); 5] = [
    (header::CONTENT_TYPE, b"Content-Type"),
    (header::CONTENT_LENGTH, b"Content-Length"),
    (header::LAST_MODIFIED, b"Last-Modified"),
    (header::LOCATION, b"Location"),
    (header::TRANSFER_ENCODING, b"Transfer-Encoding"),
];

/// Most headers are shorter.
const ROOM: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_framed_as_their_header_says() {
        let framed = |status: u16, lines: &[(&'static str, &str)], method: Method| {
            let mut header = ResponseHeader::build(status, None).expect("a status");
            for (name, value) in lines {
                header.append_header(*name, *value).expect("a line");
            }
            Framed::of(&header, &method)
        };
        let length = ("Content-Length", "12");
        let chunked = ("Transfer-Encoding", "gzip, Chunked");
        assert_eq!(framed(200, &[length], Method::GET), Framed::Length(12));
        assert_eq!(
            framed(200, &[length, chunked], Method::GET),
            Framed::Chunked
        );
        assert_eq!(framed(200, &[], Method::GET), Framed::UntilClose);
        assert_eq!(framed(200, &[chunked], Method::HEAD), Framed::Length(0));
        assert_eq!(framed(204, &[], Method::GET), Framed::Length(0));
        assert_eq!(framed(304, &[length], Method::GET), Framed::Length(0));
        let odd = ("Content-Length", "12a");
        assert_eq!(framed(200, &[odd], Method::GET), Framed::UntilClose);
    }

    #[test]
    fn chunks_say_their_length() {
        for length in [1, 15, 16, 255, 4096, usize::MAX] {
            let (head, from) = chunk_head(length);
            assert_eq!(head[from..], *format!("{length:x}\r\n").as_bytes());
        }
    }
}
