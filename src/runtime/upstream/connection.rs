//! What is remembered of a connection to a server for as long as it is open: nginx's
//! `keepalive_requests` and `keepalive_time` are about one connection, and one that is idle may be
//! closed: because its server is out, because too many are, or because it has been for its
//! `keepalive_timeout`.
//!
//! Pingora keeps idle connections where nobody else can reach them, but it lets go of one whose socket
//! ends. So that is how one is closed: it is marked first, which only succeeds while it is idle, and
//! whoever finds a marked one among the idle ones leaves it alone. Then its socket is shut down, by the
//! number of its descriptor. That may be another file's by then, so the file behind it is held and asked
//! whether it is the socket before anything is done to it.

use super::clock::{Clock, milliseconds};
use super::peer::Live;
use super::pool::Pool;
use crate::model::Keepalive;
use pingora_core::protocols::SocketDigest;
use socket2::SockRef;
use std::net::Shutdown;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

/// A connection to a server. Rides in what Pingora keeps of it.
#[derive(Debug)]
pub struct Connection {
    made: Instant,
    requests: AtomicU64,
    /// When it last became idle, or was last used, by the clock of its server.
    used: AtomicU64,
    /// Until when it may be idle, by the same clock, once it was.
    until: AtomicU64,
    /// [`BUSY`], [`IDLE`] or [`OVER`].
    state: AtomicU8,
    socket: Socket,
    /// Whose it is, from its first request on.
    owner: OnceLock<Owner>,
}

/// It carries a request, or is about to carry its first.
const BUSY: u8 = 0;
/// It may carry another one.
const IDLE: u8 = 1;
/// It has carried its last.
const OVER: u8 = 2;

#[derive(Debug)]
struct Owner {
    pool: Arc<Pool>,
    server: Weak<Live>,
}

/// A socket that somebody else owns.
#[derive(Debug)]
struct Socket {
    descriptor: RawFd,
    /// The system's number for it, which no other socket gets.
    cookie: Option<u64>,
}

impl Connection {
    /// A connection over a socket that was just opened.
    pub fn new(socket: &impl AsRawFd) -> Arc<Self> {
        Arc::new(Self {
            made: Instant::now(),
            requests: AtomicU64::new(0),
            used: AtomicU64::new(0),
            until: AtomicU64::new(0),
            state: AtomicU8::new(BUSY),
            socket: Socket {
                descriptor: socket.as_raw_fd(),
                cookie: cookie_of(socket),
            },
            owner: OnceLock::new(),
        })
    }

    /// How long it has been open.
    pub(super) fn age(&self) -> Duration {
        self.made.elapsed()
    }

    /// When it last became idle, or was last used.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Until when it may be idle, if it is.
    pub(super) fn idle_until(&self) -> Option<u64> {
        self.is_idle().then(|| self.until.load(Relaxed))
    }

    /// Whether it is one of this server's.
    pub(super) fn is_of(&self, server: &Arc<Live>) -> bool {
        let owner = self.owner.get();
        owner.is_some_and(|owner| owner.server.as_ptr() == Arc::as_ptr(server))
    }

    /// It is to carry a request to this server from now on. Gives whether it may: it has not carried its
    /// last one, was not idle for longer than it may be, nor when the server was last taken out.
    pub(super) fn begin(self: &Arc<Self>, server: &Arc<Live>, clock: &Clock, now: Instant) -> bool {
        let is_first = self.owner.get().is_none();
        let at = clock.at(now);
        let mut is_over = false;
        match self.state.compare_exchange(IDLE, BUSY, SeqCst, SeqCst) {
            Ok(_) => {
                self.counts_no_longer();
                is_over = at > self.until.load(Relaxed);
            }
            Err(BUSY) if is_first => {
                let pool = server.pool();
                pool.add(self);
                let owner = Owner {
                    pool: Arc::clone(pool),
                    server: Arc::downgrade(server),
                };
                let _ = self.owner.set(owner);
            }
            Err(BUSY) => {}
            Err(_) => return false,
        }
        if is_over || (!is_first && !server.may_use_from(self.used())) {
            self.state.store(OVER, SeqCst);
            return false;
        }
        self.requests.fetch_add(1, Relaxed);
        self.used.store(at, Relaxed);
        true
    }

