//! Where a client is sent: `Location`, made absolute.

use super::context::RequestContext;
use crate::model::Redirects;
use std::borrow::Cow;

/// A path with the request's query behind it.
pub(super) fn with_query(path: &str, query: Option<&[u8]>) -> Vec<u8> {
    let mut target = path.as_bytes().to_vec();
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    target
}

/// A `Location` as it is sent: a path gets the scheme, the host and the port of this server.
pub(super) fn absolute(ctx: &RequestContext, target: &[u8]) -> Vec<u8> {
    if target.first() != Some(&b'/') {
        return target.to_vec();
    }
    let mut location = origin(ctx);
    location.extend_from_slice(target);
    location
}

/// What stands before the path of a redirect to this server: nothing when redirects are relative.
fn origin(ctx: &RequestContext) -> Vec<u8> {
    let arrival = ctx.arrival();
    let Redirects {
        absolute,
        server_name,
        port,
    } = ctx.settings().redirects;
    if !absolute {
        return Vec::new();
    }
    let (scheme, default_port) = match arrival.connection.secure {
        true => ("https", 443),
        false => ("http", 80),
    };
    let local = arrival.connection.server();
    let local = local.and_then(|address| address.as_inet().copied());
    let host = match (server_name, local) {
        (true, _) => (&*arrival.site.name).into(),
        // As nginx: who names no host is sent to the address that was asked.
        (false, Some(local)) if !arrival.names_host => Cow::from(local.ip().to_string()),
        (false, _) => Cow::from(&*arrival.host),
    };
    let mut origin = format!("{scheme}://{host}");
    if let Some(local) = local.filter(|local| port && local.port() != default_port) {
        origin.push_str(&format!(":{}", local.port()));
    }
    origin.into_bytes()
}
