//! Reading a request's body whole before anybody is asked for an answer: nginx's
//! `proxy_request_buffering`.
//!
//! Pingora passes a body on once, and keeps 64 kB of it for a second try. So the body is read here,
//! below Pingora's session, which then reads it from memory or a file as if it came from the client, for
//! another try once more ([`DoorStream::replay`]).

use super::DoorStream;
use super::body::Body;
use super::patience::Patience;
use super::stored::StoredBody;
use crate::model::{BodyStore, Limits};
use http::header;
use pingora_core::protocols::http::ServerSession;
use pingora_core::{Error, ErrorType, Result};
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// What came of reading a body whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collected {
    /// So many bytes are here, and are what the session reads.
    Whole(u64),
    /// There is more than `client_max_body_size`: so much has been read.
    TooLarge(u64),
}

/// A body on its way here.
#[derive(Default)]
pub(super) struct Collecting {
    stored: StoredBody,
    /// How much of the 100 that the client waits for was sent.
    continued: usize,
    patience: Patience,
}

impl DoorStream {
    /// Reads the request's body whole, by the settings of its location; a client that waits for a 100
    /// gets it first. To be called before anything asks the session for the body. `None` when the
    /// session came another way.
    ///
    /// # Errors
    /// The client is gone or too slow, its chunks are none, or there is no room for the body.
    pub async fn collect(
        session: &mut ServerSession,
        wants_100: bool,
    ) -> Result<Option<Collected>> {
        let Some(stream) = Self::of_mut(session) else {
            return Ok(None);
        };
        let collected = poll_fn(|cx| {
            stream.check_line()?;
            stream.poll_collected(cx, wants_100)
        });
        collected.await.map_err(explain)?;
        let length = match (&stream.body, &stream.collecting) {
            (Body::Stored(stored), _) => stored.len(),
            (_, Some(collecting)) => return Ok(Some(Collected::TooLarge(collecting.stored.len()))),
            _ => return Ok(None),
        };
        // An answer may come before the session has read what is here.
        stream.manner.closes_when_early = false;
        let request = session.req_header_mut();
        if request.remove_header(&header::TRANSFER_ENCODING).is_some() {
            // What is read from here on has no frames any more.
            request.insert_header(header::CONTENT_LENGTH, length)?;
        }
        Ok(Some(Collected::Whole(length)))
    }

    /// Has the session read a body that was [collected](Self::collect) from its start, for another try.
    pub fn replay(session: &mut ServerSession) {
        if let Some(stream) = Self::of_mut(session)
            && let Body::Stored(stored) = &mut stream.body
        {
            stored.rewind();
            stream.given = 0;
        }
    }

    /// The body, when it was collected and is in memory: `$request_body`.
    pub fn collected_body(&self) -> Option<&[u8]> {
        self.stored()?.in_memory()
    }

    /// The file of a body that was collected: `$request_body_file`.
    pub fn collected_file(&self) -> Option<&std::path::Path> {
        self.stored()?.path()
    }

    /// Whether the body was collected, so that it can be passed on as often as it takes.
    pub fn has_collected(&self) -> bool {
        self.stored().is_some()
    }

    fn stored(&self) -> Option<&StoredBody> {
        match &self.body {
            Body::Stored(stored) => Some(stored),
            _ => None,
        }
    }

    /// Reads until the body is whole, or too large.
    pub(super) fn poll_collected(
        &mut self,
        cx: &mut Context<'_>,
        wants_100: bool,
    ) -> Poll<io::Result<()>> {
        let mut collecting = self.collecting.take().unwrap_or_default();
        let outcome = self.poll_collect(cx, &mut collecting, wants_100);
        if let Poll::Ready(Ok(Progress::Whole)) = outcome {
            self.body = Body::Stored(collecting.stored);
        } else {
            self.collecting = Some(collecting);
        }
        outcome.map_ok(drop)
    }

    fn poll_collect(
        &mut self,
        cx: &mut Context<'_>,
        collecting: &mut Collecting,
        wants_100: bool,
    ) -> Poll<io::Result<Progress>> {
        while wants_100 && collecting.continued < CONTINUE.len() {
            collecting.continued += ready!(self.poll_send(cx, &CONTINUE[collecting.continued..]))?;
        }
        if wants_100 {
            ready!(self.poll_settled(cx))?;
        }
        let Some(location) = self.rules.shared() else {
            return Poll::Ready(Ok(Progress::TooLarge));
        };
        let limits = &location.settings.limits;
        if matches!(self.body, Body::Broken | Body::Unwanted) {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        loop {
            self.store(&mut collecting.stored, &limits.body)?;
            if limits
                .client_max_body_size
                .is_some_and(|most| collecting.stored.len() > most)
            {
                // Nothing of it is to be read as the body, nor what follows as a request.
                self.body = Body::Broken;
                return Poll::Ready(Ok(Progress::TooLarge));
            }
            if matches!(self.body, Body::Done) {
                collecting.stored.finish(&limits.body)?;
                return Poll::Ready(Ok(Progress::Whole));
            }
            let outcome = self.poll_more(cx, &mut collecting.stored, limits);
            let patience = &mut collecting.patience;
            if ready!(patience.poll(cx, Some(limits.client_body_timeout), outcome))? == 0 {
                self.body = Body::Broken;
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Stores what is here of the body.
    fn store(&mut self, stored: &mut StoredBody, store: &BodyStore) -> io::Result<()> {
        let data = self.take_body()?;
        stored.put(&data, store)
    }

    /// Reads more: into the store where nothing else can come, else into the input.
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        stored: &mut StoredBody,
        limits: &Limits,
    ) -> Poll<io::Result<usize>> {
        if let Body::Length(left) = self.body
            && let Some(mut room) = stored.room(left, &limits.body)
        {
            let read = ready!(pin!(self.inner().read_buf(&mut room)).poll(cx))?;
            if read == 0 {
                self.closed = true;
            } else {
                self.connection().count_received(read);
                self.went(left, read);
                stored.count(read);
            }
            return Poll::Ready(Ok(read));
        }
        let mut space = [MaybeUninit::uninit(); AT_ONCE];
        let most = match &self.body {
            Body::Length(left) => usize::try_from(*left).map_or(AT_ONCE, |left| left.min(AT_ONCE)),
            _ => AT_ONCE,
        };
        let mut space = ReadBuf::uninit(&mut space[..most]);
        ready!(self.inner().poll_read(cx, &mut space))?;
        let read = space.filled();
        if read.is_empty() {
            self.closed = true;
        } else if let Body::Length(left) = self.body {
            self.connection().count_received(read.len());
            self.went(left, read.len());
            stored.put(read, &limits.body)?;
        } else {
            self.input.extend_from_slice(read);
        }
        Poll::Ready(Ok(read.len()))
    }
}

enum Progress {
    Whole,
    TooLarge,
}

/// What went wrong, as the session would have put it.
fn explain(cause: io::Error) -> Box<Error> {
    let kind = match cause.kind() {
        io::ErrorKind::TimedOut => ErrorType::ReadTimedout,
        io::ErrorKind::UnexpectedEof => ErrorType::InvalidHTTPHeader,
        io::ErrorKind::InvalidData => ErrorType::ReadError,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => ErrorType::ConnectionClosed,
        // The disk is full, or the folder cannot be written to.
        _ => {
            let what = "storing the request's body";
            return Error::because(ErrorType::InternalError, what, cause).into_in();
        }
    };
    Error::because(kind, "reading the request's body", cause).into_down()
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

const AT_ONCE: usize = 16 * 1024;
