//! What the error log says of requests, in nginx's words and nginx's form:
//! `*45 message, client: …, server: …, request: "…", upstream: "…", host: "…"`.

use super::context::RequestContext;
use super::failure::{Failure, has_begun};
use super::request;
use super::target::Mistake;
use crate::door::{DoorStream, Fault, Refusal};
use crate::model::Level;
use crate::os_error::{self, OsError};
use crate::runtime::{GaveUp, dns};
use http::HeaderValue;
use log::debug;
use pingora_core::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;
use std::fmt::{self, Write};
use std::io;

/// What was being done when a try failed, in nginx's words.
#[derive(Debug, Clone, Copy)]
pub(super) enum Doing {
    Connecting,
    ReadingHeader,
    ReadingBody,
    /// What came after a 101.
    ProxyingUpgraded,
}

impl Doing {
    /// What is being done now, on a connection that stands.
    pub(super) fn now(ctx: &RequestContext) -> Self {
        let current = ctx
            .passage
            .as_ref()
            .and_then(|passage| passage.tries.last());
        match current {
            Some(one) if one.status == Some(101) => Self::ProxyingUpgraded,
            Some(one) if one.header_time.is_some() => Self::ReadingBody,
            _ => Self::ReadingHeader,
        }
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting to upstream",
            Self::ReadingHeader => "reading response header from upstream",
            Self::ReadingBody => "reading upstream",
            Self::ProxyingUpgraded => "proxying upgraded connection",
        })
    }
}

/// A try failed.
pub(super) fn upstream_failed(
    session: &Session,
    ctx: &RequestContext,
    cause: &Error,
    doing: Doing,
) {
    let what = upstream_failure(cause);
    // As nginx: that is how most of these connections end.
    let level = match doing {
        Doing::ProxyingUpgraded => Level::Info,
        _ => Level::Error,
    };
    say(level, session, ctx, &format_args!("{what} while {doing}"));
    say(Level::Debug, session, ctx, &Short(cause));
}

/// A failed try took its server out.
pub(super) fn server_disabled(session: &Session, ctx: &RequestContext) {
    let what = "upstream server temporarily disabled while connecting to upstream";
    say(Level::Warn, session, ctx, &what);
}

/// No server can be used.
pub(super) fn no_live_upstreams(session: &Session, ctx: &RequestContext) {
    let what = "no live upstreams while connecting to upstream";
    say(Level::Error, session, ctx, &what);
}

/// A `proxy_pass` with variables says something that is no URL.
pub(super) fn invalid_proxy_pass(session: &Session, ctx: &RequestContext, mistake: &Mistake) {
    say(Level::Error, session, ctx, mistake);
}

/// A name is only known at run time, and nobody is asked for its addresses.
pub(super) fn no_resolver(session: &Session, ctx: &RequestContext, host: &str) {
    let what = format_args!("no resolver defined to resolve {}", host.escape_debug());
    say(Level::Error, session, ctx, &what);
}

/// A name has no address.
pub(super) fn not_resolved(
    session: &Session,
    ctx: &RequestContext,
    host: &str,
    failure: dns::Failure,
) {
    let host = host.escape_debug();
    let what = format_args!("{host} could not be resolved ({failure})");
    say(Level::Error, session, ctx, &what);
}

/// `proxy_bind` says something that is no address.
pub(super) fn invalid_local_address(session: &Session, ctx: &RequestContext, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let what = format_args!("invalid local address \"{}\"", text.escape_debug());
    say(Level::Error, session, ctx, &what);
}

/// `allow` and `deny` keep the client out.
pub(super) fn access_forbidden(session: &Session, ctx: &RequestContext) {
    say(Level::Error, session, ctx, &"access forbidden by rule");
}

/// The request declared a body over the limit.
pub(super) fn too_large_declared(session: &Session, ctx: &RequestContext, length: u64) {
    let what = format_args!("client intended to send too large body: {length} bytes");
    say(Level::Error, session, ctx, &what);
}

/// The request's body grew over the limit.
pub(super) fn too_large_received(session: &Session, ctx: &RequestContext, length: u64) {
    let what = format_args!("client intended to send too large chunked body: {length} bytes");
    say(Level::Error, session, ctx, &what);
}

/// A regular expression took too long.
pub(super) fn gave_up(session: &Session, ctx: &RequestContext, cause: &GaveUp) {
    let what = format_args!("pcre2_match() failed: {}", cause.0);
    say(Level::Error, session, ctx, &what);
}

