//! What each variable is worth: for a request in flight, and for one that was refused.

mod headers;
mod write;

pub(super) use headers::upstream_port;

use super::compress::Gzip;
use super::context::RequestContext;
use super::files;
use super::passage::Try;
use super::rewrite_answer::cookie_set;
use crate::door::{Arrival, Connection, DoorStream, Fault, Refusal};
use crate::model::{Field, Template, Variable, VariableId};
use crate::runtime::{Values, hostname, render};
use headers::{argument, cookie, field_of, header_value, headers_of, request_port, user};
use http::{HeaderMap, HeaderName, StatusCode, header};
use pingora_core::protocols::l4::ext::TCP_INFO;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::time::{SystemTime, UNIX_EPOCH};
use write::{
    address, binary_address, bytes, display, each, inet, local_time, number, port, protocol,
    random_id, seconds, text, time,
};

/// A request in flight: the source of every variable of headers and log lines.
pub(super) struct Exchange<'a> {
    pub(super) session: &'a Session,
    pub(super) ctx: &'a RequestContext,
    /// The answer's header, where it is known but not yet written.
    pub(super) response: Option<&'a ResponseHeader>,
}

impl<'a> Exchange<'a> {
    /// The request as it is now; the answer, if there is one, is what was written of it.
    pub(super) fn now(session: &'a Session, ctx: &'a RequestContext) -> Self {
        Self {
            session,
            ctx,
            response: None,
        }
    }

    /// The text of a template.
    pub(super) fn rendered(&self, template: &Template) -> Vec<u8> {
        let mut text = Vec::new();
        render(template, self, &mut text);
        text
    }
}

impl Exchange<'_> {
    fn answer(&self) -> Option<&ResponseHeader> {
        self.response.or_else(|| self.session.response_written())
    }

    fn request_headers(&self) -> &HeaderMap {
        &self.session.req_header().headers
    }

    /// The header of the upstream's last answer, as it came.
    fn upstream_headers(&self) -> Option<&HeaderMap> {
        self.ctx.passage.as_ref()?.answer.as_ref()
    }

    fn tries(&self) -> &[Try] {
        self.ctx
            .passage
            .as_ref()
            .map_or(&[], |passage| &passage.tries)
    }

    /// What the client got, with what frames the body, as nginx counts it; an answer that was read ahead
    /// may not have been sent whole.
    fn body_bytes_sent(&self) -> u64 {
        if let Some(before) = self.stream().and_then(DoorStream::before_body) {
            return self.ctx.arrival().bytes_sent().saturating_sub(before);
        }
        let unsent = self.stream().map_or(0, DoorStream::unsent);
        (self.session.as_downstream().body_bytes_sent() as u64).saturating_sub(unsent)
    }

    /// The request's body while it is in memory: what was read whole, or passed on and kept for a
    /// second try.
    fn request_body(&self) -> Option<Cow<'_, [u8]>> {
        let stream = self.stream()?;
        if stream.has_collected() {
            return stream.collected_body().map(Cow::Borrowed);
        }
        let kept = self.session.as_downstream().get_retry_buffer()?;
        let memory = self.ctx.settings().limits.body.memory;
        (kept.len() <= memory).then(|| Cow::Owned(kept.to_vec()))
    }

    fn stream(&self) -> Option<&DoorStream> {
        DoorStream::of(self.session.as_downstream())
    }

    /// `$sent_http_connection`, which is in no header map.
    fn sent_connection(&self) -> &'static str {
        let session = self.session.as_downstream();
        match (session.was_upgraded(), DoorStream::is_kept_alive(session)) {
            (true, _) => "upgrade",
            (false, true) => "keep-alive",
            (false, false) => "close",
        }
    }

    /// Whether the answer's header has it, and the client does not get it.
    fn is_withheld(&self, field: &Field) -> bool {
        let stream = self.stream();
        (field.header()).is_some_and(|name| stream.is_some_and(|stream| stream.withholds(name)))
    }

    fn status(&self) -> Option<StatusCode> {
        self.ctx
            .logged_status
            .or(self.ctx.flow.status)
            .or_else(|| self.answer().map(|answer| answer.status))
            .or(self.ctx.flow.returning)
    }
}

