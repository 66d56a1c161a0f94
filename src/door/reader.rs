//! Reading one request header: the request line, the header lines and what follows from them, in
//! nginx's order, so that of several faults the same one is reported.

use super::canonical;
use super::headers::{self, Headers};
use super::request_line::{LineReader, RequestLine};
use super::{Fault, Framing, host};
use crate::model::{ClientLimits, HeaderBuffers};
use crate::runtime::{Assigned, Listener, Site};
use http::Version;
use std::ops::Range;
use std::sync::Arc;

/// A request header on its way in. It is given the buffer as often as that grows and keeps
/// offsets only.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    listener: &'a Listener,
    /// The site that the host chose, the listener's default until then: its limits apply.
    pub(super) site: &'a Arc<Site>,
    pub(super) line: RequestLine,
    pub(super) headers: &'a mut Headers,
    /// The normalised host, once it is known.
    pub(super) host: Option<Box<str>>,
    /// What the pattern that it matched has written.
    pub(super) assigned: Assigned,
    /// `None` once the request line is read.
    line_reader: Option<LineReader>,
    buffers: Buffers,
    /// Where the line that is being read begins.
    start: usize,
    /// Up to where the buffer was searched for its end.
    searched: usize,
    known: Known,
    plain: bool,
}

/// A header read to its end.
#[derive(Debug)]
pub(super) struct Head {
    /// Bytes, the blank line included.
    pub(super) length: usize,
    pub(super) framing: Framing,
    pub(super) upgrade: bool,
    /// There is an `Expect`.
    pub(super) expects: bool,
    /// What the client wants.
    pub(super) keepalive: bool,
    /// A header map holds it as it came.
    pub(super) plain: bool,
}

/// What the header lines that matter at the door said.
#[derive(Debug, Default)]
struct Known {
    host: bool,
    /// One bit for each of [`UNIQUE`].
    seen: u16,
    upgrade: bool,
    connection: Option<bool>,
    length: Option<Range<usize>>,
    coding: Option<Range<usize>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(listener: &'a Listener, headers: &'a mut Headers) -> Self {
        headers.clear();
        Self {
            site: listener.default_site(),
            listener,
            line: RequestLine::default(),
            headers,
            host: None,
            assigned: Assigned::default(),
            line_reader: Some(LineReader::default()),
            buffers: Buffers {
                room: listener.default_site().client.first_header_buffer,
                large: 0,
            },
            start: 0,
            searched: 0,
            known: Known::default(),
            plain: true,
        }
    }

    /// Reads on in `buffer`, which begins with the request line and holds all that has arrived.
    /// `None` asks for more.
    pub(super) fn advance(&mut self, buffer: &[u8]) -> Result<Option<Head>, Fault> {
        if let Some(line_reader) = &mut self.line_reader {
            let limits = self.site.client.header_buffers;
            let within = &buffer[..buffer.len().min(self.buffers.longest(limits))];
            let Some(end) = line_reader.advance(within)? else {
                return match self.buffers.overflow(buffer.len(), limits) {
                    true => Err(Fault::UriTooLong),
                    false => Ok(None),
                };
            };
            self.buffers.take(end, limits);
            (self.start, self.searched) = (end, end);
            self.finish_line(&buffer[..end])?;
            if self.line.version() == Version::HTTP_09 {
                self.plain = false;
                return self.finish(buffer).map(Some);
            }
        }
        while let Some(end) = memchr::memchr(b'\n', &buffer[self.searched..]) {
            let end = self.searched + end + 1;
            let line = &buffer[self.start..end];
            if !self.buffers.take(line.len(), self.limits().header_buffers) {
                return Err(Fault::HeaderTooLong(excerpt(line)));
            }
            let start = self.start;
            (self.start, self.searched) = (end, end);
            match line {
                b"\n" | b"\r\n" => {
                    self.plain &= line.len() == 2;
                    return self.finish(buffer).map(Some);
                }
                [b'\r', ..] => return Err(malformed(line, 1)),
                _ => self.header_line(buffer, start, end)?,
            }
        }
        self.searched = buffer.len();
        let text = &buffer[self.start..];
        if self
            .buffers
            .overflow(text.len(), self.limits().header_buffers)
        {
            return Err(Fault::HeaderTooLong(excerpt(text)));
        }
        headers::check_unfinished(text).map_err(|at| malformed(text, at))?;
        Ok(None)
    }

