//! The upstreams that the text of a `proxy_pass` with variables may name.

use super::upstream::Upstream;
use crate::model;
use std::collections::HashMap;
use std::sync::Arc;

/// Upstreams by name, and those that another `proxy_pass` has made of an address by that.
#[derive(Debug, Default)]
pub struct Destinations(HashMap<Box<str>, Known>);

#[derive(Debug)]
struct Known {
    upstream: Arc<Upstream>,
    /// Its name is the address of its one server.
    is_address: bool,
}

impl Destinations {
    /// The table of these.
    pub fn new<'a>(
        upstreams: impl IntoIterator<Item = (&'a model::Upstream, &'a Arc<Upstream>)>,
    ) -> Self {
        let known = |(model, upstream): (&model::Upstream, &Arc<Upstream>)| {
            let is_address = match model.servers.as_slice() {
                [server] => {
                    let port = server.written.strip_prefix(model.name.as_str());
                    matches!(port, Some("" | ":80"))
                }
                _ => false,
            };
            let known = Known {
                upstream: Arc::clone(upstream),
                is_address,
            };
            (model.name.to_ascii_lowercase().into(), known)
        };
        Self(upstreams.into_iter().map(known).collect())
    }

    /// The upstream of a host and the port behind it. As in nginx one with a block of its own has no port:
    /// `app:8080` is not the upstream `app`.
    pub fn find(&self, host: &str, port: Option<u16>) -> Option<&Arc<Upstream>> {
        let mut name = host.to_ascii_lowercase();
        let known = match port {
            None => self.0.get(name.as_str()),
            Some(80) => self.0.get(name.as_str()).filter(|known| known.is_address),
            Some(port) => {
                name.push_str(&format!(":{port}"));
                self.0.get(name.as_str()).filter(|known| known.is_address)
            }
        };
        known.map(|known| &known.upstream)
    }
}
