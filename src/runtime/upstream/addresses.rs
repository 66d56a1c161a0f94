//! Addresses that were found for one request, and whom a request is passed to.

use super::clock::Clock;
use super::passive::Limit;
use super::peer::{Live, Peer, Selected};
use super::times::Measure;
use super::{Key, UnknownServer, Upstream};
use crate::model::Keepalive;
use pingora_core::protocols::l4::socket::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The addresses that a name had when a request asked for it. As in nginx nothing is kept of how they do:
/// the next request may find others, and the names may be a client's choice.
#[derive(Debug)]
pub struct Addresses {
    name: String,
    peers: Vec<Arc<Peer>>,
    limit: Limit,
}

/// Whom a request is passed to.
#[derive(Debug, Clone)]
pub enum Servers {
    /// The servers of an upstream.
    Upstream(Arc<Upstream>),
    /// Addresses that are known only now.
    Addresses(Arc<Addresses>),
}

impl Addresses {
    /// Those of a name, in the order in which they are tried.
    pub fn new(name: &str, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let server: Arc<str> = name.into();
        let peer = |address: SocketAddr| {
            Arc::new(Peer {
                text: super::discovery::address_text(&address).into(),
                address,
                server: Arc::clone(&server),
                written: name.into(),
                weight: 1,
                max_conns: None,
                slow_start: 0,
                down: false,
                drain: false,
                name: Box::default(),
                id: None,
                line: 0,
                backup: false,
                limit: Limit::new(1, FAIL_TIMEOUT),
                watch: None,
                measure: Measure::Requests,
                live: Arc::new(Live::default()),
                clock: CLOCK.clone(),
            })
        };
        let peers: Vec<_> = addresses.into_iter().map(peer).collect();
        Self {
            name: name.to_owned(),
            limit: match peers.as_slice() {
                [] | [_] => Limit::NEVER,
                [one, ..] => one.limit,
            },
            peers,
        }
    }

    fn choose(&self, tried: &[Arc<Peer>]) -> Option<Selected> {
        let is_new = |peer: &&Arc<Peer>| !tried.iter().any(|one| one.is(peer));
        let peer = self.peers.iter().filter(is_new);
        let peer = peer.into_iter().find(|peer| peer.admit(self.limit))?;
        Some(Selected::new(Arc::clone(peer), self.limit))
    }
}

impl Servers {
    /// The upstream's name, or the one that the addresses are of.
    pub fn name(&self) -> &str {
        match self {
            Self::Upstream(upstream) => upstream.name(),
            Self::Addresses(addresses) => &addresses.name,
        }
    }

    /// The upstream, unless the addresses are all there is.
    pub fn upstream(&self) -> Option<&Upstream> {
        match self {
            Self::Upstream(upstream) => Some(upstream),
            Self::Addresses(_) => None,
        }
    }

    /// What tells its connections from those of other upstreams: the same in every generation.
    pub fn pool(&self) -> u64 {
        match self {
            Self::Upstream(upstream) => upstream.pool(),
            Self::Addresses(_) => 0,
        }
    }

    /// The pool of idle connections.
    pub fn keepalive(&self) -> &Keepalive {
        match self {
            Self::Upstream(upstream) => upstream.keepalive(),
            Self::Addresses(_) => &NONE_KEPT,
        }
    }

    /// How many addresses there are.
    pub fn server_count(&self) -> usize {
        match self {
            Self::Upstream(upstream) => upstream.server_count(),
            Self::Addresses(addresses) => addresses.peers.len(),
        }
    }

    /// How many of them are of this server.
    pub fn address_count(&self, server: &str) -> usize {
        match self {
            Self::Upstream(upstream) => upstream.address_count(server),
            Self::Addresses(_) => 0,
        }
    }

    /// What decides about a request's server.
    pub fn key(&self) -> Key<'_> {
        match self {
            Self::Upstream(upstream) => upstream.key(),
            Self::Addresses(_) => Key::None,
        }
    }

    /// Chooses a server, as [`Upstream::choose_by`] does.
    pub fn choose_by(&self, key: &[u8], tried: &[Arc<Peer>]) -> Option<Selected> {
        match self {
            Self::Upstream(upstream) => upstream.choose_by(key, tried),
            Self::Addresses(addresses) => addresses.choose(tried),
        }
    }

    /// Chooses among the addresses of one server, as [`Upstream::choose_server`] does.
    ///
    /// # Errors
    /// There is no such server.
    pub fn choose_server(
        &self,
        server: &str,
        tried: &[Arc<Peer>],
    ) -> Result<Option<Selected>, UnknownServer> {
        match self {
            Self::Upstream(upstream) => upstream.choose_server(server, tried),
            Self::Addresses(addresses) => Err(UnknownServer {
                server: server.to_owned(),
                upstream: addresses.name.clone(),
            }),
        }
    }
}

/// nginx keeps no connection to an address that it found for one request.
static NONE_KEPT: Keepalive = Keepalive {
    connections: 0,
    local: false,
    requests: 1000,
    time: Duration::from_secs(3600),
    timeout: Duration::from_secs(60),
};

static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::new);

/// As of a `server` that says nothing else.
const FAIL_TIMEOUT: Duration = Duration::from_secs(10);
