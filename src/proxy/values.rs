//! What each variable is worth for a request.

use super::context::{RequestContext, Try};
use crate::door::{Refusal, RequestLine};
use crate::model::Variable;
use crate::runtime::Values;
use http::{HeaderMap, StatusCode, header};
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::io::Write;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A request in flight: the source of every variable of headers and log lines.
pub(super) struct Exchange<'a> {
    pub(super) session: &'a Session,
    pub(super) ctx: &'a RequestContext,
    /// The answer's header, where it is known but not yet written.
    pub(super) response: Option<&'a ResponseHeader>,
}

impl Exchange<'_> {
    fn answer(&self) -> Option<&ResponseHeader> {
        self.response.or_else(|| self.session.response_written())
    }

    fn request_headers(&self) -> &HeaderMap {
        &self.session.req_header().headers
    }

    fn tries(&self) -> &[Try] {
        self.ctx
            .passage
            .as_ref()
            .map_or(&[], |passage| &passage.tries)
    }

    fn status(&self) -> Option<StatusCode> {
        self.ctx
            .logged_status
            .or_else(|| self.answer().map(|answer| answer.status))
    }
}

impl Values for Exchange<'_> {
    fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let ctx = self.ctx;
        let arrival = ctx.arrival();
        let connection = &arrival.connection;
        match variable {
            Variable::Args | Variable::QueryString => bytes(arrival.line.query(), out),
            Variable::Arg(name) => bytes(argument(arrival.line.query(), name), out),
            Variable::BodyBytesSent => display(self.session.as_downstream().body_bytes_sent(), out),
            Variable::BytesSent => display(arrival.bytes_sent(), out),
            Variable::Connection => display(connection.serial, out),
            Variable::ConnectionRequests => display(connection.requests(), out),
            Variable::ContentLength => {
                header_value(self.request_headers(), header::CONTENT_LENGTH, out)
            }
            Variable::ContentType => {
                header_value(self.request_headers(), header::CONTENT_TYPE, out)
            }
            Variable::Cookie(name) => bytes(cookie(self.request_headers(), name), out),
            Variable::DocumentUri | Variable::Uri => bytes(Some(arrival.line.path()), out),
            Variable::Host => text(&arrival.host, out),
            Variable::Hostname => text(hostname(), out),
            Variable::Http(name) => headers_of(self.request_headers(), name, out),
            Variable::Https => connection.secure && text("on", out),
            Variable::IsArgs => arrival.line.query().is_some() && text("?", out),
            Variable::IsRequestPort => {
                request_port(self.request_headers()).is_some() && text(":", out)
            }
            Variable::RequestPort => bytes(request_port(self.request_headers()), out),
            Variable::Msec => {
                let now = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                seconds(now, out)
            }
            Variable::NginxVersion => text(crate::NGINX_VERSION, out),
            Variable::Pid => display(std::process::id(), out),
            Variable::ProxyAddXForwardedFor => {
                let known = headers_of(self.request_headers(), "x_forwarded_for", out);
                if known {
                    text(", ", out);
                }
                address(connection.client(), out)
            }
            Variable::ProxyHost => match &ctx.passage {
                Some(passage) => text(passage.upstream.name(), out),
                None => false,
            },
            Variable::RemoteAddr => address(connection.client(), out),
            Variable::RemotePort => port(connection.client(), out),
            Variable::RemoteUser => bytes(user(self.request_headers()).as_deref(), out),
            Variable::Request => bytes(Some(arrival.line.raw()), out),
            Variable::RequestId => text(ctx.request_id.get_or_init(random_id), out),
            Variable::RequestLength => display(arrival.request_length(), out),
            Variable::RequestMethod => text(self.session.req_header().method.as_str(), out),
            Variable::RequestTime => seconds(arrival.started.elapsed(), out),
            Variable::RequestUri => bytes(Some(arrival.line.target()), out),
            Variable::Scheme => text(if connection.secure { "https" } else { "http" }, out),
            Variable::SentHttp(name) => match self.answer() {
                Some(answer) => headers_of(&answer.headers, name, out),
                None => false,
            },
            Variable::ServerAddr => address(connection.server(), out),
            Variable::ServerName => text(&arrival.site.name, out),
            Variable::ServerPort => port(connection.server(), out),
            Variable::ServerProtocol => bytes(Some(protocol(&arrival.line)), out),
            Variable::Status => match self.status() {
                Some(status) => display(status.as_u16(), out),
                None => text("000", out),
            },
            Variable::TimeIso8601 => local_time("%Y-%m-%dT%H:%M:%S%:z", out),
            Variable::TimeLocal => local_time("%d/%b/%Y:%H:%M:%S %z", out),
            Variable::UpstreamAddr => each(self.tries(), out, |one, out| text(one.to.text(), out)),
            Variable::UpstreamConnectTime => {
                each(self.tries(), out, |one, out| time(one.connect_time, out))
            }
            Variable::UpstreamHeaderTime => {
                each(self.tries(), out, |one, out| time(one.header_time, out))
            }
            Variable::UpstreamHttp(name) => match self.answer() {
                Some(answer) if !self.tries().is_empty() => headers_of(&answer.headers, name, out),
                _ => false,
            },
            Variable::UpstreamResponseLength => each(self.tries(), out, |one, out| {
                display(one.response_length, out)
            }),
            Variable::UpstreamResponseTime => {
                each(self.tries(), out, |one, out| time(one.response_time, out))
            }
            Variable::UpstreamStatus => each(self.tries(), out, |one, out| match one.status {
                Some(status) => display(status, out),
                None => text("-", out),
            }),
        }
    }
}

