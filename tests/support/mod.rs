//! What a test of the whole program needs: the program itself ([`Gapura`]), a client that speaks
//! HTTP/1 byte by byte ([`Client`]), and backends that behave and misbehave as told ([`Backend`],
//! [`NodeBackend`], [`SilentBackend`]), and names ([`NameServer`]).
//!
//! A test reads like this:
//!
//! ```ignore
//! let backend = Backend::named("one");
//! let gapura = Gapura::start(&site(&[&backend], "retry_after: 5s"));
//! let answer = gapura.get("/path");
//! assert_eq!((answer.status, answer.text()), (200, "one"));
//! ```
//!
//! `LISTEN` in a configuration stands for an address on a free port (`LISTEN_2` … for more). All
//! is stopped when it is dropped, a panic in the program fails the test, and every wait has a
//! condition and a deadline.

mod backend;
mod client;
mod daemon;
mod dns;
mod gapura;
mod lines;
mod node;
mod ports;
mod silent;
mod wire;

pub use backend::{Backend, Gate, Request, Then, respond, respond_endlessly};
pub use client::{Client, Response};
#[allow(unused_imports, reason = "not every test goes to the background")]
pub use daemon::{Daemon, is_running};
pub use dns::{Entry, NameServer};
pub use gapura::{Gapura, Launch, request, run, run_with};
pub use node::NodeBackend;
pub use ports::free_port;
pub use silent::SilentBackend;
#[allow(unused_imports, reason = "not every test reads answers by itself")]
pub use wire::read_body;
pub use wire::{Framing, read_head};

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up: never what a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The host of [`site`] and of the requests of [`Gapura::get`].
pub const HOST: &str = "example.test";

/// Something with an address that a site can have as a backend.
pub trait Addressed {
    fn address(&self) -> SocketAddr;
}

impl Addressed for SocketAddr {
    fn address(&self) -> SocketAddr {
        *self
    }
}

/// A configuration of one site, [`HOST`], before these backends, with more lines of the site.
pub fn site(backends: &[&dyn Addressed], settings: &str) -> String {
    let mut text = format!("sites:\n  - host: {HOST}\n    listen: LISTEN\n");
    for line in settings.lines().filter(|line| !line.trim().is_empty()) {
        text += &format!("    {line}\n");
    }
    text += "    backends:\n";
    for backend in backends {
        text += &format!("      - address: {}\n", backend.address());
    }
    text
}

/// An address where nothing listens: connections are refused.
pub fn refusing() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// Waits until the condition holds.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain: {what}"
        );
        thread::sleep(Duration::from_millis(5));
    }
}
