//! What upstreams keep across generations: by name, the health and the live state of addresses.

use super::balance::Group;
use super::budget::Budget;
use super::discovery::peer;
use super::health::{ActiveCheck, Delegate};
use super::names::{LOOKUP_INTERVAL, LOOKUP_TIMEOUT, Names, Resolve, SystemResolver};
use super::outlier::Ejected;
use super::peer::Live;
use super::pool::Pool;
use super::queue::Line;
use super::sticky::{Sessions, Stickiness};
use super::{Environment, Event, Upstream, background, clock::Clock, event};
use crate::model::{self, Sticky};
use crate::runtime::{Defined, dns};
use parking_lot::Mutex;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::server::ShutdownWatch;
use pingora_load_balancing::HealthRegistry;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// What upstreams keep across generations, one for each server process.
///
/// Making it and [`upstream`](Self::upstream) need no runtime: generations are built before the
/// process forks. Discovery and health checks run inside [`run`](Self::run).
pub struct Registry {
    shared: Arc<Shared>,
}

/// The part of a registry that its loops use.
pub(super) struct Shared {
    pub(super) environment: Environment,
    pub(super) names: Names,
    states: Mutex<HashMap<String, Arc<State>>>,
    /// There may be loops to start.
    pub(super) changed: Notify,
    /// How many of nginx's workers the process stands for.
    workers: AtomicUsize,
}

/// What the upstreams of one name share.
pub(super) struct State {
    pub(super) name: Arc<str>,
    /// Keyed by address alone: a dead server stays dead when its weight changes.
    pub(super) health: Arc<HealthRegistry>,
    pub(super) check: Arc<ActiveCheck>,
    /// Something that the health loop looks at has changed.
    pub(super) wake: Notify,
    lives: Mutex<HashMap<(SocketAddr, bool, usize), Weak<Live>>>,
    /// The upstreams of every generation still alive, the newest last.
    users: Mutex<Vec<Weak<Upstream>>>,
    clock: Clock,
    report: Arc<dyn Fn(&Event) + Send + Sync>,
    pub(super) budget: Budget,
    /// Who is out by `eject_outliers`.
    pub(super) ejected: Arc<Ejected>,
    generations: AtomicU64,
    /// A server was chosen.
    has_served: AtomicBool,
    started: AtomicBool,
    /// The requests that wait for a server.
    line: Arc<Line>,
    /// The connections to its servers.
    pool: Arc<Pool>,
    /// The sessions of `sticky learn`.
    sessions: Mutex<Option<(usize, Arc<Sessions>)>>,
}

impl Registry {
    /// A registry without upstreams that uses the system's resolver.
    pub fn new() -> Self {
        Self::with_resolver(Arc::new(SystemResolver))
    }

    /// A registry that gets addresses of names from this resolver.
    pub fn with_resolver(resolver: Arc<dyn Resolve>) -> Self {
        Self::with_environment(Environment {
            resolver,
            clock: Clock::new(),
            report: Arc::new(event::log),
            probes: Arc::default(),
            lookup_interval: LOOKUP_INTERVAL,
            bounds: Mutex::default(),
            lookup_timeout: LOOKUP_TIMEOUT,
        })
    }

    pub(super) fn with_environment(environment: Environment) -> Self {
        Self {
            shared: Arc::new(Shared {
                environment,
                names: Names::default(),
                states: Mutex::default(),
                changed: Notify::new(),
                workers: AtomicUsize::new(1),
            }),
        }
    }

    /// The upstream of a new generation.
    ///
    /// It shares health, failures and in-flight counts with upstreams of the same name, and, if the
    /// server list is the same, the balancers. It is checked as soon as it exists; if it is
    /// dropped without being used, because the rest of the configuration was wrong, the one before
    /// is checked again. Never blocks: names it uses for the first time have no address until
    /// [`resolve_names`](Self::resolve_names) or [`run`](Self::run) has found one.
    pub fn upstream(&self, upstream: &model::Upstream) -> Arc<Upstream> {
        self.upstream_with(upstream, None)
    }

