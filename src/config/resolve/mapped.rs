//! Variables whose values are found by other texts: `map`, `geo` and `split_clients`.

use super::super::draft::{self, Draft, Word};
use super::super::path::Path;
use super::super::problem::Problem;
use super::{Resolver, invalid};
use crate::model::{Geo, Map, Regex, Source, Split, Template, VARIABLES};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

impl Resolver {
    /// Makes their names known.
    pub(super) fn define_mapped(&mut self, draft: &Draft) {
        let list = Path::Root.key("variables");
        for name in draft.variables.iter().flat_map(|all| all.keys()) {
            let path = list.key(name);
            let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || !name.bytes().all(letters) {
                let problem = Problem::Syntax(format!("invalid variable name \"{name}\""));
                self.report(
                    path.key_error(problem)
                        .label("expected letters, digits and `_`"),
                );
            } else if VARIABLES
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                let problem = Problem::Syntax(format!("the duplicate \"{name}\" variable"));
                self.report(
                    path.key_error(problem)
                        .label("every request has it already"),
                );
            }
            self.define(name, Source::Written);
        }
        for variable in draft.variables.iter().flat_map(|all| all.values()) {
            for key in variable.values.iter().flat_map(|values| values.keys()) {
                if let Some(pattern) = key.strip_prefix('~') {
                    self.define_groups(pattern.strip_prefix('*').unwrap_or(pattern));
                }
            }
        }
    }

    /// Says where their values come from. All names are known by now.
    pub(super) fn resolve_mapped(&mut self, draft: &Draft) {
        let list = Path::Root.key("variables");
        for (name, variable) in draft.variables.iter().flatten() {
            let path = list.key(name);
            let source = match (&variable.map, &variable.geo, &variable.split_clients) {
                (Some(source), None, None) => self.map(source, variable, &path),
                (None, Some(source), None) => self.geo(source, variable, &path),
                (None, None, Some(source)) => self.split(source, variable, &path),
                _ => {
                    let problem = Problem::Missing("\"map\", \"geo\" or \"split_clients\"");
                    self.report(path.error(problem).label("expected one of them"));
                    continue;
                }
            };
            if let Some(id) = self.variable(&name.to_ascii_lowercase()) {
                self.variables[id.0 as usize].source = source;
            }
        }
    }

    fn map(&mut self, source: &Word, variable: &draft::Variable, path: &Path<'_>) -> Source {
        let on = |switch: Option<draft::Switch>| switch.is_some_and(|switch| switch.0);
        let default = variable.default.as_deref().unwrap_or_default();
        let mut map = Map {
            source: self.template(source, &path.key("map")),
            volatile: on(variable.volatile),
            hostnames: on(variable.hostnames),
            default: self.template(default, &path.key("default")),
            exact: BTreeMap::new(),
            leading: BTreeMap::new(),
            trailing: BTreeMap::new(),
            patterns: Vec::new(),
        };
        let values = path.key("values");
        for (key, value) in variable.values.iter().flatten() {
            let at = values.key(key);
            let value = self.template(value, &at);
            self.map_key(&mut map, key, value, &at);
        }
        Source::Map(Box::new(map))
    }

    fn map_key(&mut self, map: &mut Map, key: &str, value: Template, path: &Path<'_>) {
        if let Some(pattern) = key.strip_prefix('~') {
            let (pattern, ignore_case) = match pattern.strip_prefix('*') {
                Some(pattern) => (pattern, true),
                None => (pattern, false),
            };
            self.check_key_regex(pattern, ignore_case, path);
            let regex = Regex {
                pattern: pattern.to_owned(),
                ignore_case,
            };
            map.patterns.push((regex, value));
            return;
        }
        let text = key.strip_prefix('\\').unwrap_or(key).to_ascii_lowercase();
        let mut add = |to: &mut BTreeMap<String, Template>, text: &str, value: Template| {
            if to.insert(text.to_owned(), value).is_some() {
                let problem = Problem::Syntax(format!("conflicting parameter \"{key}\""));
                self.report(path.key_error(problem).label("it is there already"));
            }
        };
        if !map.hostnames || !text.contains(['*', '.']) {
            return add(&mut map.exact, &text, value);
        }
        let is_wild = |text: &str| text.is_empty() || text.contains('*') || text.contains("..");
        if let Some(rest) = text.strip_prefix("*.").filter(|rest| !is_wild(rest)) {
            add(&mut map.leading, rest, value);
        } else if let Some(rest) = text.strip_suffix(".*").filter(|rest| !is_wild(rest)) {
            add(&mut map.trailing, rest, value);
        } else if let Some(rest) = text.strip_prefix('.').filter(|rest| !is_wild(rest)) {
            add(&mut map.exact, rest, value.clone());
            add(&mut map.leading, rest, value);
        } else if is_wild(&text) {
            let problem = Problem::Syntax(format!("invalid hostname or wildcard \"{key}\""));
            self.report(path.key_error(problem));
        } else {
            add(&mut map.exact, &text, value);
        }
    }

    fn check_key_regex(&mut self, pattern: &str, ignore_case: bool, path: &Path<'_>) {
        let before = self.findings.len();
        self.check_regex(pattern, ignore_case, 0, path);
        // It stands in the key.
        for finding in &mut self.findings[before..] {
            finding.part = super::super::path::Part::Key;
        }
    }

    fn geo(&mut self, source: &Word, variable: &draft::Variable, path: &Path<'_>) -> Source {
        let client = source.trim() == "$remote_addr";
        let template = self.template(source, &path.key("geo"));
        self.only_of_map(variable, path);
        let mut networks = BTreeMap::new();
        let mut ranges = Vec::new();
        let values = path.key("values");
        for (key, value) in variable.values.iter().flatten() {
            if let Some((first, last)) = range(key) {
                ranges.push((first, last, value.0.clone()));
                continue;
            }
            let Some(network) = network(key) else {
                let problem = Problem::Syntax(format!("invalid network \"{key}\""));
                let label = "expected an address, a network such as `192.0.2.0/24`, or a range of addresses";
                self.report(values.key(key).key_error(problem).label(label));
                continue;
            };
            // As in nginx the last one counts.
            networks.insert(network, value.0.clone());
        }
        Source::Geo(Box::new(Geo {
            source: (!client).then_some(template),
            default: variable.default.as_deref().unwrap_or_default().to_owned(),
            networks,
            ranges,
        }))
    }

    fn split(&mut self, source: &Word, variable: &draft::Variable, path: &Path<'_>) -> Source {
        let source = self.template(source, &path.key("split_clients"));
        self.only_of_map(variable, path);
        let mut split = Split {
            source,
            shares: Vec::new(),
            rest: None,
        };
        let mut sum = 0;
        let values = path.key("values");
        for (key, value) in variable.values.iter().flatten() {
            let at = values.key(key);
            let value = self.template(value, &at);
            if key == "*" {
                split.rest = Some(value);
                continue;
            }
            let Some(share) = hundredths(key) else {
                let problem = Problem::Syntax(format!("invalid percent value \"{key}\""));
                let label = "expected a percentage such as `0.5%`, or `*`";
                self.report(at.key_error(problem).label(label));
                continue;
            };
            sum += share;
            if sum > WHOLE {
                let problem = Problem::Syntax("percent total is greater than 100%".into());
                self.report(at.key_error(problem));
                break;
            }
            let up_to = sum * u64::from(u32::MAX) / WHOLE;
            split
                .shares
                .push((u32::try_from(up_to).unwrap_or(u32::MAX), value));
        }
        Source::Split(Box::new(split))
    }

    fn only_of_map(&mut self, variable: &draft::Variable, path: &Path<'_>) {
        for (key, written) in [
            ("hostnames", variable.hostnames.is_some()),
            ("volatile", variable.volatile.is_some()),
        ] {
            if written {
                let problem = Problem::Misplaced { key, beside: "map" };
                self.report(path.key(key).key_error(problem));
            }
        }
        if let (Some(default), Some(_)) = (&variable.default, &variable.split_clients) {
            let label = "the rest of a split is `*` among its values";
            self.report(invalid(&path.key("default"), default).label(label));
        }
    }
}

