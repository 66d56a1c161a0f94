//! The URL that a `proxy_pass` with variables makes: nginx's ngx_parse_url, for what it allows there.

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::net::SocketAddr as UnixAddress;

/// A URL taken apart.
#[derive(Debug)]
pub(super) struct Url<'a> {
    pub(super) host: Host<'a>,
    /// The host as it is written.
    written: &'a str,
    /// The port, if one is written.
    pub(super) port: Option<u16>,
    uri: &'a [u8],
}

/// Where a URL leads.
#[derive(Debug)]
pub(super) enum Host<'a> {
    Name(&'a str),
    Address(std::net::SocketAddr),
    Socket(UnixAddress),
}

/// Why a text is no URL to pass requests to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    what: &'static str,
    is_prefix: bool,
    text: String,
}

impl<'a> Url<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, Mistake> {
        let is_http = |start: &[u8]| start.eq_ignore_ascii_case(SCHEME.as_bytes());
        let rest = match text.split_at_checked(SCHEME.len()) {
            Some((start, rest)) if is_http(start) && !rest.is_empty() => rest,
            _ => {
                return Err(Mistake {
                    what: "invalid URL prefix",
                    is_prefix: true,
                    text: String::from_utf8_lossy(text).into_owned(),
                });
            }
        };
        let mistake = |what| Mistake {
            what,
            is_prefix: false,
            text: String::from_utf8_lossy(rest).into_owned(),
        };
        let unix = rest.split_at_checked(UNIX.len());
        if let Some((start, path)) = unix
            && start.eq_ignore_ascii_case(UNIX.as_bytes())
        {
            return Self::of_socket(path).map_err(mistake);
        }
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
        let (authority, uri) = rest.split_at(end.unwrap_or(rest.len()));
        let authority = std::str::from_utf8(authority).map_err(|_| mistake("invalid host"))?;
        Self::of_authority(authority, uri).map_err(mistake)
    }

    fn of_socket(rest: &'a [u8]) -> Result<Self, &'static str> {
        let end = rest.iter().position(|byte| *byte == b':');
        let (path, uri) = rest.split_at(end.unwrap_or(rest.len()));
        if path.is_empty() {
            return Err("no path in the unix domain socket");
        }
        let path = std::str::from_utf8(path).map_err(|_| "invalid host")?;
        let address = UnixAddress::from_pathname(path);
        Ok(Self {
            host: Host::Socket(address.map_err(|_| "too long path in the unix domain socket")?),
            written: path,
            port: None,
            uri: uri.strip_prefix(b":").unwrap_or(uri),
        })
    }

    fn of_authority(authority: &'a str, uri: &'a [u8]) -> Result<Self, &'static str> {
        let (written, port) = match authority.strip_prefix('[') {
            Some(inner) => {
                let end = inner.find(']').ok_or("invalid host")? + 2;
                let (written, rest) = authority.split_at(end);
                match rest.strip_prefix(':') {
                    None if !rest.is_empty() => return Err("invalid host"),
                    port => (written, port),
                }
            }
            None => match authority.split_once(':') {
                Some((written, port)) => (written, Some(port)),
                None => (authority, None),
            },
        };
        let port = port.map(port_of).transpose()?;
        let at = |ip| Host::Address(std::net::SocketAddr::new(ip, port.unwrap_or(80)));
        let host = match written.strip_prefix('[') {
            Some(inner) => match inner.trim_end_matches(']').parse::<Ipv6Addr>() {
                Ok(ip) => at(ip.into()),
                Err(_) => return Err("invalid IPv6 address"),
            },
            None if written.is_empty() => return Err("no host"),
            None => match written.parse::<Ipv4Addr>() {
                Ok(ip) => at(ip.into()),
                Err(_) => Host::Name(written),
            },
        };
        Ok(Self {
            host,
            written,
            port,
            uri,
        })
    }

    /// What an upstream of the configuration would be called.
    pub(super) fn name(&self) -> Cow<'a, str> {
        match self.host {
            Host::Socket(_) => Cow::Owned(format!("{UNIX}{}", self.written)),
            _ => Cow::Borrowed(self.written),
        }
    }

    /// `$proxy_host`: the port stands in it when it is not the usual one.
    pub(super) fn proxy_host(&self) -> String {
        match (&self.host, self.port) {
            (Host::Socket(_), _) => "localhost".to_owned(),
            (_, None | Some(80)) => self.written.to_owned(),
            (_, Some(port)) => format!("{}:{port}", self.written),
        }
    }

    /// The target that replaces the request's own, if there is one. What cannot stand in a request line
    /// is escaped: nginx would send it as it is, line ends of a client's included.
    pub(super) fn uri(&self) -> Option<Vec<u8>> {
        if self.uri.is_empty() {
            return None;
        }
        let mut uri = Vec::with_capacity(self.uri.len() + 1);
        if self.uri.starts_with(b"?") {
            uri.push(b'/');
        }
        for &byte in self.uri {
            match byte {
                0..=b' ' | b'"' | b'#' | b'<' | b'>' | b'`' | 0x7f => {
                    uri.extend_from_slice(format!("%{byte:02X}").as_bytes());
                }
                _ => uri.push(byte),
            }
        }
        Some(uri)
    }
}

