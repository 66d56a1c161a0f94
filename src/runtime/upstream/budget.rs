//! How many further tries the requests of an upstream may have: without a limit, servers that begin to
//! fail would be asked a multiple of what they could not do.
//!
//! Every request pays its share in, every further try takes one out. A little is always there, so that
//! few requests may be tried again. A reload keeps it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What is left, in hundredths of a try.
#[derive(Debug)]
pub(super) struct Budget {
    left: AtomicU64,
    /// Until when what is always there has been paid in, in milliseconds.
    paid: AtomicU64,
    /// Tries that were refused and not told of yet, and when that was done last, one more than the time.
    refused: AtomicU64,
    told: AtomicU64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            left: AtomicU64::new(RESERVE),
            paid: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            told: AtomicU64::new(0),
        }
    }
}

impl Budget {
    /// A request comes, of which this many percent may be tried again.
    pub(super) fn pay_in(&self, percent: u8) {
        let more = |left| (left < MOST).then(|| left + u64::from(percent));
        // An error means that it is full.
        let _: Result<u64, u64> = self.left.fetch_update(Relaxed, Relaxed, more);
    }

    /// Takes one try out, if there is one.
    pub(super) fn take_out(&self, now: u64) -> bool {
        let less = |left: u64| left.checked_sub(ONE);
        if self.left.fetch_update(Relaxed, Relaxed, less).is_ok() {
            return true;
        }
        self.refill(now);
        self.left.fetch_update(Relaxed, Relaxed, less).is_ok()
    }

    /// Counts a try that was refused. Gives how many were since the last time that it gave that: not every
    /// one is worth a line in a log.
    pub(super) fn refuse(&self, now: u64) -> Option<u64> {
        self.refused.fetch_add(1, Relaxed);
        let told = self.told.load(Relaxed);
        if told != 0 && now + 1 < told + BETWEEN_LINES {
            return None;
        }
        let first = (self.told).compare_exchange(told, now + 1, Relaxed, Relaxed);
        first.ok().map(|_| self.refused.swap(0, Relaxed))
    }

    /// Pays in what has become due since the last time.
    fn refill(&self, now: u64) {
        let paid = self.paid.load(Relaxed);
        let due = now.saturating_sub(paid) / EVERY;
        if due == 0 {
            return;
        }
        let until = paid + due * EVERY;
        let first = self.paid.compare_exchange(paid, until, Relaxed, Relaxed);
        if first.is_ok() {
            let filled = |left: u64| {
                let more = left.saturating_add(due.saturating_mul(ONE)).min(RESERVE);
                (more > left).then_some(more)
            };
            // An error means that there is more than that already.
            let _: Result<u64, u64> = self.left.fetch_update(Relaxed, Relaxed, filled);
        }
    }
}

/// One try.
const ONE: u64 = 100;
/// What is there at first, and what time alone brings back: enough for the requests that are under way
/// when a server of a small site dies.
const RESERVE: u64 = 100 * ONE;
/// What many requests without a failure save up at most.
const MOST: u64 = 1000 * ONE;
/// Time brings back a try in so many milliseconds.
const EVERY: u64 = 100;
/// Refusals are told of that often, in milliseconds.
const BETWEEN_LINES: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// How many tries can be taken out at a time.
    fn drain(budget: &Budget, now: u64) -> usize {
        std::iter::repeat_with(|| budget.take_out(now))
            .take_while(|taken| *taken)
            .count()
    }

    #[test]
    fn a_share_of_the_requests_and_a_little_always() {
        let budget = Budget::default();
        assert_eq!(drain(&budget, 0), 100);
        for _ in 0..1000 {
            budget.pay_in(20);
        }
        assert_eq!(drain(&budget, 0), 200);
        assert_eq!(drain(&budget, 999), 9, "ten in a second");
        assert_eq!(drain(&budget, 1000), 1);
        assert_eq!(drain(&budget, 1_000_000), 100, "but no more than at first");
        for _ in 0..100_000 {
            budget.pay_in(20);
        }
        assert_eq!(drain(&budget, 1_000_000), 1000, "and not all of a day's");
    }

    #[test]
    fn refusals_are_told_of_now_and_then_and_all_are_counted() {
        let budget = Budget::default();
        let told = [0, 1, 9_999, 10_000, 10_001, 25_000].map(|now| budget.refuse(now));
        assert_eq!(told, [Some(1), None, None, Some(3), None, Some(2)]);
    }

    #[test]
    fn many_threads_get_no_more() {
        let budget = Budget::default();
        let taken: usize = std::thread::scope(|scope| {
            let work = || {
                (0..1000)
                    .filter(|_| {
                        budget.pay_in(10);
                        budget.take_out(0)
                    })
                    .count()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            let taken = threads.into_iter().map(|thread| thread.join());
            taken.map(|one| one.expect("no panic")).sum()
        });
        assert!((499..=500).contains(&taken), "{taken} of 100 and 400");
    }
}
