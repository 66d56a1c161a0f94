//! `proxy_redirect`, `proxy_cookie_domain`, `proxy_cookie_path` and `proxy_cookie_flags`: headers of an
//! upstream's answer, as the client is to understand them.

use super::context::RequestContext;
use super::cookie::{self, Cookie};
use super::redirect;
use super::values::Exchange;
use crate::model::Template;
use crate::runtime::{AnswerRewrites, CookieFlags, Found, Replacement};
use http::HeaderValue;
use http::header::{self, HeaderName};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::ops::Range;
use std::sync::Arc;

/// Changes the headers of an answer as the location says.
pub(super) fn rewrite(
    session: &Session,
    response: &mut ResponseHeader,
    ctx: &mut RequestContext,
) -> Result<()> {
    let location = Arc::clone(ctx.place());
    let rewrites = &location.rewrites;
    let mut request = Request { session, ctx };
    if !rewrites.redirects.is_empty() {
        request.rewrite_location(response, rewrites)?;
        request.rewrite_refresh(response, rewrites)?;
    }
    if rewrites.touches_cookies() {
        request.rewrite_cookies(response, rewrites)?;
    }
    Ok(())
}

const REFRESH: HeaderName = header::REFRESH;

/// Where values come from and groups go to.
struct Request<'a> {
    session: &'a Session,
    ctx: &'a mut RequestContext,
}

impl Request<'_> {
    fn rewrite_location(
        &mut self,
        response: &mut ResponseHeader,
        rewrites: &AnswerRewrites,
    ) -> Result<()> {
        let Some(value) = response.headers.get(header::LOCATION) else {
            return Ok(());
        };
        let mut value = value.as_bytes().to_vec();
        if self.replace_first(&mut value, 0, &rewrites.redirects, starts_with) {
            // One that became a path is treated like those of Gapura's own.
            let value = redirect::absolute(self.ctx, &value);
            replace_header(response, "Location", value)?;
        }
        Ok(())
    }

    fn rewrite_refresh(
        &mut self,
        response: &mut ResponseHeader,
        rewrites: &AnswerRewrites,
    ) -> Result<()> {
        let Some(value) = response.headers.get(REFRESH) else {
            return Ok(());
        };
        let mut value = value.as_bytes().to_vec();
        let url = value
            .windows(4)
            .position(|found| found.eq_ignore_ascii_case(b"url="));
        if let Some(url) = url
            && self.replace_first(&mut value, url + 4, &rewrites.redirects, starts_with)
        {
            replace_header(response, "Refresh", value)?;
        }
        Ok(())
    }

    fn rewrite_cookies(
        &mut self,
        response: &mut ResponseHeader,
        rewrites: &AnswerRewrites,
    ) -> Result<()> {
        let mut changed = false;
        let mut values = Vec::new();
        for value in response.headers.get_all(header::SET_COOKIE) {
            let new = self.rewrite_cookie(value.as_bytes(), rewrites);
            let new = new.and_then(|new| HeaderValue::from_bytes(&new).ok());
            changed |= new.is_some();
            values.push(new.unwrap_or_else(|| value.clone()));
        }
        if changed {
            response.remove_header(&header::SET_COOKIE);
            for value in values {
                response.append_header("Set-Cookie", value)?;
            }
        }
        Ok(())
    }

    /// The new value of a cookie, if it has one.
    fn rewrite_cookie(&mut self, value: &[u8], rewrites: &AnswerRewrites) -> Option<Vec<u8>> {
        let mut cookie = Cookie::parse(value)?;
        let mut changed = false;
        for (name, replacements, is_found) in [
            ("domain", &rewrites.cookie_domains, is_domain as IsFound),
            ("path", &rewrites.cookie_paths, starts_with),
        ] {
            for attribute in cookie.attributes_named(name) {
                if let Some(value) = &mut attribute.value {
                    changed |= self.replace_first(value, 0, replacements, is_found);
                }
            }
        }
        if let Some(set) = self.flags_of(&cookie, &rewrites.cookie_flags) {
            let flags = set.flags.iter().map(|flag| self.rendered(flag));
            let flags: Vec<Vec<u8>> = flags.collect();
            changed |= cookie.set_flags(flags.iter().map(Vec::as_slice));
        }
        changed.then(|| cookie.into_bytes())
    }

    /// The first flags that are for this cookie.
    fn flags_of<'s>(
        &mut self,
        cookie: &Cookie,
        flags: &'s [CookieFlags],
    ) -> Option<&'s CookieFlags> {
        flags.iter().find(|set| match &set.cookie {
            Found::Text(name) => cookie.name().eq_ignore_ascii_case(&self.rendered(name)),
            Found::Pattern(pattern) => pattern
                .find(cookie.name(), self.ctx.assigned_mut())
                .unwrap_or(false),
        })
    }

    /// Replaces what the first replacement finds in a value from a place on. `false` when none does.
    fn replace_first(
        &mut self,
        value: &mut Vec<u8>,
        from: usize,
        replacements: &[Replacement],
        is_found: IsFound,
    ) -> bool {
        for replacement in replacements {
            let span = match &replacement.found {
                Found::Text(text) => {
                    let text = self.rendered(text);
                    is_found(&value[from..], &text)
                }
                // One that takes too long matches nothing, as in nginx.
                Found::Pattern(pattern) => pattern
                    .find(&value[from..], self.ctx.assigned_mut())
                    .unwrap_or(false)
                    .then(|| 0..value.len() - from),
            };
            if let Some(span) = span {
                let with = self.rendered(&replacement.with);
                value.splice(from + span.start..from + span.end, with);
                return true;
            }
        }
        false
    }

    fn rendered(&self, template: &Template) -> Vec<u8> {
        Exchange::now(self.session, self.ctx).rendered(template)
    }
}

/// Where a text is found in a value.
type IsFound = fn(&[u8], &[u8]) -> Option<Range<usize>>;

fn starts_with(value: &[u8], text: &[u8]) -> Option<Range<usize>> {
    value.starts_with(text).then_some(0..text.len())
}

/// A domain is the same with a dot before it, which stays.
fn is_domain(value: &[u8], domain: &[u8]) -> Option<Range<usize>> {
    let dot = usize::from(value.first() == Some(&b'.'));
    let same = value[dot..].eq_ignore_ascii_case(domain);
    same.then_some(dot..value.len())
}

/// A value that is none any more leaves the header out: what a client sent encoded may hold line ends.
fn replace_header(response: &mut ResponseHeader, name: &'static str, value: Vec<u8>) -> Result<()> {
    match HeaderValue::try_from(value) {
        Ok(value) => response.insert_header(name, value),
        Err(_) => {
            response.remove_header(name);
            Ok(())
        }
    }
}

/// The value of a cookie that an answer sets: `$upstream_cookie_name`.
pub(super) fn cookie_set<'h>(headers: &'h http::HeaderMap, name: &str) -> Option<&'h [u8]> {
    let lines = headers.get_all(header::SET_COOKIE).into_iter();
    lines
        .filter_map(|line| cookie::pair(line.as_bytes()))
        .find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value)
}
