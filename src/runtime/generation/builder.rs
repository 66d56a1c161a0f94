//! Building a generation from a Model: everything that can be done once is done here.

use super::super::common::{self, Common, Last, Logs};
use super::super::hosts::Hosts;
use super::super::locations::Locations;
use super::super::pass::{Destination, ProxyPass};
use super::super::upstream::{Registry, Upstream};
use super::super::{Defined, Destinations, ErrorLog, Extras, LogSink, NamedLogSink, Step, script};
use super::{Action, Generation, Kind, LimitExcept, Listener, ListenerId, Location, Site};
use crate::model::{self, ListenAddress, LogBuffer, LogTarget, Model, VariableId};
use http::Method;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

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
        let is_same =
            |kind: &Arc<Kind>| Arc::ptr_eq(&kind.nowhere, &nowhere) && kind.client == site.client;
        let build = || {
            Ok(Arc::new(Kind {
                client: site.client.clone(),
                defined: Arc::clone(known.defined),
                nowhere: Arc::clone(&nowhere),
            }))
        };
        let mut last = known.last.kinds.borrow_mut();
        last.find_or_build(is_same, build)
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
        if !location.steps.is_empty() || location.limit_except.is_some() {
            // It may hold others, and is its own.
            return self.own_location(location, common, known);
        }
        let is_same = |one: &Arc<Location>| {
            Arc::ptr_eq(&one.common, &common) && one.does(&location.action, known.upstreams)
        };
        let build = || self.own_location(location, Arc::clone(&common), known);
        let mut last = known.last.locations.borrow_mut();
        last.find_or_build(is_same, build)
    }

    fn own_location(
        &mut self,
        location: &model::Location,
        common: Arc<Common>,
        known: &Known<'_>,
    ) -> Result<Arc<Location>, pcre2::Error> {
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
        Ok(Arc::new(Location {
            action,
            steps: self.steps(&location.steps, known)?,
            limit_except: match &location.limit_except {
                Some(limit) => Some(Box::new(self.limit_except(limit, known)?)),
                None => None,
            },
            extras: Extras::of(&common.settings),
            common,
        }))
    }

    fn common(
        &mut self,
        location: &model::Location,
        known: &Known<'_>,
    ) -> Result<Arc<Common>, pcre2::Error> {
        let settings = common::settings(location);
        let mut last = known.last.commons.borrow_mut();
        if let Some(common) = last.find(|common| common.settings == settings) {
            return Ok(common);
        }
        let logs = Logs {
            sink: self.log_sink,
            named: &self.named_logs,
            errors: self.error_log,
        };
        let common = Common::build(settings, logs, &|name| known.variable(name))?;
        Ok(last.add(Arc::new(common)))
    }
}

/// The table of a site's locations, which is that of another one with the same.
fn table(locations: Vec<Arc<Location>>, known: &Known<'_>) -> Result<Locations, pcre2::Error> {
    let mut last = known.last.tables.borrow_mut();
    let is_same = |(others, _): &Table| {
        let mut pairs = others.iter().zip(&locations);
        others.len() == locations.len() && pairs.all(|(one, other)| Arc::ptr_eq(one, other))
    };
    let build = || {
        let table = Locations::build(&locations, &|name| known.variable(name))?;
        Ok((locations.as_slice().into(), table))
    };
    last.find_or_build(is_same, build).map(|(_, table)| table)
}

/// What sites and locations refer to.
struct Known<'a> {
    upstreams: &'a [Arc<Upstream>],
    destinations: &'a Arc<Destinations>,
    defined: &'a Arc<Defined>,
    variables: &'a HashMap<&'a str, VariableId>,
    last: LastBuilt,
}

/// Locations, and the table of them.
type Table = (Arc<[Arc<Location>]>, Locations);

/// What was built last, for those that say the same.
#[derive(Default)]
struct LastBuilt {
    commons: RefCell<Last<Arc<Common>>>,
    locations: RefCell<Last<Arc<Location>>>,
    kinds: RefCell<Last<Arc<Kind>>>,
    tables: RefCell<Last<Table>>,
}

impl Known<'_> {
    fn variable(&self, name: &str) -> Option<VariableId> {
        self.variables
            .get(name.to_ascii_lowercase().as_str())
            .copied()
    }
}
