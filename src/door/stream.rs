//! The client's side of a connection: one request's body at a time, and its answer.

mod body;
mod collect;
mod digest;
mod gone;
mod held;
mod manner;
mod output;
mod own_lines;
mod pace;
mod patience;
mod raw;
mod rules;
mod stored;

use super::alarm::Alarm;
use super::chunked::Chunked;
use super::connection::Leftover;
use super::{Admission, Connection, Framing};
use crate::model::ClientKeepalive;
use crate::runtime::Location;
use body::Body;
pub(super) use body::read_some;
use bytes::BytesMut;
pub use collect::Collected;
use collect::Collecting;
use crossbeam_utils::atomic::AtomicCell;
use manner::Manner;
pub use manner::{Placed, SILENT};
use output::Output;
use own_lines::OwnLines;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use rules::Rules;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::AsyncWrite;

/// A client connection, below the session of the request that it serves.
///
/// It gives the session the bytes of one body and no more: what follows is kept for the next
/// request. What is written goes to the client at its pace, or is [taken ahead of it](Self::read_ahead).
pub struct DoorStream {
    /// `None` only while it is dropped or put down.
    client: Option<Client>,
    /// The request that begins, until its first phase takes it.
    pub(super) admission: Option<Box<Admission>>,
    /// How this request's session behaves.
    pub(super) manner: Manner,
    rules: Rules,
    /// Read from the connection and not given on yet. Empty and without memory most of the time.
    input: BytesMut,
    /// What wakes it, from one request to the next.
    pub(super) alarm: Alarm,
    /// Since when the server's next word is waited for.
    silent_since: Option<Instant>,
    /// Where a body is read to.
    space: BytesMut,
    body: Body,
    /// How many bytes of the body were given on.
    pub(super) given: usize,
    /// The client will send nothing more.
    closed: bool,
    upgraded: bool,
    kept: AtomicBool,
    /// Nothing is written any more, and the connection closes as soon as this is dropped.
    silent: bool,
    output: Output,
    /// Whether the answer is taken as fast as it comes.
    ahead: AtomicBool,
    own_lines: OwnLines,
    /// Header lines that are written behind the last chunk.
    trailers: Option<Vec<u8>>,
    /// Header values of the answer for which words stand.
    raw_values: AtomicCell<raw::Values>,
    /// A body that is read whole.
    collecting: Option<Collecting>,
}

/// Whom a stream is of.
struct Client {
    stream: Stream,
    connection: Arc<Connection>,
}

impl DoorStream {
    /// A stream of nobody.
    fn vacant() -> Self {
        Self {
            client: None,
            admission: None,
            manner: Manner::default(),
            rules: Rules::default(),
            input: BytesMut::new(),
            alarm: Alarm::default(),
            silent_since: None,
            space: BytesMut::new(),
            body: Body::Done,
            given: 0,
            closed: false,
            upgraded: false,
            kept: AtomicBool::new(false),
            silent: false,
            output: Output::default(),
            ahead: AtomicBool::new(false),
            own_lines: OwnLines::default(),
            trailers: None,
            raw_values: AtomicCell::new(None),
            collecting: None,
        }
    }

