//! To the upstream: choosing a server, and the connection to it.

use super::context::RequestContext;
use super::failure::Failure;
use super::flow::Entry;
use super::passage::Passage;
use super::phases::Next;
use super::values::Exchange;
use super::{Gateway, body, error_log, evaluate, queue, sticky};
use crate::door::{DoorStream, Framing};
use crate::runtime::upstream::Key;
use crate::runtime::{Bind, render};
use http::StatusCode;
use pingora_core::upstreams::peer::{HttpPeer, Scheme};
use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::Session;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

impl Gateway {
    /// `proxy_upstream_filter`: the first server. `false` when the answer is written: without a server to
    /// ask that is the all-down page, written before Pingora sees an error, so that the client's
    /// connection is kept.
    ///
    /// Most requests wait for nothing here. What others may wait for is boxed, so that the future of
    /// those is small: Pingora boxes and moves it.
    pub(super) async fn choose_first(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<bool> {
        let choice = match body::is_to_be_collected(session, ctx) || evaluate::is_unresolved(ctx) {
            true => None,
            false => Some(choose(session, ctx)?),
        };
        match choice {
            Some(Choice::Server) => Ok(true),
            choice => Box::pin(self.choose_at_length(session, ctx, choice)).await,
        }
    }

    async fn choose_at_length(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
        mut choice: Option<Choice>,
    ) -> Result<bool> {
        loop {
            let made = match choice.take() {
                Some(made) => made,
                None => prepare_and_choose(session, ctx).await?,
            };
            let status = match made {
                Choice::Server => return Ok(true),
                Choice::Nobody if queue::wait(session, ctx).await? => return Ok(true),
                Choice::Nobody => found_nobody(session, ctx),
                Choice::Failed(status) => status,
            };
            if self.run(session, ctx, Entry::Failed(status)).await? == Next::Written {
                return Ok(false);
            }
        }
    }

    /// `upstream_peer`: where the next try goes. The server was chosen before, by
    /// [`choose_first`](Self::choose_first) or by `retry`; unless the last try ended in a detour.
    pub(super) async fn peer(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<Box<HttpPeer>> {
        let waits = ctx.passage.as_ref().is_some_and(|passage| passage.waits);
        if waits || ctx.detour.is_some() {
            Box::pin(self.find_next(session, ctx)).await?;
        }
        let peer = peer(session, ctx)?;
        body::rewind(session);
        Ok(peer)
    }

    /// Waits for the next try's server, or goes where a detour leads.
    async fn find_next(&self, session: &mut Session, ctx: &mut RequestContext) -> Result<()> {
        if let Some(passage) = &mut ctx.passage
            && std::mem::take(&mut passage.waits)
            && !queue::wait(session, ctx).await?
        {
            let status = found_nobody(session, ctx);
            ctx.detour = Some(Entry::Failed(status));
        }
        if let Some(entry) = ctx.detour.take() {
            let next = self.run(session, ctx, entry).await?;
            if next == Next::Written || !self.choose_first(session, ctx).await? {
                ctx.answered = true;
                return Error::e_explain(ErrorType::InternalError, "the answer is written");
            }
        }
        Ok(())
    }
}

/// Whom a request goes to.
enum Choice {
    Server,
    /// There is no server to be used now.
    Nobody,
    /// To nobody: an error's page is its answer.
    Failed(StatusCode),
}

/// What decides about the server, where the upstream asks for it.
fn balancing_key(session: &Session, ctx: &RequestContext) -> Vec<u8> {
    let mut key = Vec::new();
    sticky::begin_key(session, ctx, &mut key);
    match ctx.passage.as_ref().map(|passage| passage.servers.key()) {
        None | Some(Key::None) => {}
        Some(Key::Client) => {
            match ctx.arrival().client().map(|client| client.ip()) {
                Some(IpAddr::V4(address)) => key.extend_from_slice(&address.octets()[..3]),
                Some(IpAddr::V6(address)) => key.extend_from_slice(&address.octets()),
                // As nginx has it for clients of a Unix socket.
                None => key.extend_from_slice(&[0; 3]),
            }
        }
        Some(Key::Of(template)) => {
            render(template, &Exchange::now(session, ctx), &mut key);
        }
    }
    key
}

/// Reads the body and finds the servers, where that is wanted, and chooses one of them.
async fn prepare_and_choose(session: &mut Session, ctx: &mut RequestContext) -> Result<Choice> {
    if let Some(status) = body::collect(session, ctx).await? {
        return Ok(Choice::Failed(status));
    }
    if let Some(status) = evaluate::resolve(session, ctx).await {
        return Ok(Choice::Failed(status));
    }
    choose(session, ctx)
}

fn choose(session: &Session, ctx: &mut RequestContext) -> Result<Choice> {
    let key = balancing_key(session, ctx);
    let Some(passage) = &mut ctx.passage else {
        return Error::e_explain(ErrorType::InternalError, "nothing to pass the request to");
    };
    passage.key = key;
    match passage.select() {
        Ok(true) => Ok(Choice::Server),
        Ok(false) => Ok(Choice::Nobody),
        Err(unknown) => {
            error_log::router_failed(session, ctx, &unknown.to_string());
            Ok(Choice::Failed(StatusCode::INTERNAL_SERVER_ERROR))
        }
    }
}

/// There is no server to be used.
fn found_nobody(session: &Session, ctx: &mut RequestContext) -> StatusCode {
    if let Some(passage) = &mut ctx.passage {
        passage.find_nobody();
    }
    error_log::no_live_upstreams(session, ctx);
    Failure::BadGateway.status()
}

/// The server that was chosen, as Pingora connects to it.
fn peer(session: &Session, ctx: &mut RequestContext) -> Result<Box<HttpPeer>> {
    let from = from_where(session, ctx);
    let silence = silence(ctx);
    let Some(passage) = &mut ctx.passage else {
        return Error::e_explain(ErrorType::InternalError, "nothing to pass the request to");
    };
    let Some(selected) = &passage.selected else {
        return Error::e_explain(ErrorType::InternalError, "no server was chosen");
    };
    let (address, peer) = (selected.address().clone(), Arc::clone(selected.peer()));
    passage.start_try(peer);
    let mut options = passage.pass.peer_options(from);
    if silence.is_some() {
        options.read_timeout = None;
    }
    let group_key = passage.pass.group(&passage.servers, from);
    Ok(Box::new(HttpPeer {
        _address: address,
        scheme: Scheme::HTTP,
        sni: String::new(),
        proxy: None,
        client_cert_key: None,
        group_key,
        options,
    }))
}

/// `proxy_read_timeout`, where the door watches it: for a request that waits for nothing but its answer.
fn silence(ctx: &RequestContext) -> Option<Duration> {
    let admission = ctx.admission.as_ref()?;
    let passage = ctx.passage.as_ref()?;
    let waits = admission.framing == Framing::None && !admission.upgrade;
    waits.then_some(passage.pass.settings.read_timeout)
}

/// `proxy_bind`: the address that the connection comes from, if there is a choice.
fn from_where(session: &Session, ctx: &RequestContext) -> Option<SocketAddr> {
    match &ctx.passage.as_ref()?.pass.bind {
        Bind::Anywhere => None,
        Bind::Fixed(address) => Some(*address),
        Bind::Rendered(template) => {
            let text = Exchange::now(session, ctx).rendered(template);
            let address = std::str::from_utf8(&text).ok().and_then(Bind::parse);
            if address.is_none() && !text.is_empty() {
                error_log::invalid_local_address(session, ctx, &text);
            }
            address
        }
    }
}

/// `connected_to_upstream`: the client that waits for a 100 gets it now, when there is somebody to
/// send its body to.
pub(super) async fn connected(session: &mut Session, ctx: &mut RequestContext) -> Result<()> {
    let goes_on = |passage: &Passage| passage.pass.settings.ignore_client_abort;
    let goes_on = ctx.passage.as_ref().is_some_and(goes_on);
    let limit = silence(ctx);
    DoorStream::wait_for_server(session.as_downstream_mut(), !goes_on, limit);
    match ctx.expects_continue {
        true => Box::pin(send_continue(session, ctx)).await,
        false => Ok(()),
    }
}

/// The client that waits for a 100 gets it. nginx sends one whenever it answers with something else than an
/// error, whether there is a body or not.
pub(super) async fn send_continue(session: &mut Session, ctx: &mut RequestContext) -> Result<()> {
    if std::mem::take(&mut ctx.expects_continue) {
        let downstream = session.as_downstream_mut();
        downstream
            .write_continue_response()
            .await
            .map_err(Error::into_down)?;
    }
    Ok(())
}
