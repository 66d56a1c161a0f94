//! What the client has not taken yet of an answer that is read ahead: in memory first, then in a
//! file without a name.

use crate::model::AnswerBuffering;
use bytes::{Buf, BytesMut};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes in the order in which they came: those in memory are before those in the file.
///
/// The file is read and written where the request runs, as nginx does it: what was written a
/// moment ago is in the kernel's memory.
#[derive(Default)]
pub(super) struct Held {
    memory: BytesMut,
    file: Option<Overflow>,
    /// There is no file to be had for this answer; the upstream waits for the client.
    no_file: bool,
}

struct Overflow {
    file: File,
    read: u64,
    written: u64,
}

impl Held {
    /// Takes what there is room for, and gives how much.
    pub(super) fn take(&mut self, bytes: &[u8], limits: &AnswerBuffering) -> usize {
        let in_file = self.file.as_ref().is_some_and(|file| file.left() > 0);
        if !in_file && self.memory.len() < limits.memory {
            let length = bytes.len().min(limits.memory - self.memory.len());
            self.memory.extend_from_slice(&bytes[..length]);
            return length;
        }
        if self.no_file {
            return 0;
        }
        match self.overflow(bytes, limits) {
            Ok(length) => length,
            Err(cause) => {
                let folder = limits.folder.display();
                log::error!("an answer cannot be buffered in a file in \"{folder}\": {cause}");
                self.no_file = true;
                0
            }
        }
    }

    fn overflow(&mut self, bytes: &[u8], limits: &AnswerBuffering) -> io::Result<usize> {
        let written = self.file.as_ref().map_or(0, |file| file.written);
        let room = limits.file.saturating_sub(written);
        let length = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if length == 0 {
            return Ok(0);
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(Overflow {
                file: tempfile::tempfile_in(&limits.folder)?,
                read: 0,
                written: 0,
            }),
        };
        file.file.write_all_at(&bytes[..length], file.written)?;
        file.written += length as u64;
        Ok(length)
    }

    /// What is to be sent next: empty when there is nothing.
    pub(super) fn next(&mut self) -> io::Result<&[u8]> {
        if self.memory.is_empty()
            && let Some(file) = &mut self.file
            && file.left() > 0
        {
            let length = usize::try_from(file.left()).map_or(READ, |left| left.min(READ));
            self.memory.resize(length, 0);
            let outcome = file.file.read_exact_at(&mut self.memory, file.read);
            if outcome.is_err() {
                self.memory.clear();
            }
            outcome?;
            file.read += length as u64;
            if file.left() == 0 {
                // All of it is used up: what comes begins the file anew.
                (file.read, file.written) = (0, 0);
            }
        }
        Ok(&self.memory)
    }

    /// So much of [`next`](Self::next) has been sent.
    pub(super) fn advance(&mut self, length: usize) {
        self.memory.advance(length);
        if self.is_empty() {
            self.memory = BytesMut::new();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes are held.
    pub(super) fn len(&self) -> u64 {
        self.memory.len() as u64 + self.file.as_ref().map_or(0, Overflow::left)
    }
}

impl Overflow {
    fn left(&self) -> u64 {
        self.written - self.read
    }
}

/// How much of the file is in memory at once.
const READ: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(memory: usize, file: u64) -> AnswerBuffering {
        AnswerBuffering {
            memory,
            file,
            ..AnswerBuffering::default()
        }
    }

    fn send(held: &mut Held, most: usize) -> Vec<u8> {
        let next = held.next().expect("readable");
        let sent = next[..next.len().min(most)].to_vec();
        held.advance(sent.len());
        sent
    }

    #[test]
    fn bytes_keep_their_order_through_memory_and_file() {
        let limits = limits(10, 1 << 20);
        let mut held = Held::default();
        let (mut put, mut got) = (Vec::new(), Vec::new());
        for round in 0..2000_usize {
            let bytes: Vec<u8> = (0..round % 97)
                .map(|at| u8::try_from((round + at) % 256).expect("a byte"))
                .collect();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let taken = held.take(rest, &limits);
                assert!(taken > 0, "there is room");
                rest = &rest[taken..];
            }
            put.extend(bytes);
            // Sometimes the client catches up, and the file begins anew.
            let most = if round % 40 == 39 { usize::MAX } else { 31 };
            while held.len() > 500 || (most > 31 && !held.is_empty()) {
                got.extend(send(&mut held, most));
            }
        }
        while !held.is_empty() {
            got.extend(send(&mut held, usize::MAX));
        }
        assert!(put == got, "{} and {} bytes", put.len(), got.len());
    }

    #[test]
    fn no_more_is_taken_than_memory_and_file_may_hold() {
        let mut held = Held::default();
        let limits = limits(10, 5);
        assert_eq!(held.take(&[1; 100], &limits), 10);
        assert_eq!(held.take(&[2; 100], &limits), 5);
        assert_eq!(held.take(&[3; 100], &limits), 0);
        assert_eq!(held.len(), 15);
        assert_eq!(send(&mut held, 10), [1; 10]);
        // The file is full until all of it has been sent.
        assert_eq!(held.take(&[3; 100], &limits), 0);
        assert_eq!(send(&mut held, 4), [2; 4]);
        assert_eq!(held.take(&[3; 100], &limits), 9);
        assert_eq!(send(&mut held, 100), [[2; 1].as_slice(), &[3; 9]].concat());
    }

    #[test]
    fn without_a_file_memory_is_all_there_is() {
        let mut held = Held::default();
        assert_eq!(held.take(&[1; 100], &limits(10, 0)), 10);
        assert_eq!(held.take(&[1; 100], &limits(10, 0)), 0);
        assert!(held.file.is_none());

        let nowhere = AnswerBuffering {
            folder: "/nonexistent".into(),
            ..limits(10, 100)
        };
        assert_eq!(held.take(&[1; 100], &nowhere), 0);
        assert_eq!(send(&mut held, 100), [1; 10]);
    }
}
