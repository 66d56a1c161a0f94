//! `sticky`: what a request says of its session, the cookie that names a server, and what is learned
//! from answers.

use super::context::RequestContext;
use super::passage::{Destination, Passage};
use super::values::Exchange;
use crate::model::{CookieExpires, SAME_SITES, Sticky, StickyCookie, Template};
use crate::runtime::upstream::Upstream;
use http::{HeaderValue, header};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

/// Where sessions are bound to servers, the key that a server is chosen by begins with the one that the
/// request's session belongs to.
pub(super) fn begin_key(session: &Session, ctx: &RequestContext, key: &mut Vec<u8>) {
    let upstream = ctx.passage.as_ref().and_then(|one| one.servers.upstream());
    let Some(upstream) = upstream else { return };
    let Some(sticky) = upstream.sticky() else {
        return;
    };
    let name = first(sticky.lookup(), &Exchange::now(session, ctx));
    upstream.bind(&name, key);
}

/// The first that says something; nothing if none does.
fn first(templates: &[Template], exchange: &Exchange<'_>) -> Vec<u8> {
    let mut texts = templates.iter().map(|one| exchange.rendered(one));
    texts.find(|text| !text.is_empty()).unwrap_or_default()
}

/// When `sticky learn` is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The answer's header is there.
    Header,
    /// The answer is read to its end.
    End,
}

/// `sticky learn`: the session of an answer belongs to the server that gave it.
pub(super) fn learn(session: &Session, ctx: &mut RequestContext, moment: Moment) {
    let Some(passage) = &ctx.passage else { return };
    let Some(upstream) = passage.servers.upstream() else {
        return;
    };
    let (Some(Sticky::Learn(learn)), Some(selected), false) =
        (upstream.sticky(), &passage.selected, passage.has_learned)
    else {
        return;
    };
    if learn.header != (moment == Moment::Header) {
        return;
    }
    let exchange = Exchange::now(session, ctx);
    let created = first(&learn.create, &exchange);
    match created.is_empty() {
        false => upstream.learn(&created, true, selected),
        true => {
            let known = first(&learn.lookup, &exchange);
            if !known.is_empty() {
                upstream.learn(&known, false, selected);
            }
        }
    }
    if let Some(passage) = &mut ctx.passage {
        passage.has_learned = true;
    }
}

/// `sticky cookie`: the answer names the server that was chosen last, whoever gave it.
pub(super) fn set_cookie(
    session: &Session,
    response: &mut ResponseHeader,
    ctx: &RequestContext,
) -> Result<()> {
    let Some(passage) = &ctx.passage else {
        return Ok(());
    };
    if let Some(Sticky::Cookie(cookie)) = passage.servers.upstream().and_then(Upstream::sticky)
        && let Some(name) = chosen(passage)
        && let Ok(value) = HeaderValue::from_bytes(&written(cookie, name, session, ctx))
    {
        response.append_header(header::SET_COOKIE, value)?;
    }
    Ok(())
}

/// The name of the server that was chosen last.
fn chosen(passage: &Passage) -> Option<&str> {
    let mut tries = passage.tries.iter().rev();
    tries.find_map(|one| match &one.to {
        Destination::Peer(peer) => Some(peer.name()),
        Destination::Redirected | Destination::Nobody(_) => None,
    })
}

fn written(
    cookie: &StickyCookie,
    server: &str,
    session: &Session,
    ctx: &RequestContext,
) -> Vec<u8> {
    let exchange = Exchange::now(session, ctx);
    let mut text = format!("{}={server}", cookie.name).into_bytes();
    match cookie.expires {
        None => {}
        Some(CookieExpires::Max) => {
            text.extend_from_slice(b"; expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000");
        }
        Some(CookieExpires::After(time)) => {
            let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
            let date = date(seconds);
            text.extend_from_slice(format!("; expires={date}; max-age={seconds}").as_bytes());
        }
    }
    let domain = cookie.domain.as_ref();
    let domain = domain.map(|domain| exchange.rendered(domain));
    if let Some(domain) = domain.filter(|domain| !domain.is_empty()) {
        text.extend_from_slice(b"; domain=");
        text.extend_from_slice(&domain);
    }
    if cookie.httponly {
        text.extend_from_slice(b"; httponly");
    }
    if cookie.secure {
        text.extend_from_slice(b"; secure");
    }
    let samesite = cookie.samesite.as_ref();
    let samesite = samesite.map(|samesite| exchange.rendered(samesite));
    if let Some(samesite) = samesite.filter(|samesite| !samesite.is_empty()) {
        let is_it = |known: &&str| samesite.eq_ignore_ascii_case(known.as_bytes());
        text.extend_from_slice(b"; samesite=");
        match SAME_SITES.iter().any(is_it) {
            true => text.extend_from_slice(&samesite),
            // What is not known is the strictest.
            false => text.extend_from_slice(SAME_SITES[0].as_bytes()),
        }
    }
    if let Some(path) = &cookie.path {
        text.extend_from_slice(b"; path=");
        text.extend_from_slice(path.as_bytes());
    }
    text
}

/// When a cookie is over, so many seconds from now: nginx's date of cookies, whose years have two digits
/// as long as old browsers understand these.
fn date(seconds: i64) -> String {
    let end = Timestamp::now().checked_add(SignedDuration::from_secs(seconds));
    let end = end.unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC);
    let format = match end.year() {
        ..=2037 => "%a, %d-%b-%y %H:%M:%S GMT",
        _ => "%a, %d-%b-%Y %H:%M:%S GMT",
    };
    end.strftime(format).to_string()
}
