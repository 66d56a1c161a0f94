//! Upstreams made in code: their backends, and how these are chosen and checked.

use super::add_word;
use crate::config::draft::{self, OrOff, Short, Switch, Time, Word};
use std::fmt::Display;
use std::time::Duration;

/// A group of backends that share the load, in turns by their weights. They are checked by opening a
/// TCP connection every 2 s unless [`health_check`](Self::health_check) says otherwise.
///
/// ```
/// use gapura::{Backend, HealthCheck, Upstream};
/// use std::time::Duration;
///
/// let shop = Upstream::new("shop")
///     .backend(Backend::new("10.0.0.1:3000").weight(3).max_fails(2))
///     .backend("10.0.0.2:3000")
///     .backend(Backend::new("10.0.0.9:3000").backup())
///     .health_check(HealthCheck::http("/healthz").interval(Duration::from_secs(1)));
/// # let _ = shop;
/// ```
#[derive(Debug, Clone)]
pub struct Upstream {
    pub(super) name: String,
    pub(super) draft: draft::Upstream,
}

impl Upstream {
    /// A group of this name without a backend; it needs one.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            draft: draft::Upstream::default(),
        }
    }

    /// Adds a backend: an address, or a [`Backend`] that says more.
    #[must_use]
    pub fn backend(mut self, backend: impl Into<Backend>) -> Self {
        self.draft
            .servers
            .get_or_insert_default()
            .push(Short(backend.into().0));
        self
    }

    /// How a backend is chosen, in the words of YAML's `balance`: `round_robin` (the default), `least_conn`,
    /// `least_time header`, `peak_ewma`, `ip_hash`, `hash $request_uri consistent`, `random two` and so on.
    #[must_use]
    pub fn balance(mut self, method: impl Into<String>) -> Self {
        self.draft.balance = Some(method.into());
        self
    }

    /// Lets requests wait when no backend can take them: so many, each for so long. The others are
    /// answered with a 502, as all are without it.
    ///
    /// ```
    /// use gapura::{Backend, Upstream};
    /// use std::time::Duration;
    ///
    /// let slow = Upstream::new("slow")
    ///     .backend(Backend::new("10.0.0.1:3000").max_conns(8))
    ///     .queue(100, Duration::from_secs(5));
    /// # let _ = slow;
    /// ```
    #[must_use]
    pub fn queue(mut self, requests: u32, timeout: Duration) -> Self {
        self.draft.queue = Some(draft::Queue {
            requests: Some(requests.into()),
            timeout: Some(Time(timeout)),
        });
        self
    }

    /// Takes a backend out for a while when so many percent of its tries fail or are answered with 5xx,
    /// however many succeed between them. How many tries that needs, and how long it is out, is as YAML
    /// has it by default, unless [`with`](Self::with) says so.
    #[must_use]
    pub fn eject_outliers(mut self, failures: u8) -> Self {
        let outliers = self.draft.eject_outliers.get_or_insert_default();
        outliers.failures = Some(Word(format!("{failures}%")));
        self
    }

    /// How many idle connections are kept for each thread that serves (64); 0 keeps none.
    #[must_use]
    pub fn keepalive(mut self, connections: u16) -> Self {
        self.draft.keepalive = Some(connections.into());
        self
    }

    /// How long an idle connection is kept (60 s).
    #[must_use]
    pub fn keepalive_timeout(mut self, time: Duration) -> Self {
        self.draft.keepalive_timeout = Some(Time(time));
        self
    }

    /// How the backends are checked.
    #[must_use]
    pub fn health_check(mut self, check: HealthCheck) -> Self {
        self.draft.health_check = Some(check.0);
        self
    }

    /// Everything that has no method of its own.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut draft::Upstream)) -> Self {
        change(&mut self.draft);
        self
    }
}

/// A backend of an [`Upstream`].
#[derive(Debug, Clone)]
pub struct Backend(draft::Server);

impl Backend {
    /// A backend at `host:port`, `1.2.3.4:port`, `[::1]:port` or `unix:/path`.
    pub fn new(address: impl Display) -> Self {
        Self(draft::Server {
            address: Some(address.to_string()),
            ..draft::Server::default()
        })
    }

    /// Its share of the requests (1).
    #[must_use]
    pub fn weight(mut self, weight: u16) -> Self {
        self.0.weight = Some(weight.into());
        self
    }

    /// How many failed tries within [`fail_timeout`](Self::fail_timeout) take it out (1); 0 never
    /// does.
    #[must_use]
    pub fn max_fails(mut self, fails: u32) -> Self {
        self.0.max_fails = Some(fails.into());
        self
    }

    /// The time in which failed tries are counted, and for which it is then out (10 s).
    #[must_use]
    pub fn fail_timeout(mut self, time: Duration) -> Self {
        self.0.fail_timeout = Some(Time(time));
        self
    }

    /// How many requests it gets at the same time; 0, the default, is no limit.
    #[must_use]
    pub fn max_conns(mut self, requests: u32) -> Self {
        self.0.max_conns = Some(requests.into());
        self
    }

