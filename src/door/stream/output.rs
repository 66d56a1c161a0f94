//! Writing: to the client at its pace, ahead of it into memory and a file where answers are buffered.
//!
//! Pingora waits for every write, and lets the connection to the upstream go once the answer is
//! written. So an answer that is buffered is taken here as fast as it comes ([`Held`]), and Pingora
//! is done with its upstream long before a slow client has everything. What is held is sent on
//! whenever the stream is polled: by a write, or by the read that notices a client that closes.

use super::DoorStream;
use super::held::Held;
use super::pace::Pace;
use super::patience::Patience;
use bytes::BytesMut;
use pingora_core::protocols::Stream;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// What is under way to the client.
#[derive(Default)]
pub(super) struct Output {
    /// An HTTP/0.9 client gets no header.
    drops_header: bool,
    held: Held,
    patience: Patience,
    flush: Flush,
    pub(super) pace: Pace,
    /// Bytes of this request's answers that were sent before, or are held before, its body.
    before_body: Option<u64>,
    /// What the connection had sent when the request began.
    sent_before: u64,
}

/// Whether the connection's own small buffer has to be emptied.
#[derive(Default, PartialEq)]
enum Flush {
    #[default]
    Done,
    /// Something may be in it.
    Possible,
    /// It was asked for, and has to happen without being asked for again.
    Wanted,
}

impl Output {
    /// Answers without a header.
    pub(super) fn drop_header(&mut self) {
        self.drops_header = true;
    }

    /// Whether everything has reached the kernel.
    pub(super) fn is_settled(&self) -> bool {
        self.held.is_empty() && self.flush == Flush::Done
    }

    /// The next request begins, on a connection that has sent so much.
    pub(super) fn begin(&mut self, sent: u64) {
        self.before_body = None;
        self.sent_before = sent;
    }

    /// How many bytes stand before the body of the answer, once its header was written.
    pub(super) fn before_body(&self) -> Option<u64> {
        self.before_body
    }

    /// How many bytes were taken and not sent.
    pub(super) fn held(&self) -> u64 {
        self.held.len()
    }
}

impl DoorStream {
    /// Writes the header of an answer, or of one before the answer.
    pub(in crate::door) async fn write_header(
        &mut self,
        mut header: BytesMut,
        is_interim: bool,
    ) -> io::Result<()> {
        if self.output.drops_header {
            return Ok(());
        }
        self.put_raw_values(&mut header);
        if !is_interim {
            let before = self.connection().sent() - self.output.sent_before;
            let before = before + self.output.held.len() + header.len() as u64;
            self.output.before_body = Some(before);
        }
        self.write_all(&header).await
    }

    /// Writes one buffer.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.silent {
            return Poll::Ready(Ok(bytes.len()));
        }
        if self.poll_held(cx)?.is_ready() {
            let Poll::Ready(allowance) = self.poll_allowance(cx)? else {
                return self
                    .hold(bytes)
                    .map_or(Poll::Pending, |taken| Poll::Ready(Ok(taken)));
            };
            let outcome = self
                .inner()
                .poll_write(cx, &bytes[..bytes.len().min(allowance)]);
            if outcome.is_ready() {
                return self.sent(cx, outcome);
            }
        }
        self.wait(cx, bytes)
    }

    /// Writes several buffers, or the first of them.
    pub(super) fn poll_send_vectored(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = buffers.iter().find(|buffer| !buffer.is_empty());
        let first = first.map_or(&[][..], |buffer| buffer);
        if self.silent || self.output.pace.is_limited() {
            return self.poll_send(cx, first);
        }
        if self.poll_held(cx)?.is_ready() {
            let outcome = self.inner().poll_write_vectored(cx, buffers);
            if outcome.is_ready() {
                return self.sent(cx, outcome);
            }
        }
        self.wait(cx, first)
    }

    /// An answer that is read ahead does not wait here: what could not be sent is sent later.
    pub(super) fn poll_flush_now(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.silent {
            return Poll::Ready(Ok(()));
        }
        let settled = self.poll_settled(cx)?;
        if settled.is_pending() && self.is_ahead() {
            self.output.flush = Flush::Wanted;
            return Poll::Ready(Ok(()));
        }
        settled.map(Ok)
    }

    /// Goes on with what is under way, while the session waits for something else.
    pub(in crate::door) fn send_on(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let output = &self.output;
        // An answer that is passed on as it comes does not wait for the buffer to fill either.
        let is_due = !output.held.is_empty()
            || output.flush == Flush::Wanted
            || (output.flush == Flush::Possible && !self.is_ahead());
        if is_due && self.poll_settled(cx)?.is_pending() {
            self.output.flush = Flush::Wanted;
        }
        Ok(())
    }

    /// Waits until everything has reached the kernel.
    pub(super) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_held(cx))?;
        let outcome = self.inner().poll_flush(cx);
        ready!(self.patiently(cx, outcome))?;
        self.output.flush = Flush::Done;
        Poll::Ready(Ok(()))
    }

    /// How much may be sent now. While it is nothing, what may have been sent is not to lie in a buffer.
    fn poll_allowance(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let allowance = self.output.pace.poll_allowance(cx);
        if allowance.is_pending()
            && let Poll::Ready(Err(error)) = self.inner().poll_flush(cx)
        {
            return Poll::Ready(Err(error));
        }
        allowance.map(Ok)
    }

    /// Sends what is held.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.held.is_empty() {
            let allowance = ready!(self.poll_allowance(cx))?;
            let inner: &mut Stream = &mut self.client.as_mut().expect(super::HELD).stream;
            let next = self.output.held.next()?;
            let outcome = Pin::new(inner).poll_write(cx, &next[..next.len().min(allowance)]);
            let sent = ready!(self.sent(cx, outcome))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.held.advance(sent);
        }
        Poll::Ready(Ok(()))
    }

    /// The client cannot take this now.
    fn wait(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.hold(bytes) {
            Some(taken) => Poll::Ready(Ok(taken)),
            None => self.patiently(cx, Poll::Pending),
        }
    }

    /// Takes what is to be sent later; `None` when nothing is.
    fn hold(&mut self, bytes: &[u8]) -> Option<usize> {
        if !self.is_ahead() {
            return None;
        }
        let limits = &self.rules.location()?.settings.pass.buffering;
        Some(self.output.held.take(bytes, limits)).filter(|taken| *taken > 0)
    }

    /// Counts what a write has sent.
    fn sent(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let sent = ready!(self.patiently(cx, outcome))?;
        self.connection().count_sent(sent);
        self.output.pace.sent(sent);
        if self.output.flush == Flush::Done {
            self.output.flush = Flush::Possible;
        }
        Poll::Ready(Ok(sent))
    }

    /// What comes of a write that may have to wait.
    fn patiently<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let limit: Option<Duration> = match outcome.is_pending() {
            true => self
                .rules
                .location()
                .map(|location| location.settings.limits.send_timeout),
            false => None,
        };
        let outcome = self.output.patience.poll(cx, limit, outcome);
        if let Poll::Ready(Err(_)) = outcome {
            // Nobody is there to linger for.
            self.closed = true;
        }
        outcome
    }

    /// Whether the answer is read ahead of the client.
    fn is_ahead(&self) -> bool {
        self.ahead.load(Ordering::Relaxed)
    }
}
