//! The active check of an upstream, as its newest generation wants it.
//!
//! Pingora's `HealthRegistry` counts passes and failures and takes a check once, so it gets a
//! [`Delegate`]. What is checked and how is set by the health loop before each pass.

use super::clock::Clock;
use super::discovery::peer;
use super::event::Event;
use super::peer::Peer;
use super::probe::{Probe, Probes};
use super::{Environment, Upstream};
use crate::model;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::{Error, ErrorType, Result};
use pingora_load_balancing::health_check::HealthCheck;
use pingora_load_balancing::{Backend, Extensions};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What the check of one upstream name is now.
pub(super) struct ActiveCheck {
    upstream: String,
    clock: Clock,
    probes: Arc<Probes>,
    report: Arc<dyn Fn(&Event) + Send + Sync>,
    /// Locked by checks and between passes, never for a request.
    current: Mutex<Arc<Pass>>,
    /// Why the last check of an address failed.
    reasons: Mutex<HashMap<SocketAddr, String>>,
}

/// What one pass checks.
#[derive(Default)]
struct Pass {
    check: Option<model::HealthCheck>,
    /// By server as written.
    probes: HashMap<Arc<str>, Probe>,
    /// The peers of an address: one for each `server` line that leads to it.
    peers: HashMap<SocketAddr, Vec<Arc<Peer>>>,
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
            current: Mutex::default(),
            reasons: Mutex::default(),
        }
    }

    /// Makes the next pass check the servers of this upstream, its way.
    pub(super) fn follow(&self, upstream: &Upstream) {
        let mut pass = Pass {
            check: upstream.health_check.clone(),
            ..Pass::default()
        };
        let before = Arc::clone(&self.current.lock());
        let known = (before.check == pass.check).then_some(&before.probes);
        for (peer, _) in upstream.group.peers() {
            if let Some(check) = &pass.check {
                let server = Arc::clone(&peer.server);
                pass.probes.entry(server).or_insert_with_key(|server| {
                    let probe = known.and_then(|known| known.get(server));
                    probe.map_or_else(|| self.probes.probe(check, server), Probe::clone)
                });
            }
            let peers = pass.peers.entry(peer.address.clone()).or_default();
            peers.push(peer);
        }
        let stays = |address: &SocketAddr| pass.peers.contains_key(address);
        self.reasons.lock().retain(|address, _| stays(address));
        *self.current.lock() = Arc::new(pass);
    }

    fn pass(&self) -> Arc<Pass> {
        Arc::clone(&self.current.lock())
    }
}

impl Pass {
    /// The check and the peers of an address. `None` for an address that only generations before
    /// the newest use, and when nothing is checked: both count as healthy.
    fn of(&self, address: &SocketAddr) -> Option<(&model::HealthCheck, &[Arc<Peer>])> {
        Some((self.check.as_ref()?, self.peers.get(address)?))
    }
}

#[async_trait]
impl HealthCheck for Delegate {
    async fn check(&self, target: &Backend) -> Result<()> {
        let pass = self.0.pass();
        let address = &peer(target).address;
        let Some((check, peers)) = pass.of(address) else {
            return Ok(());
        };
        let target = &Backend {
            addr: address.clone(),
            weight: 1,
            ext: Extensions::new(),
        };
        let began = self.0.clock.now();
        let probe = &pass.probes[&peers[0].server];
        let result = tokio::time::timeout(check.timeout, probe.run(target)).await;
        let result =
            result.unwrap_or_else(|_| Err(format!("no answer within {:?}", check.timeout)));
        match result {
            Ok(()) => {
                for peer in peers {
                    peer.live.passed.store(began, Relaxed);
                }
                Ok(())
            }
            Err(reason) => {
                let mut reasons = self.0.reasons.lock();
                reasons.insert(address.clone(), reason.clone());
                Error::e_explain(ErrorType::Custom("health check failed"), reason)
            }
        }
    }

    async fn health_status_change(&self, target: &Backend, healthy: bool) {
        let pass = self.0.pass();
        let address = &peer(target).address;
        let Some((_, peers)) = pass.of(address) else {
            return;
        };
        let upstream = self.0.upstream.clone();
        let server = peers[0].description();
        let event = if healthy {
            // It is back, whatever requests met before it went.
            for peer in peers {
                peer.live.failures.clear();
            }
            Event::Up { upstream, server }
        } else {
            for peer in peers {
                peer.taken_out();
            }
            let reason = self.0.reasons.lock().remove(address);
            Event::Down {
                upstream,
                server,
                reason: reason.unwrap_or_default(),
            }
        };
        (self.0.report)(&event);
    }

    fn health_threshold(&self, success: bool) -> usize {
        let threshold = match (&self.0.pass().check, success) {
            (None, _) => 1,
            (Some(check), true) => check.rise,
            (Some(check), false) => check.fall,
        };
        usize::try_from(threshold).unwrap_or(usize::MAX)
    }
}
