//! The balancers of one server list: Pingora's `LoadBalancer` over the primary servers and a
//! second one over the backup servers.
//!
//! Another algorithm is another `BackendSelection`: one line in [`balancer`].

use super::discovery::{Discovery, Source, peer};
use super::names::{Name, Question};
use super::outlier::Watch;
use super::passive::Limit;
use super::peer::Peer;
use super::registry::State;
use super::selection::{
    ConsistentHash, IpHash, KeyHash, LeastLoad, Random, RandomTwo, RoundRobin, SmoothRoundRobin,
    Sticky,
};
use super::{Environment, names::Names};
use crate::model::{self, Balance, Server, ServerAddress};
use arc_swap::ArcSwapOption;
use futures_util::FutureExt;
use parking_lot::Mutex;
use pingora_load_balancing::selection::{BackendIter, BackendSelection};
use pingora_load_balancing::{Backend, Backends, LoadBalancer};
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// A server list with its balancers. Generations whose list is the same share it, and with it the
/// place in the round.
pub(super) struct Group {
    resolver: Option<Arc<model::Resolver>>,
    resolver_timeout: Option<Duration>,
    balance: Balance,
    /// Whether sessions are bound to servers.
    sticky: bool,
    watch: Option<Arc<Watch>>,
    sources: Arc<[Source]>,
    state: Arc<State>,
    primary: Role,
    backup: Role,
    /// There is one server and no other: nginx never takes it out for failures.
    single: AtomicBool,
    /// The only address that there is, where there is nothing to choose.
    alone: ArcSwapOption<Peer>,
    /// Pingora wants updates of one view not to overlap.
    updating: Mutex<()>,
}

/// The balancer of the primary or of the backup servers.
struct Role {
    balancer: Box<dyn Balancer>,
    peers: AtomicUsize,
    /// There is not even one that is left to its sessions.
    is_empty: AtomicBool,
    /// Where the next walk begins.
    walk: AtomicUsize,
}

/// A `LoadBalancer` of any algorithm.
trait Balancer: Send + Sync {
    /// The first backend in the algorithm's order that is accepted, with its health.
    fn select(
        &self,
        key: &[u8],
        max_iterations: usize,
        accept: &dyn Fn(&Backend, bool) -> bool,
    ) -> Option<Backend>;
    /// Has the selector built again if discovery gives other backends.
    fn update(&self);
    fn backends(&self) -> &Backends;
}

fn balancer(balance: &Balance, backends: Backends) -> Box<dyn Balancer> {
    match balance {
        Balance::RoundRobin => load_balancer::<RoundRobin>(backends),
        Balance::SmoothRoundRobin => load_balancer::<SmoothRoundRobin>(backends),
        Balance::LeastConn | Balance::LeastTime { .. } => load_balancer::<LeastLoad>(backends),
        Balance::IpHash => load_balancer::<IpHash>(backends),
        Balance::Hash {
            consistent: false, ..
        } => load_balancer::<KeyHash>(backends),
        Balance::Hash {
            consistent: true, ..
        } => load_balancer::<ConsistentHash>(backends),
        Balance::Random => load_balancer::<Random>(backends),
        Balance::RandomTwo | Balance::RandomTwoLeastTime(_) | Balance::PeakEwma => {
            load_balancer::<RandomTwo>(backends)
        }
    }
}

/// The same where sessions are bound to servers.
fn sticky_balancer(balance: &Balance, backends: Backends) -> Box<dyn Balancer> {
    match balance {
        Balance::RoundRobin | Balance::SmoothRoundRobin => {
            load_balancer::<Sticky<SmoothRoundRobin>>(backends)
        }
        Balance::LeastConn | Balance::LeastTime { .. } => {
            load_balancer::<Sticky<LeastLoad>>(backends)
        }
        Balance::IpHash => load_balancer::<Sticky<IpHash>>(backends),
        Balance::Hash {
            consistent: false, ..
        } => load_balancer::<Sticky<KeyHash>>(backends),
        Balance::Hash {
            consistent: true, ..
        } => load_balancer::<Sticky<ConsistentHash>>(backends),
        Balance::Random => load_balancer::<Sticky<Random>>(backends),
        Balance::RandomTwo | Balance::RandomTwoLeastTime(_) | Balance::PeakEwma => {
            load_balancer::<Sticky<RandomTwo>>(backends)
        }
    }
}

fn load_balancer<S>(backends: Backends) -> Box<dyn Balancer>
where
    S: BackendSelection<Config = ()> + Send + Sync + 'static,
    S::Iter: BackendIter,
{
    Box::new(LoadBalancer::<S>::from_backends(backends))
}

