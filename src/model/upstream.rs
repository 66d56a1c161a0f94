//! Upstreams: the servers that requests are passed to.

use super::{HealthCheck, Resolver, Sticky, Template};
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// A group of servers that share the load.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Its name: the key under `upstreams`, or one made from a site's own `backends`.
    pub name: String,
    /// How a server is chosen.
    pub balance: Balance,
    /// The servers, in the order of the file. Empty only where a `state` file lists none.
    pub servers: Vec<Server>,
    /// How requests of one session come to one server.
    pub sticky: Option<Sticky>,
    /// The active checks, which a server must all pass; without one, failures are left to `max_fails`
    /// alone. None is there twice, however many locations ask for it.
    pub health_checks: Vec<HealthCheck>,
    /// `queue`: where requests wait when no server can be chosen.
    pub queue: Option<Queue>,
    /// `eject_outliers`: when a server is out for the share of its requests that failed.
    pub eject_outliers: Option<EjectOutliers>,
    /// The pool of idle connections.
    pub keepalive: Keepalive,
    /// `resolver`: who is asked for the names of its servers that say `resolve`.
    pub resolver: Option<Arc<Resolver>>,
    /// `resolver_timeout`; `None` is no limit.
    pub resolver_timeout: Option<Duration>,
}

/// How a server is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Balance {
    /// `round_robin`: in turn, each as often as its weight says.
    RoundRobin,
    /// `smooth_round_robin`: the same, in nginx's order, which spreads a heavy server's turns.
    SmoothRoundRobin,
    /// `least_conn`: the one with the fewest requests for its weight.
    LeastConn,
    /// `ip_hash`: by the client's address.
    IpHash,
    /// `least_time`: the one whose answers take the least time, for its requests and its weight.
    LeastTime {
        /// What of an answer its time is measured to.
        until: Until,
        /// `inflight`: requests that are not answered yet count, too.
        inflight: bool,
    },
    /// `peak_ewma`: of two taken by chance, the one with less to wait for: its slowest answer of late,
    /// for each request that it has.
    PeakEwma,
    /// `hash KEY`: by a key.
    Hash {
        /// The key.
        key: Template,
        /// `consistent`: on a ring, so that few keys move when a server comes or goes.
        consistent: bool,
    },
    /// `random`: by chance and weight.
    Random,
    /// `random two`: the less busy of two taken by chance.
    RandomTwo,
    /// `random two least_time=`: the faster of two taken by chance.
    RandomTwoLeastTime(Until),
}

/// What of an answer a server's time is measured to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// `header`: its header.
    Header,
    /// `last_byte`: its end.
    LastByte,
}

impl Balance {
    /// Whether a key decides, so that servers that are `down` keep their place.
    pub fn is_keyed(&self) -> bool {
        matches!(self, Self::IpHash | Self::Hash { .. })
    }

    /// Whether a server that has come back may be spared at first: where neither a key nor chance
    /// decides, as in nginx.
    pub fn starts_slowly(&self) -> bool {
        let by_chance = matches!(
            self,
            Self::Random | Self::RandomTwo | Self::RandomTwoLeastTime(_) | Self::PeakEwma
        );
        !self.is_keyed() && !by_chance
    }
}

/// One `server` of an upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Where it is.
    pub address: ServerAddress,
    /// The address as written: what `hash KEY consistent` places it by.
    pub written: String,
    /// Its share of the requests.
    pub weight: Weight,
    /// `max_fails`: failed tries within `fail_timeout` that take it out; 0 never does.
    pub max_fails: u32,
    /// `fail_timeout`: the window of `max_fails`, and how long the server then stays out.
    pub fail_timeout: Duration,
    /// `max_conns`: how many requests it gets at the same time; `None` is no limit.
    pub max_conns: Option<NonZeroU32>,
    /// `backup`: used only when no other server can be.
    pub backup: bool,
    /// `down`: never used.
    pub down: bool,
    /// `drain`: used only for sessions that belong to it.
    pub drain: bool,
    /// `route`: its name for sessions; else the checksum of its address.
    pub route: Option<String>,
    /// `slow_start`: how long its weight grows from nothing when it has come back.
    pub slow_start: Option<Duration>,
    /// `resolve`: its name is looked up at the upstream's `resolver`.
    pub resolve: bool,
    /// `service=`: its SRV records say which servers there are.
    pub service: Option<String>,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServerAddress {
    /// An IP address and a port.
    Inet(SocketAddr),
    /// A name and a port: looked up again and again, and every address it has is used.
    Name {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix domain socket's path.
    Unix(String),
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => write!(f, "{address}"),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

/// A server's weight, 1 to 65,535: zero cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Weight(std::num::NonZeroU16);

impl Weight {
    /// A weight of 1, the default.
    pub const ONE: Self = Self(std::num::NonZeroU16::MIN);

    /// The weight, unless it is zero or too large.
    pub fn new(weight: u64) -> Option<Self> {
        u16::try_from(weight)
            .ok()
            .and_then(std::num::NonZeroU16::new)
            .map(Self)
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

/// `queue` of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// How many requests may wait.
    pub requests: usize,
    /// How long each may.
    pub timeout: Duration,
}

/// `eject_outliers` of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EjectOutliers {
    /// `failures`: the share of a server's tries that failed, in percent, from which on it is out.
    pub failures: u8,
    /// `requests`: so many tries it has had at least.
    pub requests: u32,
    /// `window`: how long they are counted, before they are counted anew.
    pub window: Duration,
    /// `time`: how long it is out the first time; twice in a row twice as long, and so on up to ten times.
    pub time: Duration,
    /// `most`: the share of the servers, in percent, that may be out at once; one always may, all never.
    pub most: u8,
}

impl Default for EjectOutliers {
    fn default() -> Self {
        Self {
            failures: 50,
            requests: 20,
            window: Duration::from_secs(10),
            time: Duration::from_secs(30),
            most: 30,
        }
    }
}

/// `keepalive` of an upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct Keepalive {
    /// `keepalive`: idle connections kept; 0 opens a new connection for every request.
    pub connections: usize,
    /// `local`: each location has connections of its own.
    pub local: bool,
    /// `keepalive_requests`: how many requests a connection carries (1000).
    pub requests: u64,
    /// `keepalive_time`: how long a connection may be used (1 h).
    pub time: Duration,
    /// `keepalive_timeout`: how long a connection stays idle (60 s).
    pub timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            connections: 0,
            local: false,
            requests: 1000,
            time: Duration::from_secs(3600),
            timeout: Duration::from_secs(60),
        }
    }
}
