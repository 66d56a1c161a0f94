//! The upstream's answer on its way to the client.

use super::context::RequestContext;
use super::error_page;
use super::failure::Failure;
use super::flow::Entry;
use super::passage::Passage;
use super::sticky::{self, Moment};
use super::values::Exchange;
use super::{
    added, charset, compress, local, names, nginx_page, pace, pass, phases, request, retry,
    rewrite_answer, substitute,
};
use crate::door::DoorStream;
use crate::model::{ActedOn, Template};
use crate::runtime::Seen;
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderValue, Method, StatusCode, Version};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

/// `upstream_response_filter`: the header of the upstream's answer. Decides whether it is passed
/// on, replaced by a page (`proxy_intercept_errors`), or a reason to ask the next server.
pub(super) fn from_upstream(
    session: &mut Session,
    response: &ResponseHeader,
    ctx: &mut RequestContext,
) -> Result<()> {
    let status = response.status;
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(());
    }
    let Some(passage) = &mut ctx.passage else {
        return Ok(());
    };
    let generation = ctx
        .admission
        .as_ref()
        .and_then(|one| one.arrival.generation.as_ref());
    if generation.is_some_and(|generation| generation.keeps_answers()) {
        passage.answer = Some(response.headers.clone());
    }
    if let Some(current) = passage.current() {
        current.header_time = Some(current.began.elapsed());
        current.status = Some(status.as_u16());
    }
    let seen = Seen::of(&response.headers);
    passage.seen = seen;
    if seen.has(FRAMING) && is_framed_wrongly(response) {
        let what = "an answer whose body is delimited twice, or in a way nobody knows";
        return Err(Error::explain(ErrorType::InvalidHTTPHeader, what).into_up());
    }
    if retry::wants_next(session, ctx, status.as_u16()) {
        let mut error = Error::new_up(ErrorType::CustomCode(retry::NEXT_UPSTREAM, status.as_u16()));
        error.set_retry(true);
        return Err(error);
    }
    if let Some(Passage {
        selected: Some(selected),
        tries,
        ..
    }) = &ctx.passage
    {
        selected.answered(status.as_u16());
        let header_time = tries.last().and_then(|one| one.header_time);
        selected.has_header(header_time.unwrap_or_default());
        sticky::learn(session, ctx, Moment::Header);
    }
    if let Some(Passage { pass, .. }) = &ctx.passage {
        if seen.has(Seen::ACCEL)
            && !pass.settings.ignores(ActedOn::XAccelRedirect)
            && let Some(target) = response.headers.get(X_ACCEL_REDIRECT)
        {
            let target = target.as_bytes().to_vec();
            return follow_redirect(session, response, ctx, target);
        }
        if pass.settings.intercept_errors
            && status.as_u16() >= 300
            && error_page::page_for(ctx, status).is_some()
        {
            ctx.failure = Some(Failure::Status(status));
            // As nginx: without it a browser could not ask for credentials.
            let challenges = response.headers.get_all(header::WWW_AUTHENTICATE).iter();
            let is_challenge = status == StatusCode::UNAUTHORIZED;
            let challenges = challenges.filter(|_| is_challenge);
            let challenges = challenges.map(|value| (header::WWW_AUTHENTICATE, value.clone()));
            ctx.response_headers.extend(challenges);
            ctx.detour = Some(Entry::Failed(status));
            return Err(Error::new_up(ErrorType::HTTPStatus(status.as_u16())));
        }
    }
    if has_no_body(session, response) {
        answered(session, ctx);
    }
    Ok(())
}

/// The server's answer is read to its end, before the client has got it.
fn answered(session: &mut Session, ctx: &mut RequestContext) {
    sticky::learn(session, ctx, Moment::End);
    if let Some(passage) = &mut ctx.passage {
        let client = session.as_downstream_mut();
        // What asks for another protocol and has no body is not said to be done before it is answered.
        passage.answered(client.is_body_done() || client.is_body_empty());
    }
}

/// Whether the header is all of the answer: Pingora does not tell. A tunnel has no length, whatever its header says.
fn has_no_body(session: &Session, response: &ResponseHeader) -> bool {
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        return false;
    }
    let length = response.headers.get(header::CONTENT_LENGTH);
    let is_empty = length.is_some_and(|length| length == "0");
    is_empty || local::is_bodiless(response.status) || session.req_header().method == Method::HEAD
}

