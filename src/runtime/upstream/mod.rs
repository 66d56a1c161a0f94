//! Upstreams at run time: choosing a server, its health, and what it keeps across reloads.
//!
//! An [`Upstream`] belongs to one generation. What must outlive a generation (health, failures,
//! requests in flight, the place in the round, what names resolve to) belongs to the [`Registry`],
//! which also runs everything that happens in the background. Choosing takes no lock of ours.

mod addresses;
mod background;
mod balance;
mod budget;
mod clock;
mod connection;
mod discovery;
mod event;
mod health;
mod names;
mod outlier;
mod passive;
mod peer;
mod pool;
mod probe;
mod queue;
mod registry;
mod selection;
mod sticky;
mod sweep;
#[cfg(test)]
mod tests;
mod times;

pub use addresses::{Addresses, Servers};
pub use connection::Connection;
pub use names::{Resolve, Resolved, SystemResolver};
pub use peer::{Peer, PeerStatus, Selected};
pub use registry::Registry;

use super::Defined;
use crate::model::{self, AtFirst, Balance, CheckKind, Template};
use balance::Group;
use clock::Clock;
use event::Event;
use parking_lot::Mutex;
use probe::Probes;
use registry::State;
use selection::AGAIN;
use std::cell::OnceCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use sticky::{ServerId, Stickiness};

/// One upstream of one generation.
#[derive(Debug)]
pub struct Upstream {
    name: String,
    /// What tells its connections from those of others in Pingora's pool.
    pool: u64,
    keepalive: model::Keepalive,
    health_checks: Vec<model::HealthCheck>,
    /// The variables that checks may ask for.
    defined: Option<Arc<Defined>>,
    /// Which generation it is of, among those of its name.
    number: u64,
    /// A server is used only when it has passed its checks at or after this time.
    checked_since: Option<u64>,
    queue: Option<model::Queue>,
    stickiness: Option<Stickiness>,
    group: Arc<Group>,
    state: Arc<State>,
}

/// What decides about a request's server, beside the servers themselves.
#[derive(Debug, Clone, Copy)]
pub enum Key<'a> {
    /// Nothing.
    None,
    /// The client's address: the first three bytes of IPv4's, all of IPv6's.
    Client,
    /// This text.
    Of(&'a Template),
}

/// A server that the upstream does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no server {server:?} in upstream {upstream:?}")]
pub struct UnknownServer {
    /// The address that was asked for.
    pub server: String,
    /// The upstream's name.
    pub upstream: String,
}

/// What upstreams need from outside.
struct Environment {
    resolver: Arc<dyn Resolve>,
    clock: Clock,
    report: Arc<dyn Fn(&Event) + Send + Sync>,
    probes: Arc<Probes>,
    lookup_interval: Duration,
    /// How long answers of the system are used.
    bounds: Mutex<model::Validity>,
    lookup_timeout: Duration,
}

