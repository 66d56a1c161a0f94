//! `eject_outliers`: a server is out for a while when too many of its tries failed, however many succeeded
//! between them.
//!
//! `max_fails` counts failures that nothing but time clears: a server that answers half of its requests
//! well is never out for long. Here tries are counted in windows of time, those that failed and all. What a
//! server is counted by fits one word, changed by one compare-and-swap for each try; a lock is taken only
//! when a server is to be taken out, so that never too many are out at once.

use super::clock::{Clock, milliseconds};
use super::event::Event;
use super::peer::{Live, Peer};
use crate::model;
use parking_lot::Mutex;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Watches the servers of one list.
pub(super) struct Watch {
    settings: model::EjectOutliers,
    /// `window`, in milliseconds.
    window: u64,
    /// `time`, in milliseconds.
    time: u64,
    upstream: Arc<str>,
    clock: Clock,
    report: Arc<dyn Fn(&Event) + Send + Sync>,
    /// How many servers the list has now.
    servers: AtomicUsize,
    ejected: Arc<Ejected>,
}

/// The servers of an upstream that are out, in any generation.
#[derive(Debug, Default)]
pub(super) struct Ejected(Mutex<Vec<Weak<Live>>>);

/// What is counted of a server.
#[derive(Debug, Default)]
pub(super) struct Outlier {
    /// The number of the window, all tries in it, and those that failed.
    counts: AtomicU64,
    /// Until when it is or was out, whether it has not come back yet, and how many times in a row.
    out: AtomicU64,
}

impl Watch {
    /// Of an upstream's servers.
    pub(super) fn new(
        settings: model::EjectOutliers,
        upstream: &Arc<str>,
        ejected: &Arc<Ejected>,
        clock: &Clock,
        report: &Arc<dyn Fn(&Event) + Send + Sync>,
    ) -> Arc<Self> {
        Arc::new(Self {
            settings,
            window: milliseconds(settings.window).max(1),
            time: milliseconds(settings.time).max(1),
            upstream: Arc::clone(upstream),
            clock: clock.clone(),
            report: Arc::clone(report),
            servers: AtomicUsize::new(0),
            ejected: Arc::clone(ejected),
        })
    }

    /// What they are watched by.
    pub(super) fn settings(&self) -> &model::EjectOutliers {
        &self.settings
    }

    /// There are so many servers now.
    pub(super) fn has(&self, servers: usize) {
        self.servers.store(servers, Relaxed);
    }

    /// Whether a server takes requests. One whose time is over comes back by being asked.
    pub(super) fn admits(&self, peer: &Peer) -> bool {
        let word = peer.live.outlier.out.load(Relaxed);
        let out = Out::unpack(word);
        if !out.is_out {
            return true;
        }
        if self.clock.now() < out.until {
            return false;
        }
        let back = Out {
            is_out: false,
            ..out
        };
        let cell = &peer.live.outlier.out;
        let first = cell.compare_exchange(word, back.pack(), Relaxed, Relaxed);
        if first.is_ok() {
            peer.back();
            (self.report)(&Event::Readmitted {
                upstream: self.upstream.to_string(),
                server: peer.description(),
            });
        }
        true
    }

    /// Whether a server is out now.
    pub(super) fn is_out(&self, live: &Live) -> bool {
        live.outlier.is_out(self.clock.now())
    }

    /// Counts a try.
    pub(super) fn count(&self, peer: &Peer, has_failed: bool) {
        let outlier = &peer.live.outlier;
        let now = self.clock.now();
        // What was under way when it was taken out says nothing new.
        if outlier.is_out(now) {
            return;
        }
        let counts = outlier.count(now / self.window, has_failed);
        if has_failed && self.are_too_many(counts) {
            self.eject(peer, counts, now);
        }
    }

    fn are_too_many(&self, counts: Counts) -> bool {
        let share = u64::from(self.settings.failures);
        counts.tries >= u64::from(self.settings.requests)
            && counts.failed * 100 >= counts.tries * share
    }

    fn eject(&self, peer: &Peer, counts: Counts, now: u64) {
        let outlier = &peer.live.outlier;
        // Without it every further failure would come here when too many are out already.
        outlier.counts.store(0, Relaxed);
        let time = {
            let mut ejected = self.ejected.0.lock();
            ejected.retain(|one| one.upgrade().is_some_and(|one| one.outlier.is_out(now)));
            if ejected.len() >= self.most() || outlier.is_out(now) {
                return;
            }
            ejected.push(Arc::downgrade(&peer.live));
            outlier.eject(self.time, now)
        };
        peer.taken_out();
        (self.report)(&Event::Ejected {
            upstream: self.upstream.to_string(),
            server: peer.description(),
            failed: counts.failed,
            tries: counts.tries,
            time: Duration::from_millis(time),
        });
    }

