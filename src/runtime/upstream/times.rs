//! How long the answers of a server take: what `least_time` and `peak_ewma` choose by.
//!
//! `least_time` keeps nginx's moving averages of milliseconds. `peak_ewma` is Finagle's: a slow answer
//! counts in full at once, and what it says fades while nothing as slow comes. Every number is an atomic
//! of its own that all threads write and reloads keep; an average that two answers change at the same
//! time has both in it.

use crate::model::{Balance, Until};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What is measured of the servers of an upstream, and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// Nothing: the requests that they have are compared.
    Requests,
    /// Averages of their times.
    Average {
        /// What of an answer is compared.
        until: Until,
        /// Whether requests that are not answered yet count.
        inflight: bool,
    },
    /// Their slowest times of late.
    Peak,
}

/// The times of one server address.
#[derive(Debug, Default)]
pub(super) struct Times {
    header: Average,
    last_byte: Average,
    waiting: Waiting,
    /// The average of how long requests that wait have been waiting.
    inflight: Average,
    /// When it was last chosen after `fail_timeout`, or failed: one more than the time, and 0 for never.
    checked: AtomicU64,
    peak: Peak,
}

impl Measure {
    /// What a method needs.
    pub(super) fn of(balance: &Balance) -> Self {
        match balance {
            Balance::LeastTime { until, inflight } => Self::Average {
                until: *until,
                inflight: *inflight,
            },
            Balance::RandomTwoLeastTime(until) => Self::Average {
                until: *until,
                inflight: false,
            },
            Balance::PeakEwma => Self::Peak,
            _ => Self::Requests,
        }
    }

    pub(super) fn counts_inflight(self) -> bool {
        matches!(self, Self::Average { inflight: true, .. })
    }
}

impl Times {
    /// The server got a request. With `fail_timeout` as its line says.
    pub(super) fn chosen(&self, now: u64, fail_timeout: u64) {
        if self.seconds_unchecked(now) > fail_timeout / 1000 {
            self.checked(now);
        }
    }

    /// The server was looked at: its averages hold from now on.
    pub(super) fn checked(&self, now: u64) {
        self.checked.store(now + 1, Relaxed);
    }

    /// A request waits for its answer from now on.
    pub(super) fn begin(&self, now: u64) {
        self.waiting.begin(now);
    }

    /// One that waited since `began` does no longer.
    pub(super) fn end(&self, began: u64) {
        self.waiting.end(began);
    }

    pub(super) fn add_header(&self, time: Duration) {
        self.header.add(milliseconds(time));
    }

    pub(super) fn add_last_byte(&self, time: Duration) {
        self.last_byte.add(milliseconds(time));
    }

    /// `peak_ewma`: an answer took so long.
    pub(super) fn add_peak(&self, time: Duration, now: u64) {
        self.peak.add(time, now);
    }

    /// `peak_ewma`: a try failed after so long, which makes nothing better.
    pub(super) fn add_failure(&self, time: Duration, now: u64) {
        if microseconds(time) > u64::from(self.peak.cost(now)) {
            self.peak.add(time, now);
        }
    }

    /// Looks at how long the requests that wait have been waiting, as nginx does when it chooses.
    pub(super) fn watch(&self, now: u64) {
        if let Some(time) = self.waiting.average(now) {
            self.inflight.add(time);
        }
    }

    /// `least_time`: the time until the server is done with `requests` and one more.
    pub(super) fn estimate(
        &self,
        until: Until,
        fail_timeout: u64,
        requests: usize,
        now: u64,
    ) -> u64 {
        let average = match until {
            Until::Header => &self.header,
            Until::LastByte => &self.last_byte,
        };
        let mut time = average.get();
        let (unchecked, fail_timeout) = (self.seconds_unchecked(now), fail_timeout / 1000);
        if unchecked > fail_timeout {
            // A server that was slow is tried again: each time it was not, it counts as twice as fast.
            let halvings = u32::try_from(unchecked / (fail_timeout + 1)).unwrap_or(u32::MAX);
            time = time.checked_shr(halvings).unwrap_or(0);
        }
        if self.waiting.is_there() {
            time = time.max(self.inflight.get());
        }
        // All that are too slow are equal, and so are those that differ by little.
        time = match time > SLOWEST {
            true => SLOWEST,
            false => time + STEP - time % STEP,
        };
        time.saturating_mul(requests as u64 + 1)
    }

