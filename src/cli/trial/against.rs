//! `gapura try --against`: the same GETs to what serves now and to the trial, and what differs.

use super::Moved;
use super::client::{self, Answer};
use crate::model::{HostPattern, ListenAddress, LocationMatch, Model};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write as _};

/// No more requests are sent than this: each of them reaches the application twice.
const MOST_REQUESTS: usize = 500;

/// Compares, prints the differences, and says whether there were none.
pub(super) fn compare(model: &Model, moved: &[Moved]) -> bool {
    let mut counts = Counts::default();
    for place in moved {
        let requests = requests(model, place);
        let mut requests = requests.into_iter();
        for (host, path) in requests.by_ref() {
            if counts.requests == MOST_REQUESTS {
                println!("{MOST_REQUESTS} requests are enough: the rest was not compared");
                return counts.conclude();
            }
            let Ok(old) = client::get(&place.old, &host, &path) else {
                println!("nothing answers at {}: not compared", place.old);
                break;
            };
            counts.requests += 1;
            let new = client::get(&place.new, &host, &path);
            let differences = match new {
                Ok(new) => differences(place, &host, &path, &old, &new),
                Err(cause) => vec![format!("no answer now ({cause})")],
            };
            if !differences.is_empty() {
                counts.different += 1;
                println!("GET {path} of {host} at {}", place.old);
                for difference in differences {
                    println!("  {difference}");
                }
            }
        }
    }
    counts.conclude()
}

#[derive(Default)]
struct Counts {
    requests: usize,
    different: usize,
}

impl Counts {
    fn conclude(&self) -> bool {
        let Self {
            requests,
            different,
        } = self;
        // Standard output may be closed.
        let _ = writeln!(
            io::stdout(),
            "{requests} requests were answered by both, {different} of them differently"
        );
        *different == 0
    }
}

/// A request for each name and each location that a path leads to.
fn requests(model: &Model, place: &Moved) -> BTreeSet<(String, String)> {
    let mut requests = BTreeSet::new();
    let listeners = model.listeners.iter();
    let listener = listeners.filter(|listener| listener.address == place.old);
    for site in listener.flat_map(|listener| &listener.sites) {
        let site = model.site(*site);
        for host in &site.hosts {
            let Some(host) = name(host, place) else {
                continue;
            };
            let paths = site
                .locations
                .iter()
                .filter_map(|location| match &location.matcher {
                    _ if location.internal => None,
                    LocationMatch::Exact(path)
                    | LocationMatch::Prefix(path)
                    | LocationMatch::PrefixNoRegex(path) => Some(encoded(path)),
                    LocationMatch::Regex { .. } | LocationMatch::Named(_) => None,
                });
            for path in paths.chain(["/".to_owned()]) {
                requests.insert((host.clone(), path));
            }
        }
    }
    requests
}

/// A Host header that finds a site.
fn name(host: &HostPattern, place: &Moved) -> Option<String> {
    let name = match host {
        HostPattern::Exact(name) if name.is_empty() => "localhost".to_owned(),
        HostPattern::Exact(name) => name.clone(),
        HostPattern::LeadingWildcard(rest) => format!("www.{rest}"),
        HostPattern::TrailingWildcard(rest) => format!("{rest}.test"),
        HostPattern::Regex(_) => return None,
    };
    match &place.old {
        ListenAddress::Inet(address) if address.port() != 80 => {
            Some(format!("{name}:{}", address.port()))
        }
        _ => Some(name),
    }
}

/// A location's path as a request line takes it.
fn encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'!'..=b'~' if !b"%#?\"<>`".contains(&byte) => encoded.push(char::from(byte)),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    match encoded.starts_with('/') {
        true => encoded,
        false => format!("/{encoded}"),
    }
}

/// What differs, but for what differs between two answers of the old server too.
fn differences(place: &Moved, host: &str, path: &str, old: &Answer, new: &Answer) -> Vec<String> {
    let mut parts = parts(place, old, new);
    if !parts.is_empty()
        && let Ok(again) = client::get(&place.old, host, path)
    {
        let varying = self::parts(place, old, &again);
        parts.retain(|(part, _)| !varying.iter().any(|(varies, _)| varies == part));
    }
    parts.into_iter().map(|(_, told)| told).collect()
}

/// The parts in which two answers differ, and how that is told.
fn parts(place: &Moved, old: &Answer, new: &Answer) -> Vec<(String, String)> {
    let mut parts = Vec::new();
    if old.status != new.status {
        let told = format!("status: {} | now {}", old.status, new.status);
        parts.push(("status".to_owned(), told));
    }
    let headers = |answer: &Answer| -> BTreeSet<String> {
        let names = answer.headers.iter().map(|(name, _)| name.clone());
        names
            .filter(|name| !IGNORED.contains(&name.as_str()))
            .collect()
    };
    let names: BTreeSet<String> = headers(old).union(&headers(new)).cloned().collect();
    for name in names {
        let (before, now) = (values(old, &name), place.renamed(&values(new, &name)));
        if before != now {
            let shown = |value: &str| match value {
                "" => "nothing".to_owned(),
                value => value.to_owned(),
            };
            let told = format!("{name}: {} | now {}", shown(&before), shown(&now));
            parts.push((name, told));
        }
    }
    if old.body != new.body {
        let at = old
            .body
            .iter()
            .zip(&new.body)
            .take_while(|(a, b)| a == b)
            .count();
        let excerpt = |body: &[u8]| {
            let rest = &body[at.min(body.len())..];
            let text: String = String::from_utf8_lossy(rest).chars().take(40).collect();
            format!("{text:?}")
        };
        let told = format!(
            "body: {} bytes | now {}, from byte {at} on: {} | {}",
            old.body.len(),
            new.body.len(),
            excerpt(&old.body),
            excerpt(&new.body)
        );
        parts.push(("body".to_owned(), told));
    }
    parts
}

/// Headers that say who answered, and when, or how the body is framed: the body itself is compared.
const IGNORED: [&str; 6] = [
    "date",
    "server",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
];

fn values(answer: &Answer, name: &str) -> String {
    let values = answer.headers.iter().filter(|(known, _)| known == name);
    let values: Vec<&str> = values.map(|(_, value)| value.as_str()).collect();
    values.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_encoded_for_a_request_line() {
        assert_eq!(encoded("/a b/%\u{e9}?"), "/a%20b/%25%C3%A9%3F");
        assert_eq!(encoded("a"), "/a");
    }
}
