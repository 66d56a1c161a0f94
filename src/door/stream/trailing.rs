//! Trailers: header lines behind a body in chunks, which Pingora does not write. They go between the last
//! chunk and the blank line at its end, which this finds in what Pingora writes.

use super::DoorStream;
use crate::door::chunked::Chunked;
use std::io;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

/// How far an answer was written that may get trailers.
#[derive(Default)]
pub(super) struct Trailing {
    /// How much of the blank line behind the header was seen.
    blank_line: usize,
    body: Chunked,
}

/// Trailers as they are written: lines with their ends.
pub(super) struct Lines(Vec<u8>);

impl Trailing {
    /// How many of these bytes stand before the place for trailers; `None` when what is written is no
    /// chunked body.
    fn before(&self, bytes: &[u8]) -> Option<usize> {
        let mut ahead = self.clone();
        ahead.advance(bytes)
    }

    /// Takes note of bytes that were written, up to the place for trailers.
    fn advance(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while self.blank_line < BLANK_LINE.len() {
            let Some(&byte) = bytes.get(at) else {
                return Some(at);
            };
            self.blank_line = match byte {
                byte if byte == BLANK_LINE[self.blank_line] => self.blank_line + 1,
                b'\r' => 1,
                _ => 0,
            };
            at += 1;
        }
        let body = self.body.advance_to_trailer(&bytes[at..]).ok()?;
        Some(at + body)
    }

    /// The header was written another way.
    pub(super) fn skip_header(&mut self) {
        self.blank_line = BLANK_LINE.len();
    }

    /// Whether this is the place.
    fn is_at_place(&self) -> bool {
        self.body.is_at_trailer()
    }
}

impl Clone for Trailing {
    fn clone(&self) -> Self {
        Self {
            blank_line: self.blank_line,
            body: self.body.clone(),
        }
    }
}

impl DoorStream {
    /// The answer whose header is written next is in chunks and gets trailers:
    /// [`set_trailers`](Self::set_trailers) is called before its end.
    pub fn expect_trailers(&self) {
        self.expects_trailers.store(true, Ordering::Relaxed);
    }

    /// Header lines, each with its end, that are written behind the last chunk.
    pub fn set_trailers(&self, lines: Vec<u8>) {
        self.trailers.store(Some(Box::new(Lines(lines))));
    }

    pub(super) fn forget_trailers(&mut self) {
        *self.expects_trailers.get_mut() = false;
        self.trailers.take();
        self.output.trailing = Trailing::default();
    }

    /// Writes up to the place for trailers, and these at it.
    pub(super) fn poll_send_to_trailers(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.output.trailing.is_at_place()
            && let Some(length) = self.output.trailing.before(bytes)
            && length > 0
        {
            let sent = ready!(self.poll_send_as_it_is(cx, &bytes[..length]))?;
            self.output.trailing.advance(&bytes[..sent]);
            return Poll::Ready(Ok(sent));
        }
        if self.output.trailing.is_at_place() && self.trailers_are_there() {
            // What is held goes first.
            ready!(self.poll_settled(cx))?;
            if let Some(lines) = self.trailers.take() {
                self.output.hold_at_once(&lines.0);
            }
        }
        self.forget_trailers();
        self.poll_send_as_it_is(cx, bytes)
    }

    fn trailers_are_there(&mut self) -> bool {
        let lines = self.trailers.take();
        let is_some = lines.is_some();
        self.trailers.store(lines);
        is_some
    }
}

const BLANK_LINE: &[u8; 4] = b"\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_found_however_the_answer_is_cut() {
        let answer = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n5\r\n0\r\n\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let place = answer.len() - 2;
        for cut in 1..answer.len() {
            let mut trailing = Trailing::default();
            let mut at = 0;
            for part in answer.chunks(cut) {
                let length = trailing.before(part).expect("chunks");
                assert_eq!(trailing.advance(&part[..length]), Some(length));
                at += length;
                if trailing.is_at_place() {
                    break;
                }
                assert_eq!(length, part.len());
            }
            assert_eq!(at, place, "{cut}");
        }
    }

    #[test]
    fn what_has_no_chunks_has_no_place() {
        let trailing = Trailing::default();
        assert_eq!(trailing.before(b"HTTP/1.1 200 OK\r\n\r\ntext"), None);
    }
}
