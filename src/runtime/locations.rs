//! Which location takes a path: nginx's precedence over a sorted list of prefixes.

use super::{Assigned, GaveUp, Location, Pattern};
use crate::model::{LocationMatch, Regex, VariableId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The locations of one site.
///
/// An exact location ends the search. Else the longest prefix is remembered; unless it is `^~`,
/// the regular expressions are tried in the order of the file and the first that matches wins
/// over it.
#[derive(Default)]
pub(super) struct Locations {
    exact: HashMap<Box<[u8]>, Arc<Location>>,
    /// Sorted by prefix, so that the longest match is found by bisection.
    prefixes: Vec<Prefix>,
    patterns: Vec<(Pattern, Arc<Location>)>,
    named: HashMap<Box<str>, Arc<Location>>,
}

struct Prefix {
    text: Box<[u8]>,
    location: Arc<Location>,
    no_regex: bool,
    /// The longest other prefix that this one starts with.
    parent: Option<usize>,
}

impl Locations {
    /// The table of these locations. `variable` names the variables of named groups.
    pub(super) fn build(
        locations: impl IntoIterator<Item = (LocationMatch, Arc<Location>)>,
        variable: &impl Fn(&str) -> Option<VariableId>,
    ) -> Result<Self, pcre2::Error> {
        let mut table = Self::default();
        let locations: Vec<_> = locations.into_iter().collect();
        let slashed = locations
            .iter()
            .filter_map(|(matcher, location)| match matcher {
                LocationMatch::Prefix(path) | LocationMatch::PrefixNoRegex(path) => {
                    let bare = path.strip_suffix('/').filter(|bare| !bare.is_empty())?;
                    location
                        .slash_redirect(path)
                        .map(|redirect| (bare.to_owned(), redirect))
                }
                LocationMatch::Exact(_) | LocationMatch::Regex { .. } | LocationMatch::Named(_) => {
                    None
                }
            });
        let slashed: Vec<_> = slashed.collect();
        for (matcher, location) in locations {
            match matcher {
                LocationMatch::Exact(path) => {
                    table
                        .exact
                        .entry(path.into_bytes().into())
                        .or_insert(location);
                }
                LocationMatch::Prefix(text) => {
                    table.prefixes.push(Prefix::new(text, location, false))
                }
                LocationMatch::PrefixNoRegex(text) => {
                    table.prefixes.push(Prefix::new(text, location, true))
                }
                LocationMatch::Regex {
                    pattern,
                    ignore_case,
                } => {
                    let regex = Regex {
                        pattern,
                        ignore_case,
                    };
                    let pattern = Pattern::build(&regex, variable)?;
                    table.patterns.push((pattern, location));
                }
                LocationMatch::Named(name) => {
                    table.named.entry(name.into()).or_insert(location);
                }
            }
        }
        // "location /x/" that passes requests on sends "/x" to "/x/", unless something takes it.
        for (bare, redirect) in slashed {
            table
                .exact
                .entry(bare.into_bytes().into())
                .or_insert_with(|| Arc::new(redirect));
        }
        table.prefixes.sort_by(|a, b| a.text.cmp(&b.text));
        for index in 1..table.prefixes.len() {
            // The prefix before this one in order is its parent, or one of that one's parents is.
            let mut candidate = Some(index - 1);
            while let Some(at) = candidate
                && !table.prefixes[index]
                    .text
                    .starts_with(&table.prefixes[at].text)
            {
                candidate = table.prefixes[at].parent;
            }
            table.prefixes[index].parent = candidate;
        }
        Ok(table)
    }

    /// The location for a normalised path. A regular expression leaves its groups in `assigned`.
    pub(super) fn find(
        &self,
        path: &[u8],
        assigned: &mut Assigned,
    ) -> Result<Option<&Arc<Location>>, GaveUp> {
        if let Some(location) = self.exact.get(path) {
            return Ok(Some(location));
        }
        let prefix = self.longest_prefix(path);
        if !prefix.is_some_and(|prefix| prefix.no_regex) {
            for (pattern, location) in &self.patterns {
                if pattern.find(path, assigned)? {
                    return Ok(Some(location));
                }
            }
        }
        Ok(prefix.map(|prefix| &prefix.location))
    }

    /// The location `@name`, by what is behind the `@`.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Location>> {
        self.named.get(name)
    }

    fn longest_prefix(&self, path: &[u8]) -> Option<&Prefix> {
        // Everything that sorts between a prefix of the path and the path starts with that prefix,
        // so the longest one is the last that sorts before the path, or one of its parents.
        let mut candidate = self
            .prefixes
            .partition_point(|prefix| &*prefix.text <= path)
            .checked_sub(1);
        while let Some(at) = candidate {
            let prefix = &self.prefixes[at];
            if path.starts_with(&prefix.text) {
                return Some(prefix);
            }
            candidate = prefix.parent;
        }
        None
    }
}

impl Prefix {
    fn new(text: String, location: Arc<Location>, no_regex: bool) -> Self {
        Self {
            text: text.into_bytes().into(),
            location,
            no_regex,
            parent: None,
        }
    }
}

impl fmt::Debug for Locations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (exact, prefixes, patterns) =
            (self.exact.len(), self.prefixes.len(), self.patterns.len());
        write!(
            f,
            "Locations({exact} exact, {prefixes} prefixes, {patterns} patterns)"
        )
    }
}
