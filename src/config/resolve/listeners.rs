//! Listeners: which sites share an address, which of them is the default, and which hosts clash.

use super::super::draft::Word;
use super::super::path::{Finding, OwnedPath, Path};
use super::super::problem::Problem;
use super::host::Hosts;
use super::socket::Words;
use super::{Resolver, address};
use crate::model::{HostPattern, ListenAddress, Listener, SiteId, SocketOptions};
use indexmap::IndexMap;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;

/// One address of a site, and whether the site answers there where no host matches.
#[derive(Clone)]
pub(super) struct Listen {
    pub(super) address: ListenAddress,
    /// Its place in the list, for findings about it.
    index: usize,
    /// `default_server` behind the address.
    default_server: bool,
    /// What is asked of its socket, when something is.
    socket: Option<SocketOptions>,
    /// Several sites take it over from where it is written.
    shared: bool,
}

impl Listen {
    pub(super) fn at(address: ListenAddress) -> Self {
        Self {
            address,
            index: 0,
            default_server: false,
            socket: None,
            shared: false,
        }
    }

    /// The same, for several sites.
    pub(super) fn shared(self) -> Self {
        Self {
            shared: true,
            ..self
        }
    }
}

/// The listeners found so far, in the order of the file.
#[derive(Default)]
pub(super) struct Listeners(IndexMap<ListenAddress, Shared>);

#[derive(Default)]
struct Shared {
    sites: Vec<SiteId>,
    default: Option<SiteId>,
    /// Each host's site, and its place among the site's hosts.
    hosts: HashMap<HostPattern, (SiteId, usize)>,
    /// The first site without a host.
    catch_all: Option<SiteId>,
    /// What a site asks of the socket, and where; nowhere when several sites share it.
    socket: Option<(SocketOptions, Option<OwnedPath>)>,
}

impl Listeners {
    /// Adds a site to each of its addresses.
    pub(super) fn add(
        &mut self,
        resolver: &mut Resolver,
        id: SiteId,
        hosts: &Hosts,
        addresses: &[Listen],
        default: bool,
        path: &Path<'_>,
    ) {
        for listen in addresses {
            let address = &listen.address;
            let shared = self.0.entry(address.clone()).or_default();
            shared.sites.push(id);
            if default || listen.default_server {
                let first = *shared.default.get_or_insert(id);
                if first != id {
                    let problem = Problem::DuplicateDefaultServer(address.to_string());
                    let finding = match listen.default_server {
                        true => path.key("listen").index(listen.index).error(problem),
                        false => path.key("default_server").error(problem),
                    };
                    resolver.report(finding.label("already given").earlier(default_of(first)));
                }
            }
            shared.add_socket(resolver, listen, path);
            shared.add_hosts(resolver, id, hosts, address, path);
        }
    }

    /// The listeners, each with a default: the site that says so, else one without a host, else
    /// the first.
    pub(super) fn finish(self) -> Vec<Listener> {
        let listener = |(address, shared): (ListenAddress, Shared)| Listener {
            address,
            default_site: (shared.default.or(shared.catch_all)).unwrap_or(shared.sites[0]),
            socket: shared
                .socket
                .map_or_else(Default::default, |(socket, _)| socket),
            sites: shared.sites,
        };
        self.0.into_iter().map(listener).collect()
    }
}

impl Shared {
    /// One site says what is asked of a socket that several use.
    fn add_socket(&mut self, resolver: &mut Resolver, listen: &Listen, path: &Path<'_>) {
        let Some(socket) = &listen.socket else { return };
        let list = path.key("listen");
        let at = list.index(listen.index);
        match &self.socket {
            None => {
                let place = (!listen.shared).then(|| at.to_owned());
                self.socket = Some((socket.clone(), place));
            }
            Some((_, None)) if listen.shared => {}
            Some((_, earlier)) => {
                let problem = Problem::DuplicateListenOptions(listen.address.to_string());
                let finding = at.error(problem);
                resolver.report(match earlier {
                    Some(earlier) => finding.label("already given").earlier(earlier.clone()),
                    None => finding.label("already given for all sites"),
                });
            }
        }
    }

