//! One address of an upstream, and a request's hold on it.

use super::clock::Clock;
use super::connection::Connection;
use super::outlier::{Outlier, Watch};
use super::passive::{Failures, Limit};
use super::pool::Pool;
use super::queue::Line;
use super::sticky::ServerId;
use super::times::{Measure, STEP, Times};
use crate::model::{Keepalive, Until};
use pingora_core::protocols::l4::socket::SocketAddr;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// An address that requests can be passed to, as one generation sees it.
pub struct Peer {
    pub(super) address: SocketAddr,
    pub(super) text: Box<str>,
    /// The server as the configuration writes it.
    pub(super) server: Arc<str>,
    /// Its address as written, which a consistent hash places it by.
    pub(super) written: Box<str>,
    /// Its weight as written.
    pub(super) weight: usize,
    /// `max_conns`.
    pub(super) max_conns: Option<NonZeroU32>,
    /// `down`: there only to keep its place.
    pub(super) down: bool,
    /// `drain`: there only for sessions that belong to it.
    pub(super) drain: bool,
    /// `slow_start`, in milliseconds; 0 is none.
    pub(super) slow_start: u64,
    /// Its name for sessions, and what stands for it. Both are only there where sessions are bound.
    pub(super) name: Box<str>,
    pub(super) id: Option<ServerId>,
    /// The `server` line that it comes from, by its place.
    pub(super) line: usize,
    pub(super) backup: bool,
    pub(super) limit: Limit,
    /// `eject_outliers`.
    pub(super) watch: Option<Arc<Watch>>,
    /// What is measured of it.
    pub(super) measure: Measure,
    pub(super) live: Arc<Live>,
    pub(super) clock: Clock,
}

/// What is known about an address for as long as anybody uses it, across generations.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) failures: Failures,
    pub(super) outlier: Outlier,
    /// Requests that hold it.
    in_flight: AtomicUsize,
    /// When the last active check that passed began.
    pub(super) passed: AtomicU64,
    /// When it was last taken out, by a check or for its failures.
    downed: AtomicU64,
    /// When it last came back, or was added to servers in use; 0 when it was there from the beginning.
    returned: AtomicU64,
    pub(super) times: Times,
    /// Those who wait until it, or another server of its upstream, can take a request.
    line: Arc<Line>,
    /// The connections to the servers of its upstream.
    pool: Arc<Pool>,
}

/// A server chosen for one try. Counts as a request in flight until it is dropped.
#[derive(Debug)]
pub struct Selected {
    peer: Arc<Peer>,
    limit: Limit,
    reported: AtomicBool,
    /// When it was chosen, where that is measured.
    began: u64,
    /// Whether the server's times count it among those that wait.
    waits: AtomicBool,
}

/// How a peer is doing.
#[derive(Debug)]
pub struct PeerStatus {
    /// Which one.
    pub peer: Arc<Peer>,
    /// What the active check says; without one, always `true`.
    pub healthy: bool,
    /// Out because of failed requests (`max_fails`).
    pub failed: bool,
    /// Out because too many of its requests failed (`eject_outliers`).
    pub ejected: bool,
    /// Requests that are being passed to it.
    pub in_flight: usize,
}

impl Peer {
    /// Where to connect to.
    pub fn address(&self) -> &SocketAddr {
        &self.address
    }

    /// The address for people and for `$upstream_addr`: `10.0.0.1:3000`, `[::1]:3000`, `unix:/path`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The server as the configuration writes it, such as `app1:3000`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Whether it is used only when no other server can be.
    pub fn is_backup(&self) -> bool {
        self.backup
    }

    /// Its name for sessions: what `sticky cookie` sets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is there for requests that belong to nobody.
    pub(super) fn takes_anyone(&self) -> bool {
        !self.down && !self.drain
    }

    /// Requests that are being passed to this address, by any generation.
    pub fn in_flight(&self) -> usize {
        self.live.in_flight.load(Relaxed)
    }

