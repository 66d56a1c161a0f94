//! How headers of an upstream's answer are changed on their way to the client.

use super::{Regex, Template};

/// `proxy_redirect` and the `proxy_cookie_` settings of a location.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AnswerRewrites {
    /// `proxy_redirect`: what becomes of `Location` and of the URL in `Refresh`. The first that is found
    /// counts, here and below.
    pub redirects: Vec<Replacement>,
    /// `proxy_cookie_domain`.
    pub cookie_domains: Vec<Replacement>,
    /// `proxy_cookie_path`.
    pub cookie_paths: Vec<Replacement>,
    /// `proxy_cookie_flags`.
    pub cookie_flags: Vec<CookieFlags>,
}

/// Something that is looked for, and what stands in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Replacement {
    /// What is looked for.
    pub found: Found,
    /// What stands in its place.
    pub with: Template,
}

/// What is looked for in a header's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Text: at the beginning of a URL or a path; a whole domain or name of a cookie, in any case of its
    /// letters.
    Text(Template),
    /// A regular expression. What it matches is replaced with all that stands around it.
    Regex(Regex),
}

/// The flags of cookies.
#[derive(Debug, Clone, PartialEq)]
pub struct CookieFlags {
    /// Their name.
    pub cookie: Found,
    /// `secure`, `nosecure`, `samesite=lax` and their kin; others do nothing.
    pub flags: Vec<Template>,
}
