//! `random`: by chance and weight; `random two` takes the less busy or the faster of two, as
//! `peak_ewma` does.

use super::{Candidates, MOST_TRIES};
use pingora_load_balancing::Backend;
use pingora_load_balancing::selection::{BackendIter, BackendSelection};
use std::collections::BTreeSet;
use std::sync::Arc;

/// nginx's `random`.
pub(in super::super) struct Random(Candidates);

/// nginx's `random two`, by the requests that two servers have or by their times, and `peak_ewma`.
pub(in super::super) struct RandomTwo(Candidates);

/// Servers by chance; when none was taken, in turn.
pub(in super::super) struct ByChance {
    selection: Arc<Random>,
    tries: u32,
}

/// Two servers by chance, the less busy first; then others by chance, then in turn.
pub(in super::super) struct TwoByChance {
    selection: Arc<RandomTwo>,
    /// The busier of the two.
    second: Option<usize>,
    tries: u32,
}

impl BackendSelection for Random {
    type Iter = ByChance;
    type Config = ();

    fn build(backends: &BTreeSet<Backend>) -> Self {
        Self(Candidates::new(backends))
    }

    fn iter(self: &Arc<Self>, _: &[u8]) -> ByChance {
        ByChance {
            selection: Arc::clone(self),
            tries: 0,
        }
    }
}

impl BackendSelection for RandomTwo {
    type Iter = TwoByChance;
    type Config = ();

    fn build(backends: &BTreeSet<Backend>) -> Self {
        Self(Candidates::new(backends))
    }

    fn iter(self: &Arc<Self>, _: &[u8]) -> TwoByChance {
        TwoByChance {
            selection: Arc::clone(self),
            second: None,
            tries: 0,
        }
    }
}

impl Candidates {
    fn by_chance(&self, tries: &mut u32) -> Option<usize> {
        if *tries > MOST_TRIES || self.len() < 2 {
            return self.in_turn();
        }
        *tries += 1;
        Some(self.at(fastrand::usize(..)))
    }
}

impl BackendIter for ByChance {
    fn next(&mut self) -> Option<&Backend> {
        let Random(candidates) = &*self.selection;
        let index = candidates.by_chance(&mut self.tries)?;
        Some(&candidates.backends[index])
    }
}

impl BackendIter for TwoByChance {
    fn next(&mut self) -> Option<&Backend> {
        let RandomTwo(candidates) = &*self.selection;
        let first_time = self.tries == 0;
        let mut index = match self.second.take() {
            Some(second) => second,
            None => candidates.by_chance(&mut self.tries)?,
        };
        if first_time && candidates.len() > 1 {
            let other = std::iter::repeat_with(|| candidates.at(fastrand::usize(..)))
                .take(MOST_TRIES as usize)
                .find(|other| *other != index);
            if let Some(other) = other {
                let now = candidates.now();
                let load = |index| (index, candidates.peer(index).load(now));
                let less = candidates.compare(load(other), load(index)).is_lt();
                let (first, second) = if less { (other, index) } else { (index, other) };
                self.second = Some(second);
                index = first;
            }
        }
        Some(&candidates.backends[index])
    }
}
