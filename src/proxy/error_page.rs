//! The one place that turns a failure into a page. Its status is `failure`'s.
//!
//! The visitor sees a page that says nothing of the inside; the cause is for the error log.

use super::context::RequestContext;
use super::failure::{Failure, has_begun};
use super::flow::Entry;
use super::phases::Next;
use super::{Gateway, built_in, error_log, local, log_line};
use crate::door::{DoorStream, Refusal};
use crate::model::{ErrorPage, ErrorResponse, ErrorTarget};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use pingora_core::{Error, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::{FailToProxy, Session};
use std::fmt::Write;

/// What Gapura calls itself in `Server` and on its pages.
pub(super) const SERVER: &str = "gapura";

impl Gateway {
    /// `fail_to_proxy`: the end of a request that failed.
    pub(super) async fn answer_failure(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut RequestContext,
    ) -> FailToProxy {
        let failure = *ctx.failure.get_or_insert_with(|| Failure::of(error));
        let status = failure.status();
        let closed = FailToProxy {
            error_code: 0,
            can_reuse_downstream: false,
        };
        if std::mem::take(&mut ctx.answered) {
            keep_connection(session);
            return closed;
        }
        let begun = has_begun(session);
        if ctx.admission.is_none() || begun || failure == Failure::ClientClosed {
            if !begun {
                ctx.logged_status = Some(status);
            }
            error_log::ended_early(session, ctx, error, failure);
            return closed;
        }
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            error_log::internal(session, ctx, error);
        }
        let entry = ctx.detour.take().unwrap_or(Entry::Failed(status));
        let written = match self.run(session, ctx, entry).await {
            Ok(Next::Written) => Ok(true),
            // A server may not be asked any more: Pingora has ended the request.
            Ok(Next::Pass) => answer(session, ctx, status).await,
            Err(cause) => Err(cause),
        };
        match written {
            Ok(_) => keep_connection(session),
            Err(cause) => log::debug!("the error page could not be sent: {cause}"),
        }
        FailToProxy {
            error_code: status.as_u16(),
            can_reuse_downstream: false,
        }
    }
}

/// Pingora drops the connection after a failure, whatever is returned; the door keeps it.
fn keep_connection(session: &mut Session) {
    let downstream = session.as_downstream();
    if downstream.get_keepalive().is_some()
        && let Some(stream) = DoorStream::of(downstream)
    {
        stream.keep();
    }
}

/// Answers with a status and its page. `Ok(true)`: the answer is written.
pub(super) async fn answer(
    session: &mut Session,
    ctx: &mut RequestContext,
    status: StatusCode,
) -> Result<bool> {
    let page = page_of(ctx, status, &session.req_header().headers);
    let mut response = ResponseHeader::build(page.status, Some(8))?;
    response.insert_header(header::CONTENT_TYPE, page.content_type.as_ref())?;
    response.insert_header(header::CONTENT_LENGTH, page.body.len())?;
    if let Some(after) = ctx.settings().retry_after
        && matches!(status.as_u16(), 502..=504)
    {
        response.insert_header(header::RETRY_AFTER, after.as_secs())?;
    }
    local::write(session, ctx, response, page.body).await?;
    Ok(true)
}

/// Closes the connection without an answer: nginx's `return 444`. The status is what the log says.
/// `Ok(true)`: nothing is left to do.
pub(super) fn close_silently(
    session: &mut Session,
    ctx: &mut RequestContext,
    status: StatusCode,
) -> Result<bool> {
    ctx.logged_status = Some(status);
    DoorStream::close_silently(session.as_downstream_mut());
    Ok(true)
}

/// The site's page for a status, if it has one.
pub(super) fn page_for(ctx: &RequestContext, status: StatusCode) -> Option<&ErrorPage> {
    let pages = &ctx.settings().error_pages;
    pages
        .iter()
        .find(|page| page.codes.contains(&status.as_u16()))
}

/// A page ready to be sent.
struct Rendered<'a> {
    status: StatusCode,
    content_type: std::borrow::Cow<'a, str>,
    body: Bytes,
}

/// JSON for a client that wants JSON, else the site's page, else the built-in one.
fn page_of<'a>(ctx: &'a RequestContext, status: StatusCode, request: &HeaderMap) -> Rendered<'a> {
    if built_in::wants_json(request) {
        return Rendered {
            status,
            content_type: "application/json".into(),
            body: built_in::json(status),
        };
    }
    match page_for(ctx, status) {
        Some(ErrorPage {
            target: ErrorTarget::Page(page),
            response,
            ..
        }) => Rendered {
            status: match response {
                ErrorResponse::Code(code) => StatusCode::from_u16(*code).unwrap_or(status),
                ErrorResponse::Error | ErrorResponse::Target => status,
            },
            content_type: page.content_type.as_str().into(),
            body: page.body.clone(),
        },
        _ => Rendered {
            status,
            content_type: "text/html; charset=utf-8".into(),
            body: built_in::html(status),
        },
    }
}

/// The whole answer to a request that never became one, and its log lines.
pub(super) fn refuse(refusal: &Refusal<'_>) -> Bytes {
    let status = StatusCode::from_u16(refusal.fault.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let body = built_in::html(status);
    let sent = if refusal.fault.is_silent() {
        0
    } else {
        body.len()
    };
    log_line::refused(refusal, sent);
    error_log::refused(refusal);
    if refusal.body_only() {
        return body;
    }
    let mut head = String::new();
    let date = httpdate();
    let _ = write!(
        head,
        "HTTP/1.1 {} {}\r\nServer: {SERVER}\r\nDate: {date}\r\nContent-Type: text/html; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        status.as_u16(),
        built_in::reason(status),
        body.len()
    );
    let mut answer = head.into_bytes();
    if refusal.arrival.line.method() != b"HEAD" {
        answer.extend_from_slice(&body);
    }
    answer.into()
}

/// Now, as the `Date` header has it.
fn httpdate() -> String {
    jiff::Timestamp::now()
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}
