//! The way back from the session of a request.

use crossbeam_utils::atomic::AtomicCell;
use pingora_core::protocols::raw_connect::ProxyDigest;
use std::sync::Arc;

/// Where a connection's [`DoorStream`](super::DoorStream) comes back to from the session of a request.
#[derive(Default)]
pub(super) struct Home(AtomicCell<Option<Arc<ProxyDigest>>>);

impl Home {
    /// What a session has left.
    pub(super) fn put(&self, stream: Option<Arc<ProxyDigest>>) {
        self.0.store(stream);
    }

    /// The stream, once its session is dropped.
    pub(super) fn take(&self) -> Option<Arc<ProxyDigest>> {
        self.0.take()
    }

    /// Empties it when this is dropped: to be held for as long as there may be sessions, whose end may not be
    /// waited for. A stream that stayed here would hold the connection that holds it.
    pub(super) fn until_dropped(&self) -> impl Drop {
        Emptied(self)
    }
}

struct Emptied<'a>(&'a Home);

impl Drop for Emptied<'_> {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

// A cell that were not free of locks would put one on the request path.
const _: () = assert!(AtomicCell::<Option<Arc<ProxyDigest>>>::is_lock_free());