impl Upstream {
    fn new(
        upstream: &model::Upstream,
        defined: Option<&Arc<Defined>>,
        group: Arc<Group>,
        stickiness: Option<Stickiness>,
        state: Arc<State>,
        now: u64,
    ) -> Self {
        let since = |check: &model::HealthCheck| match check.at_first {
            AtFirst::Healthy => None,
            AtFirst::UnknownOnce => Some(1),
            AtFirst::Unknown => Some(now.max(1)),
        };
        let asks = |check: &model::HealthCheck| matches!(check.kind, CheckKind::Http(_));
        let mut pool = DefaultHasher::new();
        upstream.name.hash(&mut pool);
        Self {
            name: upstream.name.clone(),
            pool: pool.finish(),
            keepalive: upstream.keepalive.clone(),
            health_checks: upstream.health_checks.clone(),
            defined: (upstream.health_checks.iter().any(asks))
                .then(|| defined.cloned())
                .flatten(),
            number: state.count_generation(),
            checked_since: upstream.health_checks.iter().filter_map(since).max(),
            queue: upstream.queue,
            stickiness,
            group,
            state,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What tells its connections from those of other upstreams: the same in every generation.
    pub fn pool(&self) -> u64 {
        self.pool
    }

    /// Its pool of idle connections.
    pub fn keepalive(&self) -> &model::Keepalive {
        &self.keepalive
    }

    /// How many addresses it has now, those of backup servers included: more tries than that make
    /// no sense. 0 while no name of it resolves.
    pub fn server_count(&self) -> usize {
        self.group.peer_count()
    }

    /// How many of them are of this server.
    pub fn address_count(&self, server: &str) -> usize {
        let peers = self.group.peers().into_iter();
        peers.filter(|(peer, _)| peer.server() == server).count()
    }

    /// What decides about a request's server.
    pub fn key(&self) -> Key<'_> {
        match self.group.balance() {
            Balance::IpHash => Key::Client,
            Balance::Hash { key, .. } => Key::Of(key),
            _ => Key::None,
        }
    }

    /// Chooses a server for one try of a request that has `tried` these already. `None` when no
    /// server can be used: each is tried, unhealthy or out for its failures.
    pub fn choose(&self, tried: &[Arc<Peer>]) -> Option<Selected> {
        self.choose_by(b"", tried)
    }

    /// The same with what the upstream's [`key`](Self::key) asks for, behind what
    /// [`bind`](Self::bind) has written, where sessions are bound to servers.
    ///
    /// Where requests wait in a `queue` already there is nothing to choose: whoever comes
    /// [waits](Self::wait) behind them.
    pub fn choose_by(&self, key: &[u8], tried: &[Arc<Peer>]) -> Option<Selected> {
        if self.queue.is_some() && !self.state.line().is_empty() {
            return None;
        }
        self.choose_at_once(key, tried)
    }

    fn choose_at_once(&self, key: &[u8], tried: &[Arc<Peer>]) -> Option<Selected> {
        let bound = match &self.stickiness {
            Some(_) => ServerId::read(key).0,
            None => None,
        };
        let takes = |peer: &Arc<Peer>, healthy| {
            self.may_try(peer, healthy, tried)
                && (!peer.drain || (bound.is_some() && bound == peer.id))
                && peer.admit(self.group.limit(peer))
        };
        if !self.is_checked()
            && let Some(peer) = self.group.alone()
        {
            self.state.serve();
            return takes(&peer, true).then(|| self.selected(peer));
        }
        let admit = |peer: &Arc<Peer>, healthy| peer.is_no_outlier() && takes(peer, healthy);
        let goes_in_turn = matches!(
            self.group.balance(),
            Balance::RoundRobin | Balance::SmoothRoundRobin
        );
        let key = match tried {
            [_, ..] if goes_in_turn && key.is_empty() => AGAIN,
            _ => key,
        };
        // A search may come to a server twice: it is refused both times or taken the first time.
        let chance = OnceCell::new();
        // A session comes to its server however long that has been back.
        let turn = |peer: &Peer| {
            peer.takes_turn(|| *chance.get_or_init(fastrand::f64))
                || (bound.is_some() && bound == peer.id)
        };
        self.state.serve();
        let chosen = self.group.select(key, &turn, &admit);
        // Rather one that fails often than none.
        let chosen = chosen.or_else(|| self.group.walk_outliers(&takes));
        chosen.map(|peer| self.selected(peer)).or_else(|| {
            self.is_checked().then_some(())?;
            self.choose_early(tried, &|peer| !peer.drain)
        })
    }

    /// A request comes, of which this many percent may have a further try.
    pub fn pay_for_tries(&self, percent: u8) {
        self.state.budget.pay_in(percent);
    }

    /// Whether a request may have a further try, which is then spent.
    pub fn spend_try(&self) -> bool {
        let (state, now) = (&self.state, self.state.now());
        let may_have = state.budget.take_out(now);
        if !may_have && let Some(tries) = state.budget.refuse(now) {
            state.report(&Event::TriesRefused {
                upstream: self.name.clone(),
                tries,
            });
        }
        may_have
    }

    /// How requests of one session come to one server.
    pub fn sticky(&self) -> Option<&model::Sticky> {
        self.stickiness.as_ref().map(|one| &one.settings)
    }

    /// Begins the key of a request with the server that its session belongs to, by what the request
    /// says of the session or of the server.
    pub fn bind(&self, name: &[u8], key: &mut Vec<u8>) {
        if let Some(stickiness) = &self.stickiness {
            ServerId::write(stickiness.server(name), key);
        }
    }

    /// `sticky learn`: the session of this name belongs to this server now. One that is not known yet
    /// is remembered only if it may be created.
    pub fn learn(&self, name: &[u8], may_create: bool, server: &Selected) {
        if let Some(stickiness) = &self.stickiness
            && let model::Sticky::Learn(learn) = &stickiness.settings
        {
            stickiness.remember(learn, name, may_create, server);
        }
    }

    /// Chooses among the addresses of one server, named as the configuration writes it: its backup
    /// and weight do not matter, but it must be usable. `None` when it is not, or is `down`.
    ///
    /// # Errors
    /// The upstream has no such server.
    pub fn choose_server(
        &self,
        server: &str,
        tried: &[Arc<Peer>],
    ) -> Result<Option<Selected>, UnknownServer> {
        if !self.group.has(server) {
            return Err(UnknownServer {
                server: server.to_owned(),
                upstream: self.name.clone(),
            });
        }
        let wanted = |peer: &Peer| peer.server() == server;
        let admit = |peer: &Arc<Peer>, healthy| {
            wanted(peer)
                && peer.is_no_outlier()
                && self.may_try(peer, healthy, tried)
                && peer.admit(self.group.limit(peer))
        };
        let chosen = self.group.walk(&admit);
        Ok(chosen.map(|peer| self.selected(peer)).or_else(|| {
            self.is_checked().then_some(())?;
            self.choose_early(tried, &wanted)
        }))
    }

    /// Every address it has now, and how it is doing.
    pub fn status(&self) -> impl Iterator<Item = PeerStatus> {
        let peers = self.group.peers().into_iter();
        peers.map(|(peer, healthy)| PeerStatus {
            healthy: self.is_healthy(&peer, healthy),
            failed: peer.is_out(self.group.limit(&peer)),
            ejected: peer.is_ejected(),
            in_flight: peer.in_flight(),
            peer,
        })
    }

    /// When all servers are out, one that an active check has reached since its last failure gets
    /// a request before its `fail_timeout` is over. Without it, an application that was restarted
    /// faster than checks notice would stay away for the whole `fail_timeout`.
    fn choose_early(
        &self,
        tried: &[Arc<Peer>],
        wanted: &dyn Fn(&Peer) -> bool,
    ) -> Option<Selected> {
        let admit = |peer: &Arc<Peer>, healthy| {
            wanted(peer)
                && self.may_try(peer, healthy, tried)
                && peer.admit_early(self.group.limit(peer))
        };
        let chosen = self.group.walk(&admit)?;
        Some(self.selected(chosen))
    }

    fn may_try(&self, peer: &Peer, healthy: bool, tried: &[Arc<Peer>]) -> bool {
        self.is_healthy(peer, healthy) && !tried.iter().any(|one| one.is(peer))
    }

    fn is_checked(&self) -> bool {
        !self.health_checks.is_empty()
    }

    fn is_healthy(&self, peer: &Peer, healthy: bool) -> bool {
        let since = self.checked_since;
        let is_known = since.is_none_or(|since| peer.live.passed.load(Relaxed) >= since);
        (healthy || !self.is_checked()) && is_known
    }

    fn selected(&self, peer: Arc<Peer>) -> Selected {
        let limit = self.group.limit(&peer);
        Selected::new(peer, limit)
    }

    fn group(&self) -> &Arc<Group> {
        &self.group
    }

    fn state(&self) -> &Arc<State> {
        &self.state
    }
}

impl Drop for Upstream {
    /// The loops that ran for it may end.
    fn drop(&mut self) {
        self.state.wake.notify_one();
    }
}