    /// The request line as far as it is known, for a refusal.
    pub(super) fn give_up(&mut self, buffer: &[u8], fault: &Fault) -> RequestLine {
        match &self.line_reader {
            Some(line_reader) => {
                let limit = self.buffers.longest(self.site.client.header_buffers);
                line_reader.abandon(buffer, limit, fault)
            }
            None => std::mem::take(&mut self.line),
        }
    }

    /// How many bytes of the buffer belong to what was read.
    pub(super) fn consumed(&self, buffer: &[u8]) -> usize {
        match self.line_reader {
            Some(_) => buffer
                .len()
                .min(self.buffers.longest(self.limits().header_buffers)),
            None => self.start,
        }
    }

    fn limits(&self) -> &ClientLimits {
        &self.site.client
    }

    fn finish_line(&mut self, received: &[u8]) -> Result<(), Fault> {
        if let Some(line_reader) = self.line_reader.take() {
            self.line = line_reader.finish(received);
        }
        self.line.normalise(self.site.client.merge_slashes)?;
        if let Some(authority) = self.line.authority() {
            let host = host::normalise(authority).ok_or(Fault::InvalidHostInRequestLine)?;
            self.site = self.listener.site(&host, &mut self.assigned);
            self.host = Some(host);
        }
        self.plain = canonical::is_plain(&self.line, received);
        Ok(())
    }

    fn header_line(&mut self, buffer: &[u8], start: usize, end: usize) -> Result<(), Fault> {
        let text = &buffer[start..end];
        let parsed = headers::parse(text, self.limits().underscores_in_headers)
            .map_err(|at| malformed(text, at))?;
        self.plain &= parsed.plain;
        if !parsed.valid && self.limits().ignore_invalid_headers {
            return Ok(());
        }
        if self.headers.len() >= self.limits().max_headers {
            return Err(Fault::TooManyHeaders);
        }
        let line = parsed.line.shift(start);
        let (name, value) = (line.name.clone(), line.value.clone());
        self.headers.push(line);
        self.note(&buffer[name], &buffer[value.clone()], value, || {
            lossy(text.trim_ascii_end())
        })
    }

