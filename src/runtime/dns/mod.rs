//! Names looked up at the servers of a `resolver`: by nginx's rules, through a cache.
//!
//! Nobody waits for a name longer than it allows, and a look-up ends when nobody waits for it. Requests
//! that want the same name at the same time share one. An answer is used for as long as it says itself, or
//! as `valid=` says; a failure is not kept. The cache is bounded: clients may choose the names.

mod exchange;
mod reply;
mod service;
mod system;

pub use system::System;

use crate::model;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use hickory_proto::op::Query;
use hickory_proto::rr::{Name, RecordType};
use parking_lot::Mutex;
use reply::Reply;
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// The resolvers in use: those with the same settings are one, in every generation.
#[derive(Debug, Default)]
pub struct Resolvers(Mutex<HashMap<model::Resolver, Weak<Resolver>>>);

/// The servers of a `resolver`, and what they have said.
pub struct Resolver {
    settings: model::Resolver,
    /// Look-ups begin at another server each.
    next: AtomicUsize,
    names: Mutex<HashMap<Name, Entry>>,
}

/// Why a name has no address, with nginx's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure(pub u16);

/// The servers that a name in the configuration stands for now.
#[derive(Debug)]
pub struct Servers {
    /// Where they are.
    pub located: Vec<Located>,
    /// When they are to be looked up again.
    pub until: Instant,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Located {
    /// Its address; without a service its port is 0.
    pub address: SocketAddr,
    /// Its weight, of a service.
    pub weight: Option<u16>,
    /// Whether its priority makes it a backup, of a service.
    pub backup: bool,
}

/// The addresses of a name.
struct Host {
    addresses: Vec<IpAddr>,
    until: Instant,
}

/// What is known of a name.
enum Entry {
    Known(Known),
    /// A look-up is under way, for as long as somebody waits for it.
    Asked(WeakShared<LookUp>),
}

type LookUp = BoxFuture<'static, Result<Known, Failure>>;

#[derive(Debug, Clone)]
struct Known {
    answer: Answer,
    until: Instant,
}

#[derive(Debug, Clone)]
enum Answer {
    /// IPv4 first, in the order of the server.
    Addresses(Arc<[IpAddr]>),
    /// Another name has them.
    Alias(Name),
}

/// Whether an answer comes from the cache or from its first asker.
enum Found {
    Kept(Known),
    Asked(Shared<LookUp>),
}

impl Resolvers {
    /// The resolver of these settings.
    pub fn resolver(&self, settings: &model::Resolver) -> Arc<Resolver> {
        let mut table = self.0.lock();
        if let Some(known) = table.get(settings).and_then(Weak::upgrade) {
            return known;
        }
        table.retain(|_, resolver| resolver.strong_count() > 0);
        let new = Arc::new(Resolver {
            settings: settings.clone(),
            next: AtomicUsize::new(0),
            names: Mutex::default(),
        });
        table.insert(settings.clone(), Arc::downgrade(&new));
        new
    }
}

impl Resolver {
    /// The addresses of a name, to be tried in this order.
    ///
    /// # Errors
    /// It has none, the servers do not say, or that takes longer than `limit`.
    pub async fn addresses(
        self: &Arc<Self>,
        name: &str,
        limit: Option<Duration>,
    ) -> Result<Vec<IpAddr>, Failure> {
        let host = within(limit, async { self.follow(parse(name)?).await });
        host.await.map(|host| host.addresses)
    }

    /// The servers of a name in the configuration: its addresses, without a port.
    ///
    /// # Errors
    /// As [`addresses`](Self::addresses).
    pub async fn host(
        self: &Arc<Self>,
        name: &str,
        limit: Option<Duration>,
    ) -> Result<Servers, Failure> {
        let host = within(limit, async { self.follow(parse(name)?).await }).await?;
        let located = |ip: &IpAddr| Located {
            address: SocketAddr::new(*ip, 0),
            weight: None,
            backup: false,
        };
        Ok(Servers {
            located: host.addresses.iter().map(located).collect(),
            until: host.until,
        })
    }

    /// How long after a failure the next look-up of a name in the configuration is made.
    pub fn pause_after(&self, failure: Failure, limit: Option<Duration>) -> Duration {
        match failure {
            Failure::NOT_FOUND => self.settings.valid.unwrap_or(MISSED),
            _ => limit.unwrap_or_default().max(SHORTEST_PAUSE),
        }
    }

