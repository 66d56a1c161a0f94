//! What the location that took a request says of its connection.

use crate::runtime::Location;
use crossbeam_utils::atomic::AtomicCell;
use std::sync::Arc;

/// The location's settings, as the stream reads them.
#[derive(Default)]
pub(super) struct Rules {
    /// Laid down by the request path, which can only look at the stream.
    new: AtomicCell<Option<Arc<Location>>>,
    current: Option<Arc<Location>>,
}

impl Rules {
    /// From now on these hold.
    pub(super) fn replace(&self, location: Arc<Location>) {
        self.new.store(Some(location));
    }

    /// No location is known.
    pub(super) fn clear(&mut self) {
        self.new.take();
        self.current = None;
    }

    /// The location, once there is one.
    pub(super) fn location(&mut self) -> Option<&Location> {
        self.take_over();
        self.current.as_deref()
    }

    /// The location, to be held for a while.
    pub(super) fn shared(&mut self) -> Option<Arc<Location>> {
        self.take_over();
        self.current.clone()
    }

    fn take_over(&mut self) {
        if let Some(location) = self.new.take() {
            self.current = Some(location);
        }
    }
}

// A cell that were not free of locks would put one on the request path.
const _: () = assert!(AtomicCell::<Option<Arc<Location>>>::is_lock_free());
