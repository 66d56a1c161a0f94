//! YAML's `round_robin`: Pingora's, asked again for each server that is not taken.
//!
//! Pingora's own second choice is the server behind the first one in its list, which would then carry all
//! that a server that is out leaves. Its next turn is everybody's by weight.

use super::{AGAIN, Candidates};
use pingora_load_balancing::Backend;
use pingora_load_balancing::selection::algorithms;
use pingora_load_balancing::selection::weighted::Weighted;
use pingora_load_balancing::selection::{BackendIter, BackendSelection};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Pingora's round robin by weights.
type Pingora = Weighted<algorithms::RoundRobin>;

/// Round robin whose turns that are not taken are shared by weight.
pub(in super::super) struct RoundRobin {
    turns: Arc<Pingora>,
    /// Who gets the further tries of requests, by a schedule of their own: they cost nobody a turn.
    helpers: Candidates,
}

/// The servers from the one whose turn it is, without an end.
pub(in super::super) struct TurnByTurn {
    selection: Arc<RoundRobin>,
    is_further_try: bool,
    /// Holds what was said.
    turn: Option<<Pingora as BackendSelection>::Iter>,
}

impl BackendSelection for RoundRobin {
    type Iter = TurnByTurn;
    type Config = ();

    fn build(backends: &BTreeSet<Backend>) -> Self {
        Self {
            turns: Arc::new(Pingora::build(backends)),
            helpers: Candidates::new(backends),
        }
    }

    fn iter(self: &Arc<Self>, key: &[u8]) -> TurnByTurn {
        TurnByTurn {
            is_further_try: key == AGAIN,
            turn: None,
            selection: Arc::clone(self),
        }
    }
}

impl BackendIter for TurnByTurn {
    fn next(&mut self) -> Option<&Backend> {
        let RoundRobin { turns, helpers } = &*self.selection;
        match self.is_further_try {
            true => Some(&helpers.backends[helpers.in_turn()?]),
            false => self.turn.insert(turns.iter(b"")).next(),
        }
    }
}