    /// `peak_ewma`: what there is to wait for behind so many requests, in microseconds.
    pub(super) fn peak_load(&self, requests: usize, now: u64) -> u64 {
        let requests = requests as u64;
        match u64::from(self.peak.cost(now)) {
            // Nobody knows how it does until the first answer is there: one request finds out.
            0 if requests > 0 => UNKNOWN + requests,
            cost => cost.saturating_mul(requests + 1),
        }
    }

    fn seconds_unchecked(&self, now: u64) -> u64 {
        match self.checked.load(Relaxed) {
            0 => u64::MAX,
            checked => now.saturating_sub(checked - 1) / 1000,
        }
    }
}

/// nginx's moving average of milliseconds. 0 is none.
#[derive(Debug, Default)]
struct Average(AtomicU64);

impl Average {
    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn add(&self, time: u64) {
        let next = |average| match average {
            0 => time,
            // A twentieth of the new one, rounded.
            _ => (average * 19 + time + 10) / 20,
        };
        let changed = self
            .0
            .fetch_update(Relaxed, Relaxed, |average| Some(next(average)));
        changed.expect("every average has a next one");
    }
}

/// The requests that wait for an answer: how many, and the sum of the times at which they began. Both
/// are one word, so that they fit together; the sum may wrap, the sum of what they have waited cannot.
#[derive(Debug, Default)]
struct Waiting(AtomicU64);

impl Waiting {
    fn begin(&self, now: u64) {
        self.0.fetch_add(Self::one(now), Relaxed);
    }

    fn end(&self, began: u64) {
        self.0.fetch_sub(Self::one(began), Relaxed);
    }

    fn is_there(&self) -> bool {
        self.0.load(Relaxed) & COUNT_MASK != 0
    }

    /// How long they have been waiting on average. `None` when there are none.
    fn average(&self, now: u64) -> Option<u64> {
        let word = self.0.load(Relaxed);
        let (sum, count) = (word >> COUNT_BITS, word & COUNT_MASK);
        let waited = now.wrapping_mul(count).wrapping_sub(sum) & (u64::MAX >> COUNT_BITS);
        waited.checked_div(count)
    }

    fn one(time: u64) -> u64 {
        (time << COUNT_BITS) + 1
    }
}

/// The slowest answer of late in microseconds, and the millisecond in which it was last set right.
#[derive(Debug, Default)]
struct Peak(AtomicU64);

impl Peak {
    /// What is left of it now.
    fn cost(&self, now: u64) -> u32 {
        let (cost, set) = unpack(self.0.load(Relaxed));
        whole(f64::from(cost) * faded(set, now))
    }

    fn add(&self, time: Duration, now: u64) {
        let time = u32::try_from(microseconds(time).max(1)).unwrap_or(u32::MAX);
        let next = |word| {
            let (cost, set) = unpack(word);
            let left = faded(set, now);
            let mixed = f64::from(cost) * left + f64::from(time) * (1.0 - left);
            let cost = if time > cost { time } else { whole(mixed) };
            Some(u64::from(cost.max(1)) << 32 | (now & u64::from(u32::MAX)))
        };
        let changed = self.0.fetch_update(Relaxed, Relaxed, next);
        changed.expect("every peak has a next one");
    }
}

fn unpack(word: u64) -> (u32, u32) {
    (low(word >> 32), low(word))
}

fn low(word: u64) -> u32 {
    u32::try_from(word & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "it lies between two numbers of that type"
)]
fn whole(cost: f64) -> u32 {
    cost as u32
}

