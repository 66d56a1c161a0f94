//! Names of servers: looked up again and again, each by one loop however many upstreams use it.
//!
//! A look-up that fails changes nothing but the log: the addresses found before are used further.

use super::Environment;
use super::balance::Group;
use super::event::Event;
use crate::model;
use crate::runtime::dns::{self, Located, Resolvers, System};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Where addresses of names come from.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// Every address of a name, each with this port, and how long they are valid.
    ///
    /// Called in the background, never for a request, and for a name never again before the last
    /// call has ended. An error and an empty list both mean that the name has no address now.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Resolved>;
}

/// What a name resolves to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The addresses.
    pub addresses: Vec<SocketAddr>,
    /// How long they are valid; `None` when nobody says.
    pub valid: Option<Duration>,
}

/// The system's resolver: `/etc/hosts`, `/etc/resolv.conf` and what else the C library knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Resolved> {
        let name = host.to_owned();
        let system = tokio::task::spawn_blocking(move || System::for_host(&name)).await;
        if let Ok(Some(system)) = system
            && let Some(servers) = system.host(host).await
        {
            let located = servers.located.iter();
            let address = |one: &Located| SocketAddr::new(one.address.ip(), port);
            return Ok(Resolved {
                addresses: located.map(address).collect(),
                valid: Some(servers.until.saturating_duration_since(Instant::now())),
            });
        }
        // It knows what no name server does.
        Ok(Resolved {
            addresses: tokio::net::lookup_host((host, port)).await?.collect(),
            valid: None,
        })
    }
}

/// How often a name is looked up, unless the look-up before takes longer, when nobody says how long an answer
/// is valid: a container that comes back with another address should be found before its visitors give up.
pub(super) const LOOKUP_INTERVAL: Duration = Duration::from_secs(2);

/// How long a look-up may take before the name counts as not found. It goes on all the same.
pub(super) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Every name in use, and who is asked for them.
#[derive(Debug, Default)]
pub(super) struct Names {
    table: Mutex<HashMap<Question, Arc<Name>>>,
    resolvers: Resolvers,
}

/// What is asked about a name, and whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// The system, for its addresses with this port.
    OfSystem(String, u16),
    /// A `resolver`, for its addresses or for the servers of a service.
    OfResolver {
        host: String,
        service: Option<String>,
        resolver: Arc<model::Resolver>,
        timeout: Option<Duration>,
    },
}

impl Names {
    /// The resolver of these settings.
    pub(super) fn resolver(&self, settings: &model::Resolver) -> Arc<dns::Resolver> {
        self.resolvers.resolver(settings)
    }

    /// The name, shared with whoever uses it already. One that is asked about elsewhere from now on has the
    /// answers that it had until it has others.
    pub(super) fn name(&self, question: Question) -> Arc<Name> {
        let mut table = self.table.lock();
        if let Some(known) = table.get(&question) {
            return Arc::clone(known);
        }
        let resolver = match &question {
            Question::OfSystem(..) => None,
            Question::OfResolver { resolver, .. } => Some(self.resolver(resolver)),
        };
        let mut before = table
            .values()
            .filter(|name| name.question.is_like(&question));
        let located = before.find_map(|name| Some(name.located()).filter(|all| !all.is_empty()));
        let name = Arc::new(Name::new(question.clone(), resolver, located));
        table.insert(question, Arc::clone(&name));
        name
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
            table.remove(&name.question);
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
    question: Question,
    /// Who is asked, when that is not the system.
    resolver: Option<Arc<dns::Resolver>>,
    /// Held during a look-up, so that there is never a second one.
    looking: tokio::sync::Mutex<()>,
    answer: Mutex<Answer>,
    users: Mutex<Vec<Weak<Group>>>,
    started: AtomicBool,
}

#[derive(Default)]
struct Answer {
    located: Vec<Located>,
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
    fn new(
        question: Question,
        resolver: Option<Arc<dns::Resolver>>,
        located: Option<Vec<Located>>,
    ) -> Self {
        Self {
            question,
            resolver,
            looking: tokio::sync::Mutex::default(),
            answer: Mutex::new(Answer {
                located: located.unwrap_or_default(),
                outcome: Outcome::Unknown,
            }),
            users: Mutex::default(),
            started: AtomicBool::new(false),
        }
    }

    /// What was found last, sorted.
    pub(super) fn located(&self) -> Vec<Located> {
        self.answer.lock().located.clone()
    }

