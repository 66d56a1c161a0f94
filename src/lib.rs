//! Gapura: an HTTP reverse proxy and load balancer on Cloudflare's Pingora.
//!
//! The `gapura` program is a thin user of this library. To embed the proxy, make a [`Server`] from a
//! configuration file or in code, give it a [`Router`] of your own if you want one, and run it:
//!
//! ```no_run
//! use gapura::{Route, RouteError, RouteRequest, Server};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! Server::from_file("conf/gapura.yaml")
//!     .router(|request: &RouteRequest<'_>| -> Result<Route, RouteError> {
//!         match request.header("x-beta") {
//!             Some(_) => Ok(Route::to(request.upstream("beta")?)),
//!             None => Ok(Route::decline()),
//!         }
//!     })
//!     .run()?;
//! # Ok(())
//! # }
//! ```
//!
//! | to find | look in |
//! |---|---|
//! | what a configuration means | [`model`] |
//! | how YAML is read, and its errors | [`config`] |
//! | the start of a server, reload, stop | [`Server`], [`Running`] |
//! | routing in Rust | [`Router`] |
//!
//! ARCHITECTURE.md tells how the pieces hang together.

pub mod config;
// Not part of the API: public for tests and benches alone.
#[doc(hidden)]
pub mod door;
mod logs;
pub mod model;
mod os_error;
mod proxy;
#[doc(hidden)]
pub mod runtime;
mod server;
mod word;

#[cfg(feature = "cli")]
pub mod cli;

/// The crate whose types the API speaks: [`http::StatusCode`], [`http::Method`], [`http::HeaderMap`].
pub use http;

pub use config::{Backend, Config, HealthCheck, Location, Site, Upstream};
pub use logs::process::init as init_logger;
pub use proxy::{Route, RouteError, RouteRequest, Router, UnknownUpstream, UpstreamRef};
pub use server::{BindError, ReloadError, Running, Server, StartError};

/// The nginx version whose behaviour is followed: what `$nginx_version` says.
pub(crate) const NGINX_VERSION: &str = "1.31.5";

/// README's Rust compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
