//! To the upstream: choosing a server, and the request it is sent.

use super::context::{Destination, Passage, RequestContext, Try};
use super::failure::Failure;
use super::flow::Entry;
use super::phases::Next;
use super::values::Exchange;
use super::{Gateway, error_log, tunnel, uri};
use crate::runtime::render;
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use pingora_core::upstreams::peer::{HttpPeer, Scheme};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use std::sync::Arc;

impl Gateway {
    /// `proxy_upstream_filter`: the first server. `false` when the answer is written: without a server to
    /// ask that is the all-down page, written before Pingora sees an error, so that the client's
    /// connection is kept.
    pub(super) async fn choose_first(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<bool> {
        loop {
            let Some(passage) = &mut ctx.passage else {
                return Error::e_explain(
                    ErrorType::InternalError,
                    "nothing to pass the request to",
                );
            };
            let status = match passage.select() {
                Ok(true) => return Ok(true),
                Ok(false) => {
                    passage.find_nobody();
                    error_log::no_live_upstreams(session, ctx);
                    Failure::BadGateway.status()
                }
                Err(unknown) => {
                    error_log::router_failed(session, ctx, &unknown.to_string());
                    StatusCode::INTERNAL_SERVER_ERROR
                }
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
        if let Some(entry) = ctx.detour.take() {
            let next = self.run(session, ctx, entry).await?;
            if next == Next::Written || !self.choose_first(session, ctx).await? {
                ctx.answered = true;
                return Error::e_explain(ErrorType::InternalError, "the answer is written");
            }
        }
        peer(ctx)
    }
}

/// The server that was chosen, as Pingora connects to it.
fn peer(ctx: &mut RequestContext) -> Result<Box<HttpPeer>> {
    let Some(passage) = &mut ctx.passage else {
        return Error::e_explain(ErrorType::InternalError, "nothing to pass the request to");
    };
    let Some(selected) = &passage.selected else {
        return Error::e_explain(ErrorType::InternalError, "no server was chosen");
    };
    passage
        .tries
        .push(Try::start(Destination::Peer(Arc::clone(selected.peer()))));
    let mut options = passage.pass.peer_options(&passage.upstream);
    let wants_tunnel = ctx
        .admission
        .as_ref()
        .is_some_and(|admission| admission.upgrade);
    let group_key = match wants_tunnel && passage.pass.settings.pass_upgrade {
        true => tunnel::prepare(&mut options),
        false => 0,
    };
    Ok(Box::new(HttpPeer {
        _address: selected.address().clone(),
        scheme: Scheme::HTTP,
        sni: String::new(),
        proxy: None,
        client_cert_key: None,
        group_key,
        options,
    }))
}

/// `connected_to_upstream`: the time it took; and the client that waits for a 100 gets it now,
/// when there is somebody to send its body to.
pub(super) async fn connected(session: &mut Session, ctx: &mut RequestContext) -> Result<()> {
    if let Some(current) = ctx.passage.as_mut().and_then(Passage::current) {
        current.connect_time = Some(current.began.elapsed());
    }
    if std::mem::take(&mut ctx.expects_continue) {
        let downstream = session.as_downstream_mut();
        let keepalive = downstream.get_keepalive();
        downstream
            .write_continue_response()
            .await
            .map_err(Error::into_down)?;
        // Pingora takes every answer that comes before the body's end for one that ends the
        // connection, a 100 too.
        downstream.set_keepalive(keepalive);
    }
    Ok(())
}

/// Headers that speak of one connection (RFC 9110, 7.6.1) and never cross the proxy. `Expect` is
/// met by Gapura itself, as by nginx; framing is Pingora's, which passes no trailers on.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
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
    let upgrade = match passage.pass.settings.pass_upgrade && ctx.admission().upgrade {
        true => wanted_protocol(request),
        false => None,
    };
    for name in nominated(&request.headers) {
        request.remove_header(&name);
    }
    for name in &HOP_BY_HOP {
        request.remove_header(name);
    }
    if let Some(protocol) = upgrade {
        request.insert_header(UPGRADE.clone(), protocol)?;
        request.insert_header(CONNECTION.clone(), HeaderValue::from_static("upgrade"))?;
    } else if passage.upstream.keepalive().connections == 0 {
        request.insert_header(CONNECTION.clone(), HeaderValue::from_static("close"))?;
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
        if header.again {
            if !value.is_empty()
                && let Ok(value) = HeaderValue::from_bytes(&value)
            {
                request.append_header(header.written.clone(), value)?;
            }
        } else if value.is_empty() {
            request.remove_header(&header.name);
        } else if let Ok(value) = HeaderValue::from_bytes(&value) {
            request.insert_header(header.written.clone(), value)?;
        }
    }
    for (name, value) in &passage.request_headers {
        match value {
            Some(value) => request.insert_header(name.clone(), value.clone())?,
            None => {
                request.remove_header(name);
            }
        }
    }
    // HTTP/1.1 needs one; an HTTP/1.0 client may have sent none. nginx's default is $proxy_host.
    if !request.headers.contains_key(header::HOST) {
        request.insert_header(HOST.clone(), passage.upstream.name())?;
    }
    if let Some(path) = &passage.path {
        request.set_raw_path(path)?;
    } else if ctx.flow.rewritten || passage.pass.settings.uri.is_some() {
        let left = ctx.flow.left_location;
        let uri = passage.pass.settings.uri.as_ref().filter(|_| !left);
        let asked = uri::Asked {
            path: ctx.path(),
            query: ctx.query(),
            escape: ctx.is_internal() || uri::was_escaped(ctx.arrival().line.target()),
        };
        request.set_raw_path(&uri::target(uri, &asked))?;
    }
    if let Some(method) = &ctx.flow.method {
        request.set_method(method.clone());
    }
    Ok(())
}

static UPGRADE: Bytes = Bytes::from_static(b"Upgrade");
static CONNECTION: Bytes = Bytes::from_static(b"Connection");
static HOST: Bytes = Bytes::from_static(b"Host");

/// The protocol a client wants to change to: named in `Upgrade`, with the `upgrade` option in
/// `Connection` (RFC 9110, 7.8). Never HTTP/2: a backend that spoke it would be out of reach of
/// every location and limit.
fn wanted_protocol(request: &RequestHeader) -> Option<HeaderValue> {
    let asked = options(&request.headers).any(|option| option.eq_ignore_ascii_case("upgrade"));
    let protocol = request.headers.get(header::UPGRADE)?;
    let plain = protocol.as_bytes().to_ascii_lowercase();
    (asked && !plain.starts_with(b"h2c")).then(|| protocol.clone())
}

/// The options of every `Connection` header.
fn options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::CONNECTION).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
}

/// The headers that `Connection` names, which end at this hop. `Connection: close, Host` must not
/// take away what the other side needs, so the headers that frame and route a message stay, and
/// those that say where it came from.
pub(super) fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    const KEPT: [HeaderName; 5] = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONTENT_TYPE,
        header::SET_COOKIE,
    ];
    options(headers)
        .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
        .filter(|name| !KEPT.contains(name) && !name.as_str().starts_with("x-forwarded-"))
        .collect()
}
