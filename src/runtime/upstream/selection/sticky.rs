//! `sticky`: the server that a session belongs to first, then whom the method chooses.

use super::super::discovery::peer;
use super::super::sticky::ServerId;
use pingora_load_balancing::Backend;
use pingora_load_balancing::selection::{BackendIter, BackendSelection};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A method with the servers by their names in front of it.
pub(in super::super) struct Sticky<S> {
    method: Arc<S>,
    named: HashMap<ServerId, Vec<Backend>>,
}

/// The servers of a name, then those of the method.
pub(in super::super) struct Named<S: BackendSelection> {
    selection: Arc<Sticky<S>>,
    name: Option<ServerId>,
    said: usize,
    others: S::Iter,
}

impl<S> BackendSelection for Sticky<S>
where
    S: BackendSelection<Config = ()>,
    S::Iter: BackendIter,
{
    type Iter = Named<S>;
    type Config = ();

    fn build(backends: &BTreeSet<Backend>) -> Self {
        let mut named = HashMap::<_, Vec<Backend>>::new();
        for backend in backends {
            if let Some(id) = peer(backend).id {
                named.entry(id).or_default().push(backend.clone());
            }
        }
        for servers in named.values_mut() {
            servers.sort_by_key(|backend| peer(backend).line);
        }
        Self {
            method: Arc::new(S::build(backends)),
            named,
        }
    }

    fn iter(self: &Arc<Self>, key: &[u8]) -> Named<S> {
        let (name, key) = ServerId::read(key);
        Named {
            name,
            said: 0,
            others: self.method.iter(key),
            selection: Arc::clone(self),
        }
    }
}

impl<S> BackendIter for Named<S>
where
    S: BackendSelection<Config = ()>,
    S::Iter: BackendIter,
{
    fn next(&mut self) -> Option<&Backend> {
        let named = self.name.and_then(|name| self.selection.named.get(&name));
        if let Some(server) = named.and_then(|servers| servers.get(self.said)) {
            self.said += 1;
            return Some(server);
        }
        self.others.next()
    }
}
