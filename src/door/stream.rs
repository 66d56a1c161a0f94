//! The stream below Pingora's session: one request's body at a time.

mod delegated;

use super::chunked::Chunked;
use super::connection::Leftover;
use super::{Connection, Framing};
use bytes::{Buf, BytesMut};
use futures_util::task::AtomicWaker;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client connection as Pingora's session sees it.
///
/// It gives the session the bytes of one body and no more: what follows is kept for the next
/// request. Past the end of the body a read waits, and notices a client that closes. After
/// [`upgraded`](Self::upgraded) everything passes.
pub struct DoorStream {
    /// `None` only while it is dropped.
    inner: Option<Stream>,
    connection: Arc<Connection>,
    /// Read from the connection and not given on yet. Empty and without memory most of the time.
    input: BytesMut,
    body: Body,
    /// The client will send nothing more.
    closed: bool,
    upgraded: AtomicBool,
    kept: AtomicBool,
    /// Nothing is written any more, and the connection closes as soon as this is dropped.
    silent: AtomicBool,
    /// A reader that waits past the end of the body.
    waiting: AtomicWaker,
    output: Output,
    /// `send_timeout` in milliseconds: how long a write may wait for the client. 0 is for ever.
    send_timeout: AtomicU64,
    /// Runs while a write waits.
    patience: Option<Pin<Box<tokio::time::Sleep>>>,
}

/// What may still be read for this request.
enum Body {
    Length(u64),
    Chunked(Chunked),
    Done,
    /// Malformed, or cut off.
    Broken,
}

/// What happens to what is written.
enum Output {
    Passes,
    /// An HTTP/0.9 client gets no header: how much of the blank line at its end was seen.
    DropsHeader(usize),
}

impl DoorStream {
    pub(super) fn new(inner: Stream, connection: Arc<Connection>) -> Self {
        Self {
            inner: Some(inner),
            connection,
            input: BytesMut::new(),
            body: Body::Done,
            closed: false,
            upgraded: AtomicBool::new(false),
            kept: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            waiting: AtomicWaker::new(),
            output: Output::Passes,
            send_timeout: AtomicU64::new(0),
            patience: None,
        }
    }

    /// The door's stream below a session. `None` for a session that came another way: HTTP/2, a
    /// subrequest.
    pub fn of(session: &ServerSession) -> Option<&Self> {
        session.as_http1()?.stream().as_any().downcast_ref()
    }

    /// From now on everything passes in both directions. To be called once the request was
    /// answered with 101; until then what the client sends early is held back.
    pub fn upgraded(&self) {
        self.upgraded.store(true, Ordering::Release);
        self.waiting.wake();
    }

    /// Closes the connection without an answer, as nginx's `return 444` does: what Pingora still
    /// writes is dropped, nothing of the client's is waited for, and TLS says no goodbye. A session
    /// that came another way only ends its connection.
    pub fn close_silently(session: &mut ServerSession) {
        session.set_keepalive(None);
        if let Some(stream) = Self::of(session) {
            stream.silent.store(true, Ordering::Relaxed);
        }
    }

    fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// How long a single write or flush may wait for the client: nginx's `send_timeout`.
    pub fn set_send_timeout(&self, limit: Duration) {
        let milliseconds = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.send_timeout.store(milliseconds, Ordering::Relaxed);
    }

