//! Names of servers: looked up again and again, each by one loop however many upstreams use it.
//!
//! A look-up that fails changes nothing but the log: the addresses found before are used further.

use super::Environment;
use super::balance::Group;
use super::event::Event;
use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Where addresses of names come from.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// Every address of a name, each with this port.
    ///
    /// Called in the background, never for a request, and for a name never again before the last
    /// call has ended. An error and an empty list both mean that the name has no address now.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The system's resolver: `/etc/hosts`, `/etc/resolv.conf` and what else the C library knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// How often a name is looked up, unless the look-up before takes longer. The system's resolver
/// does not tell how long an answer is valid, and a container that comes back with another address
/// should be found before its visitors give up.
pub(super) const LOOKUP_INTERVAL: Duration = Duration::from_secs(2);

/// How long a look-up may take before the name counts as not found. It goes on all the same.
pub(super) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Every name in use.
#[derive(Debug, Default)]
pub(super) struct Names {
    table: Mutex<HashMap<(String, u16), Arc<Name>>>,
}

impl Names {
    /// The name, shared with whoever uses it already.
    pub(super) fn name(&self, host: &str, port: u16) -> Arc<Name> {
        let mut table = self.table.lock();
        let key = (host.to_owned(), port);
        Arc::clone(
            table
                .entry(key)
                .or_insert_with(|| Arc::new(Name::new(host, port))),
        )
    }

    /// The names whose loop has not been started, which are taken to be started now.
    pub(super) fn start(&self) -> Vec<Arc<Name>> {
        let table = self.table.lock();
        let names = table.values();
        names
            .filter(|name| !name.started.swap(true, Relaxed))
            .cloned()
            .collect()
    }

    /// Forgets a name when nobody uses it. Gives whether it did: its loop ends then.
    pub(super) fn forget_unused(&self, name: &Arc<Name>) -> bool {
        let mut table = self.table.lock();
        // The table and the loop that asks hold it, and so does every group that uses it.
        let unused = Arc::strong_count(name) <= 2;
        if unused {
            table.remove(&(name.host.clone(), name.port));
        }
        unused
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.table.lock().is_empty()
    }
}

/// One name with its port, and what it resolves to.
pub(super) struct Name {
    host: String,
    port: u16,
    /// Held during a look-up, so that there is never a second one.
    looking: tokio::sync::Mutex<()>,
    answer: Mutex<Answer>,
    users: Mutex<Vec<Weak<Group>>>,
    started: AtomicBool,
}

#[derive(Default)]
struct Answer {
    addresses: Vec<SocketAddr>,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Outcome {
    #[default]
    Unknown,
    Found,
    Failed,
}

impl Name {
    fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            looking: tokio::sync::Mutex::default(),
            answer: Mutex::default(),
            users: Mutex::default(),
            started: AtomicBool::new(false),
        }
    }

    /// The addresses found last, sorted.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.answer.lock().addresses.clone()
    }

    /// Whether no look-up has ended yet.
    pub(super) fn is_unknown(&self) -> bool {
        self.answer.lock().outcome == Outcome::Unknown
    }

    /// Has this group refreshed whenever the addresses change.
    pub(super) fn join(&self, group: &Arc<Group>) {
        let mut users = self.users.lock();
        users.retain(|user| user.strong_count() > 0);
        users.push(Arc::downgrade(group));
    }

    /// Looks the name up, unless somebody has found the first answer while this one waited.
    pub(super) async fn look_up_first(&self, environment: &Environment) {
        let looking = self.looking.lock().await;
        if self.is_unknown() {
            self.look_up_alone(environment).await;
        }
        drop(looking);
    }

    /// Looks the name up and refreshes the groups that use it when its addresses have changed.
    pub(super) async fn look_up(&self, environment: &Environment) {
        let looking = self.looking.lock().await;
        self.look_up_alone(environment).await;
        drop(looking);
    }

    async fn look_up_alone(&self, environment: &Environment) {
        let mut lookup = environment.resolver.resolve(&self.host, self.port);
        let result = match tokio::time::timeout(environment.lookup_timeout, &mut lookup).await {
            Ok(result) => result,
            Err(_) => {
                self.failed("no answer from the resolver", environment);
                lookup.await
            }
        };
        match result {
            Ok(addresses) if addresses.is_empty() => self.failed("no addresses", environment),
            Ok(addresses) => self.found(addresses, environment),
            Err(error) => self.failed(&error.to_string(), environment),
        }
    }

    fn failed(&self, reason: &str, environment: &Environment) {
        let mut answer = self.answer.lock();
        if std::mem::replace(&mut answer.outcome, Outcome::Failed) == Outcome::Failed {
            return;
        }
        let event = Event::NotFound {
            server: self.to_string(),
            reason: reason.to_owned(),
            kept: answer.addresses.clone(),
        };
        drop(answer);
        (environment.report)(&event);
    }

    fn found(&self, mut addresses: Vec<SocketAddr>, environment: &Environment) {
        addresses.sort_unstable();
        addresses.dedup();
        let mut answer = self.answer.lock();
        let before = std::mem::replace(&mut answer.outcome, Outcome::Found);
        let changed = answer.addresses != addresses;
        if changed {
            answer.addresses.clone_from(&addresses);
        }
        drop(answer);
        if before == Outcome::Failed || (changed && before == Outcome::Found) {
            let server = self.to_string();
            (environment.report)(&Event::Found { server, addresses });
        }
        if changed {
            let users: Vec<_> = self.users.lock().iter().filter_map(Weak::upgrade).collect();
            for group in users {
                group.refresh();
            }
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Name({self})")
    }
}
