//! What there is of connections and requests, for nginx's status page.

use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// What one thread counts, or a few: a count that all threads changed for every request would go from one
/// processor to the other each time.
struct Share {
    accepted: AtomicU64,
    requests: AtomicU64,
    active: AtomicI64,
    reading: AtomicI64,
    writing: AtomicI64,
    waiting: AtomicI64,
}

static SHARES: [CachePadded<Share>; 64] = [const {
    CachePadded::new(Share {
        accepted: AtomicU64::new(0),
        requests: AtomicU64::new(0),
        active: AtomicI64::new(0),
        reading: AtomicI64::new(0),
        writing: AtomicI64::new(0),
        waiting: AtomicI64::new(0),
    })
}; 64];

thread_local! {
    static OWN: &'static Share = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        &SHARES[NEXT.fetch_add(1, Relaxed) % SHARES.len()]
    };
}

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
        let sum = |count: fn(&Share) -> &AtomicU64| {
            let counts = SHARES.iter().map(|share| count(share).load(Relaxed));
            counts.fold(0, u64::wrapping_add)
        };
        let there = |count: fn(&Share) -> &AtomicI64| {
            let counts = SHARES.iter().map(|share| count(share).load(Relaxed));
            // A count may be read between two of its changes, and changes on two threads.
            counts.sum::<i64>().max(0)
        };
        Self {
            accepted: sum(|share| &share.accepted),
            requests: sum(|share| &share.requests),
            active: there(|share| &share.active),
            reading: there(|share| &share.reading),
            writing: there(|share| &share.writing),
            waiting: there(|share| &share.waiting),
        }
    }
}

/// Counts for as long as it lives.
#[derive(Debug)]
pub(super) struct Counted(&'static AtomicI64);

impl Counted {
    /// A connection was accepted.
    pub(super) fn connection() -> Self {
        OWN.with(|own| {
            own.accepted.fetch_add(1, Relaxed);
            Self::one_of(&own.active)
        })
    }

    /// A request began.
    pub(super) fn reading() -> Self {
        OWN.with(|own| {
            own.requests.fetch_add(1, Relaxed);
            Self::one_of(&own.reading)
        })
    }

    /// A request is answered.
    pub(super) fn writing() -> Self {
        OWN.with(|own| Self::one_of(&own.writing))
    }

    /// A connection waits.
    pub(super) fn waiting() -> Self {
        OWN.with(|own| Self::one_of(&own.waiting))
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
