//! `least_conn` and `least_time`: the server with the least to wait for, for its weight; among equals they
//! go in turn. What there is to wait for behind a server is [`Peer::load`](super::Peer::load).

use super::Candidates;
use pingora_load_balancing::Backend;
use pingora_load_balancing::selection::{BackendIter, BackendSelection};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

/// nginx's `least_conn` and `least_time`.
pub(in super::super) struct LeastLoad(Candidates);

/// The servers from the least busy on, each once.
pub(in super::super) struct LeastBusy {
    selection: Arc<LeastLoad>,
    /// Who was said already.
    said: Box<[bool]>,
}

impl BackendSelection for LeastLoad {
    type Iter = LeastBusy;
    type Config = ();

    fn build(backends: &BTreeSet<Backend>) -> Self {
        Self(Candidates::new(backends))
    }

    fn iter(self: &Arc<Self>, _: &[u8]) -> LeastBusy {
        LeastBusy {
            selection: Arc::clone(self),
            said: vec![false; self.0.len()].into(),
        }
    }
}

impl BackendIter for LeastBusy {
    fn next(&mut self) -> Option<&Backend> {
        let LeastLoad(candidates) = &*self.selection;
        let now = candidates.now();
        let left = |index: &usize| !self.said[*index] && candidates.peer(*index).takes_anyone();
        let mut best: Option<(usize, u64)> = None;
        let mut equals = 0;
        for index in (0..candidates.len()).filter(left) {
            let peer = candidates.peer(index);
            if peer.measure.counts_inflight() {
                peer.live.times.watch(now);
            }
            let load = peer.load(now);
            match best.map(|best| candidates.compare((index, load), best)) {
                None | Some(Ordering::Less) => (best, equals) = (Some((index, load)), 1),
                Some(Ordering::Equal) => equals += 1,
                Some(Ordering::Greater) => {}
            }
        }
        let (mut best, load) = best?;
        if equals > 1 {
            // Others' requests come and go meanwhile: one round is enough to look for.
            let turns = (0..candidates.schedule.len()).map_while(|_| candidates.in_turn());
            let is_equal = |index: &usize| {
                let other = (*index, candidates.peer(*index).load(now));
                left(index) && candidates.compare(other, (best, load)).is_eq()
            };
            best = turns.into_iter().find(is_equal).unwrap_or(best);
        }
        self.said[best] = true;
        Some(&candidates.backends[best])
    }
}
