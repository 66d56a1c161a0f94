//! HTTP/1 messages as they are on the wire, for the client's side and for the backends'.

use std::io::{self, BufRead};

/// The start line and the headers of a message.
#[derive(Debug, Clone)]
pub struct Head {
    pub raw: Vec<u8>,
    pub start_line: String,
    /// In order, names as written.
    pub headers: Vec<(String, String)>,
}

/// How a body's end is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
    /// By the end of the connection.
    Close,
    /// There is none.
    Empty,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The framing the headers announce.
    pub fn framing(&self) -> Option<Framing> {
        if self
            .values("transfer-encoding")
            .any(|value| value.eq_ignore_ascii_case("chunked"))
        {
            return Some(Framing::Chunked);
        }
        let length = self.header("content-length")?;
        Some(Framing::Length(length.parse().expect("a Content-Length")))
    }
}

/// Reads a head; `None` is a connection that ended before its first byte.
pub fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut raw = Vec::new();
    loop {
        let before = raw.len();
        reader.read_until(b'\n', &mut raw)?;
        if raw.len() == before || !raw.ends_with(b"\n") {
            if raw.is_empty() {
                return Ok(None);
            }
            let text = String::from_utf8_lossy(&raw).into_owned();
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        if matches!(&raw[before..], b"\r\n" | b"\n") {
            break;
        }
    }
    let text = String::from_utf8_lossy(&raw).into_owned();
    let mut lines = text.lines();
    let start_line = lines.next().unwrap_or_default().to_owned();
    let headers = lines
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_owned(), value.trim().to_owned())
        })
        .collect();
    Ok(Some(Head {
        raw,
        start_line,
        headers,
    }))
}

/// Reads a body onto `body`, and says whether it was whole.
pub fn read_body(
    reader: &mut impl BufRead,
    framing: Framing,
    body: &mut Vec<u8>,
) -> io::Result<bool> {
    match framing {
        Framing::Empty => Ok(true),
        Framing::Length(length) => copy_exactly(reader, length, body),
        Framing::Close => reader.read_to_end(body).map(|_| true),
        Framing::Chunked => read_chunks(reader, body),
    }
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if !line.ends_with('\n') {
            return Ok(false);
        }
        let size = line.trim_end().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("chunk {line:?}")))?;
        if size == 0 {
            // Trailers, up to the empty line.
            let mut trailer = String::new();
            while reader.read_line(&mut trailer)? > 0 {
                if trailer.trim_end().is_empty() {
                    return Ok(true);
                }
                trailer.clear();
            }
            return Ok(false);
        }
        if !copy_exactly(reader, size, body)? {
            return Ok(false);
        }
        let mut end = String::new();
        reader.read_line(&mut end)?;
        if end != "\r\n" {
            return Ok(false);
        }
    }
}

fn copy_exactly(reader: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> io::Result<bool> {
    let read = io::Read::read_to_end(&mut io::Read::take(reader, length), body)?;
    Ok(read as u64 == length)
}
