//! What an answer says of its connection, and how fast it goes: `keepalive_timeout`'s header and
//! `limit_rate`.

use super::context::RequestContext;
use super::values::Exchange;
use crate::door::DoorStream;
use crate::model::{ActedOn, Amount, parse_size};
use crate::runtime::render;
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

/// Settles both, for an answer whose header is about to be written.
pub(super) fn settle(
    session: &Session,
    ctx: &RequestContext,
    response: &mut ResponseHeader,
) -> Result<()> {
    let limits = &ctx.settings().limits;
    let downstream = session.as_downstream();
    if let Some(time) = limits.keepalive.announced
        && DoorStream::is_kept_alive(downstream)
    {
        response.insert_header("Keep-Alive", format!("timeout={}", time.as_secs()))?;
    }
    let Some(stream) = DoorStream::of(downstream) else {
        return Ok(());
    };
    let amount = |amount: &Amount, response: &ResponseHeader| match amount {
        Amount::Fixed(size) => *size,
        Amount::Written(template) => {
            let values = Exchange {
                session,
                ctx,
                response: Some(response),
            };
            let mut text = Vec::new();
            render(template, &values, &mut text);
            // As nginx: what is no size is no limit.
            std::str::from_utf8(&text)
                .ok()
                .and_then(parse_size)
                .unwrap_or(0)
        }
    };
    if stream.rate().is_none() && limits.rate.limit != Amount::Fixed(0) {
        stream.set_rate(amount(&limits.rate.limit, response));
    }
    if stream.rate_after().is_none() && limits.rate.after != Amount::Fixed(0) {
        stream.set_rate_after(amount(&limits.rate.after, response));
    }
    Ok(())
}

/// `X-Accel-Limit-Rate` of an upstream's answer.
pub(super) fn obey(session: &Session, ctx: &RequestContext, response: &ResponseHeader) {
    if !ctx.settings().pass.ignores(ActedOn::XAccelLimitRate)
        && let Some(rate) = response.headers.get("x-accel-limit-rate")
        && let Some(rate) = rate.to_str().ok().and_then(|rate| rate.parse().ok())
        && let Some(stream) = DoorStream::of(session.as_downstream())
    {
        stream.set_rate(rate);
    }
}
