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

/// Who says the client's address in place of its connection: `set_real_ip_from` and its kin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RealIp {
    /// The proxies that are believed; without any nobody is.
    pub from: Vec<Clients>,
    /// The header that says it, in lower case.
    pub header: Box<str>,
    /// Whether proxies that are believed are passed over in a list.
    pub recursive: bool,
}

impl RealIp {
    /// Whether all lines of the header are one list.
    pub fn is_list(&self) -> bool {
        &*self.header == "x-forwarded-for"
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
