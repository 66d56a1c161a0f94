//! nginx's ways of choosing among servers, each a `BackendSelection` behind Pingora's `LoadBalancer`.
//!
//! They place a request where nginx places it: in the order of the configuration, by the weights as
//! written, servers that are `down` included where a key decides. Whether a server takes the request
//! is asked in the balancer's accept closure; an iterator here only says who is next.

mod hash;
mod in_turn;
mod ip_hash;
mod least_load;
mod random;
mod smooth;
mod sticky;

pub(super) use hash::{ConsistentHash, KeyHash};
pub(super) use in_turn::RoundRobin;
pub(super) use ip_hash::IpHash;
pub(super) use least_load::LeastLoad;
pub(super) use random::{Random, RandomTwo};
pub(super) use smooth::{AGAIN, SmoothRoundRobin};
pub(super) use sticky::Sticky;

use super::discovery::peer;
use super::peer::Peer;
use pingora_load_balancing::Backend;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// After so many servers that were not taken, a key decides no longer and they go in turn: nginx's.
const MOST_TRIES: u32 = 20;

/// The servers in the order of the configuration.
struct Candidates {
    backends: Box<[Backend]>,
    /// The sum of the weights up to and including each, as written.
    sums: Box<[usize]>,
    /// Whose turn it is: each as often as its weight says, as evenly as nginx spreads them.
    schedule: Box<[u32]>,
    next: AtomicUsize,
    /// All weights are the same.
    even: bool,
}

impl Candidates {
    fn new(set: &BTreeSet<Backend>) -> Self {
        let mut backends: Vec<Backend> = set.iter().cloned().collect();
        let place = |backend: &Backend| (peer(backend).line, peer(backend).address.clone());
        backends.sort_by_cached_key(place);
        let mut sum = 0;
        let sums = backends.iter().map(|backend| {
            sum += peer(backend).weight;
            sum
        });
        let sums = sums.collect();
        let weight = |backend: &Backend| match peer(backend).takes_anyone() {
            true => backend.weight,
            false => 0,
        };
        let weights: Vec<usize> = backends.iter().map(weight).collect();
        let even = backends
            .windows(2)
            .all(|two| peer(&two[0]).weight == peer(&two[1]).weight);
        Self {
            even,
            schedule: smooth::schedule(&weights),
            backends: backends.into(),
            sums,
            next: AtomicUsize::new(0),
        }
    }

    fn len(&self) -> usize {
        self.backends.len()
    }

    fn peer(&self, index: usize) -> &Arc<Peer> {
        peer(&self.backends[index])
    }

    /// Whose turn it is; `None` when every server is `down`.
    fn in_turn(&self) -> Option<usize> {
        self.at_turn(self.next.fetch_add(1, Relaxed))
    }

    /// The turn that comes next.
    fn place(&self) -> usize {
        self.next.load(Relaxed)
    }

    /// Whose turn that is.
    fn at_turn(&self, place: usize) -> Option<usize> {
        let place = place.checked_rem(self.schedule.len())?;
        Some(self.schedule[place] as usize)
    }

    /// The server at a number, when each takes as many as its weight says.
    fn at(&self, number: usize) -> usize {
        let total = self.sums.last().copied().unwrap_or(1).max(1);
        let number = number % total;
        self.sums.partition_point(|sum| *sum <= number)
    }

    /// The time, where loads go by it.
    fn now(&self) -> u64 {
        self.backends.first().map_or(0, |one| peer(one).now())
    }

    /// Compares the loads of two for their weights.
    fn compare(&self, one: (usize, u64), other: (usize, u64)) -> std::cmp::Ordering {
        let weight = |index| self.peer(index).weight as u64;
        let left = one.1.saturating_mul(weight(other.0));
        left.cmp(&other.1.saturating_mul(weight(one.0)))
    }
}