impl<S> Balancer for LoadBalancer<S>
where
    S: BackendSelection + Send + Sync + 'static,
    S::Iter: BackendIter,
{
    fn select(
        &self,
        key: &[u8],
        max_iterations: usize,
        accept: &dyn Fn(&Backend, bool) -> bool,
    ) -> Option<Backend> {
        self.select_with(key, max_iterations, accept)
    }

    fn update(&self) {
        self.update()
            .now_or_never()
            .expect("our discovery never waits")
            .expect("our discovery never fails");
    }

    fn backends(&self) -> &Backends {
        self.backends()
    }
}

impl Group {
    /// The balancers of a server list, filled with what is known of its names.
    pub(super) fn new(
        upstream: &model::Upstream,
        state: &Arc<State>,
        names: &Names,
        environment: &Environment,
    ) -> Arc<Self> {
        let (balance, servers) = (&upstream.balance, &upstream.servers);
        let sticky = upstream.sticky.is_some();
        let source = |server: &Server| Source {
            text: server.address.to_string().into(),
            server: server.clone(),
            name: match &server.address {
                ServerAddress::Name { host, port } if !server.down => {
                    let resolver = upstream.resolver.as_ref().filter(|_| server.resolve);
                    Some(names.name(match resolver {
                        None => Question::OfSystem(host.clone(), *port),
                        Some(resolver) => Question::OfResolver {
                            host: host.clone(),
                            service: server.service.clone(),
                            resolver: Arc::clone(resolver),
                            timeout: upstream.resolver_timeout,
                        },
                    }))
                }
                _ => None,
            },
        };
        let sources: Arc<[Source]> = servers.iter().map(source).collect();
        let clock = &environment.clock;
        let watch = upstream.eject_outliers.map(|settings| {
            Watch::new(
                settings,
                &state.name,
                &state.ejected,
                clock,
                &environment.report,
            )
        });
        let role = |backup| {
            let watch = watch.as_ref();
            let discovery = Discovery::new(&sources, backup, balance, sticky, watch, state, clock);
            let registry = Arc::clone(&state.health);
            let backends = Backends::new_with_health_registry(Box::new(discovery), registry);
            Role {
                balancer: match sticky {
                    true => sticky_balancer(balance, backends),
                    false => balancer(balance, backends),
                },
                peers: AtomicUsize::new(0),
                is_empty: AtomicBool::new(true),
                walk: AtomicUsize::new(0),
            }
        };
        let group = Arc::new(Self {
            resolver: upstream.resolver.clone(),
            resolver_timeout: upstream.resolver_timeout,
            balance: balance.clone(),
            sticky,
            primary: role(false),
            backup: role(true),
            watch,
            sources,
            state: Arc::clone(state),
            single: AtomicBool::new(false),
            alone: ArcSwapOption::empty(),
            updating: Mutex::new(()),
        });
        for name in group.names() {
            name.join(&group);
        }
        group.refresh();
        group
    }

    /// Whether it is the group of this list.
    pub(super) fn is_of(&self, upstream: &model::Upstream) -> bool {
        let own = self.sources.iter().map(|source| &source.server);
        self.balance == upstream.balance
            && self.sticky == upstream.sticky.is_some()
            && self.watch.as_ref().map(|watch| *watch.settings()) == upstream.eject_outliers
            && self.resolver == upstream.resolver
            && self.resolver_timeout == upstream.resolver_timeout
            && own.eq(&upstream.servers)
    }

    /// Takes over what the names resolve to now. Never waits. A health check may be running: it
    /// shares the health of every address that stays.
    pub(super) fn refresh(&self) {
        let updating = self.updating.lock();
        for role in [&self.primary, &self.backup] {
            role.balancer.update();
            let backends = role.balancer.backends().get_backend();
            let peers = backends
                .iter()
                .filter(|backend| peer(backend).takes_anyone());
            role.peers.store(peers.count(), Relaxed);
            role.is_empty.store(backends.is_empty(), Relaxed);
        }
        // nginx counts what is `down`, too, and a list with a backup is never single.
        let is_down = |source: &&Source| source.server.down || source.server.drain;
        let down = self.sources.iter().filter(is_down);
        let single = self.primary.peers.load(Relaxed) + down.count() == 1
            && self.backup.peers.load(Relaxed) == 0
            && !self.sources.iter().any(|source| source.server.backup);
        self.single.store(single, Relaxed);
        let set = self.primary.balancer.backends().get_backend();
        let alone = set.first().filter(|_| set.len() == 1);
        let alone = alone.filter(|_| self.backup.is_empty.load(Relaxed));
        self.alone.store(alone.map(|one| Arc::clone(peer(one))));
        if let Some(watch) = &self.watch {
            watch.has(self.peer_count());
        }
        drop(updating);
        // There may be somebody new to check.
        self.state.wake.notify_one();
    }

