//! The active checks of an upstream, as its newest generation wants them, and what they have found.
//!
//! Whether a server is used is Pingora's `HealthRegistry`'s to say, which takes a check once: it gets a
//! [`Delegate`] that tells it what the probes of all checks have found. A server must pass them all.

use super::clock::Clock;
use super::discovery::peer;
use super::event::Event;
use super::peer::Peer;
use super::probe::{Probe, Probes};
use super::{Environment, Upstream};
use crate::model::{self, AtFirst};
use crate::runtime::Defined;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::{Error, ErrorType, Result};
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::HealthCheck;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What the checks of one upstream name are now.
pub(super) struct ActiveCheck {
    upstream: String,
    clock: Clock,
    probes: Arc<Probes>,
    report: Arc<dyn Fn(&Event) + Send + Sync>,
    /// Locked by checks, never for a request.
    book: Mutex<Book>,
}

/// What is checked, and what is known of it.
#[derive(Default)]
struct Book {
    /// Which generation it follows.
    generation: u64,
    checks: Vec<Arc<Check>>,
    servers: HashMap<SocketAddr, Checked>,
}

/// A check, ready to be run.
pub(super) struct Check {
    pub(super) settings: model::HealthCheck,
    defined: Option<Arc<Defined>>,
    probe: Probe,
}

/// An address with what each check says of it, in the order of the checks.
#[derive(Default)]
struct Checked {
    /// One for each `server` line that leads to it.
    peers: Vec<Arc<Peer>>,
    verdicts: Vec<Verdict>,
    /// Why the last check failed.
    reason: String,
}

/// What one check says of one address.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    /// It has been checked.
    known: bool,
    healthy: bool,
    /// Results in a row that say otherwise.
    opposite: u32,
}

/// What one run of a check has found.
pub(super) struct Finding {
    pub(super) check: Arc<Check>,
    pub(super) address: SocketAddr,
    began: u64,
    result: Result<(), String>,
}

/// The check that a `HealthRegistry` holds for as long as it lives.
pub(super) struct Delegate(pub(super) Arc<ActiveCheck>);

impl ActiveCheck {
    pub(super) fn new(upstream: &str, environment: &Environment) -> Self {
        Self {
            upstream: upstream.to_owned(),
            clock: environment.clock.clone(),
            probes: Arc::clone(&environment.probes),
            report: Arc::clone(&environment.report),
            book: Mutex::default(),
        }
    }

    /// Follows this upstream from now on. Gives its checks; one that stays as it was is the same one.
    pub(super) fn follow(&self, upstream: &Upstream) -> Vec<Arc<Check>> {
        let mut book = self.book.lock();
        let is_new = book.generation != upstream.number;
        book.generation = upstream.number;
        let before = std::mem::take(&mut book.checks);
        let place =
            |check: &model::HealthCheck| before.iter().position(|one| one.settings == *check);
        let places: Vec<_> = upstream.health_checks.iter().map(place).collect();
        let checks = upstream.health_checks.iter().zip(&places);
        let same = |one: &Check| match (&one.defined, &upstream.defined) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (before, now) => before.is_none() && now.is_none(),
        };
        let checks = checks.map(|(settings, place)| {
            let before = place.map(|place| &before[place]).filter(|one| same(one));
            before.map_or_else(
                || {
                    Arc::new(Check {
                        settings: settings.clone(),
                        defined: upstream.defined.clone(),
                        probe: self.probes.probe(
                            settings,
                            &self.upstream,
                            upstream.defined.as_ref(),
                        ),
                    })
                },
                Arc::clone,
            )
        });
        book.checks = checks.collect();
        let mut known = std::mem::take(&mut book.servers);
        for (peer, _) in upstream.group.peers() {
            let address = &peer.address;
            let servers = &mut book.servers;
            if !servers.contains_key(address) {
                let mut checked = known.remove(address).unwrap_or_default();
                checked.peers.clear();
                let verdicts = upstream.health_checks.iter().zip(&places);
                let verdicts = verdicts.map(|(check, place)| {
                    let before = place.and_then(|place| checked.verdicts.get(place));
                    let mut verdict = before.copied().unwrap_or_default();
                    verdict.known &= !(is_new && check.at_first == AtFirst::Unknown);
                    verdict
                });
                checked.verdicts = verdicts.collect();
                servers.insert(address.clone(), checked);
            }
            if let Some(checked) = book.servers.get_mut(&peer.address) {
                checked.peers.push(peer);
            }
        }
        book.checks.clone()
    }

    /// The addresses that a check runs against; or those among them that it knows nothing of and that
    /// are not used before it does.
    pub(super) fn addresses(
        &self,
        check: &Arc<Check>,
        unknown: bool,
    ) -> Vec<(SocketAddr, Arc<str>)> {
        let book = self.book.lock();
        let Some(place) = book.place(check) else {
            return Vec::new();
        };
        let servers = book.servers.iter();
        let wanted = servers.filter(|(_, one)| !unknown || !one.verdicts[place].known);
        let named = wanted.filter_map(|(address, one)| {
            let server = &one.peers.first()?.server;
            Some((address.clone(), Arc::clone(server)))
        });
        named.collect()
    }

    /// Runs a check against an address once.
    pub(super) async fn run(
        self: Arc<Self>,
        check: Arc<Check>,
        address: SocketAddr,
        server: Arc<str>,
    ) -> Finding {
        let jitter = check.settings.jitter;
        if !jitter.is_zero() {
            tokio::time::sleep(jitter.mul_f64(fastrand::f64())).await;
        }
        let began = self.clock.now().max(1);
        let run = check.probe.run(&address, &server);
        let result = match check.settings.timeout {
            None => run.await,
            Some(limit) => tokio::time::timeout(limit, run)
                .await
                .unwrap_or_else(|_| Err(format!("no answer within {limit:?}"))),
        };
        Finding {
            check,
            address,
            began,
            result,
        }
    }

    /// Takes down what a check has found. Gives whether the server's health may have changed.
    pub(super) fn record(&self, finding: Finding) -> bool {
        let mut book = self.book.lock();
        let Some(place) = book.place(&finding.check) else {
            return false;
        };
        let Book {
            checks, servers, ..
        } = &mut *book;
        let Some(checked) = servers.get_mut(&finding.address) else {
            return false;
        };
        let flipped =
            checked.verdicts[place].observe(finding.result.is_ok(), &finding.check.settings);
        match finding.result {
            Err(reason) => checked.reason = reason,
            Ok(()) => {
                let mut all = checks.iter().zip(&checked.verdicts);
                let may_be_used = |check: &Check, verdict: &Verdict| {
                    verdict.known || check.settings.at_first == AtFirst::Healthy
                };
                if all.all(|(check, verdict)| may_be_used(check, verdict)) {
                    for peer in &checked.peers {
                        peer.live.passed.store(finding.began, Relaxed);
                    }
                }
            }
        }
        flipped
    }
}

