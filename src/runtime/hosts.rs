//! Which site answers for a host: nginx's order, found by hashing.

use super::{Assigned, Pattern, Site};
use crate::model::{HostPattern, Regex, VariableId};
use compact_str::CompactString;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The hosts of one listener.
///
/// An exact name comes before the longest leading wildcard, that before the longest trailing
/// wildcard, and that before the regular expressions in the order of the file. The cost of a
/// look-up grows with the labels of the host and the number of regular expressions, never with
/// the number of names.
#[derive(Default)]
pub(super) struct Hosts {
    exact: Names,
    leading: Names,
    trailing: Names,
    patterns: Vec<(Pattern, Arc<Site>)>,
}

/// Most names are in the table itself, not behind a pointer: with ten thousand sites the processor finds
/// neither in its cache.
type Names = HashMap<CompactString, Arc<Site>>;

impl Hosts {
    /// Adds a site under one of its patterns. The first site of a name keeps it, as in nginx.
    /// `variable` names the variables of named groups.
    pub(super) fn insert(
        &mut self,
        pattern: &HostPattern,
        site: &Arc<Site>,
        variable: impl Fn(&str) -> Option<VariableId>,
    ) -> Result<(), pcre2::Error> {
        let (table, name) = match pattern {
            HostPattern::Exact(name) => (&mut self.exact, name),
            HostPattern::LeadingWildcard(name) => (&mut self.leading, name),
            HostPattern::TrailingWildcard(name) => (&mut self.trailing, name),
            HostPattern::Regex(pattern) => {
                let regex = Regex {
                    pattern: pattern.clone(),
                    ignore_case: true,
                };
                let pattern = Pattern::build(&regex, variable)?;
                self.patterns.push((pattern, Arc::clone(site)));
                return Ok(());
            }
        };
        table
            .entry(name.as_str().into())
            .or_insert_with(|| Arc::clone(site));
        Ok(())
    }

    /// The site for a host, which must be lower case and without its port. One that is found by a
    /// regular expression leaves its groups in `assigned`.
    pub(super) fn find(&self, host: &str, assigned: &mut Assigned) -> Option<&Arc<Site>> {
        if let Some(site) = self.exact.get(host) {
            return Some(site);
        }
        if !self.leading.is_empty() {
            // "a.b.c" is below "b.c" and "c": the longest is met first.
            let below = host.match_indices('.').map(|(dot, _)| &host[dot + 1..]);
            if let Some(site) = below.filter_map(|parent| self.leading.get(parent)).next() {
                return Some(site);
            }
        }
        if !self.trailing.is_empty() {
            let above = host.rmatch_indices('.').map(|(dot, _)| &host[..dot]);
            if let Some(site) = above.filter_map(|start| self.trailing.get(start)).next() {
                return Some(site);
            }
        }
        if host.is_empty() {
            return None;
        }
        // An error here is the pattern's limit: such a host matches nothing.
        let matches = |(pattern, _): &&(Pattern, Arc<Site>)| {
            pattern.find(host.as_bytes(), assigned).unwrap_or(false)
        };
        self.patterns.iter().find(matches).map(|(_, site)| site)
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.exact.len() + self.leading.len() + self.trailing.len();
        write!(f, "Hosts({names} names, {} patterns)", self.patterns.len())
    }
}
