//! The one place that turns a failure into a page. Its status is `failure`'s.
//!
//! The visitor sees a page that says nothing of the inside; the cause is for the error log.

use super::context::RequestContext;
use super::failure::{Failure, has_begun};
use super::files::conditional::format_time;
use super::flow::Entry;
use super::phases::Next;
use super::values::Sent;
use super::{Gateway, built_in, error_log, local, log_line, nginx_page};
use crate::door::{DoorStream, Refusal};
use crate::model::{BuiltInPages, ErrorPage, ErrorResponse, ErrorTarget, OwnAnswers};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pingora_core::{Error, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::{FailToProxy, Session};

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
            ctx.cut = true;
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
    if DoorStream::is_kept_alive(downstream)
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
    if closes(ctx, status) {
        DoorStream::set_keepalive(session.as_downstream_mut(), false);
    }
    let page = page_of(ctx, status, &session.req_header().headers);
    let mut response = ResponseHeader::build(page.status, Some(8))?;
    if !page.content_type.is_empty() {
        response.insert_header(header::CONTENT_TYPE, page.content_type.as_ref())?;
    }
    // These have no body to speak of (RFC 9110, 8.6).
    if !local::is_bodiless(page.status) {
        response.insert_header(header::CONTENT_LENGTH, page.body.len())?;
    }
    if let Some(after) = ctx.settings().retry_after
        && matches!(status.as_u16(), 502..=504)
    {
        response.insert_header("Retry-After", after.as_secs())?;
    }
    local::write(session, ctx, response, page.body).await?;
    Ok(true)
}

/// Whether the connection ends with this error, whatever page it gets.
pub(super) fn closes(ctx: &RequestContext, status: StatusCode) -> bool {
    ctx.settings().own.pages == BuiltInPages::Nginx && nginx_page::closes(status.as_u16())
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
pub(super) struct Rendered<'a> {
    pub(super) status: StatusCode,
    /// Empty for a page that has no body.
    pub(super) content_type: std::borrow::Cow<'a, str>,
    pub(super) body: Bytes,
}

/// JSON for a client that wants JSON, else the site's page, else the built-in one.
fn page_of<'a>(ctx: &'a RequestContext, status: StatusCode, request: &HeaderMap) -> Rendered<'a> {
    let own = ctx.settings().own;
    if own.pages == BuiltInPages::Gapura && built_in::wants_json(request) {
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
        _ => built_in_page(status.as_u16(), own, Some(request)),
    }
}

/// The page of a status that the site has none for.
pub(super) fn built_in_page(
    code: u16,
    own: OwnAnswers,
    request: Option<&HeaderMap>,
) -> Rendered<'static> {
    let (content_type, body) = match own.pages {
        BuiltInPages::Gapura => ("text/html; charset=utf-8", built_in::html(code)),
        BuiltInPages::Nginx => match nginx_page::page(code, own, request) {
            Some(body) => ("text/html", body),
            None => ("", Bytes::new()),
        },
    };
    Rendered {
        status: nginx_page::sent_as(code),
        content_type: content_type.into(),
        body,
    }
}

/// The whole answer to a request that never became one, and its log lines. `None` when the site has a page
/// of its own for it, which is served as for every other error.
pub(super) fn refuse(refusal: &Refusal<'_>) -> Option<Bytes> {
    if has_page(refusal) {
        error_log::refused(refusal);
        return None;
    }
    Some(refuse_at_once(refusal))
}

fn has_page(refusal: &Refusal<'_>) -> bool {
    let pages = &refusal.arrival.site.fallback().settings.error_pages;
    let code = refusal.fault.error_page_code();
    !refusal.fault.is_silent()
        && !refusal.body_only()
        && pages.iter().any(|page| page.codes.contains(&code))
}

fn refuse_at_once(refusal: &Refusal<'_>) -> Bytes {
    let status = StatusCode::from_u16(refusal.fault.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let own = refusal.arrival.site.fallback().settings.own;
    let (code, reason) = match own.pages {
        BuiltInPages::Gapura => (refusal.fault.status(), built_in::reason(status)),
        BuiltInPages::Nginx => (refusal.fault.error_page_code(), nginx_page::phrase(status)),
    };
    let mut request = HeaderMap::new();
    if let Some(agent) = refusal.header("user-agent")
        && let Ok(agent) = HeaderValue::from_bytes(agent)
    {
        request.insert(header::USER_AGENT, agent);
    }
    let page = built_in_page(code, own, Some(&request));
    let body = page.body;
    let body_length = match refusal.arrival.line.method() {
        b"HEAD" if !refusal.body_only() => 0,
        _ => body.len(),
    };
    let head = match refusal.body_only() {
        true => String::new(),
        false => format!(
            "HTTP/1.1 {} {reason}\r\nServer: {}\r\nDate: {}\r\nContent-Type: {}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            status.as_u16(),
            own.server_name(),
            format_time(jiff::Timestamp::now().as_second()),
            page.content_type,
            body.len()
        ),
    };
    let sent = match refusal.fault.is_silent() {
        true => Sent::default(),
        false => Sent {
            bytes: head.len() + body_length,
            of_body: body_length,
        },
    };
    log_line::refused(refusal, sent);
    error_log::refused(refusal);
    let mut answer = head.into_bytes();
    answer.extend_from_slice(&body[..body_length]);
    answer.into()
}
