//! From an admitted request to its location, and past a router.

use super::context::{Passage, RequestContext};
use super::router::{Route, RouteRequest, Target};
use super::{Gateway, error_log, error_page, local, redirect, values};
use crate::door::DoorStream;
use crate::runtime::upstream::Upstream;
use crate::runtime::{Action, ProxyPass};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, StatusCode, Version, header};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

impl Gateway {
    /// `request_filter`: finds the location and what it does. `true` when the answer is written.
    pub(super) async fn admit(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<bool> {
        if ctx.admission.is_none() {
            return Error::e_explain(ErrorType::InternalError, "a request that no door admitted");
        }
        let location = Arc::clone(ctx.arrival().site.location(ctx.arrival().line.path()));
        let limits = location.settings.limits.clone();
        session.set_read_timeout(Some(limits.client_body_timeout));
        if let Some(stream) = DoorStream::of(session.as_downstream()) {
            stream.enter(&location);
        }
        if session.req_header().version != Version::HTTP_11 {
            // RFC 9110, 15.2: these clients cannot read a 1xx.
            session.set_ignore_info_resp(true);
        }
        if let Action::Proxy(pass) = &location.action {
            ctx.passage = Some(Passage::new(Arc::clone(pass), Arc::clone(&pass.upstream)));
        }
        ctx.location = Some(Arc::clone(&location));
        if let Some(limit) = limits.client_max_body_size
            && let Some(length) = declared_length(session)
            && length > limit
        {
            error_log::too_large_declared(session, ctx, length);
            return error_page::answer(session, ctx, StatusCode::PAYLOAD_TOO_LARGE).await;
        }
        if self.router.is_some() {
            match self.ask_router(session, ctx).await {
                Ok(route) => {
                    if follow(session, ctx, route).await? {
                        return Ok(true);
                    }
                }
                Err(cause) => {
                    error_log::router_failed(session, ctx, &cause);
                    return error_page::answer(session, ctx, StatusCode::INTERNAL_SERVER_ERROR)
                        .await;
                }
            }
        }
        if ctx.passage.is_none() {
            return match location.action {
                Action::AddSlash => redirect::add_slash(session, ctx).await,
                Action::Status(444) => {
                    // nginx's own: a status that is never sent.
                    let status = StatusCode::from_u16(444).unwrap_or(StatusCode::NOT_FOUND);
                    error_page::close_silently(session, ctx, status)
                }
                Action::Status(status) => {
                    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND);
                    error_page::answer(session, ctx, status).await
                }
                Action::Proxy(_) => Ok(false),
            };
        }
        ctx.expects_continue = expects_continue(session);
        Ok(false)
    }

    /// The router's decision, or in words why there is none.
    async fn ask_router(&self, session: &Session, ctx: &RequestContext) -> Result<Route, String> {
        let Some(router) = &self.router else {
            return Ok(Route::decline());
        };
        let arrival = ctx.arrival();
        let header = session.req_header();
        let request = RouteRequest {
            method: &header.method,
            host: &arrival.host,
            path: arrival.line.path(),
            target: arrival.line.target(),
            query: arrival.line.query(),
            headers: &header.headers,
            client: values::ip(arrival.connection.client()),
            site: &arrival.site.name,
            generation: arrival
                .generation
                .as_deref()
                .ok_or("the request has been upgraded")?,
            location: ctx.place(),
        };
        // The block makes a panic before the first await one of the future's own.
        let decision = AssertUnwindSafe(async { router.route(&request).await }).catch_unwind();
        match tokio::time::timeout(self.router_timeout, decision).await {
            Ok(Ok(Ok(route))) => match route.problem() {
                None => Ok(route),
                Some(problem) => Err(format!("router failed: {problem}")),
            },
            Ok(Ok(Err(cause))) => Err(format!("router failed: {cause}")),
            Ok(Err(_)) => Err("router panicked".into()),
            Err(_) => Err(format!("router took longer than {:?}", self.router_timeout)),
        }
    }
}

/// Carries a route out. `true` when the answer is written.
async fn follow(session: &mut Session, ctx: &mut RequestContext, route: Route) -> Result<bool> {
    ctx.response_headers = headers(route.response_headers)
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    match route.target {
        Target::Location => {}
        Target::Upstream(upstream) => redirect_to(ctx, upstream.0, None),
        Target::Backend(upstream, address) => redirect_to(ctx, upstream.0, Some(address)),
        Target::Answer(status, content_type, body) => {
            return answer_directly(session, ctx, status, &content_type, body).await;
        }
    }
    if let Some(passage) = &mut ctx.passage {
        passage.path = route.path.map(String::into_bytes);
        passage.request_headers = headers(route.request_headers).collect();
    }
    Ok(false)
}

/// What a router wrote, as headers; an empty value is none. That each is one was checked when the
/// router had decided.
fn headers(
    written: Vec<(String, String)>,
) -> impl Iterator<Item = (HeaderName, Option<HeaderValue>)> {
    written.into_iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((
            name,
            HeaderValue::from_str(&value)
                .ok()
                .filter(|value| !value.is_empty()),
        ))
    })
}

/// Sends the request to another upstream, with the settings of its location; where that passes
/// nothing on, with those that the site would pass requests on with.
fn redirect_to(ctx: &mut RequestContext, upstream: Arc<Upstream>, only: Option<String>) {
    let pass = match &ctx.passage {
        Some(passage) => Arc::clone(&passage.pass),
        None => Arc::new(ProxyPass::new(
            ctx.settings().pass.clone(),
            Arc::clone(&upstream),
        )),
    };
    let mut passage = Passage::new(pass, upstream);
    passage.only = only;
    ctx.passage = Some(passage);
}

async fn answer_directly(
    session: &mut Session,
    ctx: &mut RequestContext,
    status: StatusCode,
    content_type: &str,
    body: Bytes,
) -> Result<bool> {
    let mut response = ResponseHeader::build(status, Some(6))?;
    if !content_type.is_empty() {
        response.insert_header(header::CONTENT_TYPE, content_type)?;
    }
    // These have no body, and a 204 no length either (RFC 9110, 8.6).
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if bodiless { Bytes::new() } else { body };
    if !bodiless {
        response.insert_header(header::CONTENT_LENGTH, body.len())?;
    }
    local::write(session, ctx, response, body).await?;
    Ok(true)
}

/// The body's length as the request declares it.
fn declared_length(session: &Session) -> Option<u64> {
    session
        .req_header()
        .headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn expects_continue(session: &mut Session) -> bool {
    let request = session.req_header();
    let asked = request
        .headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    asked && request.version == Version::HTTP_11 && !session.as_downstream_mut().is_body_empty()
}

/// `request_body_filter`: holds a body without a declared length to `client_max_body_size`. What
/// follows a 101 is no body.
pub(super) fn hold_body(session: &Session, ctx: &RequestContext) -> Result<()> {
    let received = session.as_downstream().body_bytes_read() as u64;
    match ctx.settings().limits.client_max_body_size {
        Some(limit) if received > limit && !session.was_upgraded() => {
            error_log::too_large_received(session, ctx, received);
            Err(Error::new_down(ErrorType::HTTPStatus(413)))
        }
        _ => Ok(()),
    }
}
