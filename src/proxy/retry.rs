//! After a failed try: whose fault it was, and whether there is a next one.
//!
//! The rules are nginx's `proxy_next_upstream`. A try may be repeated while nothing of an answer
//! has gone to the client, the request's body can be sent again, and the method allows it: POST,
//! LOCK and PATCH are repeated only when no byte of the request was sent, or with
//! `non_idempotent`.

use super::body;
use super::context::RequestContext;
use super::error_log::{self, Doing, io_error};
use super::failure::{Failure, has_begun};
use super::flow::Entry;
use super::line::SPENT;
use super::passage::Passage;
use super::phases;
use super::queue;
use crate::door::SILENT;
use crate::model::RetryCondition;
use pingora_core::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;

/// Idle connections that may turn out closed before that counts as a failed try: more than any
/// pool is likely to hold for one server that has just restarted.
const MAX_STALE: u32 = 64;

/// The error of ours for an answer whose status is a reason to ask the next server.
pub(super) const NEXT_UPSTREAM: &str = "proxy_next_upstream";

/// `fail_to_connect`: nothing was sent, so every method may go to the next server.
pub(super) fn after_connect_failure(
    session: &Session,
    ctx: &mut RequestContext,
    mut error: Box<Error>,
) -> Box<Error> {
    error_log::upstream_failed(session, ctx, &error, Doing::Connecting);
    let again =
        !is_our_shortage(&error) && try_next(session, ctx, Failure::of_connect(&error), true);
    if !again {
        end_without_blame(ctx);
    }
    let elsewhere = !again && take_detour(session, ctx);
    error.set_retry(again || elsewhere);
    error
}

/// Whether the answer to what failed is another location's, and the request can be sent there.
fn take_detour(session: &Session, ctx: &mut RequestContext) -> bool {
    if has_begun(session) || session.as_ref().retry_buffer_truncated() {
        return false;
    }
    if ctx.detour.is_none()
        && let Some(failure) = ctx.failure
        && failure != Failure::ClientClosed
        && phases::leads_away(ctx, failure.status())
    {
        ctx.detour = Some(Entry::Failed(failure.status()));
    }
    // Nothing was written of the answer whose header may have begun these.
    ctx.substitute = None;
    ctx.gzip = None;
    ctx.detour.is_some()
}

/// `error_while_proxy`: the connection stood, something went wrong on it.
pub(super) fn after_failure(
    session: &Session,
    ctx: &mut RequestContext,
    mut error: Box<Error>,
    client_reused: bool,
) -> Box<Error> {
    if let ErrorType::Custom(SILENT) = *error.etype() {
        error.etype = ErrorType::ReadTimedout;
        error.as_up();
    }
    if let ErrorType::Custom(SPENT) = *error.etype() {
        if let Some(passage) = &mut ctx.passage {
            passage.forget_try();
        }
        error.set_retry(true);
        return error;
    }
    if ctx.detour.is_some() {
        end_without_blame(ctx);
        error.set_retry(take_detour(session, ctx));
        return error;
    }
    let may_repeat = may_repeat(session, ctx);
    if let ErrorType::CustomCode(NEXT_UPSTREAM, status) = *error.etype() {
        let again = ask_next(session, ctx, status) || take_detour(session, ctx);
        error.set_retry(again);
        return error;
    }
    // The client went away or broke a limit, a filter of ours decided, or the request could not be
    // written in HTTP: no server's fault.
    if *error.esource() != ErrorSource::Upstream || ctx.failure.is_some() {
        error.set_retry(false);
        end_without_blame(ctx);
        return error;
    }
    if client_reused && may_repeat && is_stale(ctx, &error) {
        // The upstream had closed an idle connection: neither a try nor a failure.
        if let Some(passage) = &mut ctx.passage {
            passage.stale += 1;
            passage.line = None;
            passage.forget_try();
        }
        error.set_retry(true);
        return error;
    }
    let doing = Doing::now(ctx);
    error_log::upstream_failed(session, ctx, &error, doing);
    let again = try_next(session, ctx, Failure::of_exchange(&error), may_repeat)
        || take_detour(session, ctx);
    error.set_retry(again);
    error
}

