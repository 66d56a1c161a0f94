//! Header values that no header map holds: nginx passes control characters on as they are. A word that
//! nobody can guess stands for such a value until the header is written.

use super::DoorStream;
use std::io;
use std::task::{Context, Poll, ready};

/// A word, and the value that it stands for.
type Pair = (Box<[u8]>, Box<[u8]>);

/// The values of one answer.
pub(super) type Values = Option<Box<Pairs>>;

/// Words and what they stand for.
#[derive(Default)]
pub(super) struct Pairs(Vec<Pair>);

impl DoorStream {
    /// Gives a word for a value. It may hold anything but line ends and NUL.
    pub fn stand_in(&self, value: &[u8]) -> String {
        let word = format!("{:032x}", fastrand::u128(..));
        let mut values = self.raw_values.take().unwrap_or_default();
        values.0.push((word.as_bytes().into(), value.into()));
        self.raw_values.store(Some(values));
        word
    }

    /// The value that a word stands for.
    pub fn stood_for(&self, word: &[u8]) -> Option<Vec<u8>> {
        let values = self.raw_values.take()?;
        let found = values.0.iter().find(|(known, _)| **known == *word);
        let found = found.map(|(_, value)| value.to_vec());
        self.raw_values.store(Some(values));
        found
    }

    /// Writes a header with the values in their places. `None` when this is none, or has none.
    pub(super) fn poll_send_raw(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Option<Poll<io::Result<usize>>> {
        let values = self.raw_values.take()?;
        let changed = changed(bytes, &values.0);
        self.raw_values.store(Some(values));
        let (length, header) = changed?;
        Some(self.poll_hold(cx, &header, length))
    }

    /// Holds what is sent next, in place of so many bytes, once nothing else is held.
    fn poll_hold(
        &mut self,
        cx: &mut Context<'_>,
        text: &[u8],
        length: usize,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_settled(cx))?;
        self.output.hold_at_once(text);
        Poll::Ready(Ok(length))
    }
}

/// The header at the beginning of what is written, its length before and what it becomes.
fn changed(bytes: &[u8], values: &[Pair]) -> Option<(usize, Vec<u8>)> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let mut header = bytes[..end].to_vec();
    for (word, value) in values {
        let at = memchr::memmem::find(&header, word)?;
        header.splice(at..at + word.len(), value.iter().copied());
    }
    Some((end, header))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_to_their_places() {
        let pair = |word: &[u8], value: &[u8]| (Box::from(word), Box::from(value));
        let values = [pair(b"w1", b"\x02"), pair(b"w2", b"long \x7f value")];
        let written = b"HTTP/1.1 200 OK\r\nA: w1\r\nB: w2\r\n\r\nw1";
        let (length, header) = changed(written, &values).expect("a header");
        assert_eq!(&written[length..], b"w1");
        assert_eq!(
            header,
            b"HTTP/1.1 200 OK\r\nA: \x02\r\nB: long \x7f value\r\n\r\n"
        );
        assert_eq!(changed(b"w1 w2", &values), None);
        assert_eq!(changed(b"A: w2\r\n\r\n", &values), None);
    }
}
