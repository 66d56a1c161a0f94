//! The generation that new requests get.

use super::Generation;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// The current generation. Reading it takes no lock; a reload swaps it once.
#[derive(Debug)]
pub struct Live {
    current: ArcSwap<Generation>,
}

impl Live {
    /// Starts with this generation.
    pub fn new(generation: Generation) -> Self {
        Self {
            current: ArcSwap::from_pointee(generation),
        }
    }

    /// The generation of now. Hold it for the whole request: the next call may give another one.
    pub fn pin(&self) -> Arc<Generation> {
        self.current.load_full()
    }

    /// Makes this the generation of every request that has not been pinned yet. Gives back the
    /// one before, which lives until its last request is done.
    pub fn swap(&self, generation: Generation) -> Arc<Generation> {
        // There is one reload at a time.
        let number = self.current.load().number() + 1;
        self.current.swap(Arc::new(generation.numbered(number)))
    }
}
