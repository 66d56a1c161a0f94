//! `max_fails` and `fail_timeout`: what the failed tries of requests say about a server.
//!
//! The rules are those of nginx's round robin, with milliseconds where it has seconds:
//! - every failed try counts and starts the `fail_timeout` again;
//! - a server with `max_fails` of them is out until `fail_timeout` has passed, then gets one
//!   request to prove itself, and the next one only after another `fail_timeout`;
//! - the count is cleared by a try that succeeds after `fail_timeout` has passed since the last
//!   failure, never by one before.
//!
//! nginx keeps a count and two times under a lock. Only the order of the two times matters, so
//! all of it fits one word, and every change is one compare-and-swap.

use super::clock::milliseconds;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// When a server is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    max_fails: u64,
    fail_timeout: u64,
}

impl Limit {
    /// A server that is never out: `max_fails=0`, and the only server of an upstream.
    pub(super) const NEVER: Self = Self {
        max_fails: 0,
        fail_timeout: 0,
    };

    /// The limit of a `server`.
    pub(super) fn new(max_fails: u32, fail_timeout: Duration) -> Self {
        Self {
            max_fails: u64::from(max_fails).min(MOST_FAILS),
            fail_timeout: milliseconds(fail_timeout),
        }
    }

    /// `fail_timeout`, in milliseconds.
    pub(super) fn fail_timeout(self) -> u64 {
        self.fail_timeout
    }
}

/// The failed tries of one server address.
#[derive(Debug, Default)]
pub(super) struct Failures(AtomicU64);

impl Failures {
    /// Whether the server takes a request now; when it only may prove itself, whether this is the
    /// one request that may. The clock is read only after a failure.
    pub(super) fn admit(&self, limit: Limit, now: impl Fn() -> u64) -> bool {
        let mut word = self.0.load(Relaxed);
        loop {
            let record = Record::unpack(word);
            if record.fails == 0 || limit.max_fails == 0 {
                return true;
            }
            let now = now();
            if now.saturating_sub(record.since) <= limit.fail_timeout {
                return record.fails < limit.max_fails;
            }
            match self.replace(word, record.probed(now)) {
                Ok(()) => return true,
                Err(changed) => word = changed,
            }
        }
    }

    /// Whether a server that is out may take one request early, because an active check that
    /// began at `passed` found it well after it was last tried.
    pub(super) fn admit_early(&self, limit: Limit, passed: u64, now: impl Fn() -> u64) -> bool {
        let mut word = self.0.load(Relaxed);
        loop {
            let record = Record::unpack(word);
            if passed <= record.since || limit.max_fails == 0 || record.fails < limit.max_fails {
                return false;
            }
            match self.replace(word, record.probed(now())) {
                Ok(()) => return true,
                Err(changed) => word = changed,
            }
        }
    }

    /// Counts a failed try. Gives whether the server is out now.
    pub(super) fn fail(&self, limit: Limit, now: u64) -> bool {
        if limit.max_fails == 0 {
            self.clear();
            return false;
        }
        let mut word = self.0.load(Relaxed);
        loop {
            let record = Record {
                fails: (Record::unpack(word).fails + 1).min(MOST_FAILS),
                timeout_passed: false,
                since: now,
            };
            match self.replace(word, record) {
                Ok(()) => return record.fails >= limit.max_fails,
                Err(changed) => word = changed,
            }
        }
    }

    /// Counts a try that succeeded. Gives whether the server was out and is back.
    pub(super) fn succeed(&self, limit: Limit) -> bool {
        let mut word = self.0.load(Relaxed);
        loop {
            let record = Record::unpack(word);
            if word == 0 || !(record.timeout_passed || limit.max_fails == 0) {
                return false;
            }
            match self.replace(word, Record::default()) {
                Ok(()) => return limit.max_fails != 0 && record.fails >= limit.max_fails,
                Err(changed) => word = changed,
            }
        }
    }

    /// Forgets every failure.
    pub(super) fn clear(&self) {
        if self.0.load(Relaxed) != 0 {
            self.0.store(0, Relaxed);
        }
    }

    /// Whether the server is out at this time.
    pub(super) fn out(&self, limit: Limit, now: u64) -> bool {
        let record = Record::unpack(self.0.load(Relaxed));
        limit.max_fails != 0
            && record.fails >= limit.max_fails
            && now.saturating_sub(record.since) <= limit.fail_timeout
    }

    fn replace(&self, old: u64, new: Record) -> Result<(), u64> {
        self.0
            .compare_exchange_weak(old, new.pack(), Relaxed, Relaxed)
            .map(drop)
    }
}

/// What the word says. Nothing failed is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Record {
    /// Failed tries.
    fails: u64,
    /// A try has begun after `fail_timeout` had passed: a success clears the count.
    timeout_passed: bool,
    /// When the last try failed, or the last one after `fail_timeout` began.
    since: u64,
}

impl Record {
    fn probed(self, now: u64) -> Self {
        Self {
            timeout_passed: true,
            since: now,
            ..self
        }
    }

    fn pack(self) -> u64 {
        self.fails << FAILS_SHIFT
            | u64::from(self.timeout_passed) << SINCE_BITS
            | (self.since & SINCE_MASK)
    }

