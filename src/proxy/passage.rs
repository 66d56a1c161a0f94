//! The way of one request to its upstream: the tries that it takes.

use super::evaluate::Unresolved;
use super::failure::Failure;
use super::line::{Line, Meter, Traffic};
use super::values::upstream_port;
use crate::runtime::upstream::{Peer, Selected, Servers, UnknownServer};
use crate::runtime::{ProxyPass, Seen};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The tries of one request at its upstream.
pub(super) struct Passage {
    /// The location's settings.
    pub(super) pass: Arc<ProxyPass>,
    /// The servers of the location, or of the upstream that a router chose.
    pub(super) servers: Servers,
    /// The name that the servers' addresses are still to be found of.
    pub(super) unresolved: Option<Unresolved>,
    /// `$proxy_host`, where a request's own values make it.
    pub(super) proxy_host: Option<String>,
    /// What decides about the server, where the upstream asks for it.
    pub(super) key: Vec<u8>,
    /// The only server that may be used, when a router named one.
    pub(super) only: Option<String>,
    /// The target that a router wants to be asked for, or a `proxy_pass` with variables.
    pub(super) path: Option<Vec<u8>>,
    /// Request headers a router set; those without a value are removed.
    pub(super) request_headers: Vec<(HeaderName, Option<HeaderValue>)>,
    /// The body that the try under way sends in place of the client's, until it is sent.
    pub(super) body: Option<Bytes>,
    /// The header of the last answer as it came, where something asks for it.
    pub(super) answer: Option<http::HeaderMap>,
    /// What the last answer's header has.
    pub(super) seen: Seen,
    /// The connection of the try under way.
    pub(super) line: Option<Line>,
    /// Whether the session of the request was remembered: `sticky learn`.
    pub(super) has_learned: bool,
    /// The server of the try under way.
    pub(super) selected: Option<Selected>,
    /// The next try's server is still to be waited for.
    pub(super) waits: bool,
    /// How long the next try has waited for its server.
    pub(super) queued: Option<Duration>,
    /// The servers that failed this request.
    pub(super) tried: Vec<Arc<Peer>>,
    /// What the log says of each try.
    pub(super) tries: Vec<Try>,
    /// When the first try began.
    pub(super) began: Option<Instant>,
    /// Failures on idle connections that the upstream had closed: these count as no try.
    pub(super) stale: u32,
}

impl Passage {
    pub(super) fn new(pass: Arc<ProxyPass>, servers: Servers) -> Self {
        Self {
            pass,
            servers,
            unresolved: None,
            proxy_host: None,
            key: Vec::new(),
            only: None,
            path: None,
            request_headers: Vec::new(),
            body: None,
            answer: None,
            seen: Seen::UNKNOWN,
            line: None,
            has_learned: false,
            selected: None,
            waits: false,
            queued: None,
            tried: Vec::new(),
            tries: Vec::new(),
            began: None,
            stale: 0,
        }
    }

    /// `$proxy_host`.
    pub(super) fn proxy_host(&self) -> &str {
        let evaluated = self.proxy_host.as_deref();
        evaluated.unwrap_or_else(|| self.servers.name())
    }

    /// The same as a header's value, where it was known before the request.
    pub(super) fn own_host(&self) -> Option<&HeaderValue> {
        match self.proxy_host {
            Some(_) => None,
            None => self.pass.host(&self.servers),
        }
    }

    /// `$proxy_port`.
    pub(super) fn proxy_port(&self) -> &str {
        match self.servers.name().starts_with("unix:") {
            true => "",
            false => upstream_port(self.proxy_host()),
        }
    }

    /// Chooses the server of the next try. `false` when none can be used.
    ///
    /// # Errors
    /// A router named a server that the upstream does not have.
    pub(super) fn select(&mut self) -> Result<bool, UnknownServer> {
        if self.tried.is_empty()
            && let Some(percent) = self.pass.settings.next_upstream.budget
            && let Some(upstream) = self.servers.upstream()
        {
            upstream.pay_for_tries(percent);
        }
        self.selected = match &self.only {
            None => self.servers.choose_by(&self.key, &self.tried),
            Some(address) => self.servers.choose_server(address, &self.tried)?,
        };
        Ok(self.selected.is_some())
    }

    /// How many tries this request may make.
    pub(super) fn tries_allowed(&self) -> usize {
        let servers = match &self.only {
            None => self.servers.server_count(),
            Some(server) => self.servers.address_count(server),
        };
        match self.pass.settings.next_upstream.tries {
            Some(tries) => servers.min(tries as usize),
            None => servers,
        }
    }

    /// Whether the upstream's requests have not had too many further tries yet. One is spent.
    pub(super) fn spend_try(&self) -> bool {
        match (
            self.pass.settings.next_upstream.budget,
            self.servers.upstream(),
        ) {
            (Some(_), Some(upstream)) => upstream.spend_try(),
            _ => true,
        }
    }

