//! The way of a request through a configuration: nginx's phases, up to the point where it is passed on or
//! answered.
//!
//! Site's steps, location, its steps, and again when the path changed; then what the location does. An
//! error goes through `error_page`, which may lead back to the start. The same way is taken again after
//! an upstream failed or asked for something else, from `upstream_peer`.

use super::context::RequestContext;
use super::files::conditional::{self, Verdict};
use super::files::{self, Served};
use super::flow::{self, Entry};
use super::rewrite::{self, End};
use super::values::Exchange;
use super::{
    Gateway, admit, answer, body, error_log, error_page, evaluate, nginx_page, pass, real_ip,
    redirect, status_page, uri,
};
use crate::model::{BuiltInPages, ErrorResponse, ErrorTarget, Return};
use crate::runtime::{Action, Location};
use http::{Method, StatusCode};
use pingora_core::Result;
use pingora_proxy::Session;
use std::sync::Arc;

/// Where the way ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The request is to be passed to an upstream.
    Pass,
    /// The answer is written.
    Written,
}

/// Where it goes from one station.
enum Turn {
    End(Next),
    Go(Entry),
}

impl Gateway {
    /// Takes the way from an entry to its end.
    pub(super) async fn run(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
        mut entry: Entry,
    ) -> Result<Next> {
        loop {
            let turn = match entry {
                Entry::Site => self.at_site(session, ctx).await?,
                Entry::Location => self.at_location(session, ctx).await?,
                Entry::Redirect(path, query) => redirected(session, ctx, path, query),
                Entry::Named(location) => self.at_named(session, ctx, location).await?,
                Entry::Nowhere(name) => {
                    error_log::no_named_location(session, ctx, &name);
                    Turn::Go(Entry::Failed(StatusCode::INTERNAL_SERVER_ERROR))
                }
                Entry::Failed(status) => failed(session, ctx, status).await?,
            };
            match turn {
                Turn::End(next) => return Ok(next),
                Turn::Go(next) => entry = next,
            }
        }
    }

    async fn at_site(&self, session: &mut Session, ctx: &mut RequestContext) -> Result<Turn> {
        real_ip::find(session, ctx);
        if ctx.arrival().site.steps.is_empty() {
            return Ok(Turn::Go(Entry::Location));
        }
        admit::apply_limits_of_site(session, ctx);
        let site = Arc::clone(&ctx.arrival().site);
        let end = rewrite::run(&site.steps, session, ctx).await;
        match finish(session, ctx, end).await? {
            Some(turn) => Ok(turn),
            None => Ok(Turn::Go(Entry::Location)),
        }
    }

    async fn at_location(&self, session: &mut Session, ctx: &mut RequestContext) -> Result<Turn> {
        ctx.flow.changed = false;
        let location = match ctx.find_location() {
            Ok(location) => location,
            Err(cause) => {
                error_log::gave_up(session, ctx, &cause);
                admit::apply_limits_of_site(session, ctx);
                return Ok(Turn::Go(Entry::Failed(StatusCode::INTERNAL_SERVER_ERROR)));
            }
        };
        let is_hidden = location.extras.internal && !ctx.flow.internal;
        ctx.flow.left_location = false;
        enter(session, ctx, location);
        if is_hidden {
            return Ok(Turn::Go(Entry::Failed(StatusCode::NOT_FOUND)));
        }
        if admit::is_too_large(session, ctx) {
            body::forgo(session, ctx)?;
            return Ok(Turn::Go(Entry::Failed(StatusCode::PAYLOAD_TOO_LARGE)));
        }
        if let Action::AddSlash(path) = &ctx.place().action {
            ctx.flow.location = Some(redirect::with_query(path, ctx.query()));
            return Ok(Turn::Go(Entry::Failed(StatusCode::MOVED_PERMANENTLY)));
        }
        self.in_location(session, ctx).await
    }

    async fn at_named(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
        location: Arc<Location>,
    ) -> Result<Turn> {
        if let Some(cycle) = count_change(session, ctx) {
            return Ok(cycle);
        }
        if ctx.path().is_empty() {
            error_log::named_location_without_path(session, ctx);
            return Ok(Turn::Go(Entry::Failed(StatusCode::INTERNAL_SERVER_ERROR)));
        }
        ctx.flow.changed = false;
        ctx.flow.internal = true;
        enter(session, ctx, location);
        self.in_location(session, ctx).await
    }

    /// The steps of the location, and what it does.
    async fn in_location(&self, session: &mut Session, ctx: &mut RequestContext) -> Result<Turn> {
        if !ctx.place().steps.is_empty() {
            let location = Arc::clone(ctx.place());
            let end = rewrite::run(&location.steps, session, ctx).await;
            if let Some(turn) = finish(session, ctx, end).await? {
                return Ok(turn);
            }
            if ctx.flow.changed {
                let cycle = count_change(session, ctx);
                return Ok(cycle.unwrap_or(Turn::Go(Entry::Location)));
            }
        }
        self.answer_from(session, ctx).await
    }

