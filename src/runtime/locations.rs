//! Which location takes a path: nginx's precedence over a sorted list of prefixes.

use super::{Assigned, GaveUp, Location, Pattern};
use crate::model::{LocationMatch, Regex, VariableId};
use compact_str::CompactString;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The locations of one site, or those inside of one location.
///
/// An exact location ends the search. Else the longest prefix is remembered, and what is inside of it
/// is looked through; unless an exact location or a regular expression there takes the path, or the
/// prefix is `^~`, the regular expressions beside it are tried in the order of the file and the first
/// that matches wins over it.
///
/// A copy is the same table. It is small, because it is a part of its site.
#[derive(Clone, Default)]
pub(super) struct Locations {
    /// Sorted by prefix, so that the longest match is found by bisection.
    prefixes: Arc<[Prefix]>,
    /// Nothing where there are only prefixes.
    others: Option<Arc<Others>>,
}

/// The locations that are no prefixes.
#[derive(Default)]
struct Others {
    exact: HashMap<Box<[u8]>, Arc<Location>>,
    patterns: Vec<(Pattern, Entry)>,
    named: HashMap<Box<str>, Arc<Location>>,
}

/// A location and those inside of it.
struct Entry {
    location: Arc<Location>,
    inside: Option<Box<Locations>>,
}

struct Prefix {
    text: CompactString,
    entry: Entry,
    no_regex: bool,
    /// The longest other prefix that this one starts with.
    parent: Option<usize>,
}

/// What a search found, and whether that is the end of it.
type Found<'a> = (&'a Arc<Location>, bool);

impl Locations {
    /// The table of these locations. `variable` names the variables of named groups.
    pub(super) fn build(
        locations: &[Arc<Location>],
        variable: &impl Fn(&str) -> Option<VariableId>,
    ) -> Result<Self, pcre2::Error> {
        let mut inside: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
        for (index, location) in locations.iter().enumerate() {
            // A location is inside of one before it, so that there is no circle.
            let outer = location.settings.inside.filter(|outer| *outer < index);
            inside.entry(outer).or_default().push(index);
        }
        Self::inside(None, locations, &inside, variable)
    }

    fn inside(
        outer: Option<usize>,
        locations: &[Arc<Location>],
        inside: &HashMap<Option<usize>, Vec<usize>>,
        variable: &impl Fn(&str) -> Option<VariableId>,
    ) -> Result<Self, pcre2::Error> {
        let mut prefixes = Vec::new();
        let mut others = Others::default();
        let mut slashed = Vec::new();
        for &index in inside.get(&outer).into_iter().flatten() {
            let location = &locations[index];
            let entry = || {
                let within = match inside.contains_key(&Some(index)) {
                    true => Some(Self::inside(Some(index), locations, inside, variable)?),
                    false => None,
                };
                Ok::<_, pcre2::Error>(Entry {
                    location: Arc::clone(location),
                    inside: within.map(Box::new),
                })
            };
            match location.settings.matcher.clone() {
                LocationMatch::Exact(path) => {
                    let path = path.into_bytes().into();
                    others
                        .exact
                        .entry(path)
                        .or_insert_with(|| Arc::clone(location));
                }
                LocationMatch::Prefix(text) => {
                    slashed.extend(slash_redirect(&text, location));
                    prefixes.push(Prefix::new(&text, entry()?, false));
                }
                LocationMatch::PrefixNoRegex(text) => {
                    slashed.extend(slash_redirect(&text, location));
                    prefixes.push(Prefix::new(&text, entry()?, true));
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
                    others.patterns.push((pattern, entry()?));
                }
                LocationMatch::Named(name) => {
                    let name = name.into();
                    others
                        .named
                        .entry(name)
                        .or_insert_with(|| Arc::clone(location));
                }
            }
        }
        prefixes.sort_by(|a, b| a.text.cmp(&b.text));
        // "location /x/" that passes requests on sends "/x" to "/x/", unless something takes it.
        for (bare, redirect) in slashed {
            let taken = prefixes.binary_search_by(|prefix| prefix.text.as_bytes().cmp(&bare));
            if taken.is_err() {
                let exact = others.exact.entry(bare);
                exact.or_insert_with(|| Arc::new(redirect));
            }
        }
        for index in 1..prefixes.len() {
            // The prefix before this one in order is its parent, or one of that one's parents is.
            let mut candidate = Some(index - 1);
            while let Some(at) = candidate
                && !prefixes[index].text.starts_with(&*prefixes[at].text)
            {
                candidate = prefixes[at].parent;
            }
            prefixes[index].parent = candidate;
        }
        Ok(Self {
            prefixes: prefixes.into(),
            others: (!others.is_empty()).then(|| Arc::new(others)),
        })
    }

