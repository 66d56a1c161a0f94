//! A request header as Pingora's sessions have it.
//!
//! What nginx serves and a header map cannot hold is changed: control characters, names that are no tokens,
//! absolute URIs, HTTP/0.9. The names of headers keep their case and all lines their order.

use super::headers::{HeaderLine, value_bytes};
use super::reader::Head;
use super::{Fault, RequestLine};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Version};
use pingora_http::RequestHeader;
use std::ops::Range;

/// Whether a request line can stay as it is. `received` is the line as it came, with its end.
pub(super) fn is_plain(line: &RequestLine, received: &[u8]) -> bool {
    let version: &[u8] = match line.version() {
        Version::HTTP_11 => b" HTTP/1.1\r\n",
        _ => b" HTTP/1.0\r\n",
    };
    let (method, target) = (line.method(), line.target());
    target.first() == Some(&b'/')
        && received.len() == method.len() + 1 + target.len() + version.len()
        && received.ends_with(version)
        && is_plain_target(target)
}

/// Whether a target stays as it is.
fn is_plain_target(target: &[u8]) -> bool {
    let (path, query) = split(target);
    path.iter().all(|&byte| is_plain_byte(byte, b'`'))
        && query.iter().all(|&byte| is_plain_byte(byte, b'"'))
        && (target.is_ascii() || std::str::from_utf8(target).is_ok())
}

/// The header of a request, with its names and values as they were written. `received` is all of it.
///
/// # Errors
/// It is larger than a header of Pingora's can be: a target of more than 65,534 bytes, or more than 32,768
/// lines.
pub(super) fn header(
    line: &RequestLine,
    head: &Head,
    lines: &[HeaderLine],
    received: &Bytes,
) -> Result<RequestHeader, Fault> {
    let version = line.version();
    if head.plain {
        let mut request = begin(line.method(), line.target(), version, lines.len())?;
        for line in lines {
            let part = |place: &Range<usize>| received.slice(place.clone());
            let name = usual_name(&received[line.name.clone()]);
            let name = name.unwrap_or_else(|| part(&line.name));
            add(&mut request, name, part(&line.value))?;
        }
        return Ok(request);
    }
    let mut target = BytesMut::new();
    write_target(line.target(), &mut target);
    let mut request = begin(line.method(), &target, version, lines.len())?;
    append(&mut request, lines.iter(), received)?;
    Ok(request)
}

/// A name that most requests have, as browsers write it. A part of what was received would be counted whenever
/// its header is copied for a server, and dropped; what is static is not.
fn usual_name(written: &[u8]) -> Option<Bytes> {
    macro_rules! one_of {
        ($($name:literal)+) => {
            match written {
                $($name => Some(Bytes::from_static($name)),)+
                _ => None,
            }
        };
    }
    one_of!(
        b"Host" b"User-Agent" b"Accept" b"Accept-Encoding" b"Accept-Language" b"Connection" b"Cookie"
        b"Referer" b"Content-Type" b"Content-Length" b"Authorization" b"Origin" b"Cache-Control"
        b"Sec-Fetch-Dest" b"Sec-Fetch-Mode" b"Sec-Fetch-Site"
    )
}

/// A header for what is no request, so that its error's page can be served: what is known of it,
/// without what speaks of a body or of the connection.
pub(super) fn refused(
    line: &RequestLine,
    lines: &[HeaderLine],
    buffer: &[u8],
) -> Result<RequestHeader, Fault> {
    let method: &[u8] = match line.method() {
        b"HEAD" => b"HEAD",
        _ => b"GET",
    };
    let mut request = begin(method, b"/", line.version(), lines.len())?;
    let is_left_out = |name: &[u8]| {
        LEFT_OUT
            .iter()
            .any(|other| name.eq_ignore_ascii_case(other))
    };
    let told = lines
        .iter()
        .filter(|line| !is_left_out(&buffer[line.name.clone()]))
        .take(MOST_TOLD);
    append(&mut request, told, buffer)?;
    Ok(request)
}

/// What a request has beside its header lines. One of HTTP/0.9 goes on as one of HTTP/1.0.
fn begin(
    method: &[u8],
    target: &[u8],
    version: Version,
    lines: usize,
) -> Result<RequestHeader, Fault> {
    let request = RequestHeader::build(method, target, Some(lines));
    let mut request = request.map_err(|_| Fault::UriTooLong)?;
    request.set_version(match version {
        Version::HTTP_11 => Version::HTTP_11,
        _ => Version::HTTP_10,
    });
    Ok(request)
}