/// A request that never became one: what little is known of it, for its log line.
pub(super) struct Refused<'a>(pub(super) &'a Refusal<'a>);

impl Values for Refused<'_> {
    fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let (refusal, arrival) = (self.0, &self.0.arrival);
        let connection = &arrival.connection;
        match variable {
            Variable::Connection => display(connection.serial, out),
            Variable::ConnectionRequests => display(connection.requests(), out),
            Variable::Hostname => text(hostname(), out),
            Variable::Host | Variable::ServerName => text(&arrival.site.name, out),
            Variable::RemoteAddr => address(connection.client(), out),
            Variable::RemotePort => port(connection.client(), out),
            Variable::Request => bytes(Some(arrival.line.raw()), out),
            Variable::RequestLength => display(arrival.request_length(), out),
            Variable::RequestTime => seconds(arrival.started.elapsed(), out),
            Variable::Scheme => text(if connection.secure { "https" } else { "http" }, out),
            Variable::ServerAddr => address(connection.server(), out),
            Variable::ServerPort => port(connection.server(), out),
            Variable::Status => display(refusal.fault.status(), out),
            Variable::BodyBytesSent | Variable::BytesSent => text("0", out),
            Variable::Msec => seconds(
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default(),
                out,
            ),
            Variable::NginxVersion => text(crate::NGINX_VERSION, out),
            Variable::Pid => display(std::process::id(), out),
            Variable::TimeIso8601 => local_time("%Y-%m-%dT%H:%M:%S%:z", out),
            Variable::TimeLocal => local_time("%d/%b/%Y:%H:%M:%S %z", out),
            _ => false,
        }
    }
}

fn text(value: &str, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value.as_bytes());
    true
}

fn bytes(value: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}

fn display(value: impl std::fmt::Display, out: &mut Vec<u8>) -> bool {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{value}");
    true
}

/// nginx's times: seconds with three digits.
fn seconds(value: Duration, out: &mut Vec<u8>) -> bool {
    display(
        format_args!("{}.{:03}", value.as_secs(), value.subsec_millis()),
        out,
    )
}

fn time(value: Option<Duration>, out: &mut Vec<u8>) -> bool {
    match value {
        Some(value) => seconds(value, out),
        None => text("-", out),
    }
}

/// The IP address of one end of a connection; `None` on a Unix socket.
pub(super) fn ip(end: Option<&SocketAddr>) -> Option<IpAddr> {
    end.and_then(SocketAddr::as_inet)
        .map(std::net::SocketAddr::ip)
}

fn address(end: Option<&SocketAddr>, out: &mut Vec<u8>) -> bool {
    match ip(end) {
        Some(ip) => display(ip, out),
        // nginx's word for the other end of a Unix socket.
        None => text("unix:", out),
    }
}