    /// Follows a name to its addresses, by way of the names that it is an alias of.
    async fn follow(self: &Arc<Self>, mut name: Name) -> Result<Host, Failure> {
        let mut until = Instant::now() + LONGEST_KEPT;
        for _ in 0..MOST_ALIASES {
            let (known, kept) = match self.find(&name) {
                Found::Kept(known) => (known, true),
                Found::Asked(look_up) => (look_up.await?, false),
            };
            until = until.min(known.until);
            match known.answer {
                Answer::Addresses(addresses) => {
                    let addresses = in_turn(&addresses, kept);
                    return Ok(Host { addresses, until });
                }
                Answer::Alias(other) => name = other,
            }
        }
        Err(Failure::NOT_FOUND)
    }

    /// When an answer is out of date.
    fn until(&self, ttl: Duration) -> Instant {
        Instant::now() + self.settings.valid.unwrap_or(ttl).min(LONGEST_KEPT)
    }

    fn find(self: &Arc<Self>, name: &Name) -> Found {
        let mut names = self.names.lock();
        match names.get(name) {
            Some(Entry::Known(known)) if known.until > Instant::now() => {
                return Found::Kept(known.clone());
            }
            Some(Entry::Asked(asked)) => {
                if let Some(asked) = asked.upgrade() {
                    return Found::Asked(asked);
                }
            }
            _ => {}
        }
        let look_up = Arc::clone(self).look_up(name.clone()).boxed().shared();
        make_room(&mut names);
        if let Some(asked) = look_up.downgrade() {
            names.insert(name.clone(), Entry::Asked(asked));
        }
        Found::Asked(look_up)
    }

    async fn look_up(self: Arc<Self>, name: Name) -> Result<Known, Failure> {
        let result = self.ask(&name).await;
        let mut names = self.names.lock();
        match &result {
            Ok(known) if known.until > Instant::now() => {
                names.insert(name, Entry::Known(known.clone()));
            }
            _ => {
                names.remove(&name);
            }
        }
        result
    }

    async fn ask(&self, name: &Name) -> Result<Known, Failure> {
        let first = self.next.fetch_add(1, Relaxed);
        let settings = &self.settings;
        let (ipv4, ipv6) = tokio::join!(
            self.ask_for(settings.ipv4.then_some(RecordType::A), name, first),
            self.ask_for(settings.ipv6.then_some(RecordType::AAAA), name, first)
        );
        let replies = [ipv4.transpose()?, ipv6.transpose()?];
        let replies: Vec<Reply> = replies.into_iter().flatten().collect();
        let (answer, ttl) = both(replies).ok_or(Failure::NOT_FOUND)?;
        let until = self.until(ttl);
        Ok(Known { answer, until })
    }

    /// Asks for the addresses of one kind, unless they are not wanted.
    async fn ask_for(
        &self,
        kind: Option<RecordType>,
        name: &Name,
        first: usize,
    ) -> Option<Result<Reply, Failure>> {
        let kind = kind?;
        let query = Query::query(name.clone(), kind);
        let answer = exchange::ask(&self.settings.servers, first, query).await;
        Some(answer.map(|message| Reply::read(&message, kind)))
    }
}

/// A name as it is asked for.
fn parse(name: &str) -> Result<Name, Failure> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let labels = name.split('.').map(str::as_bytes);
    Name::from_labels(labels).map_err(|_| Failure::NOT_FOUND)
}

/// Waits for a look-up no longer than this.
async fn within<T>(
    limit: Option<Duration>,
    look_up: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let limit = limit.unwrap_or(LONGEST).min(LONGEST);
    match tokio::time::timeout(limit, look_up).await {
        Ok(result) => result,
        Err(_) => Err(Failure::TIMED_OUT),
    }
}

/// What the answers for IPv4 and for IPv6 say together. As in nginx the later one decides when none has an
/// address: that there is nothing, or under which other name there may be.
fn both(replies: Vec<Reply>) -> Option<(Answer, Duration)> {
    let ttl = replies.iter().map(Reply::ttl).min().unwrap_or_default();
    let addresses: Vec<IpAddr> = replies
        .iter()
        .flat_map(|reply| reply.addresses.iter().copied())
        .collect();
    if !addresses.is_empty() {
        return Some((Answer::Addresses(addresses.into()), ttl));
    }
    let last = replies.into_iter().next_back()?;
    last.alias.map(|alias| (Answer::Alias(alias), ttl))
}

