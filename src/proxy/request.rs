//! The request as an upstream gets it: nginx's lines first, then what the client sent and nothing
//! replaces.

use super::context::RequestContext;
use super::passage::Passage;
use super::uri;
use super::values::Exchange;
use crate::model::{HttpVersion, PassedBody};
use crate::runtime::{LineValue, ProxyPass, render};
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Version};
use pingora_core::{Error, ErrorType, OrErr, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use std::borrow::Cow;
use std::cell::RefCell;

/// `upstream_request_filter`: writes the header that the upstream gets.
pub(super) fn shape(
    session: &Session,
    request: &mut RequestHeader,
    ctx: &mut RequestContext,
) -> Result<()> {
    let Some(passage) = &ctx.passage else {
        return Ok(());
    };
    let settings = &passage.pass.settings;
    let values = Exchange::now(session, ctx);
    if goes_as_it_came(passage, request)
        && let Some(host) = host(passage, &values)?
    {
        let method = method(passage, request, &values, ctx)?;
        if let Cow::Owned(target) = target(passage, request, ctx) {
            request.set_raw_path(&target)?;
        }
        request.set_method(method);
        request.set_version(version(settings.http_version));
        return request.insert_header(HOST.clone(), host);
    }
    let body = match &settings.body {
        PassedBody::Original => None,
        PassedBody::Nothing => Some(Bytes::new()),
        PassedBody::Written(body) => Some(values.rendered(body).into()),
    };
    let mut shaped = RequestHeader::build(
        method(passage, request, &values, ctx)?,
        &target(passage, request, ctx),
        Some(request.headers.len() + passage.pass.request.lines.len() + 4),
    )?;
    shaped.set_version(version(settings.http_version));
    if let Some(host) = host(passage, &values)? {
        shaped.append_header(HOST.clone(), host)?;
    }
    for line in &passage.pass.request.lines {
        if let Some(value) = line_value(&line.value, &values) {
            shaped.append_header(line.name.clone(), value)?;
        }
    }
    write_connection(&mut shaped, passage, request, ctx)?;
    if !passage.pass.request.writes_framing() {
        write_framing(&mut shaped, &settings.body, body.as_ref(), request)?;
        if shaped.version == Version::HTTP_10
            && shaped.headers.contains_key(header::TRANSFER_ENCODING)
        {
            // HTTP/1.0 has no chunks, and nobody knows the length.
            return Err(Error::new_down(ErrorType::HTTPStatus(411)));
        }
    }
    if settings.body == PassedBody::Nothing && !is_framed(&shaped) && is_framed(request) {
        // Pingora would announce chunks, because the client sends a body.
        shaped.append_header(CONTENT_LENGTH.clone(), 0)?;
    }
    if settings.pass_request_headers {
        copy_headers(&mut shaped, request, &passage.pass)?;
    }
    for (name, value) in &passage.request_headers {
        match value {
            Some(value) => shaped.insert_header(name.clone(), value.clone())?,
            None => {
                shaped.remove_header(name);
            }
        }
    }
    *request = shaped;
    if let Some(passage) = &mut ctx.passage {
        passage.body = body;
    }
    Ok(())
}

/// Whether the client's header has the lines that the upstream's is to have, in their order, but for the
/// value of `Host`: then it need not be written anew.
fn goes_as_it_came(passage: &Passage, request: &RequestHeader) -> bool {
    let pass = &passage.pass;
    let mut names = request.headers.keys();
    pass.request.passes_all()
        && pass.settings.pass_request_headers
        && pass.settings.body == PassedBody::Original
        && passage.request_headers.is_empty()
        && passage.servers.keepalive().connections > 0
        && names.next() == Some(&header::HOST)
        && request.headers.len() == request.headers.keys_len()
        && !names.any(|name| pass.request.replaces(name))
}

fn version(version: HttpVersion) -> Version {
    match version {
        HttpVersion::Http10 => Version::HTTP_10,
        HttpVersion::Http11 => Version::HTTP_11,
    }
}

/// `request_body_filter`: `proxy_set_body` and `proxy_pass_request_body`. The client's body is read to
/// its end all the same.
pub(super) fn replace_body(
    session: &Session,
    body: &mut Option<Bytes>,
    end: bool,
    ctx: &mut RequestContext,
) {
    let Some(passage) = &mut ctx.passage else {
        return;
    };
    if passage.pass.settings.body == PassedBody::Original || session.was_upgraded() {
        return;
    }
    // Nothing at all would mean that the body is over.
    let own = passage.body.take().filter(|body| !body.is_empty());
    *body = own.or_else(|| (!end).then(Bytes::new));
}

static HOST: Bytes = Bytes::from_static(b"Host");
static UPGRADE: Bytes = Bytes::from_static(b"Upgrade");
static CONNECTION: Bytes = Bytes::from_static(b"Connection");
static CONTENT_LENGTH: Bytes = Bytes::from_static(b"Content-Length");
static TRANSFER_ENCODING: Bytes = Bytes::from_static(b"Transfer-Encoding");

/// A line's value. None is sent when it is empty, or cannot stand in a header: `$uri` may hold line
/// ends that a client sent encoded.
fn line_value(value: &LineValue, values: &Exchange<'_>) -> Option<HeaderValue> {
    match value {
        LineValue::Fixed(value) => Some(value.clone()),
        LineValue::Rendered(template) => TEXT.with_borrow_mut(|text| {
            text.clear();
            render(template, values, text);
            let value = HeaderValue::from_bytes(text).ok();
            text.shrink_to(LONGEST_KEPT);
            value.filter(|value| !value.is_empty())
        }),
    }
}

thread_local! {
    /// Where a value is written before it becomes one.
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// How much of it stays for the next.
const LONGEST_KEPT: usize = 4096;

fn method(
    passage: &Passage,
    request: &RequestHeader,
    values: &Exchange<'_>,
    ctx: &RequestContext,
) -> Result<Method> {
    match &passage.pass.settings.method {
        None => Ok(ctx.flow.method.as_ref().unwrap_or(&request.method).clone()),
        Some(template) => Method::from_bytes(&values.rendered(template))
            .or_err(ErrorType::InternalError, "proxy_method is no method")
            .map_err(Error::into_in),
    }
}

/// What the server is asked for.
pub(super) fn target<'r>(
    passage: &Passage,
    request: &'r RequestHeader,
    ctx: &RequestContext,
) -> Cow<'r, [u8]> {
    if let Some(path) = &passage.path {
        return Cow::Owned(path.clone());
    }
    if !ctx.flow.rewritten && passage.pass.settings.uri.is_none() {
        return Cow::Borrowed(request.raw_path());
    }
    let left = ctx.flow.left_location;
    let uri = passage.pass.settings.uri.as_ref().filter(|_| !left);
    let asked = uri::Asked {
        path: ctx.path(),
        query: ctx.query(),
        escape: ctx.is_internal() || uri::was_escaped(ctx.arrival().line.target()),
    };
    Cow::Owned(uri::target(uri, &asked))
}