    /// What the location does.
    async fn answer_from(&self, session: &mut Session, ctx: &mut RequestContext) -> Result<Turn> {
        real_ip::find(session, ctx);
        if !admit::may(ctx) {
            error_log::access_forbidden(session, ctx);
            return Ok(Turn::Go(Entry::Failed(StatusCode::FORBIDDEN)));
        }
        if ctx.place().extras.try_files {
            let location = Arc::clone(ctx.place());
            if let Some(tried) = &location.settings.try_files
                && let Some(entry) = files::tried::look(session, ctx, tried).await?
            {
                return Ok(Turn::Go(entry));
            }
        }
        if let Action::Proxy(pass) = &ctx.place().action {
            match evaluate::passage(session, ctx, pass) {
                Ok(passage) => ctx.start_passage(passage),
                Err(status) => return Ok(Turn::Go(Entry::Failed(status))),
            }
        }
        if let Some(turn) = self.route(session, ctx).await? {
            return Ok(match turn {
                Ok(next) => Turn::End(next),
                Err(status) => Turn::Go(Entry::Failed(status)),
            });
        }
        if ctx.place().extras.stub_status {
            let status = status_page::write(session, ctx).await?;
            let error = status.map(|status| Turn::Go(Entry::Failed(status)));
            return Ok(error.unwrap_or(Turn::End(Next::Written)));
        }
        Ok(match ctx.place().action {
            Action::Proxy(_) => Turn::End(Next::Pass),
            Action::Files => match files::serve(session, ctx).await? {
                Served::Written => Turn::End(Next::Written),
                Served::Status(status) => Turn::Go(Entry::Failed(status)),
                Served::Redirect(path) => {
                    let query = ctx.query().map(<[u8]>::to_vec);
                    Turn::Go(Entry::Redirect(path, query))
                }
            },
            Action::AddSlash(_) => Turn::Go(Entry::Failed(StatusCode::NOT_FOUND)),
            Action::Status(status) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND);
                Turn::Go(Entry::Failed(status))
            }
        })
    }
}

/// The location is this one from here on, or what its `limit_except` makes of it.
fn enter(session: &mut Session, ctx: &mut RequestContext, mut location: Arc<Location>) {
    if let Some(limit) = &location.limit_except
        && !limit.methods.contains(ctx.method(session))
    {
        location = Arc::clone(&limit.location);
    }
    ctx.location = Some(location);
    admit::apply_limits(session, ctx);
}

/// Counts a change of the path; one too many is an error.
fn count_change(session: &Session, ctx: &mut RequestContext) -> Option<Turn> {
    if ctx.flow.count_change() {
        return None;
    }
    error_log::cycle(session, ctx);
    Some(Turn::Go(Entry::Failed(StatusCode::INTERNAL_SERVER_ERROR)))
}

/// A redirect inside: the path is another, and the site's steps are done again.
fn redirected(
    session: &Session,
    ctx: &mut RequestContext,
    path: Vec<u8>,
    query: Option<Vec<u8>>,
) -> Turn {
    if let Some(cycle) = count_change(session, ctx) {
        return cycle;
    }
    let flow = &mut ctx.flow;
    flow.path = Some(path);
    flow.query = Some(query);
    flow.internal = true;
    flow.rewritten = true;
    flow.behind_alias = false;
    flow.changed = false;
    ctx.location = None;
    Turn::Go(Entry::Site)
}

/// What the end of steps means. `None` goes on.
async fn finish(
    session: &mut Session,
    ctx: &mut RequestContext,
    end: End<'_>,
) -> Result<Option<Turn>> {
    Ok(match end {
        End::Through | End::Broken => None,
        End::Failed(status) => Some(Turn::Go(Entry::Failed(status))),
        End::Redirect(status, url) => {
            ctx.flow.location = Some(url);
            Some(Turn::Go(Entry::Failed(status)))
        }
        End::Return(answer) => Some(returned(session, ctx, answer).await?),
    })
}

/// `return`.
async fn returned(
    session: &mut Session,
    ctx: &mut RequestContext,
    answer: &Return,
) -> Result<Turn> {
    ctx.flow.returning = StatusCode::from_u16(answer.status).ok();
    let text = answer.text.as_ref();
    let text = text.map(|text| Exchange::now(session, ctx).rendered(text));
    let Ok(status) = StatusCode::from_u16(answer.status) else {
        return Ok(Turn::Go(Entry::Failed(StatusCode::INTERNAL_SERVER_ERROR)));
    };
    if REDIRECTS.contains(&answer.status) {
        pass::send_continue(session, ctx).await?;
        ctx.flow.location = Some(text.unwrap_or_default());
        return Ok(Turn::Go(Entry::Failed(status)));
    }
    if text.is_none() && answer.status >= 400 {
        return Ok(Turn::Go(Entry::Failed(status)));
    }
    if body::is_malformed(session) {
        return Ok(Turn::Go(Entry::Failed(StatusCode::BAD_REQUEST)));
    }
    let verdict = match status {
        StatusCode::OK if !ctx.flow.is_error() => {
            conditional::check_text(&session.req_header().headers)
        }
        _ => Verdict::Send,
    };
    match verdict {
        Verdict::Failed => {
            ctx.flow.returning = None;
            return Ok(Turn::Go(Entry::Failed(StatusCode::PRECONDITION_FAILED)));
        }
        Verdict::NotModified => {
            ctx.flow.returning = None;
            answer::not_modified(session, ctx).await?;
        }
        Verdict::Send => {
            answer::text(session, ctx, status, text.unwrap_or_default()).await?;
        }
    }
    Ok(Turn::End(Next::Written))
}

