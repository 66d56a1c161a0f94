//! `ip_hash`: a client stays with its server. The key is the first three bytes of an IPv4 address, or
//! a whole IPv6 address.

use super::{Candidates, MOST_TRIES};
use pingora_load_balancing::Backend;
use pingora_load_balancing::selection::{BackendIter, BackendSelection};
use std::collections::BTreeSet;
use std::sync::Arc;

/// nginx's `ip_hash`.
pub(in super::super) struct IpHash(Candidates);

/// The servers by the hash of the address, hashed on for each that is not taken; then in turn.
pub(in super::super) struct ByAddress {
    selection: Arc<IpHash>,
    key: Box<[u8]>,
    hash: usize,
    tries: u32,
}

impl BackendSelection for IpHash {
    type Iter = ByAddress;
    type Config = ();

    fn build(backends: &BTreeSet<Backend>) -> Self {
        Self(Candidates::new(backends))
    }

    fn iter(self: &Arc<Self>, key: &[u8]) -> ByAddress {
        ByAddress {
            selection: Arc::clone(self),
            key: key.into(),
            hash: START,
            tries: 0,
        }
    }
}

impl BackendIter for ByAddress {
    fn next(&mut self) -> Option<&Backend> {
        let IpHash(candidates) = &*self.selection;
        if self.tries > MOST_TRIES || candidates.len() < 2 {
            return Some(&candidates.backends[candidates.in_turn()?]);
        }
        self.tries += 1;
        self.hash = hash(self.hash, &self.key);
        Some(&candidates.backends[candidates.at(self.hash)])
    }
}

// nginx's numbers: clients that change from nginx to Gapura keep their servers.
const START: usize = 89;
const FACTOR: usize = 113;
const MODULUS: usize = 6271;

fn hash(start: usize, key: &[u8]) -> usize {
    let step = |hash, byte: &u8| (hash * FACTOR + usize::from(*byte)) % MODULUS;
    key.iter().fold(start, step)
}
