//! Addresses: where to listen, and where servers are.

use crate::model::{ListenAddress, ServerAddress};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;

/// Why text is no address: what nginx says about it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct NotAnAddress {
    pub(super) what: &'static str,
    pub(super) label: &'static str,
}

const INVALID_PORT: NotAnAddress = NotAnAddress {
    what: "invalid port",
    label: "expected a port from 1 to 65535",
};
const INVALID_IPV6: NotAnAddress = NotAnAddress {
    what: "invalid IPv6 address",
    label: "an IPv6 address stands in brackets: `[::1]:80`",
};
const NO_PATH: NotAnAddress = NotAnAddress {
    what: "no path",
    label: "expected `unix:/path/to/socket`",
};
const NO_HOST: NotAnAddress = NotAnAddress {
    what: "no host",
    label: "expected `host:port`, `1.2.3.4:port`, `[::1]:port` or `unix:/path`",
};
const SCHEME: NotAnAddress = NotAnAddress {
    what: "invalid host",
    label: "write only `host:port`, without a scheme or a path",
};
const INVALID_HOST: NotAnAddress = NotAnAddress {
    what: "invalid host",
    label: "expected `host:port`, `1.2.3.4:port`, `[::1]:port` or `unix:/path`",
};
const INVALID_RANGE: NotAnAddress = NotAnAddress {
    what: "invalid port range",
    label: "expected two ports, the smaller one first, such as `8000-8009`",
};
const NOT_FOUND: NotAnAddress = NotAnAddress {
    what: "host not found",
    label: "this name has no address; expected one such as `127.0.0.1:8080`",
};

const NO_NAME_SERVER: NotAnAddress = NotAnAddress {
    what: "invalid host",
    label: "expected the address of a name server, such as `10.0.0.2` or `[::1]:5353`",
};

/// The port of name servers.
const DNS_PORT: u16 = 53;

/// The port where none is written, as in nginx.
const DEFAULT_PORT: u16 = 80;

/// Names of `listen` that were looked up: each once, however often a file says it and however long a
/// resolver takes.
#[derive(Debug, Default)]
pub(in crate::config) struct Names(HashMap<String, Result<Vec<IpAddr>, NotAnAddress>>);

impl Names {
    fn addresses(&mut self, host: &str) -> Result<Vec<IpAddr>, NotAnAddress> {
        if let Some(known) = self.0.get(host) {
            return known.clone();
        }
        let found = look_up(host);
        self.0.insert(host.to_owned(), found.clone());
        found
    }
}

/// Reads the address of a `listen`: several for a range of ports, or a name that has several.
pub(super) fn listen(text: &str, names: &mut Names) -> Result<Vec<ListenAddress>, NotAnAddress> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match path {
            "" => Err(NO_PATH),
            path => Ok(vec![ListenAddress::Unix(path.into())]),
        };
    }
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    if is_digits(text) || range(text).is_some() {
        return Ok(at_ports(&[any], ports(text)?));
    }
    let (host, port_text) = split(text)?;
    let ports = match port_text {
        // Port 0 is the kernel's choice: for tests and for those who ask `Running` which one it is.
        Some("0") => 0..=0,
        Some(text) => ports(text)?,
        None => DEFAULT_PORT..=DEFAULT_PORT,
    };
    let hosts = match host {
        "*" => vec![any],
        host => match bracketed(host) {
            Some(inner) => vec![IpAddr::V6(inner.parse().map_err(|_| INVALID_IPV6)?)],
            None => names.addresses(host)?,
        },
    };
    Ok(at_ports(&hosts, ports))
}

/// Reads the address of a name server: several for a name that has several.
pub(super) fn name_server(text: &str, names: &mut Names) -> Result<Vec<SocketAddr>, NotAnAddress> {
    if text.contains('/') || text.starts_with("unix:") {
        return Err(NO_NAME_SERVER);
    }
    let (host, port_text) = split(text)?;
    let port = port_text.map_or(Ok(DNS_PORT), port)?;
    let hosts = match bracketed(host) {
        Some(inner) => vec![IpAddr::V6(inner.parse().map_err(|_| INVALID_IPV6)?)],
        None => names.addresses(host)?,
    };
    let address = |host| SocketAddr::new(host, port);
    Ok(hosts.into_iter().map(address).collect())
}

/// The addresses of a name, as the system's resolver knows them; an IPv4 address is its own.
fn look_up(host: &str) -> Result<Vec<IpAddr>, NotAnAddress> {
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(vec![address.into()]);
    }
    if !is_name(host) {
        return Err(NOT_FOUND);
    }
    let found = (host, 0).to_socket_addrs().map_err(|_| NOT_FOUND)?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.map(|found| found.ip()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    match addresses.is_empty() {
        true => Err(NOT_FOUND),
        false => Ok(addresses),
    }
}

fn at_ports(hosts: &[IpAddr], ports: RangeInclusive<u16>) -> Vec<ListenAddress> {
    let address = |host: &IpAddr, port| ListenAddress::Inet(SocketAddr::new(*host, port));
    let of_host = |host| ports.clone().map(move |port| address(host, port));
    hosts.iter().flat_map(of_host).collect()
}

