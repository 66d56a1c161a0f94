//! `resolver`: the servers that names are looked up at.

use std::net::SocketAddr;
use std::time::Duration;

/// Servers that resolve names, and what is asked of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resolver {
    /// Where they are, in the order of the file. Never empty.
    pub servers: Vec<SocketAddr>,
    /// `valid=`: how long an answer is used; `None` is as long as it says itself.
    pub valid: Option<Duration>,
    /// `ipv4=`: whether IPv4 addresses are asked for.
    pub ipv4: bool,
    /// `ipv6=`: whether IPv6 addresses are.
    pub ipv6: bool,
}
