//! An address that is listened on, and the sites it serves.

use super::SiteId;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One listening socket: sites that name the same address share it.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// Where it listens.
    pub address: ListenAddress,
    /// The site that answers when no host matches: nginx's `default_server`, else the first.
    pub default_site: SiteId,
    /// The sites of this listener, in the order of the file.
    pub sites: Vec<SiteId>,
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListenAddress {
    /// An IP address and a port. `[::]` is IPv6 only, as nginx binds it.
    Inet(SocketAddr),
    /// A Unix domain socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Whether it stands for every address of this machine.
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Inet(address) if address.ip().is_unspecified())
    }

    /// Whether a socket bound here also gets the connections to another address: a wildcard and
    /// the same port. Such an address has no socket of its own, as in nginx.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Inet(wildcard), Self::Inet(single)) => {
                self.is_wildcard()
                    && !other.is_wildcard()
                    && wildcard.port() == single.port()
                    && wildcard.is_ipv4() == single.is_ipv4()
            }
            _ => false,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
