//! `hash KEY`: the same key goes to the same server. Plain, as Cache::Memcached places keys; or
//! `consistent`, on a ring, as Cache::Memcached::Fast does, so that few keys move when a server comes
//! or goes.

use super::{Candidates, MOST_TRIES};
use pingora_load_balancing::Backend;
use pingora_load_balancing::selection::{BackendIter, BackendSelection};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// nginx's `hash KEY`.
pub(in super::super) struct KeyHash(Candidates);

/// The servers by the hash of the key, hashed on for each that is not taken; then in turn.
pub(in super::super) struct ByKey {
    selection: Arc<KeyHash>,
    key: Box<[u8]>,
    hash: u32,
    tries: u32,
}

impl BackendSelection for KeyHash {
    type Iter = ByKey;
    type Config = ();

    fn build(backends: &BTreeSet<Backend>) -> Self {
        Self(Candidates::new(backends))
    }

    fn iter(self: &Arc<Self>, key: &[u8]) -> ByKey {
        ByKey {
            selection: Arc::clone(self),
            key: key.into(),
            hash: 0,
            tries: 0,
        }
    }
}

impl BackendIter for ByKey {
    fn next(&mut self) -> Option<&Backend> {
        let KeyHash(candidates) = &*self.selection;
        if self.tries > MOST_TRIES || candidates.len() < 2 || self.key.is_empty() {
            return Some(&candidates.backends[candidates.in_turn()?]);
        }
        self.hash = self.hash.wrapping_add(key_hash(&self.key, self.tries));
        self.tries += 1;
        Some(&candidates.backends[candidates.at(self.hash as usize)])
    }
}

/// The upper bits of the key's checksum; the number of the try stands before it from the second on.
fn key_hash(key: &[u8], again: u32) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    if again > 0 {
        sum.update(again.to_string().as_bytes());
    }
    sum.update(key);
    (sum.finalize() >> 16) & 0x7fff
}

/// nginx's `hash KEY consistent`.
pub(in super::super) struct ConsistentHash {
    candidates: Candidates,
    /// The ring: where each point lies, and whose it is.
    points: Box<[(u32, u32)]>,
    /// The candidates of each `server` line's text: a name may have several addresses.
    servers: Box<[Box<[usize]>]>,
    /// Whose turn it is among those.
    next: AtomicUsize,
}

/// The servers from the key's point on along the ring; then in turn.
pub(in super::super) struct AlongTheRing {
    selection: Arc<ConsistentHash>,
    /// The point, unless there is no key.
    at: Option<usize>,
    /// Which of the point's addresses is next.
    within: usize,
    /// Where that began.
    start: usize,
    tries: u32,
}

impl BackendSelection for ConsistentHash {
    type Iter = AlongTheRing;
    type Config = ();

    fn build(backends: &BTreeSet<Backend>) -> Self {
        let candidates = Candidates::new(backends);
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut servers: Vec<Vec<usize>> = Vec::new();
        let mut points = Vec::new();
        for index in 0..candidates.len() {
            let peer = candidates.peer(index);
            let place = *places.entry(&peer.written).or_insert(servers.len());
            if place == servers.len() {
                servers.push(Vec::new());
            }
            servers[place].push(index);
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            let hashes = points_of(&peer.written, peer.weight * POINTS);
            points.extend(hashes.map(|hash| (hash, place)));
        }
        drop(places);
        points.sort_by_key(|(hash, _)| *hash);
        points.dedup_by_key(|(hash, _)| *hash);
        Self {
            candidates,
            points: points.into(),
            servers: servers.into_iter().map(Into::into).collect(),
            next: AtomicUsize::new(0),
        }
    }

    fn iter(self: &Arc<Self>, key: &[u8]) -> AlongTheRing {
        let hash = crc32fast::hash(key);
        let at = self.points.partition_point(|(point, _)| *point < hash);
        AlongTheRing {
            at: (!key.is_empty()).then_some(at),
            within: 0,
            start: self.next.fetch_add(1, Relaxed),
            tries: 0,
            selection: Arc::clone(self),
        }
    }
}

impl BackendIter for AlongTheRing {
    fn next(&mut self) -> Option<&Backend> {
        let ConsistentHash {
            candidates,
            points,
            servers,
            ..
        } = &*self.selection;
        if let Some(at) = &mut self.at
            && candidates.len() > 1
        {
            while self.tries <= MOST_TRIES {
                let (_, place) = points[*at % points.len()];
                let addresses = &servers[place as usize];
                if self.within < addresses.len() {
                    let index = addresses[(self.start + self.within) % addresses.len()];
                    self.within += 1;
                    return Some(&candidates.backends[index]);
                }
                *at += 1;
                self.within = 0;
                self.tries += 1;
            }
        }
        Some(&candidates.backends[candidates.in_turn()?])
    }
}

/// Points on the ring for each unit of weight.
const POINTS: usize = 160;

/// The points of a server: the checksum of host and port, and then of these and the point before.
fn points_of(server: &str, number: usize) -> impl Iterator<Item = u32> {
    let mut base = crc32fast::Hasher::new();
    let (host, port) = host_and_port(server);
    base.update(host.as_bytes());
    base.update(&[0]);
    base.update(port.as_bytes());
    let mut before = 0_u32;
    (0..number).map(move |_| {
        let mut sum = base.clone();
        sum.update(&before.to_le_bytes());
        before = sum.finalize();
        before
    })
}

fn host_and_port(server: &str) -> (&str, &str) {
    if let Some((scheme, path)) = server.split_at_checked(5)
        && scheme.eq_ignore_ascii_case("unix:")
    {
        return (path, "");
    }
    match server.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (server, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_s_place_is_that_of_its_text() {
        for (server, expected) in [
            ("10.0.0.1:8080", ("10.0.0.1", "8080")),
            ("app", ("app", "")),
            ("[::1]:80", ("[::1]", "80")),
            ("[::1]", ("[::1]", "")),
            ("unix:/run/a:80", ("/run/a:80", "")),
            ("Unix:/x", ("/x", "")),
            ("a", ("a", "")),
        ] {
            assert_eq!(host_and_port(server), expected, "{server}");
        }
    }
}