    /// The same, where the configuration defines variables, which health checks may ask for.
    pub fn upstream_with(
        &self,
        upstream: &model::Upstream,
        defined: Option<&Arc<Defined>>,
    ) -> Arc<Upstream> {
        let Shared {
            environment, names, ..
        } = &*self.shared;
        let mut states = self.shared.states.lock();
        let state = states
            .entry(upstream.name.clone())
            .or_insert_with(|| Arc::new(State::new(&upstream.name, environment)));
        let new = || Group::new(upstream, state, names, environment);
        let group = match state.current() {
            Some(current) if current.group().is_of(upstream) => Arc::clone(current.group()),
            _ => new(),
        };
        let stickiness = (upstream.sticky.as_ref()).map(|settings| Stickiness {
            settings: settings.clone(),
            sessions: match settings {
                Sticky::Learn(learn) => Some(state.sessions(learn.size)),
                Sticky::Cookie(_) | Sticky::Route(_) => None,
            },
            clock: environment.clock.clone(),
        });
        let now = environment.clock.now();
        let mut upstream =
            Upstream::new(upstream, defined, group, stickiness, Arc::clone(state), now);
        let connections = &mut upstream.keepalive.connections;
        *connections = connections.saturating_mul(self.shared.workers.load(Relaxed));
        let upstream = Arc::new(upstream);
        state.users.lock().push(Arc::downgrade(&upstream));
        state.wake.notify_one();
        drop(states);
        self.shared.changed.notify_one();
        upstream
    }

    /// Says how many of nginx's workers this process stands for: each may keep as many idle connections as
    /// an upstream's `keepalive` says. For the generations that are built from now on.
    pub fn stand_for(&self, workers: usize) {
        self.shared.workers.store(workers, Relaxed);
    }

    /// Says how long answers of the system's name servers are used from now on.
    pub fn bound(&self, bounds: model::Validity) {
        *self.shared.environment.bounds.lock() = bounds;
    }

    /// The resolver of these settings, with what it has found before.
    pub fn resolver(&self, settings: &model::Resolver) -> Arc<dns::Resolver> {
        self.shared.names.resolver(settings)
    }

    /// Ends what runs for upstreams other than these, and closes idle connections that are too many now.
    /// Called after a generation was swapped in: the one before may live on for hours in a websocket, which
    /// needs no health checks.
    pub fn retain<'a>(&self, live: impl IntoIterator<Item = &'a Arc<Upstream>>) {
        let live: Vec<_> = live.into_iter().collect();
        for upstream in &live {
            let pool = &upstream.state().pool;
            pool.shrink(upstream.keepalive().connections);
        }
        let mut states = self.shared.states.lock();
        states.retain(|_, state| {
            let used = live.iter().any(|one| Arc::ptr_eq(one.state(), state));
            if !used {
                state.users.lock().clear();
                state.pool.shrink(0);
                state.wake.notify_one();
            }
            used
        });
    }

    /// Looks up every name of these upstreams that has never been looked up, in parallel, and
    /// waits until all are done or `limit` is over. Called before a generation serves, so that it
    /// does not start with empty upstreams when the resolver answers quickly. A name without an
    /// answer is looked up again by [`run`](Self::run).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn resolve_names<'a>(
        &self,
        upstreams: impl IntoIterator<Item = &'a Arc<Upstream>>,
        limit: Duration,
    ) {
        let mut lookups = JoinSet::new();
        for upstream in upstreams {
            for name in upstream.group().names().filter(|name| name.is_unknown()) {
                let (name, shared) = (Arc::clone(name), Arc::clone(&self.shared));
                lookups.spawn(async move { name.look_up_first(&shared.environment).await });
            }
        }
        let all = async { while lookups.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, all).await.is_err() {
            // They go on: to drop one would have a second one begin while the first is under way.
            lookups.detach_all();
        }
    }

    /// Looks up names and checks servers of every upstream, also of those that come later, until
    /// `shutdown` turns true or its sender is dropped. Run it once.
    pub async fn run(&self, mut shutdown: ShutdownWatch) {
        tokio::select! {
            () = background::run(&self.shared) => {}
            _ = shutdown.wait_for(|stop| *stop) => {}
        }
    }

    /// Whether nothing is left to be looked up or checked.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.shared.states.lock().is_empty() && self.shared.names.is_empty()
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    /// The states whose loop has not been started, which are taken to be started now.
    pub(super) fn start(&self) -> Vec<Arc<State>> {
        let states = self.states.lock();
        let states = states.values();
        states
            .filter(|state| !state.started.swap(true, Relaxed))
            .cloned()
            .collect()
    }

    /// Forgets a state when no upstream uses it. Gives whether it is gone: its loop ends then.
    pub(super) fn forget_unused(&self, state: &Arc<State>) -> bool {
        let mut states = self.states.lock();
        let unused = state.current().is_none();
        let own = states.get(&*state.name);
        if unused && own.is_some_and(|own| Arc::ptr_eq(own, state)) {
            states.remove(&*state.name);
        }
        unused
    }
}

