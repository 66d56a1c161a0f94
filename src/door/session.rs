//! Pingora's session of a request that passed the door.
//!
//! Pingora's own HTTP/1 session would read the header a second time, and knows one request only. This one is
//! given the header as the door has read it. What belongs to the connection is its [`DoorStream`], which
//! comes home when the session is dropped.

mod answer;
mod parts;
mod wire;

use super::{Connection, DoorStream, SILENT};
use answer::flushed;
use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, header};
use pingora::prelude::timeout;
use pingora_core::protocols::Digest;
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::http::body_buffer::FixedBuffer;
use pingora_core::protocols::http::custom::CustomMessageWrite;
use pingora_core::protocols::http::custom::server::Session;
use pingora_core::protocols::http::v1::common::is_upgrade_req;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::{Error, ErrorType, OrErr, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use wire::Framed;

/// One request and its answer.
pub(super) struct DoorSession {
    /// Holds the [`DoorStream`].
    digest: Digest,
    connection: Arc<Connection>,
    request: RequestHeader,
    /// Whether it asks for another protocol.
    upgrade: bool,
    /// The answer's header, once it is written.
    response: Option<Box<ResponseHeader>>,
    answer: Framed,
    read_timeout: Option<Duration>,
    drain_timeout: Option<Duration>,
    /// What was read of the body, for another try.
    retry: Option<FixedBuffer>,
    body_sent: usize,
    /// The client has closed its sending side.
    half_closed: bool,
}

impl DoorSession {
    pub(super) fn new(
        stream: Arc<ProxyDigest>,
        connection: &Arc<Connection>,
        request: RequestHeader,
        upgrade: bool,
    ) -> Self {
        Self {
            digest: Digest {
                proxy_digest: Some(stream),
                ..Digest::default()
            },
            connection: Arc::clone(connection),
            request,
            upgrade,
            response: None,
            answer: Framed::Unknown,
            read_timeout: None,
            drain_timeout: None,
            retry: None,
            body_sent: 0,
            half_closed: false,
        }
    }

    fn stream(&self) -> &DoorStream {
        DoorStream::in_digest_of(&self.digest).expect(HELD)
    }

    fn stream_mut(&mut self) -> &mut DoorStream {
        stream_in(&mut self.digest)
    }

    fn has_empty_body(&self) -> bool {
        self.stream().given == 0 && self.stream().is_body_given()
    }

    /// Whether a request without a body waits for a server's answer, which may be a 101: Pingora has had it keep what
    /// is read for another try, and there is no answer.
    ///
    /// Pingora must not be told then that the body is over: it gives that on to the server's side apart from the
    /// header, and a 101 that overtakes it there would end the tunnel as soon as it is open. Without it the
    /// server's side goes on waiting, until the answer is written or the tunnel has ended. A server that gets the
    /// body in chunks waits for the last one, and is told.
    fn may_switch(&self) -> bool {
        self.upgrade
            && self.answer == Framed::Unknown
            && self.retry.is_some()
            && self.has_empty_body()
            && !self.request.headers.contains_key(header::TRANSFER_ENCODING)
    }

    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        let stream = stream_in(&mut self.digest);
        let read = poll_fn(|cx| stream.poll_data(cx));
        let read = match self.read_timeout {
            Some(limit) => timeout(limit, read).await.map_err(|_| {
                Error::explain(
                    ErrorType::ReadTimedout,
                    format!("reading body, timeout: {limit:?}"),
                )
            })?,
            None => read.await,
        };
        let data = read.map_err(|cause| {
            let kind = match cause.kind() {
                io::ErrorKind::UnexpectedEof => ErrorType::ConnectionClosed,
                _ => ErrorType::ReadError,
            };
            Error::because(kind, "reading the request's body", cause)
        })?;
        if let Some(data) = &data {
            stream.given += data.len();
            // One that was collected is read from its start.
            if let Some(retry) = self.retry.as_mut().filter(|_| !stream.has_collected()) {
                retry.write_to_buffer(data);
            }
        }
        Ok(data)
    }

    async fn drain(&mut self) -> Result<()> {
        // One that was collected is in nobody's way.
        while !self.stream().is_body_done() && self.read_body().await?.is_some() {}
        Ok(())
    }

    /// Waits until the client closes. Ends with an error then, if the request is to end with its client.
    async fn idle(&mut self) -> Result<Option<Bytes>> {
        let stream = stream_in(&mut self.digest);
        let half_closed = &mut self.half_closed;
        let ended = poll_fn(|cx| -> Poll<Result<Ended>> {
            if *half_closed {
                // Whether it still takes its answer does not matter here.
                let _ = stream.send_on(cx);
            } else if let Poll::Ready(closed) = stream.poll_closed(cx) {
                if stream.manner.ends_with_client {
                    closed.or_err(ErrorType::ReadError, "waiting for the client to close")?;
                }
                *half_closed = true;
                stream.manner.keepalive = false;
            }
            match *half_closed && stream.manner.ends_with_client {
                true => Poll::Ready(Ok(Ended::Client)),
                false => stream.poll_silence(cx).map(|()| Ok(Ended::Silence)),
            }
        });
        if let Ended::Silence = ended.await? {
            // What came before is the client's, if it is there.
            let _ = flushed(stream).await;
            return Err(Error::new(ErrorType::Custom(SILENT)));
        }
        let when = match self.response {
            None => "before the response header is sent",
            Some(_) => "before the response body is complete",
        };
        Error::e_explain(ErrorType::ConnectionClosed, when)
    }
}

