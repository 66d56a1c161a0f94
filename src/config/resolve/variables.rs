//! The variables that a configuration defines: found before anything is resolved, because a variable
//! may be used above the line that defines it.

use super::super::draft::{self, Draft};
use super::Resolver;
use super::steps::Condition;
use crate::model::{Definition, Source, VariableId};

impl Resolver {
    /// Finds every variable that the Draft defines.
    pub(super) fn define_variables(&mut self, draft: &Draft) {
        self.define_in_answers(draft.common());
        for site in draft.sites.iter().flatten() {
            self.define_in_answers(site.common());
            for host in site.host.iter().flat_map(|hosts| &hosts.0) {
                if let Some(pattern) = host.strip_prefix('~') {
                    self.define_groups(pattern);
                }
            }
            self.define_steps(site.steps.as_deref());
            for location in site.locations.iter().flatten() {
                self.define_in_location(location);
            }
        }
    }

    fn define_in_location(&mut self, location: &draft::Location) {
        self.define_in_answers(location.common());
        let path = location.path.as_deref().unwrap_or_default();
        if let Some(pattern) = path.strip_prefix('~') {
            let pattern = pattern.strip_prefix('*').unwrap_or(pattern);
            self.define_groups(pattern.trim_start());
        }
        self.define_steps(location.steps.as_deref());
    }

    fn define_steps(&mut self, steps: Option<&[draft::Step]>) {
        for step in steps.unwrap_or_default() {
            if let Some(name) = &step.set {
                let name = name.strip_prefix('$').unwrap_or(name);
                if !super::steps::is_settable(name) {
                    self.define(name, Source::Set);
                }
            }
            if let Some(pattern) = &step.rewrite {
                self.define_groups(pattern);
            }
            if let Some(pattern) = step
                .r#if
                .as_deref()
                .and_then(|text| Condition::parse(text).and_then(|condition| condition.pattern()))
            {
                self.define_groups(pattern);
            }
            if let Some(then) = &step.then {
                self.define_in_location(then);
            }
        }
    }

    /// Defines the variables of a pattern's named groups. One that does not compile is reported where it
    /// is used.
    pub(super) fn define_groups(&mut self, pattern: &str) {
        if !pattern.contains("(?") {
            return;
        }
        if let Ok(regex) = pcre2::bytes::Regex::new(pattern) {
            for name in regex.capture_names().iter().flatten() {
                self.define(name, Source::Written);
            }
        }
    }

    /// Defines a variable; the first definition that is not only written to keeps it.
    pub(super) fn define(&mut self, name: &str, source: Source) -> VariableId {
        let name = name.to_ascii_lowercase();
        if let Some(id) = self.variable(&name) {
            return id;
        }
        let index = self.variables.len();
        let id = VariableId(u32::try_from(index).unwrap_or(u32::MAX));
        self.variable_ids.insert(name.clone(), id);
        self.variables.push(Definition { name, source });
        id
    }

    /// The variable of this name in lower case, if the configuration defines it.
    pub(super) fn variable(&self, name: &str) -> Option<VariableId> {
        self.variable_ids.get(name).copied()
    }
}
