//! Several ranges in one answer: `multipart/byteranges`, framed as nginx frames it.

use super::body::Part;
use bytes::Bytes;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

/// An answer of several ranges.
pub(super) struct Multipart {
    pub(super) content_type: String,
    pub(super) length: u64,
    pub(super) parts: Vec<Part>,
}

impl Multipart {
    /// Frames these pieces of a file of this size and type.
    pub(super) fn new(pieces: Vec<Range<u64>>, content_type: &[u8], size: u64) -> Self {
        let boundary = next_boundary();
        let mut parts = Vec::with_capacity(2 * pieces.len() + 1);
        let mut length = 0;
        let mut add = |part: Part| {
            length += match &part {
                Part::Text(text) => text.len() as u64,
                Part::Piece(piece) => piece.end - piece.start,
            };
            parts.push(part);
        };
        for piece in pieces {
            let mut head = format!("\r\n--{boundary}\r\n").into_bytes();
            if !content_type.is_empty() {
                head.extend_from_slice(b"Content-Type: ");
                head.extend_from_slice(content_type);
                head.extend_from_slice(b"\r\n");
            }
            let last = piece.end - 1;
            let range = format!("Content-Range: bytes {}-{last}/{size}\r\n\r\n", piece.start);
            head.extend_from_slice(range.as_bytes());
            add(Part::Text(head.into()));
            add(Part::Piece(piece));
        }
        add(Part::Text(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
        Self {
            content_type: format!("multipart/byteranges; boundary={boundary}"),
            length,
            parts,
        }
    }
}

/// Twenty digits, as nginx: another one for each answer.
fn next_boundary() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let serial = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{serial:010}{:010}", fastrand::u32(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_what_is_sent() {
        let multipart = Multipart::new(vec![0..3, 7..8], b"text/plain", 10);
        let boundary = multipart
            .content_type
            .rsplit('=')
            .next()
            .expect("a boundary");
        assert_eq!(boundary.len(), 20);
        let mut shown = String::new();
        for part in &multipart.parts {
            match part {
                Part::Text(text) => shown += std::str::from_utf8(text).expect("text"),
                Part::Piece(piece) => {
                    let at = |place: u64| usize::try_from(place).expect("short");
                    shown += &"0123456789"[at(piece.start)..at(piece.end)]
                }
            }
        }
        assert_eq!(multipart.length, shown.len() as u64);
        let expected = format!(
            "\r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-2/10\r\n\r\n012\
             \r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 7-7/10\r\n\r\n7\
             \r\n--{boundary}--\r\n"
        );
        assert_eq!(shown, expected);
        assert_ne!(next_boundary(), next_boundary());
    }
}
