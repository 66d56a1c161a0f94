//! Upstreams as they are written: a group of servers, each server, and the health check.

use super::{FromWord, OneOrMany, OrOff, Short, Size, Switch, Time, Word, record};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

record! {
    /// A group of servers that share the load.
    Upstream {
        /// How a server is chosen: `round_robin`; `smooth_round_robin`, nginx's order of it;
        /// `least_conn`, the one with the fewest requests; `least_time header` or `least_time last_byte`, with
        /// `inflight` or without, the one that answers fastest for the requests it has; `peak_ewma`, the
        /// better of two by their slowest answers of late; `ip_hash`, by the client's address;
        /// `hash KEY` or `hash KEY consistent`, by a key such as `$request_uri`; `random` or
        /// `random two`, the less busy of two, `random two least_time=header` or
        /// `random two least_time=last_byte`, the faster of two.
        balance: String,
        /// Whether requests of one session go to one server, and how it is known.
        sticky: Sticky,
        /// The servers.
        servers: Vec<Short<Server>>,
        /// In place of `servers`: a file that lists them as nginx does, `server 127.0.0.1:3000 weight=2;` on a
        /// line. It is read at start and at reload; without it there are none.
        state: String,
        /// How they are checked; `off` does not.
        health_check: OrOff<HealthCheck>,
        /// Where requests wait when no server can be chosen; without it they are answered with a 502.
        queue: Queue,
        /// When a server is out for the share of its requests that failed; without it only `max_fails` says so.
        eject_outliers: EjectOutliers,
        /// How many idle connections are kept for each thread that serves; 0 keeps none.
        keepalive: u64,
        /// Whether each location has connections of its own.
        keepalive_local: Switch,
        /// How many requests a connection carries.
        keepalive_requests: u64,
        /// How long a connection is used.
        keepalive_time: Time,
        /// How long an idle connection is kept.
        keepalive_timeout: Time,
        /// The servers that names of `resolve` are looked up at, in place of those that hold everywhere.
        resolver: OneOrMany<Word>,
        /// How long looking up such a name may take; 0 is no limit.
        resolver_timeout: Time,
    }
}

record! {
    /// Requests that wait for a server.
    Queue {
        /// How many may wait; those that come when it is full are answered with a 502.
        requests: u64,
        /// How long each may; then it is answered with a 502.
        timeout: Time,
    }
}

record! {
    /// When a server is out for the share of its requests that failed.
    EjectOutliers {
        /// The share of a server's tries, such as `50%`, from which on it is out. Those failed that
        /// `max_fails` counts, and those with a 5xx answer.
        failures: Word,
        /// So many tries it has had at least within `window`.
        requests: u64,
        /// How long tries are counted, before they are counted anew.
        window: Time,
        /// How long it is out the first time. Each further time in a row is longer by as much, up to ten times
        /// this; for each such time that it was in use one is forgotten.
        time: Time,
        /// The share of the servers, such as `30%`, that may be out at once. One always may, all never.
        most: Word,
    }
}

record! {
    /// A server.
    Server {
        /// Where it is: `host:port`, `1.2.3.4:port`, `[::1]:port` or `unix:/path`; without a port, 80.
        address: String,
        /// Its share of the requests, 1 to 65535.
        weight: u64,
        /// How many failed tries within `fail_timeout` take it out; 0 never does.
        max_fails: u64,
        /// The time in which `max_fails` are counted, and for which it is then out.
        fail_timeout: Time,
        /// How many requests it gets at the same time; 0 is no limit.
        max_conns: u64,
        /// How long its share grows from nothing to its weight when it has come back or is new; not for
        /// `ip_hash`, `hash` and `random`.
        slow_start: Time,
        /// Whether it is used only when no other server can be.
        backup: Switch,
        /// Whether it is never used.
        down: Switch,
        /// Whether it is used only for sessions that belong to it.
        drain: Switch,
        /// Its name for sessions; the checksum of its address if not given.
        route: Word,
        /// Whether its name is looked up at `resolver`, as often as the answers are valid. Names that do not
        /// say so are looked up again too, as the system looks them up.
        resolve: Switch,
        /// The service whose SRV records say where its servers are, such as `http` or `_http._tcp`; with
        /// `resolve`, and without a port.
        service: Word,
    }
}

