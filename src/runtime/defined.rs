//! The variables that a configuration defines, ready to be found: tables built, patterns compiled.

use super::{Assigned, Pattern, Values, render};
use crate::model::{self, Geo, Split, Template, Variable, VariableId, network_of};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// Every variable of a configuration, by its [`VariableId`].
pub struct Defined(Box<[Source]>);

enum Source {
    Written,
    Set,
    Map(Box<Map>),
    Geo(Box<Networks>),
    Split(Box<Split>),
}

struct Map {
    source: Template,
    volatile: bool,
    hostnames: bool,
    default: Template,
    exact: HashMap<Box<[u8]>, Template>,
    leading: HashMap<Box<[u8]>, Template>,
    trailing: HashMap<Box<[u8]>, Template>,
    patterns: Vec<(Pattern, Template)>,
}

/// A `geo`: a hash table for each length of prefix, the longest first.
struct Networks {
    source: Option<Template>,
    default: Box<str>,
    lengths: Vec<(u8, HashMap<IpAddr, Box<str>>)>,
    ranges: Ranges,
}

impl Defined {
    /// Builds the tables. `variable` names the variables of named groups.
    ///
    /// # Errors
    /// A pattern that does not compile.
    pub(super) fn build(
        definitions: &[model::Definition],
        variable: &impl Fn(&str) -> Option<VariableId>,
    ) -> Result<Self, pcre2::Error> {
        let build = |definition: &model::Definition| {
            Ok(match &definition.source {
                model::Source::Written => Source::Written,
                model::Source::Set => Source::Set,
                model::Source::Map(map) => Source::Map(Box::new(Map::build(map, variable)?)),
                model::Source::Geo(geo) => Source::Geo(Box::new(Networks::build(geo))),
                model::Source::Split(split) => Source::Split(split.clone()),
            })
        };
        definitions
            .iter()
            .map(build)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Appends the value of a variable, or gives `false` when it has none. `assigned` is what the
    /// request has written down; `values` gives everything else.
    pub fn write(
        &self,
        variable: VariableId,
        assigned: &Assigned,
        values: &dyn Values,
        out: &mut Vec<u8>,
    ) -> bool {
        if let Some(value) = assigned.value(variable) {
            out.extend_from_slice(value);
            return true;
        }
        let Some(source) = self.0.get(variable.0 as usize) else {
            return false;
        };
        let is_volatile = match source {
            Source::Map(map) => map.volatile,
            // As nginx: what `set` did not write is there, and empty.
            Source::Set => return true,
            Source::Written | Source::Geo(_) | Source::Split(_) => false,
        };
        if !is_volatile && let Some(value) = assigned.found(variable) {
            out.extend_from_slice(value);
            return true;
        }
        let start = out.len();
        let is_there = assigned.deeper(|| match source {
            Source::Written => false,
            Source::Set => true,
            Source::Map(map) => {
                map.write(values, assigned, self.0.len(), out);
                true
            }
            Source::Geo(networks) => {
                out.extend_from_slice(networks.value(values).as_bytes());
                true
            }
            Source::Split(split) => {
                if let Some(share) = share(split, values) {
                    render(share, values, out);
                }
                true
            }
        });
        if is_there && !is_volatile {
            assigned.remember(variable, &out[start..], self.0.len());
        }
        is_there
    }
}

impl Map {
    fn build(
        map: &model::Map,
        variable: &impl Fn(&str) -> Option<VariableId>,
    ) -> Result<Self, pcre2::Error> {
        let table = |texts: &BTreeMap<String, Template>| {
            let entry =
                |(text, value): (&String, &Template)| (text.as_bytes().into(), value.clone());
            texts.iter().map(entry).collect()
        };
        let pattern = |(regex, value): &(model::Regex, Template)| {
            Ok((Pattern::build(regex, variable)?, value.clone()))
        };
        Ok(Self {
            source: map.source.clone(),
            volatile: map.volatile,
            hostnames: map.hostnames,
            default: map.default.clone(),
            exact: table(&map.exact),
            leading: table(&map.leading),
            trailing: table(&map.trailing),
            patterns: map.patterns.iter().map(pattern).collect::<Result<_, _>>()?,
        })
    }

