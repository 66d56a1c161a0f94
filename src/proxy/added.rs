//! Headers added to answers: `expires`, `add_header`, and what a router added.

use super::context::RequestContext;
use super::files::conditional::{format_time, parse_time};
use super::names;
use super::values::Exchange;
use crate::model::{AddHeader, Expires, Start};
use crate::runtime::render;
use http::{HeaderValue, StatusCode, header};
use jiff::{Timestamp, ToSpan, Zoned};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

/// Adds what the location says to an answer that is shaped otherwise.
pub(super) fn add_headers(
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
            add(header, &value, response)?;
        }
    }
    for (name, value) in &ctx.response_headers {
        response.append_header(names::written(name), value.clone())?;
    }
    Ok(())
}

/// The statuses that `expires`, and `add_header` without `always`, are for.
fn is_ordinary(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 201 | 204 | 206 | 301 | 302 | 303 | 304 | 307 | 308
    )
}

/// One `add_header`. As in nginx, there is one `Last-Modified` and one `ETag`: an empty value removes it.
fn add(header: &AddHeader, value: &[u8], response: &mut ResponseHeader) -> Result<()> {
    let single = [header::LAST_MODIFIED, header::ETAG]
        .into_iter()
        .find(|single| header.name.eq_ignore_ascii_case(single.as_str()));
    if let Some(single) = single {
        response.remove_header(&single);
    }
    if !value.is_empty()
        && let Ok(value) = HeaderValue::from_bytes(value)
    {
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
        add(&header("etag"), b"\"b\"", &mut response).expect("a header");
        add(&header("X-A"), b"1", &mut response).expect("a header");
        add(&header("X-A"), b"2", &mut response).expect("a header");
        add(&header("X-A"), b"", &mut response).expect("a header");
        let values = |name| response.headers.get_all(name).iter().count();
        assert_eq!((values("etag"), values("x-a")), (1, 2));
        assert_eq!(response.headers["etag"], "\"b\"");
        add(&header("ETag"), b"", &mut response).expect("a header");
        assert!(!response.headers.contains_key(header::ETAG));
    }
}
