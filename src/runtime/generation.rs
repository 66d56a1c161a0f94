//! One generation: the tree of sites and locations, built from a Model.

use super::hosts::Hosts;
use super::locations::Locations;
use super::upstream::{Registry, Upstream};
use crate::model::{self, ClientLimits, ListenAddress, Model};
use std::collections::HashMap;
use std::sync::Arc;

/// Names a listening socket for as long as the process lives, across reloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListenerId(pub usize);

/// One immutable state of the configuration.
#[derive(Debug)]
pub struct Generation {
    /// Indexed by [`ListenerId`]; `None` for sockets this generation does not use.
    listeners: Vec<Option<Arc<Listener>>>,
    upstreams: HashMap<Box<str>, Arc<Upstream>>,
}

/// What is served on one socket.
#[derive(Debug)]
pub struct Listener {
    default_site: Arc<Site>,
    hosts: Hosts,
}

/// A site at run time.
#[derive(Debug)]
pub struct Site {
    /// `$server_name`.
    pub name: String,
    /// What applies before a location is known.
    pub client: ClientLimits,
    locations: Locations,
    /// What answers a path that no location takes: a 404 with the defaults.
    nowhere: Arc<Location>,
}

/// A location at run time.
#[derive(Debug)]
pub struct Location {
    /// What it does.
    pub action: Action,
    /// Everything else that it says, as the Model has it.
    pub settings: model::Location,
}

/// What a location does, references resolved.
#[derive(Debug)]
pub enum Action {
    /// Pass to an upstream.
    Proxy(Arc<ProxyPass>),
    /// Answer with a status and its page.
    Status(u16),
}

/// How a location passes requests on.
#[derive(Debug)]
pub struct ProxyPass {
    /// Where to.
    pub upstream: Arc<Upstream>,
    /// How, as the Model has it.
    pub settings: model::ProxyPass,
}

impl Generation {
    /// Builds the generation of a model. `registry` holds what upstreams keep across generations,
    /// `listener_id` names the sockets.
    ///
    /// # Errors
    /// A pattern that does not compile. `config` compiles every pattern before a Model exists, so
    /// this is met only by models built by hand.
    pub fn build(
        model: &Model,
        registry: &Registry,
        mut listener_id: impl FnMut(&ListenAddress) -> ListenerId,
    ) -> Result<Self, pcre2::Error> {
        let upstreams: Vec<Arc<Upstream>> = model
            .upstreams
            .iter()
            .map(|upstream| registry.upstream(upstream))
            .collect();
        let sites = model
            .sites
            .iter()
            .map(|site| Site::build(site, &upstreams).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let mut listeners = Vec::new();
        for listener in &model.listeners {
            let ListenerId(slot) = listener_id(&listener.address);
            if listeners.len() <= slot {
                listeners.resize_with(slot + 1, || None);
            }
            let mut hosts = Hosts::default();
            for id in &listener.sites {
                for pattern in &model.site(*id).hosts {
                    hosts.insert(pattern, &sites[id.0])?;
                }
            }
            let default_site = Arc::clone(&sites[listener.default_site.0]);
            listeners[slot] = Some(Arc::new(Listener {
                default_site,
                hosts,
            }));
        }
        let upstreams = upstreams
            .into_iter()
            .map(|upstream| (upstream.name().into(), upstream))
            .collect();
        Ok(Self {
            listeners,
            upstreams,
        })
    }

    /// What is served on this socket; `None` when a reload took it away.
    pub fn listener(&self, id: ListenerId) -> Option<&Arc<Listener>> {
        self.listeners.get(id.0)?.as_ref()
    }

    /// An upstream by its name: for the extension trait and the runtime API, never per request.
    pub fn upstream(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.upstreams.get(name)
    }

    /// Every upstream.
    pub fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.upstreams.values()
    }
}

impl Listener {
    /// The site that answers when no host matches, and before the Host is known.
    pub fn default_site(&self) -> &Arc<Site> {
        &self.default_site
    }

    /// The site for a host, which must be lower case, without its port and without a final dot.
    pub fn site(&self, host: &str) -> &Arc<Site> {
        self.hosts.find(host).unwrap_or(&self.default_site)
    }
}

impl Site {
    fn build(site: &model::Site, upstreams: &[Arc<Upstream>]) -> Result<Self, pcre2::Error> {
        let locations = Locations::build(site.locations.iter().map(|location| {
            (
                location.matcher.clone(),
                Arc::new(Location::build(location, upstreams)),
            )
        }))?;
        let nowhere = Arc::new(Location::build(&site.nowhere, upstreams));
        Ok(Self {
            name: site.name.clone(),
            client: site.client.clone(),
            locations,
            nowhere,
        })
    }

    /// The location that takes a normalised path.
    pub fn location(&self, path: &[u8]) -> &Arc<Location> {
        self.locations.find(path).unwrap_or(&self.nowhere)
    }

    /// The settings of answers made before a location is known, such as a 400.
    pub fn fallback(&self) -> &Arc<Location> {
        &self.nowhere
    }
}

impl Location {
    fn build(location: &model::Location, upstreams: &[Arc<Upstream>]) -> Self {
        let action = match &location.action {
            model::Action::Proxy(pass) => Action::Proxy(Arc::new(ProxyPass {
                upstream: Arc::clone(&upstreams[pass.upstream.0]),
                settings: (**pass).clone(),
            })),
            model::Action::Status(status) => Action::Status(*status),
        };
        Self {
            action,
            settings: location.clone(),
        }
    }
}
