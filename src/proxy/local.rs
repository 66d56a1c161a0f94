//! The way out of answers that Gapura makes itself.

use super::context::RequestContext;
use super::files::body::Body;
use super::files::conditional;
use super::{added, answer, charset, compress, nginx_page, pace, redirect, substitute};
use crate::door::{DoorStream, Placed};
use crate::model::BuiltInPages;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Version, header};
use pingora_core::protocols::http::ServerSession;
use pingora_core::{Error, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

/// An answer with the headers that every answer gets, not yet sent.
pub(super) struct Answer {
    pub(super) response: ResponseHeader,
    /// Whether its bytes become others on their way. Then no ranges of it can be sent.
    pub(super) is_changed: bool,
}

/// Gives an answer the headers that every answer gets.
pub(super) fn shape(
    session: &mut Session,
    ctx: &mut RequestContext,
    mut response: ResponseHeader,
) -> Result<Answer> {
    if let Some(status) = ctx.flow.status {
        response.set_status(status)?;
    }
    let mut placed = Placed {
        last_modified: true,
        location: false,
    };
    if let Some(target) = &ctx.flow.location
        && let Ok(location) = HeaderValue::from_bytes(&redirect::absolute(ctx, target))
    {
        response.insert_header("Location", location)?;
        placed.location = target.first() == Some(&b'/') && ctx.settings().redirects.absolute;
    }
    DoorStream::place(session.as_downstream_mut(), placed);
    for (name, value) in &ctx.flow.kept_headers {
        answer::keep(&mut response, name, value)?;
    }
    let own = ctx.settings().own;
    if own.pages == BuiltInPages::Nginx {
        response.set_reason_phrase(Some(nginx_page::phrase(response.status)))?;
    }
    added::add_headers(session, &mut response, ctx)?;
    pace::settle(session, ctx, &mut response)?;
    let is_changed = substitute::start(session, &mut response, ctx)?;
    charset::name(session, &mut response, ctx)?;
    let is_changed = compress::start(session, &mut response, ctx)? || is_changed;
    Ok(Answer {
        response,
        is_changed,
    })
}

/// Writes an answer whose body is in memory.
pub(super) async fn write(
    session: &mut Session,
    ctx: &mut RequestContext,
    response: ResponseHeader,
    mut body: Bytes,
) -> Result<()> {
    let mut answer = shape(session, ctx, response)?;
    let response = &mut answer.response;
    let own = ctx.settings().own;
    if nginx_page::is_refreshed(response.status, own, &session.req_header().headers)
        && let Some(location) = response.remove_header(&header::LOCATION)
    {
        body = nginx_page::refresh(location.as_bytes());
        response.set_status(StatusCode::OK)?;
        response.set_reason_phrase(Some(nginx_page::phrase(StatusCode::OK)))?;
        response.insert_header(header::CONTENT_LENGTH, body.len())?;
    }
    answer.send(session, ctx, Body::text(body)).await
}

/// An answer whose length is not known is sent in chunks, or to the connection's end.
pub(super) fn frame(
    session: &mut Session,
    ctx: &RequestContext,
    response: &mut ResponseHeader,
) -> Result<()> {
    let request = session.req_header();
    if request.method == Method::HEAD {
        return Ok(());
    }
    if request.version == Version::HTTP_11 && ctx.settings().chunked {
        let chunked = HeaderValue::from_static("chunked");
        response.insert_header(header::TRANSFER_ENCODING, chunked)?;
    } else {
        DoorStream::set_keepalive(session.as_downstream_mut(), false);
    }
    Ok(())
}

/// Whether answers of this status have no body (RFC 9110, 6.4.1).
pub(super) fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

impl Answer {
    pub(super) fn etag(&self) -> Option<&[u8]> {
        let etag = self.response.headers.get(header::ETAG)?;
        Some(etag.as_bytes())
    }

    /// Seconds since 1970.
    pub(super) fn last_modified(&self) -> Option<i64> {
        let date = self.response.headers.get(header::LAST_MODIFIED)?;
        conditional::parse_time(date.as_bytes())
    }

    /// Writes it. A request's body that nobody asked for would cost the connection: it is read away,
    /// what is there before the answer, the rest after it.
    pub(super) async fn send(
        mut self,
        session: &mut Session,
        ctx: &mut RequestContext,
        mut body: Body,
    ) -> Result<()> {
        let downstream = session.as_downstream_mut();
        // One that was collected is in nobody's way.
        let in_the_way = |stream: &DoorStream| stream.holds_body() && !stream.has_collected();
        if DoorStream::of(downstream).is_some_and(in_the_way) {
            downstream
                .drain_request_body()
                .await
                .map_err(Error::into_down)?;
        }
        let status = self.response.status;
        if discards_body(downstream, ctx, status) {
            // The session reads the rest away when the answer is written.
            let lingering = ctx.settings().limits.lingering;
            DoorStream::allow_early_answer(downstream);
            downstream.set_read_timeout(Some(lingering.timeout));
            downstream.set_total_drain_timeout(Some(lingering.time));
        }
        added::expect_trailers(session, &mut self.response, ctx)?;
        let bodiless = session.req_header().method == Method::HEAD || is_bodiless(status);
        let headers_only = bodiless || (body.is_empty() && ctx.expects_trailers.is_none());
        session
            .write_response_header(Box::new(self.response), headers_only)
            .await
            .map_err(Error::into_down)?;
        if headers_only {
            return Ok(());
        }
        while let Some((chunk, last)) = body.next().await? {
            let mut chunk = Some(chunk);
            substitute::take(session, ctx, &mut chunk, last);
            if let Some(gzip) = &mut ctx.gzip {
                gzip.take(&mut chunk, last)?;
            }
            if last {
                added::write_trailers(session, ctx);
            }
            session
                .write_response_body(chunk, last)
                .await
                .map_err(Error::into_down)?;
        }
        if ctx.expects_trailers.is_some() {
            // There was no body.
            added::write_trailers(session, ctx);
            session
                .write_response_body(None, true)
                .await
                .map_err(Error::into_down)?;
        }
        Ok(())
    }
}

/// Whether the body of a request that nobody has begun to read is read away, so that the connection can
/// be used again. As in nginx it is not after errors that leave doubts about what follows.
fn discards_body(downstream: &ServerSession, ctx: &RequestContext, status: StatusCode) -> bool {
    // A client that waits for a 100 may send the body or leave it out.
    let sends = !ctx.expects_continue;
    let doubtful = matches!(status.as_u16(), 400 | 413 | 414 | 494..=497 | 500 | 501);
    sends && !doubtful && downstream.body_bytes_read() == 0
}