    /// The request is answered; as in nginx it is the last one if it was not `sent` to its end. Gives
    /// whether it was the last one.
    pub(super) fn end(
        &self,
        server: &Live,
        keepalive: &Keepalive,
        sent: bool,
        clock: &Clock,
        now: Instant,
    ) -> bool {
        let at = clock.at(now);
        self.used.store(at, Relaxed);
        let is_spent = !sent
            || keepalive.timeout.is_zero()
            || self.requests.load(Relaxed) >= keepalive.requests
            || now.saturating_duration_since(self.made) > keepalive.time;
        let pool = self.owner.get().map(|owner| &owner.pool);
        let pool = pool.filter(|pool| !is_spent && pool.admit(keepalive.connections));
        let Some(pool) = pool else {
            self.state.store(OVER, SeqCst);
            return true;
        };
        let until = at.saturating_add(milliseconds(keepalive.timeout));
        self.until.store(until, Relaxed);
        self.state.store(IDLE, SeqCst);
        pool.sweep().include(pool, until, clock);
        // Whoever takes the server out in this moment finds an idle connection, or is found here.
        let is_lost = !server.may_use_from(self.used()) && self.mark();
        if is_lost {
            self.counts_no_longer();
        }
        is_lost
    }

    /// Closes it, if it is idle.
    pub(super) fn close(&self) {
        if self.make_way() {
            self.counts_no_longer();
        }
    }

    /// Closes it, if it is idle, and leaves its place among the idle ones to another. Gives whether it
    /// was.
    pub(super) fn make_way(&self) -> bool {
        let was_idle = self.mark();
        if was_idle {
            self.socket.shut();
        }
        was_idle
    }

    /// Whether it is idle.
    pub(super) fn is_idle(&self) -> bool {
        self.state.load(SeqCst) == IDLE
    }

    /// Nobody uses it from now on. Gives whether that is so: only an idle one can be marked.
    fn mark(&self) -> bool {
        let change = self.state.compare_exchange(IDLE, OVER, SeqCst, SeqCst);
        change.is_ok()
    }

    fn counts_no_longer(&self) {
        if let Some(owner) = self.owner.get() {
            owner.pool.leave();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.get() {
            if *self.state.get_mut() == IDLE {
                owner.pool.leave();
            }
            owner.pool.closed();
        }
    }
}

impl Socket {
    /// To both ends it looks as if the other one had closed it.
    fn shut(&self) {
        let Some(held) = self.hold() else { return };
        // An error means that it has ended already.
        let _ = SockRef::from(&held).shutdown(Shutdown::Both);
    }

    /// The socket, if it is still open: held, so that it stays the one that was asked.
    fn hold(&self) -> Option<OwnedFd> {
        let cookie = self.cookie?;
        // SAFETY: The call reads a number and writes nothing to this process's memory, whatever the
        // number stands for.
        let copy = unsafe { libc::fcntl(self.descriptor, libc::F_DUPFD_CLOEXEC, 0) };
        if copy < 0 {
            return None;
        }
        // SAFETY: The descriptor was made a line above, and nobody else knows of it.
        let held = unsafe { OwnedFd::from_raw_fd(copy) };
        (cookie_of(&held) == Some(cookie)).then_some(held)
    }
}

/// The system's number for a socket, where it has one: `None` for a file that is no socket.
fn cookie_of(socket: &impl AsRawFd) -> Option<u64> {
    let cookie = SocketDigest::from_raw_fd(socket.as_raw_fd()).socket_cookie();
    cookie.ok().filter(|cookie| *cookie != 0)
}

#[cfg(test)]
mod tests {
    use super::super::queue::Line;
    use super::*;
    use std::io::{ErrorKind, Read};
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::{AtomicBool, AtomicUsize};

    fn server() -> Arc<Live> {
        Arc::new(Live::new(&Arc::<Line>::default(), &Arc::<Pool>::default()))
    }

    fn pair() -> (UnixStream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        theirs.set_nonblocking(true).expect("set");
        (ours, theirs)
    }

    fn is_open(mut other_end: &UnixStream) -> bool {
        match other_end.read(&mut [0]) {
            Err(error) => error.kind() == ErrorKind::WouldBlock,
            Ok(read) => read > 0,
        }
    }

