//! Milliseconds since the registry was made: monotonic, and settable by tests.

use std::time::{Duration, Instant};

#[cfg(test)]
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Tells the time to everything that remembers when something failed.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    start: Instant,
    #[cfg(test)]
    set: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The clock of a server.
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            #[cfg(test)]
            set: None,
        }
    }

    /// A clock that stands until it is set.
    #[cfg(test)]
    pub(super) fn manual(now: &Arc<AtomicU64>) -> Self {
        Self {
            start: Instant::now(),
            set: Some(Arc::clone(now)),
        }
    }

    /// Milliseconds since the start.
    pub(super) fn now(&self) -> u64 {
        self.at(Instant::now())
    }

    /// The same at a time that was read before.
    pub(super) fn at(&self, time: Instant) -> u64 {
        #[cfg(test)]
        if let Some(now) = &self.set {
            return now.load(Ordering::Relaxed);
        }
        milliseconds(time.saturating_duration_since(self.start))
    }
}

/// A duration in milliseconds.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
