//! Finding values in headers: by the name a variable has, in cookies, in credentials.

use super::write::{bytes, text};
use crate::door::RequestLine;
use crate::model::Field;
use http::{HeaderMap, HeaderName, header};

pub(super) fn header_value(headers: &HeaderMap, name: HeaderName, out: &mut Vec<u8>) -> bool {
    bytes(headers.get(name).map(|value| value.as_bytes()), out)
}

/// A header's value. Several lines are joined with ", " (cookies with "; "), as nginx does.
pub(super) fn headers_of(headers: &HeaderMap, name: &HeaderName, out: &mut Vec<u8>) -> bool {
    let separator = if name == header::COOKIE { "; " } else { ", " };
    let mut found = false;
    for value in headers.get_all(name) {
        if found {
            text(separator, out);
        }
        out.extend_from_slice(value.as_bytes());
        found = true;
    }
    found
}

/// The header that a variable names, which none may have.
pub(super) fn field_of(headers: &HeaderMap, field: &Field, out: &mut Vec<u8>) -> bool {
    let name = field.header();
    name.is_some_and(|name| headers_of(headers, name, out))
}

/// The port of an absolute URI, which comes before the Host header, or of that.
pub(super) fn request_port<'a>(line: &'a RequestLine, headers: &'a HeaderMap) -> Option<&'a [u8]> {
    let host = match line.authority() {
        Some(authority) => authority,
        None => headers.get(header::HOST)?.as_bytes(),
    };
    let colon = host.iter().rposition(|byte| *byte == b':')?;
    let port = &host[colon + 1..];
    (!port.is_empty() && port.iter().all(u8::is_ascii_digit)).then_some(port)
}

pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    value_of(pairs.map(<[u8]>::trim_ascii), name)
}

/// The port that an upstream's name ends in; without one it is HTTP's, and a Unix socket has none.
pub(in crate::proxy) fn upstream_port(name: &str) -> &str {
    if name.starts_with("unix:") {
        return "";
    }
    match name.rsplit_once(':') {
        Some((_, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            port
        }
        _ => "80",
    }
}

pub(super) fn argument<'a>(query: Option<&'a [u8]>, name: &str) -> Option<&'a [u8]> {
    value_of(query?.split(|byte| *byte == b'&'), name)
}

/// The value of the first `name=value` of this name, in any case of its letters.
fn value_of<'a>(mut pairs: impl Iterator<Item = &'a [u8]>, name: &str) -> Option<&'a [u8]> {
    if name.is_empty() {
        return None;
    }
    pairs.find_map(|pair| {
        let (key, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=')?);
        key.eq_ignore_ascii_case(name.as_bytes())
            .then_some(&value[1..])
    })
}

/// The user name of Basic authentication.
pub(super) fn user(headers: &HeaderMap) -> Option<Vec<u8>> {
    use base64::Engine;
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let mut decoded = base64::engine::general_purpose::STANDARD
        .decode(encoded.trim_ascii())
        .ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    decoded.truncate(colon);
    Some(decoded)
}