    /// Whether the time for further tries is over.
    pub(super) fn out_of_time(&self) -> bool {
        let limit = self.pass.settings.next_upstream.timeout;
        let began = self.began;
        limit.is_some_and(|limit| began.is_some_and(|began| began.elapsed() >= limit))
    }

    /// Ends the try under way without blame for its server.
    pub(super) fn release(&mut self) {
        self.line = None;
        let selected = self.selected.take();
        if let Some(current) = self.current() {
            let whole = current.end(None);
            if let Some(selected) = selected {
                selected.has_ended(current.header_time, whole);
            }
        }
    }

    /// Ends the try under way without blame, and does not come back to its server.
    pub(super) fn pass_over(&mut self, status: Option<u16>) {
        self.line = None;
        if let Some(current) = self.current() {
            current.end(status);
        }
        if let Some(selected) = self.selected.take() {
            self.tried.push(Arc::clone(selected.peer()));
        }
    }

    /// Ends the try under way as failed: with this status, when the server sent none. `true` when
    /// that takes the server out for its `fail_timeout`.
    pub(super) fn fail(&mut self, status: Option<u16>) -> bool {
        let out = self.selected.as_ref().is_some_and(Selected::failed);
        self.pass_over(status);
        out
    }

    /// Whether the configuration allows another try.
    pub(super) fn may_go_on(&self) -> bool {
        self.tried.len() < self.tries_allowed() && !self.out_of_time()
    }

    /// Records that there was no server to try: nginx logs the upstream's name and a 502.
    pub(super) fn find_nobody(&mut self) {
        let mut nobody = Try::start(Destination::Nobody(self.servers.clone()));
        nobody.queue_time = self.queued.take();
        nobody.end(Some(Failure::BadGateway.status().as_u16()));
        self.tries.push(nobody);
    }

    /// Begins a try at a server.
    pub(super) fn start_try(&mut self, peer: Arc<Peer>) {
        let mut new = Try::start(Destination::Peer(peer));
        self.began.get_or_insert(new.began);
        new.queue_time = self.queued.take();
        self.tries.push(new);
    }

    /// Takes back a try that is none: it is made again over another connection.
    pub(super) fn forget_try(&mut self) {
        self.queued = self.tries.pop().and_then(|one| one.queue_time);
    }

    /// The try under way.
    pub(super) fn current(&mut self) -> Option<&mut Try> {
        self.tries.last_mut()
    }
}

/// Whom a try is made at.
#[derive(Debug)]
pub(super) enum Destination {
    /// A server.
    Peer(Arc<Peer>),
    /// Nobody any more: the request was redirected inside.
    Redirected,
    /// Nobody: the upstream had no server to try. nginx logs its name.
    Nobody(Servers),
}

impl Destination {
    /// As `$upstream_addr` has it.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Peer(peer) => peer.text(),
            Self::Redirected => "",
            Self::Nobody(servers) => servers.name(),
        }
    }
}

/// One try at one server.
#[derive(Debug)]
pub(super) struct Try {
    pub(super) to: Destination,
    pub(super) began: Instant,
    pub(super) queue_time: Option<Duration>,
    pub(super) connect_time: Option<Duration>,
    pub(super) header_time: Option<Duration>,
    pub(super) response_time: Option<Duration>,
    pub(super) status: Option<u16>,
    pub(super) response_length: u64,
    /// Counts the bytes of the try under way, where something asks for them.
    pub(super) meter: Option<Meter>,
    /// The bytes of a try that has ended.
    pub(super) traffic: Option<Traffic>,
}

impl Try {
    pub(super) fn start(to: Destination) -> Self {
        Self {
            to,
            began: Instant::now(),
            queue_time: None,
            connect_time: None,
            header_time: None,
            response_time: None,
            status: None,
            response_length: 0,
            meter: None,
            traffic: None,
        }
    }

    /// Ends the try and gives how long it took. `status` stands in when the server sent none.
    pub(super) fn end(&mut self, status: Option<u16>) -> Duration {
        self.end_at(Instant::now, status)
    }

    /// The same at a time that is asked for only if it has not ended yet.
    pub(super) fn end_at(
        &mut self,
        now: impl FnOnce() -> Instant,
        status: Option<u16>,
    ) -> Duration {
        self.status = self.status.or(status);
        if let Some(meter) = self.meter.take() {
            self.traffic = meter.read();
        }
        let began = self.began;
        let time = || now().saturating_duration_since(began);
        *self.response_time.get_or_insert_with(time)
    }

    /// The bytes of the try up to now.
    pub(super) fn traffic(&self) -> Option<Traffic> {
        let so_far = || self.meter.as_ref().and_then(Meter::read);
        self.traffic.or_else(so_far)
    }
}
