//! `least_conn` and `least_time`: the server with the least to wait for, for its weight; among equals they
//! go in turn. What there is to wait for behind a server is [`Peer::load`](super::Peer::load).
//!
//! nginx looks at every server for every request. Where there are many, one in turn behind whom there is
//! nothing to wait for is taken as it is: no server can be better, and it is the next of all that are as good.

use super::{Candidates, MOST_TRIES, peer};
use pingora_load_balancing::Backend;
use pingora_load_balancing::selection::{BackendIter, BackendSelection};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::vec;

/// nginx's `least_conn` and `least_time`.
pub(in super::super) struct LeastLoad(Candidates);

/// The servers from the least busy on, each once.
pub(in super::super) struct LeastBusy {
    selection: Arc<LeastLoad>,
    last: Option<usize>,
    /// Who was said before the last one.
    said: Vec<usize>,
    /// All others, once many were said.
    others: Option<vec::IntoIter<usize>>,
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
            last: None,
            said: Vec::new(),
            others: None,
        }
    }
}

impl BackendIter for LeastBusy {
    fn next(&mut self) -> Option<&Backend> {
        self.said.extend(self.last.take());
        let LeastLoad(candidates) = &*self.selection;
        if self.said.len() > MOST_TRIES as usize {
            let said = &self.said;
            let others = self.others.get_or_insert_with(|| candidates.others(said));
            return Some(&candidates.backends[others.next()?]);
        }
        let idle = candidates.idle_in_turn(&self.said);
        let next = idle.or_else(|| candidates.least(&self.said))?;
        self.last = Some(next);
        Some(&candidates.backends[next])
    }
}

impl Candidates {
    /// One in turn that nobody is better than, of many.
    fn idle_in_turn(&self, said: &[usize]) -> Option<usize> {
        if self.len() <= FEW {
            return None;
        }
        let least = self.backends.first().and_then(|one| peer(one).least_load());
        // Nothing is nothing for every weight.
        let least = least.filter(|least| *least == 0 || self.even)?;
        let now = self.now();
        let is_idle = |index: &usize| {
            let peer = self.peer(*index);
            peer.takes_anyone() && peer.load(now) == least && !said.contains(index)
        };
        (0..FEW).find_map(|_| self.in_turn().filter(is_idle))
    }

    /// The least busy one; the one of several whose turn it is.
    fn least(&self, said: &[usize]) -> Option<usize> {
        let now = self.now();
        let left = |index: &usize| self.peer(*index).takes_anyone() && !said.contains(index);
        let mut best: Option<(usize, u64)> = None;
        let mut equals = 0;
        for index in (0..self.len()).filter(left) {
            let peer = self.peer(index);
            if peer.measure.counts_inflight() {
                peer.live.times.watch(now);
            }
            let load = peer.load(now);
            match best.map(|best| self.compare((index, load), best)) {
                None | Some(Ordering::Less) => (best, equals) = (Some((index, load)), 1),
                Some(Ordering::Equal) => equals += 1,
                Some(Ordering::Greater) => {}
            }
        }
        let (best, load) = best?;
        if equals < 2 {
            return Some(best);
        }
        // Others' requests come and go meanwhile: one round is enough to look for.
        let turns = (0..self.schedule.len()).map_while(|_| self.in_turn());
        let is_equal = |index: &usize| {
            let other = (*index, self.peer(*index).load(now));
            left(index) && self.compare(other, (best, load)).is_eq()
        };
        turns.into_iter().find(is_equal).or(Some(best))
    }

    /// All that were not said, the least busy first.
    fn others(&self, said: &[usize]) -> vec::IntoIter<usize> {
        let now = self.now();
        let left = |index: &usize| self.peer(*index).takes_anyone() && !said.contains(index);
        let with_load = |index: usize| (index, self.peer(index).load(now));
        let mut others: Vec<_> = (0..self.len()).filter(left).map(with_load).collect();
        others.sort_by(|one, other| self.compare(*one, *other));
        let others: Vec<_> = others.into_iter().map(|(index, _)| index).collect();
        others.into_iter()
    }
}

/// So many servers are looked at one by one.
const FEW: usize = 32;
