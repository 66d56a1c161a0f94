//! `queue`: a request waits for a server, as long as its client does.

use super::context::RequestContext;
use super::passage::Passage;
use crate::door::DoorStream;
use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::Session;
use std::time::Instant;

/// Whether the request may wait for a server where none could be chosen.
pub(super) fn may_wait(passage: &Passage) -> bool {
    let upstream = passage.servers.upstream();
    passage.only.is_none() && upstream.is_some_and(|upstream| upstream.may_wait(&passage.tried))
}

/// Waits for the server of the next try. `false` when there is none to wait for or the wait was in vain.
///
/// # Errors
/// The client has gone.
pub(super) async fn wait(session: &Session, ctx: &mut RequestContext) -> Result<bool> {
    let Some(passage) = ctx.passage.as_mut().filter(|passage| may_wait(passage)) else {
        return Ok(false);
    };
    let Some(upstream) = passage.servers.upstream() else {
        return Ok(false);
    };
    let stream = DoorStream::of(session.as_downstream());
    let watched = stream.filter(|_| !passage.pass.settings.ignore_client_abort);
    let gone = watched.map(DoorStream::gone);
    let gone = async {
        match gone {
            Some(gone) => gone.await,
            None => std::future::pending().await,
        }
    };
    let since = Instant::now();
    tokio::select! {
        selected = upstream.wait(&passage.key, &passage.tried) => {
            passage.selected = selected;
            passage.queued = Some(since.elapsed());
            Ok(passage.selected.is_some())
        }
        () = gone => Err(Error::new_down(ErrorType::ConnectionClosed)),
    }
}
