//! `keepalive_timeout` of connections to servers: whichever has been idle for so long is closed.
//!
//! A timer for each would be made and dropped with each request. So there is one task for each pool that
//! has idle connections: it waits until the first of them is due, closes those whose time is over, and
//! ends when none is idle any more. A connection that becomes idle only asks whether it is looked at in
//! time; it almost always is, because those that became idle before it are due before it.

use super::clock::Clock;
use super::connection::Connection;
use super::pool::Pool;
use pingora::prelude::timeout;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// When the idle connections of a pool are looked at.
#[derive(Debug)]
pub(super) struct Sweep {
    /// When the time of the first is over, by the clock of the servers, or [`NOBODY`] or [`LOOKING`].
    due: AtomicU64,
    /// It is due sooner than it was, or never.
    sooner: Arc<Notify>,
}

/// There is no task that would look.
const NOBODY: u64 = u64::MAX;

/// The task looks at this moment, and whoever becomes idle meanwhile says when it is due.
const LOOKING: u64 = NOBODY - 1;

/// So long the task rests when it has looked: what becomes due meanwhile is closed together.
const REST: u64 = 50;

/// The task waits no less at a time, which is what Pingora's timers tell apart.
const SHORTEST: Duration = Duration::from_millis(10);

/// And no longer: timers of Pingora's for more than a quarter of an hour are tokio's, which cost every
/// thread of the runtime something whenever it has nothing to do.
const LONGEST: Duration = Duration::from_secs(600);

/// So many are closed before others have their turn on the thread.
const AT_ONCE: usize = 64;

impl Default for Sweep {
    fn default() -> Self {
        Self {
            due: AtomicU64::new(NOBODY),
            sooner: Arc::default(),
        }
    }
}

impl Sweep {
    /// Sees to it that idle connections of this pool are looked at when this time is over. To be called
    /// when the connection can be found to be idle: either the task finds it so, or this sees that the
    /// task looks, or is no more.
    pub(super) fn include(&self, pool: &Arc<Pool>, until: u64, clock: &Clock) {
        if until < self.due.load(SeqCst) {
            self.bring_forward(pool, until, clock);
        }
    }

    #[cold]
    fn bring_forward(&self, pool: &Arc<Pool>, until: u64, clock: &Clock) {
        let before = self.due.fetch_min(until, SeqCst);
        if before == NOBODY {
            let task = Task {
                pool: Arc::downgrade(pool),
                sooner: Arc::clone(&self.sooner),
                clock: clock.clone(),
                has_ended: false,
            };
            // Without a runtime none is closed for its time, but none is used after it either.
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(task.run());
            }
        } else if until < before {
            self.sooner.notify_one();
        }
    }

    /// Whether there is no task.
    #[cfg(test)]
    fn is_over(&self) -> bool {
        self.due.load(SeqCst) == NOBODY
    }
}

impl Drop for Sweep {
    /// The task that waits finds the pool gone.
    fn drop(&mut self) {
        self.sooner.notify_one();
    }
}

/// The task of one pool.
struct Task {
    /// It must not be what keeps the pool alive.
    pool: Weak<Pool>,
    sooner: Arc<Notify>,
    clock: Clock,
    /// Nothing was idle when it last looked. Another one may have begun by now.
    has_ended: bool,
}

impl Task {
    async fn run(mut self) {
        let mut rests_until = 0;
        while let Some(pool) = self.pool.upgrade() {
            let first = pool.sweep().due.load(SeqCst);
            let due = first.saturating_add(1).max(rests_until);
            let now = self.clock.now();
            if now < due {
                drop(pool);
                let pause = Duration::from_millis(due - now).clamp(SHORTEST, LONGEST);
                // It looks again in both cases.
                let _ = timeout(pause, self.sooner.notified()).await;
                continue;
            }
            let ends = look(&pool, now).await;
            if ends {
                self.has_ended = true;
                return;
            }
            rests_until = now.saturating_add(REST);
        }
    }
}

impl Drop for Task {
    /// When its runtime ends, or it panics, the next connection that becomes idle begins another one.
    fn drop(&mut self) {
        if !self.has_ended
            && let Some(pool) = self.pool.upgrade()
        {
            pool.sweep().due.store(NOBODY, SeqCst);
        }
    }
}