    /// What comes of a write that may have to wait.
    fn patiently<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let limit = *self.send_timeout.get_mut();
        if outcome.is_ready() || limit == 0 {
            self.patience = None;
            return outcome;
        }
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(Duration::from_millis(limit))));
        ready!(patience.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)))
    }

    /// Whether what is left of the body can be read without waiting for the client.
    pub fn holds_body(&self) -> bool {
        match &self.body {
            Body::Done => true,
            Body::Length(left) => self.input.len() as u64 >= *left,
            Body::Chunked(_) | Body::Broken => false,
        }
    }

    /// Whether all of the request's body has been read.
    pub fn is_body_done(&self) -> bool {
        matches!(self.body, Body::Done)
    }

    /// What was read and not given on.
    pub(super) fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Keeps the connection although Pingora will drop this stream, as it does after every failure of
    /// an upstream: the answer is whole, and says that the connection stays open.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// The stream of a connection that was [`kept`](Self::keep); else what is left of it.
    pub(super) fn resume(
        mut leftover: Leftover,
        connection: &Arc<Connection>,
    ) -> Result<Box<Self>, Leftover> {
        match leftover.kept.take() {
            Some(input) => {
                let mut stream = Self::new(leftover.stream, Arc::clone(connection));
                stream.input = input;
                Ok(Box::new(stream))
            }
            None => Err(leftover),
        }
    }

    /// Starts the body of the next request.
    pub(super) fn expect_body(&mut self, framing: Framing) {
        self.body = match framing {
            Framing::None => Body::Done,
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Chunked::default()),
        };
    }

    /// Answers without a header.
    pub(super) fn drop_header(&mut self) {
        self.output = Output::DropsHeader(0);
    }

    /// Nothing of the client's matters any more: the connection closes at once when this is dropped.
    pub(super) fn abandon(&mut self) {
        self.closed = true;
    }

    /// The client may still be sending what nobody will read.
    pub(super) fn break_off(&mut self) {
        self.body = Body::Broken;
    }

    /// Waits for more input. `Ok(0)` when the client has closed.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_fill(cx)).await
    }

    fn inner(&mut self) -> Pin<&mut Stream> {
        Pin::new(self.inner.as_mut().expect(HELD))
    }

    fn inner_ref(&self) -> &Stream {
        self.inner.as_ref().expect(HELD)
    }

    /// Reads into a buffer on the stack first, so that a connection that waits holds no memory.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
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

    fn poll_upgraded(
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

    fn poll_body(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.body {
            Body::Done => self.poll_done(cx),
            Body::Broken => Poll::Ready(Ok(())),
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

    /// How many bytes of `text` belong to a header that is not written, or `None` when all of it
    /// is to be written.
    fn dropped(&mut self, text: &[u8]) -> Option<usize> {
        let Output::DropsHeader(seen) = &mut self.output else {
            return None;
        };
        for (at, &byte) in text.iter().enumerate() {
            *seen = match (*seen, byte) {
                (seen, _) if byte == BLANK_LINE[seen] => seen + 1,
                (_, b'\r') => 1,
                _ => 0,
            };
            if *seen == BLANK_LINE.len() {
                self.output = Output::Passes;
                return Some(at + 1);
            }
        }
        Some(text.len())
    }
}

impl Drop for DoorStream {
    /// Leaves the connection to the door, which closes it so that the client sees the answer.
    fn drop(&mut self) {
        if let Some(stream) = self.inner.take()
            && !self.closed
            && !*self.silent.get_mut()
            && !*self.upgraded.get_mut()
        {
            let whole = self.is_body_done();
            let unread = !whole || !self.input.is_empty();
            let kept = (whole && *self.kept.get_mut()).then(|| std::mem::take(&mut self.input));
            self.connection.leave(Leftover {
                stream,
                unread,
                kept,
            });
        }
    }
}

impl AsyncRead for DoorStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if self.upgraded.load(Ordering::Acquire) {
            return self.poll_upgraded(cx, buf);
        }
        self.poll_body(cx, buf)
    }
}

impl AsyncWrite for DoorStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_silent() {
            return Poll::Ready(Ok(buf.len()));
        }
        if let Some(length) = self.dropped(buf) {
            return Poll::Ready(Ok(length));
        }
        let outcome = self.inner().poll_write(cx, buf);
        let written = ready!(self.patiently(cx, outcome))?;
        self.connection.count_sent(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = self.inner().poll_flush(cx);
        self.patiently(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_silent() || matches!(self.output, Output::DropsHeader(_)) {
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return self.poll_write(cx, first.map_or(&[], |buf| buf));
        }
        let outcome = self.inner().poll_write_vectored(cx, bufs);
        let written = ready!(self.patiently(cx, outcome))?;
        self.connection.count_sent(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner_ref().is_write_vectored()
    }
}

/// How much is read at once, and how much of later requests is kept while one is served.
const READ_AHEAD: usize = 4096;

const BLANK_LINE: &[u8; 4] = b"\r\n\r\n";

const HELD: &str = "the connection is held until the stream is dropped";
