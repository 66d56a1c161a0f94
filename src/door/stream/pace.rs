//! `limit_rate`: how fast an answer goes to the client.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// The rate of one answer, in nginx's way: in the seconds since the request began so many bytes may have
/// been sent, and after each write comes a pause that makes up for it.
pub(super) struct Pace {
    /// Bytes in a second; 0 is no limit, [`UNSET`] is none so far.
    rate: AtomicU64,
    after: AtomicU64,
    started: Instant,
    sent: u64,
    pause: Option<Pin<Box<Sleep>>>,
}

const UNSET: u64 = u64::MAX;

impl Default for Pace {
    fn default() -> Self {
        Self {
            rate: AtomicU64::new(UNSET),
            after: AtomicU64::new(UNSET),
            started: Instant::now(),
            sent: 0,
            pause: None,
        }
    }
}

impl Pace {
    /// The next request has begun.
    pub(super) fn start(&mut self, began: Instant) {
        *self.rate.get_mut() = UNSET;
        *self.after.get_mut() = UNSET;
        self.started = began;
        self.sent = 0;
        self.pause = None;
    }

    pub(super) fn set_rate(&self, rate: u64) {
        self.rate.store(rate.min(UNSET - 1), Ordering::Relaxed);
    }

    pub(super) fn set_after(&self, after: u64) {
        self.after.store(after.min(UNSET - 1), Ordering::Relaxed);
    }

    pub(super) fn rate(&self) -> Option<u64> {
        Some(self.rate.load(Ordering::Relaxed)).filter(|rate| *rate != UNSET)
    }

    pub(super) fn after(&self) -> Option<u64> {
        Some(self.after.load(Ordering::Relaxed)).filter(|after| *after != UNSET)
    }

    /// Whether there is a limit.
    pub(super) fn is_limited(&self) -> bool {
        self.rate().is_some_and(|rate| rate > 0)
    }

    /// How many bytes may be sent now; waits while it is none.
    pub(super) fn poll_allowance(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        let Some(rate) = self.rate().filter(|rate| *rate > 0) else {
            return Poll::Ready(usize::MAX);
        };
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let seconds = self.started.elapsed().as_secs() + 1;
            let allowed = rate
                .saturating_mul(seconds)
                .saturating_add(self.after().unwrap_or(0));
            match allowed.saturating_sub(self.sent) {
                0 => self.wait_for(self.sent - allowed, rate),
                left => return Poll::Ready(usize::try_from(left).unwrap_or(usize::MAX)),
            }
        }
    }

    /// So many bytes were sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        if let Some(rate) = self.rate().filter(|rate| *rate > 0) {
            let limited = self.sent.saturating_sub(self.after().unwrap_or(0));
            let limited = limited.min(bytes as u64);
            if limited.saturating_mul(1000) >= rate {
                self.wait_for(limited, rate);
            }
        }
    }

    fn wait_for(&mut self, bytes: u64, rate: u64) {
        let milliseconds = bytes.saturating_mul(1000) / rate + 1;
        let pause = tokio::time::sleep(Duration::from_millis(milliseconds));
        self.pause = Some(Box::pin(pause));
    }
}
