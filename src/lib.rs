//! Gapura: an HTTP reverse proxy and load balancer on Pingora.

pub mod door;
pub mod model;
pub mod runtime;