/// The share of a cost that is left at a time. Times are compared within 49 days.
fn faded(set: u32, now: u64) -> f64 {
    let passed = low(now).wrapping_sub(set);
    // Another thread may have read the clock before.
    let passed = if passed > u32::MAX / 2 { 0 } else { passed };
    (-f64::from(passed) / FADES).exp()
}

fn milliseconds(time: Duration) -> u64 {
    super::clock::milliseconds(time)
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// nginx's numbers: servers slower than this many milliseconds are equally slow, and times are compared
/// in steps of so many.
const SLOWEST: u64 = 5000;
pub(super) const STEP: u64 = 20;

/// 2^20 requests of one server may wait for more than four hours each.
const COUNT_BITS: u32 = 20;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// After so many milliseconds a third of a peak is left. As in Finagle.
const FADES: f64 = 10_000.0;

/// More than any server has that is known, with room for weights.
const UNKNOWN: u64 = 1 << 44;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1000;

    fn of(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn averages_are_nginx_s() {
        let average = Average::default();
        for (time, expected) in [(0, 0), (1000, 1000), (0, 950), (0, 903), (2000, 958)] {
            average.add(time);
            assert_eq!(average.get(), expected);
        }
    }

    #[test]
    fn a_slow_server_counts_as_faster_the_longer_it_was_not_tried() {
        let times = Times::default();
        let estimate = |now, requests| times.estimate(Until::LastByte, 10 * SECOND, requests, now);
        assert_eq!(estimate(0, 0), 20, "nothing is known");
        times.chosen(SECOND, 10 * SECOND);
        times.add_last_byte(of(4000));
        assert_eq!(estimate(SECOND, 0), 4020);
        assert_eq!(estimate(11 * SECOND, 1), 8040, "two requests");
        assert_eq!(estimate(12 * SECOND, 0), 2020, "once in fail_timeout");
        assert_eq!(estimate(24 * SECOND, 0), 1020);
        times.chosen(24 * SECOND, 10 * SECOND);
        assert_eq!(estimate(24 * SECOND, 0), 4020, "it is being tried");
        times.add_last_byte(of(200_000));
        assert_eq!(
            estimate(24 * SECOND, 0),
            5000,
            "all that are slower are equal"
        );
        assert_eq!(
            times.estimate(Until::Header, 10 * SECOND, 0, 24 * SECOND),
            20
        );
    }

    #[test]
    fn requests_that_wait_make_a_server_slow() {
        let times = Times::default();
        times.begin(100);
        times.begin(300);
        times.watch(1000);
        assert_eq!(times.inflight.get(), 800);
        assert_eq!(times.estimate(Until::Header, 10 * SECOND, 0, 1000), 820);
        times.end(100);
        assert_eq!(times.waiting.average(1000), Some(700));
        times.end(300);
        assert_eq!(times.waiting.average(1000), None);
        assert_eq!(times.estimate(Until::Header, 10 * SECOND, 0, 1000), 20);
    }

    #[test]
    fn many_that_wait_for_hours_are_counted_right() {
        let waiting = Waiting::default();
        let late = 1 << 43;
        for count in 0..100_000 {
            waiting.begin(late + count);
        }
        let hour = 3600 * SECOND;
        let average = waiting.average(late + hour + 99_999);
        assert_eq!(average, Some(hour + 49_999));
    }

    #[test]
    fn a_peak_counts_at_once_and_fades() {
        let peak = Peak::default();
        assert_eq!(peak.cost(0), 0);
        peak.add(of(10), 0);
        peak.add(of(200), 0);
        assert_eq!(peak.cost(0), 200_000);
        peak.add(of(10), 0);
        assert_eq!(peak.cost(0), 200_000, "no time has passed");
        assert_eq!(peak.cost(10 * SECOND), 73_575);
        peak.add(of(10), 10 * SECOND);
        assert_eq!(peak.cost(10 * SECOND), 79_897);
        assert_eq!(peak.cost(10 * SECOND - 1), 79_897, "another thread's clock");
    }
}