impl Drop for DoorSession {
    fn drop(&mut self) {
        if !self.is_answered() {
            // What follows would be taken for the rest of this answer.
            self.stream_mut().manner.keepalive = false;
        }
        self.connection.home.put(self.digest.proxy_digest.take());
    }
}

#[async_trait]
impl Session for DoorSession {
    fn req_header(&self) -> &RequestHeader {
        &self.request
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        &mut self.request
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        self.read_body().await
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        match self.drain_timeout {
            Some(limit) => timeout(limit, self.drain()).await.map_err(|_| {
                Error::explain(
                    ErrorType::ReadTimedout,
                    format!("draining body, timeout: {limit:?}"),
                )
            })?,
            None => self.drain().await,
        }
    }

    async fn write_response_header(&mut self, header: Box<ResponseHeader>, _: bool) -> Result<()> {
        self.write_header(header).await
    }

    async fn write_response_header_ref(&mut self, header: &ResponseHeader, _: bool) -> Result<()> {
        self.write_header(Box::new(header.clone())).await
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        if !data.is_empty() {
            self.write_parts(&mut [data]).await?;
        }
        if end {
            self.end_answer().await?;
        }
        Ok(())
    }

    /// Those of servers are not passed on.
    async fn write_trailers(&mut self, _: HeaderMap) -> Result<()> {
        Ok(())
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        self.write_tasks(tasks).await
    }

    fn set_read_timeout(&mut self, limit: Option<Duration>) {
        self.read_timeout = limit;
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.read_timeout
    }

    /// `send_timeout` is the [`DoorStream`]'s.
    fn set_write_timeout(&mut self, _: Option<Duration>) {}

    fn get_write_timeout(&self) -> Option<Duration> {
        None
    }

    fn set_total_drain_timeout(&mut self, limit: Option<Duration>) {
        self.drain_timeout = limit;
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.drain_timeout
    }

    fn request_summary(&self) -> String {
        let target = String::from_utf8_lossy(self.request.raw_path());
        format!("{} {target}", self.request.method)
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.response.as_deref()
    }

    async fn shutdown(&mut self, _: u32, _: &str) {
        self.stream_mut().shutdown().await;
    }

    fn is_body_done(&mut self) -> bool {
        self.stream().is_body_given() && !self.may_switch()
    }

    /// Pingora calls it at the end of an answer, and once more to be done with the request.
    async fn finish(&mut self) -> Result<()> {
        self.end_answer().await?;
        let stream = self.stream_mut();
        match (stream.is_finished(), stream.is_kept()) {
            (false, _) => Ok(()),
            (true, false) => {
                stream.shutdown().await;
                Ok(())
            }
            (true, true) => self.drain_request_body().await,
        }
    }

    fn is_body_empty(&mut self) -> bool {
        self.has_empty_body()
    }

    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        match no_body_expected || self.stream().is_body_given() {
            true => self.idle().await,
            false => self.read_body().await,
        }
    }

    fn body_bytes_sent(&self) -> usize {
        self.body_sent
    }

    fn body_bytes_read(&self) -> usize {
        self.stream().given
    }

    fn digest(&self) -> Option<&Digest> {
        Some(&self.digest)
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        Some(&mut self.digest)
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.connection.client()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.connection.server()
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        let mut text = BytesMut::new();
        text.put_slice(self.request.method.as_str().as_bytes());
        text.put_slice(b" ");
        text.put_slice(self.request.raw_path());
        text.put_slice(b" HTTP/1.1\r\n");
        self.request.header_to_h1_wire(&mut text);
        text.put_slice(b"\r\n");
        text.freeze()
    }

    fn enable_retry_buffering(&mut self) {
        if self.retry.is_none() {
            self.retry = Some(FixedBuffer::new(RETRY_BUFFER));
        }
    }

    fn retry_buffer_truncated(&self) -> bool {
        self.retry.as_ref().is_some_and(FixedBuffer::is_truncated)
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        if self.may_switch() {
            return Some(Bytes::new());
        }
        let retry = self.retry.as_ref()?;
        (!retry.is_truncated()).then(|| retry.get_buffer())?
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn futures_util::Stream<Item = Result<Bytes>> + Unpin + Send + Sync>> {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _: Box<dyn futures_util::Stream<Item = Result<Bytes>> + Unpin + Send + Sync>,
    ) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(&mut self, _: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }

    fn is_upgrade_req(&self) -> bool {
        is_upgrade_req(&self.request)
    }

    fn was_upgraded(&self) -> bool {
        self.stream().is_upgraded()
    }
}

/// The stream, while other fields of its session are in use.
fn stream_in(digest: &mut Digest) -> &mut DoorStream {
    let digest = digest.proxy_digest.as_mut();
    digest.and_then(DoorStream::within).expect(HELD)
}

/// Why a session waits for nothing any more.
enum Ended {
    /// The client has closed.
    Client,
    /// The server said nothing for too long.
    Silence,
}

const HELD: &str = "a session holds its stream until it is dropped";

/// How much of a body is kept for another try, as Pingora's own sessions do.
const RETRY_BUFFER: usize = 64 * 1024;