/// nginx's status for closing the connection without an answer.
const CLOSE: u16 = 444;

/// The statuses that send a client elsewhere.
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// An error, a redirect of the client, or a status without a text: its page, which may lead elsewhere.
async fn failed(
    session: &mut Session,
    ctx: &mut RequestContext,
    status: StatusCode,
) -> Result<Turn> {
    if ctx.location.is_none() {
        admit::enter(session, ctx);
    }
    if status == StatusCode::REQUEST_TIMEOUT && ctx.settings().own.pages == BuiltInPages::Nginx {
        error_page::close_silently(session, ctx, status)?;
        return Ok(Turn::End(Next::Written));
    }
    if error_page::closes(ctx, status) {
        admit::close_after(session, ctx);
    }
    match detour(session, ctx, status) {
        Some(Detour::Go(entry)) => return Ok(Turn::Go(entry)),
        Some(Detour::Page(status)) => {
            error_page::answer(session, ctx, status).await?;
            return Ok(Turn::End(Next::Written));
        }
        None => {}
    }
    ctx.flow.status = None;
    match status.as_u16() {
        CLOSE => error_page::close_silently(session, ctx, status)?,
        _ => error_page::answer(session, ctx, status).await?,
    };
    Ok(Turn::End(Next::Written))
}

enum Detour {
    Go(Entry),
    Page(StatusCode),
}

/// Whether `error_page` leads away from here for this status.
pub(super) fn leads_away(ctx: &RequestContext, status: StatusCode) -> bool {
    if ctx.flow.shows_error || ctx.flow.is_exhausted() {
        return false;
    }
    let page = error_page::page_for(ctx, status);
    page.is_some_and(|page| matches!(page.target, ErrorTarget::Uri(_)))
}

/// Where `error_page` leads for a status, if not to a page in memory.
fn detour(session: &Session, ctx: &mut RequestContext, status: StatusCode) -> Option<Detour> {
    if !leads_away(ctx, status) {
        return None;
    }
    let page = error_page::page_for(ctx, status)?;
    let ErrorTarget::Uri(target) = &page.target else {
        return None;
    };
    let target = Exchange::now(session, ctx).rendered(target);
    let response = match page.response {
        ErrorResponse::Error => Some(nginx_page::sent_as(status.as_u16())),
        ErrorResponse::Target => None,
        ErrorResponse::Code(code) => StatusCode::from_u16(code).ok(),
    };
    if !ctx.settings().recursive_error_pages {
        ctx.flow.shows_error = true;
    }
    match target.first() {
        Some(b'/') => {
            ctx.flow.status = response;
            if *ctx.method(session) != Method::HEAD {
                ctx.flow.method = Some(Method::GET);
            }
            let (path, query) = flow::split(target);
            Some(Detour::Go(Entry::Redirect(path, query)))
        }
        Some(b'@') => {
            ctx.flow.status = response;
            Some(Detour::Go(named(ctx, &target[1..])))
        }
        _ => {
            ctx.flow.location = Some(target);
            let status = response.filter(|status| REDIRECTS.contains(&status.as_u16()));
            ctx.flow.status = None;
            Some(Detour::Page(status.unwrap_or(StatusCode::FOUND)))
        }
    }
}

/// A redirect inside, to a path that may be escaped and maybe a query. nginx refuses a path that leaves
/// the root, escaped or not.
pub(super) fn redirect(target: Vec<u8>) -> Entry {
    let (path, query) = flow::split(target);
    if uri::is_safe(&path) {
        let path = uri::unescape(&path);
        if uri::is_safe(&path) {
            return Entry::Redirect(path, query);
        }
    }
    Entry::Failed(StatusCode::NOT_FOUND)
}

/// The location `@name`, by what is behind the `@`.
pub(super) fn named(ctx: &RequestContext, name: &[u8]) -> Entry {
    let found = std::str::from_utf8(name).ok();
    let found = found.and_then(|name| ctx.arrival().site.named(name));
    match found {
        Some(location) => Entry::Named(Arc::clone(location)),
        None => Entry::Nowhere(name.to_vec()),
    }
}
