//! One generation: the tree of sites and locations, built from a Model.

use super::common::{self, Common, Last, Logs};
use super::hosts::Hosts;
use super::locations::Locations;
use super::pass::{Destination, ProxyPass};
use super::upstream::{Registry, Upstream};
use super::{
    Assigned, Defined, Destinations, ErrorLog, GaveUp, LogSink, NamedLogSink, Step, script,
};
use crate::model::{self, ClientLimits, ListenAddress, LogBuffer, LogTarget, Model, VariableId};
use http::Method;
use std::cell::RefCell;
use std::collections::HashMap;
use std::mem::take;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Names a listening socket for as long as the process lives, across reloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListenerId(pub usize);

/// One immutable state of the configuration.
#[derive(Debug)]
pub struct Generation {
    /// Indexed by [`ListenerId`]; `None` for sockets this generation does not use.
    listeners: Vec<Option<Arc<Listener>>>,
    upstreams: HashMap<Box<str>, Arc<Upstream>>,
    keeps_answers: bool,
    counts_upstream_bytes: bool,
    /// Counts generations of one server.
    number: u64,
}

/// What is served on one socket.
#[derive(Debug)]
pub struct Listener {
    default_site: Arc<Site>,
    hosts: Hosts,
    /// Listeners of one address of this wildcard's port: they have no socket of their own.
    by_address: HashMap<SocketAddr, Arc<Listener>>,
}

/// A site at run time: what it has for itself, and what it has in common with others that say the same, a
/// [`Kind`]. It is small, and what a request to it needs lies together.
#[derive(Debug)]
pub struct Site {
    kind: Arc<Kind>,
    /// What happens to every request before a location is looked for.
    pub steps: Box<[Step]>,
    locations: Locations,
    /// `$server_name`.
    pub name: Box<str>,
}

/// What sites may have in common.
#[derive(Debug)]
pub struct Kind {
    /// What applies before a location is known.
    pub client: ClientLimits,
    /// The variables that the configuration defines.
    pub defined: Arc<Defined>,
    /// What answers a path that no location takes: a 404 with the defaults.
    nowhere: Arc<Location>,
}

impl Deref for Site {
    type Target = Kind;

    fn deref(&self) -> &Kind {
        &self.kind
    }
}

/// A location at run time: what it has for itself, and what it has in common with others that say the
/// same, a [`Common`].
#[derive(Debug)]
pub struct Location {
    /// What it does.
    pub action: Action,
    /// What happens to a request before that.
    pub steps: Box<[Step]>,
    /// `limit_except`.
    pub limit_except: Option<Box<LimitExcept>>,
    common: Arc<Common>,
}

/// `limit_except` at run time.
#[derive(Debug)]
pub struct LimitExcept {
    /// The methods that are not limited.
    pub methods: Vec<Method>,
    /// The location of all others.
    pub location: Arc<Location>,
}

impl Deref for Location {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.common
    }
}

/// What a location does, references resolved.
#[derive(Debug)]
pub enum Action {
    /// Pass to an upstream.
    Proxy(Arc<ProxyPass>),
    /// Answer from files.
    Files,
    /// Answer with a status and its page.
    Status(u16),
    /// Send the client to this path, which has a slash behind it.
    AddSlash(Box<str>),
}

/// Opens an access log, which may be buffered.
pub type OpenLog<'a> = dyn FnMut(&LogTarget, Option<&LogBuffer>) -> Arc<dyn LogSink> + 'a;

/// What a generation is built with: the things that outlive it.
pub struct Builder<'a> {
    /// What upstreams keep across generations.
    pub registry: &'a Registry,
    /// Names the socket of an address.
    pub listener_id: &'a mut dyn FnMut(&ListenAddress) -> ListenerId,
    /// Opens an access log.
    pub log_sink: &'a mut OpenLog<'a>,
    /// Takes the lines that name their files.
    pub named_logs: Arc<dyn NamedLogSink>,
    /// The error logs of a location, which are open.
    pub error_log: &'a mut dyn FnMut(&[model::ErrorLog]) -> Arc<ErrorLog>,
}