/// A port, or two with a dash between.
fn ports(text: &str) -> Result<RangeInclusive<u16>, NotAnAddress> {
    let Some((first, last)) = range(text) else {
        let port = port(text)?;
        return Ok(port..=port);
    };
    let ports = port(first)?..=port(last)?;
    match ports.is_empty() {
        true => Err(INVALID_RANGE),
        false => Ok(ports),
    }
}

fn range(text: &str) -> Option<(&str, &str)> {
    text.split_once('-')
        .filter(|(first, last)| is_digits(first) && is_digits(last))
}

/// Reads the address of a server.
pub(super) fn server(text: &str) -> Result<ServerAddress, NotAnAddress> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match path {
            "" => Err(NO_PATH),
            path => Ok(ServerAddress::Unix(path.to_owned())),
        };
    }
    if text.contains('/') {
        return Err(SCHEME);
    }
    let (host, port_text) = split(text)?;
    let port = port_text.map_or(Ok(DEFAULT_PORT), port)?;
    if let Some(inner) = bracketed(host) {
        let ip: Ipv6Addr = inner.parse().map_err(|_| INVALID_IPV6)?;
        return Ok(ServerAddress::Inet(SocketAddr::new(ip.into(), port)));
    }
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return Ok(ServerAddress::Inet(SocketAddr::new(ip.into(), port)));
    }
    if host.is_empty() {
        return Err(NO_HOST);
    }
    if !is_name(host) {
        return Err(INVALID_HOST);
    }
    let host = host.to_ascii_lowercase();
    Ok(ServerAddress::Name { host, port })
}

/// Splits off what follows the last colon, brackets aside.
fn split(text: &str) -> Result<(&str, Option<&str>), NotAnAddress> {
    if text.starts_with('[') {
        let end = text.find(']').ok_or(INVALID_IPV6)? + 1;
        let (host, rest) = text.split_at(end);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(INVALID_IPV6),
        };
    }
    match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Err(INVALID_IPV6),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn bracketed(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

fn port(text: &str) -> Result<u16, NotAnAddress> {
    let port = text
        .parse()
        .ok()
        .filter(|port| is_digits(text) && *port != 0);
    port.ok_or(INVALID_PORT)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name as resolvers take it; `_` is common in container names.
fn is_name(host: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    // All digits and dots, but no IPv4 address: a typo, not a name.
    let numeric = host
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let labels = host.strip_suffix('.').unwrap_or(host).split('.');
    let mut labels =
        labels.map(|label| (1..=63).contains(&label.len()) && label.bytes().all(valid));
    host.len() <= 253 && !numeric && labels.all(|label| label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_takes_nginx_forms() {
        for (text, shown) in [
            ("80", "0.0.0.0:80"),
            ("*:8080", "0.0.0.0:8080"),
            ("*", "0.0.0.0:80"),
            ("127.0.0.1", "127.0.0.1:80"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]:8080", "[::1]:8080"),
            ("[::]", "[::]:80"),
            ("unix:/run/gapura.sock", "unix:/run/gapura.sock"),
            ("8080-8081", "0.0.0.0:8080 0.0.0.0:8081"),
            ("[::1]:8080-8081", "[::1]:8080 [::1]:8081"),
        ] {
            let addresses = listen(text, &mut Names::default()).map(|addresses| {
                let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                shown.join(" ")
            });
            assert_eq!(addresses, Ok(shown.into()), "{text}");
        }
        for (text, what) in [
            ("no.such.name.invalid:8080", "host not found"),
            ("", "host not found"),
            ("0", "invalid port"),
            ("99999", "invalid port"),
            ("*:+80", "invalid port"),
            ("127.0.0.1:", "invalid port"),
            ("8090-8080", "invalid port range"),
            ("8090-99999", "invalid port"),
            ("my host", "host not found"),
            ("*:8090-8080", "invalid port range"),
            ("::1", "invalid IPv6 address"),
            ("[::1", "invalid IPv6 address"),
            ("[::1]80", "invalid IPv6 address"),
            ("unix:", "no path"),
        ] {
            assert_eq!(
                listen(text, &mut Names::default()).map_err(|error| error.what),
                Err(what),
                "{text}"
            );
        }
    }

    #[test]
    fn servers_may_have_names() {
        for (text, shown) in [
            ("app1:3000", "app1:3000"),
            ("App_1.local", "app_1.local:80"),
            ("1.2.3.4", "1.2.3.4:80"),
            ("[::1]:3000", "[::1]:3000"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
        ] {
            assert_eq!(
                server(text).map(|address| address.to_string()),
                Ok(shown.into()),
                "{text}"
            );
        }
        for (text, what) in [
            ("", "no host"),
            (":80", "no host"),
            ("http://app1:3000", "invalid host"),
            ("app1:3000/x", "invalid host"),
            ("app1:port", "invalid port"),
            ("app1:0", "invalid port"),
            ("127.0.0.1:99999", "invalid port"),
            ("1.2.3.400:80", "invalid host"),
            ("a b:80", "invalid host"),
            ("a..b", "invalid host"),
            ("::1:80", "invalid IPv6 address"),
        ] {
            assert_eq!(
                server(text).map_err(|error| error.what),
                Err(what),
                "{text}"
            );
        }
    }
}
