//! Headers set, added and hidden.

use super::super::draft::{AddHeader as DraftAddHeader, Common, OneOrMany, Short, Word};
use super::super::path::Path;
use super::super::problem::Problem;
use super::super::suggest;
use super::settings::Groups;
use super::{Resolver, invalid};
use crate::model::{AddHeader, SetHeader, Template};
use indexmap::IndexMap;
use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;

impl Resolver {
    /// `proxy_set_header`, by `proxy_set_header_inherit`: `on` (nginx's only way) replaces the
    /// enclosing level's, `merge` adds to them, `off` forgets them.
    pub(super) fn level_set_headers(
        &mut self,
        written: Common<'_>,
        in_force: Common<'_>,
        groups: &mut Groups,
        path: &Path<'_>,
    ) {
        if let Some(word) = written.proxy_set_header_inherit
            && !INHERIT.contains(&&**word)
        {
            let label = suggest::did_you_mean_or_list(word, &INHERIT);
            self.report(invalid(&path.key("proxy_set_header_inherit"), word).label(label));
        }
        let inherit = in_force
            .proxy_set_header_inherit
            .map_or("on", |word| &**word);
        let own = written
            .proxy_set_header
            .map(|headers| self.set_headers(headers, &path.key("proxy_set_header")));
        let headers = match (inherit, own) {
            ("merge", Some(own)) => {
                let overridden = |outer: &SetHeader| {
                    own.iter()
                        .any(|own| own.name.eq_ignore_ascii_case(&outer.name))
                };
                let outer = groups.set_headers.iter().filter(|outer| !overridden(outer));
                outer.cloned().chain(own.iter().cloned()).collect()
            }
            (_, Some(own)) => own,
            // `off` holds where it is written; what is inside inherits the nothing it leaves.
            (_, None)
                if written
                    .proxy_set_header_inherit
                    .is_some_and(|word| &**word == "off") =>
            {
                Vec::new()
            }
            (_, None) => return,
        };
        groups.set_headers = Rc::new(headers);
    }

    /// `add_header` and `add_trailer`, by their `_inherit` in force: `on` (nginx's default) replaces the enclosing level's, `merge` adds them behind its own, `off` forgets
    /// them.
    pub(super) fn level_added(
        &mut self,
        written: Option<&IndexMap<String, OneOrMany<Short<DraftAddHeader>>>>,
        inherit: Option<&Word>,
        group: &mut Rc<Vec<AddHeader>>,
        path: &Path<'_>,
    ) {
        let own = written.map(|headers| self.add_headers(headers, path));
        let headers = match (inherit.map_or("on", |word| &**word), own) {
            ("merge", Some(mut own)) => {
                own.extend(group.iter().cloned());
                own
            }
            (_, Some(own)) => own,
            // YAML 1.1 knows `off` as a switch.
            ("off" | "false", None) => Vec::new(),
            (_, None) => return,
        };
        *group = Rc::new(headers);
    }

    pub(super) fn set_headers(
        &mut self,
        written: &IndexMap<String, OneOrMany<Word>>,
        path: &Path<'_>,
    ) -> Vec<SetHeader> {
        self.header_names(written.keys(), path);
        let mut headers = Vec::with_capacity(written.len());
        for (name, values) in written {
            let at = path.key(name);
            for (index, value) in values.0.iter().enumerate() {
                headers.push(SetHeader {
                    name: name.clone(),
                    value: self.header_value(name, value, &at.index(index)),
                });
            }
        }
        headers
    }

    pub(super) fn add_headers(
        &mut self,
        written: &IndexMap<String, OneOrMany<Short<DraftAddHeader>>>,
        path: &Path<'_>,
    ) -> Vec<AddHeader> {
        self.header_names(written.keys(), path);
        let mut headers = Vec::with_capacity(written.len());
        for (name, values) in written {
            let at = path.key(name);
            for (index, header) in values.0.iter().enumerate() {
                let at = at.index(index);
                let Some(value) = header.value.as_deref() else {
                    let problem = Problem::Missing("\"value\"");
                    self.report(at.error(problem).label("expected `value: …`"));
                    continue;
                };
                headers.push(AddHeader {
                    name: name.clone(),
                    value: self.header_value(name, value, &at.key("value")),
                    always: header.always.is_some_and(|switch| switch.0),
                });
            }
        }
        headers
    }

    pub(super) fn hide_headers(
        &mut self,
        written: &OneOrMany<Word>,
        path: &Path<'_>,
    ) -> BTreeSet<String> {
        for (index, name) in written.0.iter().enumerate() {
            if !is_token(name) {
                let problem = Problem::InvalidHeaderName(name.0.clone());
                self.report(path.index(index).error(problem).label(NAME));
            }
        }
        written
            .0
            .iter()
            .map(|name| name.to_ascii_lowercase())
            .collect()
    }

    fn header_names<'a>(&mut self, names: impl Iterator<Item = &'a String>, path: &Path<'_>) {
        let mut seen = HashSet::new();
        for name in names {
            let at = path.key(name);
            if !is_token(name) {
                let problem = Problem::InvalidHeaderName(name.clone());
                self.report(at.key_error(problem).label(NAME));
            } else if !seen.insert(name.to_ascii_lowercase()) {
                let label = "case does not matter in a header's name";
                self.report(
                    at.key_error(Problem::DuplicateHeader(name.clone()))
                        .label(label),
                );
            }
        }
    }

    fn header_value(&mut self, name: &str, value: &str, path: &Path<'_>) -> Template {
        // nginx writes a line end at the value's end as it is, and the header ends there; without it
        // the value is what was meant.
        let value = value.trim_end_matches(['\r', '\n']);
        // What would end the line lets a value become a header of its own.
        if value
            .bytes()
            .any(|byte| byte.is_ascii_control() && byte != b'\t')
        {
            let problem = Problem::InvalidHeaderValue(name.to_owned());
            self.report(
                path.error(problem)
                    .label("a header's value is one line of text"),
            );
        }
        self.template(value, path)
    }
}

const NAME: &str = "expected a header's name, such as `X-Real-IP`";

/// RFC 9110, 5.6.2.
fn is_token(name: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(valid)
}

const INHERIT: [&str; 3] = ["merge", "on", "off"];