/// 100%.
const WHOLE: u64 = 10_000;

/// A percentage with up to two decimals.
fn hundredths(text: &str) -> Option<u64> {
    let number = text.strip_suffix('%')?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || part.len() > 2 || !digits(whole) || !digits(part) {
        return None;
    }
    let part = format!("{part:0<2}");
    let share = whole.parse::<u64>().ok()? * 100 + part.parse::<u64>().ok()?;
    (share > 0).then_some(share)
}

/// `192.0.2.1-192.0.2.9`: the first and the last of several addresses.
fn range(text: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let (first, last) = text.split_once('-')?;
    let range = (first.parse().ok()?, last.parse().ok()?);
    (range.0 <= range.1).then_some(range)
}

/// A network, with the bits that do not count cleared.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text
        .split_once('/')
        .map_or((text, None), |(a, b)| (a, Some(b)));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        Some(bits) => bits.parse::<u8>().ok().filter(|bits| *bits <= most)?,
        None => most,
    };
    Some((crate::model::network_of(address, bits), bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_have_two_decimals() {
        assert_eq!(hundredths("50%"), Some(5000));
        assert_eq!(hundredths("0.5%"), Some(50));
        assert_eq!(hundredths("33.33%"), Some(3333));
        for wrong in ["0%", "50", "%", "1.234%", "-1%", "x%", ".5%"] {
            assert_eq!(hundredths(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_network_is_its_first_address() {
        let first = |text: &str| network(text).map(|(address, bits)| format!("{address}/{bits}"));
        assert_eq!(first("192.0.2.77/24").as_deref(), Some("192.0.2.0/24"));
        assert_eq!(first("192.0.2.77").as_deref(), Some("192.0.2.77/32"));
        assert_eq!(
            first("2001:db8:ffff::1/32").as_deref(),
            Some("2001:db8::/32")
        );
        assert_eq!(first("0.0.0.0/0").as_deref(), Some("0.0.0.0/0"));
        assert_eq!(first("192.0.2.0/33"), None);
        assert_eq!(first("nowhere"), None);
    }
}