    fn keep(connections: usize) -> Keepalive {
        Keepalive {
            connections,
            requests: u64::MAX,
            ..Keepalive::default()
        }
    }

    #[test]
    fn only_an_idle_connection_is_closed() {
        let (server, clock) = (server(), Clock::new());
        let (ours, theirs) = pair();
        let connection = Connection::new(&ours);
        connection.close();
        assert!(connection.begin(&server, &clock, Instant::now()));
        connection.close();
        assert!(is_open(&theirs));
        assert!(!connection.end(&server, &keep(1), true, &clock, Instant::now()));
        assert_eq!(server.pool().idle(), 1);
        connection.close();
        assert!(!is_open(&theirs));
        assert_eq!(server.pool().idle(), 0);
        assert!(
            !connection.begin(&server, &clock, Instant::now()),
            "whoever has it by now"
        );
    }

    #[test]
    fn a_file_that_has_got_the_number_of_the_socket_is_not_touched() {
        let (server, clock) = (server(), Clock::new());
        let (ours, theirs) = pair();
        let (other, other_end) = pair();
        let connection = Connection::new(&ours);
        assert!(connection.begin(&server, &clock, Instant::now()));
        assert!(!connection.end(&server, &keep(1), true, &clock, Instant::now()));
        // SAFETY: Both are open, and `ours` is closed below by its owner like any other.
        let number = unsafe { libc::dup2(other.as_raw_fd(), ours.as_raw_fd()) };
        assert_eq!(number, ours.as_raw_fd());
        assert!(!is_open(&theirs), "nobody has it open any more");
        connection.close();
        assert!(is_open(&other_end));
        drop(ours);
        let (again, _) = pair();
        drop(again);
        Connection::new(&other).socket.shut();
        assert!(!is_open(&other_end), "a Unix socket has a number as well");
    }

    #[test]
    fn a_connection_is_idle_or_busy_or_gone_and_counted_so() {
        let (server, clock) = (server(), Clock::new());
        let sockets: Vec<_> = (0..4).map(|_| pair()).collect();
        let all: Vec<_> = sockets
            .iter()
            .map(|(ours, _)| Connection::new(ours))
            .collect();
        for connection in &all {
            assert!(connection.begin(&server, &clock, Instant::now()));
        }
        let ends = all
            .iter()
            .map(|one| one.end(&server, &keep(2), true, &clock, Instant::now()));
        let last = ends.filter(|last| *last).count();
        let open = sockets.iter().filter(|(_, theirs)| is_open(theirs)).count();
        assert_eq!((last, open), (0, 2), "the older ones make way");
        assert_eq!(server.pool().idle(), 2);
        drop(all);
        assert_eq!((server.pool().idle(), server.pool().open()), (0, 0));
    }

    #[test]
    fn without_idle_connections_each_one_ends_with_its_request() {
        let (server, clock) = (server(), Clock::new());
        let (ours, _theirs) = pair();
        let connection = Connection::new(&ours);
        assert!(connection.begin(&server, &clock, Instant::now()));
        assert!(connection.end(&server, &keep(0), true, &clock, Instant::now()));
        assert!(!connection.begin(&server, &clock, Instant::now()));
    }

    /// Requests and those who close meet at one connection after the other.
    #[test]
    fn nobody_closes_a_connection_under_a_request() {
        let (server, clock) = (server(), Clock::new());
        for _ in 0..300 {
            let (ours, theirs) = pair();
            let connection = Connection::new(&ours);
            assert!(connection.begin(&server, &clock, Instant::now()));
            assert!(!connection.end(&server, &keep(1), true, &clock, Instant::now()));
            let (carried, done) = (AtomicUsize::new(0), AtomicBool::new(false));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while connection.begin(&server, &clock, Instant::now()) {
                        assert!(is_open(&theirs), "it carries a request");
                        carried.fetch_add(1, SeqCst);
                        connection.end(&server, &keep(1), true, &clock, Instant::now());
                    }
                    done.store(true, SeqCst);
                });
                scope.spawn(|| {
                    while carried.load(SeqCst) < 3 {
                        std::hint::spin_loop();
                    }
                    while !done.load(SeqCst) {
                        connection.close();
                    }
                });
            });
            assert!(!is_open(&theirs));
            assert_eq!(server.pool().idle(), 0);
        }
    }
}