    /// Whether the system is asked.
    pub(super) fn is_of_system(&self) -> bool {
        self.resolver.is_none()
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

    /// Looks the name up, unless somebody has found the first answer while this one waited. Gives how long
    /// to wait before the next time.
    pub(super) async fn look_up_first(&self, environment: &Environment) -> Duration {
        let looking = self.looking.lock().await;
        let pause = match self.is_unknown() {
            true => self.look_up_alone(environment).await,
            false => environment.lookup_interval,
        };
        drop(looking);
        pause
    }

    /// Looks the name up and refreshes the groups that use it when its addresses have changed. Gives how
    /// long to wait before the next time.
    pub(super) async fn look_up(&self, environment: &Environment) -> Duration {
        let looking = self.looking.lock().await;
        let pause = self.look_up_alone(environment).await;
        drop(looking);
        pause
    }

    async fn look_up_alone(&self, environment: &Environment) -> Duration {
        match (&self.question, &self.resolver) {
            (Question::OfSystem(host, port), _) => {
                let valid = self.ask_system(host, *port, environment).await;
                let bounds = *environment.bounds.lock();
                valid.map_or(environment.lookup_interval, |valid| bounds.hold(valid))
            }
            (
                Question::OfResolver {
                    host,
                    service,
                    timeout,
                    ..
                },
                Some(resolver),
            ) => {
                let service = service.as_deref();
                self.ask_resolver(resolver, host, service, *timeout, environment)
                    .await
            }
            (Question::OfResolver { .. }, None) => environment.lookup_interval,
        }
    }

    /// As nginx does: a name that is not there has no addresses any more, after any other failure it keeps
    /// those that it had.
    async fn ask_resolver(
        &self,
        resolver: &Arc<dns::Resolver>,
        host: &str,
        service: Option<&str>,
        timeout: Option<Duration>,
        environment: &Environment,
    ) -> Duration {
        let result = match service {
            None => resolver.host(host, timeout).await,
            Some(service) => resolver.service(service, host, timeout).await,
        };
        match result {
            Ok(servers) => {
                self.found(servers.located, environment);
                let valid = servers.until.saturating_duration_since(Instant::now());
                valid.max(SHORTEST_VALID)
            }
            Err(failure) => {
                let before = std::mem::replace(&mut self.answer.lock().outcome, Outcome::Failed);
                if before != Outcome::Failed {
                    (environment.report)(&Event::NotResolved {
                        name: host.to_owned(),
                        service: service.map(str::to_owned),
                        failure,
                    });
                }
                if failure == dns::Failure::NOT_FOUND {
                    self.change(Vec::new());
                }
                resolver.pause_after(failure, timeout)
            }
        }
    }

    /// Gives how long the answer is valid, where the system says.
    async fn ask_system(
        &self,
        host: &str,
        port: u16,
        environment: &Environment,
    ) -> Option<Duration> {
        let mut lookup = environment.resolver.resolve(host, port);
        let result = match tokio::time::timeout(environment.lookup_timeout, &mut lookup).await {
            Ok(result) => result,
            Err(_) => {
                self.failed("no answer from the resolver", environment);
                lookup.await
            }
        };
        match result {
            Ok(resolved) if resolved.addresses.is_empty() => {
                self.failed("no addresses", environment);
            }
            Ok(Resolved { addresses, valid }) => {
                let located = |address| Located {
                    address,
                    weight: None,
                    backup: false,
                };
                let mut located: Vec<Located> = addresses.into_iter().map(located).collect();
                located.sort_unstable();
                located.dedup();
                self.found(located, environment);
                return valid;
            }
            Err(error) => self.failed(&error.to_string(), environment),
        }
        None
    }

    fn failed(&self, reason: &str, environment: &Environment) {
        let mut answer = self.answer.lock();
        if std::mem::replace(&mut answer.outcome, Outcome::Failed) == Outcome::Failed {
            return;
        }
        let event = Event::NotFound {
            server: self.to_string(),
            reason: reason.to_owned(),
            kept: addresses_of(&answer.located),
        };
        drop(answer);
        (environment.report)(&event);
    }

    fn found(&self, mut located: Vec<Located>, environment: &Environment) {
        located.sort_unstable();
        let before = std::mem::replace(&mut self.answer.lock().outcome, Outcome::Found);
        let addresses = addresses_of(&located);
        let changed = self.change(located);
        if before == Outcome::Failed || (changed && before == Outcome::Found) {
            let server = self.to_string();
            (environment.report)(&Event::Found { server, addresses });
        }
    }

    /// Has everybody who uses the name use these from now on. Gives whether they are others than before.
    fn change(&self, located: Vec<Located>) -> bool {
        let mut answer = self.answer.lock();
        if answer.located == located {
            return false;
        }
        answer.located = located;
        drop(answer);
        let users: Vec<_> = self.users.lock().iter().filter_map(Weak::upgrade).collect();
        for group in users {
            group.refresh();
        }
        true
    }
}

impl Question {
    /// Whether it is the same question, asked of another resolver.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::OfResolver { host, service, .. },
                Self::OfResolver {
                    host: other_host,
                    service: other_service,
                    ..
                },
            ) => host == other_host && service == other_service,
            _ => false,
        }
    }
}

fn addresses_of(located: &[Located]) -> Vec<SocketAddr> {
    located.iter().map(|one| one.address).collect()
}

/// Names that are never valid are looked up this often.
const SHORTEST_VALID: Duration = Duration::from_secs(1);

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.question {
            Question::OfSystem(host, port) => write!(f, "{host}:{port}"),
            Question::OfResolver { host, .. } => f.write_str(host),
        }
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Name({self})")
    }
}
