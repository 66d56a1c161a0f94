//! The request's body, where it is read whole before a server is asked: `proxy_request_buffering`.

use super::context::RequestContext;
use super::passage::Passage;
use super::{admit, error_log};
use crate::door::{Collected, DoorStream, Framing};
use http::StatusCode;
use pingora_core::Result;
use pingora_proxy::Session;

/// Whether it is to be read before a server is asked, and was not yet.
pub(super) fn is_to_be_collected(session: &Session, ctx: &RequestContext) -> bool {
    let is_wanted = |passage: &Passage| passage.pass.settings.request_buffering;
    ctx.admission().framing != Framing::None
        && ctx.passage.as_ref().is_some_and(is_wanted)
        && !is_stored(session)
}

/// Reads it, where the location wants that. Gives a status when it is too large.
pub(super) async fn collect(
    session: &mut Session,
    ctx: &mut RequestContext,
) -> Result<Option<StatusCode>> {
    if !is_to_be_collected(session, ctx) {
        return Ok(None);
    }
    let wants_100 = std::mem::take(&mut ctx.expects_continue);
    match DoorStream::collect(session.as_downstream_mut(), wants_100).await? {
        Some(Collected::TooLarge(length)) => {
            error_log::too_large_received(session, ctx, length);
            forgo(session, ctx)?;
            return Ok(Some(StatusCode::PAYLOAD_TOO_LARGE));
        }
        Some(Collected::Whole(length)) => {
            if let Some(admission) = &mut ctx.admission {
                // It has no chunks any more, and the location of its error's page may allow less.
                admission.framing = Framing::Length(length);
            }
            error_log::body_in_file(session, ctx);
        }
        None => ctx.expects_continue = wants_100,
    }
    Ok(None)
}

/// A body that is too large is nobody's: the page of that error goes without, and the connection ends with it.
pub(super) fn forgo(session: &mut Session, ctx: &mut RequestContext) -> Result<()> {
    ctx.expects_continue = false;
    if let Some(admission) = &mut ctx.admission {
        admission.framing = Framing::None;
    }
    admit::close_after(session, ctx);
    DoorStream::forgo_body(session.as_downstream_mut())
}

/// Before another try: one that is here is passed on from its start.
pub(super) fn rewind(session: &mut Session) {
    DoorStream::replay(session.as_downstream_mut());
}

/// Whether the body cannot be read away: what has come of it is malformed, which nginx answers with 400.
pub(super) fn is_malformed(session: &Session) -> bool {
    DoorStream::of(session.as_downstream()).is_some_and(DoorStream::is_body_malformed)
}

/// Whether the body can be sent as often as it takes.
pub(super) fn is_stored(session: &Session) -> bool {
    DoorStream::of(session.as_downstream()).is_some_and(DoorStream::has_collected)
}