impl State {
    fn new(name: &str, environment: &Environment) -> Self {
        let health = HealthRegistry::with_equivalence(|backend| {
            let mut hasher = DefaultHasher::new();
            peer(backend).address.hash(&mut hasher);
            hasher.finish()
        });
        let check = Arc::new(ActiveCheck::new(name, environment));
        health.set_health_check(Box::new(Delegate(Arc::clone(&check))));
        Self {
            name: name.into(),
            health: Arc::new(health),
            check,
            wake: Notify::new(),
            lives: Mutex::default(),
            users: Mutex::default(),
            clock: environment.clock.clone(),
            report: Arc::clone(&environment.report),
            budget: Budget::default(),
            ejected: Arc::default(),
            generations: AtomicU64::new(0),
            has_served: AtomicBool::new(false),
            started: AtomicBool::new(false),
            line: Arc::default(),
            pool: Arc::default(),
            sessions: Mutex::default(),
        }
    }

    /// By the clock of its servers.
    pub(super) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Tells of something.
    pub(super) fn report(&self, event: &Event) {
        (self.report)(event);
    }

    /// A server is chosen.
    pub(super) fn serve(&self) {
        if !self.has_served.load(Relaxed) {
            self.has_served.store(true, Relaxed);
        }
    }

    /// The number of one more generation: never 0.
    pub(super) fn count_generation(&self) -> u64 {
        self.generations.fetch_add(1, Relaxed) + 1
    }

    /// The newest upstream of this name that is still alive.
    pub(super) fn current(&self) -> Option<Arc<Upstream>> {
        let mut users = self.users.lock();
        users.retain(|user| user.strong_count() > 0);
        users.iter().rev().find_map(Weak::upgrade)
    }

    /// The requests that wait for a server.
    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// The table of sessions; another one, empty, when its size has changed.
    fn sessions(&self, size: usize) -> Arc<Sessions> {
        let mut sessions = self.sessions.lock();
        match &*sessions {
            Some((before, sessions)) if *before == size => Arc::clone(sessions),
            _ => {
                let new = Arc::new(Sessions::new(size));
                *sessions = Some((size, Arc::clone(&new)));
                new
            }
        }
    }

    /// The live state of an address, the same for all who use it. Servers of equal addresses are told
    /// apart by their number.
    pub(super) fn live(
        &self,
        address: &SocketAddr,
        backup: bool,
        copy: usize,
        clock: &Clock,
    ) -> Arc<Live> {
        let mut lives = self.lives.lock();
        lives.retain(|_, live| live.strong_count() > 0);
        let key = (address.clone(), backup, copy);
        if let Some(live) = lives.get(&key).and_then(Weak::upgrade) {
            return live;
        }
        let live = Arc::new(Live::new(&self.line, &self.pool));
        // Before the first request nobody has a share that a new server could grow into.
        if self.has_served.load(Relaxed) {
            live.back(clock.now());
        }
        lives.insert(key, Arc::downgrade(&live));
        live
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.shared.states.lock().keys())
            .finish()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({})", self.name)
    }
}