    /// How long its share grows from nothing to its weight when it has come back or is new (at once). Not
    /// for the methods `ip_hash`, `hash` and `random`.
    ///
    /// ```
    /// use gapura::{Backend, HealthCheck, Upstream};
    /// use std::time::Duration;
    ///
    /// let cold = Duration::from_secs(30);
    /// let shop = Upstream::new("shop")
    ///     .balance("least_conn")
    ///     .backend(Backend::new("10.0.0.1:3000").slow_start(cold))
    ///     .backend(Backend::new("10.0.0.2:3000").slow_start(cold))
    ///     .health_check(HealthCheck::http("/healthz"));
    /// # let _ = shop;
    /// ```
    #[must_use]
    pub fn slow_start(mut self, time: Duration) -> Self {
        self.0.slow_start = Some(Time(time));
        self
    }

    /// Uses it only for sessions that belong to it.
    #[must_use]
    pub fn drain(mut self) -> Self {
        self.0.drain = Some(Switch(true));
        self
    }

    /// Its name for sessions (the checksum of its address).
    #[must_use]
    pub fn route(mut self, name: impl Into<String>) -> Self {
        self.0.route = Some(Word(name.into()));
        self
    }

    /// Uses it only when no other can be.
    #[must_use]
    pub fn backup(mut self) -> Self {
        self.0.backup = Some(Switch(true));
        self
    }

    /// Never uses it.
    #[must_use]
    pub fn down(mut self) -> Self {
        self.0.down = Some(Switch(true));
        self
    }
}

impl<A: Display> From<A> for Backend {
    fn from(address: A) -> Self {
        Self::new(address)
    }
}

/// How the backends of an [`Upstream`] are checked.
///
/// ```
/// use gapura::HealthCheck;
/// use std::time::Duration;
///
/// let check = HealthCheck::http("/healthz")
///     .host("shop.example")
///     .status("200-299")
///     .interval(Duration::from_secs(5))
///     .jitter(Duration::from_secs(1))
///     .rise(2)
///     .fall(3)
///     .mandatory();
/// # let _ = check;
/// ```
#[derive(Debug, Clone)]
pub struct HealthCheck(OrOff<draft::HealthCheck>);

impl HealthCheck {
    /// A TCP connection can be opened.
    pub fn tcp() -> Self {
        Self::of_type("tcp")
    }

    /// `GET path` is answered with a status from 200 to 399.
    pub fn http(path: impl Into<String>) -> Self {
        Self::of_type("http").with(|check| check.path = Some(path.into()))
    }

    /// The gRPC health checking protocol says that the server, or the
    /// [`grpc_service`](Self::grpc_service), serves.
    pub fn grpc() -> Self {
        Self::of_type("grpc")
    }

    /// No check: a backend is out only for failed requests.
    pub fn off() -> Self {
        Self(OrOff::Off)
    }

    fn of_type(name: &str) -> Self {
        Self(OrOff::On(draft::HealthCheck {
            r#type: Some(name.into()),
            ..draft::HealthCheck::default()
        }))
    }

    /// The time between two checks of a backend (2 s).
    #[must_use]
    pub fn interval(self, time: Duration) -> Self {
        self.with(|check| check.interval = Some(Time(time)))
    }

    /// Each check waits up to this at random (a tenth of the [`interval`](Self::interval)).
    #[must_use]
    pub fn jitter(self, time: Duration) -> Self {
        self.with(|check| check.jitter = Some(Time(time)))
    }

    /// How long one check may take (1 s).
    #[must_use]
    pub fn timeout(self, time: Duration) -> Self {
        self.with(|check| check.timeout = Some(Time(time)))
    }

    /// How many passed checks in a row bring a backend back (2).
    #[must_use]
    pub fn rise(self, checks: u32) -> Self {
        self.with(|check| check.rise = Some(checks.into()))
    }

    /// How many failed checks in a row take it out (2).
    #[must_use]
    pub fn fall(self, checks: u32) -> Self {
        self.with(|check| check.fall = Some(checks.into()))
    }

    /// Asks this port in place of the backend's own.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        self.with(|check| check.port = Some(port.into()))
    }

    /// Uses a backend only after its first check has passed.
    #[must_use]
    pub fn mandatory(self) -> Self {
        self.with(|check| check.mandatory = Some(Switch(true)))
    }

    /// With [`mandatory`](Self::mandatory): goes on using a backend that was used before a reload.
    #[must_use]
    pub fn persistent(self) -> Self {
        self.with(|check| check.persistent = Some(Switch(true)))
    }

    /// The `Host` of an HTTP or gRPC check (the backend's address).
    #[must_use]
    pub fn host(self, host: impl Into<String>) -> Self {
        self.with(|check| check.host = Some(host.into()))
    }

    /// The statuses that an HTTP check passes with: one such as `200`, or a range such as `200-399`, the
    /// default. May be called for several.
    #[must_use]
    pub fn status(self, statuses: impl Display) -> Self {
        self.with(|check| add_word(&mut check.status, statuses))
    }

    /// The service that a gRPC check asks for (the whole server).
    #[must_use]
    pub fn grpc_service(self, name: impl Into<String>) -> Self {
        self.with(|check| check.grpc_service = Some(Word(name.into())))
    }

    /// Everything that has no method of its own; nothing when it is [`off`](Self::off).
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut draft::HealthCheck)) -> Self {
        if let OrOff::On(check) = &mut self.0 {
            change(check);
        }
        self
    }
}