    /// Whether both are the same server of the same upstream, in any generation.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.live, &other.live)
    }

    /// The server as written and, if that says something else, where it is.
    pub(super) fn description(&self) -> String {
        if *self.server == *self.text {
            format!("\"{}\"", self.server)
        } else {
            format!("\"{}\" ({})", self.server, self.text)
        }
    }

    /// It was taken out: connections that are idle now are not used again, and closed.
    pub(super) fn taken_out(&self) {
        self.live.downed.store(self.clock.now(), SeqCst);
        self.live.pool.close_those_of(&self.live);
    }

    /// It has come back.
    pub(super) fn back(&self) {
        self.live.back(self.clock.now());
    }

    /// Whether it takes its turn: while it starts slowly, as often as the time that has passed is of
    /// its `slow_start`, so that its share grows from nothing to its weight. `chance` is below 1 and the
    /// same for all that one selection asks.
    pub(super) fn takes_turn(&self, chance: impl FnOnce() -> f64) -> bool {
        if self.slow_start == 0 {
            return true;
        }
        let returned = self.live.returned.load(Relaxed);
        if returned == 0 {
            return true;
        }
        let passed = self.clock.now().saturating_sub(returned);
        passed >= self.slow_start || chance() < passed as f64 / self.slow_start as f64
    }

    /// Whether it is out for its failures.
    pub(super) fn is_out(&self, limit: Limit) -> bool {
        self.live.failures.out(limit, self.clock.now())
    }

    /// Whether `eject_outliers` leaves it in.
    pub(super) fn is_no_outlier(&self) -> bool {
        self.watch.as_ref().is_none_or(|watch| watch.admits(self))
    }

    /// Whether it is out by `eject_outliers`.
    pub(super) fn is_ejected(&self) -> bool {
        let watch = self.watch.as_ref();
        watch.is_some_and(|watch| watch.is_out(&self.live))
    }

    /// Whether it takes a request now, which is then counted as in flight.
    pub(super) fn admit(&self, limit: Limit) -> bool {
        let failures = &self.live.failures;
        self.has_room() && failures.admit(limit, || self.clock.now()) && self.take()
    }

    /// The same for one that is out and may be tried early.
    pub(super) fn admit_early(&self, limit: Limit) -> bool {
        let passed = self.live.passed.load(Relaxed);
        let failures = &self.live.failures;
        self.has_room() && failures.admit_early(limit, passed, || self.clock.now()) && self.take()
    }

    /// What there is to wait for behind the requests that it has: what servers are compared by.
    pub(super) fn load(&self, now: u64) -> u64 {
        let times = &self.live.times;
        match self.measure {
            Measure::Requests => self.in_flight() as u64,
            Measure::Average { until, .. } => {
                times.estimate(until, self.limit.fail_timeout(), self.in_flight(), now)
            }
            Measure::Peak => times.peak_load(self.in_flight(), now),
        }
    }

    /// The least [`load`](Self::load) that there can be, where no server needs to be looked at to know it.
    pub(super) fn least_load(&self) -> Option<u64> {
        match self.measure {
            Measure::Requests => Some(0),
            Measure::Average {
                inflight: false, ..
            } => Some(STEP),
            Measure::Average { inflight: true, .. } | Measure::Peak => None,
        }
    }

    /// The time, where [`load`](Self::load) goes by it.
    pub(super) fn now(&self) -> u64 {
        match self.measure {
            Measure::Requests => 0,
            Measure::Average { .. } | Measure::Peak => self.clock.now(),
        }
    }

    fn has_room(&self) -> bool {
        !self.down && self.fits(self.in_flight())
    }

    fn fits(&self, in_flight: usize) -> bool {
        let limit = self.max_conns.map(|limit| limit.get() as usize);
        limit.is_none_or(|limit| in_flight < limit)
    }

    /// Counts one more request in flight, unless that is too many: others choose at the same time.
    fn take(&self) -> bool {
        let one_more = |in_flight| self.fits(in_flight).then_some(in_flight + 1);
        let in_flight = &self.live.in_flight;
        in_flight.fetch_update(Relaxed, Relaxed, one_more).is_ok()
    }
}

impl Live {
    /// Of a server of an upstream with this line and these connections.
    pub(super) fn new(line: &Arc<Line>, pool: &Arc<Pool>) -> Self {
        Self {
            line: Arc::clone(line),
            pool: Arc::clone(pool),
            ..Self::default()
        }
    }

    /// The connections to the servers of its upstream.
    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Whether a connection that was last used then may carry another request: it was used after the
    /// server was last taken out.
    pub(super) fn may_use_from(&self, used: u64) -> bool {
        let downed = self.downed.load(SeqCst);
        downed == 0 || used > downed
    }

    pub(super) fn back(&self, now: u64) {
        self.returned.store(now.max(1), Relaxed);
    }
}

