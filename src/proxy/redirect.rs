//! Where a client is sent: `Location`, made absolute.

use super::context::RequestContext;
use crate::model::Redirects;

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
    let host = match server_name {
        true => arrival.site.name.as_str(),
        false => &arrival.host,
    };
    let mut origin = format!("{scheme}://{host}");
    let local = arrival.connection.server();
    let local = local.and_then(|address| address.as_inet().map(|inet| inet.port()));
    if let Some(local) = local.filter(|local| port && *local != default_port) {
        origin.push_str(&format!(":{local}"));
    }
    origin.into_bytes()
}
