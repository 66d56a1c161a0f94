//! The one place that turns a failure into a status and a page.
//!
//! The visitor sees a page that says nothing of the inside; the cause is for the error log.

use super::context::RequestContext;
use super::{answer, error_log, log_line};
use crate::door::{MalformedBody, Refusal};
use crate::model::{Page, RetryCondition};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::{FailToProxy, Session};
use std::fmt::Write;

/// What Gapura calls itself in `Server` and on its pages.
pub(super) const SERVER: &str = "gapura";

/// Why Gapura answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The upstream could not be reached, closed early, or sent nonsense.
    BadGateway,
    /// The upstream sent no HTTP.
    InvalidHeader,
    /// The upstream took too long.
    GatewayTimeout,
    /// A status that was decided on: a limit, an intercepted answer.
    Status(StatusCode),
    /// The client was gone: there is nobody to answer. nginx logs it as 499.
    ClientClosed,
}

impl Failure {
    /// A failed connect.
    pub(super) fn of_connect(error: &Error) -> Self {
        match error.etype() {
            ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => Self::GatewayTimeout,
            _ => Self::BadGateway,
        }
    }

    /// A failure on a connection that stood.
    pub(super) fn of_exchange(error: &Error) -> Self {
        match error.etype() {
            ErrorType::ReadTimedout | ErrorType::WriteTimedout | ErrorType::ConnectTimedout => {
                Self::GatewayTimeout
            }
            ErrorType::InvalidHTTPHeader => Self::InvalidHeader,
            _ => Self::BadGateway,
        }
    }

    /// Any error that reaches the end of the request.
    fn of(error: &Error) -> Self {
        match (error.etype(), error.esource()) {
            (ErrorType::HTTPStatus(code), _) => Self::Status(
                StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            ),
            _ if MalformedBody::caused(error) => Self::Status(StatusCode::BAD_REQUEST),
            (_, ErrorSource::Upstream) => Self::of_exchange(error),
            (ErrorType::ReadTimedout, ErrorSource::Downstream) => {
                Self::Status(StatusCode::REQUEST_TIMEOUT)
            }
            (ErrorType::InvalidHTTPHeader, ErrorSource::Downstream) => {
                Self::Status(StatusCode::BAD_REQUEST)
            }
            (_, ErrorSource::Downstream) => Self::ClientClosed,
            _ => Self::Status(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// The status of the answer, or of the log line when there is no answer.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::BadGateway | Self::InvalidHeader => StatusCode::BAD_GATEWAY,
            Self::GatewayTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Status(status) => status,
            Self::ClientClosed => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        }
    }

    /// The word of `proxy_next_upstream` it falls under.
    pub(super) fn condition(self) -> RetryCondition {
        match self {
            Self::GatewayTimeout => RetryCondition::Timeout,
            Self::InvalidHeader => RetryCondition::InvalidHeader,
            Self::Status(status) => RetryCondition::Http(status.as_u16()),
            Self::BadGateway | Self::ClientClosed => RetryCondition::Error,
        }
    }
}

/// `fail_to_proxy`: the end of a request that failed.
pub(super) async fn answer_failure(
    session: &mut Session,
    error: &Error,
    ctx: &mut RequestContext,
) -> FailToProxy {
    let failure = *ctx.failure.get_or_insert_with(|| Failure::of(error));
    let status = failure.status();
    let begun = session
        .response_written()
        .is_some_and(|answer| !answer.status.is_informational());
    if ctx.admission.is_none() || begun || failure == Failure::ClientClosed {
        if !begun {
            ctx.logged_status = Some(status);
        }
        error_log::ended_early(session, ctx, error, failure, begun);
        return FailToProxy {
            error_code: 0,
            can_reuse_downstream: false,
        };
    }
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        error_log::internal(ctx, error);
    }
    // Pingora closes the connection after this, whatever is returned: say so in the answer.
    session.set_keepalive(None);
    if let Err(cause) = answer(session, ctx, status).await {
        log::debug!("the error page could not be sent: {cause}");
    }
    FailToProxy {
        error_code: status.as_u16(),
        can_reuse_downstream: false,
    }
}

/// Answers with a status and its page. `Ok(true)`: the answer is written.
pub(super) async fn answer(
    session: &mut Session,
    ctx: &mut RequestContext,
    status: StatusCode,
) -> Result<bool> {
    let page = page_of(ctx, status, &session.req_header().headers);
    let mut response = ResponseHeader::build(status, Some(8))?;
    response.insert_header(header::CONTENT_TYPE, page.content_type.as_ref())?;
    response.insert_header(header::CONTENT_LENGTH, page.body.len())?;
    if let Some(after) = ctx.settings().retry_after
        && matches!(status.as_u16(), 502..=504)
    {
        response.insert_header(header::RETRY_AFTER, after.as_secs())?;
    }
    write(session, ctx, response, page.body).await?;
    Ok(true)
}

