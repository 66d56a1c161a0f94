//! From `server` lines to Pingora's backends: resolved, told apart, weights made small.
//!
//! Pingora takes backends of one address and weight for the same one; for nginx each `server` line is
//! a server of its own, equal ones too. So a copy has a stand-in for its address where Pingora looks,
//! and requests go where the peer that rides in it says.

use super::clock::{Clock, milliseconds};
use super::names::Name;
use super::outlier::Watch;
use super::passive::Limit;
use super::peer::Peer;
use super::registry::State;
use super::sticky::ServerId;
use super::times::Measure;
use crate::model::{Balance, Server, ServerAddress, Weight};
use crate::runtime::dns::Located;
use async_trait::async_trait;
use md5::{Digest, Md5};
use parking_lot::Mutex;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_load_balancing::discovery::ServiceDiscovery;
use pingora_load_balancing::{Backend, Extensions};
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::net::SocketAddr as UnixAddress;
use std::sync::Arc;

/// The servers of one role, primary or backup, of one group. Names are looked up elsewhere: this
/// only reads what was found last, so an update never waits.
pub(super) struct Discovery {
    servers: Arc<[Source]>,
    backup: bool,
    /// A key decides: servers that are `down` keep their place.
    keyed: bool,
    /// Sessions belong to servers: those that `drain` are there for theirs.
    sticky: bool,
    measure: Measure,
    watch: Option<Arc<Watch>>,
    state: Arc<State>,
    clock: Clock,
    published: Mutex<Published>,
}

/// A `server` line with where its addresses come from.
#[derive(Debug)]
pub(super) struct Source {
    /// The server as written.
    pub(super) text: Arc<str>,
    /// What the line says.
    pub(super) server: Server,
    /// What its name resolves to, when it has one.
    pub(super) name: Option<Arc<Name>>,
}

/// What was given to the balancer last.
#[derive(Default)]
struct Published {
    members: Vec<Member>,
    doubled: bool,
}

/// One address of one line.
#[derive(Clone)]
struct Member {
    address: SocketAddr,
    /// The line, by its place.
    line: usize,
    /// How many members before it have the same address.
    copy: usize,
    /// As often as it is in a selector's list.
    weight: usize,
    /// What its line or its SRV record says.
    written: usize,
}

impl Discovery {
    /// The discovery of the primary or of the backup servers.
    pub(super) fn new(
        servers: &Arc<[Source]>,
        backup: bool,
        balance: &Balance,
        sticky: bool,
        watch: Option<&Arc<Watch>>,
        state: &Arc<State>,
        clock: &Clock,
    ) -> Self {
        Self {
            servers: Arc::clone(servers),
            backup,
            keyed: balance.is_keyed(),
            sticky,
            measure: Measure::of(balance),
            watch: watch.cloned(),
            state: Arc::clone(state),
            clock: clock.clone(),
            published: Mutex::default(),
        }
    }

    fn members(&self) -> Vec<Member> {
        let mut members = Vec::<Member>::new();
        let mut copies = HashMap::<SocketAddr, usize>::new();
        for (line, source) in self.servers.iter().enumerate() {
            let unused = source.server.down || (source.server.drain && !self.sticky);
            if unused && !self.keyed {
                continue;
            }
            for (address, weight) in source.addresses(self.backup) {
                let copies = copies.entry(address.clone()).or_default();
                members.push(Member {
                    address,
                    line,
                    copy: *copies,
                    weight: usize::from(weight),
                    written: usize::from(weight),
                });
                *copies += 1;
            }
        }
        // A selector writes every backend down as often as its weight says.
        let divisor = members.iter().fold(0, |all, one| gcd(all, one.weight));
        let total: usize = members.iter().map(|one| one.weight).sum();
        let divisor = divisor.max(total.div_ceil(LONGEST_SCHEDULE)).max(1);
        for member in &mut members {
            member.weight = (member.weight / divisor).max(1);
        }
        members
    }

    fn backends(&self) -> BTreeSet<Backend> {
        let members = self.members();
        let mut published = self.published.lock();
        // A change that is only in `ext` is not published: two servers that have swapped their
        // addresses would keep each other's name. Twice the weights are the same shares.
        if same_backends(&members, &published.members) && !same_lines(&members, &published.members)
        {
            published.doubled = !published.doubled;
        }
        let factor = if published.doubled { 2 } else { 1 };
        let backends = members.iter().map(|member| self.backend(member, factor));
        let backends = backends.collect();
        published.members = members;
        backends
    }

