//! The bytes of one request's body, and nothing of what follows it.

use super::super::chunked::{Chunked, MalformedBody};
use super::stored::StoredBody;
use super::{DoorStream, HELD};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header;
use pingora_core::Result;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// What may still be read for this request.
pub(super) enum Body {
    Length(u64),
    Chunked(Chunked),
    Done,
    /// It is all here.
    Stored(StoredBody),
    /// What follows a 101: everything, until the client closes.
    Tunnel,
    /// Malformed, or cut off.
    Broken,
    /// Not read, and missed by nobody.
    Unwanted,
}

/// Reads what is there into a buffer on the stack first, so that a connection that waits holds no memory.
pub(in crate::door) fn read_some(
    stream: &mut Stream,
    input: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut space = [std::mem::MaybeUninit::uninit(); READ_AHEAD];
    let mut space = ReadBuf::uninit(&mut space);
    ready!(Pin::new(stream).poll_read(cx, &mut space))?;
    let read = space.filled();
    input.extend_from_slice(read);
    Poll::Ready(Ok(read.len()))
}

/// What is left of the body, and giving it up.
impl DoorStream {
    /// Whether what is left of the body can be read without waiting for the client.
    pub fn holds_body(&self) -> bool {
        match &self.body {
            Body::Done | Body::Stored(_) => true,
            Body::Length(left) => self.input.len() as u64 >= *left,
            Body::Chunked(_) | Body::Broken | Body::Unwanted | Body::Tunnel => false,
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
    pub(in crate::door) fn is_body_done(&self) -> bool {
        matches!(self.body, Body::Done | Body::Stored(_))
    }

    /// Whether all of it was given on, as far as it is wanted.
    pub(in crate::door) fn is_body_given(&self) -> bool {
        match &self.body {
            Body::Done | Body::Unwanted => true,
            Body::Stored(stored) => stored.left() == 0,
            _ => false,
        }
    }

    /// Nothing of the client's is wanted any more: the server has ended the tunnel.
    pub(in crate::door) fn close_tunnel(&mut self) {
        if matches!(self.body, Body::Tunnel) {
            self.body = Body::Done;
        }
    }

    /// The request is over: its body, if it was collected, is not needed any more.
    pub(in crate::door) fn forget_body(&mut self) {
        if matches!(self.body, Body::Stored(_)) {
            self.body = Body::Done;
        }
        self.space = BytesMut::new();
    }

    /// The client may still be sending what nobody will read.
    pub(in crate::door) fn break_off(&mut self) {
        self.body = Body::Broken;
    }

    /// The request's body is empty from here on, whatever the client sends. The connection cannot be used again,
    /// which is for the caller to [say](Self::set_keepalive).
    ///
    /// # Errors
    /// None that could happen: a header takes a number.
    pub fn forgo_body(session: &mut ServerSession) -> Result<()> {
        if let Some(stream) = Self::of_mut(session) {
            stream.forgo();
        }
        let request = session.req_header_mut();
        request.remove_header(&header::TRANSFER_ENCODING);
        request.insert_header(header::CONTENT_LENGTH, 0)
    }

    /// The client may still be sending what nobody will read, and the request is served without.
    pub(in crate::door) fn forgo(&mut self) {
        self.body = Body::Unwanted;
        self.collecting = None;
    }
}

/// Reading it.
impl DoorStream {
    /// Waits for more input. `Ok(0)` when the client has closed.
    pub(in crate::door) async fn fill(&mut self) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// Reads what is there. Nothing means that the client has closed.
    pub(in crate::door) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = &mut self.client.as_mut().expect(HELD).stream;
        let read = ready!(read_some(stream, &mut self.input, cx))?;
        self.closed |= read == 0;
        Poll::Ready(Ok(read))
    }

    /// More of the request's body; `None` at its end. What follows a 101 is given on too, until the client
    /// closes.
    pub(in crate::door) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Bytes>>> {
        self.check_line()?;
        self.send_on(cx)?;
        match &mut self.body {
            Body::Done | Body::Unwanted => Poll::Ready(Ok(None)),
            Body::Broken => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Body::Stored(stored) => Poll::Ready(stored.next()),
            Body::Tunnel => self.poll_tunnel(cx),
            Body::Length(left) => {
                let left = *left;
                let data = ready!(self.poll_bytes(cx, left))?;
                let Some(data) = data else {
                    return self.broken_off();
                };
                self.went(left, data.len());
                Poll::Ready(Ok(Some(data)))
            }
            Body::Chunked(_) => self.poll_chunked(cx),
        }
    }

    /// Past the end of the body: waits, reads ahead a little, and ends when the client closes.
    pub(in crate::door) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_line()?;
        self.send_on(cx)?;
        while !self.closed {
            if self.input.len() >= READ_AHEAD {
                return Poll::Pending;
            }
            ready!(self.poll_fill(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// What is here of the input or comes next, at most `limit` bytes, which belong to the body whole.
    /// `None` when the client has closed.
    fn poll_bytes(&mut self, cx: &mut Context<'_>, limit: u64) -> Poll<io::Result<Option<Bytes>>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if !self.input.is_empty() {
            return Poll::Ready(Ok(Some(self.take_input(limit))));
        }
        let room = match self.body {
            // It may stay open for hours.
            Body::Tunnel => IN_TUNNEL,
            _ => limit.min(AT_ONCE),
        };
        if self.space.capacity() == 0 {
            self.space.reserve(room);
        }
        let mut space = (&mut self.space).limit(limit);
        let inner = &mut self.client.as_mut().expect(HELD).stream;
        let read = pin!(inner.read_buf(&mut space)).poll(cx);
        let read = ready!(read)?;
        self.connection().count_received(read);
        if read == 0 {
            self.closed = true;
            return Poll::Ready(Ok(None));
        }
        let data = self.space.split().freeze();
        if self.space.capacity() < LEAST_ROOM || read == limit {
            self.space = BytesMut::new();
        }
        Poll::Ready(Ok(Some(data)))
    }

    fn take_input(&mut self, limit: usize) -> Bytes {
        let data = match self.input.len() <= limit {
            true => std::mem::take(&mut self.input),
            false => self.input.split_to(limit),
        };
        self.connection().count_received(data.len());
        data.freeze()
    }

    /// Takes what is here of the body off the input. Nothing where it is no client's any more.
    pub(super) fn take_body(&mut self) -> io::Result<Bytes> {
        match self.body {
            Body::Length(left) => {
                let data = self.take_input(usize::try_from(left).unwrap_or(usize::MAX));
                self.went(left, data.len());
                Ok(data)
            }
            Body::Chunked(_) => self.take_chunks(),
            _ => Ok(Bytes::new()),
        }
    }

    /// Of a body of which so much was left, these many bytes have come.
    pub(super) fn went(&mut self, left: u64, length: usize) {
        self.body = match left - length as u64 {
            0 => Body::Done,
            left => Body::Length(left),
        };
    }

    fn broken_off(&mut self) -> Poll<io::Result<Option<Bytes>>> {
        self.body = Body::Broken;
        Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
    }

    fn poll_tunnel(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        let data = ready!(self.poll_bytes(cx, u64::MAX))?;
        if data.is_none() {
            self.body = Body::Done;
        }
        Poll::Ready(Ok(data))
    }

    /// The data of all chunks that are here.
    fn poll_chunked(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            let Body::Chunked(chunked) = &self.body else {
                return Poll::Ready(Ok(None));
            };
            let left = chunked.data_left();
            if self.input.is_empty() && left >= READ_AHEAD as u64 {
                // The middle of a large chunk needs no look at its bytes.
                let Some(data) = ready!(self.poll_bytes(cx, left))? else {
                    return self.broken_off();
                };
                if let Body::Chunked(chunked) = &mut self.body {
                    chunked.skip(data.len());
                }
                return Poll::Ready(Ok(Some(data)));
            }
            if self.input.is_empty() && ready!(self.poll_fill(cx))? == 0 {
                return self.broken_off();
            }
            let data = self.take_chunks()?;
            if !data.is_empty() {
                return Poll::Ready(Ok(Some(data)));
            }
        }
    }

    /// Takes chunks off the input, to the body's end at most.
    fn take_chunks(&mut self) -> io::Result<Bytes> {
        let mut data = BytesMut::new();
        while let Body::Chunked(chunked) = &mut self.body
            && !self.input.is_empty()
        {
            let taken = match usize::try_from(chunked.data_left()) {
                Ok(0) => {
                    let Ok(length) = chunked.advance_to_data(&self.input) else {
                        self.body = Body::Broken;
                        return Err(io::Error::new(io::ErrorKind::InvalidData, MalformedBody));
                    };
                    self.input.advance(length);
                    if chunked.is_done() {
                        self.body = Body::Done;
                    }
                    length
                }
                left => {
                    let length = left.unwrap_or(usize::MAX).min(self.input.len());
                    chunked.skip(length);
                    let part = self.input.split_to(length);
                    match data.is_empty() {
                        true => data = part,
                        false => data.extend_from_slice(&part),
                    }
                    length
                }
            };
            self.connection().count_received(taken);
        }
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        Ok(data.freeze())
    }
}

/// How much is read at once, and how much of later requests is kept while one is served.
const READ_AHEAD: usize = 4096;

/// How much of a body is read at once.
const AT_ONCE: usize = 64 * 1024;

/// How much of what follows a 101 is read at once.
const IN_TUNNEL: usize = 16 * 1024;

/// With less room a buffer is not read into again.
const LEAST_ROOM: usize = 4096;