    /// What `Server` says.
    pub(super) fn server_name(&mut self) -> Option<&'static str> {
        let location = self.rules.location();
        location.map(|location| location.settings.own.server_name())
    }

    /// From now on the settings of this location hold for the connection. To be called whenever
    /// another location takes the request.
    pub fn enter(&self, location: &Arc<Location>) {
        self.rules.replace(Arc::clone(location));
    }

    /// From now on everything passes in both directions: the answer is a 101.
    pub(super) fn upgrade(&mut self) {
        self.upgraded = true;
        self.body = Body::Tunnel;
    }

    /// Whether everything passes.
    pub(super) fn is_upgraded(&self) -> bool {
        self.upgraded
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
        let Some(stream) = Self::of_mut(session).filter(|stream| !stream.output.is_settled())
        else {
            return;
        };
        let settled = poll_fn(|cx| {
            stream.check_line()?;
            stream.poll_settled(cx)
        });
        if let Err(cause) = settled.await {
            log::debug!("the client did not take all of its answer: {cause}");
        }
    }

    /// Header lines, each with its end, that are written behind the last chunk of the answer. To be called
    /// before its end.
    pub fn set_trailers(&mut self, lines: Vec<u8>) {
        self.trailers = Some(lines);
    }

    pub(super) fn take_trailers(&mut self) -> Option<Vec<u8>> {
        self.trailers.take()
    }

    /// Whether everything was sent.
    pub(super) fn is_settled(&self) -> bool {
        self.output.is_settled()
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
        if let Some(stream) = Self::of_mut(session) {
            stream.manner.keepalive = false;
            stream.silent = true;
        }
    }

    /// How long the connection is kept, by the location that had the last request.
    pub(super) fn keepalive(&mut self) -> Option<&ClientKeepalive> {
        Some(&self.rules.location()?.settings.limits.keepalive)
    }

    /// What was read and not given on.
    pub(super) fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Keeps the connection for another request, if it [may](Self::is_kept_alive): the answer is whole. To be
    /// called from `ProxyHttp::persist_connection_context`; and where Pingora gives a connection up although
    /// its answer was, as after every failure of an upstream.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Whether it is kept.
    pub(super) fn is_kept(&mut self) -> bool {
        *self.kept.get_mut() && self.manner.keepalive
    }

    /// Whether another request may come after this one, as the answer's header is about to say.
    pub(super) fn stays_open(&mut self) -> bool {
        let client = self.client.as_ref();
        let is_ending = client.is_some_and(|client| client.connection.lifeline.is_ending());
        self.manner.keepalive &= !is_ending;
        self.manner.keepalive
    }

    /// Whether it is to be kept or closed as it is wanted: Pingora has not given it up.
    pub(super) fn is_finished(&mut self) -> bool {
        *self.kept.get_mut()
    }

    /// Whether nothing of the last request stands in the way of the next one.
    pub(super) fn is_reusable(&self) -> bool {
        // What follows may be the rest of a body: never to be taken for a request.
        self.is_body_done() && self.output.is_settled() && !self.closed
    }

    /// Starts the body of the next request, which began at this time.
    pub(super) fn expect_body(&mut self, framing: Framing, began: Instant) {
        self.given = 0;
        self.collecting = None;
        self.manner = Manner::default();
        self.rules.clear();
        self.output.pace.start(began);
        let sent = self.connection().sent();
        self.output.begin(sent);
        *self.ahead.get_mut() = false;
        *self.kept.get_mut() = false;
        self.trailers = None;
        self.raw_values.take();
        self.own_lines = OwnLines::default();
        self.body = match framing {
            Framing::None => Body::Done,
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Chunked::default()),
        };
    }

    /// Answers without a header.
    pub(super) fn drop_header(&mut self) {
        self.output.drop_header();
    }

    /// Nothing of the client's matters any more: the connection closes at once when this is dropped.
    pub(super) fn abandon(&mut self) {
        self.closed = true;
    }

    /// Fails once the connection was cut: whoever uses it takes its client for gone.
    fn check_line(&mut self) -> io::Result<()> {
        if self.connection().lifeline.is_cut() {
            self.closed = true;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }

    fn inner(&mut self) -> Pin<&mut Stream> {
        Pin::new(&mut self.client.as_mut().expect(HELD).stream)
    }

    fn inner_ref(&self) -> &Stream {
        &self.client.as_ref().expect(HELD).stream
    }

    fn connection(&self) -> &Connection {
        &self.client.as_ref().expect(HELD).connection
    }

    /// Closes the sending side.
    pub(super) async fn shutdown(&mut self) {
        if !self.silent {
            self.inner().get_mut().shutdown().await;
        }
    }
}

// A cell that were not free of locks would put one on the request path.
const _: () = assert!(AtomicCell::<raw::Values>::is_lock_free());

impl Drop for DoorStream {
    /// Leaves the connection to the door, which closes it so that the client sees the answer.
    fn drop(&mut self) {
        if let Some(Client { stream, connection }) = self.client.take()
            && !self.closed
            && !self.silent
            && !self.upgraded
        {
            let unread = !self.is_body_done() || !self.input.is_empty();
            let location = self.rules.location();
            let lingering = location.map(|location| location.settings.limits.lingering);
            connection.leave(Leftover {
                stream,
                unread,
                lingering: lingering.unwrap_or_default(),
            });
        }
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