impl Builder<'_> {
    /// Builds the generation of a model.
    ///
    /// # Errors
    /// A pattern that does not compile. `config` compiles every pattern before a Model exists, so
    /// this is met only by models built by hand.
    pub fn build(&mut self, model: &Model) -> Result<Generation, pcre2::Error> {
        self.registry.bound(model.process.names);
        let variables = model.variables.iter().enumerate();
        let variables: HashMap<&str, VariableId> = variables
            .filter_map(|(index, variable)| {
                let id = VariableId(u32::try_from(index).ok()?);
                Some((variable.name.as_str(), id))
            })
            .collect();
        let named = |name: &str| variables.get(name.to_ascii_lowercase().as_str()).copied();
        let defined = Arc::new(Defined::build(&model.variables, &named)?);
        let upstreams: Vec<_> = model
            .upstreams
            .iter()
            .map(|upstream| self.registry.upstream_with(upstream, Some(&defined)))
            .collect();
        let all = model.upstreams.iter().zip(&upstreams);
        let destinations = Arc::new(Destinations::new(all.take(model.named_upstreams)));
        let known = Known {
            upstreams: &upstreams,
            destinations: &destinations,
            defined: &defined,
            variables: &variables,
            last: LastBuilt::default(),
        };
        let sites = model
            .sites
            .iter()
            .map(|site| self.site(site, &known).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let mut listeners = Vec::new();
        let mut covered = Vec::new();
        // Those that other listeners' sockets accept for come first.
        let (single, wildcards): (Vec<_>, Vec<_>) = model
            .listeners
            .iter()
            .partition(|listener| !listener.address.is_wildcard());
        for listener in single.into_iter().chain(wildcards) {
            let ListenerId(slot) = (self.listener_id)(&listener.address);
            if listeners.len() <= slot {
                listeners.resize_with(slot + 1, || None);
            }
            let mut hosts = Hosts::default();
            for id in &listener.sites {
                for pattern in &model.site(*id).hosts {
                    hosts.insert(pattern, &sites[id.0], named)?;
                }
            }
            let of_port = |(address, _): &&(SocketAddr, Arc<Listener>)| {
                listener.address.covers(&ListenAddress::Inet(*address))
            };
            let built = Arc::new(Listener {
                default_site: Arc::clone(&sites[listener.default_site.0]),
                hosts,
                by_address: covered.iter().filter(of_port).cloned().collect(),
            });
            if let ListenAddress::Inet(address) = listener.address {
                covered.push((address, Arc::clone(&built)));
            }
            listeners[slot] = Some(built);
        }
        let upstreams = upstreams
            .into_iter()
            .map(|upstream| (upstream.name().into(), upstream))
            .collect();
        Ok(Generation {
            listeners,
            upstreams,
            keeps_answers: model.keeps_answers,
            counts_upstream_bytes: model.counts_upstream_bytes,
            number: 0,
        })
    }

    fn site(&mut self, site: &model::Site, known: &Known<'_>) -> Result<Site, pcre2::Error> {
        let locations = site
            .locations
            .iter()
            .map(|location| self.location(location, known))
            .collect::<Result<Vec<_>, pcre2::Error>>()?;
        Ok(Site {
            kind: self.kind(site, known)?,
            steps: self.steps(&site.steps, known)?,
            locations: table(locations, known)?,
            name: site.name.as_str().into(),
        })
    }

    fn kind(&mut self, site: &model::Site, known: &Known<'_>) -> Result<Arc<Kind>, pcre2::Error> {
        let nowhere = self.location(&site.nowhere, known)?;
        let mut last = known.last.kinds.borrow_mut();
        let same =
            last.find(|kind| Arc::ptr_eq(&kind.nowhere, &nowhere) && kind.client == site.client);
        let build = || {
            Arc::new(Kind {
                client: site.client.clone(),
                defined: Arc::clone(known.defined),
                nowhere,
            })
        };
        Ok(same.unwrap_or_else(|| last.add(build())))
    }

    fn limit_except(
        &mut self,
        limit: &model::LimitExcept,
        known: &Known<'_>,
    ) -> Result<LimitExcept, pcre2::Error> {
        let methods = limit.methods.iter();
        let mut methods: Vec<Method> = methods
            .filter_map(|method| Method::from_bytes(method.as_bytes()).ok())
            .collect();
        if methods.contains(&Method::GET) {
            methods.push(Method::HEAD);
        }
        let location = self.location(&limit.location, known)?;
        Ok(LimitExcept { methods, location })
    }

    fn steps(
        &mut self,
        steps: &[model::Step],
        known: &Known<'_>,
    ) -> Result<Box<[Step]>, pcre2::Error> {
        script::build(steps, &|name| known.variable(name), &mut |location| {
            self.location(location, known)
        })
    }

    fn location(
        &mut self,
        location: &model::Location,
        known: &Known<'_>,
    ) -> Result<Arc<Location>, pcre2::Error> {
        let common = self.common(location, known)?;
        let is_plain = location.steps.is_empty() && location.limit_except.is_none();
        if is_plain {
            let mut last = known.last.locations.borrow_mut();
            let same = last.find(|one| {
                Arc::ptr_eq(&one.common, &common) && one.does(&location.action, known.upstreams)
            });
            if let Some(same) = same {
                return Ok(same);
            }
        }
        let action = match &location.action {
            model::Action::Proxy(upstream) => {
                let to = Destination::Upstream(Arc::clone(&known.upstreams[upstream.0]));
                Action::Proxy(Arc::new(ProxyPass::new(&common.passing, to)))
            }
            model::Action::ProxyTo(text) => {
                let resolver = location.pass.resolver.as_deref();
                let to = Destination::Written {
                    text: text.clone(),
                    known: Arc::clone(known.destinations),
                    resolver: resolver.map(|settings| self.registry.resolver(settings)),
                };
                Action::Proxy(Arc::new(ProxyPass::new(&common.passing, to)))
            }
            model::Action::Files => Action::Files,
            model::Action::Status(status) => Action::Status(*status),
        };
        let built = Arc::new(Location {
            action,
            steps: self.steps(&location.steps, known)?,
            limit_except: match &location.limit_except {
                Some(limit) => Some(Box::new(self.limit_except(limit, known)?)),
                None => None,
            },
            common,
        });
        Ok(match is_plain {
            true => known.last.locations.borrow_mut().add(built),
            false => built,
        })
    }

    fn common(
        &mut self,
        location: &model::Location,
        known: &Known<'_>,
    ) -> Result<Arc<Common>, pcre2::Error> {
        let settings = common::settings(location);
        let last = &known.last.commons;
        let same = last.borrow_mut().find(|common| common.settings == settings);
        if let Some(common) = same {
            return Ok(common);
        }
        let logs = Logs {
            sink: self.log_sink,
            named: &self.named_logs,
            errors: self.error_log,
        };
        let common = Common::build(settings, logs, &|name| known.variable(name))?;
        Ok(last.borrow_mut().add(Arc::new(common)))
    }
}

