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
        && is_plain_target(target)
}

/// Whether a target passes through Pingora unchanged.
fn is_plain_target(target: &[u8]) -> bool {
    let (path, query) = split(target);
    path.iter().all(|&byte| is_plain_byte(byte, b'`'))
        && query.iter().all(|&byte| is_plain_byte(byte, b'"'))
        && (target.is_ascii() || std::str::from_utf8(target).is_ok())
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
        write_header(line, buffer, &mut out);
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Writes a header for what is no request, so that its error's page can be served: what is known of it,
/// without what speaks of a body or of the connection.
pub(super) fn write_refused(line: &RequestLine, lines: &[HeaderLine], buffer: &[u8]) -> BytesMut {
    let mut out = BytesMut::from(match (line.method(), line.version()) {
        (b"HEAD", Version::HTTP_11) => &b"HEAD / HTTP/1.1\r\n"[..],
        (b"HEAD", _) => b"HEAD / HTTP/1.0\r\n",
        (_, Version::HTTP_11) => b"GET / HTTP/1.1\r\n",
        _ => b"GET / HTTP/1.0\r\n",
    });
    let is_left_out = |name: &[u8]| {
        !name.iter().all(|&byte| is_token_byte(byte))
            || LEFT_OUT
                .iter()
                .any(|other| name.eq_ignore_ascii_case(other))
    };
    for line in lines.iter().take(MOST_HEADERS - 1) {
        if !is_left_out(&buffer[line.name.clone()]) {
            write_header(line, buffer, &mut out);
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// What is not told of a request that was refused.
const LEFT_OUT: [&[u8]; 6] = [
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"expect",
    b"connection",
    b"upgrade",
];

fn write_header(line: &HeaderLine, buffer: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(&buffer[line.name.clone()]);
    out.extend_from_slice(b": ");
    out.extend(value_bytes(&buffer[line.value.clone()]));
    out.extend_from_slice(b"\r\n");
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
    use super::super::request_line::LineReader;
    use super::*;
    use pingora_core::protocols::http::v1::server::HttpSession;

    async fn through_pingora(header: BytesMut) -> Option<HttpSession> {
        let (_client, server) = tokio::io::duplex(64);
        let mut session = HttpSession::new(Box::new(server));
        session.set_pipelined_prefix(header);
        let read = session.read_request().await.ok()?;
        read.is_some().then_some(session)
    }

    fn line(target: &[u8]) -> RequestLine {
        let received = [b"GET ", target, b" HTTP/1.1\r\n"].concat();
        let mut reader = LineReader::default();
        reader.advance(&received).expect("valid").expect("whole");
        reader.finish(&received)
    }

    #[tokio::test]
    async fn pingora_takes_every_target_that_nginx_takes_and_plain_ones_unchanged() {
        let bytes = (0x21..=0xff)
            .filter(|byte| *byte != 0x7f)
            .map(|byte| vec![byte]);
        let texts = ["\u{e9}", "\u{4f60}<", "<>\"`", "{|}^\\", "%zz"].map(|text| text.into());
        for odd in bytes.chain(texts) {
            for target in [&b"/a"[..], b"/a?b"] {
                let target = [target, &odd, b"c"].concat();
                let line = line(&target);
                let session = through_pingora(write(&line, &[], b"")).await;
                let session = session.unwrap_or_else(|| panic!("{}", target.escape_ascii()));
                let received = [b"GET ", &target[..], b" HTTP/1.1\r\n"].concat();
                if is_plain(&line, &received) {
                    assert_eq!(session.req_header().raw_path(), target);
                }
            }
        }
    }

    #[tokio::test]
    async fn only_what_pingora_refuses_is_escaped() {
        for (target, expected) in [
            ("/a\"|{b}?a`b", "/a\"|{b}?a`b"),
            ("/<b>`?a<\">", "/%3Cb%3E%60?a%3C%22%3E"),
            ("/\u{e9}", "/\u{e9}"),
            ("/a#b?c", "/a"),
            ("http://host?b", "/?b"),
            ("http://host", "/"),
        ] {
            let session = through_pingora(write(&line(target.as_bytes()), &[], b"")).await;
            let session = session.expect("accepted");
            assert_eq!(
                session.req_header().raw_path(),
                expected.as_bytes(),
                "{target}"
            );
        }
        let latin = through_pingora(write(&line(b"/\xe9"), &[], b"")).await;
        assert_eq!(latin.expect("accepted").req_header().raw_path(), b"/%E9");
    }
}