/// `X-Accel-Redirect`: the answer is another location's, with what the upstream says of the content.
fn follow_redirect(
    session: &Session,
    response: &ResponseHeader,
    ctx: &mut RequestContext,
    target: Vec<u8>,
) -> Result<()> {
    let kept = [
        header::CONTENT_TYPE,
        header::SET_COOKIE,
        header::CONTENT_DISPOSITION,
        header::CACHE_CONTROL,
        header::EXPIRES,
        header::ACCEPT_RANGES,
    ];
    for name in kept {
        let values = response.headers.get_all(&name).iter().cloned();
        ctx.flow
            .kept_headers
            .extend(values.map(|value| (name.clone(), value)));
    }
    ctx.detour = Some(match target.strip_prefix(b"@") {
        Some(name) => phases::named(ctx, name),
        None => {
            if *ctx.method(session) != Method::HEAD {
                ctx.flow.method = Some(Method::GET);
            }
            phases::redirect(target)
        }
    });
    Err(Error::new_up(ErrorType::Custom(DETOUR)))
}

/// Gives an answer a header of the one in whose place it is given. Cookies add up; of all others, the
/// earlier one holds.
pub(super) fn keep(
    response: &mut ResponseHeader,
    name: &HeaderName,
    value: &HeaderValue,
) -> Result<()> {
    match *name == header::SET_COOKIE {
        true => response
            .append_header(names::written(name), value.clone())
            .map(drop),
        false => response.insert_header(names::written(name), value.clone()),
    }
}

/// What an answer may be framed wrongly by.
const FRAMING: Seen = Seen::TRANSFER_ENCODING.or(Seen::REPEATED);

const X_ACCEL_REDIRECT: &str = "x-accel-redirect";

/// The error of ours for an answer in whose place another one is given.
const DETOUR: &str = "the answer is another location's";

/// `upstream_response_body_filter`: `$upstream_response_length` and `$upstream_response_time`.
pub(super) fn count_body(
    session: &mut Session,
    body: Option<&Bytes>,
    end: bool,
    ctx: &mut RequestContext,
) {
    if let Some(current) = ctx.passage.as_mut().and_then(Passage::current) {
        current.response_length += body.map_or(0, |body| body.len() as u64);
    }
    if end {
        answered(session, ctx);
    }
}

/// `response_filter`: the header the client gets.
pub(super) fn shape(
    session: &mut Session,
    response: &mut ResponseHeader,
    ctx: &mut RequestContext,
) -> Result<()> {
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        upgrade(session, ctx);
        let upgrade = HeaderValue::from_static("upgrade");
        response.insert_header(header::CONNECTION, upgrade)?;
        hide(session, response, ctx, Seen::UNKNOWN);
    } else if response.status.is_informational() {
        return pass_hints(session, response, ctx);
    } else {
        let seen = ctx.passage.as_ref();
        let seen = seen.map_or(Seen::UNKNOWN, |passage| passage.seen);
        if seen.has(HOP_BY_HOP) {
            remove_hop_by_hop(response, ctx);
        }
        if seen.has(Seen::REPEATED) {
            keep_first(response)?;
        }
        if seen.has(Seen::ACCEL) {
            set_charset(response, ctx)?;
        }
        if seen.has(REWRITTEN) {
            rewrite_answer::rewrite(session, response, ctx)?;
        }
        if seen.has(Seen::ACCEL) {
            pace::obey(session, ctx, response);
        }
        buffer(session, response, ctx, seen);
        hide(session, response, ctx, seen);
    }
    if let Some(status) = ctx.flow.status
        && !response.status.is_informational()
    {
        response.set_status(status)?;
        response.set_reason_phrase(Some(nginx_page::phrase(status)))?;
    }
    for (name, value) in &ctx.flow.kept_headers {
        keep(response, name, value)?;
    }
    let extras = ctx.place().extras;
    added::add_headers(session, response, ctx)?;
    let is_final = !response.status.is_informational();
    if extras.filters && is_final {
        substitute::start(session, response, ctx)?;
        charset::name(session, response, ctx)?;
        compress::start(session, response, ctx)?;
    }
    // Pingora frames an answer of unknown length in chunks, which an HTTP/1.0 client cannot read.
    let bodiless =
        session.req_header().method == Method::HEAD || local::is_bodiless(response.status);
    if bodiless {
        response.remove_header(&header::TRANSFER_ENCODING);
    }
    if extras.trailers && is_final && !bodiless {
        added::expect_trailers(session, response, ctx)?;
    }
    let unchunked = session.req_header().version == Version::HTTP_10 || extras.unchunked;
    if unchunked && response.headers.contains_key(header::TRANSFER_ENCODING) {
        response.remove_header(&header::TRANSFER_ENCODING);
        DoorStream::set_keepalive(session.as_downstream_mut(), false);
    }
    if extras.pace && is_final {
        pace::settle(session, ctx, response)?;
    }
    Ok(())
}

