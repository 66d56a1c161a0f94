//! The URI behind `proxy_pass`: what a request's target becomes on its way to the server.

use crate::model::ReplacedUri;

/// The target for the server: the location's path replaced, the rest of the normalised path behind
/// it, and the query as it came. As in nginx, the rest is escaped again when something in it was
/// escaped, and otherwise stays as it is.
pub(super) fn target(
    uri: &ReplacedUri,
    asked: &[u8],
    path: &[u8],
    query: Option<&[u8]>,
) -> Vec<u8> {
    let rest = path.get(uri.replaced..).unwrap_or_default();
    let asked_path = asked.split(|byte| *byte == b'?').next().unwrap_or_default();
    let escape = asked_path.iter().any(|byte| matches!(byte, b'%' | b' '));
    let mut target = Vec::with_capacity(uri.with.len() + asked.len());
    target.extend_from_slice(uri.with.as_bytes());
    match escape {
        true => self::escape(rest, &mut target),
        false => target.extend_from_slice(rest),
    }
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    target
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(replaced: &str, with: &str, asked: &str, path: &str, query: Option<&str>) -> String {
        let uri = ReplacedUri {
            replaced: replaced.len(),
            with: with.to_owned(),
        };
        let query = query.map(str::as_bytes);
        let target = target(&uri, asked.as_bytes(), path.as_bytes(), query);
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
    fn what_was_escaped_is_escaped_again() {
        let path = "/a/ é?";
        let asked = "/a/%20%C3%A9%3f";
        assert_eq!(shown("/a/", "/", asked, path, None), "/%20%C3%A9%3F");
        assert_eq!(shown("/a/", "/", "/a/<\">", "/a/<\">", None), "/<\">");
    }
}