impl Book {
    fn place(&self, check: &Arc<Check>) -> Option<usize> {
        self.checks.iter().position(|one| Arc::ptr_eq(one, check))
    }
}

impl Default for Verdict {
    fn default() -> Self {
        Self {
            known: false,
            healthy: true,
            opposite: 0,
        }
    }
}

impl Verdict {
    /// Counts a result. Gives whether the verdict is another one now.
    fn observe(&mut self, passed: bool, check: &model::HealthCheck) -> bool {
        let is_first = !std::mem::replace(&mut self.known, true);
        if passed == self.healthy {
            self.opposite = 0;
            return false;
        }
        self.opposite += 1;
        let needed = if passed { check.rise } else { check.fall };
        // Before the first check nothing is known that could be outweighed.
        let decides = is_first && check.at_first != AtFirst::Healthy;
        if !decides && self.opposite < needed {
            return false;
        }
        (self.healthy, self.opposite) = (passed, 0);
        true
    }
}

#[async_trait]
impl HealthCheck for Delegate {
    /// What the checks have found. An address that only generations before the newest use counts as
    /// healthy, and so does every one when nothing is checked.
    async fn check(&self, target: &Backend) -> Result<()> {
        let book = self.0.book.lock();
        let checked = book.servers.get(&peer(target).address);
        let is_healthy = |one: &Checked| one.verdicts.iter().all(|verdict| verdict.healthy);
        if checked.is_none_or(is_healthy) {
            return Ok(());
        }
        Error::e_explain(
            ErrorType::Custom("health check failed"),
            "see the line before",
        )
    }

    async fn health_status_change(&self, target: &Backend, healthy: bool) {
        let mut book = self.0.book.lock();
        let Some(checked) = book.servers.get_mut(&peer(target).address) else {
            return;
        };
        if checked.verdicts.is_empty() {
            return;
        }
        let upstream = self.0.upstream.clone();
        let server = checked.peers[0].description();
        let event = if healthy {
            // It is back, whatever requests met before it went.
            for peer in &checked.peers {
                peer.live.failures.clear();
                peer.back();
            }
            Event::Up { upstream, server }
        } else {
            for peer in &checked.peers {
                peer.taken_out();
            }
            let reason = std::mem::take(&mut checked.reason);
            Event::Down {
                upstream,
                server,
                reason,
            }
        };
        drop(book);
        (self.0.report)(&event);
    }

    fn health_threshold(&self, _: bool) -> usize {
        1
    }
}