impl FromWord for Server {
    fn from_word(word: String) -> Self {
        Self {
            address: Some(word),
            ..Self::default()
        }
    }
}

record! {
    /// How requests of one session come to one server: one of these.
    Sticky {
        /// By a cookie that Gapura sets.
        cookie: StickyCookie,
        /// By variables: the first that says something names the `route` of a server.
        route: OneOrMany<Word>,
        /// By sessions of the application's own, which are remembered.
        learn: StickyLearn,
    }
}

record! {
    /// The cookie that names a session's server.
    StickyCookie {
        /// Its name.
        name: Word,
        /// How long the browser keeps it, or `max`; without it, until the browser is closed.
        expires: Word,
        /// Its domain.
        domain: Word,
        /// Its path.
        path: Word,
        /// Whether it is kept from scripts.
        httponly: Switch,
        /// Whether it is sent over TLS only.
        secure: Switch,
        /// `strict`, `lax` or `none`.
        samesite: Word,
    }
}

record! {
    /// Sessions that are remembered.
    StickyLearn {
        /// What names a new session: the first of these that says something, such as `$upstream_cookie_session`.
        create: OneOrMany<Word>,
        /// What names the session of a request, such as `$cookie_session`.
        lookup: OneOrMany<Word>,
        /// The memory for sessions; when it is full, those used least recently are forgotten.
        size: Size,
        /// When a session that is not used is forgotten.
        timeout: Time,
        /// Whether a session is remembered before the answer is read to its end.
        header: Switch,
    }
}

record! {
    /// An active check of servers.
    HealthCheck {
        /// `tcp` opens a connection, `http` sends a request, `grpc` asks by the gRPC health checking protocol.
        #[schemars(extend("enum" = ["tcp", "http", "grpc", null]))]
        r#type: String,
        /// The time between two checks of a server.
        interval: Time,
        /// Each check waits up to this at random; a tenth of `interval` if not given.
        jitter: Time,
        /// How long one check may take. A check in a location that names an `upstream` also has the
        /// location's `proxy_connect_timeout`, `proxy_send_timeout` and `proxy_read_timeout`, and no other
        /// limit if this is not given.
        timeout: Time,
        /// Passed checks in a row that bring a server back.
        rise: u64,
        /// Failed checks in a row that take it out.
        fall: u64,
        /// The port that is asked in place of the server's own.
        port: u64,
        /// Whether a server is used only after its first check.
        mandatory: Switch,
        /// With `mandatory`: whether a server that was used before a reload goes on being used.
        persistent: Switch,
        /// `http`: what is asked for.
        path: String,
        /// `http` and `grpc`: the `Host` that is sent; the server's address if not given, and in a location
        /// that names an `upstream` what its `proxy_set_header` says, else the upstream's name.
        host: String,
        /// `http`: the statuses that pass: `200`, `200-399` or a list of these; those that do not behind `!`.
        status: OneOrMany<Word>,
        /// `http`: the name of the `matches` that the answer is held against, in place of `status`.
        r#match: Word,
        /// `http`: how long one connection is used for checks; each has its own if not given.
        keepalive_time: Time,
        /// `grpc`: the service that is asked for; the whole server if not given.
        grpc_service: Word,
        /// `grpc`: the status that passes, too, where a server does not know the protocol, such as 12.
        grpc_status: u64,
    }
}

record! {
    /// What the answer to a check must be like. All of it must hold.
    Match {
        /// Its statuses: `200`, `200-399` or a list of these; those that it must not have behind `!`.
        status: OneOrMany<Word>,
        /// Its headers: `Name` is there, `! Name` is not, `Name = text`, `Name != text`, `Name ~ regex`,
        /// `Name !~ regex`.
        header: OneOrMany<Word>,
        /// Its body, of which the first 256 kB are looked at: `~ regex`, `!~ regex`.
        body: OneOrMany<Word>,
        /// Texts with `$variables`, each of which is neither empty nor `0`.
        require: OneOrMany<Word>,
    }
}
