//! How a location passes requests on, prepared so that a request only copies it.

use super::connector::Connector;
use super::destinations::Destinations;
use super::dns::Resolver;
use super::hidden::Hidden;
use super::request_headers::RequestHeaders;
use super::upstream::{Servers, Upstream};
use crate::model::{self, Part, RetryCondition, Template};
use http::HeaderValue;
use pingora_core::protocols::TcpKeepalive;
use pingora_core::upstreams::peer::{HttpUpstreamRequestPolicy, PeerOptions};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// `proxy_pass` at run time, and how: a [`Passing`].
pub struct ProxyPass {
    /// Where to.
    pub to: Destination,
    passing: Arc<Passing>,
    /// What tells its connections from those of other locations, where these are kept apart.
    place: u64,
    /// [`group`](Self::group) for the upstream that `to` is, from where the system chooses or `bind` says.
    own_group: Option<u64>,
    /// Its name, as it stands in `Host`.
    own_host: Option<HeaderValue>,
}

/// How requests are passed on, wherever to.
pub struct Passing {
    /// As the Model has it.
    pub settings: model::ProxyPass,
    /// The request's header lines.
    pub request: RequestHeaders,
    /// Whether an answer's status may send the request to the next server.
    pub next_by_status: bool,
    /// `proxy_hide_header`.
    pub hidden: Hidden,
    /// `proxy_bind`.
    pub bind: Bind,
    /// Opens connections to the upstream where `bind` is not rendered.
    connector: Arc<Connector>,
}

/// Where a location passes requests to.
pub enum Destination {
    /// To this upstream.
    Upstream(Arc<Upstream>),
    /// To what a text says for each request.
    Written {
        /// `http://`, a host, and maybe a port and a URI.
        text: Template,
        /// The upstreams that it may name.
        known: Arc<Destinations>,
        /// Who knows the addresses of other hosts.
        resolver: Option<Arc<Resolver>>,
    },
}

/// Where connections to an upstream come from.
#[derive(Debug)]
pub enum Bind {
    /// From where the system chooses.
    Anywhere,
    /// From this address.
    Fixed(SocketAddr),
    /// From the address that this says, if it is one.
    Rendered(Template),
}

impl Passing {
    /// Prepares a Model's `proxy_` settings. Names that are no header names were refused by `config`;
    /// in a Model built by hand they are left out.
    pub(super) fn new(settings: &model::ProxyPass) -> Self {
        let bind = Bind::new(settings.bind.as_ref());
        let mut conditions = settings.next_upstream.conditions.iter();
        Self {
            request: RequestHeaders::new(settings),
            connector: Connector::from(bind.fixed()),
            bind,
            next_by_status: conditions.any(|one| matches!(one, RetryCondition::Http(_))),
            hidden: Hidden::new(&settings.hide_headers),
            settings: settings.clone(),
        }
    }
}

impl Deref for ProxyPass {
    type Target = Passing;

    fn deref(&self) -> &Passing {
        &self.passing
    }
}

