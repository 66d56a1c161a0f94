//! Writing an answer: its header once, its body as that delimits it, and its end.

use super::parts::Parts;
use super::wire::{self, Framed};
use super::{DoorSession, stream_in};
use crate::door::DoorStream;
use bytes::{Buf, Bytes};
use http::{StatusCode, header};
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::http::v1::common::{is_expect_continue_req, is_upgrade_req};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use smallvec::SmallVec;
use std::io;
use tokio::io::AsyncWriteExt;

impl DoorSession {
    /// Whether a header may be written now.
    fn may_write(&self, header: &ResponseHeader) -> bool {
        if is_interim(header.status)
            && self.stream().manner.hides_interim
            && !(header.status == StatusCode::CONTINUE && is_expect_continue_req(&self.request))
        {
            return false;
        }
        // There is one answer, whatever came before it.
        self.response
            .as_ref()
            .is_none_or(|written| written.status.is_informational() && !self.stream().is_upgraded())
    }

    pub(super) async fn write_header(&mut self, header: Box<ResponseHeader>) -> Result<()> {
        if !self.may_write(&header) {
            return Ok(());
        }
        let is_interim = is_interim(header.status);
        if !is_interim {
            self.begin_answer(&header);
        }
        let text = wire::header(&header, self.stream_mut(), is_interim)?;
        // What is made in real time is not held back for more of it.
        let flush = is_interim
            || self.is_answered()
            || !header.headers.contains_key(header::CONTENT_LENGTH);
        let stream = stream_in(&mut self.digest);
        stream
            .write_header(text, is_interim)
            .await
            .map_err(unsent)?;
        if flush {
            flushed(stream).await?;
        }
        self.response = Some(header);
        Ok(())
    }

    /// Settles what follows from the header of the answer.
    fn begin_answer(&mut self, header: &ResponseHeader) {
        let upgrades = header.status == StatusCode::SWITCHING_PROTOCOLS;
        self.answer = match upgrades {
            true => Framed::UntilClose,
            false => Framed::of(header, &self.request.method),
        };
        let closes = self.answer == Framed::UntilClose;
        let upgrades = upgrades && is_upgrade_req(&self.request);
        let stream = stream_in(&mut self.digest);
        if closes || (stream.manner.closes_when_early && !stream.is_body_given()) {
            stream.manner.keepalive = false;
        }
        if upgrades {
            stream.upgrade();
            self.retry = None;
        }
    }

    /// Whether nothing more is to be written.
    pub(super) fn is_answered(&self) -> bool {
        matches!(self.answer, Framed::Whole | Framed::Length(0))
    }

    /// Writes parts of the body, of which none is empty, in one call and as one chunk. What is more than there
    /// is to be is left out.
    pub(super) async fn write_parts(&mut self, parts: &mut [Bytes]) -> Result<()> {
        let mut length = parts.iter().map(Bytes::len).sum();
        if length == 0 {
            return Ok(());
        }
        let stream = stream_in(&mut self.digest);
        match &mut self.answer {
            Framed::Unknown | Framed::Whole | Framed::Length(0) => return Ok(()),
            Framed::Length(left) => {
                length = usize::try_from(*left).map_or(length, |left| left.min(length));
                match parts {
                    [part] => put(stream, &part[..length]).await?,
                    _ => put_all(stream, Parts(parts).take(length)).await?,
                }
                *left -= length as u64;
                if *left == 0 {
                    flushed(stream).await?;
                }
            }
            Framed::Chunked => {
                let (head, start) = wire::chunk_head(length);
                let chunk = head[start..].chain(Parts(parts)).chain(&b"\r\n"[..]);
                put_all(stream, chunk).await?;
                flushed(stream).await?;
            }
            Framed::UntilClose => {
                put_all(stream, Parts(parts)).await?;
                flushed(stream).await?;
            }
        }
        self.body_sent += length;
        Ok(())
    }

    /// Ends the answer.
    pub(super) async fn end_answer(&mut self) -> Result<()> {
        let stream = stream_in(&mut self.digest);
        let left = std::mem::replace(&mut self.answer, Framed::Whole);
        match left {
            Framed::Unknown => self.answer = Framed::Unknown,
            Framed::Length(1..) => {
                stream.manner.keepalive = false;
                return Err(Error::explain(CUT_SHORT, "the answer is not whole").into_down());
            }
            Framed::Chunked => match stream.take_trailers() {
                None => put(stream, b"0\r\n\r\n").await?,
                Some(lines) => put(stream, &[b"0\r\n", &lines[..], b"\r\n"].concat()).await?,
            },
            Framed::Length(0) | Framed::UntilClose | Framed::Whole => {}
        }
        if !stream.is_settled() {
            flushed(stream).await?;
        }
        stream.close_tunnel();
        Ok(())
    }

    pub(super) async fn write_tasks(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        let mut ends = false;
        let mut parts: SmallVec<[Bytes; MOST_TASKS]> = SmallVec::new();
        for task in tasks {
            ends = match task {
                HttpTask::Header(header, ends) => {
                    self.write_header(header).await?;
                    ends
                }
                HttpTask::Body(data, ends) | HttpTask::UpgradedBody(data, ends) => {
                    parts.extend(data.filter(|data| !data.is_empty()));
                    ends
                }
                // Those of servers are not passed on.
                HttpTask::Trailer(_) | HttpTask::Done => true,
                HttpTask::Failed(error) => {
                    // What came before is the client's, if it is there.
                    if self.write_parts(&mut parts).await.is_ok() {
                        let _ = flushed(self.stream_mut()).await;
                    }
                    return Err(error);
                }
            };
        }
        self.write_parts(&mut parts).await?;
        if ends {
            self.end_answer().await?;
        }
        self.stream_mut().hear();
        Ok(ends || self.is_answered())
    }
}

async fn put(stream: &mut DoorStream, data: &[u8]) -> Result<()> {
    stream.write_all(data).await.map_err(unsent)
}

/// The same with what lies in several places.
async fn put_all(stream: &mut DoorStream, mut data: impl Buf) -> Result<()> {
    stream.write_all_buf(&mut data).await.map_err(unsent)
}

pub(super) async fn flushed(stream: &mut DoorStream) -> Result<()> {
    stream.flush().await.map_err(unsent)
}

/// The client did not take what was written.
fn unsent(cause: io::Error) -> Box<Error> {
    Error::because(ErrorType::WriteError, "writing the response", cause).into_down()
}

/// An answer before the answer. After a 101 comes no other.
fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

/// How many tasks Pingora gives at once, as a rule.
const MOST_TASKS: usize = 4;

/// As Pingora's own sessions call it.
const CUT_SHORT: ErrorType = ErrorType::new("PrematureBodyEnd");
