//! Active checks of servers.

use super::{HttpVersion, Regex, SetHeader, Template};
use std::ops::RangeInclusive;
use std::time::Duration;

/// An active check of an upstream's servers.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthCheck {
    /// What is tried.
    pub kind: CheckKind,
    /// Time between two checks of a server.
    pub interval: Duration,
    /// Each check waits up to this at random, so that checks of many servers do not beat together.
    pub jitter: Duration,
    /// How long one check may take; `None` leaves it to the times of its parts.
    pub timeout: Option<Duration>,
    /// Passed checks in a row that bring a server back.
    pub rise: u32,
    /// Failed checks in a row that take it out.
    pub fall: u32,
    /// The port that is asked in place of the server's own.
    pub port: Option<u16>,
    /// What a server is taken for before its first check.
    pub at_first: AtFirst,
}

/// What a server is taken for before its first check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtFirst {
    /// It is used.
    Healthy,
    /// `mandatory`: it is not used until it has passed; after a reload, too.
    Unknown,
    /// `mandatory persistent`: the same, but one that was used before a reload goes on being used.
    UnknownOnce,
}

/// What an active check tries.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckKind {
    /// A TCP connection can be opened.
    Tcp,
    /// `GET` is answered as expected.
    Http(Box<HttpCheck>),
    /// A service says by the gRPC health checking protocol that it serves.
    Grpc(GrpcCheck),
}

/// A request that is sent, and what is expected of its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpCheck {
    /// The request's target.
    pub target: String,
    /// The request's `Host`; `None` is the server's address.
    pub host: Option<Template>,
    /// Its other headers; one that is empty is not sent.
    pub headers: Vec<SetHeader>,
    /// The protocol it is sent in.
    pub http_version: HttpVersion,
    /// How long each part of it may take.
    pub times: CheckTimes,
    /// `keepalive_time`: how long one connection is used for checks; `None` opens one for each.
    pub keepalive_time: Option<Duration>,
    /// What the answer must be like.
    pub expected: Expected,
}

/// A question of the gRPC health checking protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct GrpcCheck {
    /// The service that is asked for; empty is the whole server.
    pub service: String,
    /// The `grpc-status` of a server without that protocol which passes, too.
    pub status: Option<u16>,
    /// The `:authority`; `None` is the server's address.
    pub host: Option<Template>,
    /// How long each part of it may take.
    pub times: CheckTimes,
}

/// How long the parts of a check may take; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckTimes {
    /// Connecting.
    pub connect: Option<Duration>,
    /// Each write.
    pub send: Option<Duration>,
    /// Each read.
    pub read: Option<Duration>,
}

/// `match`: what the answer to a check must be like. All of it must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expected {
    /// The status is one of these, or is not; `None` takes any.
    pub status: Option<ExpectedStatus>,
    /// What the headers must be like.
    pub headers: Vec<ExpectedHeader>,
    /// What the body must be like.
    pub body: Vec<Expectation>,
    /// Each is neither empty nor `0`.
    pub require: Vec<Template>,
}

/// The statuses that pass, or those that do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedStatus {
    /// Whether they are those that do not pass.
    pub negated: bool,
    /// The statuses.
    pub ranges: Vec<RangeInclusive<u16>>,
}

/// What a header of the answer must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedHeader {
    /// Its name, in lower case.
    pub name: String,
    /// What it must be like.
    pub test: HeaderTest,
}

/// Whether a header is there, or what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderTest {
    /// It is there.
    Present,
    /// It is not there.
    Absent,
    /// It is there and says this.
    Is(String),
    /// It is not there or says something else.
    IsNot(String),
    /// A pattern.
    Matches(Expectation),
}

/// A pattern that must match, or must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// Whether it must not.
    pub negated: bool,
    /// The pattern.
    pub regex: Regex,
}
