//! The connections that are open, so that those that keep to a configuration of before can be ended:
//! nginx's `worker_shutdown_timeout`.

use super::Connection;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use pingora::prelude::timeout;
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

/// All connections, by their serial numbers. Locked when a connection begins and when it ends.
#[derive(Debug, Default)]
pub struct Lifelines {
    open: Mutex<HashMap<u64, Arc<Connection>>>,
}

/// What a connection hangs on.
#[derive(Debug)]
pub(super) struct Lifeline {
    /// The number of the generation that it holds, or held last.
    generation: AtomicU64,
    is_cut: AtomicBool,
    /// It is to end with the answer that comes next.
    is_ending: AtomicBool,
    waker: AtomicWaker,
}

/// A connection's own end of it: it is no longer known once this is dropped.
pub(super) struct Held<'a> {
    lifelines: &'a Lifelines,
    serial: u64,
}

/// How long a connection that was cut may take to end its request: to log it and to let go of a server.
const AFTERMATH: Duration = Duration::from_secs(1);

impl Lifelines {
    /// Ends every connection that keeps to a generation before this one, also one that waits for a request,
    /// as nginx does: its client is as good as gone.
    pub fn cut_before(&self, generation: u64) {
        self.cut(|line| line.generation.load(Ordering::Relaxed) < generation);
    }

    /// Ends every connection.
    pub fn cut_all(&self) {
        self.cut(|_| true);
    }

    fn cut(&self, chosen: impl Fn(&Lifeline) -> bool) {
        let open = self.open.lock();
        let lines = open.values().map(|connection| &connection.lifeline);
        for line in lines.filter(|line| chosen(line)) {
            line.is_cut.store(true, Ordering::Release);
            line.waker.wake();
        }
    }

    /// Has every connection end with its next answer, and look at what there is for it.
    pub(super) fn end(&self) {
        for connection in self.open.lock().values() {
            let line = &connection.lifeline;
            line.is_ending.store(true, Ordering::Relaxed);
            line.waker.wake();
        }
    }

    pub(super) fn hold(&self, connection: &Arc<Connection>, generation: u64) -> Held<'_> {
        connection.lifeline.pinned(generation);
        let serial = connection.serial;
        self.open.lock().insert(serial, Arc::clone(connection));
        Held {
            lifelines: self,
            serial,
        }
    }
}

impl Default for Lifeline {
    fn default() -> Self {
        Self {
            generation: AtomicU64::new(0),
            is_cut: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }
}

impl Lifeline {
    /// A request of this generation begins.
    pub(super) fn pinned(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// Who is woken by a cut, and by [`Lifelines::end`].
    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }

    /// Whether no request may come after this one.
    pub(super) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    /// Does what the connection does until it is done. Once it is cut, what is left to do has a short time:
    /// `None` when that did not suffice.
    pub(super) async fn until_cut<T>(
        &self,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        let whole = poll_fn(|context| {
            self.register(context.waker());
            // A cut is seen before the work is looked at, which sees it too.
            let is_cut = self.is_cut();
            match work.as_mut().poll(context) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending if is_cut => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        match whole.await {
            Some(done) => Some(done),
            None => timeout(AFTERMATH, work).await.ok(),
        }
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
    use std::pin::pin;

    fn connection() -> Arc<Connection> {
        Arc::new(Connection::new(&tokio::io::duplex(1).0))
    }

    #[tokio::test]
    async fn what_keeps_to_an_old_generation_is_cut_and_nothing_else() {
        let lifelines = Lifelines::default();
        let connections = [connection(), connection()];
        let held = connections.each_ref().map(|one| lifelines.hold(one, 4));
        let [old, moved] = connections.each_ref().map(|one| &one.lifeline);
        moved.pinned(5);
        lifelines.cut_before(5);
        assert_eq!([old, moved].map(Lifeline::is_cut), [true, false]);
        assert_eq!(moved.until_cut(pin!(async { 7 })).await, Some(7));
        lifelines.cut_all();
        assert!(moved.is_cut());
        drop(held);
        assert!(lifelines.open.lock().is_empty());
    }

    #[tokio::test]
    async fn a_cut_leaves_a_second_for_what_is_left() {
        let cut = Lifeline::default();
        cut.is_cut.store(true, Ordering::Release);
        let soon = async {
            tokio::time::sleep(AFTERMATH / 2).await;
            7
        };
        assert_eq!(cut.until_cut(pin!(soon)).await, Some(7));
        assert_eq!(cut.until_cut(pin!(pending::<()>())).await, None);
    }
}
