//! Header values that no header map holds: nginx passes control characters on as they are. A word that
//! nobody can guess stands for such a value until the header is written.

use super::DoorStream;
use bytes::BytesMut;

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

    /// Puts the values into a header, in their places.
    pub(super) fn put_raw_values(&mut self, header: &mut BytesMut) {
        if let Some(values) = self.raw_values.take() {
            *header = changed(header, &values.0);
            // The log may ask for them.
            self.raw_values.store(Some(values));
        }
    }
}

/// A header with the values in the places of their words.
fn changed(header: &[u8], values: &[Pair]) -> BytesMut {
    let mut header = header.to_vec();
    for (word, value) in values {
        if let Some(at) = memchr::memmem::find(&header, word) {
            header.splice(at..at + word.len(), value.iter().copied());
        }
    }
    BytesMut::from(&header[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_to_their_places() {
        let pair = |word: &[u8], value: &[u8]| (Box::from(word), Box::from(value));
        let values = [pair(b"w1", b"\x02"), pair(b"w2", b"long \x7f value")];
        let header = changed(b"HTTP/1.1 200 OK\r\nA: w1\r\nB: w2\r\n\r\n", &values);
        assert_eq!(
            header,
            b"HTTP/1.1 200 OK\r\nA: \x02\r\nB: long \x7f value\r\n\r\n"[..]
        );
    }
}