/// Closes the idle connections whose time is over. Gives whether no other is idle.
async fn look(pool: &Pool, now: u64) -> bool {
    let due = &pool.sweep().due;
    due.store(LOOKING, SeqCst);
    let mut first = LOOKING;
    let is_over = |one: &Connection| {
        let Some(until) = one.idle_until() else {
            return false;
        };
        let is_over = until < now;
        if !is_over {
            first = first.min(until);
        }
        is_over
    };
    for (number, one) in pool.those(is_over).iter().enumerate() {
        if number % AT_ONCE == AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
        // It may have carried a request since.
        if one.idle_until().is_some_and(|until| until < now) {
            one.close();
        }
    }
    due.fetch_min(first, SeqCst);
    let ended = due.compare_exchange(LOOKING, NOBODY, SeqCst, SeqCst);
    ended.is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::peer::Live;
    use super::super::queue::Line;
    use super::*;
    use crate::model::Keepalive;
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::Ordering::Relaxed;
    use std::time::Instant;

    /// A connection, and the socket at its other end.
    struct Both {
        connection: Arc<Connection>,
        _ours: UnixStream,
        theirs: UnixStream,
    }

    fn server() -> Arc<Live> {
        Arc::new(Live::new(&Arc::<Line>::default(), &Arc::<Pool>::default()))
    }

    fn keep(milliseconds: u64) -> Keepalive {
        Keepalive {
            connections: 1000,
            requests: u64::MAX,
            timeout: Duration::from_millis(milliseconds),
            ..Keepalive::default()
        }
    }

    impl Both {
        fn new() -> Self {
            let (ours, theirs) = UnixStream::pair().expect("a pair");
            theirs.set_nonblocking(true).expect("set");
            Self {
                connection: Connection::new(&ours),
                _ours: ours,
                theirs,
            }
        }

        /// Carries a request. Gives whether it may, and is idle after it.
        fn carry(&self, server: &Arc<Live>, keepalive: &Keepalive, clock: &Clock) -> bool {
            let one = &self.connection;
            one.begin(server, clock, Instant::now())
                && !one.end(server, keepalive, true, clock, Instant::now())
        }

        fn is_open(&self) -> bool {
            (&self.theirs).read(&mut [0]).is_err()
        }
    }

    async fn until(what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !condition() {
            assert!(Instant::now() < deadline, "in vain: {what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn tasks() -> usize {
        Handle::current().metrics().num_alive_tasks()
    }

    #[tokio::test]
    async fn a_connection_is_closed_when_it_has_been_idle_for_its_time_and_so_is_the_next() {
        let (server, clock) = (server(), Clock::new());
        for _ in 0..3 {
            let (one, two) = (Both::new(), Both::new());
            let since = Instant::now();
            assert!(one.carry(&server, &keep(100), &clock));
            assert!(two.carry(&server, &keep(100), &clock));
            until("one is closed", || !one.is_open()).await;
            assert!(since.elapsed() >= Duration::from_millis(100));
            until("so is the other", || !two.is_open()).await;
            assert_eq!(server.pool().idle(), 0);
            until("nobody looks", || server.pool().sweep().is_over()).await;
            until("the task ends", || tasks() == 0).await;
        }
    }

    #[tokio::test]
    async fn a_connection_that_is_used_stays_open_however_often_it_was_looked_for() {
        let (server, time) = (server(), Arc::new(AtomicU64::new(1000)));
        let clock = Clock::manual(&time);
        let (used, other) = (Both::new(), Both::new());
        let keepalive = keep(20);
        assert!(other.carry(&server, &keepalive, &clock));
        for _ in 0..10 {
            assert!(used.carry(&server, &keepalive, &clock));
            assert_eq!(tasks(), 1);
            let due = server.pool().sweep().due.load(SeqCst);
            time.fetch_add(20, Relaxed);
            if due + REST < time.load(Relaxed) {
                let looked = || server.pool().sweep().due.load(SeqCst) != due;
                until("it is looked for", looked).await;
            }
            assert!(used.is_open());
        }
        assert!(!other.is_open());
        time.fetch_add(20, Relaxed);
        assert!(!used.carry(&server, &keepalive, &clock), "it is too late");
    }

    #[tokio::test]
    async fn a_shorter_time_than_the_one_before_is_kept_too() {
        let (server, clock) = (server(), Clock::new());
        let (long, longer, short) = (Both::new(), Both::new(), Both::new());
        assert!(longer.carry(&server, &keep(u64::MAX), &clock));
        assert_eq!(tasks(), 0, "that is for ever");
        assert!(long.carry(&server, &keep(3_600_000), &clock));
        // It waits for the hour to be over.
        tokio::task::yield_now().await;
        assert!(short.carry(&server, &keep(20), &clock));
        until("it is closed", || !short.is_open()).await;
        assert!(long.is_open() && longer.is_open());
        assert_eq!((server.pool().idle(), tasks()), (2, 1));
        drop((long, longer, short, server));
        until("the task ends without the pool", || tasks() == 0).await;
    }

    #[tokio::test]
    async fn without_a_time_to_be_idle_a_connection_ends_with_its_request() {
        let (server, clock) = (server(), Clock::new());
        let one = Both::new();
        assert!(!one.carry(&server, &keep(0), &clock));
        assert!(!one.connection.begin(&server, &clock, Instant::now()));
        assert_eq!((server.pool().idle(), tasks()), (0, 0));
    }

    #[test]
    fn whoever_takes_over_from_a_runtime_that_has_ended_looks_again() {
        let (server, clock) = (server(), Clock::new());
        let carry = |one: &Both| assert!(one.carry(&server, &keep(20), &clock));
        let runtime = || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().expect("a runtime")
        };
        let (one, two, three) = (Both::new(), Both::new(), Both::new());
        runtime().block_on(async { carry(&one) });
        assert!(server.pool().sweep().is_over());
        carry(&two);
        assert!(server.pool().sweep().is_over(), "there is no runtime");
        runtime().block_on(async {
            carry(&three);
            until("all are closed", || server.pool().idle() == 0).await;
        });
        assert!(!one.is_open() && !two.is_open() && !three.is_open());
    }

    /// Requests, some of which come just when the time is over, and the task meet again and again.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn none_is_forgotten_when_it_becomes_idle_while_others_are_closed() {
        let (server, clock) = (server(), Clock::new());
        let work: Vec<_> = (0..4)
            .map(|number| {
                let (server, clock) = (Arc::clone(&server), clock.clone());
                tokio::spawn(async move {
                    let mut left = Vec::new();
                    for round in 0..100 {
                        let one = Both::new();
                        let mut times = 0;
                        while times < 3 && one.carry(&server, &keep(1 + round % 3), &clock) {
                            times += 1;
                            tokio::time::sleep(Duration::from_millis(number)).await;
                        }
                        left.push(one);
                    }
                    left
                })
            })
            .collect();
        let mut left = Vec::new();
        for work in work {
            left.extend(work.await.expect("it ends"));
        }
        until("all are closed", || server.pool().idle() == 0).await;
        until("nobody looks", || server.pool().sweep().is_over()).await;
        until("the task has ended", || tasks() == 0).await;
    }
}
