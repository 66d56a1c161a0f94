//! Parts of a body as one buffer, so that one call sends them.

use bytes::{Buf, Bytes};
use std::io::IoSlice;
use std::mem;

/// None of them is empty, but for those that were sent.
pub(super) struct Parts<'a>(pub(super) &'a mut [Bytes]);

impl Buf for Parts<'_> {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.first().map_or(&[], |part| part)
    }

    fn chunks_vectored<'a>(&'a self, buffers: &mut [IoSlice<'a>]) -> usize {
        let parts = buffers.iter_mut().zip(self.0.iter());
        parts
            .map(|(buffer, part)| *buffer = IoSlice::new(part))
            .count()
    }

    fn advance(&mut self, mut length: usize) {
        let mut sent = 0;
        for part in self.0.iter_mut() {
            if length < part.len() {
                part.advance(length);
                length = 0;
                break;
            }
            length -= part.len();
            sent += 1;
        }
        assert_eq!(length, 0, "there is no more to advance over");
        self.0 = &mut mem::take(&mut self.0)[sent..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads so many bytes at a time.
    fn read(mut parts: impl Buf, step: usize) -> Vec<u8> {
        let mut read = Vec::new();
        while parts.has_remaining() {
            let mut buffers = [IoSlice::new(&[]); 3];
            let count = parts.chunks_vectored(&mut buffers);
            let buffers = buffers[..count].iter();
            let bytes: Vec<u8> = buffers.flat_map(|buffer| buffer.to_vec()).collect();
            assert!(bytes.starts_with(parts.chunk()) && !parts.chunk().is_empty());
            let length = step.min(bytes.len());
            read.extend_from_slice(&bytes[..length]);
            parts.advance(length);
        }
        read
    }

    #[test]
    fn parts_are_read_like_one_buffer() {
        let whole = b"one two three";
        let parts = || [&b"one "[..], b"t", b"wo ", b"three"].map(Bytes::from_static);
        for step in 1..=whole.len() {
            assert_eq!(read(Parts(&mut parts()), step), whole, "steps of {step}");
            for length in 0..whole.len() {
                let first = read(Parts(&mut parts()).take(length), step);
                assert_eq!(first, whole[..length], "steps of {step}");
            }
            let chunk = read(
                b"D\r\n".chain(Parts(&mut parts())).chain(&b"\r\n"[..]),
                step,
            );
            assert_eq!(chunk, b"D\r\none two three\r\n", "steps of {step}");
        }
    }
}
