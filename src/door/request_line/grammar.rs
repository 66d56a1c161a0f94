//! nginx's grammar of the request line, read byte by byte as it arrives.

use super::{Path, RequestLine};
use crate::door::Fault;
use crate::door::class::Class;
use http::Version;
use std::ops::Range;

/// Reads a request line in as many pieces as it comes. All offsets count from the line's first byte.
#[derive(Debug, Default)]
pub(in crate::door) struct LineReader {
    state: State,
    at: usize,
    line: Offsets,
}

#[derive(Debug, Default)]
struct Offsets {
    method_end: usize,
    scheme_end: usize,
    authority: Range<usize>,
    target: Range<usize>,
    protocol: usize,
    end: usize,
    minor: Option<u32>,
    without_path: bool,
    complex: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum State {
    #[default]
    Method,
    BeforeTarget,
    Scheme,
    SchemeSlash,
    SchemeSlashSlash,
    BeforeHost,
    HostStart,
    Host,
    HostEnd,
    HostLiteral,
    PortStart,
    Port,
    AfterSlash,
    Path,
    Query,
    AfterTarget,
    Protocol,
    Major,
    MajorMore,
    Minor,
    MinorMore,
    AfterVersion,
    AlmostDone,
}

impl LineReader {
    /// Reads on. `text` is the line from its first byte with all that has arrived, and does not
    /// begin with a line end. Gives the line's length with its end once that is there.
    pub(in crate::door) fn advance(&mut self, text: &[u8]) -> Result<Option<usize>, Fault> {
        while let Some(&byte) = text.get(self.at) {
            if self.step(byte, text)? {
                if self.line.end == 0 {
                    self.line.end = self.at;
                }
                if self.line.minor.is_none() && &text[..self.line.method_end] != b"GET" {
                    return Err(Fault::InvalidHttp09Method);
                }
                return Ok(Some(self.at + 1));
            }
            self.at += 1;
            self.at += self.state.lasts_for().run(&text[self.at..]);
            if self.state == State::AfterTarget && text[self.at..].starts_with(USUAL_END) {
                self.take_usual_end(text);
            }
        }
        Ok(None)
    }

    /// What `step` would do for all of it but the last byte.
    fn take_usual_end(&mut self, text: &[u8]) {
        if self.line.is_connect(text) {
            return;
        }
        self.line.protocol = self.at;
        self.line.minor = Some(1);
        self.state = State::AlmostDone;
        self.at += USUAL_END.len() - 1;
    }

    /// The line that was read to its end.
    pub(in crate::door) fn finish(self, text: &[u8]) -> RequestLine {
        let line = self.line;
        RequestLine {
            raw: text[..line.end].into(),
            method: 0..line.method_end,
            target: line.target,
            query: 0..0,
            protocol: match line.protocol {
                0 => 0..0,
                start => start..line.end,
            },
            authority: line.authority,
            path: Path::Unknown,
            version: Some(match line.minor {
                None => Version::HTTP_09,
                Some(0) => Version::HTTP_10,
                Some(_) => Version::HTTP_11,
            }),
            without_path: line.without_path,
            complex: line.complex,
        }
    }

    /// What there is of a line that was not read to its end, at most `limit` bytes, for the log.
    pub(in crate::door) fn abandon(&self, text: &[u8], limit: usize, fault: &Fault) -> RequestLine {
        let end = memchr::memchr2(b'\r', b'\n', text).unwrap_or(text.len());
        RequestLine {
            raw: text[..end.min(limit)].into(),
            method: 0..self.line.method_end.min(limit),
            version: (*fault == Fault::InvalidHttp09Method).then_some(Version::HTTP_09),
            ..RequestLine::default()
        }
    }