    fn write(&self, values: &dyn Values, assigned: &Assigned, variables: usize, out: &mut Vec<u8>) {
        let mut text = Vec::new();
        render(&self.source, values, &mut text);
        if self.hostnames && text.last() == Some(&b'.') {
            text.pop();
        }
        let lower = text.to_ascii_lowercase();
        if let Some(value) = self.plain(&lower) {
            return render(value, values, out);
        }
        if !text.is_empty() {
            for (pattern, value) in &self.patterns {
                let mut groups = Assigned::default();
                match pattern.find(&text, &mut groups) {
                    Ok(true) => {
                        for (variable, value) in groups.values() {
                            assigned.remember(variable, value, variables);
                        }
                        let values = WithGroups {
                            values,
                            groups: &groups,
                        };
                        return render(value, &values, out);
                    }
                    Ok(false) => {}
                    // PCRE has given it up: nothing matches.
                    Err(_) => break,
                }
            }
        }
        render(&self.default, values, out);
    }

    /// The value of a text in lower case: its own, or that of the longest wildcard.
    fn plain(&self, text: &[u8]) -> Option<&Template> {
        if let Some(value) = self.exact.get(text) {
            return Some(value);
        }
        if !self.leading.is_empty() {
            let below = memchr::memchr_iter(b'.', text).map(|dot| &text[dot + 1..]);
            if let Some(value) = below.filter_map(|parent| self.leading.get(parent)).next() {
                return Some(value);
            }
        }
        if !self.trailing.is_empty() {
            let above = memchr::memrchr_iter(b'.', text).map(|dot| &text[..dot]);
            return above.filter_map(|start| self.trailing.get(start)).next();
        }
        None
    }
}

/// The values of a request where the groups of a map's pattern come first.
struct WithGroups<'a> {
    values: &'a dyn Values,
    groups: &'a Assigned,
}

impl Values for WithGroups<'_> {
    fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        self.values.write(variable, out)
    }

    fn write_defined(&self, variable: VariableId, out: &mut Vec<u8>) -> bool {
        match self.groups.value(variable) {
            Some(value) => {
                out.extend_from_slice(value);
                true
            }
            None => self.values.write_defined(variable, out),
        }
    }

    fn write_group(&self, number: u8, out: &mut Vec<u8>) -> bool {
        match self.groups.group(number) {
            Some(value) => {
                out.extend_from_slice(value);
                true
            }
            None => false,
        }
    }
}

/// Ranges of addresses that do not overlap, in their order.
struct Ranges(Box<[(u32, u32, Box<str>)]>);

impl Ranges {
    /// Of ranges that overlap the last one counts.
    fn build(written: &[(Ipv4Addr, Ipv4Addr, String)]) -> Self {
        let mut apart: BTreeMap<u32, (u32, Box<str>)> = BTreeMap::new();
        for (first, last, value) in written {
            let (first, last) = (u32::from(*first), u32::from(*last));
            let before = apart.range(..first).next_back();
            let before = before.map(|(start, (end, value))| (*start, *end, value.clone()));
            if let Some((start, end, value)) = before
                && end >= first
            {
                apart.insert(start, (first - 1, value.clone()));
                if end > last {
                    apart.insert(last + 1, (end, value));
                }
            }
            let covered: Vec<u32> = apart.range(first..=last).map(|(start, _)| *start).collect();
            for start in covered {
                if let Some((end, value)) = apart.remove(&start)
                    && end > last
                {
                    apart.insert(last + 1, (end, value));
                }
            }
            apart.insert(first, (last, value.as_str().into()));
        }
        let apart = apart.into_iter();
        Self(
            apart
                .map(|(start, (end, value))| (start, end, value))
                .collect(),
        )
    }

    fn find(&self, address: Ipv4Addr) -> Option<&str> {
        let address = u32::from(address);
        let after = self.0.partition_point(|(start, ..)| *start <= address);
        let (_, end, value) = self.0.get(after.checked_sub(1)?)?;
        (address <= *end).then_some(value)
    }
}

