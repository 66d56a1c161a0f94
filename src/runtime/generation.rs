//! One generation: the tree of sites and locations, built from a Model.

mod builder;

pub use builder::{Builder, OpenLog};

use super::common::Common;
use super::hosts::Hosts;
use super::locations::Locations;
use super::pass::{Destination, ProxyPass};
use super::upstream::{Registry, Upstream};
use super::{Assigned, Defined, Extras, GaveUp, LogSink, NamedLogSink, Step};
use crate::model::{self, ClientLimits, ListenAddress, LogBuffer, LogTarget, Model};
use http::Method;
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
    /// What of its settings needs to be looked at.
    pub extras: Extras,
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
            extras: self.extras,
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
