//! `least_conn` and `least_time`: the server with the least to wait for, for its weight; among equals they
//! go in turn. What there is to wait for behind a server is [`Peer::load`](super::Peer::load).
//!
//! nginx looks at every server for every request. Of more than a few only some are looked at, the one whose
//! turn it is and some by chance: what that costs does not grow with their number, and with six to choose
//! from the busiest are hardly busier than with all.

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
        let is_long = candidates.len() > FEW;
        if is_long && self.said.len() > MOST_TRIES as usize {
            // Most of them are out.
            return Some(&candidates.backends[candidates.in_turn()?]);
        }
        if self.said.len() > MOST_TRIES as usize {
            let said = &self.said;
            let others = self.others.get_or_insert_with(|| candidates.others(said));
            return Some(&candidates.backends[others.next()?]);
        }
        let next = match is_long {
            true => candidates.least_of_some(&self.said),
            false => candidates.least(&self.said),
        }?;
        self.last = Some(next);
        Some(&candidates.backends[next])
    }
}

impl Candidates {
    /// The least busy one of some. Who is looked at goes by weight, and so does what is compared: idle servers
    /// get their shares, and busy ones are as busy as their weights say.
    fn least_of_some(&self, said: &[usize]) -> Option<usize> {
        let now = self.now();
        let nothing = self.backends.first().and_then(|one| peer(one).least_load());
        // Nothing is nothing for every weight.
        let nothing = nothing.filter(|nothing| *nothing == 0 || self.even);
        let mut best: Option<(usize, u64)> = None;
        for looked_at in 0..SOME {
            let index = match looked_at {
                0 => self.in_turn(),
                _ => self.at_turn(fastrand::usize(..)),
            }?;
            if said.contains(&index) {
                continue;
            }
            let load = self.look_at(index, now);
            if nothing == Some(load) {
                return Some(index);
            }
            if best.is_none_or(|best| self.compare((index, load), best).is_lt()) {
                best = Some((index, load));
            }
        }
        // All of them were said: the next one may not have been.
        best.map(|(index, _)| index).or_else(|| self.in_turn())
    }

    fn look_at(&self, index: usize, now: u64) -> u64 {
        let peer = self.peer(index);
        if peer.measure.counts_inflight() {
            peer.live.times.watch(now);
        }
        peer.load(now)
    }

    /// The least busy one; the one of several whose turn it is.
    fn least(&self, said: &[usize]) -> Option<usize> {
        let now = self.now();
        let left = |index: &usize| self.peer(*index).takes_anyone() && !said.contains(index);
        let mut best: Option<(usize, u64)> = None;
        let mut equals = 0;
        for index in (0..self.len()).filter(left) {
            let load = self.look_at(index, now);
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

/// So many servers are all looked at.
const FEW: usize = 32;
/// Of more, so many.
const SOME: usize = 6;
