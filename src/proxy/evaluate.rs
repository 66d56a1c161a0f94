//! `proxy_pass` with variables: what its text says for one request, and the addresses of a name that only
//! it names.

use super::context::RequestContext;
use super::error_log;
use super::failure::Failure;
use super::passage::Passage;
use super::target::{Host, Url};
use super::values::Exchange;
use crate::runtime::dns::Resolver;
use crate::runtime::upstream::{Addresses, Servers};
use crate::runtime::{Destination, ProxyPass};
use http::StatusCode;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_proxy::Session;
use std::sync::Arc;

/// A name whose addresses are to be found before the request can be passed on.
pub(super) struct Unresolved {
    host: String,
    port: u16,
    resolver: Option<Arc<Resolver>>,
}

/// The way to the servers of a location.
///
/// # Errors
/// What its text says is no URL: a status.
pub(super) fn passage(
    session: &Session,
    ctx: &RequestContext,
    pass: &Arc<ProxyPass>,
) -> Result<Passage, StatusCode> {
    let (text, known, resolver) = match &pass.to {
        Destination::Upstream(upstream) => {
            let servers = Servers::Upstream(Arc::clone(upstream));
            return Ok(Passage::new(Arc::clone(pass), servers));
        }
        Destination::Written {
            text,
            known,
            resolver,
        } => (text, known, resolver),
    };
    let text = Exchange::now(session, ctx).rendered(text);
    let url = Url::parse(&text).map_err(|mistake| {
        error_log::invalid_proxy_pass(session, ctx, &mistake);
        StatusCode::INTERNAL_SERVER_ERROR
    })?;
    let mut unresolved = None;
    let servers = match known.find(&url.name(), url.port) {
        Some(upstream) => Servers::Upstream(Arc::clone(upstream)),
        None => {
            let addresses = match url.host {
                Host::Address(address) => Some(SocketAddr::Inet(address)),
                Host::Socket(ref address) => Some(SocketAddr::Unix(address.clone())),
                Host::Name(host) => {
                    unresolved = Some(Unresolved {
                        host: host.to_owned(),
                        port: url.port.unwrap_or(HTTP_PORT),
                        resolver: resolver.clone(),
                    });
                    None
                }
            };
            Servers::Addresses(Arc::new(Addresses::new(&url.name(), addresses)))
        }
    };
    let mut passage = Passage::new(Arc::clone(pass), servers);
    passage.proxy_host = Some(url.proxy_host());
    passage.unresolved = unresolved;
    passage.path = url.uri();
    Ok(passage)
}

/// Whether a request is passed to a name whose addresses are not known.
pub(super) fn is_unresolved(ctx: &RequestContext) -> bool {
    let passage = ctx.passage.as_ref();
    passage.is_some_and(|passage| passage.unresolved.is_some())
}

/// Finds the addresses of the name that a request is passed to, if it is a name. Gives a status when
/// there are none.
pub(super) async fn resolve(session: &Session, ctx: &mut RequestContext) -> Option<StatusCode> {
    let passage = ctx.passage.as_mut()?;
    let Unresolved {
        host,
        port,
        resolver,
    } = passage.unresolved.take()?;
    let limit = passage.pass.settings.resolver_timeout;
    let Some(resolver) = resolver else {
        error_log::no_resolver(session, ctx, &host);
        return Some(Failure::BadGateway.status());
    };
    match resolver.addresses(&host, limit).await {
        Ok(addresses) => {
            let addresses = addresses
                .into_iter()
                .map(|address| SocketAddr::Inet((address, port).into()));
            passage.servers = Servers::Addresses(Arc::new(Addresses::new(&host, addresses)));
            None
        }
        Err(failure) => {
            error_log::not_resolved(session, ctx, &host, failure);
            Some(Failure::BadGateway.status())
        }
    }
}

const HTTP_PORT: u16 = 80;