impl Values for Exchange<'_> {
    fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let ctx = self.ctx;
        let headers = self.request_headers();
        match variable {
            Variable::Arg(name) => bytes(argument(ctx.query(), name), out),
            Variable::Args | Variable::QueryString => bytes(ctx.query(), out),
            Variable::IsArgs => {
                let has_some = ctx.query().is_some_and(|query| !query.is_empty());
                text(if has_some { "?" } else { "" }, out)
            }
            Variable::DocumentUri | Variable::Uri => bytes(Some(ctx.path()), out),
            Variable::RequestMethod => match &ctx.flow.method {
                Some(method) => text(method.as_str(), out),
                None => of_arrival(ctx.arrival(), variable, out),
            },
            Variable::BodyBytesSent => number(self.body_bytes_sent(), out),
            Variable::ContentLength => header_value(headers, header::CONTENT_LENGTH, out),
            Variable::ContentType => headers_of(headers, &header::CONTENT_TYPE, out),
            Variable::Cookie(name) => bytes(cookie(headers, name), out),
            Variable::DocumentRoot => files::path::root(self, out),
            Variable::RealpathRoot => files::path::real_root(self, out),
            Variable::RequestFilename => files::path::filename(self, out),
            Variable::GzipRatio => match ctx.gzip.as_ref().and_then(Gzip::ratio) {
                Some(ratio) => display(format_args!("{}.{:02}", ratio / 100, ratio % 100), out),
                None => false,
            },
            Variable::Http(field) => field_of(headers, field, out),
            Variable::IsRequestPort => {
                let port = request_port(&ctx.arrival().line, headers);
                text(if port.is_some() { ":" } else { "" }, out)
            }
            Variable::LimitRate => {
                let rate = self.stream().and_then(DoorStream::rate);
                number(rate.unwrap_or_default(), out)
            }
            Variable::ProxyAddXForwardedFor => {
                if headers_of(headers, &X_FORWARDED_FOR, out) {
                    text(", ", out);
                }
                address(ctx.arrival().client(), out)
            }
            Variable::ProxyHost => match &ctx.passage {
                Some(passage) => text(passage.proxy_host(), out),
                None => false,
            },
            Variable::ProxyPort => match &ctx.passage {
                Some(passage) => text(passage.proxy_port(), out),
                None => false,
            },
            Variable::RemoteUser => bytes(user(headers).as_deref(), out),
            Variable::RequestBody => bytes(self.request_body().as_deref(), out),
            Variable::RequestBodyFile => {
                let file = self.stream().and_then(DoorStream::collected_file);
                bytes(file.map(|file| file.as_os_str().as_bytes()), out)
            }
            Variable::RequestId => text(ctx.request_id.get_or_init(random_id), out),
            Variable::RequestPort => {
                let port = request_port(&ctx.arrival().line, headers);
                bytes(port.or(Some(b"")), out)
            }
            Variable::RequestCompletion => text(if ctx.cut { "" } else { "OK" }, out),
            Variable::SentHttp(field) if field.header() == Some(&header::CONNECTION) => {
                text(self.sent_connection(), out)
            }
            Variable::SentHttp(field) if self.is_withheld(field) => false,
            Variable::SentHttp(field) => match self.answer() {
                Some(answer) => {
                    let start = out.len();
                    let is_there = field_of(&answer.headers, field, out);
                    let stream = self.stream();
                    if let Some(value) = stream.and_then(|stream| stream.stood_for(&out[start..])) {
                        out.truncate(start);
                        out.extend(value);
                    }
                    is_there
                }
                None => false,
            },
            Variable::SentTrailer(name) => {
                let mut separator = "";
                for (_, value) in ctx.trailers.iter().filter(|(known, _)| known == name) {
                    text(separator, out);
                    bytes(Some(value), out);
                    separator = ", ";
                }
                !separator.is_empty()
            }
            Variable::Status => match self.status() {
                Some(status) => number(status.as_u16(), out),
                None => text("000", out),
            },
            Variable::UpstreamCookie(name) => {
                let headers = self.upstream_headers();
                bytes(headers.and_then(|headers| cookie_set(headers, name)), out)
            }
            Variable::UpstreamHttp(field) => match self.upstream_headers() {
                Some(headers) => field_of(headers, field, out),
                None => false,
            },
            Variable::UpstreamAddr => each(self.tries(), out, |one, out| text(one.to.text(), out)),
            Variable::UpstreamBytesReceived => each(self.tries(), out, |one, out| {
                number(one.traffic().map_or(0, |traffic| traffic.received), out)
            }),
            Variable::UpstreamBytesSent => each(self.tries(), out, |one, out| {
                number(one.traffic().map_or(0, |traffic| traffic.sent), out)
            }),
            Variable::UpstreamConnectTime => {
                each(self.tries(), out, |one, out| time(one.connect_time, out))
            }
            Variable::UpstreamHeaderTime => {
                each(self.tries(), out, |one, out| time(one.header_time, out))
            }
            Variable::UpstreamQueueTime => {
                each(self.tries(), out, |one, out| time(one.queue_time, out))
            }
            Variable::UpstreamResponseLength => each(self.tries(), out, |one, out| {
                number(one.response_length, out)
            }),
            Variable::UpstreamResponseTime => {
                each(self.tries(), out, |one, out| time(one.response_time, out))
            }
            Variable::UpstreamStatus => each(self.tries(), out, |one, out| match one.status {
                Some(status) => number(status, out),
                None => text("-", out),
            }),
            _ => of_arrival(ctx.arrival(), variable, out),
        }
    }

    fn write_defined(&self, variable: VariableId, out: &mut Vec<u8>) -> bool {
        let arrival = self.ctx.arrival();
        (arrival.site.defined).write(variable, &arrival.assigned, self, out)
    }

    fn write_group(&self, number: u8, out: &mut Vec<u8>) -> bool {
        bytes(self.ctx.arrival().assigned.group(number), out)
    }
}