fn port_of(text: &str) -> Result<u16, &'static str> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits && port > 0 => Ok(port),
        _ => Err("invalid port"),
    }
}

/// In nginx's words.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, text) = (self.what, self.text.escape_debug());
        match self.is_prefix {
            true => write!(f, "{what} in \"{text}\""),
            false => write!(f, "{what} in upstream \"{text}\""),
        }
    }
}

const SCHEME: &str = "http://";
const UNIX: &str = "unix:";

#[cfg(test)]
mod tests {
    use super::*;

    /// The name, the port, `$proxy_host` and the URI, or what is wrong.
    fn shown(text: &str) -> String {
        match Url::parse(text.as_bytes()) {
            Ok(url) => {
                let port = url.port.map_or("-".to_owned(), |port| port.to_string());
                let uri = url.uri().unwrap_or_default();
                let uri = String::from_utf8_lossy(&uri);
                format!("{} {port} {} {uri}", url.name(), url.proxy_host())
            }
            Err(mistake) => mistake.to_string(),
        }
    }

    #[test]
    fn urls_are_taken_apart_as_in_nginx() {
        for (text, expected) in [
            ("http://app", "app - app "),
            ("HTTP://App:8080", "App 8080 App:8080 "),
            ("http://app:80/x?y", "app 80 app /x?y"),
            ("http://app?y", "app - app /?y"),
            ("http://app/a:b", "app - app /a:b"),
            ("http://127.0.0.1:81/", "127.0.0.1 81 127.0.0.1:81 /"),
            ("http://[::1]/", "[::1] - [::1] /"),
            ("http://[::1]:81", "[::1] 81 [::1]:81 "),
            ("http://unix:/a/b", "unix:/a/b - localhost "),
            ("http://unix:/a:/b?c", "unix:/a - localhost /b?c"),
            ("http://app/a b\r\nX: y", "app - app /a%20b%0D%0AX:%20y"),
            ("https://app", "invalid URL prefix in \"https://app\""),
            ("http://", "invalid URL prefix in \"http://\""),
            ("app", "invalid URL prefix in \"app\""),
            ("http:///x", "no host in upstream \"/x\""),
            ("http://:80", "no host in upstream \":80\""),
            ("http://app:0", "invalid port in upstream \"app:0\""),
            ("http://app:+1", "invalid port in upstream \"app:+1\""),
            ("http://app:", "invalid port in upstream \"app:\""),
            ("http://[::1", "invalid host in upstream \"[::1\""),
            ("http://[::1]8", "invalid host in upstream \"[::1]8\""),
            ("http://[x]", "invalid IPv6 address in upstream \"[x]\""),
            (
                "http://unix:",
                "no path in the unix domain socket in upstream \"unix:\"",
            ),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
