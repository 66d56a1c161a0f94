//! `gzip`: which answers are compressed, and how.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Which answers are compressed, with nginx's names and defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Compression {
    /// `gzip`.
    pub enabled: bool,
    /// `gzip_types`.
    pub types: TypeSet,
    /// `gzip_min_length`: answers that say they are shorter are left alone.
    pub min_length: u64,
    /// `gzip_comp_level`: 1 (fast) to 9 (small).
    pub level: u32,
    /// `gzip_http_version`: whether HTTP/1.0 requests get compressed answers too.
    pub http_10: bool,
    /// `gzip_proxied`: what proxies, which say so in `Via`, get compressed.
    pub proxied: Proxied,
    /// `gzip_vary`: whether `Vary: Accept-Encoding` is sent.
    pub vary: bool,
    /// `gzip_disable`: regular expressions, without case, of `User-Agent`s that get nothing compressed.
    pub disable: Vec<String>,
    /// The same for Internet Explorer 4 to 6: nginx's word `msie6`.
    pub disable_msie6: bool,
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            enabled: false,
            types: TypeSet::html(),
            min_length: 20,
            level: 1,
            http_10: false,
            proxied: Proxied::Off,
            vary: false,
            disable: Vec::new(),
            disable_msie6: false,
        }
    }
}

/// The types of answers that something is done to.
#[derive(Debug, Clone, PartialEq)]
pub enum TypeSet {
    /// `*`: every one.
    All,
    /// These, in lower case.
    These(Arc<HashSet<String>>),
}

impl TypeSet {
    /// `text/html` alone.
    pub fn html() -> Self {
        Self::These(Arc::new(HashSet::from(["text/html".to_owned()])))
    }

    /// Whether an answer's `Content-Type` is among them. Its charset is no part of it, and as in nginx every other
    /// parameter is.
    pub fn contains(&self, content_type: &[u8]) -> bool {
        let Self::These(types) = self else {
            return true;
        };
        let Ok(name) = std::str::from_utf8(without_charset(content_type)) else {
            return false;
        };
        match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => types.contains(&name.to_ascii_lowercase()),
            false => types.contains(name),
        }
    }
}

/// What stands before `; charset=`.
fn without_charset(content_type: &[u8]) -> &[u8] {
    const CHARSET: &[u8] = b"charset=";
    let is_before = |rest: &[u8]| {
        let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
        let word = rest[spaces..].get(..CHARSET.len());
        word.is_some_and(|word| word.eq_ignore_ascii_case(CHARSET))
    };
    let mut semicolons = memchr::memchr_iter(b';', content_type);
    let end = semicolons.find(|at| is_before(&content_type[at + 1..]));
    &content_type[..end.unwrap_or(content_type.len())]
}

/// `gzip_proxied`: which answers to proxies are compressed.
#[derive(Debug, Clone, PartialEq)]
pub enum Proxied {
    /// `off`: none.
    Off,
    /// `any`: all.
    Any,
    /// Those that one of these holds for.
    When(BTreeSet<ProxiedWhen>),
}

/// One word of `gzip_proxied`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProxiedWhen {
    /// `expired`: `Expires` lies in the past.
    Expired,
    /// `no-cache`, in `Cache-Control`.
    NoCache,
    /// `no-store`, in `Cache-Control`.
    NoStore,
    /// `private`, in `Cache-Control`.
    Private,
    /// `no_last_modified`: there is no `Last-Modified`.
    NoLastModified,
    /// `no_etag`: there is no `ETag`.
    NoEtag,
    /// `auth`: the request has an `Authorization`.
    Auth,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charset_and_case_do_not_matter_in_a_type() {
        let html = TypeSet::html();
        assert!(html.contains(b"text/html"));
        assert!(html.contains(b"Text/HTML;  Charset=utf-8; level=1"));
        assert!(!html.contains(b"text/html; level=1") && !html.contains(b"text/html;"));
        assert!(!html.contains(b"text/html ; charset=utf-8"));
        assert!(!html.contains(b"text/htm") && !html.contains(b""));
        assert!(TypeSet::All.contains(b"") && TypeSet::All.contains(b"image/png"));
    }
}
