//! What the error log says of requests, in nginx's words and nginx's form:
//! `*45 message, client: …, server: …, request: "…", upstream: "…", host: "…"`.

use super::context::RequestContext;
use super::error_page::Failure;
use super::values::ip;
use crate::door::Refusal;
use log::{debug, error, info};
use pingora_core::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;
use std::fmt;
use std::io;

/// What was being done when a try failed, in nginx's words.
#[derive(Debug, Clone, Copy)]
pub(super) enum Doing {
    Connecting,
    ReadingHeader,
    ReadingBody,
}

impl Doing {
    /// What is being done now, on a connection that stands.
    pub(super) fn now(ctx: &RequestContext) -> Self {
        let current = ctx
            .passage
            .as_ref()
            .and_then(|passage| passage.tries.last());
        match current {
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
    let tail = Tail {
        ctx,
        upstream: true,
        host: Some(session),
    };
    error!("{}{what} while {doing}{tail}", Serial(ctx));
}

/// No server can be used.
pub(super) fn no_live_upstreams(ctx: &RequestContext) {
    let tail = Tail {
        ctx,
        upstream: true,
        host: None,
    };
    error!(
        "{}no live upstreams while connecting to upstream{tail}",
        Serial(ctx)
    );
}

/// The request declared a body over the limit.
pub(super) fn too_large_declared(ctx: &RequestContext, length: u64) {
    let tail = Tail {
        ctx,
        upstream: false,
        host: None,
    };
    error!(
        "{}client intended to send too large body: {length} bytes{tail}",
        Serial(ctx)
    );
}

/// The request's body grew over the limit.
pub(super) fn too_large_received(ctx: &RequestContext) {
    let (length, tail) = (
        ctx.body_received,
        Tail {
            ctx,
            upstream: false,
            host: None,
        },
    );
    error!(
        "{}client intended to send too large chunked body: {length} bytes{tail}",
        Serial(ctx)
    );
}

/// A router did not decide.
pub(super) fn router_failed(ctx: &RequestContext, cause: &str) {
    error!(
        "{}{cause}{}",
        Serial(ctx),
        Tail {
            ctx,
            upstream: false,
            host: None
        }
    );
}

/// A failure nobody expected.
pub(super) fn internal(ctx: &RequestContext, cause: &Error) {
    error!(
        "{}{cause}{}",
        Serial(ctx),
        Tail {
            ctx,
            upstream: false,
            host: None
        }
    );
}

/// The request ended without a whole answer.
pub(super) fn ended_early(
    session: &Session,
    ctx: &RequestContext,
    cause: &Error,
    failure: Failure,
    begun: bool,
) {
    if ctx.admission.is_none() {
        debug!("a request ended before it was admitted: {cause}");
        return;
    }
    let tail = Tail {
        ctx,
        upstream: ctx.passage.is_some(),
        host: Some(session),
    };
    if *cause.esource() == ErrorSource::Downstream || failure == Failure::ClientClosed {
        let what = if matches!(
            cause.etype(),
            ErrorType::WriteTimedout | ErrorType::ReadTimedout
        ) {
            "client timed out (110: Connection timed out)"
        } else {
            "client prematurely closed connection"
        };
        let when = if begun {
            "while sending to client"
        } else {
            "while waiting for the answer"
        };
        info!("{}{what} {when}{tail}", Serial(ctx));
    } else if begun && *cause.esource() != ErrorSource::Upstream {
        error!("{}{cause}{tail}", Serial(ctx));
    }
}

/// A request that never became one.
pub(super) fn refused(refusal: &Refusal<'_>) {
    let arrival = &refusal.arrival;
    info!(
        "*{} {} while {}, client: {}, server: {}{}",
        arrival.connection.serial,
        refusal.fault,
        refusal.fault.activity(),
        Client(ip(arrival.connection.client())),
        arrival.site.name,
        Request(arrival.line.raw())
    );
}

/// nginx's words for what went wrong with an upstream.
fn upstream_failure(cause: &Error) -> String {
    if let Some(io) = io_error(cause)
        && let Some(code) = io.raw_os_error()
    {
        let call = match cause.etype() {
            ErrorType::ReadError => "recv()",
            ErrorType::WriteError => "send()",
            _ => "connect()",
        };
        return format!("{call} failed ({code}: {})", os_error(code));
    }
    match cause.etype() {
        ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout => {
            "upstream timed out (110: Connection timed out)".into()
        }
        ErrorType::ConnectRefused => "connect() failed (111: Connection refused)".into(),
        ErrorType::ConnectNoRoute => "connect() failed (113: No route to host)".into(),
        ErrorType::ConnectionClosed => "upstream prematurely closed connection".into(),
        ErrorType::InvalidHTTPHeader => format!("upstream sent invalid header ({cause})"),
        _ => cause.to_string(),
    }
}

fn io_error<'a>(cause: &'a Error) -> Option<&'a io::Error> {
    cause.root_cause().downcast_ref::<io::Error>()
}

/// The system's words for an error, without Rust's "(os error N)".
fn os_error(code: i32) -> String {
    let text = io::Error::from_raw_os_error(code).to_string();
    match text.rsplit_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// `*45 `.
struct Serial<'a>(&'a RequestContext);

impl fmt::Display for Serial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "*{} ", self.0.arrival().connection.serial)
    }
}

/// `, client: …, server: …, request: "…", upstream: "…", host: "…"`.
struct Tail<'a> {
    ctx: &'a RequestContext,
    upstream: bool,
    host: Option<&'a Session>,
}

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrival = self.ctx.arrival();
        let client = Client(ip(arrival.connection.client()));
        let request = Request(arrival.line.raw());
        write!(
            f,
            ", client: {client}, server: {}{request}",
            arrival.site.name
        )?;
        if self.upstream
            && let Some(one) = self
                .ctx
                .passage
                .as_ref()
                .and_then(|passage| passage.tries.last())
        {
            let target = String::from_utf8_lossy(arrival.line.target());
            write!(
                f,
                ", upstream: \"http://{}{}\"",
                one.to.text(),
                target.escape_debug()
            )?;
        }
        if let Some(session) = self.host
            && let Some(host) = session.req_header().headers.get(http::header::HOST)
        {
            write!(
                f,
                ", host: \"{}\"",
                String::from_utf8_lossy(host.as_bytes()).escape_debug()
            )?;
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
        write!(
            f,
            ", request: \"{}\"",
            String::from_utf8_lossy(self.0).escape_debug()
        )
    }
}