/// A request that never became one: what little is known of it, for its log line.
pub(super) struct Refused<'a> {
    pub(super) refusal: &'a Refusal<'a>,
    pub(super) sent: Sent,
}

/// What it got.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sent {
    pub(super) bytes: usize,
    pub(super) of_body: usize,
}

impl Values for Refused<'_> {
    fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        match variable {
            Variable::BodyBytesSent => number(self.sent.of_body, out),
            Variable::BytesSent => number(self.sent.bytes, out),
            Variable::RequestCompletion => text("OK", out),
            Variable::Http(field) => {
                let name = field.header();
                bytes(
                    name.and_then(|name| self.refusal.header(name.as_str())),
                    out,
                )
            }
            // A path that cannot be resolved is there, and empty.
            Variable::DocumentUri | Variable::Uri if self.refusal.fault == Fault::InvalidPath => {
                true
            }
            Variable::Status => number(self.refusal.fault.status(), out),
            _ => of_arrival(&self.refusal.arrival, variable, out),
        }
    }

    fn write_defined(&self, variable: VariableId, out: &mut Vec<u8>) -> bool {
        let arrival = &self.refusal.arrival;
        (arrival.site.defined).write(variable, &arrival.assigned, self, out)
    }

    fn write_group(&self, number: u8, out: &mut Vec<u8>) -> bool {
        bytes(self.refusal.arrival.assigned.group(number), out)
    }
}