/// The addresses, from any of them on when they were asked for before: each is the first equally often.
fn in_turn(addresses: &[IpAddr], again: bool) -> Vec<IpAddr> {
    let mut addresses = addresses.to_vec();
    if again && addresses.len() > 1 {
        let first = fastrand::usize(..addresses.len());
        addresses.rotate_left(first);
    }
    addresses
}

/// Forgets what is out of date when there are many names, and any others when that is not enough.
fn make_room(names: &mut HashMap<Name, Entry>) {
    if names.len() < MOST_NAMES {
        return;
    }
    let now = Instant::now();
    names.retain(|_, entry| match entry {
        Entry::Known(known) => known.until > now,
        Entry::Asked(asked) => asked.upgrade().is_some(),
    });
    let mut surplus = names.len().saturating_sub(MOST_NAMES / 2);
    names.retain(|_, entry| {
        let forgotten = surplus > 0 && matches!(entry, Entry::Known(_));
        surplus -= usize::from(forgotten);
        !forgotten
    });
}

impl Failure {
    /// The name has no address.
    pub const NOT_FOUND: Self = Self(3);
    /// Nobody answered in time.
    pub const TIMED_OUT: Self = Self(110);
}

/// `3: Host not found`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.0 {
            1 => "Format error",
            2 => "Server failure",
            3 => "Host not found",
            4 => "Unimplemented",
            5 => "Operation refused",
            110 => "Operation timed out",
            _ => "Unknown error",
        };
        write!(f, "{}: {words}", self.0)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resolver").field(&self.settings).finish()
    }
}

/// Nobody waits longer, whatever `resolver_timeout` says.
const LONGEST: Duration = Duration::from_secs(600);

/// Nothing is kept longer, whatever an answer says.
const LONGEST_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// When a name of the configuration is looked up again that was not there.
const MISSED: Duration = Duration::from_secs(10);

/// A look-up that has failed is not made again at once.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// How many names of names are followed: nginx's NGX_RESOLVER_MAX_RECURSION.
const MOST_ALIASES: usize = 50;

/// How many names are kept.
const MOST_NAMES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> Name {
        Name::from_ascii(format!("{number}.test.")).expect("a name")
    }

    fn known(valid: Duration) -> Entry {
        Entry::Known(Known {
            answer: Answer::Addresses(Arc::new([])),
            until: Instant::now() + valid,
        })
    }

    #[test]
    fn names_of_clients_do_not_fill_the_memory() {
        let mut names = HashMap::new();
        for number in 0..10 * MOST_NAMES {
            make_room(&mut names);
            names.insert(name(number), known(LONGEST));
        }
        assert!(names.len() <= MOST_NAMES);
    }

    #[test]
    fn names_that_are_out_of_date_go_first() {
        let mut names = HashMap::new();
        for number in 0..MOST_NAMES {
            let valid = if number < 10 { LONGEST } else { Duration::ZERO };
            names.insert(name(number), known(valid));
        }
        make_room(&mut names);
        assert_eq!(names.len(), 10);
    }

    #[test]
    fn the_later_answer_decides_when_none_has_an_address() {
        let empty = || Reply {
            ttl: 7,
            ..Reply::default()
        };
        let alias = || Reply {
            alias: Some(name(1)),
            ..empty()
        };
        let address = || Reply {
            addresses: vec![IpAddr::from([127, 0, 0, 1])],
            ..empty()
        };
        let shown = |replies| match both(replies) {
            Some((Answer::Addresses(addresses), _)) => format!("{addresses:?}"),
            Some((Answer::Alias(alias), _)) => alias.to_ascii(),
            None => "nothing".to_owned(),
        };
        assert_eq!(shown(vec![alias(), empty()]), "nothing");
        assert_eq!(shown(vec![empty(), alias()]), "1.test.");
        assert_eq!(shown(vec![alias(), address()]), "[127.0.0.1]");
        assert_eq!(shown(vec![address(), alias()]), "[127.0.0.1]");
        assert_eq!(shown(vec![empty()]), "nothing");
    }

    #[test]
    fn addresses_take_turns_when_they_are_asked_for_again() {
        let addresses = [1, 2, 3].map(|last| IpAddr::from([127, 0, 0, last]));
        assert_eq!(in_turn(&addresses, false), addresses);
        let mut first: Vec<_> = (0..200).map(|_| in_turn(&addresses, true)[0]).collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first, addresses);
    }
}