impl ProxyPass {
    /// Passes requests on like this to there.
    pub fn new(passing: &Arc<Passing>, to: Destination) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let place = NEXT.fetch_add(1, Relaxed);
        let own_group = match (&to, &passing.bind) {
            (_, Bind::Rendered(_)) | (Destination::Written { .. }, _) => None,
            (Destination::Upstream(upstream), bind) => {
                let servers = Servers::Upstream(Arc::clone(upstream));
                let socket_keepalive = passing.settings.socket_keepalive;
                Some(group(&servers, place, bind.fixed(), socket_keepalive))
            }
        };
        let own_host = match &to {
            Destination::Upstream(upstream) => HeaderValue::from_str(upstream.name()).ok(),
            Destination::Written { .. } => None,
        };
        Self {
            to,
            passing: Arc::clone(passing),
            place,
            own_group,
            own_host,
        }
    }

    /// What Pingora is told of a connection from this address. Not how long it may be idle, which would
    /// be a timer for each request: `upstream/sweep.rs` closes it.
    pub fn peer_options(&self, from: Option<SocketAddr>) -> PeerOptions {
        let mut options = PeerOptions::new();
        options.connection_timeout = Some(self.settings.connect_timeout);
        options.total_connection_timeout = Some(self.settings.connect_timeout);
        options.read_timeout = Some(self.settings.read_timeout);
        options.write_timeout = Some(self.settings.send_timeout);
        // The request's headers are written by Gapura, hop-by-hop ones included.
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::preserve();
        options.custom_l4 = Some(match &self.bind {
            Bind::Rendered(_) if from.is_some() => Connector::from(from),
            _ => Arc::<Connector>::clone(&self.connector),
        });
        if self.settings.socket_keepalive {
            options.tcp_keepalive = Some(PROBES.clone());
        }
        options
    }

    /// What keeps connections apart that Pingora would take for the same: whose they are, where they
    /// come from, and how TCP treats them.
    pub fn group(&self, servers: &Servers, from: Option<SocketAddr>) -> u64 {
        let own = self.own_group.filter(|_| self.leads_to(servers));
        own.unwrap_or_else(|| group(servers, self.place, from, self.settings.socket_keepalive))
    }

    /// `$proxy_host`, where these are the servers that the location names.
    pub fn host(&self, servers: &Servers) -> Option<&HeaderValue> {
        self.own_host.as_ref().filter(|_| self.leads_to(servers))
    }

    /// Whether these are the servers that the location names, and nobody else's.
    fn leads_to(&self, servers: &Servers) -> bool {
        match (&self.to, servers) {
            (Destination::Upstream(own), Servers::Upstream(servers)) => Arc::ptr_eq(own, servers),
            _ => false,
        }
    }
}

fn group(servers: &Servers, place: u64, from: Option<SocketAddr>, socket_keepalive: bool) -> u64 {
    let place = servers.keepalive().local.then_some(place);
    let mut hasher = DefaultHasher::new();
    (servers.pool(), place, from, socket_keepalive).hash(&mut hasher);
    // Its own half of the numbers: the other one is for connections that nobody shares.
    hasher.finish() | 1 << 63
}

impl Bind {
    fn new(template: Option<&Template>) -> Self {
        let Some(template) = template else {
            return Self::Anywhere;
        };
        match template.parts() {
            [] => Self::Anywhere,
            [Part::Literal(text)] => Self::parse(text).map_or(Self::Anywhere, Self::Fixed),
            _ => Self::Rendered(template.clone()),
        }
    }

    /// The address that it always is.
    fn fixed(&self) -> Option<SocketAddr> {
        match self {
            Self::Fixed(address) => Some(*address),
            Self::Anywhere | Self::Rendered(_) => None,
        }
    }

    /// An address with a port or without.
    pub fn parse(text: &str) -> Option<SocketAddr> {
        let alone = || text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 0));
        text.parse().ok().or_else(alone)
    }
}

/// How often the system probes by itself: nginx only switches probing on.
static PROBES: LazyLock<TcpKeepalive> = LazyLock::new(|| {
    let setting = |name: &str, default: u64| {
        let path = format!("/proc/sys/net/ipv4/tcp_keepalive_{name}");
        let text = std::fs::read_to_string(path).ok();
        text.and_then(|text| text.trim().parse().ok())
            .unwrap_or(default)
    };
    TcpKeepalive {
        idle: Duration::from_secs(setting("time", 7200)),
        interval: Duration::from_secs(setting("intvl", 75)),
        count: usize::try_from(setting("probes", 9)).unwrap_or(9),
        user_timeout: Duration::ZERO,
    }
});

impl fmt::Debug for ProxyPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyPass({:?})", self.to)
    }
}

impl fmt::Debug for Passing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passing")
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream(upstream) => f.write_str(upstream.name()),
            Self::Written { text, .. } => write!(f, "{text:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_come_from_needs_no_port() {
        let shown = |text| Bind::parse(text).map(|address| address.to_string());
        assert_eq!(shown("127.0.0.1").as_deref(), Some("127.0.0.1:0"));
        assert_eq!(shown("127.0.0.1:81").as_deref(), Some("127.0.0.1:81"));
        assert_eq!(shown("::1").as_deref(), Some("[::1]:0"));
        assert_eq!(shown("[::1]:8").as_deref(), Some("[::1]:8"));
        assert_eq!(shown("unix:"), None);
    }
}