fn port(end: Option<&SocketAddr>, out: &mut Vec<u8>) -> bool {
    end.and_then(SocketAddr::as_inet)
        .is_some_and(|inet| display(inet.port(), out))
}

/// The protocol as the client wrote it; HTTP/0.9 has none.
fn protocol(line: &RequestLine) -> &[u8] {
    match line.protocol() {
        b"" => b"HTTP/0.9",
        written => written,
    }
}

fn each(
    tries: &[Try],
    out: &mut Vec<u8>,
    mut value: impl FnMut(&Try, &mut Vec<u8>) -> bool,
) -> bool {
    for (index, one) in tries.iter().enumerate() {
        if index > 0 {
            text(", ", out);
        }
        value(one, out);
    }
    !tries.is_empty()
}

fn header_value(headers: &HeaderMap, name: header::HeaderName, out: &mut Vec<u8>) -> bool {
    bytes(headers.get(name).map(|value| value.as_bytes()), out)
}

/// A header by a variable's name: `user_agent` is `User-Agent`. Several lines are joined with ", "
/// (cookies with "; "), as nginx does.
fn headers_of(headers: &HeaderMap, name: &str, out: &mut Vec<u8>) -> bool {
    let mut dashed = [0_u8; 64];
    let Some(dashed) = dashed.get_mut(..name.len()) else {
        return false;
    };
    for (to, from) in dashed.iter_mut().zip(name.bytes()) {
        *to = if from == b'_' { b'-' } else { from };
    }
    let Ok(name) = header::HeaderName::from_lowercase(dashed) else {
        return false;
    };
    let separator = if name == header::COOKIE { "; " } else { ", " };
    let mut found = false;
    for value in headers.get_all(name) {
        if found {
            text(separator, out);
        }
        out.extend_from_slice(value.as_bytes());
        found = true;
    }
    found
}

/// The port of the Host header. The door has put the host of an absolute URI there.
fn request_port(headers: &HeaderMap) -> Option<&[u8]> {
    let host = headers.get(header::HOST)?.as_bytes();
    let colon = host.iter().rposition(|byte| *byte == b':')?;
    let port = &host[colon + 1..];
    (!port.is_empty() && port.iter().all(u8::is_ascii_digit)).then_some(port)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let lines = headers
        .get_all(header::COOKIE)
        .into_iter()
        .map(|line| line.as_bytes());
    lines
        .flat_map(|line| line.split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter_map(|pair| {
            pair.iter()
                .position(|byte| *byte == b'=')
                .map(|at| pair.split_at(at))
        })
        .find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| &value[1..])
}

fn argument<'a>(query: Option<&'a [u8]>, name: &str) -> Option<&'a [u8]> {
    query?
        .split(|byte| *byte == b'&')
        .filter_map(|pair| {
            pair.iter()
                .position(|byte| *byte == b'=')
                .map(|at| pair.split_at(at))
        })
        .find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| &value[1..])
}

/// The user name of Basic authentication.
fn user(headers: &HeaderMap) -> Option<Vec<u8>> {
    use base64::Engine;
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let mut decoded = base64::engine::general_purpose::STANDARD
        .decode(encoded.trim_ascii())
        .ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    decoded.truncate(colon);
    Some(decoded)
}

fn random_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// This machine's name, asked once.
fn hostname() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        std::fs::read_to_string("/proc/sys/kernel/hostname")
            .map(|name| name.trim().to_owned())
            .unwrap_or_default()
    })
}

/// Local time, formatted once a second for each thread and format.
fn local_time(format: &'static str, out: &mut Vec<u8>) -> bool {
    use std::cell::RefCell;
    thread_local! {
        static CACHE: RefCell<Vec<(&'static str, i64, String)>> = const { RefCell::new(Vec::new()) };
    }
    let now = jiff::Timestamp::now().as_second();
    CACHE.with_borrow_mut(|cache| {
        let at = match cache.iter().position(|(known, ..)| *known == format) {
            Some(at) => at,
            None => {
                cache.push((format, i64::MIN, String::new()));
                cache.len() - 1
            }
        };
        let (_, second, text) = &mut cache[at];
        if *second != now {
            *second = now;
            *text = jiff::Zoned::now().strftime(format).to_string();
        }
        out.extend_from_slice(text.as_bytes());
    });
    true
}
