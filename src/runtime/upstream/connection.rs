//! What is remembered of a connection to a server for as long as it is open: nginx's
//! `keepalive_requests` and `keepalive_time` are about one connection, and one that was idle while
//! its server was taken out is not used again.

use super::clock::Clock;
use crate::model::Keepalive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A connection to a server. Rides in what Pingora keeps of it.
#[derive(Debug)]
pub struct Connection {
    made: Instant,
    requests: AtomicU64,
    /// When it last became idle, or was last used, by the clock of its server.
    used: AtomicU64,
    /// It has carried its last request.
    spent: AtomicBool,
}

impl Connection {
    /// A connection that was just opened.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            made: Instant::now(),
            requests: AtomicU64::new(0),
            used: AtomicU64::new(0),
            spent: AtomicBool::new(false),
        })
    }

    /// How long it has been open.
    pub(super) fn age(&self) -> Duration {
        self.made.elapsed()
    }

    /// Whether it may carry a request to a server that was last taken out at `downed`.
    pub(super) fn may_carry(&self, downed: u64) -> bool {
        !self.spent.load(Relaxed) && (downed == 0 || self.used.load(Relaxed) > downed)
    }

    /// It carries a request.
    pub(super) fn begin(&self, clock: &Clock) {
        self.requests.fetch_add(1, Relaxed);
        self.used.store(clock.now(), Relaxed);
    }

    /// The request is answered. Gives whether it was the last one.
    pub(super) fn end(&self, keepalive: &Keepalive, clock: &Clock) -> bool {
        self.used.store(clock.now(), Relaxed);
        let spent = self.requests.load(Relaxed) >= keepalive.requests
            || self.made.elapsed() > keepalive.time;
        if spent {
            self.spent.store(true, Relaxed);
        }
        spent
    }
}
