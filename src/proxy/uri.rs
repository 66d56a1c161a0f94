//! What a request's target becomes on its way to the server, and how its parts are escaped.

use crate::model::{ReplacedUri, Variable, VariableId};
use crate::runtime::Values;

/// Where a request goes, as the configuration has made it.
pub(super) struct Asked<'a> {
    /// The normalised path.
    pub(super) path: &'a [u8],
    /// The query.
    pub(super) query: Option<&'a [u8]>,
    /// Whether what is special in the path is escaped again: something was escaped in what the client sent,
    /// or the path came from inside.
    pub(super) escape: bool,
}

/// The target for the server: the location's path replaced by another (unless a `rewrite` left the
/// location's path behind), the rest of the normalised path behind it, and the query as it is.
pub(super) fn target(uri: Option<&ReplacedUri>, asked: &Asked<'_>) -> Vec<u8> {
    let (replaced, with) = uri.map_or((0, ""), |uri| (uri.replaced, uri.with.as_str()));
    let rest = asked.path.get(replaced..).unwrap_or_default();
    let mut target = Vec::with_capacity(with.len() + asked.path.len() + 16);
    target.extend_from_slice(with.as_bytes());
    match asked.escape {
        true => escape(rest, &mut target),
        false => target.extend_from_slice(rest),
    }
    if let Some(query) = asked.query.filter(|query| !query.is_empty()) {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    target
}

/// Whether the path of a target holds something that was escaped or may stand for something else.
pub(super) fn was_escaped(target: &[u8]) -> bool {
    let path = target.split(|byte| *byte == b'?').next();
    path.unwrap_or_default()
        .iter()
        .any(|byte| matches!(byte, b'%' | b'+'))
}

/// The values of a request, with the groups of a regular expression escaped for a query.
pub(super) struct EscapedGroups<'a, V> {
    pub(super) values: &'a V,
    pub(super) escape: bool,
}

impl<V: Values> Values for EscapedGroups<'_, V> {
    fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        self.values.write(variable, out)
    }

    fn write_defined(&self, variable: VariableId, out: &mut Vec<u8>) -> bool {
        self.values.write_defined(variable, out)
    }

    fn write_group(&self, number: u8, out: &mut Vec<u8>) -> bool {
        if !self.escape {
            return self.values.write_group(number, out);
        }
        let mut group = Vec::new();
        let is_there = self.values.write_group(number, &mut group);
        escape_where(must_be_escaped_in_query, &group, out);
        is_there
    }
}

/// Takes back the escapes of a URL's path that need not be there, as nginx does before it redirects.
pub(super) fn unescape_for_redirect(url: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(url.len());
    let mut at = 0;
    while let Some(&byte) = url.get(at) {
        if byte == b'?' {
            out.extend_from_slice(&url[at..]);
            break;
        }
        let digits = url.get(at + 1..at + 3);
        let decoded = digits
            .filter(|_| byte == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match decoded {
            Some(decoded @ b'&'..0x7f) => {
                out.push(decoded);
                at += 3;
                if decoded == b'?' {
                    out.extend_from_slice(&url[at..]);
                    break;
                }
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Takes back the escapes of a path. As in nginx, what is no escape loses its `%` and what was read of it.
pub(super) fn unescape(path: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut out = Vec::with_capacity(path.len());
    let mut bytes = path.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let Some(first) = bytes.next() else { break };
        match digit(first) {
            None => out.push(first),
            Some(high) => {
                let low = bytes.next().and_then(digit);
                out.extend(low.map(|low| high << 4 | low));
            }
        }
    }
    out
}

/// Whether a path that an upstream named stays below the root.
pub(super) fn is_safe(path: &[u8]) -> bool {
    let mut segments = path.split(|byte| *byte == b'/');
    path.first() == Some(&b'/') && !path.contains(&0) && segments.all(|segment| segment != b"..")
}

/// Appends a path as it stands in a URI.
pub(super) fn escape(path: &[u8], out: &mut Vec<u8>) {
    escape_where(must_be_escaped, path, out);
}

/// Appends a part of a path, such as a file's name, as it stands in a URI.
pub(super) fn escape_component(part: &[u8], out: &mut Vec<u8>) {
    // nginx's NGX_ESCAPE_URI_COMPONENT: all but RFC 3986's unreserved characters.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    escape_where(|byte| !plain(byte), part, out);
}

fn escape_where(must_be_escaped: impl Fn(u8) -> bool, text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        if must_be_escaped(byte) {
            out.push(b'%');
            out.push(HEXADECIMAL[usize::from(byte >> 4)]);
            out.push(HEXADECIMAL[usize::from(byte & 15)]);
        } else {
            out.push(byte);
        }
    }
}

const HEXADECIMAL: &[u8; 16] = b"0123456789ABCDEF";

/// nginx's NGX_ESCAPE_URI.
fn must_be_escaped(byte: u8) -> bool {
    matches!(
        byte,
        0..=b' ' | b'"' | b'#' | b'%' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{'..=b'}' | 0x7f..
    )
}

/// nginx's NGX_ESCAPE_ARGS.
fn must_be_escaped_in_query(byte: u8) -> bool {
    must_be_escaped(byte) || matches!(byte, b'&' | b'+' | b';')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(replaced: &str, with: &str, asked: &str, path: &str, query: Option<&str>) -> String {
        let uri = ReplacedUri {
            replaced: replaced.len(),
            with: with.to_owned(),
        };
        let asked = Asked {
            path: path.as_bytes(),
            query: query.map(str::as_bytes),
            escape: asked
                .split('?')
                .next()
                .is_some_and(|path| path.contains('%')),
        };
        let target = target(Some(&uri), &asked);
        String::from_utf8(target).expect("ASCII")
    }

    #[test]
    fn the_location_s_path_is_replaced() {
        assert_eq!(shown("/app/", "/", "/app/x", "/app/x", None), "/x");
        assert_eq!(shown("/app", "/", "/app/x", "/app/x", None), "//x");
        assert_eq!(shown("/", "/v1/", "/a/../b", "/b", None), "/v1/b");
        assert_eq!(
            shown("/a", "/b", "/a?c=%41", "/a", Some("c=%41")),
            "/b?c=%41"
        );
        assert_eq!(shown("/a", "/b", "/a?", "/a", Some("")), "/b");
    }

    #[test]
    fn escapes_are_taken_back() {
        let shown = |path: &str| String::from_utf8(unescape(path.as_bytes())).expect("UTF-8");
        assert_eq!(shown("/a%20b%2e%2E/%c3%a9"), "/a b../é");
        assert_eq!(shown("/a%"), "/a");
        assert_eq!(shown("/a%z1"), "/az1");
        assert_eq!(shown("/a%1z"), "/a");
    }

    #[test]
    fn what_was_escaped_is_escaped_again() {
        let path = "/a/ é?";
        let asked = "/a/%20%C3%A9%3f";
        assert_eq!(shown("/a/", "/", asked, path, None), "/%20%C3%A9%3F");
        assert_eq!(shown("/a/", "/", "/a/<\">", "/a/<\">", None), "/<\">");
    }
}