    /// How many may be out at once: a part of all, one at least, and never all.
    fn most(&self) -> usize {
        let servers = self.servers.load(Relaxed);
        let most = servers * usize::from(self.settings.most) / 100;
        most.max(1).min(servers.saturating_sub(1))
    }
}

impl Outlier {
    fn is_out(&self, now: u64) -> bool {
        let out = Out::unpack(self.out.load(Relaxed));
        out.is_out && now < out.until
    }

    /// Counts a try in a window, and gives what that has now.
    fn count(&self, window: u64, has_failed: bool) -> Counts {
        let mut word = self.counts.load(Relaxed);
        loop {
            let counts = Counts::unpack(word).and_one(window & WINDOW_MASK, has_failed);
            let new = counts.pack();
            match (self.counts).compare_exchange_weak(word, new, Relaxed, Relaxed) {
                Ok(_) => return counts,
                Err(changed) => word = changed,
            }
        }
    }

    /// Takes it out, each time in a row for longer. Gives for how long.
    fn eject(&self, time: u64, now: u64) -> u64 {
        let before = Out::unpack(self.out.load(Relaxed));
        // It gets away with one for each `time` that it was in use.
        let well = now.saturating_sub(before.until) / time;
        let times = (before.times.saturating_sub(well) + 1).min(MOST_TIMES);
        let time = time.saturating_mul(times);
        let out = Out {
            until: now + time,
            is_out: true,
            times,
        };
        self.out.store(out.pack(), Relaxed);
        time
    }
}

/// The tries of one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    window: u64,
    tries: u64,
    failed: u64,
}

impl Counts {
    fn and_one(self, window: u64, has_failed: bool) -> Self {
        let (mut tries, mut failed) = match self.window == window {
            true => (self.tries, self.failed),
            false => (0, 0),
        };
        // Half of both is the same share.
        if tries == COUNT_MASK {
            (tries, failed) = (tries / 2, failed / 2);
        }
        Self {
            window,
            tries: tries + 1,
            failed: failed + u64::from(has_failed),
        }
    }

    fn pack(self) -> u64 {
        self.window << (2 * COUNT_BITS) | self.tries << COUNT_BITS | self.failed
    }

    fn unpack(word: u64) -> Self {
        Self {
            window: word >> (2 * COUNT_BITS),
            tries: word >> COUNT_BITS & COUNT_MASK,
            failed: word & COUNT_MASK,
        }
    }
}

/// When a server is out.
#[derive(Debug, Clone, Copy)]
struct Out {
    until: u64,
    is_out: bool,
    times: u64,
}

impl Out {
    fn pack(self) -> u64 {
        self.until << (TIMES_BITS + 1) | u64::from(self.is_out) << TIMES_BITS | self.times
    }

    fn unpack(word: u64) -> Self {
        Self {
            until: word >> (TIMES_BITS + 1),
            is_out: word >> TIMES_BITS & 1 == 1,
            times: word & ((1 << TIMES_BITS) - 1),
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({}, {:?})", self.upstream, self.settings)
    }
}

/// 16 million tries.
const COUNT_BITS: u32 = 24;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const WINDOW_MASK: u64 = (1 << (64 - 2 * COUNT_BITS)) - 1;
const TIMES_BITS: u32 = 4;
/// A server is out for at most so many times `time`.
const MOST_TIMES: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_counted_in_windows() {
        let outlier = Outlier::default();
        for number in 0..10 {
            outlier.count(7, number % 2 == 0);
        }
        let counts = outlier.count(7, false);
        assert_eq!((counts.tries, counts.failed), (11, 5));
        let counts = outlier.count(8, true);
        assert_eq!((counts.tries, counts.failed), (1, 1), "another window");
    }

    #[test]
    fn a_full_count_keeps_its_share() {
        let full = Counts {
            window: 1,
            tries: COUNT_MASK,
            failed: COUNT_MASK / 4,
        };
        let more = Counts::unpack(full.and_one(1, true).pack());
        assert_eq!(more.tries, COUNT_MASK / 2 + 1);
        assert_eq!(more.failed, COUNT_MASK / 4 / 2 + 1);
    }

    #[test]
    fn each_time_in_a_row_is_longer_up_to_a_bound() {
        let outlier = Outlier::default();
        let mut now = 1000;
        for expected in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10] {
            assert_eq!(outlier.eject(100, now), expected * 100);
            assert!(outlier.is_out(now + expected * 100 - 1));
            now += expected * 100;
            assert!(!outlier.is_out(now));
        }
        // In use for three times the time, it has three fewer behind it.
        assert_eq!(outlier.eject(100, now + 300), 800);
        assert_eq!(outlier.eject(100, now + 100_000), 100, "long ago");
    }

    #[test]
    fn no_try_is_lost_among_threads() {
        let outlier = Outlier::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..5000 {
                        outlier.count(3, number % 4 == 0);
                    }
                });
            }
        });
        let counts = Counts::unpack(outlier.counts.into_inner());
        assert_eq!((counts.tries, counts.failed), (20_000, 5000));
    }
}