impl Selected {
    /// The hold on a peer that has admitted a request.
    pub(super) fn new(peer: Arc<Peer>, limit: Limit) -> Self {
        let began = peer.now();
        let times = &peer.live.times;
        let waits = peer.measure.counts_inflight();
        if let Measure::Average { .. } = peer.measure {
            times.chosen(began, peer.limit.fail_timeout());
        }
        if waits {
            times.begin(began);
        }
        Self {
            peer,
            limit,
            reported: AtomicBool::new(false),
            began,
            waits: AtomicBool::new(waits),
        }
    }

    /// The peer, to be remembered as tried.
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// Where to connect to.
    pub fn address(&self) -> &SocketAddr {
        self.peer.address()
    }

    /// The address as `$upstream_addr` has it.
    pub fn text(&self) -> &str {
        self.peer.text()
    }

    /// Reports that the try failed by one of nginx's conditions: error, timeout, invalid header or
    /// a status of `proxy_next_upstream`. Only the first report of a try counts.
    ///
    /// Gives `true` when the server is now out because of it, which nginx logs as "upstream server
    /// temporarily disabled".
    pub fn failed(&self) -> bool {
        if self.reported.swap(true, Relaxed) {
            return false;
        }
        let now = self.peer.clock.now();
        let times = &self.peer.live.times;
        match self.peer.measure {
            Measure::Requests => {}
            Measure::Average { .. } => times.checked(now),
            Measure::Peak => {
                let time = Duration::from_millis(now.saturating_sub(self.began));
                times.add_failure(time, now);
            }
        }
        self.count(true);
        let out = self.peer.live.failures.fail(self.limit, now);
        if out {
            self.peer.taken_out();
        }
        out
    }

    /// The header of the answer that the try ends with is there, after this time.
    pub fn has_header(&self, after: Duration) {
        let times = &self.peer.live.times;
        match self.peer.measure {
            Measure::Requests => {}
            Measure::Average { until, inflight } => {
                if inflight && until == Until::Header {
                    times.add_header(after);
                    self.waits_no_longer();
                }
            }
            Measure::Peak => times.add_peak(after, self.peer.clock.now()),
        }
    }

    /// The try has ended well after `whole`, and with an answer, if its header came after `header`.
    pub fn has_ended(&self, header: Option<Duration>, whole: Duration) {
        let Measure::Average { until, inflight } = self.peer.measure else {
            return;
        };
        self.waits_no_longer();
        // As in nginx: a server that fails fast is not a fast one.
        if let Some(header) = header {
            let times = &self.peer.live.times;
            times.add_last_byte(whole);
            if !(inflight && until == Until::Header) {
                times.add_header(header);
            }
        }
    }

    fn waits_no_longer(&self) {
        if self.waits.swap(false, Relaxed) {
            self.peer.live.times.end(self.began);
        }
    }

    /// A connection is to carry the request. Gives whether it may.
    pub fn uses(&self, connection: &Arc<Connection>, now: Instant) -> bool {
        connection.begin(&self.peer.live, &self.peer.clock, now)
    }

    /// The request that a connection carried is answered, whether it was sent to its end or not. Gives
    /// whether it was its last one.
    pub fn has_used(
        &self,
        connection: &Connection,
        keepalive: &Keepalive,
        sent: bool,
        now: Instant,
    ) -> bool {
        connection.end(&self.peer.live, keepalive, sent, &self.peer.clock, now)
    }

    /// Reports that the server answered. Only the first report of a try counts. A try dropped
    /// without a report, because the client went away, says nothing about the server.
    pub fn succeeded(&self) {
        self.answered(200);
    }

    /// The same with the answer's status: for `eject_outliers` one of 5xx is a failure nevertheless.
    pub fn answered(&self, status: u16) {
        if self.reported.swap(true, Relaxed) {
            return;
        }
        self.count(status >= 500);
        if self.peer.live.failures.succeed(self.limit) {
            self.peer.back();
        }
    }

    fn count(&self, has_failed: bool) {
        if let Some(watch) = &self.peer.watch {
            watch.count(&self.peer, has_failed);
        }
    }
}

impl Drop for Selected {
    fn drop(&mut self) {
        self.waits_no_longer();
        self.peer.live.in_flight.fetch_sub(1, Relaxed);
        self.peer.live.line.freed();
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({} of {})", self.text, self.server)
    }
}