/// Adds the header lines whose names are tokens of HTTP. nginx passes on others too when
/// `ignore_invalid_headers` is off.
fn append<'a>(
    request: &mut RequestHeader,
    lines: impl Iterator<Item = &'a HeaderLine>,
    buffer: &[u8],
) -> Result<(), Fault> {
    for line in lines {
        let name = &buffer[line.name.clone()];
        if !name.iter().all(|&byte| is_token_byte(byte)) {
            continue;
        }
        let value: Vec<u8> = value_bytes(&buffer[line.value.clone()]).collect();
        add(request, Bytes::copy_from_slice(name), value.into())?;
    }
    Ok(())
}

/// Adds a line. What a header map does not hold was taken out of its value before.
fn add(request: &mut RequestHeader, name: Bytes, value: Bytes) -> Result<(), Fault> {
    let value = HeaderValue::from_maybe_shared(value);
    let value = value.map_err(|_| Fault::InvalidHeaderLine(Box::default()))?;
    let added = request.append_header(name, value);
    added.map(drop).map_err(|_| Fault::TooManyHeaders)
}

/// How many lines of one are told.
const MOST_TOLD: usize = 1000;

/// What is not told of a request that was refused.
const LEFT_OUT: [&[u8]; 6] = [
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"expect",
    b"connection",
    b"upgrade",
];

fn write_target(target: &[u8], out: &mut BytesMut) {
    // The fragment never leaves the client by RFC 9110; Pingora would cut it too.
    let end = memchr::memchr(b'#', target).unwrap_or(target.len());
    let target = &target[..end];
    if target.first() != Some(&b'/') {
        out.extend_from_slice(b"/");
    }
    let text = std::str::from_utf8(target).is_ok();
    let (path, query) = split(target);
    for (part, odd) in [(path, b'`'), (query, b'"')] {
        for &byte in part {
            if is_plain_byte(byte, odd) && (text || byte.is_ascii()) {
                out.extend_from_slice(&[byte]);
            } else {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                out.extend_from_slice(&[b'%', HEX[high], HEX[low]]);
            }
        }
    }
}

fn split(target: &[u8]) -> (&[u8], &[u8]) {
    target.split_at(memchr::memchr(b'?', target).unwrap_or(target.len()))
}

/// The parser of `http` refuses angle brackets, and one more character in a path and in a query.
fn is_plain_byte(byte: u8, odd: u8) -> bool {
    byte > 0x20 && byte != 0x7f && !matches!(byte, b'<' | b'>' | b'#') && byte != odd
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::super::Framing;
    use super::super::request_line::LineReader;
    use super::*;

    fn passed_on(target: &[u8]) -> Vec<u8> {
        let head = Head {
            length: 0,
            framing: Framing::None,
            upgrade: false,
            expects: false,
            keepalive: true,
            plain: false,
        };
        let request = header(&line(target), &head, &[], &Bytes::new());
        request.expect("a header").raw_path().to_vec()
    }

    fn line(target: &[u8]) -> RequestLine {
        let received = [b"GET ", target, b" HTTP/1.1\r\n"].concat();
        let mut reader = LineReader::default();
        reader.advance(&received).expect("valid").expect("whole");
        reader.finish(&received)
    }

    #[test]
    fn every_target_that_nginx_takes_is_taken_and_plain_ones_unchanged() {
        let bytes = (0x21..=0xff)
            .filter(|byte| *byte != 0x7f)
            .map(|byte| vec![byte]);
        let texts = ["\u{e9}", "\u{4f60}<", "<>\"`", "{|}^\\", "%zz"].map(|text| text.into());
        for odd in bytes.chain(texts) {
            for target in [&b"/a"[..], b"/a?b"] {
                let target = [target, &odd, b"c"].concat();
                let received = [b"GET ", &target[..], b" HTTP/1.1\r\n"].concat();
                let passed_on = passed_on(&target);
                if is_plain(&line(&target), &received) {
                    assert_eq!(passed_on, target);
                }
            }
        }
    }

    #[test]
    fn usual_names_keep_their_case() {
        assert_eq!(
            usual_name(b"User-Agent").as_deref(),
            Some(&b"User-Agent"[..])
        );
        assert_eq!(usual_name(b"user-agent"), None);
        assert_eq!(usual_name(b"X-User-Agent"), None);
    }

    #[test]
    fn only_what_a_uri_cannot_hold_is_escaped() {
        for (target, expected) in [
            (&b"/a\"|{b}?a`b"[..], &b"/a\"|{b}?a`b"[..]),
            (b"/<b>`?a<\">", b"/%3Cb%3E%60?a%3C%22%3E"),
            ("/\u{e9}".as_bytes(), "/\u{e9}".as_bytes()),
            (b"/a#b?c", b"/a"),
            (b"http://host?b", b"/?b"),
            (b"http://host", b"/"),
            (b"/\xe9", b"/%E9"),
        ] {
            assert_eq!(passed_on(target), expected, "{}", target.escape_ascii());
        }
    }
}