impl Networks {
    fn build(geo: &Geo) -> Self {
        let mut lengths: BTreeMap<u8, HashMap<IpAddr, Box<str>>> = BTreeMap::new();
        for ((address, bits), value) in &geo.networks {
            let networks = lengths.entry(*bits).or_default();
            networks.insert(*address, value.as_str().into());
        }
        Self {
            source: geo.source.clone(),
            default: geo.default.as_str().into(),
            lengths: lengths.into_iter().rev().collect(),
            ranges: Ranges::build(&geo.ranges),
        }
    }

    fn value(&self, values: &dyn Values) -> &str {
        let mut text = Vec::new();
        match &self.source {
            Some(source) => render(source, values, &mut text),
            None => {
                values.write(&Variable::RemoteAddr, &mut text);
            }
        }
        let address = std::str::from_utf8(&text).ok();
        let address = address.and_then(|text| text.parse::<IpAddr>().ok());
        match address {
            Some(address) => self.find(address.to_canonical()).unwrap_or(&self.default),
            // nginx takes what is no address for 255.255.255.255.
            None => self.find([255; 4].into()).unwrap_or(&self.default),
        }
    }

    fn find(&self, address: IpAddr) -> Option<&str> {
        if let IpAddr::V4(address) = address
            && let Some(value) = self.ranges.find(address)
        {
            return Some(value);
        }
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let lengths = self.lengths.iter().filter(|(bits, _)| *bits <= longest);
        lengths
            .filter_map(|(bits, networks)| networks.get(&network_of(address, *bits)))
            .map(|value| &**value)
            .next()
    }
}

/// The value that a request gets.
fn share<'a>(split: &'a Split, values: &dyn Values) -> Option<&'a Template> {
    let mut text = Vec::new();
    render(&split.source, values, &mut text);
    let hash = murmur_hash_2(&text);
    let share = split.shares.iter().find(|(up_to, _)| hash < *up_to);
    share.map(|(_, value)| value).or(split.rest.as_ref())
}

/// MurmurHash2 by Austin Appleby, with a seed of zero: visitors keep their share when they come from
/// nginx.
fn murmur_hash_2(data: &[u8]) -> u32 {
    const FACTOR: u32 = 0x5bd1_e995;
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let (blocks, tail) = data.as_chunks::<4>();
    let mut hash = blocks.iter().fold(length, |hash, block| {
        let mut word = u32::from_le_bytes(*block).wrapping_mul(FACTOR);
        word ^= word >> 24;
        hash.wrapping_mul(FACTOR) ^ word.wrapping_mul(FACTOR)
    });
    if !tail.is_empty() {
        for (index, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(FACTOR);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(FACTOR);
    hash ^ (hash >> 15)
}

impl fmt::Debug for Defined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Defined({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_murmur_s() {
        // Of the reference implementation, with a seed of 0.
        for (text, hash) in [
            ("", 0),
            ("a", 0x9268_5f5e),
            ("abc", 0x1357_7c9b),
            ("abcd", 0x2687_3021),
        ] {
            assert_eq!(murmur_hash_2(text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn the_longest_network_counts() {
        let network =
            |text: &str, bits| ((text.parse().expect("an address"), bits), text.to_owned());
        let networks = Networks::build(&Geo {
            ranges: Vec::new(),
            source: None,
            default: "none".into(),
            networks: [
                network("10.0.0.0", 8),
                network("10.1.0.0", 16),
                network("10.1.2.3", 32),
                network("2001:db8::", 32),
            ]
            .into(),
        });
        let find = |text: &str| networks.find(text.parse().expect("an address"));
        assert_eq!(find("10.9.9.9"), Some("10.0.0.0"));
        assert_eq!(find("10.1.9.9"), Some("10.1.0.0"));
        assert_eq!(find("10.1.2.3"), Some("10.1.2.3"));
        assert_eq!(find("11.0.0.0"), None);
        assert_eq!(find("2001:db8:1::1"), Some("2001:db8::"));
        assert_eq!(find("2001:db9::1"), None);
    }
}