    /// The names among the servers.
    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<Name>> {
        self.sources
            .iter()
            .filter_map(|source| source.name.as_ref())
    }

    /// Whether there is a server of this address as written.
    pub(super) fn has(&self, server: &str) -> bool {
        self.sources.iter().any(|source| &*source.text == server)
    }

    /// The limit of a peer's failures in this group.
    pub(super) fn limit(&self, peer: &Peer) -> Limit {
        if self.single.load(Relaxed) {
            Limit::NEVER
        } else {
            peer.limit
        }
    }

    /// The only address that there is, if there is one: no algorithm is needed to choose it.
    pub(super) fn alone(&self) -> Option<Arc<Peer>> {
        self.alone.load_full()
    }

    /// How many addresses there are to choose from.
    pub(super) fn peer_count(&self) -> usize {
        self.primary.peers.load(Relaxed) + self.backup.peers.load(Relaxed)
    }

    /// How a server is chosen.
    pub(super) fn balance(&self) -> &Balance {
        &self.balance
    }

    /// A server by the algorithm; a backup server only if no other is admitted. `admit` gets the
    /// health and is the last to be asked: what it admits is chosen. Before it `turn` is asked, whose
    /// refusal counts only as long as another server can be used.
    pub(super) fn select(
        &self,
        key: &[u8],
        turn: &dyn Fn(&Peer) -> bool,
        admit: &dyn Fn(&Arc<Peer>, bool) -> bool,
    ) -> Option<Arc<Peer>> {
        let roles = [&self.primary, &self.backup];
        let mut roles = roles.into_iter();
        roles.find_map(|role| role.select(key, turn, admit))
    }

    /// A server by walking the list, for when the algorithm has found none or does not matter.
    pub(super) fn walk(&self, admit: &dyn Fn(&Arc<Peer>, bool) -> bool) -> Option<Arc<Peer>> {
        let roles = [&self.primary, &self.backup];
        roles.into_iter().find_map(|role| role.walk(admit))
    }

    /// The same where `eject_outliers` may have taken out whoever is left.
    pub(super) fn walk_outliers(
        &self,
        admit: &dyn Fn(&Arc<Peer>, bool) -> bool,
    ) -> Option<Arc<Peer>> {
        self.watch.as_ref()?;
        self.walk(admit)
    }

    /// Every peer with its health.
    pub(super) fn peers(&self) -> Vec<(Arc<Peer>, bool)> {
        let mut peers = Vec::with_capacity(self.peer_count());
        for role in [&self.primary, &self.backup] {
            let backends = role.balancer.backends();
            let with_health =
                |backend: &Backend| (Arc::clone(peer(backend)), backends.ready(backend));
            let set = backends.get_backend();
            let used = set.iter().filter(|backend| !peer(backend).down);
            peers.extend(used.map(with_health));
        }
        peers
    }
}

impl Role {
    fn select(
        &self,
        key: &[u8],
        turn: &dyn Fn(&Peer) -> bool,
        admit: &dyn Fn(&Arc<Peer>, bool) -> bool,
    ) -> Option<Arc<Peer>> {
        let peers = self.peers.load(Relaxed);
        let chosen = RefCell::new(None);
        let accept = |backend: &Backend, healthy| {
            let peer = peer(backend);
            let admitted = turn(peer) && admit(peer, healthy);
            if admitted {
                chosen.replace(Some(Arc::clone(peer)));
            }
            admitted
        };
        // The shared counter that orders a search is moved by others meanwhile: a search meets
        // some servers twice and may miss others.
        let max_iterations = (16 * peers).max(256);
        let is_empty = self.is_empty.load(Relaxed);
        if !is_empty && self.balancer.select(key, max_iterations, &accept).is_none() {
            return self.walk(admit);
        }
        chosen.into_inner()
    }

    fn walk(&self, admit: &dyn Fn(&Arc<Peer>, bool) -> bool) -> Option<Arc<Peer>> {
        let backends = self.balancer.backends();
        let set = backends.get_backend();
        if set.is_empty() {
            return None;
        }
        let start = self.walk.fetch_add(1, Relaxed) % set.len();
        let mut order = set.iter().skip(start).chain(set.iter().take(start));
        let found = order.find(|backend| admit(peer(backend), backends.ready(backend)));
        found.map(|backend| Arc::clone(peer(backend)))
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.sources.iter().map(|source| &source.text);
        f.debug_list().entries(servers).finish()
    }
}