/// Writes an answer of Gapura's own, with the headers that every answer gets.
pub(super) async fn write(
    session: &mut Session,
    ctx: &RequestContext,
    mut response: ResponseHeader,
    body: Bytes,
) -> Result<()> {
    response.insert_header(header::SERVER, HeaderValue::from_static(SERVER))?;
    answer::add_headers(session, &mut response, ctx)?;
    let headers_only = session.req_header().method == Method::HEAD || body.is_empty();
    session
        .write_response_header(Box::new(response), headers_only)
        .await?;
    if !headers_only {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

/// The site's page for a status, if it has one.
pub(super) fn page_for(ctx: &RequestContext, status: StatusCode) -> Option<&Page> {
    let pages = &ctx.settings().error_pages;
    pages
        .iter()
        .find(|page| page.codes.contains(&status.as_u16()))
        .map(|page| &page.page)
}

/// A page ready to be sent.
struct Rendered<'a> {
    content_type: std::borrow::Cow<'a, str>,
    body: Bytes,
}

/// JSON for a client that wants JSON, else the site's page, else the built-in one.
fn page_of<'a>(ctx: &'a RequestContext, status: StatusCode, request: &HeaderMap) -> Rendered<'a> {
    if wants_json(request) {
        return Rendered {
            content_type: "application/json".into(),
            body: json_page(status),
        };
    }
    match page_for(ctx, status) {
        Some(page) => Rendered {
            content_type: page.content_type.as_str().into(),
            body: page.body.clone(),
        },
        None => Rendered {
            content_type: "text/html; charset=utf-8".into(),
            body: built_in_page(status),
        },
    }
}

/// Whether `Accept` ranks JSON above HTML. What a browser sends never does.
fn wants_json(request: &HeaderMap) -> bool {
    let accept = request
        .get_all(header::ACCEPT)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    let (mut json, mut html) = (0.0_f32, 0.0_f32);
    for range in accept.flat_map(|line| line.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts
            .find_map(|part| part.strip_prefix("q=").and_then(|value| value.parse().ok()))
            .unwrap_or(1.0_f32);
        if media_type == "application/json" || media_type.ends_with("+json") {
            json = json.max(quality);
        } else if matches!(
            media_type.as_str(),
            "text/html" | "application/xhtml+xml" | "text/*"
        ) {
            html = html.max(quality);
        }
    }
    json > html
}

fn json_page(status: StatusCode) -> Bytes {
    let reason = reason(status);
    let code = status.as_u16();
    format!("{{\"error\": {{\"status\": {code}, \"message\": \"{reason}\"}}}}\n").into()
}

fn built_in_page(status: StatusCode) -> Bytes {
    let (reason, code) = (reason(status), status.as_u16());
    let hint = match code {
        502..=504 => {
            "The application behind this site is not answering right now. Please try again in a moment."
        }
        404 => "There is nothing at this address.",
        413 => "What was sent is larger than this site accepts.",
        _ if status.is_client_error() => "The request could not be understood.",
        _ => "Something went wrong. Please try again in a moment.",
    };
    include_str!("error_page.html")
        .replace("{code}", &code.to_string())
        .replace("{reason}", reason)
        .replace("{hint}", hint)
        .into()
}

/// The reason phrase; nginx's own statuses have none that a visitor should see.
fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

/// The whole answer to a request that never became one, and its log lines.
pub(super) fn refuse(refusal: &Refusal<'_>) -> Bytes {
    let status = StatusCode::from_u16(refusal.fault.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let body = built_in_page(status);
    log_line::refused(
        refusal,
        if refusal.fault.is_silent() {
            0
        } else {
            body.len()
        },
    );
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
        reason(status),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))])
    }

    #[test]
    fn json_is_for_clients_that_prefer_it() {
        assert!(wants_json(&accept("application/json")));
        assert!(wants_json(&accept(
            "application/problem+json, text/html;q=0.5"
        )));
        assert!(!wants_json(&accept(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        )));
        assert!(!wants_json(&accept("*/*")));
        assert!(!wants_json(&HeaderMap::new()));
    }

    #[test]
    fn the_built_in_page_is_filled_in() {
        let page = built_in_page(StatusCode::BAD_GATEWAY);
        let text = std::str::from_utf8(&page).expect("text");
        assert!(text.contains("502") && text.contains("Bad Gateway") && !text.contains("{hint}"));
    }
}