    fn backend(&self, member: &Member, factor: usize) -> Backend {
        let source = &self.servers[member.line];
        let text = address_text(&member.address);
        let name = self.sticky.then(|| match &source.server.route {
            Some(route) => route.clone(),
            None => checksum(&text),
        });
        let peer = Peer {
            id: name.as_ref().map(|name| ServerId::of(name.as_bytes())),
            name: name.unwrap_or_default().into(),
            drain: source.server.drain,
            address: member.address.clone(),
            text: text.into(),
            server: Arc::clone(&source.text),
            written: source.server.written.as_str().into(),
            weight: member.written,
            max_conns: source.server.max_conns,
            slow_start: source.server.slow_start.map_or(0, milliseconds),
            down: source.server.down,
            line: member.line,
            backup: self.backup,
            limit: Limit::new(source.server.max_fails, source.server.fail_timeout),
            watch: self.watch.clone(),
            measure: self.measure,
            live: (self.state).live(&member.address, self.backup, member.copy, &self.clock),
            clock: self.clock.clone(),
        };
        let mut ext = Extensions::new();
        ext.insert(Arc::new(peer));
        Backend {
            addr: member.identity(),
            weight: member.weight * factor,
            ext,
        }
    }
}

impl Member {
    /// What Pingora tells backends apart by: the address, or a path in its stead that no other
    /// member of the list has.
    fn identity(&self) -> SocketAddr {
        let stand_in = || {
            let mut hasher = DefaultHasher::new();
            self.address.hash(&mut hasher);
            let name = format!("{:x}#{}", hasher.finish(), self.copy);
            UnixAddress::from_pathname(name).map(SocketAddr::Unix)
        };
        match self.copy {
            0 => self.address.clone(),
            _ => stand_in().unwrap_or_else(|_| self.address.clone()),
        }
    }
}

#[async_trait]
impl ServiceDiscovery for Discovery {
    async fn discover(&self) -> pingora_core::Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        Ok((self.backends(), HashMap::new()))
    }
}

impl Source {
    /// The addresses known now that are backups, or those that are not, with their weights.
    fn addresses(&self, backup: bool) -> Vec<(SocketAddr, u16)> {
        let weight = self.server.weight;
        let own = |address| match self.server.backup == backup {
            true => vec![(address, weight.get())],
            false => Vec::new(),
        };
        match &self.server.address {
            ServerAddress::Inet(address) => own(SocketAddr::Inet(*address)),
            // A path that is too long for a socket is refused when the configuration is read.
            ServerAddress::Unix(path) => UnixAddress::from_pathname(path)
                .map_or(Vec::new(), |address| own(SocketAddr::Unix(address))),
            ServerAddress::Name { port, .. } => {
                let located = self.name.iter().flat_map(|name| name.located());
                // As in nginx, the backups of a service that is a backup itself are not used.
                let located = located.filter(|one| match self.server.backup {
                    true => backup && !one.backup,
                    false => one.backup == backup,
                });
                let address = |one: Located| {
                    let mut address = one.address;
                    if self.server.service.is_none() {
                        address.set_port(*port);
                    }
                    let weight = match (one.weight, weight) {
                        (Some(found), Weight::ONE) => found,
                        _ => weight.get(),
                    };
                    (SocketAddr::Inet(address), weight)
                };
                located.map(address).collect()
            }
        }
    }
}

/// The peer that rides in a backend.
pub(super) fn peer(backend: &Backend) -> &Arc<Peer> {
    let peer = backend.ext.get::<Arc<Peer>>();
    peer.expect("every backend is made by Discovery::backend, which puts it there")
}

fn same_backends(a: &[Member], b: &[Member]) -> bool {
    let backends = |members: &[Member]| -> BTreeSet<(SocketAddr, usize, usize)> {
        let of = |one: &Member| (one.address.clone(), one.copy, one.weight);
        members.iter().map(of).collect()
    };
    backends(a) == backends(b)
}

fn same_lines(a: &[Member], b: &[Member]) -> bool {
    let lines = |members: &[Member]| -> BTreeSet<(SocketAddr, usize, usize)> {
        let of = |one: &Member| (one.address.clone(), one.copy, one.line);
        members.iter().map(of).collect()
    };
    lines(a) == lines(b)
}

pub(super) fn address_text(address: &SocketAddr) -> String {
    match address {
        SocketAddr::Inet(address) => address.to_string(),
        SocketAddr::Unix(_) => format!("unix:{address}"),
    }
}

/// The name of a server without a route, as nginx has it.
fn checksum(address: &str) -> String {
    let digest = Md5::digest(address.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The most entries of a selector's list; larger weights are made smaller, to about the same shares.
const LONGEST_SCHEDULE: usize = 1 << 20;
