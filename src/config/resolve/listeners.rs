//! Listeners: which sites share an address, which of them is the default, and which hosts clash.

use super::super::draft::{Draft, Site};
use super::super::path::Path;
use super::super::problem::Problem;
use super::host::Hosts;
use super::{Resolver, address};
use crate::model::{HostPattern, ListenAddress, Listener, SiteId};
use indexmap::IndexMap;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};

/// The listeners found so far, in the order of the file.
#[derive(Default)]
pub(super) struct Listeners(IndexMap<ListenAddress, Shared>);

#[derive(Default)]
struct Shared {
    sites: Vec<SiteId>,
    default: Option<SiteId>,
    hosts: HashMap<HostPattern, SiteId>,
    /// The first site without a host.
    catch_all: Option<SiteId>,
}

impl Listeners {
    /// Adds a site to each of its addresses.
    pub(super) fn add(
        &mut self,
        resolver: &mut Resolver,
        id: SiteId,
        hosts: &Hosts,
        addresses: &[ListenAddress],
        default: bool,
        path: &Path<'_>,
    ) {
        let host_path = path.key("host");
        for address in addresses {
            let shared = self.0.entry(address.clone()).or_default();
            shared.sites.push(id);
            if default {
                if let Some(first) = shared.default {
                    let problem = Problem::DuplicateDefaultServer(address.to_string());
                    let label = format!("site {} is already the default there", first.0 + 1);
                    resolver.report(path.key("default_server").error(problem).label(label));
                }
                shared.default.get_or_insert(id);
            }
            for host in &hosts.list {
                let first = *shared.hosts.entry(host.pattern.clone()).or_insert(id);
                if first != id {
                    let problem = Problem::ConflictingServerName {
                        name: written(&host.pattern),
                        listen: address.to_string(),
                    };
                    let label = format!("site {} already answers to it there", first.0 + 1);
                    resolver.report(host_path.index(host.index).error(problem).label(label));
                }
            }
            if hosts.list.is_empty() && hosts.name.is_empty() {
                let first = *shared.catch_all.get_or_insert(id);
                if first != id {
                    let problem = Problem::ConflictingServerName {
                        name: String::new(),
                        listen: address.to_string(),
                    };
                    let label = format!(
                        "neither this site nor site {} there has a `host`",
                        first.0 + 1
                    );
                    resolver.report(path.error(problem).label(label));
                }
            }
        }
    }

    /// The listeners, each with a default: the site that says so, else one without a host, else
    /// the first.
    pub(super) fn finish(self) -> Vec<Listener> {
        let listener = |(address, shared): (ListenAddress, Shared)| Listener {
            address,
            default_site: shared.default.unwrap_or(shared.sites[0]),
            sites: shared.sites,
        };
        self.0.into_iter().map(listener).collect()
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

impl Resolver {
    /// Where a site listens: as it says, else as the top says, else as nginx does.
    pub(super) fn site_listen(
        &mut self,
        draft: &Draft,
        site: &Site,
        path: &Path<'_>,
    ) -> Vec<ListenAddress> {
        let at = path.key("listen");
        let top = Path::Root.key("listen");
        let (words, at) = match (&site.listen, &draft.listen) {
            (Some(words), _) => (&words.0, at),
            (None, Some(words)) => (&words.0, top),
            (None, None) => return vec![default_listen()],
        };
        let mut addresses = Vec::with_capacity(words.len());
        for (index, word) in words.iter().enumerate() {
            let path = at.index(index);
            match address::listen(word) {
                Ok(address) if addresses.contains(&address) => {
                    let finding = path.error(Problem::DuplicateListen(address.to_string()));
                    self.report_once(finding);
                }
                Ok(address) => addresses.push(address),
                Err(error) => {
                    let problem = Problem::ListenAddress {
                        what: error.what,
                        text: word.0.clone(),
                    };
                    self.report_once(path.error(problem).label(error.label));
                }
            }
        }
        if words.is_empty() {
            let finding = at.key_error(Problem::Missing("address to listen on"));
            self.report_once(
                finding.label("expected a port or an address, such as `127.0.0.1:8080`"),
            );
        }
        addresses
    }

    /// Reports what several sites may stumble over, such as the top's `listen`, once.
    fn report_once(&mut self, finding: super::Finding) {
        let same =
            |known: &super::Finding| known.path == finding.path && known.problem == finding.problem;
        if finding.path.0.len() > 2 || !self.findings.iter().any(same) {
            self.report(finding);
        }
    }
}

/// nginx's: port 80 for root, 8000 for others, on all addresses.
fn default_listen() -> ListenAddress {
    // SAFETY: geteuid has no preconditions and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    let port = if root { 80 } else { 8000 };
    ListenAddress::Inet(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
}
