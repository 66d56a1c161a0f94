//! Pingora's health checks, made from the configuration's, and why they failed in one line.

use crate::model::{CheckKind, HealthCheck as Settings};
use crate::os_error::{self, OsError};
use pingora::http::RequestHeader;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::{Error, ErrorType, Result};
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::{HealthCheck, HttpHealthCheck, TcpHealthCheck};
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

/// One check, ready to be run against the addresses of a server.
#[derive(Clone)]
pub(super) enum Probe {
    /// A connection can be opened.
    Tcp(Arc<TcpHealthCheck>),
    /// A request gets an expected answer.
    Http(Arc<HttpHealthCheck>),
    /// The check cannot be made from what the configuration says, so that it never passes.
    Impossible(Arc<str>),
}

/// Makes probes. Every TCP check is the same one: a connector of Pingora's loads the system's
/// certificates, which thousands of upstreams need not do each.
#[derive(Default)]
pub(super) struct Probes {
    tcp: OnceLock<Arc<TcpHealthCheck>>,
}

impl Probes {
    /// The probe of a server that the configuration writes like this. Time is not its affair.
    pub(super) fn probe(&self, settings: &Settings, server: &str) -> Probe {
        match &settings.kind {
            CheckKind::Tcp => Probe::Tcp(Arc::clone(self.tcp.get_or_init(|| {
                let mut check = TcpHealthCheck::default();
                check.peer_template.options.connection_timeout = None;
                Arc::new(check)
            }))),
            CheckKind::Http {
                path,
                host,
                statuses,
            } => {
                let unix = server.starts_with("unix:");
                let own = if unix { "localhost" } else { server };
                match http(path, host.as_deref().unwrap_or(own), statuses) {
                    Ok(check) => Probe::Http(Arc::new(check)),
                    Err(error) => Probe::Impossible(reason(&error).into()),
                }
            }
        }
    }
}

impl Probe {
    /// Runs the check once.
    ///
    /// # Errors
    /// Why it failed.
    pub(super) async fn run(&self, target: &Backend) -> Result<(), String> {
        let result = match self {
            Self::Tcp(check) => check.check(target).await,
            Self::Http(check) => check.check(target).await,
            Self::Impossible(reason) => return Err(reason.to_string()),
        };
        result.map_err(|error| reason(&error))
    }
}

fn http(path: &str, host: &str, statuses: &[RangeInclusive<u16>]) -> Result<HttpHealthCheck> {
    // No certificates, for the check does not speak TLS.
    let mut options = ConnectorOptions::new(1);
    options.ca_file = Some("/dev/null".to_owned());
    let mut check = HttpHealthCheck::new_custom("", false, Connector::new(Some(options)));
    check.peer_template.options.connection_timeout = None;
    check.peer_template.options.read_timeout = None;
    check.req = RequestHeader::build("GET", path.as_bytes(), None)?;
    check.req.append_header("Host", host)?;
    check.req.append_header("User-Agent", USER_AGENT)?;
    check.req.append_header("Connection", "close")?;
    let statuses = statuses.to_vec();
    check.validator = Some(Box::new(move |response| {
        let status = response.status.as_u16();
        if statuses.iter().any(|range| range.contains(&status)) {
            return Ok(());
        }
        let expected: Vec<_> = statuses.iter().map(range_text).collect();
        let context = format!("answered {status}, expected {}", expected.join(", "));
        Error::e_explain(ErrorType::Custom(UNEXPECTED_STATUS), context)
    }));
    Ok(check)
}

fn range_text(range: &RangeInclusive<u16>) -> String {
    let (first, last) = range.clone().into_inner();
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

/// The error in the words of nginx where it has some, without what the log line says already.
fn reason(error: &Error) -> String {
    if let ErrorType::Custom(UNEXPECTED_STATUS) = error.etype
        && let Some(context) = &error.context
    {
        return context.as_str().to_owned();
    }
    let error = innermost(error);
    let action = match &error.etype {
        ErrorType::ConnectTimedout
        | ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectError => "connect() failed",
        other => other.as_str(),
    };
    let cause = error.cause.as_deref();
    let cause = cause.and_then(|cause| os_error::find(cause));
    let cause = cause.filter(|cause| cause.raw_os_error().is_some());
    match (cause, &error.context) {
        (Some(cause), _) => format!("{action} ({})", OsError(cause)),
        (None, Some(context)) => format!("{action}: {}", context.as_str()),
        (None, None) => action.to_owned(),
    }
}

/// The error that the others were wrapped around: what they add is where it happened, at length.
fn innermost(error: &Error) -> &Error {
    let cause = error.cause.as_deref();
    let wrapped = cause.and_then(|cause| cause.downcast_ref::<Box<Error>>());
    wrapped.map_or(error, |wrapped| innermost(wrapped))
}

const UNEXPECTED_STATUS: &str = "unexpected status";
const USER_AGENT: &str = concat!("gapura/", env!("CARGO_PKG_VERSION"), " (health check)");
