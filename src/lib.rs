//! Gapura: an HTTP reverse proxy and load balancer on Pingora.

pub mod config;
pub mod model;
pub mod runtime;
