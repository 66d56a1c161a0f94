//! The stream below Pingora's session: one request's body at a time, and its answer.

mod body;
mod collect;
mod delegated;
mod gone;
mod held;
mod output;
mod pace;
mod patience;
mod raw;
mod rules;
mod stored;
mod trailing;

use super::chunked::Chunked;
use super::connection::Leftover;
use super::{Connection, Framing};
use crate::model::ClientKeepalive;
use crate::runtime::Location;
use body::Body;
use bytes::BytesMut;
pub use collect::Collected;
use collect::Collecting;
use crossbeam_utils::atomic::AtomicCell;
use futures_util::task::AtomicWaker;
use output::Output;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use rules::Rules;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use trailing::Lines;

/// A client connection as Pingora's session sees it.
///
/// It gives the session the bytes of one body and no more: what follows is kept for the next
/// request. Past the end of the body a read waits, and notices a client that closes. What is
/// written goes to the client at its pace, or is [taken ahead of it](Self::read_ahead). After
/// [`upgraded`](Self::upgraded) everything passes.
pub struct DoorStream {
    /// `None` only while it is dropped.
    inner: Option<Stream>,
    connection: Arc<Connection>,
    rules: Rules,
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
    /// Whether the answer is taken as fast as it comes.
    ahead: AtomicBool,
    /// Whether trailers will be written.
    expects_trailers: AtomicBool,
    /// These, once they are known.
    trailers: AtomicCell<Option<Box<Lines>>>,
    /// Header values of the answer for which words stand.
    raw_values: AtomicCell<raw::Values>,
    /// What the next read is used for.
    errand: AtomicU8,
    /// A body that is read whole.
    collecting: Option<Collecting>,
}

/// A session lets nobody write to its stream or read from it, except by its own reads. So a read
/// that gives nothing is how the door's stream is made to do something else first.
#[derive(Clone, Copy, PartialEq)]
#[repr(u8)]
enum Errand {
    /// To read.
    None,
    /// To wait until everything is sent.
    Settle,
    /// To read the request's body whole.
    Collect,
    /// The same, for a client that waits for a 100.
    ContinueAndCollect,
}

impl DoorStream {
    pub(super) fn new(inner: Stream, connection: Arc<Connection>) -> Self {
        Self {
            inner: Some(inner),
            connection,
            rules: Rules::default(),
            input: BytesMut::new(),
            body: Body::Done,
            closed: false,
            upgraded: AtomicBool::new(false),
            kept: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            waiting: AtomicWaker::new(),
            output: Output::default(),
            ahead: AtomicBool::new(false),
            expects_trailers: AtomicBool::new(false),
            trailers: AtomicCell::new(None),
            raw_values: AtomicCell::new(None),
            errand: AtomicU8::new(Errand::None as u8),
            collecting: None,
        }
    }

    /// The door's stream below a session. `None` for a session that came another way: HTTP/2, a
    /// subrequest.
    pub fn of(session: &ServerSession) -> Option<&Self> {
        session.as_http1()?.stream().as_any().downcast_ref()
    }

    /// From now on the settings of this location hold for the connection. To be called whenever
    /// another location takes the request.
    pub fn enter(&self, location: &Arc<Location>) {
        self.rules.replace(Arc::clone(location));
    }

    /// From now on everything passes in both directions. To be called once the request was
    /// answered with 101; until then what the client sends early is held back.
    pub fn upgraded(&self) {
        self.upgraded.store(true, Ordering::Release);
        self.waiting.wake();
    }

    /// Takes the answer as fast as it comes, within the location's `proxy_buffering` limits, and
    /// sends it at the client's pace. To be called before its header is written. What is not sent
    /// by the end is waited for with [`settle`](Self::settle).
    pub fn read_ahead(&self) {
        self.ahead.store(true, Ordering::Relaxed);
    }

    /// Waits until the client has taken what was written, or has kept it waiting for longer than
    /// `send_timeout`, or is gone.
    pub async fn settle(session: &mut ServerSession) {
        let Some(stream) = Self::of(session).filter(|stream| !stream.output.is_settled()) else {
            return;
        };
        stream.run(Errand::Settle);
        if let ServerSession::H1(session) = session
            && let Err(cause) = session.idle().await
        {
            log::debug!("the client did not take all of its answer: {cause}");
        }
    }

    /// How many bytes of the answer were taken and not sent.
    pub fn unsent(&self) -> u64 {
        self.output.held()
    }

    /// How many bytes stand before the body of this request's answer, once its header was written.
    pub fn before_body(&self) -> Option<u64> {
        self.output.before_body()
    }

    /// Sends the answer no faster than so many bytes a second; 0 is no limit. nginx's `limit_rate`.
    pub fn set_rate(&self, bytes_per_second: u64) {
        self.output.pace.set_rate(bytes_per_second);
    }