/// Rewrites or redirects inside follow each other without end.
pub(super) fn cycle(session: &Session, ctx: &RequestContext) {
    let path = String::from_utf8_lossy(ctx.path());
    let path = path.escape_debug();
    let what = format_args!("rewrite or internal redirection cycle while processing \"{path}\"");
    say(Level::Error, session, ctx, &what);
}

/// A `rewrite` left nothing.
pub(super) fn empty_rewrite(session: &Session, ctx: &RequestContext) {
    say(
        Level::Error,
        session,
        ctx,
        &"the rewritten URI has a zero length",
    );
}

/// There is no location of this name.
pub(super) fn no_named_location(session: &Session, ctx: &RequestContext, name: &[u8]) {
    let name = String::from_utf8_lossy(name);
    let what = format_args!("could not find named location \"@{}\"", name.escape_debug());
    say(Level::Error, session, ctx, &what);
}

/// An error's page is a location with a name, but the error was in the path.
pub(super) fn named_location_without_path(session: &Session, ctx: &RequestContext) {
    let what = "empty URI in redirect to named location";
    say(Level::Error, session, ctx, &what);
}

/// The request's body did not fit its memory.
pub(super) fn body_in_file(session: &Session, ctx: &RequestContext) {
    let stream = DoorStream::of(session.as_downstream());
    if let Some(file) = stream.and_then(DoorStream::collected_file) {
        let what = format_args!(
            "a client request body is buffered to a temporary file {}",
            file.display()
        );
        say(Level::Warn, session, ctx, &what);
    }
}

/// A router did not decide, or decided something that cannot be done.
pub(super) fn router_failed(session: &Session, ctx: &RequestContext, cause: &str) {
    say(Level::Error, session, ctx, &cause.escape_debug());
}

/// Something is wrong with a file.
pub(super) fn file(session: &Session, ctx: &RequestContext, what: &dyn fmt::Display) {
    say(Level::Error, session, ctx, what);
}

/// The system refused a file: `open() "/srv/x" failed (2: No such file or directory)`.
pub(super) fn file_failed(
    session: &Session,
    ctx: &RequestContext,
    call: &str,
    name: &str,
    cause: &io::Error,
) {
    let name = name.escape_debug();
    let what = format_args!("{call} \"{name}\" failed ({})", OsError(cause));
    file(session, ctx, &what);
}

/// A failure nobody expected.
pub(super) fn internal(session: &Session, ctx: &RequestContext, cause: &Error) {
    say(Level::Error, session, ctx, &Short(cause));
}

/// The request ended without a whole answer.
pub(super) fn ended_early(
    session: &Session,
    ctx: &RequestContext,
    cause: &Error,
    failure: Failure,
) {
    if ctx.admission.is_none() {
        debug!("a request ended before it was admitted: {}", Short(cause));
        return;
    }
    let begun = has_begun(session);
    if *cause.esource() == ErrorSource::Downstream || failure == Failure::ClientClosed {
        let what = match cause.etype() {
            ErrorType::WriteTimedout | ErrorType::ReadTimedout => {
                "client timed out (110: Connection timed out)"
            }
            _ => "client prematurely closed connection",
        };
        let when = if begun {
            "while sending to client"
        } else {
            "while waiting for the answer"
        };
        say(Level::Info, session, ctx, &format_args!("{what} {when}"));
    } else if begun && *cause.esource() != ErrorSource::Upstream {
        say(Level::Error, session, ctx, &Short(cause));
    }
}

/// A request that never became one. nginx has these at its level info.
pub(super) fn refused(refusal: &Refusal<'_>) {
    let arrival = &refusal.arrival;
    let fault = refusal.fault.to_string();
    let previous = match &refusal.fault {
        Fault::DuplicateHost(_) => refusal.header_line("host"),
        Fault::DuplicateHeader(line) => {
            (line.split_once(':')).and_then(|(name, _)| refusal.header_line(name))
        }
        _ => None,
    };
    let line = format_args!(
        "*{} {}{} while {}, client: {}, server: {}{}{}",
        arrival.connection.serial,
        Shown(fault.as_bytes()),
        Previous(previous),
        refusal.fault.activity(),
        Client(arrival.client().map(|client| client.ip())),
        arrival.site.name,
        Request(arrival.line.raw()),
        From {
            host: refusal.header("host"),
            referrer: refusal.header("referer"),
        }
    );
    (arrival.site.fallback().error_log).write(Level::Info, line);
}

