//! Headers added to answers: `expires`, `add_header`, and what a router added.

use super::context::RequestContext;
use super::files::conditional::{format_time, parse_time};
use super::values::Exchange;
use super::{local, names, sticky};
use crate::door::DoorStream;
use crate::model::{AddHeader, Expires, Start};
use crate::runtime::render;
use http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use jiff::{Timestamp, ToSpan, Zoned};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::sync::Arc;

/// Adds what the location says to an answer that is shaped otherwise.
pub(super) fn add_headers(
    session: &Session,
    response: &mut ResponseHeader,
    ctx: &RequestContext,
) -> Result<()> {
    if ctx.place().extras.headers {
        add_configured(session, response, ctx)?;
    }
    sticky::set_cookie(session, response, ctx)?;
    for (name, value) in &ctx.response_headers {
        response.append_header(names::written(name), value.clone())?;
    }
    Ok(())
}

/// `expires` and `add_header`.
fn add_configured(
    session: &Session,
    response: &mut ResponseHeader,
    ctx: &RequestContext,
) -> Result<()> {
    let settings = ctx.settings();
    let ordinary = is_ordinary(response.status);
    if ordinary && settings.expires != Expires::Off {
        expires(session, response, ctx)?;
    }
    let mut value = Vec::new();
    for header in &settings.add_header {
        if ordinary || header.always {
            value.clear();
            render(&header.value, &exchange(session, ctx, response), &mut value);
            add(
                header,
                &value,
                response,
                DoorStream::of(session.as_downstream()),
            )?;
        }
    }
    Ok(())
}

/// Prepares an answer whose header is complete for `add_trailer`: its body is in chunks then.
pub(super) fn expect_trailers(
    session: &mut Session,
    response: &mut ResponseHeader,
    ctx: &mut RequestContext,
) -> Result<()> {
    let ordinary = is_ordinary(response.status);
    let trailers = &ctx.settings().add_trailer;
    if !trailers.iter().any(|trailer| ordinary || trailer.always)
        || session.req_header().method == Method::HEAD
        || local::is_bodiless(response.status)
    {
        return Ok(());
    }
    if session.req_header().version != Version::HTTP_11 || !ctx.settings().chunked {
        return Ok(());
    }
    response.remove_header(&header::CONTENT_LENGTH);
    let chunked = HeaderValue::from_static("chunked");
    response.insert_header(header::TRANSFER_ENCODING, chunked)?;
    ctx.expects_trailers = Some(Box::new(response.clone()));
    Ok(())
}

/// `add_trailer`, when the body is about to end.
pub(super) fn write_trailers(session: &mut Session, ctx: &mut RequestContext) {
    // Pingora may not have written it yet.
    let Some(response) = ctx.expects_trailers.take() else {
        return;
    };
    let ordinary = is_ordinary(response.status);
    let location = Arc::clone(ctx.place());
    let mut lines = Vec::new();
    for trailer in &location.settings.add_trailer {
        if !ordinary && !trailer.always {
            continue;
        }
        // Each may ask for those before it.
        let value = exchange(session, ctx, &response).rendered(&trailer.value);
        if !value.is_empty() && HeaderValue::from_bytes(&value).is_ok() {
            lines.extend_from_slice(trailer.name.as_bytes());
            lines.extend_from_slice(b": ");
            lines.extend_from_slice(&value);
            lines.extend_from_slice(b"\r\n");
            let name = trailer.name.to_ascii_lowercase().replace('-', "_");
            ctx.trailers.push((name, value));
        }
    }
    if let Some(stream) = DoorStream::of_mut(session.as_downstream_mut()) {
        stream.set_trailers(lines);
    }
}

/// Whether it says where an answer's body ends, which nothing but the body does.
pub(super) fn frames(name: &str) -> bool {
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING]
        .iter()
        .any(|one| name.eq_ignore_ascii_case(one.as_str()))
}

/// The statuses that `expires`, and `add_header` without `always`, are for.
fn is_ordinary(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 201 | 204 | 206 | 301 | 302 | 303 | 304 | 307 | 308
    )
}

/// One `add_header`. As in nginx, there is one `Last-Modified` and one `ETag`: an empty value removes it.
fn add(
    header: &AddHeader,
    value: &[u8],
    response: &mut ResponseHeader,
    stream: Option<&DoorStream>,
) -> Result<()> {
    let single = [header::LAST_MODIFIED, header::ETAG]
        .into_iter()
        .find(|single| header.name.eq_ignore_ascii_case(single.as_str()));
    if let Some(single) = single {
        response.remove_header(&single);
    }
    if value.is_empty() || frames(&header.name) {
        return Ok(());
    }
    let value = HeaderValue::from_bytes(value).ok().or_else(|| {
        // Control characters are passed on, but nothing that would end the line.
        let ends_line = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
        let stream = stream.filter(|_| !value.iter().any(ends_line))?;
        HeaderValue::from_str(&stream.stand_in(value)).ok()
    });
    if let Some(value) = value {
        if matches!(header.name.len(), 4 | 6)
            && let Some(stream) = stream
            && let Ok(name) = HeaderName::try_from(&header.name)
            && stream.add_beside(&name, &response.headers)
        {
            response.remove_header(&name);
        }
        response.append_header(header.name.clone(), value)?;
    }
    Ok(())
}

