//! How a request is put into words for an upstream: what of the client's goes along, what replaces
//! it, where it comes from, and which of the answer's headers are not acted on.

use super::Template;

/// `proxy_http_version`: the protocol spoken to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpVersion {
    /// HTTP/1.0: no chunks, and a connection for each request unless the upstream offers to keep it.
    Http10,
    /// HTTP/1.1, nginx's default since 1.29.7.
    #[default]
    Http11,
}

/// The body that an upstream gets.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum PassedBody {
    /// The client's.
    #[default]
    Original,
    /// None: `proxy_pass_request_body off`.
    Nothing,
    /// One of our own: `proxy_set_body`.
    Written(Template),
}

/// A header of an upstream's answer that Gapura acts on, unless `proxy_ignore_headers` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
#[expect(missing_docs, reason = "they are called as the headers are")]
pub enum ActedOn {
    XAccelRedirect = 1,
    XAccelExpires = 1 << 1,
    XAccelLimitRate = 1 << 2,
    XAccelBuffering = 1 << 3,
    XAccelCharset = 1 << 4,
    Expires = 1 << 5,
    CacheControl = 1 << 6,
    SetCookie = 1 << 7,
    Vary = 1 << 8,
}

impl ActedOn {
    /// Every one, by the name that `proxy_ignore_headers` has for it.
    pub const ALL: [(&'static str, Self); 9] = [
        ("X-Accel-Redirect", Self::XAccelRedirect),
        ("X-Accel-Expires", Self::XAccelExpires),
        ("X-Accel-Limit-Rate", Self::XAccelLimitRate),
        ("X-Accel-Buffering", Self::XAccelBuffering),
        ("X-Accel-Charset", Self::XAccelCharset),
        ("Expires", Self::Expires),
        ("Cache-Control", Self::CacheControl),
        ("Set-Cookie", Self::SetCookie),
        ("Vary", Self::Vary),
    ];

    /// The header of this name, in any case of its letters.
    pub fn parse(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter();
        let found = all.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, header)| *header)
    }
}

/// `proxy_ignore_headers`: a set of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IgnoredHeaders(u16);

impl IgnoredHeaders {
    /// Adds a header.
    pub fn insert(&mut self, header: ActedOn) {
        self.0 |= header as u16;
    }

    /// Whether a header is among them.
    pub fn contains(self, header: ActedOn) -> bool {
        self.0 & header as u16 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_header_is_ignored_by_itself() {
        for (name, header) in ActedOn::ALL {
            assert_eq!(ActedOn::parse(&name.to_lowercase()), Some(header));
            let mut ignored = IgnoredHeaders::default();
            ignored.insert(header);
            let others = ActedOn::ALL.iter().filter(|(_, other)| *other != header);
            assert!(ignored.contains(header));
            assert!(
                others
                    .into_iter()
                    .all(|(_, other)| !ignored.contains(*other))
            );
        }
        assert_eq!(ActedOn::parse("X-Accel"), None);
    }
}