    /// Sends so much of the answer without a limit first: nginx's `limit_rate_after`.
    pub fn set_rate_after(&self, bytes: u64) {
        self.output.pace.set_after(bytes);
    }

    /// What [`set_rate`](Self::set_rate) has set for this request.
    pub fn rate(&self) -> Option<u64> {
        self.output.pace.rate()
    }

    /// What [`set_rate_after`](Self::set_rate_after) has set for this request.
    pub fn rate_after(&self) -> Option<u64> {
        self.output.pace.after()
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

    fn run(&self, errand: Errand) {
        self.errand.store(errand as u8, Ordering::Relaxed);
    }

    fn poll_errand(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        const COLLECT: u8 = Errand::Collect as u8;
        const CONTINUE_AND_COLLECT: u8 = Errand::ContinueAndCollect as u8;
        match *self.errand.get_mut() {
            COLLECT => self.poll_collected(cx, false),
            CONTINUE_AND_COLLECT => self.poll_collected(cx, true),
            _ => self.poll_settled(cx),
        }
    }

    fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// Whether what is left of the body can be read without waiting for the client.
    pub fn holds_body(&self) -> bool {
        match &self.body {
            Body::Done | Body::Stored(_) => true,
            Body::Length(left) => self.input.len() as u64 >= *left,
            Body::Chunked(_) | Body::Broken => false,
        }
    }

    /// Whether what is here of the body, and not read, is malformed.
    pub fn is_body_malformed(&self) -> bool {
        match &self.body {
            Body::Chunked(chunked) => chunked.clone().advance(&self.input).is_err(),
            _ => false,
        }
    }

    /// Whether all of the request's body has been read.
    pub fn is_body_done(&self) -> bool {
        matches!(self.body, Body::Done | Body::Stored(_))
    }

    /// How long the connection is kept, by the location that had the last request.
    pub(super) fn keepalive(&mut self) -> Option<&ClientKeepalive> {
        Some(&self.rules.location()?.settings.limits.keepalive)
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

    /// Whether nothing of the last request stands in the way of the next one.
    pub(super) fn is_reusable(&self) -> bool {
        // What follows may be the rest of a body: never to be taken for a request.
        self.is_body_done() && self.output.is_settled() && !self.closed
    }

    /// Starts the body of the next request, which began at this time.
    pub(super) fn expect_body(&mut self, framing: Framing, began: Instant) {
        self.rules.clear();
        self.output.pace.start(began);
        self.output.begin(self.connection.sent());
        *self.ahead.get_mut() = false;
        self.forget_trailers();
        self.raw_values.take();
        self.body = match framing {
            Framing::None => Body::Done,
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Chunked::default()),
        };
    }

    /// The request is over: its body, if it was collected, is not needed any more.
    pub(super) fn forget_body(&mut self) {
        if matches!(self.body, Body::Stored(_)) {
            self.body = Body::Done;
        }
    }

    /// Answers without a header.
    pub(super) fn drop_header(&mut self) {
        self.output.drop_header();
    }

    /// Nothing of the client's matters any more: the connection closes at once when this is dropped.
    pub(super) fn abandon(&mut self) {
        self.closed = true;
    }

    /// The client may still be sending what nobody will read.
    pub(super) fn break_off(&mut self) {
        self.body = Body::Broken;
    }

    /// Fails once the connection was cut: whoever uses it takes its client for gone.
    fn check_line(&mut self) -> io::Result<()> {
        if self.connection.lifeline.is_cut() {
            self.closed = true;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }

    fn inner(&mut self) -> Pin<&mut Stream> {
        Pin::new(self.inner.as_mut().expect(HELD))
    }

    fn inner_ref(&self) -> &Stream {
        self.inner.as_ref().expect(HELD)
    }
}

// A cell that were not free of locks would put one on the request path.
const _: () = assert!(AtomicCell::<Option<Box<Lines>>>::is_lock_free());
const _: () = assert!(AtomicCell::<raw::Values>::is_lock_free());

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
            let location = self.rules.location();
            let lingering = location.map(|location| location.settings.limits.lingering);
            self.connection.leave(Leftover {
                stream,
                unread,
                lingering: lingering.unwrap_or_default(),
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
        self.check_line()?;
        if *self.errand.get_mut() != Errand::None as u8 {
            let outcome = ready!(self.poll_errand(cx));
            *self.errand.get_mut() = Errand::None as u8;
            return Poll::Ready(outcome);
        }
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        self.send_on(cx)?;
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
        self.check_line()?;
        self.poll_send(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush_now(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_line()?;
        self.poll_send_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner_ref().is_write_vectored()
    }
}

const HELD: &str = "the connection is held until the stream is dropped";