    /// Remembers what matters at the door.
    fn note(
        &mut self,
        name: &[u8],
        value: &[u8],
        place: Range<usize>,
        text: impl Fn() -> Box<str>,
    ) -> Result<(), Fault> {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        match name.len() {
            4 if is("host") => {
                if self.known.host {
                    return Err(Fault::DuplicateHost(text()));
                }
                self.known.host = true;
                let host = host::normalise(value).ok_or(Fault::InvalidHost)?;
                if self.host.is_none() {
                    self.site = self.listener.site(&host, &mut self.assigned);
                    self.host = Some(host);
                }
            }
            7 if is("upgrade") => self.known.upgrade = true,
            10 if is("connection") => {
                if contains(value, b"close") {
                    self.known.connection = Some(false);
                } else if contains(value, b"keep-alive") {
                    self.known.connection = Some(true);
                }
            }
            6 | 8 | 13 | 14 | 17 | 19 => {
                let Some(bit) = UNIQUE.iter().position(|unique| is(unique)) else {
                    return Ok(());
                };
                if self.known.seen & 1 << bit != 0 {
                    return Err(Fault::DuplicateHeader(text()));
                }
                self.known.seen |= 1 << bit;
                match bit {
                    CONTENT_LENGTH => self.known.length = Some(place),
                    TRANSFER_ENCODING => self.known.coding = Some(place),
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What can be said once all lines are there.
    fn finish(&mut self, buffer: &[u8]) -> Result<Head, Fault> {
        if self.host.is_none() {
            self.site = self.listener.site("", &mut self.assigned);
        }
        let version = self.line.version();
        if !self.known.host && version == Version::HTTP_11 {
            return Err(Fault::MissingHost);
        }
        let length = match self.known.length.clone() {
            Some(place) => Some(number(&buffer[place]).ok_or(Fault::InvalidContentLength)?),
            None => None,
        };
        if let Some(coding) = self.known.coding.clone() {
            if version != Version::HTTP_11 {
                return Err(Fault::TransferEncodingInHttp10);
            }
            if !buffer[coding.clone()].eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::UnknownTransferEncoding(lossy(&buffer[coding])));
            }
            if length.is_some() {
                return Err(Fault::LengthAndTransferEncoding);
            }
        }
        match self.line.method() {
            b"CONNECT" => return Err(Fault::Connect),
            b"TRACE" => return Err(Fault::Trace),
            _ => {}
        }
        Ok(Head {
            length: self.start,
            framing: match length {
                _ if self.known.coding.is_some() => Framing::Chunked,
                None | Some(0) => Framing::None,
                Some(length) => Framing::Length(length),
            },
            upgrade: self.known.upgrade && version == Version::HTTP_11,
            expects: self.known.seen & 1 << EXPECT != 0,
            keepalive: match version {
                Version::HTTP_11 => self.known.connection != Some(false),
                Version::HTTP_10 => self.known.connection == Some(true),
                _ => false,
            },
            plain: self.plain,
        })
    }
}

/// How nginx's buffers would be used: a small first one, then up to `number` large ones. A line
/// that does not fit what is left of one moves to the next as a whole.
#[derive(Debug)]
struct Buffers {
    room: usize,
    large: usize,
}

impl Buffers {
    /// Puts a whole line away; false when there is no place for it.
    fn take(&mut self, length: usize, limits: HeaderBuffers) -> bool {
        if length > self.longest(limits) {
            return false;
        }
        if length > self.room {
            self.large += 1;
            self.room = limits.size;
        }
        self.room -= length;
        true
    }

    /// Whether a line that is still without an end has filled its place already.
    fn overflow(&self, length: usize, limits: HeaderBuffers) -> bool {
        length >= self.longest(limits)
    }

    /// How long the next line may be.
    fn longest(&self, limits: HeaderBuffers) -> usize {
        match self.large < limits.number {
            true => self.room.max(limits.size),
            false => self.room,
        }
    }
}

/// A `Content-Length` as nginx reads it: digits alone, up to the largest `off_t`.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let number = digits.iter().try_fold(0u64, |number, digit| match digit {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })?;
    (number <= i64::MAX as u64).then_some(number)
}

/// Whether a value holds a word anywhere: nginx does not split `Connection` at its commas.
fn contains(value: &[u8], word: &[u8]) -> bool {
    value
        .windows(word.len())
        .any(|part| part.eq_ignore_ascii_case(word))
}

fn malformed(line: &[u8], at: usize) -> Fault {
    let fault = line.get(at).copied().unwrap_or_default();
    let text = String::from_utf8_lossy(&line[..at.min(LONGEST_EXCERPT)]);
    Fault::InvalidHeaderLine(format!("{text}\\x{fault:02x}").into())
}

fn excerpt(line: &[u8]) -> Box<str> {
    lossy(&line[..line.len().min(LONGEST_EXCERPT)])
}

fn lossy(text: &[u8]) -> Box<str> {
    String::from_utf8_lossy(text).into()
}

/// The headers that nginx refuses to see twice, Host aside. Their lengths are in [`Reader::note`].
const UNIQUE: [&str; 11] = [
    "content-length",
    "transfer-encoding",
    "expect",
    "if-match",
    "if-range",
    "if-none-match",
    "content-range",
    "authorization",
    "if-modified-since",
    "if-unmodified-since",
    "proxy-authorization",
];
const CONTENT_LENGTH: usize = 0;
const TRANSFER_ENCODING: usize = 1;
const EXPECT: usize = 2;

/// As much of a line as nginx puts into its error log.
const LONGEST_EXCERPT: usize = 1748;

#[cfg(test)]
mod tests;
