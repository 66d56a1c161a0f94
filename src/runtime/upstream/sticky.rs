//! `sticky` at run time: what names a server, and the sessions that are remembered.

use super::clock::{Clock, milliseconds};
use super::peer::Selected;
use crate::model::{self, StickyLearn};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The server that a session belongs to, by the hash of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServerId(u64);

impl ServerId {
    /// The server of this name: its route, or the checksum of its address.
    pub(super) fn of(name: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self(hasher.finish().max(1))
    }

    /// As the key of a selection begins with it.
    pub(super) fn write(id: Option<Self>, key: &mut Vec<u8>) {
        key.extend_from_slice(&id.map_or(0, |id| id.0).to_ne_bytes());
    }

    /// What the key of a selection begins with, and the rest of the key.
    pub(super) fn read(key: &[u8]) -> (Option<Self>, &[u8]) {
        match key.split_first_chunk() {
            Some((id, rest)) => {
                let id = u64::from_ne_bytes(*id);
                ((id != 0).then_some(Self(id)), rest)
            }
            None => (None, key),
        }
    }
}

/// `sticky` of one upstream of one generation.
#[derive(Debug)]
pub(super) struct Stickiness {
    pub(super) settings: model::Sticky,
    /// Where sessions are remembered: `learn`.
    pub(super) sessions: Option<Arc<Sessions>>,
    pub(super) clock: Clock,
}

impl Stickiness {
    /// The server that a request with this name belongs to.
    pub(super) fn server(&self, name: &[u8]) -> Option<ServerId> {
        match (&self.settings, &self.sessions) {
            (_, _) if name.is_empty() => None,
            (model::Sticky::Learn(learn), Some(sessions)) => {
                sessions.find(name, milliseconds(learn.timeout), self.clock.now())
            }
            _ => Some(ServerId::of(name)),
        }
    }

    /// The session of this name belongs to this server from now on. One that is not known is
    /// remembered only if it may be created.
    pub(super) fn remember(
        &self,
        learn: &StickyLearn,
        name: &[u8],
        may_create: bool,
        at: &Selected,
    ) {
        if let Some(sessions) = &self.sessions
            && let Some(id) = at.peer().id
        {
            let timeout = milliseconds(learn.timeout);
            sessions.remember(name, id, may_create, timeout, self.clock.now());
        }
    }
}

/// Sessions and their servers, by the name of the session: a table that does not grow. Every entry is
/// three words, read and written without a lock; where all places for a name are taken, the session
/// that was used least recently is forgotten.
#[derive(Debug)]
pub(super) struct Sessions {
    slots: Box<[Slot]>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Slot {
    /// The hash of the session's name; 0 is nobody's.
    session: AtomicU64,
    server: AtomicU64,
    used: AtomicU64,
}

/// The places where a session may be.
const WAYS: usize = 8;

impl Sessions {
    /// A table of so many bytes.
    pub(super) fn new(size: usize) -> Self {
        let sets = (size / size_of::<Slot>() / WAYS).max(1);
        Self {
            slots: (0..sets * WAYS).map(|_| Slot::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    fn hash(&self, name: &[u8]) -> u64 {
        self.hasher.hash_one(name).max(1)
    }

    fn places(&self, session: u64) -> &[Slot] {
        let sets = self.slots.len() / WAYS;
        let set = usize::try_from(session % sets as u64).unwrap_or(0);
        &self.slots[set * WAYS..][..WAYS]
    }

    fn find(&self, name: &[u8], timeout: u64, now: u64) -> Option<ServerId> {
        let session = self.hash(name);
        let slots = self.places(session).iter();
        let server = |slot: &Slot| slot.read(session, timeout, now);
        slots.filter_map(server).next().map(ServerId)
    }

    fn remember(
        &self,
        name: &[u8],
        ServerId(server): ServerId,
        may_create: bool,
        timeout: u64,
        now: u64,
    ) {
        let session = self.hash(name);
        let slots = self.places(session);
        let known = |slot: &&Slot| slot.read(session, timeout, now).is_some();
        if let Some(slot) = slots.iter().find(known) {
            slot.server.store(server, Ordering::Release);
            slot.used.store(now, Ordering::Release);
            return;
        }
        if !may_create {
            return;
        }
        // One that nobody has, or the one that was used least recently: what is over, too.
        let age = |slot: &&Slot| match slot.session.load(Ordering::Acquire) {
            0 => 0,
            _ => slot.used.load(Ordering::Acquire).max(1),
        };
        if let Some(slot) = slots.iter().min_by_key(age) {
            slot.session.store(0, Ordering::SeqCst);
            slot.server.store(server, Ordering::SeqCst);
            slot.used.store(now, Ordering::SeqCst);
            slot.session.store(session, Ordering::SeqCst);
        }
    }
}

impl Slot {
    /// The server of a session that is here and not over.
    fn read(&self, session: u64, timeout: u64, now: u64) -> Option<u64> {
        let is_here = || self.session.load(Ordering::SeqCst) == session;
        if !is_here() {
            return None;
        }
        let server = self.server.load(Ordering::SeqCst);
        let used = self.used.load(Ordering::SeqCst);
        // Somebody else's session may have come meanwhile.
        (is_here() && now.saturating_sub(used) <= timeout).then_some(server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ServerId {
        ServerId::of(name.as_bytes())
    }

    #[test]
    fn sessions_are_kept_for_their_time_and_moved() {
        let sessions = Sessions::new(1 << 16);
        assert_eq!(sessions.find(b"s", 100, 0), None);
        sessions.remember(b"s", id("a"), false, 100, 0);
        assert_eq!(sessions.find(b"s", 100, 0), None, "not created");
        sessions.remember(b"s", id("a"), true, 100, 0);
        assert_eq!(sessions.find(b"s", 100, 100), Some(id("a")));
        assert_eq!(sessions.find(b"s", 100, 101), None, "over");
        sessions.remember(b"s", id("b"), true, 100, 50);
        assert_eq!(sessions.find(b"s", 100, 150), Some(id("b")));
        sessions.remember(b"s", id("b"), false, 100, 150);
        assert_eq!(sessions.find(b"s", 100, 250), Some(id("b")), "prolonged");
        assert_eq!(sessions.find(b"t", 100, 250), None);
    }

    #[test]
    fn a_full_table_forgets_what_was_used_least_recently() {
        let sessions = Sessions::new(4096);
        let most = sessions.slots.len();
        assert!(most <= 4096 / 24);
        for number in 0..100 * most as u64 {
            let name = number.to_ne_bytes();
            sessions.remember(&name, id("a"), true, u64::MAX, number);
            sessions.remember(b"kept", id("b"), true, u64::MAX, number);
            assert_eq!(sessions.find(&name, u64::MAX, number), Some(id("a")));
        }
        assert_eq!(sessions.find(b"kept", u64::MAX, 0), Some(id("b")));
        let left = (0..100 * most as u64)
            .filter(|number| sessions.find(&number.to_ne_bytes(), u64::MAX, 0).is_some());
        assert!(left.count() <= most);
    }
}
