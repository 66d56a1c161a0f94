//! After a failed try: whose fault it was, and whether there is a next one.
//!
//! The rules are nginx's `proxy_next_upstream`. A try may be repeated while nothing of an answer
//! has gone to the client, the request's body can be sent again, and the method allows it: POST,
//! LOCK and PATCH are repeated only when no byte of the request was sent, or with
//! `non_idempotent`.

use super::context::{Passage, RequestContext};
use super::error_log::{self, Doing};
use super::error_page::Failure;
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
    let failure = Failure::of_connect(&error);
    error_log::upstream_failed(session, ctx, &error, Doing::Connecting);
    let again = try_next(ctx, failure, true);
    error.set_retry(again);
    error
}

/// `error_while_proxy`: the connection stood, something went wrong on it.
pub(super) fn after_failure(
    session: &Session,
    ctx: &mut RequestContext,
    mut error: Box<Error>,
    client_reused: bool,
) -> Box<Error> {
    // The client went away or broke a limit, or a filter of ours decided: no server's fault.
    if *error.esource() == ErrorSource::Downstream || ctx.failure.is_some() {
        error.set_retry(false);
        if let Some(passage) = &mut ctx.passage {
            passage.release();
        }
        return error;
    }
    let may_repeat = may_repeat(session, ctx);
    error.retry.decide_reuse(client_reused);
    if error.retry()
        && may_repeat
        && let Some(passage) = &mut ctx.passage
        && passage.stale < MAX_STALE
    {
        // The upstream had closed an idle connection: neither a try nor a failure.
        passage.stale += 1;
        passage.tries.pop();
        return error;
    }
    if let ErrorType::CustomCode(NEXT_UPSTREAM, _) = error.etype()
        && let Some(passage) = &mut ctx.passage
    {
        passage.fail(None);
        error.set_retry(passage.next_server());
        return error;
    }
    let failure = Failure::of_exchange(&error);
    let doing = Doing::now(ctx);
    error_log::upstream_failed(session, ctx, &error, doing);
    let again = try_next(ctx, failure, may_repeat);
    error.set_retry(again);
    error
}

/// Whether the request can be sent a second time at all.
fn may_repeat(session: &Session, ctx: &RequestContext) -> bool {
    let Some(passage) = &ctx.passage else {
        return false;
    };
    let begun = session
        .response_written()
        .is_some_and(|answer| !answer.status.is_informational());
    let repeatable = !matches!(
        session.req_header().method.as_str(),
        "POST" | "LOCK" | "PATCH"
    ) || allows(passage, RetryCondition::NonIdempotent);
    !begun && repeatable && !session.as_ref().retry_buffer_truncated()
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
fn try_next(ctx: &mut RequestContext, failure: Failure, may_repeat: bool) -> bool {
    let Some(passage) = &mut ctx.passage else {
        return false;
    };
    passage.fail(Some(failure.status().as_u16()));
    let again = may_repeat && allows(passage, failure.condition()) && passage.next_server();
    if !again {
        ctx.failure.get_or_insert(failure);
    }
    again
}

/// Whether an answer's status sends the request to another server. Asked while the answer's
/// header is there and nothing of it was passed on.
pub(super) fn wants_next(session: &Session, ctx: &RequestContext, status: u16) -> bool {
    let Some(passage) = &ctx.passage else {
        return false;
    };
    allows(passage, RetryCondition::Http(status))
        && may_repeat(session, ctx)
        && passage.tried.len() + 1 < passage.tries_allowed()
        && !passage.out_of_time()
}
