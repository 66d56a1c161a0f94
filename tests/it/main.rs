//! The program as its users meet it: the real binary, real HTTP, real sockets.
//!
//! One test binary, because linking is what tests cost here. To add a test, take the module of
//! its subject (or add one below) and start from what `support` has: its documentation shows a
//! whole test. Name the behaviour, wait for conditions, and ask for free ports.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a panic is how a test fails, and nothing here is anyone's API"
)]

#[path = "../support/mod.rs"]
mod support;

mod all_down;
mod balancing;
mod bodies;
mod buffering;
mod caching;
mod closing;
mod command_line;
mod compression;
mod daemon;
mod debian;
mod error_log;
mod failover;
mod faults;
mod files;
mod headers;
mod health;
mod hostile;
mod listen;
mod log;
mod names;
mod nginx_answer;
mod nginx_conf;
mod nginx_pages;
mod nginx_request;
mod outliers;
mod packaged;
mod process;
mod protocol;
mod reload;
mod request_buffering;
mod routing;
mod signals;
mod sticky;
mod tools;
mod upgrade;
mod upstream_connections;
mod user;
mod variables;
mod watch;
mod websocket;