/// What speaks of the connection to the upstream.
const HOP_BY_HOP: Seen = Seen::CONNECTION
    .or(Seen::KEEP_ALIVE)
    .or(Seen::PROXY_CONNECTION)
    .or(Seen::TRAILER)
    .or(Seen::UPGRADE);

/// What is rewritten for the client.
const REWRITTEN: Seen = Seen::LOCATION.or(Seen::REFRESH).or(Seen::SET_COOKIE);

/// `proxy_hide_header`, and what nginx keeps to itself.
fn hide(session: &Session, response: &mut ResponseHeader, ctx: &RequestContext, seen: Seen) {
    let Some(passage) = &ctx.passage else { return };
    let hidden = &passage.pass.hidden;
    let stream = DoorStream::of(session.as_downstream());
    for (one, name) in [(Seen::SERVER, header::SERVER), (Seen::DATE, header::DATE)] {
        match (seen.has(one), hidden.has_own(one)) {
            (true, true) if !stream.is_some_and(|stream| stream.withhold(&name)) => {
                response.remove_header(&name);
            }
            // As in nginx the server's answer says it then, or nobody does.
            (false, false) => {
                if let Some(stream) = stream {
                    stream.omit(&name);
                }
            }
            _ => {}
        }
    }
    for name in hidden.others(seen) {
        response.remove_header(name);
    }
}

/// A server's answer before its answer. Clients of HTTP/1.0 cannot read any.
fn pass_hints(
    session: &mut Session,
    response: &mut ResponseHeader,
    ctx: &RequestContext,
) -> Result<()> {
    let exchange = Exchange::now(session, ctx);
    let is_true = |text: &Template| {
        let text = exchange.rendered(text);
        !text.is_empty() && text != b"0"
    };
    let wanted = response.status != StatusCode::EARLY_HINTS
        || ctx.settings().early_hints.iter().any(is_true);
    hide(session, response, ctx, Seen::UNKNOWN);
    let reads_them = session.req_header().version == Version::HTTP_11;
    DoorStream::hide_interim(session.as_downstream_mut(), !(wanted && reads_them));
    Ok(())
}

/// From here on the connection is a tunnel. It may be silent for as long as the upstream's side
/// allows, and it must not keep an old generation alive.
fn upgrade(session: &mut Session, ctx: &mut RequestContext) {
    session.set_read_timeout(None);
    if let Some(admission) = &mut ctx.admission {
        admission.arrival.release_generation();
    }
}

/// Has the answer read as fast as it comes, where the location or the answer itself says so. As in nginx an
/// answer that is not goes as fast as it comes, whatever `limit_rate` says.
fn buffer(session: &Session, response: &ResponseHeader, ctx: &RequestContext, seen: Seen) {
    let Some(passage) = &ctx.passage else { return };
    let pass = &passage.pass.settings;
    let said = match pass.ignores(ActedOn::XAccelBuffering) || !seen.has(Seen::ACCEL) {
        true => None,
        false => response.headers.get("x-accel-buffering"),
    };
    let wanted = match said.map(HeaderValue::as_bytes) {
        Some(word) if word.eq_ignore_ascii_case(b"yes") => true,
        Some(word) if word.eq_ignore_ascii_case(b"no") => false,
        _ => pass.buffering.enabled,
    };
    match DoorStream::of(session.as_downstream()) {
        Some(stream) if wanted => stream.read_ahead(),
        Some(stream) => stream.set_rate(0),
        None => {}
    }
}

