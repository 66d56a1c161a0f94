//! Redirects of Gapura's own.

use super::context::RequestContext;
use super::{built_in, local};
use crate::model::Redirects;
use http::{HeaderValue, StatusCode, header};
use pingora_core::{Error, ErrorType, OrErr, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

/// Sends the client to the same path with a slash behind it, as nginx does for "/x" where only
/// "location /x/" passes requests on.
pub(super) async fn add_slash(session: &mut Session, ctx: &RequestContext) -> Result<bool> {
    let arrival = ctx.arrival();
    // The path as it was sent, so that it stays encoded.
    let target = arrival.line.target();
    let path = target
        .split(|byte| *byte == b'?')
        .next()
        .unwrap_or_default();
    let mut target = path.to_vec();
    target.push(b'/');
    if let Some(query) = arrival.line.query() {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    moved(session, ctx, &target).await?;
    Ok(true)
}

/// Sends the client to another path of the site for good.
pub(super) async fn moved(
    session: &mut Session,
    ctx: &RequestContext,
    target: &[u8],
) -> Result<()> {
    let mut location = origin(ctx);
    location.extend_from_slice(target);
    let location = HeaderValue::from_bytes(&location)
        .or_err(ErrorType::InternalError, "a path that is no header value")
        .map_err(Error::into_in)?;
    let status = StatusCode::MOVED_PERMANENTLY;
    let body = built_in::html(status);
    let mut response = ResponseHeader::build(status, Some(8))?;
    response.insert_header(header::CONTENT_TYPE, "text/html; charset=utf-8")?;
    response.insert_header(header::CONTENT_LENGTH, body.len())?;
    response.insert_header(header::LOCATION, location)?;
    local::write(session, ctx, response, body).await
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
