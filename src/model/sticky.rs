//! `sticky`: requests of one session go to one server.

use super::Template;
use std::time::Duration;

/// How the server of a session is known.
#[derive(Debug, Clone, PartialEq)]
pub enum Sticky {
    /// `sticky cookie`: a cookie that Gapura sets names it.
    Cookie(StickyCookie),
    /// `sticky route`: the first of these that says something names its `route`.
    Route(Vec<Template>),
    /// `sticky learn`: it is remembered.
    Learn(StickyLearn),
}

/// The cookie of `sticky cookie`.
#[derive(Debug, Clone, PartialEq)]
pub struct StickyCookie {
    /// Its name.
    pub name: String,
    /// The cookie of a request: `$cookie_` and the name.
    pub lookup: Template,
    /// `expires`: `None` is the browser's session.
    pub expires: Option<CookieExpires>,
    /// `domain`.
    pub domain: Option<Template>,
    /// `httponly`.
    pub httponly: bool,
    /// `secure`.
    pub secure: bool,
    /// `samesite`.
    pub samesite: Option<Template>,
    /// `path`.
    pub path: Option<String>,
}

/// How long a browser keeps a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieExpires {
    /// `max`: ten years.
    Max,
    /// From the answer on.
    After(Duration),
}

/// `sticky learn`.
#[derive(Debug, Clone, PartialEq)]
pub struct StickyLearn {
    /// `create`: what names a new session, the first that says something.
    pub create: Vec<Template>,
    /// `lookup`: what names the session of a request.
    pub lookup: Vec<Template>,
    /// `zone`: the memory for sessions, in bytes. When it is full, old ones are forgotten.
    pub size: usize,
    /// `timeout`: when a session that is not used is forgotten (10 min).
    pub timeout: Duration,
    /// `header`: a session is remembered as soon as the answer's header is there.
    pub header: bool,
}

impl Sticky {
    /// What names the server or the session of a request: the first that says something.
    pub fn lookup(&self) -> &[Template] {
        match self {
            Self::Cookie(cookie) => std::slice::from_ref(&cookie.lookup),
            Self::Route(lookup) => lookup,
            Self::Learn(learn) => &learn.lookup,
        }
    }
}

/// The values of `samesite`.
pub const SAME_SITES: [&str; 3] = ["strict", "lax", "none"];
