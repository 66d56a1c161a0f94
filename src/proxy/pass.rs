//! To the upstream: choosing a server, and the request it is sent.

use super::context::{Destination, Passage, RequestContext, Try};
use super::values::Exchange;
use super::{error_log, error_page};
use crate::runtime::render;
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderValue, StatusCode};
use pingora_core::upstreams::peer::{HttpPeer, Scheme};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use std::sync::Arc;

/// `proxy_upstream_filter`: the first server. Without one the all-down page is written here, before
/// Pingora sees an error, so that the client's connection is kept.
pub(super) async fn choose_first(session: &mut Session, ctx: &mut RequestContext) -> Result<bool> {
    let Some(passage) = &mut ctx.passage else {
        return Error::e_explain(ErrorType::InternalError, "nothing to pass the request to");
    };
    match passage.select() {
        Ok(true) => return Ok(true),
        Ok(false) => {}
        Err(unknown) => {
            error_log::router_failed(ctx, &unknown.to_string());
            error_page::answer(session, ctx, StatusCode::INTERNAL_SERVER_ERROR).await?;
            return Ok(false);
        }
    }
    let mut nobody = Try::start(Destination::Nobody(Arc::clone(&passage.upstream)));
    nobody.end(Some(StatusCode::BAD_GATEWAY.as_u16()));
    passage.tries.push(nobody);
    error_log::no_live_upstreams(ctx);
    error_page::answer(session, ctx, StatusCode::BAD_GATEWAY).await?;
    Ok(false)
}

/// `upstream_peer`: where the next try goes. The server was chosen before: by [`choose_first`], or
/// by `retry` when it decided that there is a next try.
pub(super) fn peer(ctx: &mut RequestContext) -> Result<Box<HttpPeer>> {
    let Some(passage) = &mut ctx.passage else {
        return Error::e_explain(ErrorType::InternalError, "nothing to pass the request to");
    };
    let Some(selected) = &passage.selected else {
        return Error::e_explain(ErrorType::InternalError, "no server was chosen");
    };
    passage
        .tries
        .push(Try::start(Destination::Peer(Arc::clone(selected.peer()))));
    Ok(Box::new(HttpPeer {
        _address: selected.address().clone(),
        scheme: Scheme::HTTP,
        sni: String::new(),
        proxy: None,
        client_cert_key: None,
        group_key: 0,
        options: passage.pass.peer_options(&passage.upstream),
    }))
}

/// `connected_to_upstream`: the time it took; and the client that waits for a 100 gets it now,
/// when there is somebody to send its body to.
pub(super) async fn connected(session: &mut Session, ctx: &mut RequestContext) -> Result<()> {
    if let Some(current) = ctx.passage.as_mut().and_then(Passage::current) {
        current.connect_time = Some(current.began.elapsed());
    }
    if std::mem::take(&mut ctx.expects_continue) {
        session
            .as_downstream_mut()
            .write_continue_response()
            .await
            .map_err(Error::into_down)?;
    }
    Ok(())
}

/// Headers that speak of one connection (RFC 9110, 7.6.1) and never cross the proxy. `Expect` is
/// met by Gapura itself, as by nginx; framing is Pingora's.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::UPGRADE,
    header::EXPECT,
];

/// `upstream_request_filter`: the client's header becomes the upstream's.
pub(super) fn shape_request(
    session: &Session,
    request: &mut RequestHeader,
    ctx: &RequestContext,
) -> Result<()> {
    let Some(passage) = &ctx.passage else {
        return Ok(());
    };
    let settings = &passage.pass.settings;
    let upgrade = if settings.pass_upgrade && ctx.admission().upgrade {
        request.headers.get(header::UPGRADE).cloned()
    } else {
        None
    };
    remove_nominated(request);
    for name in &HOP_BY_HOP {
        request.remove_header(name);
    }
    if let Some(protocol) = upgrade {
        request.insert_header(Bytes::from_static(b"Upgrade"), protocol)?;
        request.insert_header(
            Bytes::from_static(b"Connection"),
            HeaderValue::from_static("upgrade"),
        )?;
    } else if passage.upstream.keepalive().connections == 0 {
        request.insert_header(
            Bytes::from_static(b"Connection"),
            HeaderValue::from_static("close"),
        )?;
    }
    let values = Exchange {
        session,
        ctx,
        response: None,
    };
    let mut value = Vec::new();
    for header in &passage.pass.set_headers {
        value.clear();
        render(&header.value, &values, &mut value);
        if value.is_empty() {
            request.remove_header(&header.name);
        } else if let Ok(value) = HeaderValue::from_bytes(&value) {
            request.insert_header(header.written.clone(), value)?;
        }
    }
    for (name, value) in &passage.request_headers {
        if value.is_empty() {
            request.remove_header(name.as_str());
        } else {
            request.insert_header(name.clone(), value.as_str())?;
        }
    }
    if let Some(path) = &passage.path {
        request.set_raw_path(path.as_bytes())?;
    }
    Ok(())
}

/// Removes what the client's `Connection` header names. `Connection: close, Host` must not take
/// away what the upstream needs, so the headers that frame and route a request stay.
fn remove_nominated(request: &mut RequestHeader) {
    const KEPT: [HeaderName; 4] = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONTENT_TYPE,
    ];
    if !request.headers.contains_key(header::CONNECTION) {
        return;
    }
    let lines = request.headers.get_all(header::CONNECTION).into_iter();
    let named: Vec<HeaderName> = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .filter(|name| !KEPT.contains(name) && !name.as_str().starts_with("x-forwarded-"))
        .collect();
    for name in named {
        request.remove_header(&name);
    }
}
