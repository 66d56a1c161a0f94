//! Reading: the bytes of one request's body, and nothing of what follows it.

use super::super::chunked::Chunked;
use super::DoorStream;
use super::stored::StoredBody;
use bytes::{Buf, BytesMut};
use std::io;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// What may still be read for this request.
pub(super) enum Body {
    Length(u64),
    Chunked(Chunked),
    Done,
    /// It is all here.
    Stored(StoredBody),
    /// Malformed, or cut off.
    Broken,
}

impl DoorStream {
    /// Waits for more input. `Ok(0)` when the client has closed.
    pub(in crate::door) async fn fill(&mut self) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// Reads into a buffer on the stack first, so that a connection that waits holds no memory.
    pub(in crate::door) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [std::mem::MaybeUninit::uninit(); READ_AHEAD];
        let mut space = ReadBuf::uninit(&mut space);
        ready!(self.inner().poll_read(cx, &mut space))?;
        let read = space.filled();
        if read.is_empty() {
            self.closed = true;
        }
        self.input.extend_from_slice(read);
        Poll::Ready(Ok(read.len()))
    }

    /// Gives on what is there of the input, at most `limit` bytes.
    fn give(&mut self, buf: &mut ReadBuf<'_>, limit: usize) -> usize {
        let length = limit.min(self.input.len()).min(buf.remaining());
        buf.put_slice(&self.input[..length]);
        self.input.advance(length);
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        self.connection.count_received(length);
        length
    }

    /// Reads straight into the session's buffer, at most `limit` bytes, and gives how many.
    fn poll_direct(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        limit: u64,
    ) -> Poll<io::Result<usize>> {
        let before = buf.filled().len();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if buf.remaining() <= limit {
            ready!(self.inner().poll_read(cx, buf))?;
        } else {
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(limit));
            ready!(self.inner().poll_read(cx, &mut part))?;
            let read = part.filled().len();
            buf.advance(read);
        }
        let read = buf.filled().len() - before;
        self.connection.count_received(read);
        if read == 0 {
            self.closed = true;
        }
        Poll::Ready(Ok(read))
    }

    pub(super) fn poll_upgraded(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.input.is_empty() {
            ready!(self.poll_direct(cx, buf, u64::MAX))?;
        } else {
            self.give(buf, usize::MAX);
        }
        Poll::Ready(Ok(()))
    }

    /// Past the end of the body: waits, reads ahead a little, and notices a client that closes.
    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.waiting.register(cx.waker());
        if self.upgraded.load(Ordering::Acquire) {
            // Between the caller's check and the registration.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        while !self.closed {
            if self.input.len() >= READ_AHEAD {
                return Poll::Pending;
            }
            ready!(self.poll_fill(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.body {
            Body::Done => self.poll_done(cx),
            Body::Broken => Poll::Ready(Ok(())),
            Body::Stored(stored) if stored.left() > 0 => Poll::Ready(stored.give(buf)),
            Body::Stored(_) => self.poll_done(cx),
            Body::Length(left) => {
                let left = *left;
                let read = if self.input.is_empty() {
                    ready!(self.poll_direct(cx, buf, left))?
                } else {
                    self.give(buf, usize::try_from(left).unwrap_or(usize::MAX))
                };
                self.body = match left - read as u64 {
                    _ if read == 0 => Body::Broken,
                    0 => Body::Done,
                    left => Body::Length(left),
                };
                Poll::Ready(Ok(()))
            }
            Body::Chunked(_) => self.poll_chunked(cx, buf),
        }
    }

    fn poll_chunked(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Body::Chunked(chunked) = &mut self.body else {
            return Poll::Ready(Ok(()));
        };
        let data = chunked.data_left();
        if self.input.is_empty() && data >= READ_AHEAD as u64 {
            // The middle of a large chunk needs no look at its bytes.
            let read = ready!(self.poll_direct(cx, buf, data))?;
            if let Body::Chunked(chunked) = &mut self.body {
                chunked.skip(read);
            }
            if read == 0 {
                self.body = Body::Broken;
            }
            return Poll::Ready(Ok(()));
        }
        if self.input.is_empty() && ready!(self.poll_fill(cx))? == 0 {
            self.body = Body::Broken;
            return Poll::Ready(Ok(()));
        }
        let available = self.input.len().min(buf.remaining());
        let Body::Chunked(chunked) = &mut self.body else {
            return Poll::Ready(Ok(()));
        };
        match chunked.advance(&self.input[..available]) {
            Ok(length) => {
                if chunked.is_done() {
                    self.body = Body::Done;
                }
                self.give(buf, length);
                Poll::Ready(Ok(()))
            }
            Err(malformed) => {
                self.body = Body::Broken;
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, malformed)))
            }
        }
    }
}

/// How much is read at once, and how much of later requests is kept while one is served.
const READ_AHEAD: usize = 4096;
