//! `least_conn`: the server with the fewest requests for its weight; among equals they go in turn.

use super::Candidates;
use pingora_load_balancing::Backend;
use pingora_load_balancing::selection::{BackendIter, BackendSelection};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

/// nginx's `least_conn`.
pub(in super::super) struct LeastConn(Candidates);

/// The servers from the least busy on, each once.
pub(in super::super) struct LeastBusy {
    selection: Arc<LeastConn>,
    /// Who was said already.
    said: Box<[bool]>,
}

impl BackendSelection for LeastConn {
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
        let LeastConn(candidates) = &*self.selection;
        let left = |index: &usize| !self.said[*index] && candidates.peer(*index).takes_anyone();
        let mut best: Option<usize> = None;
        let mut equals = 0;
        for index in (0..candidates.len()).filter(left) {
            match best.map(|best| candidates.busy(index, best)) {
                None | Some(Ordering::Less) => (best, equals) = (Some(index), 1),
                Some(Ordering::Equal) => equals += 1,
                Some(Ordering::Greater) => {}
            }
        }
        let mut best = best?;
        if equals > 1 {
            // Others' requests come and go meanwhile: one round is enough to look for.
            let turns = (0..candidates.schedule.len()).map_while(|_| candidates.in_turn());
            let is_equal = |index: &usize| left(index) && candidates.busy(*index, best).is_eq();
            best = turns.into_iter().find(is_equal).unwrap_or(best);
        }
        self.said[best] = true;
        Some(&candidates.backends[best])
    }
}
