//! An address that is listened on, and the sites it serves.

use super::SiteId;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One listening socket: sites that name the same address share it.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// Where it listens.
    pub address: ListenAddress,
    /// What is asked of its socket.
    pub socket: SocketOptions,
    /// The site that answers when no host matches: nginx's `default_server`, else the first.
    pub default_site: SiteId,
    /// The sites of this listener, in the order of the file.
    pub sites: Vec<SiteId>,
}

/// What `listen` asks of a socket behind its address. What is not said is the system's affair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// It is bound even if a wildcard's socket gets its connections: `bind`, and whatever else is
    /// said of a socket.
    pub separate: bool,
    /// `backlog=`: how many connections wait to be accepted (511).
    pub backlog: Option<i32>,
    /// `rcvbuf=`, in bytes.
    pub receive_buffer: Option<usize>,
    /// `sndbuf=`, in bytes.
    pub send_buffer: Option<usize>,
    /// `so_keepalive=`.
    pub keepalive: Option<TcpKeepalive>,
    /// `deferred`: a connection is accepted when its first bytes are there.
    pub deferred: bool,
    /// `fastopen=`: how many connections may wait that sent data with their first packet.
    pub fast_open: Option<i32>,
    /// `reuseport`: other processes may bind the same address.
    pub reuse_port: bool,
    /// `ipv6only=off`: an IPv6 wildcard takes IPv4 too.
    pub dual_stack: bool,
    /// `multipath`: Multipath TCP.
    pub multipath: bool,
}

/// Whether TCP probes idle connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpKeepalive {
    /// It does not.
    Off,
    /// It does; what is not given is as the system has it.
    On {
        /// How long a connection is idle before it is probed.
        idle: Option<Duration>,
        /// The time between two probes.
        interval: Option<Duration>,
        /// How many unanswered probes end a connection.
        probes: Option<u32>,
    },
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