/// What is configured, which may be nothing; else `$proxy_host`, as in nginx.
fn host(passage: &Passage, values: &Exchange<'_>) -> Result<Option<HeaderValue>> {
    if let Some(configured) = &passage.pass.request.host {
        return Ok(line_value(configured, values).filter(|host| !host.is_empty()));
    }
    if let Some(host) = passage.own_host() {
        return Ok(Some(host.clone()));
    }
    HeaderValue::from_str(passage.proxy_host())
        .map(Some)
        .or_err(
            ErrorType::InternalError,
            "an upstream's name is no header value",
        )
        .map_err(Error::into_in)
}

/// `Upgrade` for a client that asks for another protocol, where the location lets it; `close` where no
/// connection is kept.
fn write_connection(
    shaped: &mut RequestHeader,
    passage: &Passage,
    request: &RequestHeader,
    ctx: &RequestContext,
) -> Result<()> {
    if passage.pass.request.writes_connection() {
        return Ok(());
    }
    let upgrade = match passage.pass.settings.pass_upgrade && ctx.admission().upgrade {
        true => wanted_protocol(request),
        false => None,
    };
    if let Some(protocol) = upgrade {
        shaped.append_header(UPGRADE.clone(), protocol)?;
        shaped.append_header(CONNECTION.clone(), HeaderValue::from_static("upgrade"))?;
    } else if passage.servers.keepalive().connections == 0 {
        shaped.append_header(CONNECTION.clone(), HeaderValue::from_static("close"))?;
    }
    Ok(())
}

/// How the body is delimited.
fn write_framing(
    shaped: &mut RequestHeader,
    passed: &PassedBody,
    own: Option<&Bytes>,
    request: &RequestHeader,
) -> Result<()> {
    if let PassedBody::Written(_) = passed {
        let length = own.map_or(0, Bytes::len);
        shaped.append_header(CONTENT_LENGTH.clone(), length)?;
    } else if let PassedBody::Nothing = passed {
        // nginx announces the client's length and sends nothing, which no server can answer.
    } else if request.headers.contains_key(header::TRANSFER_ENCODING) {
        shaped.append_header(
            TRANSFER_ENCODING.clone(),
            HeaderValue::from_static("chunked"),
        )?;
    } else if let Some(length) = request.headers.get(header::CONTENT_LENGTH) {
        shaped.append_header(CONTENT_LENGTH.clone(), length.clone())?;
    }
    Ok(())
}

/// Whether a header says that a body follows.
fn is_framed(request: &RequestHeader) -> bool {
    request.headers.contains_key(header::CONTENT_LENGTH)
        || request.headers.contains_key(header::TRANSFER_ENCODING)
}

/// The client's headers that nothing replaces, as it wrote them.
fn copy_headers(
    shaped: &mut RequestHeader,
    request: &RequestHeader,
    pass: &ProxyPass,
) -> Result<()> {
    let nominated = match pass.settings.strip_hop_by_hop {
        true => nominated(&request.headers),
        false => Vec::new(),
    };
    let written = request.case_header_iter().map(|(name, _)| Some(name));
    let written = written.chain(std::iter::repeat(None));
    for ((name, value), written) in request.headers.iter().zip(written) {
        if pass.request.replaces(name) || nominated.contains(name) {
            continue;
        }
        match written {
            Some(written) => shaped.append_header(written.clone(), value.clone())?,
            None => shaped.append_header(name, value.clone())?,
        };
    }
    Ok(())
}

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
