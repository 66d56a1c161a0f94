//! How a location passes requests on, prepared so that a request only copies it.

use super::upstream::Upstream;
use crate::model::{self, Template};
use bytes::Bytes;
use http::HeaderName;
use pingora_core::upstreams::peer::{HttpUpstreamRequestPolicy, PeerOptions};
use std::fmt;
use std::sync::Arc;

/// `proxy_pass` and its family at run time.
pub struct ProxyPass {
    /// Where to.
    pub upstream: Arc<Upstream>,
    /// How, as the Model has it.
    pub settings: model::ProxyPass,
    /// `proxy_set_header`, names parsed.
    pub set_headers: Vec<SetHeader>,
    /// `proxy_hide_header`, names parsed.
    pub hide_headers: Vec<HeaderName>,
}

/// A request header set for the upstream.
#[derive(Debug)]
pub struct SetHeader {
    /// The name for comparing.
    pub name: HeaderName,
    /// The name as it is to be written.
    pub written: Bytes,
    /// Its value.
    pub value: Template,
    /// One of the same name comes before it: nginx sends both.
    pub again: bool,
}

impl ProxyPass {
    /// Prepares a Model's `proxy_pass`. Names that are no header names were refused by `config`;
    /// in a Model built by hand they are left out.
    pub fn new(settings: model::ProxyPass, upstream: Arc<Upstream>) -> Self {
        let mut set_headers: Vec<SetHeader> = Vec::with_capacity(settings.set_headers.len());
        for header in &settings.set_headers {
            if let Ok(name) = HeaderName::from_bytes(header.name.as_bytes()) {
                set_headers.push(SetHeader {
                    again: set_headers.iter().any(|earlier| earlier.name == name),
                    name,
                    written: Bytes::from(header.name.clone()),
                    value: header.value.clone(),
                });
            }
        }
        let hide_headers = settings
            .hide_headers
            .iter()
            .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
            .collect();
        Self {
            upstream,
            settings,
            set_headers,
            hide_headers,
        }
    }

    /// What Pingora is told of a connection to this upstream (or to another one, when a router
    /// chose it).
    pub fn peer_options(&self, upstream: &Upstream) -> PeerOptions {
        let mut options = PeerOptions::new();
        options.connection_timeout = Some(self.settings.connect_timeout);
        options.total_connection_timeout = Some(self.settings.connect_timeout);
        options.read_timeout = Some(self.settings.read_timeout);
        options.write_timeout = Some(self.settings.send_timeout);
        options.idle_timeout = Some(upstream.keepalive().timeout);
        // The request's headers are written by Gapura, hop-by-hop ones included.
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::preserve();
        options
    }
}

impl fmt::Debug for ProxyPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyPass({})", self.upstream.name())
    }
}
