//! A client for one GET: what came back, whole, or why nothing did.

use crate::model::ListenAddress;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: String,
    /// In order, names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// No more of a body is read and compared.
const LARGEST_BODY: u64 = 16 << 20;

/// No header is longer than this.
const LARGEST_HEADER: u64 = 1 << 20;

/// Asks for a path of a host.
///
/// # Errors
/// Nothing answers there, or not with HTTP.
pub(super) fn get(address: &ListenAddress, host: &str, path: &str) -> io::Result<Answer> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: gapura-try\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    match address {
        ListenAddress::Inet(address) => {
            let stream = TcpStream::connect_timeout(&reachable(*address), PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream, &request)
        }
        ListenAddress::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream, &request)
        }
    }
}

/// Where a server that listens everywhere can be reached.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn exchange(mut stream: impl Read + Write, request: &str) -> io::Result<Answer> {
    stream.write_all(request.as_bytes())?;
    let mut reader = BufReader::new(stream);
    loop {
        let answer = read(&mut reader)?;
        // An interim answer is followed by another one.
        if !answer.status.starts_with('1') || answer.status.starts_with("101") {
            return Ok(answer);
        }
    }
}

fn read(reader: &mut impl BufRead) -> io::Result<Answer> {
    let mut head = reader.take(LARGEST_HEADER);
    let first = line(&mut head)?;
    let Some(status) = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..)) else {
        return Err(io::Error::other("it does not answer in HTTP"));
    };
    let mut headers = Vec::new();
    loop {
        let line = line(&mut head)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let value = |name: &str| {
        let found = headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    let bodiless =
        status.starts_with('1') || status.starts_with("204") || status.starts_with("304");
    let mut body = Vec::new();
    if value("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        chunks(reader, &mut body)?;
    } else if !bodiless {
        let length = value("content-length").and_then(|length| length.parse().ok());
        let length: u64 = length.unwrap_or(LARGEST_BODY).min(LARGEST_BODY);
        reader.take(length).read_to_end(&mut body)?;
    }
    Ok(Answer {
        status: status.to_owned(),
        headers,
        body,
    })
}

/// A line without its end.
fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut bytes = Vec::new();
    reader.read_until(b'\n', &mut bytes)?;
    if bytes.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let size = line(&mut reader.take(LARGEST_HEADER))?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
        let room = LARGEST_BODY.saturating_sub(body.len() as u64);
        if size == 0 || size > room {
            return Ok(());
        }
        reader.take(size).read_to_end(body)?;
        line(&mut reader.take(2))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> io::Result<Answer> {
        read(&mut text.as_bytes())
    }

    #[test]
    fn bodies_are_read_to_their_ends() {
        for (text, body) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more",
                "ok",
            ),
            ("HTTP/1.1 200 OK\r\n\r\nall of it", "all of it"),
            (
                "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
                "abc",
            ),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", ""),
        ] {
            let answer = parsed(text).expect("an answer");
            assert_eq!(answer.body, body.as_bytes(), "{text}");
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in [
            "",
            "SSH-2.0\r\n",
            "HTTP/1.1 200 OK\r\nX: y",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
