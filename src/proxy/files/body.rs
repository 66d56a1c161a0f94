//! Pieces of a file on their way to the client, a bounded chunk at a time: a file of any size costs no
//! more memory than that.

use bytes::{Bytes, BytesMut};
use pingora_core::{Error, ErrorType, Result};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// How much is read at once.
const CHUNK: u64 = 128 * 1024;

/// The body of an answer.
pub(in crate::proxy) struct Body {
    file: Option<Arc<File>>,
    parts: VecDeque<Part>,
}

/// What a body is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::proxy) enum Part {
    /// This text.
    Text(Bytes),
    /// This piece of the file.
    Piece(Range<u64>),
}

impl Body {
    /// Pieces of a file, with text between them.
    pub(in crate::proxy) fn of_file(file: File, parts: impl IntoIterator<Item = Part>) -> Self {
        Self {
            file: Some(Arc::new(file)),
            parts: parts.into_iter().collect(),
        }
    }

    /// All of a file of this size.
    pub(in crate::proxy) fn whole(file: File, size: u64) -> Self {
        let all = (size > 0).then_some(Part::Piece(0..size));
        Self::of_file(file, all)
    }

    /// What is in memory.
    pub(in crate::proxy) fn text(text: Bytes) -> Self {
        let part = (!text.is_empty()).then_some(Part::Text(text));
        Self {
            file: None,
            parts: part.into_iter().collect(),
        }
    }

    pub(in crate::proxy) fn empty() -> Self {
        Self::text(Bytes::new())
    }

    pub(in crate::proxy) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The next chunk, and whether it is the last; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read, or has become shorter.
    pub(in crate::proxy) async fn next(&mut self) -> Result<Option<(Bytes, bool)>> {
        let Some(part) = self.parts.pop_front() else {
            return Ok(None);
        };
        let chunk = match part {
            Part::Text(text) => text,
            Part::Piece(piece) => {
                let end = piece.end.min(piece.start.saturating_add(CHUNK));
                if end < piece.end {
                    self.parts.push_front(Part::Piece(end..piece.end));
                }
                self.read(piece.start..end).await?
            }
        };
        Ok(Some((chunk, self.parts.is_empty())))
    }

    async fn read(&self, piece: Range<u64>) -> Result<Bytes> {
        let length = usize::try_from(piece.end - piece.start).unwrap_or(0);
        let Some(file) = self.file.clone() else {
            return Ok(Bytes::new());
        };
        let read = tokio::task::spawn_blocking(move || {
            let mut chunk = BytesMut::zeroed(length);
            file.read_exact_at(&mut chunk, piece.start)?;
            Ok::<_, io::Error>(chunk.freeze())
        });
        let read = read
            .await
            .unwrap_or_else(|panic| Err(io::Error::other(panic)));
        read.map_err(|error| Error::because(ErrorType::ReadError, "reading a file", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn chunks_follow_each_other_without_a_gap() {
        let path = std::env::temp_dir().join(format!("gapura-body-{}", std::process::id()));
        let text: Vec<u8> = (0..300_000_u32)
            .map(|number| number.to_le_bytes()[0])
            .collect();
        std::fs::write(&path, &text).expect("a file");
        let open = || File::open(&path).expect("it was just written");
        let parts = [
            Part::Text("a".into()),
            Part::Piece(1..299_999),
            Part::Piece(0..1),
            Part::Text("z".into()),
        ];
        let mut body = Body::of_file(open(), parts);
        let mut got = Vec::new();
        let mut ended = false;
        while let Some((chunk, last)) = body.next().await.expect("it is there") {
            assert!(!ended && chunk.len() as u64 <= CHUNK);
            got.extend_from_slice(&chunk);
            ended = last;
        }
        assert!(ended);
        let expected = [b"a", &text[1..299_999], &text[..1], b"z"].concat();
        assert!(got == expected);
        let mut shrunk = Body::of_file(open(), [Part::Piece(299_999..300_001)]);
        assert!(shrunk.next().await.is_err());
        std::fs::remove_file(path).expect("its own file");
    }
}