    /// One byte; true at the line's end.
    fn step(&mut self, byte: u8, text: &[u8]) -> Result<bool, Fault> {
        let (at, line) = (self.at, &mut self.line);
        self.state = match self.state {
            State::Method => match byte {
                b'A'..=b'Z' | b'_' | b'-' => State::Method,
                b' ' if at > 0 => {
                    line.method_end = at;
                    // CONNECT names a host where others name a path.
                    match &text[..at] {
                        b"CONNECT" => State::BeforeHost,
                        _ => State::BeforeTarget,
                    }
                }
                _ => return Err(Fault::InvalidMethod),
            },
            State::BeforeTarget => match byte {
                b' ' => State::BeforeTarget,
                b'/' => line.target_from(at),
                b'a'..=b'z' | b'A'..=b'Z' => State::Scheme,
                _ => return Err(Fault::InvalidRequest),
            },
            State::Scheme => match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'+' | b'-' | b'.' => State::Scheme,
                b':' => {
                    line.scheme_end = at;
                    State::SchemeSlash
                }
                _ => return Err(Fault::InvalidRequest),
            },
            State::SchemeSlash if byte == b'/' => State::SchemeSlashSlash,
            State::SchemeSlashSlash if byte == b'/' => State::HostStart,
            State::BeforeHost if byte == b' ' => State::BeforeHost,
            State::BeforeHost | State::HostStart => {
                line.authority.start = at;
                match byte {
                    b'[' => State::HostLiteral,
                    _ => line.host(byte, at, text)?,
                }
            }
            State::Host => line.host(byte, at, text)?,
            State::HostEnd => line.after_host(byte, at, text)?,
            State::HostLiteral => match byte {
                b']' => State::HostEnd,
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b':' | b'-' | b'.' | b'_' | b'~' => {
                    State::HostLiteral
                }
                b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => {
                    State::HostLiteral
                }
                _ => return Err(Fault::InvalidRequest),
            },
            State::PortStart | State::Port if byte.is_ascii_digit() => State::Port,
            State::PortStart if line.is_connect(text) => return Err(Fault::InvalidRequest),
            State::PortStart | State::Port => {
                line.authority.end = at;
                match byte {
                    b' ' if line.is_connect(text) => State::AfterTarget,
                    _ if line.is_connect(text) => return Err(Fault::InvalidRequest),
                    _ => line.after_authority(byte, at)?,
                }
            }
            State::AfterSlash | State::Path | State::Query => match byte {
                b' ' => {
                    line.target.end = at;
                    State::AfterTarget
                }
                b'\r' | b'\n' => {
                    line.target.end = at;
                    return self.line_end(byte);
                }
                0..0x20 | 0x7f => return Err(Fault::InvalidRequest),
                b'#' => {
                    line.complex = true;
                    State::Query
                }
                _ if self.state == State::Query => State::Query,
                b'/' if self.state == State::AfterSlash => {
                    line.complex = true;
                    State::AfterSlash
                }
                b'/' => State::AfterSlash,
                b'.' if self.state == State::AfterSlash => {
                    line.complex = true;
                    State::Path
                }
                b'%' => {
                    line.complex = true;
                    State::Path
                }
                b'?' => State::Query,
                _ => State::Path,
            },
            State::AfterTarget => match byte {
                b' ' => State::AfterTarget,
                b'\r' | b'\n' => return self.line_end(byte),
                b'H' => {
                    line.protocol = at;
                    State::Protocol
                }
                _ => return Err(Fault::InvalidRequest),
            },
            State::Protocol => match (at - line.protocol, byte) {
                (1 | 2, b'T') | (3, b'P') => State::Protocol,
                (4, b'/') => {
                    if line.is_connect(text) {
                        // There is no path; nginx takes this slash for it.
                        line.target = at..at + 1;
                    }
                    State::Major
                }
                _ => return Err(Fault::InvalidRequest),
            },
            State::Major => match byte {
                b'1' => State::MajorMore,
                b'2'..=b'9' => return Err(Fault::InvalidVersion),
                _ => return Err(Fault::InvalidRequest),
            },
            State::MajorMore => match byte {
                b'.' => State::Minor,
                b'0'..=b'9' => return Err(Fault::InvalidVersion),
                _ => return Err(Fault::InvalidRequest),
            },
            State::Minor => match byte {
                b'0'..=b'9' => {
                    line.minor = Some(u32::from(byte - b'0'));
                    State::MinorMore
                }
                _ => return Err(Fault::InvalidRequest),
            },
            State::MinorMore => match byte {
                b'\r' | b'\n' => return self.line_end(byte),
                b' ' => State::AfterVersion,
                b'0'..=b'9' => match line.minor {
                    Some(minor @ 0..=99) => {
                        line.minor = Some(minor * 10 + u32::from(byte - b'0'));
                        State::MinorMore
                    }
                    _ => return Err(Fault::InvalidRequest),
                },
                _ => return Err(Fault::InvalidRequest),
            },
            State::AfterVersion => match byte {
                b' ' => State::AfterVersion,
                b'\r' | b'\n' => return self.line_end(byte),
                _ => return Err(Fault::InvalidRequest),
            },
            State::AlmostDone if byte == b'\n' => {
                line.end = at - 1;
                return Ok(true);
            }
            State::SchemeSlash | State::SchemeSlashSlash | State::AlmostDone => {
                return Err(Fault::InvalidRequest);
            }
        };
        Ok(false)
    }

    fn line_end(&mut self, byte: u8) -> Result<bool, Fault> {
        self.state = State::AlmostDone;
        Ok(byte == b'\n')
    }
}

impl State {
    /// The bytes with which it stays as it is.
    fn lasts_for(self) -> Class {
        match self {
            Self::Method => Class::METHOD,
            Self::Path => Class::PATH,
            Self::Query => Class::QUERY,
            _ => Class::NONE,
        }
    }
}

/// How nearly every line ends.
const USUAL_END: &[u8] = b"HTTP/1.1\r\n";

impl Offsets {
    fn target_from(&mut self, at: usize) -> State {
        self.target.start = at;
        State::AfterSlash
    }

    fn is_connect(&self, text: &[u8]) -> bool {
        &text[..self.method_end] == b"CONNECT"
    }

    fn host(&mut self, byte: u8, at: usize, text: &[u8]) -> Result<State, Fault> {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => Ok(State::Host),
            _ => self.after_host(byte, at, text),
        }
    }

    fn after_host(&mut self, byte: u8, at: usize, text: &[u8]) -> Result<State, Fault> {
        if byte == b':' {
            return Ok(State::PortStart);
        }
        self.authority.end = at;
        if self.is_connect(text) {
            return Err(Fault::InvalidRequest);
        }
        self.after_authority(byte, at)
    }

    fn after_authority(&mut self, byte: u8, at: usize) -> Result<State, Fault> {
        match byte {
            b'/' => Ok(self.target_from(at)),
            b'?' => {
                self.target.start = at;
                self.without_path = true;
                Ok(State::Query)
            }
            b' ' => {
                // Without a path the target is the first slash after the scheme, as in nginx.
                self.target = self.scheme_end + 1..self.scheme_end + 2;
                Ok(State::AfterTarget)
            }
            _ => Err(Fault::InvalidRequest),
        }
    }
}