/// Whether it is unclear where an answer's body ends.
fn is_framed_wrongly(response: &ResponseHeader) -> bool {
    let mut lengths = response.headers.get_all(header::CONTENT_LENGTH).iter();
    let mut codings = response.headers.get_all(header::TRANSFER_ENCODING).iter();
    let coding = codings.next().map(HeaderValue::as_bytes);
    lengths.nth(1).is_some()
        || codings.next().is_some()
        || coding.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"chunked"))
}

/// Headers that an answer can have only one of: as in nginx the first counts.
const SINGLE: [HeaderName; 12] = [
    HeaderName::from_static("status"),
    header::CONTENT_TYPE,
    header::DATE,
    header::LAST_MODIFIED,
    header::ETAG,
    header::SERVER,
    header::LOCATION,
    header::REFRESH,
    header::EXPIRES,
    HeaderName::from_static("x-accel-expires"),
    HeaderName::from_static("x-accel-redirect"),
    HeaderName::from_static("x-accel-limit-rate"),
];

/// Drops the second line of a header that there can be only one of.
fn keep_first(response: &mut ResponseHeader) -> Result<()> {
    if response.headers.len() == response.headers.keys_len() {
        return Ok(());
    }
    for name in &SINGLE {
        let mut lines = response.headers.get_all(name).iter();
        if let (Some(first), Some(_)) = (lines.next(), lines.next()) {
            let first = first.clone();
            response.insert_header(names::written(name), first)?;
        }
    }
    Ok(())
}

/// `X-Accel-Charset`: the charset of an answer that names none.
fn set_charset(response: &mut ResponseHeader, ctx: &RequestContext) -> Result<()> {
    let Some(word) = response.headers.get("x-accel-charset") else {
        return Ok(());
    };
    let (Some(passage), Some(content_type)) =
        (&ctx.passage, response.headers.get(header::CONTENT_TYPE))
    else {
        return Ok(());
    };
    let has_one = charset::has_one(content_type.as_bytes());
    if word.is_empty() || has_one || passage.pass.settings.ignores(ActedOn::XAccelCharset) {
        return Ok(());
    }
    let value = [content_type.as_bytes(), b"; charset=", word.as_bytes()].concat();
    match HeaderValue::try_from(value) {
        Ok(value) => response.insert_header(header::CONTENT_TYPE, value),
        Err(_) => Ok(()),
    }
}

/// Takes away what speaks of the connection to the upstream. What delimits the body is Pingora's.
fn remove_hop_by_hop(response: &mut ResponseHeader, ctx: &RequestContext) {
    let strip = |passage: &Passage| passage.pass.settings.strip_hop_by_hop;
    if ctx.passage.as_ref().is_some_and(strip) {
        for name in request::nominated(&response.headers) {
            response.remove_header(&name);
        }
        response.remove_header(&HeaderName::from_static("proxy-connection"));
        response.remove_header(&header::TRAILER);
        // It says what to change to, which only a 426 is about.
        if response.status != StatusCode::UPGRADE_REQUIRED {
            response.remove_header(&header::UPGRADE);
        }
    }
    // `Connection` is the door's.
    response.remove_header(&HeaderName::from_static("keep-alive"));
}

/// Answers that the client has it already.
pub(super) async fn not_modified(session: &mut Session, ctx: &mut RequestContext) -> Result<()> {
    let response = ResponseHeader::build(StatusCode::NOT_MODIFIED, Some(4))?;
    local::write(session, ctx, response, Bytes::new()).await
}

/// Answers with a text: `return 200 text`.
pub(super) async fn text(
    session: &mut Session,
    ctx: &mut RequestContext,
    status: StatusCode,
    text: Vec<u8>,
) -> Result<()> {
    pass::send_continue(session, ctx).await?;
    let mut response = ResponseHeader::build(status, Some(8))?;
    // RFC 9110, 6.4.1: these have no body.
    let text = match status {
        StatusCode::NO_CONTENT => Vec::new(),
        _ => {
            let content_type = ctx.settings().files.types.of(ctx.path());
            if !content_type.is_empty() {
                response.insert_header(header::CONTENT_TYPE, content_type)?;
            }
            response.insert_header(header::CONTENT_LENGTH, text.len())?;
            text
        }
    };
    local::write(session, ctx, response, text.into()).await
}
