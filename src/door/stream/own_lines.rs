//! The lines of an answer's header that the door writes itself: `Server` and `Date`.

use super::DoorStream;
use crossbeam_utils::atomic::AtomicCell;
use http::{HeaderMap, HeaderName, header};

/// When each of them is written.
#[derive(Default)]
pub(super) struct OwnLines {
    server: AtomicCell<When>,
    date: AtomicCell<When>,
}

/// When a line of the door's is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum When {
    /// Where the answer has none of its name.
    #[default]
    Missing,
    /// In place of the answer's.
    Instead,
    /// Before the answer's.
    Beside,
    /// Not at all.
    Never,
}

const _: () = assert!(AtomicCell::<When>::is_lock_free());

impl OwnLines {
    fn named(&self, name: &HeaderName) -> Option<&AtomicCell<When>> {
        match name {
            name if *name == header::SERVER => Some(&self.server),
            name if *name == header::DATE => Some(&self.date),
            _ => None,
        }
    }
}

impl DoorStream {
    /// Leaves a line of the answer's out, where the door writes one of this name itself: then it can stay in
    /// the header map, which would lose its order without it. `false` for every other name.
    pub fn withhold(&self, name: &HeaderName) -> bool {
        let when = self.own_lines.named(name);
        when.is_some_and(|when| {
            when.store(When::Instead);
            true
        })
    }

    /// Writes no line of the door's of this name.
    pub fn omit(&self, name: &HeaderName) {
        if let Some(when) = self.own_lines.named(name) {
            when.store(When::Never);
        }
    }

    /// Whether the answer's lines of this name are left out.
    pub fn withholds(&self, name: &HeaderName) -> bool {
        let when = self.own_lines.named(name);
        when.is_some_and(|when| when.load() == When::Instead)
    }

    /// The configuration adds a line of this name. `true` when those that are there have to be removed first.
    pub fn add_beside(&self, name: &HeaderName, headers: &HeaderMap) -> bool {
        let Some(when) = self.own_lines.named(name) else {
            return false;
        };
        let before = when.load();
        if before == When::Never {
            return false;
        }
        if before == When::Instead || !headers.contains_key(name) {
            when.store(When::Beside);
        }
        before == When::Instead
    }

    /// Whether the door writes its line of this name.
    pub(in crate::door) fn writes_own(&self, name: &HeaderName, headers: &HeaderMap) -> bool {
        let when = self.own_lines.named(name).map(AtomicCell::load);
        match when {
            Some(When::Missing) => !headers.contains_key(name),
            Some(When::Instead | When::Beside) => true,
            Some(When::Never) | None => false,
        }
    }
}
