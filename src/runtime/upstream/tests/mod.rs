//! Tests of upstreams as a whole: through the registry, over real sockets where it matters.

mod balancing;
mod choosing;
mod distribution;
mod health;
mod names;
mod outliers;
mod queue;
mod reload;

use super::clock::Clock;
use super::event::Event;
use super::{Environment, Peer, Registry, Resolve, Resolved, SystemResolver, Upstream};
use crate::model::{
    self, AtFirst, Balance, CheckKind, HealthCheck, Keepalive, Server, ServerAddress, Weight,
};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

/// A registry whose log, names and, if wanted, time are the test's.
struct Bench {
    registry: Arc<Registry>,
    names: Arc<FakeResolver>,
    log: Arc<Mutex<Vec<String>>>,
    now: Arc<AtomicU64>,
}

impl Bench {
    /// With a clock that stands at a second.
    fn new() -> Self {
        let now = Arc::new(AtomicU64::new(1000));
        Self::with_clock(Clock::manual(&now), now)
    }

    /// With the real clock.
    fn running() -> Self {
        Self::with_clock(Clock::new(), Arc::default())
    }

    fn with_clock(clock: Clock, now: Arc<AtomicU64>) -> Self {
        let names = Arc::new(FakeResolver::default());
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        let environment = Environment {
            resolver: Arc::<FakeResolver>::clone(&names),
            clock,
            report: Arc::new(move |event: &Event| lines.lock().push(event.to_string())),
            probes: Arc::default(),
            lookup_interval: Duration::from_millis(20),
            bounds: Mutex::default(),
            lookup_timeout: Duration::from_millis(100),
        };
        Self {
            registry: Arc::new(Registry::with_environment(environment)),
            names,
            log,
            now,
        }
    }

    /// An upstream named `app` with these servers.
    fn upstream(&self, servers: &[Server]) -> Arc<Upstream> {
        self.registry.upstream(&model(servers, None))
    }

    /// The same, checked.
    fn checked(&self, servers: &[Server], check: HealthCheck) -> Arc<Upstream> {
        self.registry.upstream(&model(servers, Some(check)))
    }

    /// Runs the loops until the sender is dropped.
    fn run(&self) -> watch::Sender<bool> {
        let (stop, stopped) = watch::channel(false);
        let registry = Arc::clone(&self.registry);
        tokio::spawn(async move { registry.run(stopped).await });
        stop
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().clone()
    }
}

fn model(servers: &[Server], health_check: Option<HealthCheck>) -> model::Upstream {
    model::Upstream {
        name: "app".to_owned(),
        balance: Balance::RoundRobin,
        servers: servers.to_vec(),
        sticky: None,
        queue: None,
        eject_outliers: None,
        health_checks: health_check.into_iter().collect(),
        resolver: None,
        resolver_timeout: None,
        keepalive: Keepalive {
            connections: 32,
            ..Keepalive::default()
        },
    }
}

/// A server with nginx's defaults.
fn server(text: &str) -> Server {
    let address = text;
    let address = match (address.parse(), address.strip_prefix("unix:")) {
        (Ok(address), _) => ServerAddress::Inet(address),
        (_, Some(path)) => ServerAddress::Unix(path.to_owned()),
        _ => {
            let (host, port) = address.split_once(':').expect("a name and a port");
            ServerAddress::Name {
                host: host.to_owned(),
                port: port.parse().expect("a port"),
            }
        }
    };
    Server {
        address,
        written: text.to_owned(),
        weight: Weight::ONE,
        max_fails: 1,
        fail_timeout: Duration::from_secs(10),
        max_conns: None,
        slow_start: None,
        backup: false,
        down: false,
        drain: false,
        route: None,
        resolve: false,
        service: None,
    }
}

fn weighted(address: &str, weight: u64) -> Server {
    Server {
        weight: Weight::new(weight).expect("valid"),
        ..server(address)
    }
}

fn backup(address: &str) -> Server {
    Server {
        backup: true,
        ..server(address)
    }
}

fn down(address: &str) -> Server {
    Server {
        down: true,
        ..server(address)
    }
}

/// A check that is quick and decides at once.
fn check(kind: CheckKind) -> HealthCheck {
    HealthCheck {
        kind,
        interval: Duration::from_millis(20),
        jitter: Duration::ZERO,
        timeout: Some(Duration::from_millis(500)),
        rise: 1,
        fall: 1,
        port: None,
        at_first: AtFirst::Healthy,
    }
}

/// The address of the next choice.
fn next(upstream: &Upstream) -> Option<String> {
    upstream
        .choose(&[])
        .map(|selected| selected.text().to_owned())
}

/// How often each address is chosen.
fn count(upstream: &Upstream, choices: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..choices {
        let text = next(upstream).unwrap_or_else(|| "none".to_owned());
        *counts.entry(text).or_default() += 1;
    }
    counts
}

fn counts<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    let owned = expected.map(|(text, count)| (text.to_owned(), count));
    BTreeMap::from(owned)
}

/// Has every address that can be chosen fail once.
fn fail_all(upstream: &Upstream) {
    let mut tried: Vec<Arc<Peer>> = Vec::new();
    while let Some(selected) = upstream.choose(&tried) {
        selected.failed();
        tried.push(Arc::clone(selected.peer()));
    }
}

/// The addresses that requests can be passed to.
fn usable(upstream: &Upstream) -> Vec<String> {
    let usable = upstream.status().filter(|one| one.healthy && !one.failed);
    usable.map(|one| one.peer.text().to_owned()).collect()
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let limit = tokio::time::Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(tokio::time::Instant::now() < limit, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A port that refuses connections until it listens, and that nobody else can get meanwhile.
struct Port(TcpSocket);

impl Port {
    fn reserve() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(any).expect("a free port");
        Self(socket)
    }

    fn text(&self) -> String {
        self.0.local_addr().expect("bound").to_string()
    }

    fn listen(self) -> TcpListener {
        self.0.listen(64).expect("bound")
    }
}

/// Answers from a table; a name that is not there is not found.
#[derive(Default)]
struct FakeResolver {
    /// How long its answers are valid.
    valid: Mutex<HashMap<String, Duration>>,
    asked: Mutex<Vec<String>>,
    table: Mutex<HashMap<String, Vec<SocketAddr>>>,
    /// Look-ups take until this is released.
    gate: tokio::sync::RwLock<()>,
    lookups: AtomicUsize,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl FakeResolver {
    fn set(&self, host: &str, addresses: &[&str]) {
        let parsed = addresses.iter().map(|one| one.parse().expect("an address"));
        self.table.lock().insert(host.to_owned(), parsed.collect());
    }

    fn asked(&self, host: &str) -> usize {
        self.asked.lock().iter().filter(|one| *one == host).count()
    }

    fn remove(&self, host: &str) {
        self.table.lock().remove(host);
    }
}

#[async_trait]
impl Resolve for FakeResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Resolved> {
        self.lookups.fetch_add(1, Relaxed);
        self.asked.lock().push(host.to_owned());
        let under_way = self.under_way.fetch_add(1, Relaxed) + 1;
        self.most_under_way.fetch_max(under_way, Relaxed);
        drop(self.gate.read().await);
        self.under_way.fetch_sub(1, Relaxed);
        let table = self.table.lock();
        let addresses = table.get(host).ok_or(io::Error::other("no such name"))?;
        assert!(addresses.iter().all(|address| address.port() == port));
        Ok(Resolved {
            addresses: addresses.clone(),
            valid: self.valid.lock().get(host).copied(),
        })
    }
}
