//! Weighted round robin in nginx's order: A A B A C A A for weights of 5, 1 and 1, never A A A A A B C.

use super::Candidates;
use pingora_load_balancing::Backend;
use pingora_load_balancing::selection::{BackendIter, BackendSelection};
use std::collections::BTreeSet;
use std::sync::Arc;

/// nginx's round robin. The order is laid down when the list of servers changes and walked with one
/// atomic; a server that is not taken leaves its turns to the others by their weights.
pub(in super::super) struct SmoothRoundRobin(Candidates);

/// The servers from the one whose turn it is, without an end.
pub(in super::super) struct InTurn {
    order: Arc<SmoothRoundRobin>,
    /// Where a further try of a request looks: nobody loses a turn by it, as in nginx, where only the
    /// servers that are left share what such a try costs.
    place: Option<usize>,
}

/// The key of a further try of one request.
pub(in super::super) const AGAIN: &[u8] = b"again";

impl BackendSelection for SmoothRoundRobin {
    type Iter = InTurn;
    type Config = ();

    fn build(backends: &BTreeSet<Backend>) -> Self {
        Self(Candidates::new(backends))
    }

    fn iter(self: &Arc<Self>, key: &[u8]) -> InTurn {
        InTurn {
            place: (key == AGAIN).then(|| self.0.place()),
            order: Arc::clone(self),
        }
    }
}

impl BackendIter for InTurn {
    fn next(&mut self) -> Option<&Backend> {
        let SmoothRoundRobin(candidates) = &*self.order;
        let index = match &mut self.place {
            None => candidates.in_turn()?,
            Some(place) => {
                let index = candidates.at_turn(*place)?;
                *place = place.wrapping_add(1);
                index
            }
        };
        Some(&candidates.backends[index])
    }
}

/// One round. In each step every server gains its weight, and the one that has gained the most is
/// next and pays what all gained.
pub(super) fn schedule(weights: &[usize]) -> Box<[u32]> {
    let divisor = weights.iter().fold(0, |all, one| gcd(all, *one)).max(1);
    let weights: Vec<i64> = weights
        .iter()
        .map(|weight| i64::try_from(weight / divisor).unwrap_or(i64::MAX))
        .collect();
    let total: i64 = weights.iter().sum();
    let mut gained = vec![0; weights.len()];
    let next = |_| {
        let mut best: Option<usize> = None;
        for (index, weight) in weights.iter().enumerate() {
            gained[index] += weight;
            if *weight > 0 && best.is_none_or(|best| gained[index] > gained[best]) {
                best = Some(index);
            }
        }
        let best = best?;
        gained[best] -= total;
        u32::try_from(best).ok()
    };
    (0..total).filter_map(next).collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::schedule;

    #[test]
    fn a_heavy_server_is_spread_over_the_round() {
        assert_eq!(*schedule(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(*schedule(&[3, 1]), [0, 0, 1, 0]);
        assert_eq!(*schedule(&[2, 2]), [0, 1], "equal shares are the smallest");
        assert_eq!(
            *schedule(&[0, 1]),
            [1],
            "a server without weight has no turn"
        );
        assert_eq!(*schedule(&[0]), [0_u32; 0]);
    }
}
