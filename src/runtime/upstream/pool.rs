//! The connections to the servers of one upstream: how many are idle, and which of them are closed.
//!
//! Pingora has all idle connections of the process in one pool, with one size for all. Here they are
//! counted for each upstream, which a reload keeps. A request that goes over a connection that is there
//! costs two counts; the list has a lock that is taken when a connection is opened, when too many are
//! idle, when some have been idle for their time, and when a server goes.

use super::connection::Connection;
use super::peer::Live;
use super::sweep::Sweep;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use tokio::runtime::Handle;

/// What is known of the connections to the servers of one upstream name.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: AtomicUsize,
    open: AtomicUsize,
    /// All that are open, and some that were.
    connections: Mutex<Vec<Weak<Connection>>>,
    sweep: Sweep,
}

/// Up to how many connections are looked at for the one that has been idle for longest.
const MOST_LOOKED_AT: usize = 256;

/// How many connections that were closed may be in the list before it is worth the effort.
const FORGOTTEN: usize = 16;

impl Pool {
    /// How many are idle.
    pub(super) fn idle(&self) -> usize {
        self.idle.load(SeqCst)
    }

    /// When those are closed that have been idle for their time.
    pub(super) fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// One more is open.
    pub(super) fn add(&self, connection: &Arc<Connection>) {
        let open = self.open.fetch_add(1, Relaxed) + 1;
        let mut connections = self.connections.lock();
        if connections.len() >= 2 * open + FORGOTTEN {
            connections.retain(|one| one.strong_count() > 0);
            connections.shrink_to(2 * open + FORGOTTEN);
        }
        connections.push(Arc::downgrade(connection));
    }

    /// One is open no more.
    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    /// One that is about to be idle is counted so, if no more than `most` are then: as in nginx the one
    /// that has been idle for longest makes way. With many connections it is not looked for, and the one
    /// that asks is the one too many.
    pub(super) fn admit(&self, most: usize) -> bool {
        let one_more = |idle| (idle < most).then_some(idle + 1);
        let counted = self.idle.fetch_update(SeqCst, SeqCst, one_more);
        counted.is_ok() || (most > 0 && self.oldest_makes_way())
    }

    /// One is not idle any more.
    pub(super) fn leave(&self) {
        self.idle.fetch_sub(1, SeqCst);
    }

    fn oldest_makes_way(&self) -> bool {
        let Some(connections) = self.connections.try_lock() else {
            return false;
        };
        if connections.len() > MOST_LOOKED_AT {
            return false;
        }
        let idle = connections.iter().filter_map(Weak::upgrade);
        let idle = idle.filter(|one| one.is_idle());
        let oldest = idle.min_by_key(|one| one.used());
        drop(connections);
        oldest.is_some_and(|one| one.make_way())
    }

    /// Closes the idle connections to a server that is out.
    pub(super) fn close_those_of(self: &Arc<Self>, server: &Arc<Live>) {
        if self.idle() > 0 {
            let server = Arc::clone(server);
            self.beside(move |pool| {
                let is_unused = |one: &Connection| {
                    one.is_idle() && one.is_of(&server) && !server.may_use_from(one.used())
                };
                for one in pool.those(is_unused) {
                    one.close();
                }
            });
        }
    }

    /// Closes idle connections until there are no more than `most`.
    pub(super) fn shrink(self: &Arc<Self>, most: usize) {
        if self.idle() > most {
            self.beside(move |pool| {
                let mut idle = pool.those(Connection::is_idle);
                idle.sort_by_cached_key(|one| one.used());
                for one in idle {
                    if pool.idle() <= most {
                        break;
                    }
                    one.close();
                }
            });
        }
    }

    /// The open ones of this kind.
    pub(super) fn those(&self, mut which: impl FnMut(&Connection) -> bool) -> Vec<Arc<Connection>> {
        let connections = self.connections.lock();
        let open = connections.iter().filter_map(Weak::upgrade);
        open.filter(|one| which(one)).collect()
    }

    /// Does this where no request waits for it: there may be thousands of sockets.
    fn beside(self: &Arc<Self>, work: impl FnOnce(&Self) + Send + 'static) {
        let pool = Arc::clone(self);
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || work(&pool))),
            Err(_) => work(&pool),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn connections_that_were_closed_are_forgotten() {
        let pool = Pool::default();
        let (socket, _) = UnixStream::pair().expect("a pair");
        for _ in 0..1000 {
            let connection = Connection::new(&socket);
            pool.add(&connection);
            drop(connection);
            pool.closed();
        }
        assert!(pool.connections.lock().len() <= 2 + FORGOTTEN);
    }
}
