//! `queue`: requests that wait until a server can take them, in the order in which they came.
//!
//! What lets go of a server wakes the first in line, who looks for one. Whoever finds none although it
//! could have had any leaves nothing for those behind; one that has tried some servers already has the
//! next one look. Only a request that waits, and one that ends while others wait, touches the lock of the
//! line, and nobody holds it while waiting.

use super::peer::{Peer, Selected};
use super::{Upstream, sticky::ServerId};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst, fence};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

/// The line of one upstream name, which a reload keeps.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// How many are in it.
    length: AtomicUsize,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    last: u64,
    taken: BTreeMap<u64, Waiting>,
}

/// One that waits.
#[derive(Debug)]
struct Waiting {
    turn: Arc<Notify>,
    /// Any server would do.
    takes_any: bool,
}

/// A place in line, given up when dropped.
struct Place<'a> {
    line: &'a Line,
    number: u64,
    turn: Arc<Notify>,
}

impl Line {
    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.length.load(Relaxed) == 0
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn length(&self) -> usize {
        self.length.load(Relaxed)
    }

    /// A request has let go of a server.
    pub(super) fn freed(&self) {
        // Either this sees who has come to wait, or they see that there is room: see `enter`.
        fence(SeqCst);
        if !self.is_empty() {
            self.wake_behind(0);
        }
    }

    /// The end of the line. `None` when it is too long already. `true` when nobody is in it who would
    /// have taken what this one can take.
    fn enter(&self, most: usize, takes_any: bool) -> Option<(Place<'_>, bool)> {
        let mut places = self.places.lock();
        if places.taken.len() >= most {
            return None;
        }
        let may_look = !places.taken.values().any(|one| one.takes_any);
        places.last += 1;
        let number = places.last;
        let turn = Arc::new(Notify::new());
        let waiting = Waiting {
            turn: Arc::clone(&turn),
            takes_any,
        };
        places.taken.insert(number, waiting);
        self.length.store(places.taken.len(), Relaxed);
        drop(places);
        fence(SeqCst);
        let place = Place {
            line: self,
            number,
            turn,
        };
        Some((place, may_look))
    }

    fn wake_behind(&self, number: u64) {
        let places = self.places.lock();
        let mut behind = places.taken.range((Excluded(number), Unbounded));
        if let Some((_, next)) = behind.next() {
            next.turn.notify_one();
        }
    }
}

impl Place<'_> {
    fn is_first(&self) -> bool {
        let places = self.line.places.lock();
        places.taken.keys().next() == Some(&self.number)
    }
}

impl Drop for Place<'_> {
    /// Whoever leaves may have been woken for something that the next one can have.
    fn drop(&mut self) {
        let mut places = self.line.places.lock();
        places.taken.remove(&self.number);
        self.line.length.store(places.taken.len(), Relaxed);
        drop(places);
        self.line.wake_behind(self.number);
    }
}

impl Upstream {
    /// Whether a request for which no server was chosen may wait for one: there is a `queue`, and a server
    /// that it has not tried.
    pub fn may_wait(&self, tried: &[Arc<Peer>]) -> bool {
        self.queue.is_some() && tried.len() < self.server_count()
    }

    /// Waits in the upstream's `queue` until a server can be chosen, as
    /// [`choose_by`](Self::choose_by) does. `None` when there is none, it is full, or the time is over.
    /// A request whose client has gone leaves it by dropping the future.
    pub async fn wait(&self, key: &[u8], tried: &[Arc<Peer>]) -> Option<Selected> {
        let settings = self.queue.filter(|_| self.may_wait(tried))?;
        let line = self.state().line();
        let is_bound = self.sticky().is_some() && ServerId::read(key).0.is_some();
        let takes_any = tried.is_empty() && !is_bound;
        let (place, mut may_look) = line.enter(settings.requests, takes_any)?;
        let end = Instant::now() + settings.timeout;
        let find = async {
            loop {
                if may_look {
                    if let Some(selected) = self.choose_at_once(key, tried) {
                        return selected;
                    }
                    if !takes_any {
                        line.wake_behind(place.number);
                    }
                }
                // A server may also come back without a request that ends: after its `fail_timeout`, by a
                // check, with an address.
                let again = Instant::now() + LOOK_AGAIN;
                may_look = tokio::select! {
                    () = place.turn.notified() => true,
                    () = sleep_until(again) => place.is_first(),
                };
            }
        };
        timeout_at(end, find).await.ok()
    }
}

/// How often the first in line looks whether a server has come back.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
