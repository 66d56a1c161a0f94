//! The request line, as it was received and what it says.

mod grammar;

pub(super) use grammar::LineReader;

use super::{Fault, path};
use http::Version;
use std::ops::Range;

/// The first line of a request, as it was received.
#[derive(Debug, Default)]
pub struct RequestLine {
    raw: Box<[u8]>,
    method: Range<usize>,
    target: Range<usize>,
    query: Range<usize>,
    protocol: Range<usize>,
    /// The host of an absolute URI, with its port.
    authority: Range<usize>,
    path: Path,
    version: Option<Version>,
    /// The target begins with `?`: an absolute URI without a path.
    without_path: bool,
    /// The path holds something to decode or to resolve.
    complex: bool,
}

#[derive(Debug, Default)]
enum Path {
    /// Not known: the line is incomplete or its path invalid.
    #[default]
    Unknown,
    /// The target's own bytes.
    Plain(Range<usize>),
    /// Decoded.
    Decoded(Box<[u8]>),
}

impl RequestLine {
    /// The line without its end: `$request`.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The method: `$request_method`. Empty when it could not be read.
    pub fn method(&self) -> &[u8] {
        &self.raw[self.method.clone()]
    }

    /// The target as sent, without scheme and host: `$request_uri`.
    pub fn target(&self) -> &[u8] {
        &self.raw[self.target.clone()]
    }

    /// The path, decoded, dot segments resolved and slashes merged: `$uri` at first. Empty when
    /// it is invalid.
    pub fn path(&self) -> &[u8] {
        match &self.path {
            Path::Unknown => b"",
            Path::Plain(range) => &self.raw[range.clone()],
            Path::Decoded(path) => path,
        }
    }

    /// What follows the `?`: `$args` at first. `None` when that is nothing.
    pub fn query(&self) -> Option<&[u8]> {
        (!self.query.is_empty()).then(|| &self.raw[self.query.clone()])
    }

    /// `HTTP/1.1` as sent: `$server_protocol`. Empty for HTTP/0.9.
    pub fn protocol(&self) -> &[u8] {
        &self.raw[self.protocol.clone()]
    }

    /// The version; a later 1.x is 1.1, and 1.0 stands for a line that could not be read.
    pub fn version(&self) -> Version {
        self.version.unwrap_or(Version::HTTP_10)
    }

    /// The host and port of an absolute URI.
    pub fn authority(&self) -> Option<&[u8]> {
        // It follows a scheme or a method, so that none begins at 0; it may be empty.
        (self.authority.start > 0).then(|| &self.raw[self.authority.clone()])
    }

    /// Finds path and query.
    pub(super) fn normalise(&mut self, merge_slashes: bool) -> Result<(), Fault> {
        let target = &self.raw[self.target.clone()];
        if self.complex || self.without_path {
            let (path, query) = path::normalise(target, self.without_path, merge_slashes)
                .ok_or(Fault::InvalidPath)?;
            self.path = Path::Decoded(path.into());
            self.query = self.target.start + query.start..self.target.start + query.end;
        } else {
            let mark = memchr::memchr(b'?', target).map(|at| self.target.start + at);
            self.path = Path::Plain(self.target.start..mark.unwrap_or(self.target.end));
            self.query = mark.map_or(0..0, |mark| mark + 1..self.target.end);
        }
        Ok(())
    }
}