/// The table of a site's locations, which is that of another one with the same.
fn table(locations: Vec<Arc<Location>>, known: &Known<'_>) -> Result<Locations, pcre2::Error> {
    let mut last = known.last.tables.borrow_mut();
    let is_same = |(others, _): &(Arc<[Arc<Location>]>, Locations)| {
        let mut pairs = others.iter().zip(&locations);
        others.len() == locations.len() && pairs.all(|(one, other)| Arc::ptr_eq(one, other))
    };
    if let Some((_, table)) = last.find(is_same) {
        return Ok(table);
    }
    let table = Locations::build(&locations, &|name| known.variable(name))?;
    Ok(last.add((locations.into(), table)).1)
}

/// What sites and locations refer to.
struct Known<'a> {
    upstreams: &'a [Arc<Upstream>],
    destinations: &'a Arc<Destinations>,
    defined: &'a Arc<Defined>,
    variables: &'a HashMap<&'a str, VariableId>,
    last: LastBuilt,
}

/// What was built last, for those that say the same.
#[derive(Default)]
struct LastBuilt {
    commons: RefCell<Last<Arc<Common>>>,
    locations: RefCell<Last<Arc<Location>>>,
    kinds: RefCell<Last<Arc<Kind>>>,
    tables: RefCell<Last<(Arc<[Arc<Location>]>, Locations)>>,
}

impl Known<'_> {
    fn variable(&self, name: &str) -> Option<VariableId> {
        self.variables
            .get(name.to_ascii_lowercase().as_str())
            .copied()
    }
}

impl Generation {
    /// How many generations the server had before this one.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The one after another.
    pub(super) fn numbered(mut self, number: u64) -> Self {
        self.number = number;
        self
    }