/// `expires`: the headers `Expires` and `Cache-Control`.
fn expires(session: &Session, response: &mut ResponseHeader, ctx: &RequestContext) -> Result<()> {
    let settings = &ctx.settings().expires;
    let computed;
    let (settings, is_computed) = match settings {
        Expires::Computed { from, template } => {
            let mut word = Vec::new();
            render(template, &exchange(session, ctx, response), &mut word);
            let word = String::from_utf8_lossy(&word);
            match Expires::parse(&word, *from) {
                Ok(expires) => computed = expires,
                Err(_) => return Ok(()),
            }
            (&computed, true)
        }
        settings => (settings, false),
    };
    let now = Timestamp::now().as_second();
    let (date, age) = match *settings {
        Expires::Off | Expires::Computed { .. } => return Ok(()),
        Expires::Epoch => return set(response, EPOCH, "no-cache"),
        Expires::Max => return set(response, MAX, "max-age=315360000"),
        Expires::Daily(second) => {
            let date = next_time(second).unwrap_or(now);
            (date, date - now)
        }
        Expires::After { seconds: 0, .. } => (now, 0),
        Expires::After { from, seconds } => {
            let modified = response.headers.get(header::LAST_MODIFIED);
            let modified = modified
                .filter(|_| from == Start::Modified)
                .and_then(|date| parse_time(date.as_bytes()));
            let date = modified.unwrap_or(now).saturating_add(seconds);
            // As nginx: a time before the start is old, even when that lies in the future.
            let age = if seconds < 0 && !is_computed {
                -1
            } else {
                date - now
            };
            (date, age)
        }
    };
    let date = format_time(date);
    match age {
        ..0 => set(response, &date, "no-cache"),
        age => set(response, &date, &format!("max-age={age}")),
    }
}

const EPOCH: &str = "Thu, 01 Jan 1970 00:00:01 GMT";
const MAX: &str = "Thu, 31 Dec 2037 23:55:55 GMT";

fn set(response: &mut ResponseHeader, expires: &str, control: &str) -> Result<()> {
    response.insert_header("Expires", expires)?;
    response.insert_header(header::CACHE_CONTROL, control)?;
    Ok(())
}

/// When the local clock shows this second of the day next.
fn next_time(second: i64) -> Option<i64> {
    let now = Zoned::now();
    let today = now.start_of_day().ok()?.datetime();
    let at = |days: i64| {
        let time = today.checked_add(days.days().seconds(second)).ok()?;
        Some(time.to_zoned(now.time_zone().clone()).ok()?.timestamp())
    };
    let today = at(0)?;
    let next = if today > now.timestamp() {
        today
    } else {
        at(1)?
    };
    Some(next.as_second())
}

fn exchange<'a>(
    session: &'a Session,
    ctx: &'a RequestContext,
    response: &'a ResponseHeader,
) -> Exchange<'a> {
    Exchange {
        session,
        ctx,
        response: Some(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_of_day_is_within_a_day() {
        let now = Timestamp::now().as_second();
        for second in [0, 1, 43_200, 86_399, 86_400] {
            let next = next_time(second).expect("a time");
            // A day may have an hour more, when clocks change.
            assert!((now..=now + 25 * 60 * 60 + 2).contains(&next), "{second}");
        }
    }

    #[test]
    fn there_is_one_etag() {
        let header = |name: &str| AddHeader {
            name: name.into(),
            value: crate::model::Template::literal(""),
            always: false,
        };
        let mut response = ResponseHeader::build(200, None).expect("a status");
        response.insert_header("ETag", "\"a\"").expect("a header");
        add(&header("etag"), b"\"b\"", &mut response, None).expect("a header");
        add(&header("X-A"), b"1", &mut response, None).expect("a header");
        add(&header("X-A"), b"2", &mut response, None).expect("a header");
        add(&header("X-A"), b"", &mut response, None).expect("a header");
        let values = |name| response.headers.get_all(name).iter().count();
        assert_eq!((values("etag"), values("x-a")), (1, 2));
        assert_eq!(response.headers["etag"], "\"b\"");
        add(&header("ETag"), b"", &mut response, None).expect("a header");
        assert!(!response.headers.contains_key(header::ETAG));
    }
}
