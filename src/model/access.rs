//! Who may: clients by their addresses, and methods.

use super::Location;
use ipnet::IpNet;
use std::net::IpAddr;

/// `allow` or `deny`. The first of a location's rules that speaks of the client decides; a client that none
/// speaks of may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRule {
    /// Whether the clients may.
    pub allow: bool,
    /// Which clients.
    pub clients: Clients,
}

/// The clients of an access rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clients {
    /// `all`.
    All,
    /// An address or a network.
    Network(IpNet),
    /// `unix:`: those on a Unix socket.
    Unix,
}

impl Clients {
    /// Whether a client is among them; one without an address came over a Unix socket.
    pub fn has(&self, client: Option<IpAddr>) -> bool {
        match (self, client) {
            (Self::All, _) => true,
            // As nginx: an IPv4 client of an IPv6 socket is an IPv4 client.
            (Self::Network(network), Some(address)) => network.contains(&address.to_canonical()),
            (Self::Unix, client) => client.is_none(),
            (Self::Network(_), None) => false,
        }
    }
}

/// `limit_except METHOD … { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitExcept {
    /// The methods that are not limited; GET brings HEAD along.
    pub methods: Vec<String>,
    /// The location of requests with all others.
    pub location: Location,
}
