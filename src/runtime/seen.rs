//! Which headers an upstream's answer has, of those that something looks for: found in one walk over its
//! header, because most answers have few of them.

use http::HeaderMap;

/// What was seen in an answer's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen(u16);

impl Seen {
    /// `Connection`.
    pub const CONNECTION: Self = Self(1);
    /// `Keep-Alive`.
    pub const KEEP_ALIVE: Self = Self(1 << 1);
    /// `Proxy-Connection`.
    pub const PROXY_CONNECTION: Self = Self(1 << 2);
    /// `Trailer`.
    pub const TRAILER: Self = Self(1 << 3);
    /// `Upgrade`.
    pub const UPGRADE: Self = Self(1 << 4);
    /// `Transfer-Encoding`.
    pub const TRANSFER_ENCODING: Self = Self(1 << 5);
    /// `Location`.
    pub const LOCATION: Self = Self(1 << 6);
    /// `Refresh`.
    pub const REFRESH: Self = Self(1 << 7);
    /// `Set-Cookie`.
    pub const SET_COOKIE: Self = Self(1 << 8);
    /// Any `X-Accel-`.
    pub const ACCEL: Self = Self(1 << 9);
    /// There are headers of more than one line.
    pub const REPEATED: Self = Self(1 << 10);

    /// `Date`.
    pub const DATE: Self = Self(1 << 11);
    /// `Server`.
    pub const SERVER: Self = Self(1 << 12);
    /// `X-Pad`.
    pub const PAD: Self = Self(1 << 13);
    /// Any other.
    pub const OTHER: Self = Self(1 << 14);

    /// None of them.
    pub const NOTHING: Self = Self(0);
    /// Everything may be there: nobody has looked.
    pub const UNKNOWN: Self = Self(u16::MAX);

    /// What a header has.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut seen = match headers.len() == headers.keys_len() {
            true => Self::NOTHING,
            false => Self::REPEATED,
        };
        for name in headers.keys() {
            seen = seen.or(Self::named(name.as_str()));
        }
        seen
    }

    /// What a header has that is of this name.
    pub fn named(name: &str) -> Self {
        match name {
            "connection" => Self::CONNECTION,
            "date" => Self::DATE,
            "keep-alive" => Self::KEEP_ALIVE,
            "location" => Self::LOCATION,
            "proxy-connection" => Self::PROXY_CONNECTION,
            "refresh" => Self::REFRESH,
            "server" => Self::SERVER,
            "set-cookie" => Self::SET_COOKIE,
            "trailer" => Self::TRAILER,
            "transfer-encoding" => Self::TRANSFER_ENCODING,
            "upgrade" => Self::UPGRADE,
            "x-pad" => Self::PAD,
            _ if name.starts_with("x-accel-") => Self::ACCEL,
            _ => Self::OTHER,
        }
    }

    /// What either has.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether one of these may be there.
    pub fn has(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn what_is_there_is_seen_and_nothing_else() {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_static("1");
        assert_eq!(Seen::of(&headers), Seen::NOTHING);
        headers.append("content-type", value.clone());
        headers.append("x-acceleration", value.clone());
        assert_eq!(Seen::of(&headers), Seen::OTHER);
        headers.append("x-accel-expires", value.clone());
        headers.append("location", value.clone());
        let seen = Seen::of(&headers);
        assert!(seen.has(Seen::ACCEL) && seen.has(Seen::LOCATION));
        assert!(!seen.has(Seen::REFRESH) && !seen.has(Seen::REPEATED));
        headers.append("location", value);
        assert!(Seen::of(&headers).has(Seen::REPEATED));
        assert!(Seen::UNKNOWN.has(Seen::TRAILER));
    }
}
