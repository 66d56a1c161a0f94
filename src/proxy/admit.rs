//! What is asked of a request before it is passed on: its size, and a router.

use super::context::RequestContext;
use super::flow::Entry;
use super::passage::Passage;
use super::phases::Next;
use super::router::{Route, RouteRequest, Target};
use super::{Gateway, added, error_log, local};
use crate::door::{DoorStream, Framing};
use crate::runtime::upstream::{Servers, Upstream};
use crate::runtime::{Destination, ProxyPass};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, StatusCode, Version, header};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

impl Gateway {
    /// `request_filter`: takes the request through the configuration. `true` when the answer is written.
    pub(super) async fn admit(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<bool> {
        if ctx.admission.is_none() {
            return Error::e_explain(ErrorType::InternalError, "a request that no door admitted");
        }
        if session.req_header().version != Version::HTTP_11 {
            // RFC 9110, 15.2: these clients cannot read a 1xx.
            DoorStream::hide_interim(session.as_downstream_mut(), true);
        }
        ctx.expects_continue = ctx.admission().expects && expects_continue(session);
        let entry = match &ctx.admission().fault {
            None => Entry::Site,
            Some(fault) => {
                let status = StatusCode::from_u16(fault.error_page_code());
                Entry::Failed(status.unwrap_or(StatusCode::BAD_REQUEST))
            }
        };
        if self.run(session, ctx, entry).await? == Next::Written {
            return Ok(true);
        }
        Ok(false)
    }

    /// Asks the router, once. `None` leaves the request to its location; a status is an error's.
    pub(super) async fn route(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<Option<Result<Next, StatusCode>>> {
        if self.router.is_none() || std::mem::replace(&mut ctx.routed, true) {
            return Ok(None);
        }
        match self.ask_router(session, ctx).await {
            Ok(route) => {
                if follow(session, ctx, route).await? {
                    return Ok(Some(Ok(Next::Written)));
                }
                Ok(ctx.passage.is_some().then_some(Ok(Next::Pass)))
            }
            Err(cause) => {
                error_log::router_failed(session, ctx, &cause);
                Ok(Some(Err(StatusCode::INTERNAL_SERVER_ERROR)))
            }
        }
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
            path: ctx.path(),
            target: arrival.line.target(),
            query: ctx.query(),
            headers: &header.headers,
            client: arrival.client().map(|client| client.ip()),
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

/// Sets the times of the client's side, as the location has them.
pub(super) fn apply_limits(session: &mut Session, ctx: &mut RequestContext) {
    session.set_read_timeout(Some(ctx.settings().limits.client_body_timeout));
    enter(session, ctx);
    // As in nginx, what one location closes none keeps after it.
    if !decide_keepalive(session, ctx) {
        close_after(session, ctx);
    }
}

/// The door has the settings of the location, or of the site as long as there is none.
pub(super) fn enter(session: &Session, ctx: &RequestContext) {
    if let Some(stream) = DoorStream::of(session.as_downstream()) {
        stream.enter(ctx.place());
    }
}

/// The connection ends with this request, wherever it goes from here.
pub(super) fn close_after(session: &mut Session, ctx: &mut RequestContext) {
    DoorStream::set_keepalive(session.as_downstream_mut(), false);
    if let Some(admission) = &mut ctx.admission {
        admission.keepalive = false;
    }
}

/// The site may answer before the request has a location: its settings hold. Whether the connection stays open
/// is after a redirect inside as the location before has it.
pub(super) fn apply_limits_of_site(session: &mut Session, ctx: &RequestContext) {
    enter(session, ctx);
    if ctx.flow.changes == 0 {
        decide_keepalive(session, ctx);
    }
}

/// Whether the connection stays open after this request, as its place has it.
fn decide_keepalive(session: &mut Session, ctx: &RequestContext) -> bool {
    let limits = &ctx.settings().limits;
    let kept = ctx
        .admission()
        .is_kept(&limits.keepalive, session.req_header());
    DoorStream::set_keepalive(session.as_downstream_mut(), kept);
    kept
}

/// Whether the location lets the client in.
pub(super) fn may(ctx: &RequestContext) -> bool {
    if !ctx.place().extras.access {
        return true;
    }
    let rules = &ctx.settings().access;
    let client = ctx.arrival().client().map(|client| client.ip());
    let rule = rules.iter().find(|rule| rule.clients.has(client));
    rule.is_none_or(|rule| rule.allow)
}

/// Whether the request declares a body over the location's limit.
pub(super) fn is_too_large(session: &Session, ctx: &RequestContext) -> bool {
    let Framing::Length(length) = ctx.admission().framing else {
        return false;
    };
    let limit = ctx.settings().limits.client_max_body_size;
    let is_too_large = limit.is_some_and(|limit| length > limit);
    if is_too_large {
        error_log::too_large_declared(session, ctx, length);
    }
    is_too_large
}

/// Carries a route out. `true` when the answer is written.
async fn follow(session: &mut Session, ctx: &mut RequestContext, route: Route) -> Result<bool> {
    ctx.response_headers = headers(route.response_headers)
        .filter_map(|(name, value)| Some((name, value?)))
        .filter(|(name, _)| !added::frames(name.as_str()))
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
        if let Some(path) = route.path {
            passage.path = Some(path.into_bytes());
        }
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
            &ctx.place().passing,
            Destination::Upstream(Arc::clone(&upstream)),
        )),
    };
    let mut passage = Passage::new(pass, Servers::Upstream(upstream));
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
    let bodiless = local::is_bodiless(status);
    let body = if bodiless { Bytes::new() } else { body };
    if !bodiless {
        response.insert_header(header::CONTENT_LENGTH, body.len())?;
    }
    local::write(session, ctx, response, body).await?;
    Ok(true)
}

fn expects_continue(session: &Session) -> bool {
    let request = session.req_header();
    let asked = request
        .headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    asked && request.version == Version::HTTP_11
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
