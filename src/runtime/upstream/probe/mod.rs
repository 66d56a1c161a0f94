//! Checks that are ready to be run, and why they failed in one line. TCP's is Pingora's own.

mod expected;
mod grpc;
mod http;

use crate::model::{CheckKind, CheckTimes, HealthCheck as Settings, Template};
use crate::os_error::{self, OsError};
use crate::runtime::connector::Connector as Opener;
use crate::runtime::{Defined, render};
use expected::CheckValues;
use grpc::GrpcProbe;
use http::HttpProbe;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::upstreams::peer::{HttpPeer, PeerOptions, Scheme};
use pingora_core::{Error, ErrorType};
use pingora_load_balancing::health_check::{HealthCheck, TcpHealthCheck};
use pingora_load_balancing::{Backend, Extensions};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// One check, ready to be run against the addresses of servers.
pub(super) struct Probe {
    kind: Kind,
    port: Option<u16>,
}

enum Kind {
    /// A connection can be opened.
    Tcp(Arc<TcpHealthCheck>),
    /// A request gets an expected answer.
    Http(Box<HttpProbe>),
    /// A service says that it serves.
    Grpc(GrpcProbe),
    /// The check cannot be made from what the configuration says, so that it never passes.
    Impossible(String),
}

/// Makes probes. Their connectors are the same ones: Pingora's load the system's certificates, which
/// thousands of upstreams need not do each.
#[derive(Default)]
pub(super) struct Probes {
    tcp: OnceLock<Arc<TcpHealthCheck>>,
    http: OnceLock<Arc<Connector>>,
    made: AtomicU64,
}

impl Probes {
    /// The probe of a check of this upstream. Its whole time is not its affair.
    pub(super) fn probe(
        &self,
        settings: &Settings,
        upstream: &str,
        defined: Option<&Arc<Defined>>,
    ) -> Probe {
        let kind = match &settings.kind {
            CheckKind::Tcp => Kind::Tcp(Arc::clone(self.tcp.get_or_init(|| {
                let mut check = TcpHealthCheck::default();
                check.peer_template.options.connection_timeout = None;
                Arc::new(check)
            }))),
            CheckKind::Http(check) => {
                let line = Line::new(self, check.times);
                match HttpProbe::new(check, line, defined) {
                    Ok(probe) => Kind::Http(Box::new(probe)),
                    Err(error) => Kind::Impossible(format!("a check of \"{upstream}\": {error}")),
                }
            }
            CheckKind::Grpc(check) => {
                Kind::Grpc(GrpcProbe::new(check, Line::new(self, check.times)))
            }
        };
        Probe {
            kind,
            port: settings.port,
        }
    }
}

impl Probe {
    /// Runs the check once against an address of a server that the configuration writes like this.
    ///
    /// # Errors
    /// Why it failed.
    pub(super) async fn run(&self, address: &SocketAddr, server: &str) -> Result<(), String> {
        let mut address = address.clone();
        if let (SocketAddr::Inet(address), Some(port)) = (&mut address, self.port) {
            address.set_port(port);
        }
        match &self.kind {
            Kind::Tcp(check) => {
                let target = Backend {
                    addr: address,
                    weight: 1,
                    ext: Extensions::new(),
                };
                check.check(&target).await.map_err(|error| reason(&error))
            }
            Kind::Http(check) => check.run(address, server).await,
            Kind::Grpc(check) => check.run(address, server).await,
            Kind::Impossible(reason) => Err(reason.clone()),
        }
    }
}

/// How connections for one check are opened.
struct Line {
    connector: Arc<Connector>,
    times: CheckTimes,
    /// What tells them from those of other checks.
    group: u64,
}

impl Line {
    fn new(probes: &Probes, times: CheckTimes) -> Self {
        let connector = probes.http.get_or_init(|| {
            // No certificates, for checks do not speak TLS.
            let mut options = ConnectorOptions::new(IDLE_CONNECTIONS);
            options.ca_file = Some("/dev/null".to_owned());
            Arc::new(Connector::new(Some(options)))
        });
        Self {
            connector: Arc::clone(connector),
            times,
            group: probes.made.fetch_add(1, Relaxed),
        }
    }

    fn peer(&self, address: SocketAddr) -> HttpPeer {
        let mut options = PeerOptions::new();
        options.connection_timeout = self.times.connect;
        options.total_connection_timeout = self.times.connect;
        options.write_timeout = self.times.send;
        options.read_timeout = self.times.read;
        options.custom_l4 = Some(Opener::from(None));
        HttpPeer {
            _address: address,
            scheme: Scheme::HTTP,
            sni: String::new(),
            proxy: None,
            client_cert_key: None,
            group_key: self.group,
            options,
        }
    }
}

/// What `Host` says: a text, or the server as the configuration writes it.
fn host(written: Option<&Template>, server: &str, values: &CheckValues<'_>) -> Vec<u8> {
    let mut host = Vec::new();
    if let Some(written) = written {
        render(written, values, &mut host);
    }
    if host.is_empty() {
        let unix = server.starts_with("unix:");
        host.extend_from_slice(if unix { "localhost" } else { server }.as_bytes());
    }
    host
}

/// The error in the words of nginx where it has some, without what the log line says already.
fn reason(error: &Error) -> String {
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

/// Connections that are kept between checks, of all checks with `keepalive_time` together.
const IDLE_CONNECTIONS: usize = 1024;
