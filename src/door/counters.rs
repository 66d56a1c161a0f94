//! What there is of connections and requests, for nginx's status page.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

static ACCEPTED: AtomicU64 = AtomicU64::new(0);
static REQUESTS: AtomicU64 = AtomicU64::new(0);
static ACTIVE: AtomicI64 = AtomicI64::new(0);
static READING: AtomicI64 = AtomicI64::new(0);
static WRITING: AtomicI64 = AtomicI64::new(0);
static WAITING: AtomicI64 = AtomicI64::new(0);

/// The counts at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Requests that began.
    pub requests: u64,
    /// Connections that are open.
    pub active: i64,
    /// Those whose request's header is being read.
    pub reading: i64,
    /// Those whose request is being answered.
    pub writing: i64,
    /// Those that wait for a request.
    pub waiting: i64,
}

impl Counts {
    /// The counts now.
    pub fn now() -> Self {
        // A count may be read between two of its changes.
        let count = |count: &AtomicI64| count.load(Relaxed).max(0);
        Self {
            accepted: ACCEPTED.load(Relaxed),
            requests: REQUESTS.load(Relaxed),
            active: count(&ACTIVE),
            reading: count(&READING),
            writing: count(&WRITING),
            waiting: count(&WAITING),
        }
    }
}

/// Counts for as long as it lives.
#[derive(Debug)]
pub(super) struct Counted(&'static AtomicI64);

impl Counted {
    /// A connection was accepted.
    pub(super) fn connection() -> Self {
        ACCEPTED.fetch_add(1, Relaxed);
        Self::one_of(&ACTIVE)
    }

    /// A request began.
    pub(super) fn reading() -> Self {
        REQUESTS.fetch_add(1, Relaxed);
        Self::one_of(&READING)
    }

    /// A request is answered.
    pub(super) fn writing() -> Self {
        Self::one_of(&WRITING)
    }

    /// A connection waits.
    pub(super) fn waiting() -> Self {
        Self::one_of(&WAITING)
    }

    fn one_of(count: &'static AtomicI64) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