    fn unpack(word: u64) -> Self {
        Self {
            fails: word >> FAILS_SHIFT,
            timeout_passed: word >> SINCE_BITS & 1 == 1,
            since: word & SINCE_MASK,
        }
    }
}

/// 2^43 milliseconds are 278 years.
const SINCE_BITS: u32 = 43;
const SINCE_MASK: u64 = (1 << SINCE_BITS) - 1;
const FAILS_SHIFT: u32 = SINCE_BITS + 1;
const MOST_FAILS: u64 = (1 << (64 - FAILS_SHIFT)) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens at a time, in seconds, and what is expected of it.
    enum Step {
        /// A request asks for the server, which it gets or not.
        Ask(u64, bool),
        /// A try fails.
        Fail(u64),
        /// A try succeeds.
        Succeed,
        /// A request asks for it early after a check that began at the first time.
        Early(u64, u64, bool),
    }
    use Step::{Ask, Early, Fail, Succeed};

    #[test]
    fn failures_follow_the_rules_of_nginx() {
        let table: &[(&str, u32, &[Step])] = &[
            (
                "one failure is enough by default",
                1,
                &[
                    Ask(0, true),
                    Fail(0),
                    Ask(0, false),
                    Ask(10, false),
                    Ask(11, true),
                ],
            ),
            (
                "max_fails=0 never takes a server out",
                0,
                &[Fail(0), Fail(0), Fail(0), Ask(0, true)],
            ),
            (
                "max_fails=2 needs two",
                2,
                &[Fail(0), Ask(1, true), Fail(1), Ask(1, false)],
            ),
            (
                "after fail_timeout one request may try",
                1,
                &[
                    Fail(0),
                    Ask(11, true),
                    Ask(11, false),
                    Ask(21, false),
                    Ask(22, true),
                ],
            ),
            (
                "its success clears the count",
                2,
                &[
                    Fail(0),
                    Fail(0),
                    Ask(11, true),
                    Ask(11, false),
                    Succeed,
                    Ask(11, true),
                    Fail(12),
                    Ask(12, true),
                ],
            ),
            (
                "its failure takes the server out again",
                2,
                &[
                    Fail(0),
                    Fail(0),
                    Ask(11, true),
                    Fail(12),
                    Ask(22, false),
                    Ask(23, true),
                ],
            ),
            (
                "a success within fail_timeout clears nothing",
                2,
                &[Fail(0), Ask(5, true), Succeed, Fail(6), Ask(6, false)],
            ),
            (
                "a success after it does",
                2,
                &[Fail(0), Ask(11, true), Succeed, Fail(12), Ask(12, true)],
            ),
            (
                "every failure starts fail_timeout again",
                1,
                &[
                    Fail(0),
                    Fail(8),
                    Ask(11, false),
                    Ask(18, false),
                    Ask(19, true),
                ],
            ),
            (
                "a check that passed lets one request in early",
                1,
                &[
                    Fail(2),
                    Early(2, 3, false),
                    Early(3, 3, true),
                    Early(3, 3, false),
                    Ask(3, false),
                    Succeed,
                    Ask(3, true),
                ],
            ),
            (
                "but not where nothing is wrong",
                2,
                &[Fail(2), Early(3, 3, false)],
            ),
        ];
        for (what, max_fails, steps) in table {
            let limit = Limit::new(*max_fails, Duration::from_secs(10));
            let failures = Failures::default();
            for (at, step) in steps.iter().enumerate() {
                match *step {
                    Ask(now, expected) => {
                        let out = failures.out(limit, now * 1000);
                        let admitted = failures.admit(limit, || now * 1000);
                        assert_eq!(admitted, expected, "{what}: step {at}");
                        assert_eq!(out, !expected, "{what}: step {at}");
                    }
                    Fail(now) => drop(failures.fail(limit, now * 1000)),
                    Succeed => {
                        failures.succeed(limit);
                    }
                    Early(passed, now, expected) => assert_eq!(
                        failures.admit_early(limit, passed * 1000, || now * 1000),
                        expected,
                        "{what}: step {at}"
                    ),
                }
            }
        }
    }

    #[test]
    fn without_a_fail_timeout_a_server_is_out_for_the_moment_only() {
        let limit = Limit::new(1, Duration::ZERO);
        let failures = Failures::default();
        assert!(failures.fail(limit, 1000));
        assert!(!failures.admit(limit, || 1000));
        assert!(failures.admit(limit, || 1001));
        assert!(failures.succeed(limit), "it was out and is back");
        assert!(failures.admit(limit, || 1001));
    }

    #[test]
    fn of_many_threads_one_gets_the_probe() {
        let limit = Limit::new(1, Duration::from_secs(10));
        let failures = Failures::default();
        for round in 1..200 {
            let now = round * 20_000;
            failures.fail(limit, now - 15_000);
            let admitted: usize = std::thread::scope(|scope| {
                let ask = || usize::from(failures.admit(limit, || now));
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
                let admitted = threads.into_iter().map(|thread| thread.join());
                admitted.map(|one| one.expect("no panic")).sum()
            });
            assert_eq!(admitted, 1);
        }
    }
}