    /// A generation whose access logs go nowhere: for tests and benches.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn build(
        model: &Model,
        registry: &Registry,
        mut listener_id: impl FnMut(&ListenAddress) -> ListenerId,
    ) -> Result<Self, pcre2::Error> {
        #[derive(Debug)]
        struct Nowhere;
        impl LogSink for Nowhere {
            fn write(&self, _: &[u8]) {}
        }
        impl NamedLogSink for Nowhere {
            fn write(&self, _: Vec<u8>, _: Vec<u8>, _: Vec<u8>) {}
        }
        let log_sink =
            &mut |_: &LogTarget, _: Option<&LogBuffer>| Arc::new(Nowhere) as Arc<dyn LogSink>;
        Builder {
            registry,
            listener_id: &mut listener_id,
            log_sink,
            named_logs: Arc::new(Nowhere),
            error_log: &mut |_| Arc::default(),
        }
        .build(model)
    }

    /// What is served on this socket; `None` when a reload took it away.
    pub fn listener(&self, id: ListenerId) -> Option<&Arc<Listener>> {
        self.listeners.get(id.0)?.as_ref()
    }

    /// An upstream by its name: for the extension trait and the runtime API, never per request.
    pub fn upstream(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.upstreams.get(name)
    }

    /// Whether headers of upstreams' answers are asked for after they were changed.
    pub fn keeps_answers(&self) -> bool {
        self.keeps_answers
    }

    /// Whether something asks how many bytes went over connections to upstreams.
    pub fn counts_upstream_bytes(&self) -> bool {
        self.counts_upstream_bytes
    }

    /// Every upstream.
    pub fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.upstreams.values()
    }
}

/// Freeing ten thousand sites takes milliseconds, and whoever lets go last is a thread that serves.
impl Drop for Generation {
    fn drop(&mut self) {
        let content = (take(&mut self.listeners), take(&mut self.upstreams));
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(|| drop(content));
        }
    }
}

impl Listener {
    /// What is served on a connection to this local address: a listener of its own that shares
    /// the wildcard's socket, or this one.
    pub fn at(self: &Arc<Self>, local: impl FnOnce() -> Option<SocketAddr>) -> &Arc<Self> {
        if self.by_address.is_empty() {
            return self;
        }
        local()
            .and_then(|address| self.by_address.get(&address))
            .unwrap_or(self)
    }

    /// The site that answers when no host matches, and before the Host is known.
    pub fn default_site(&self) -> &Arc<Site> {
        &self.default_site
    }

    /// The site for a host, which must be lower case, without its port and without a final dot. A name
    /// with a regular expression leaves its groups in `assigned`.
    pub fn site(&self, host: &str, assigned: &mut Assigned) -> &Arc<Site> {
        let found = self.hosts.find(host, assigned);
        found.unwrap_or(&self.default_site)
    }
}

impl Site {
    /// The location that takes a normalised path. One with a regular expression leaves its groups in
    /// `assigned`.
    ///
    /// # Errors
    /// A regular expression took too long.
    pub fn location(&self, path: &[u8], assigned: &mut Assigned) -> Result<&Arc<Location>, GaveUp> {
        let found = self.locations.find(path, assigned)?;
        Ok(found.unwrap_or(&self.nowhere))
    }

    /// The location `@name`, by what is behind the `@`.
    pub fn named(&self, name: &str) -> Option<&Arc<Location>> {
        self.locations.named(name)
    }

    /// The settings of answers made before a location is known, such as a 400.
    pub fn fallback(&self) -> &Arc<Location> {
        &self.nowhere
    }
}

impl Location {
    /// Whether it does this, and that for nobody in particular.
    fn does(&self, action: &model::Action, upstreams: &[Arc<Upstream>]) -> bool {
        match (&self.action, action) {
            (Action::Proxy(pass), model::Action::Proxy(upstream)) => {
                let upstream = &upstreams[upstream.0];
                // With `keepalive … local` its connections are its own.
                !upstream.keepalive().local
                    && matches!(&pass.to, Destination::Upstream(to) if Arc::ptr_eq(to, upstream))
            }
            (Action::Files, model::Action::Files) => true,
            (Action::Status(own), model::Action::Status(status)) => own == status,
            _ => false,
        }
    }

    /// For a location whose path ends in a slash: what answers the same path without it. As in nginx
    /// only those that pass requests on have one.
    pub(super) fn slash_redirect(&self, path: &str) -> Option<Self> {
        matches!(self.action, Action::Proxy(_)).then(|| Self {
            action: Action::AddSlash(escaped(path)),
            steps: Box::default(),
            limit_except: None,
            common: Arc::clone(&self.common),
        })
    }
}

/// A path as it stands in a URL: nginx's NGX_ESCAPE_URI.
fn escaped(path: &str) -> Box<str> {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            0..=b' '
            | b'"'
            | b'#'
            | b'%'
            | b'<'
            | b'>'
            | b'?'
            | b'\\'
            | b'^'
            | b'`'
            | b'{'..=b'}'
            | 0x7f.. => out.push_str(&format!("%{byte:02X}")),
            _ => out.push(char::from(byte)),
        }
    }
    out.into()
}
