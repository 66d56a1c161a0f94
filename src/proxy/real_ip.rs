//! The client's address as a proxy in front says it: nginx's realip module.

use super::context::RequestContext;
use crate::model::RealIp;
use http::HeaderValue;
use pingora_proxy::Session;
use std::net::{IpAddr, SocketAddr};

/// Finds the client's address by the settings of the request's place, once for a request. Asked where the
/// site takes it, and again where its location does.
pub(super) fn find(session: &Session, ctx: &mut RequestContext) {
    if !ctx.place().extras.real_ip || ctx.arrival().real_client.is_some() {
        return;
    }
    let settings = &ctx.settings().real_ip;
    let lines = session.req_header().headers.get_all(&*settings.header);
    let connected = ctx.arrival().client().map(|client| client.ip());
    let found = match settings.is_list() {
        true => {
            let lines: Vec<&HeaderValue> = lines.iter().collect();
            through_lines(&lines, connected, settings)
        }
        false => lines.iter().next().and_then(|line| {
            let (_, client) = through(line.as_bytes(), connected, settings);
            client
        }),
    };
    if let Some(client) = found {
        ctx.set_real_client(client);
    }
}

/// How the search through one header line ended.
#[derive(PartialEq)]
enum End {
    /// The line is used up, and what was found last may be a proxy.
    Used,
    /// Here is the client, or nothing that could be read.
    Here,
}

/// Several lines of `X-Forwarded-For` are one list.
fn through_lines(
    lines: &[&HeaderValue],
    connected: Option<IpAddr>,
    settings: &RealIp,
) -> Option<SocketAddr> {
    let mut found: Option<SocketAddr> = None;
    for line in lines.iter().rev() {
        let before = match found {
            Some(proxy) => Some(proxy.ip()),
            None => connected,
        };
        let (end, client) = through(line.as_bytes(), before, settings);
        found = client.or(found);
        if end == End::Here || !settings.recursive {
            break;
        }
    }
    found
}

/// Goes through a list from its end, for as long as the one before is a proxy that is believed.
fn through(list: &[u8], connected: Option<IpAddr>, settings: &RealIp) -> (End, Option<SocketAddr>) {
    let is_separator = |byte: &u8| matches!(byte, b' ' | b',');
    let mut rest = list;
    let mut before = connected;
    let mut found = None;
    loop {
        if !settings.from.iter().any(|proxies| proxies.has(before)) {
            return (End::Here, found);
        }
        let end = rest.iter().rposition(|byte| !is_separator(byte));
        rest = &rest[..end.map_or(0, |end| end + 1)];
        let start = rest.iter().rposition(is_separator).map_or(0, |at| at + 1);
        let Some(client) = address(&rest[start..]) else {
            return (End::Here, found);
        };
        found = Some(client);
        before = Some(client.ip());
        rest = &rest[..start];
        if rest.is_empty() || !settings.recursive {
            return (End::Used, found);
        }
    }
}

/// An address with a port or without, which is 0 then.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let alone = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let alone = alone.unwrap_or(text).parse::<IpAddr>().ok();
    text.parse()
        .ok()
        .or_else(|| alone.map(|ip| SocketAddr::new(ip, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clients;

    fn found(lines: &[&str], recursive: bool) -> Option<String> {
        let network = |text: &str| Clients::Network(text.parse().expect("a network"));
        let settings = RealIp {
            from: vec![network("127.0.0.0/8"), network("10.0.0.0/8")],
            header: "x-forwarded-for".into(),
            recursive,
        };
        let lines: Vec<HeaderValue> = lines
            .iter()
            .map(|line| HeaderValue::from_str(line).expect("a value"))
            .collect();
        let lines: Vec<&HeaderValue> = lines.iter().collect();
        let connected = Some(IpAddr::from([127, 0, 0, 1]));
        through_lines(&lines, connected, &settings).map(|client| client.to_string())
    }

    #[test]
    fn the_last_address_counts_or_the_last_that_is_no_proxy() {
        for (lines, simple, recursive) in [
            (&["1.2.3.4"][..], Some("1.2.3.4:0"), Some("1.2.3.4:0")),
            (&["1.2.3.4:80 , "], Some("1.2.3.4:80"), Some("1.2.3.4:80")),
            (
                &["1.1.1.1, 10.0.0.1"],
                Some("10.0.0.1:0"),
                Some("1.1.1.1:0"),
            ),
            (
                &["2.2.2.2,1.1.1.1,10.0.0.1"],
                Some("10.0.0.1:0"),
                Some("1.1.1.1:0"),
            ),
            (
                &["1.1.1.1", "10.0.0.1"],
                Some("10.0.0.1:0"),
                Some("1.1.1.1:0"),
            ),
            (&["x, 10.0.0.1"], Some("10.0.0.1:0"), Some("10.0.0.1:0")),
            (
                &["10.0.0.2, 10.0.0.1"],
                Some("10.0.0.1:0"),
                Some("10.0.0.2:0"),
            ),
            (&["::1"], Some("[::1]:0"), Some("[::1]:0")),
            (&["[::1]:8"], Some("[::1]:8"), Some("[::1]:8")),
            (&["nobody"], None, None),
            (&[""], None, None),
            (&[", ,"], None, None),
        ] {
            assert_eq!(found(lines, false).as_deref(), simple, "{lines:?}");
            assert_eq!(found(lines, true).as_deref(), recursive, "{lines:?}");
        }
    }
}