    /// The location for a normalised path. A regular expression leaves its groups in `assigned`.
    pub(super) fn find(
        &self,
        path: &[u8],
        assigned: &mut Assigned,
    ) -> Result<Option<&Arc<Location>>, GaveUp> {
        let found = self.search(path, assigned)?;
        Ok(found.map(|(location, _)| location))
    }

    fn search(&self, path: &[u8], assigned: &mut Assigned) -> Result<Option<Found<'_>>, GaveUp> {
        let others = self.others.as_deref();
        if let Some(location) = others.and_then(|others| others.exact.get(path)) {
            return Ok(Some((location, true)));
        }
        let prefix = self.longest_prefix(path);
        let mut found = None;
        if let Some(Prefix { entry, .. }) = prefix {
            let inner = entry.search(path, assigned)?;
            found = Some(inner.unwrap_or((&entry.location, false)));
            if inner.is_some_and(|(_, is_end)| is_end) {
                return Ok(found);
            }
        }
        if !prefix.is_some_and(|prefix| prefix.no_regex) {
            for (pattern, entry) in others.map_or(&[][..], |others| &others.patterns) {
                if pattern.find(path, assigned)? {
                    let inner = entry.search(path, assigned)?;
                    let location = inner.map_or(&entry.location, |(location, _)| location);
                    return Ok(Some((location, true)));
                }
            }
        }
        Ok(found)
    }

    /// The location `@name`, by what is behind the `@`.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Location>> {
        self.others.as_ref()?.named.get(name)
    }

    fn longest_prefix(&self, path: &[u8]) -> Option<&Prefix> {
        // Everything that sorts between a prefix of the path and the path starts with that prefix,
        // so the longest one is the last that sorts before the path, or one of its parents.
        let mut candidate = self
            .prefixes
            .partition_point(|prefix| prefix.text.as_bytes() <= path)
            .checked_sub(1);
        while let Some(at) = candidate {
            let prefix = &self.prefixes[at];
            if path.starts_with(prefix.text.as_bytes()) {
                return Some(prefix);
            }
            candidate = prefix.parent;
        }
        None
    }
}

/// What answers a path without the slash at the end of this location's.
fn slash_redirect(text: &str, location: &Location) -> Option<(Box<[u8]>, Location)> {
    let bare = text.strip_suffix('/').filter(|bare| !bare.is_empty())?;
    let redirect = location.slash_redirect(text)?;
    Some((bare.as_bytes().into(), redirect))
}

impl Others {
    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_empty() && self.named.is_empty()
    }
}

impl Entry {
    fn search(&self, path: &[u8], assigned: &mut Assigned) -> Result<Option<Found<'_>>, GaveUp> {
        match &self.inside {
            Some(inside) => inside.search(path, assigned),
            None => Ok(None),
        }
    }
}

impl Prefix {
    fn new(text: &str, entry: Entry, no_regex: bool) -> Self {
        Self {
            text: text.into(),
            entry,
            no_regex,
            parent: None,
        }
    }
}

impl fmt::Debug for Locations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefixes = self.prefixes.len();
        let (exact, patterns) = match &self.others {
            Some(others) => (others.exact.len(), others.patterns.len()),
            None => (0, 0),
        };
        write!(
            f,
            "Locations({exact} exact, {prefixes} prefixes, {patterns} patterns)"
        )
    }
}