/// Writes a line to the error logs of the request's place.
fn say(level: Level, session: &Session, ctx: &RequestContext, message: &dyn fmt::Display) {
    let line = Line(session, ctx, message);
    ctx.place().error_log.write(level, line);
}

/// nginx's words for what went wrong with an upstream.
fn upstream_failure(cause: &Error) -> String {
    if let Some(io) = io_error(cause)
        && io.raw_os_error().is_some()
    {
        let call = match cause.etype() {
            ErrorType::ReadError => "recv()",
            ErrorType::WriteError => "send()",
            _ => "connect()",
        };
        return format!("{call} failed ({})", OsError(io));
    }
    match cause.etype() {
        ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout => {
            "upstream timed out (110: Connection timed out)".into()
        }
        ErrorType::ConnectRefused => "connect() failed (111: Connection refused)".into(),
        ErrorType::ConnectNoRoute => "connect() failed (113: No route to host)".into(),
        ErrorType::ConnectionClosed => "upstream prematurely closed connection".into(),
        ErrorType::InvalidHTTPHeader => "upstream sent invalid header".into(),
        _ => Short(cause).to_string(),
    }
}

/// The system's error at the bottom of a request's, if there is one.
pub(super) fn io_error(cause: &Error) -> Option<&io::Error> {
    os_error::find(cause.root_cause())
}

/// An error in at most this many characters and without line ends: Pingora's may hold the whole
/// of what a peer sent.
struct Short<'a>(&'a Error);

const LONGEST: usize = 300;

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let cut: String = text.chars().take(LONGEST).collect();
        write!(f, "{}", cut.escape_debug())?;
        if cut.len() < text.len() {
            f.write_str("...")
        } else {
            Ok(())
        }
    }
}

/// `*45 message, client: …, server: …, request: "…", upstream: "…", host: "…"`.
struct Line<'a>(&'a Session, &'a RequestContext, &'a dyn fmt::Display);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(session, ctx, message) = self;
        let arrival = ctx.arrival();
        let client = Client(arrival.client().map(|client| client.ip()));
        let request = Request(arrival.line.raw());
        write!(
            f,
            "*{} {message}, client: {client}",
            arrival.connection.serial
        )?;
        write!(f, ", server: {}{request}", arrival.site.name)?;
        if let Some(passage) = &ctx.passage
            && let Some(one) = passage.tries.last()
        {
            let to = one.to.text();
            let colon = if to.starts_with("unix:") { ":" } else { "" };
            let target = request::target(passage, session.req_header(), ctx);
            write!(f, ", upstream: \"http://{to}{colon}{}\"", Shown(&target))?;
        }
        let header = |name| session.req_header().headers.get(name);
        let from = From {
            host: header(http::header::HOST).map(HeaderValue::as_bytes),
            referrer: header(http::header::REFERER).map(HeaderValue::as_bytes),
        };
        write!(f, "{from}")
    }
}

/// `, host: "…", referrer: "…"`, as the client sent them.
struct From<'a> {
    host: Option<&'a [u8]>,
    referrer: Option<&'a [u8]>,
}

impl fmt::Display for From<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = self.host {
            write!(f, ", host: \"{}\"", Shown(host))?;
        }
        match self.referrer {
            Some(referrer) => write!(f, ", referrer: \"{}\"", Shown(referrer)),
            None => Ok(()),
        }
    }
}

/// The header line that another came after.
struct Previous<'a>(Option<(&'a [u8], &'a [u8])>);

impl fmt::Display for Previous<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((name, value)) => {
                write!(f, ", previous value: \"{}: {}\"", Shown(name), Shown(value))
            }
            None => Ok(()),
        }
    }
}

/// What a client sent, as nginx writes it, except that nobody can begin a line of his own.
struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.utf8_chunks() {
            for character in part.valid().chars() {
                match character {
                    control if control.is_control() => write!(f, "\\x{:02X}", control as u32)?,
                    other => f.write_char(other)?,
                }
            }
            for byte in part.invalid() {
                write!(f, "\\x{byte:02X}")?;
            }
        }
        Ok(())
    }
}

struct Client(Option<std::net::IpAddr>);

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(ip) => write!(f, "{ip}"),
            None => f.write_str("unix:"),
        }
    }
}

struct Request<'a>(&'a [u8]);

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, ", request: \"{}\"", Shown(self.0))
    }
}
