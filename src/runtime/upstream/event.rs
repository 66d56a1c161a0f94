//! What happens to servers in the background, and the log line for it.

use crate::runtime::dns::Failure;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// A change that is worth a line in the log, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// The active check took a server out.
    Down {
        /// The upstream's name.
        upstream: String,
        /// The server, as written and where.
        server: String,
        /// What the last check met.
        reason: String,
    },
    /// The active check brought a server back.
    Up {
        /// The upstream's name.
        upstream: String,
        /// The server, as written and where.
        server: String,
    },
    /// `eject_outliers` took a server out.
    Ejected {
        /// The upstream's name.
        upstream: String,
        /// The server, as written and where.
        server: String,
        /// How many of its tries failed.
        failed: u64,
        /// How many it had.
        tries: u64,
        /// How long it is out.
        time: Duration,
    },
    /// A server that `eject_outliers` took out is used again.
    Readmitted {
        /// The upstream's name.
        upstream: String,
        /// The server, as written and where.
        server: String,
    },
    /// `proxy_next_upstream_budget` has refused further tries.
    TriesRefused {
        /// The upstream's name.
        upstream: String,
        /// How many, since it was said last.
        tries: u64,
    },
    /// A name stopped resolving, or never did.
    NotFound {
        /// The server as written.
        server: String,
        /// What the resolver said.
        reason: String,
        /// The addresses it had, which are used further.
        kept: Vec<SocketAddr>,
    },
    /// A name of `resolve` does not resolve.
    NotResolved {
        /// The name.
        name: String,
        /// Its service, when it has one.
        service: Option<String>,
        /// What the resolver said.
        failure: Failure,
    },
    /// A name that did not resolve does, or has other addresses.
    Found {
        /// The server as written.
        server: String,
        /// Its addresses.
        addresses: Vec<SocketAddr>,
    },
}

/// Writes an event to the error log.
pub(super) fn log(event: &Event) {
    let level = match event {
        Event::Down { .. }
        | Event::Ejected { .. }
        | Event::TriesRefused { .. }
        | Event::NotFound { .. }
        | Event::NotResolved { .. } => log::Level::Error,
        Event::Up { .. } | Event::Readmitted { .. } | Event::Found { .. } => log::Level::Info,
    };
    log::log!(level, "{event}");
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down {
                upstream,
                server,
                reason,
            } => write!(
                f,
                "server {server} of upstream \"{upstream}\" is down: {reason}"
            ),
            Self::Up { upstream, server } => {
                write!(f, "server {server} of upstream \"{upstream}\" is up")
            }
            Self::Ejected {
                upstream,
                server,
                failed,
                tries,
                time,
            } => write!(
                f,
                "server {server} of upstream \"{upstream}\" is ejected for {time:?}: \
                 {failed} of {tries} tries failed"
            ),
            Self::TriesRefused { upstream, tries } => write!(
                f,
                "upstream \"{upstream}\" has no budget for further tries: {tries} refused"
            ),
            Self::Readmitted { upstream, server } => {
                write!(
                    f,
                    "server {server} of upstream \"{upstream}\" is used again"
                )
            }
            Self::NotFound {
                server,
                reason,
                kept,
            } => {
                write!(f, "host not found in upstream \"{server}\" ({reason})")?;
                if !kept.is_empty() {
                    write!(f, ", still using {}", Addresses(kept))?;
                }
                Ok(())
            }
            Self::NotResolved {
                name,
                service,
                failure,
            } => {
                if let Some(service) = service {
                    write!(f, "service {service} of ")?;
                }
                write!(f, "{name} could not be resolved ({failure})")
            }
            Self::Found { server, addresses } => {
                write!(f, "upstream \"{server}\" is at {}", Addresses(addresses))
            }
        }
    }
}

struct Addresses<'a>(&'a [SocketAddr]);

impl fmt::Display for Addresses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, address) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            match address.port() {
                0 => write!(f, "{comma}{}", address.ip())?,
                _ => write!(f, "{comma}{address}")?,
            }
        }
        Ok(())
    }
}
