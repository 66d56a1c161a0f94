//! The connections that are open, so that those that keep to a configuration of before can be ended:
//! nginx's `worker_shutdown_timeout`.

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;

/// The lifelines of all connections, by their serial numbers. Locked when a connection begins and
/// when it ends.
#[derive(Debug, Default)]
pub struct Lifelines {
    open: Mutex<HashMap<u64, Arc<Lifeline>>>,
}

/// What a connection hangs on.
#[derive(Debug)]
pub(super) struct Lifeline {
    /// The number of the generation that it holds, or held last.
    generation: AtomicU64,
    is_cut: AtomicBool,
    waker: AtomicWaker,
}

/// A connection's own end of it: it is no longer known once this is dropped.
pub(super) struct Held<'a> {
    lifelines: &'a Lifelines,
    serial: u64,
    line: Arc<Lifeline>,
}

impl Lifelines {
    /// Ends every connection that keeps to a generation before this one.
    pub fn cut_before(&self, generation: u64) {
        for line in self.open.lock().values() {
            if line.generation.load(Ordering::Relaxed) < generation {
                line.is_cut.store(true, Ordering::Release);
                line.waker.wake();
            }
        }
    }

    pub(super) fn hold(&self, serial: u64, generation: u64) -> Held<'_> {
        let line = Arc::new(Lifeline {
            generation: AtomicU64::new(generation),
            is_cut: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        self.open.lock().insert(serial, Arc::clone(&line));
        Held {
            lifelines: self,
            serial,
            line,
        }
    }
}

impl Lifeline {
    /// A request of this generation begins.
    pub(super) fn pinned(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// Does what the connection does until it is done, or cut: `None`.
    pub(super) async fn until_cut<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            self.waker.register(context.waker());
            match self.is_cut.load(Ordering::Acquire) {
                true => Poll::Ready(None),
                false => Poll::Pending,
            }
        })
        .await
    }
}

impl Held<'_> {
    pub(super) fn line(&self) -> &Arc<Lifeline> {
        &self.line
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.lifelines.open.lock().remove(&self.serial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    #[tokio::test]
    async fn what_keeps_to_an_old_generation_is_cut_and_nothing_else() {
        let lifelines = Lifelines::default();
        let (old, moved) = (lifelines.hold(1, 4), lifelines.hold(2, 4));
        moved.line().pinned(5);
        lifelines.cut_before(5);
        assert_eq!(old.line().until_cut(pending::<()>()).await, None);
        assert_eq!(moved.line().until_cut(async { 7 }).await, Some(7));
        assert!(!moved.line().is_cut.load(Ordering::Acquire));
        drop((old, moved));
        assert!(lifelines.open.lock().is_empty());
    }
}