/// Whether the request can be sent a second time at all.
fn may_repeat(session: &Session, ctx: &RequestContext) -> bool {
    let Some(passage) = &ctx.passage else {
        return false;
    };
    let repeatable = !matches!(ctx.method(session).as_str(), "POST" | "LOCK" | "PATCH")
        || allows(passage, RetryCondition::NonIdempotent);
    let kept = !session.as_ref().retry_buffer_truncated() || body::is_stored(session);
    repeatable && kept && !has_begun(session)
}

/// Whether an idle connection broke before anything of an answer was there.
fn is_stale(ctx: &RequestContext, error: &Error) -> bool {
    let broke = matches!(
        error.etype(),
        ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed
    );
    ctx.passage.as_ref().is_some_and(|passage| {
        let unanswered = passage
            .tries
            .last()
            .is_none_or(|one| one.header_time.is_none());
        broke && unanswered && passage.stale < MAX_STALE
    })
}

/// Whether this machine has run out of something: descriptors, ports, memory. No server can help.
fn is_our_shortage(error: &Error) -> bool {
    let code = io_error(error).and_then(std::io::Error::raw_os_error);
    matches!(
        code,
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EADDRNOTAVAIL)
    )
}

fn allows(passage: &Passage, condition: RetryCondition) -> bool {
    passage
        .pass
        .settings
        .next_upstream
        .conditions
        .contains(&condition)
}

/// Ends the try as failed and chooses the next server, if the configuration wants one.
fn try_next(
    session: &Session,
    ctx: &mut RequestContext,
    failure: Failure,
    may_repeat: bool,
) -> bool {
    let Some(passage) = &mut ctx.passage else {
        return false;
    };
    let out = passage.fail(Some(failure.status().as_u16()));
    let again = may_repeat
        && allows(passage, failure.condition())
        && passage.may_go_on()
        && passage.spend_try();
    if out {
        error_log::server_disabled(session, ctx);
    }
    if again && select_next(session, ctx) {
        return true;
    }
    ctx.failure.get_or_insert(failure);
    false
}

/// The next server after an answer that is a reason to ask it. As in nginx, a 403 or a 404 is no
/// failure of the server that sent it.
fn ask_next(session: &Session, ctx: &mut RequestContext, status: u16) -> bool {
    let Some(passage) = &mut ctx.passage else {
        return false;
    };
    match status {
        403 | 404 => {
            if let Some(selected) = &passage.selected {
                selected.answered(status);
            }
            passage.pass_over(None);
        }
        _ => {
            if passage.fail(None) {
                error_log::server_disabled(session, ctx);
            }
        }
    }
    select_next(session, ctx)
}

/// Chooses the next server; when there is none to be used, says so and ends in a 502.
fn select_next(session: &Session, ctx: &mut RequestContext) -> bool {
    let Some(passage) = &mut ctx.passage else {
        return false;
    };
    if passage.select().unwrap_or(false) {
        return true;
    }
    if queue::may_wait(passage) {
        passage.waits = true;
        return true;
    }
    passage.find_nobody();
    error_log::no_live_upstreams(session, ctx);
    ctx.failure.get_or_insert(Failure::BadGateway);
    false
}

/// Whether an answer's status sends the request to another server. Asked while the answer's
/// header is there and nothing of it was passed on.
pub(super) fn wants_next(session: &Session, ctx: &RequestContext, status: u16) -> bool {
    let Some(passage) = &ctx.passage else {
        return false;
    };
    passage.pass.next_by_status
        && allows(passage, RetryCondition::Http(status))
        && may_repeat(session, ctx)
        && passage.tried.len() + 1 < passage.tries_allowed()
        && !passage.out_of_time()
        && passage.spend_try()
}

fn end_without_blame(ctx: &mut RequestContext) {
    if let Some(passage) = &mut ctx.passage {
        passage.release();
    }
}
