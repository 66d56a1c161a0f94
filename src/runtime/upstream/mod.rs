//! Upstreams at run time: choosing a server, its health, and what it keeps across reloads.

use crate::model;
use std::sync::Arc;

/// What upstreams keep across generations.
#[derive(Debug, Default)]
pub struct Registry {}

/// One upstream of one generation.
#[derive(Debug)]
pub struct Upstream {
    name: String,
}

impl Registry {
    /// The upstream of a new generation.
    pub fn upstream(&self, upstream: &model::Upstream) -> Arc<Upstream> {
        Arc::new(Upstream {
            name: upstream.name.clone(),
        })
    }
}

impl Upstream {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}