/// The values that are known as soon as a request arrives. Every variable that is not among them
/// is named here, so that a new row of the table does not compile until it has a value somewhere.
fn of_arrival(arrival: &Arrival, variable: &Variable, out: &mut Vec<u8>) -> bool {
    let (connection, line) = (&arrival.connection, &arrival.line);
    match variable {
        Variable::Arg(name) => bytes(argument(line.query(), name), out),
        Variable::Args | Variable::QueryString => bytes(line.query(), out),
        Variable::BinaryRemoteAddr => binary_address(arrival.client(), out),
        Variable::BytesSent => number(arrival.bytes_sent(), out),
        Variable::Connection => number(connection.serial, out),
        Variable::ConnectionTime => seconds(connection.started.elapsed(), out),
        Variable::ConnectionRequests => number(connection.requests(), out),
        Variable::DocumentUri | Variable::Uri => bytes(some(line.path()), out),
        Variable::Host => text(&arrival.host, out),
        Variable::Hostname => text(hostname(), out),
        Variable::Http2 => true,
        Variable::Https => text(if connection.secure { "on" } else { "" }, out),
        Variable::IsArgs => {
            let has_some = line.query().is_some_and(|query| !query.is_empty());
            text(if has_some { "?" } else { "" }, out)
        }
        Variable::Msec => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            seconds(now.unwrap_or_default(), out)
        }
        Variable::NginxVersion => text(crate::NGINX_VERSION, out),
        Variable::Pipe => text(if arrival.pipelined { "p" } else { "." }, out),
        Variable::Pid => number(std::process::id(), out),
        Variable::RealipRemoteAddr => address(connection.client_inet(), out),
        Variable::RealipRemotePort => port(connection.client_inet(), out),
        Variable::RemoteAddr => address(arrival.client(), out),
        Variable::RemotePort => port(arrival.client(), out),
        Variable::Request => bytes(some(line.raw()), out),
        Variable::RequestLength => number(arrival.request_length(), out),
        Variable::RequestMethod => bytes(some(line.method()), out),
        Variable::RequestTime => seconds(arrival.started.elapsed(), out),
        // As nginx: of a path that cannot be resolved there is none.
        Variable::RequestUri => bytes(some(line.target()).filter(|_| !line.path().is_empty()), out),
        Variable::Scheme => text(if connection.secure { "https" } else { "http" }, out),
        Variable::ServerAddr => address(inet(connection.server()), out),
        Variable::ServerName => text(&arrival.site.name, out),
        Variable::ServerPort => port(inet(connection.server()), out),
        Variable::ServerProtocol => bytes(Some(protocol(line)), out),
        Variable::TcpinfoRcvSpace => tcp(connection, |tcp| tcp.tcpi_rcv_space, out),
        Variable::TcpinfoRtt => tcp(connection, |tcp| tcp.tcpi_rtt, out),
        Variable::TcpinfoRttvar => tcp(connection, |tcp| tcp.tcpi_rttvar, out),
        Variable::TcpinfoSndCwnd => tcp(connection, |tcp| tcp.tcpi_snd_cwnd, out),
        Variable::TimeIso8601 => local_time("%Y-%m-%dT%H:%M:%S%:z", out),
        Variable::TimeLocal => local_time("%d/%b/%Y:%H:%M:%S %z", out),
        Variable::BodyBytesSent
        | Variable::ContentLength
        | Variable::ContentType
        | Variable::Cookie(_)
        | Variable::DocumentRoot
        | Variable::GzipRatio
        | Variable::Http(_)
        | Variable::IsRequestPort
        | Variable::LimitRate
        | Variable::ProxyAddXForwardedFor
        | Variable::ProxyHost
        | Variable::ProxyPort
        | Variable::RealpathRoot
        | Variable::RemoteUser
        | Variable::RequestCompletion
        | Variable::RequestFilename
        | Variable::RequestBody
        | Variable::RequestBodyFile
        | Variable::RequestId
        | Variable::RequestPort
        | Variable::SentHttp(_)
        | Variable::SentTrailer(_)
        | Variable::SslCipher
        | Variable::SslProtocol
        | Variable::SslServerName
        | Variable::Status
        | Variable::UpstreamAddr
        | Variable::UpstreamBytesReceived
        | Variable::UpstreamBytesSent
        | Variable::UpstreamCacheStatus
        | Variable::UpstreamConnectTime
        | Variable::UpstreamCookie(_)
        | Variable::UpstreamHeaderTime
        | Variable::UpstreamHttp(_)
        | Variable::UpstreamQueueTime
        | Variable::UpstreamResponseLength
        | Variable::UpstreamResponseTime
        | Variable::UpstreamStatus => false,
    }
}

/// What was read of a request that is not whole; what was not is no value.
fn some(read: &[u8]) -> Option<&[u8]> {
    (!read.is_empty()).then_some(read)
}

fn tcp(connection: &Connection, value: impl Fn(&TCP_INFO) -> u32, out: &mut Vec<u8>) -> bool {
    (connection.tcp_info()).is_some_and(|tcp| display(value(&tcp), out))
}

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