    fn add_hosts(
        &mut self,
        resolver: &mut Resolver,
        id: SiteId,
        hosts: &Hosts,
        address: &ListenAddress,
        path: &Path<'_>,
    ) {
        let conflict = |name| Problem::ConflictingServerName {
            name,
            listen: address.to_string(),
        };
        for host in &hosts.list {
            let first = *(self.hosts.entry(host.pattern.clone())).or_insert((id, host.index));
            if first != (id, host.index) {
                let list = path.key("host");
                let finding = list
                    .index(host.index)
                    .error(conflict(written(&host.pattern)));
                resolver.report(finding.label("already given").earlier(host_of(first)));
            }
        }
        // A site all of whose hosts are wrong is no catch-all.
        if hosts.list.is_empty() && hosts.name.is_empty() {
            let first = *self.catch_all.get_or_insert(id);
            if first != id {
                let finding = path.error(conflict(String::new()));
                let label = "this site has no `host`, and neither has the one";
                resolver.report(finding.label(label).earlier(site_of(first)));
            }
        }
    }
}

fn written(pattern: &HostPattern) -> String {
    match pattern {
        HostPattern::Exact(name) => name.clone(),
        HostPattern::LeadingWildcard(name) => format!("*.{name}"),
        HostPattern::TrailingWildcard(name) => format!("{name}.*"),
        HostPattern::Regex(pattern) => format!("~{pattern}"),
    }
}

fn site_of(id: SiteId) -> OwnedPath {
    Path::Root.key("sites").index(id.0).to_owned()
}

fn default_of(id: SiteId) -> OwnedPath {
    Path::Root
        .key("sites")
        .index(id.0)
        .key("default_server")
        .to_owned()
}

fn host_of((id, index): (SiteId, usize)) -> OwnedPath {
    Path::Root
        .key("sites")
        .index(id.0)
        .key("host")
        .index(index)
        .to_owned()
}

impl Resolver {
    /// The addresses of a `listen`.
    pub(super) fn listen(&mut self, words: &[Word], path: &Path<'_>) -> Vec<Listen> {
        let mut addresses: Vec<Listen> = Vec::with_capacity(words.len());
        for (index, word) in words.iter().enumerate() {
            let at = path.index(index);
            let mut pieces = word.split_ascii_whitespace();
            let text = pieces.next().unwrap_or_default();
            let mut said = Words::default();
            for piece in pieces {
                if let Err(wrong) = said.add(piece) {
                    let offset = piece.as_ptr() as usize - word.as_ptr() as usize;
                    let finding = at.error(wrong.problem).within(offset, piece.len());
                    self.report(Finding {
                        severity: wrong.severity,
                        label: wrong.label.map(Into::into),
                        ..finding
                    });
                }
            }
            let found = match address::listen(text, &mut self.names) {
                Ok(found) => found,
                Err(error) => {
                    let problem = Problem::ListenAddress {
                        what: error.what,
                        text: text.to_owned(),
                    };
                    let finding = at.error(problem).label(error.label);
                    self.report(finding.within(0, text.len()));
                    continue;
                }
            };
            for address in found {
                if addresses.iter().any(|known| known.address == address) {
                    self.report(at.error(Problem::DuplicateListen(address.to_string())));
                    continue;
                }
                addresses.push(Listen {
                    address,
                    index,
                    default_server: said.default_server,
                    socket: said.socket.clone(),
                    shared: false,
                });
            }
        }
        if words.is_empty() {
            let label = "expected a port or an address, such as `127.0.0.1:8080`";
            let problem = Problem::Missing("address to listen on");
            self.report(path.key_error(problem).label(label));
        }
        addresses
    }
}

/// nginx's: port 80 for root, 8000 for others, on all addresses. A process that was forked by root's to serve as
/// another user reads the same configuration, and it means the same there.
pub(in crate::config) fn default_listen() -> ListenAddress {
    static IS_ROOT_S: OnceLock<bool> = OnceLock::new();
    // SAFETY: geteuid has no preconditions and cannot fail.
    let is_root = *IS_ROOT_S.get_or_init(|| unsafe { libc::geteuid() } == 0);
    let port = if is_root { 80 } else { 8000 };
    ListenAddress::Inet(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
}
