//! `map`, `geo` and `split_clients`: variables whose values are found by other texts.

use super::{Level, Reader};
use crate::config::draft::{Switch, Variable, Word};
use crate::config::nginx::parser::Directive;
use crate::config::path::Path;
use crate::config::problem::Problem;

/// `map SOURCE $variable { … }`.
pub(in crate::config::nginx) fn map(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let mut variable = Variable {
        map: Some(Word(directive.text(0).to_owned())),
        ..Variable::default()
    };
    let Some(name) = reader.variable_name(directive, 1) else {
        return;
    };
    let list = path.key("variables");
    let path = list.key(&name);
    reader.record_source(directive, &path, "map");
    for entry in directive.children() {
        match (entry.name.text.as_str(), entry.arguments.as_slice()) {
            ("hostnames", []) => variable.hostnames = Some(Switch(true)),
            ("volatile", []) => variable.volatile = Some(Switch(true)),
            ("default", [_]) => reader.default(entry, &mut variable, "map", &path),
            (_, [_]) => reader.entry(entry, &mut variable, &path),
            _ => reader.wrong_entry(entry, "map"),
        }
    }
    reader.add_variable(level, name, variable);
}

/// `geo [SOURCE] $variable { … }`.
pub(in crate::config::nginx) fn geo(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let (source, at) = match directive.arguments.len() {
        1 => ("$remote_addr", 0),
        _ => (directive.text(0), 1),
    };
    let mut variable = Variable {
        geo: Some(Word(source.to_owned())),
        ..Variable::default()
    };
    let Some(name) = reader.variable_name(directive, at) else {
        return;
    };
    let list = path.key("variables");
    let path = list.key(&name);
    reader.record_source(directive, &path, "geo");
    let mut ranges = false;
    for (index, entry) in directive.children().iter().enumerate() {
        match (entry.name.text.as_str(), entry.arguments.as_slice()) {
            ("default", [_]) => reader.default(entry, &mut variable, "geo", &path),
            ("delete", [network]) => {
                if let Some(values) = &mut variable.values {
                    values.shift_remove(&network.text);
                }
            }
            ("ranges", []) if index > 0 => {
                let text =
                    "the \"ranges\" directive must be the first directive inside \"geo\" block";
                reader.report(entry, &entry.name, Problem::Syntax(text.into()), None);
            }
            ("ranges", []) => ranges = true,
            ("proxy", [_]) | ("proxy_recursive", []) => {
                let label = "the address of the connection is looked up, whatever a proxy says";
                reader.unsupported_parameter(entry, &entry.name, label);
            }
            (key, [_]) if key.contains('-') != ranges => {
                let kind = if ranges { "range" } else { "network" };
                let problem = Problem::Syntax(format!("invalid {kind} \"{key}\""));
                reader.report(entry, &entry.name, problem, None);
            }
            (_, [_]) => reader.entry(entry, &mut variable, &path),
            _ => reader.wrong_entry(entry, "geo"),
        }
    }
    reader.add_variable(level, name, variable);
}

/// `split_clients SOURCE $variable { … }`.
pub(in crate::config::nginx) fn split_clients(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let mut variable = Variable {
        split_clients: Some(Word(directive.text(0).to_owned())),
        ..Variable::default()
    };
    let Some(name) = reader.variable_name(directive, 1) else {
        return;
    };
    let list = path.key("variables");
    let path = list.key(&name);
    reader.record_source(directive, &path, "split_clients");
    for entry in directive.children() {
        match entry.arguments.as_slice() {
            [_] => reader.entry(entry, &mut variable, &path),
            _ => reader.wrong_entry(entry, "split_clients"),
        }
    }
    reader.add_variable(level, name, variable);
}

impl Reader<'_> {
    /// The name of the variable that an argument says.
    fn variable_name(&mut self, directive: &Directive, at: usize) -> Option<String> {
        let word = directive.arguments.get(at)?;
        let name = word.text.strip_prefix('$').filter(|name| !name.is_empty());
        if name.is_none() {
            let problem = Problem::Syntax(format!("invalid variable name \"{}\"", word.text));
            self.error(directive, word, problem, "expected `$` and a name");
        }
        name.map(str::to_ascii_lowercase)
    }

    fn record_source(&mut self, directive: &Directive, path: &Path<'_>, key: &str) {
        let name = directive.arguments.last();
        self.positions
            .record(path, directive, name.unwrap_or(&directive.name), name);
        let source = directive.arguments.first();
        self.positions
            .record(&path.key(key), directive, &directive.name, source);
    }

    fn default(&mut self, entry: &Directive, variable: &mut Variable, kind: &str, path: &Path<'_>) {
        if variable.default.is_some() {
            let problem = Problem::Syntax(format!("duplicate default {kind} parameter"));
            return self.report(entry, &entry.name, problem, None);
        }
        variable.default = Some(Word(entry.text(0).to_owned()));
        let value = entry.arguments.first();
        self.positions
            .record(&path.key("default"), entry, &entry.name, value);
    }

    fn entry(&mut self, entry: &Directive, variable: &mut Variable, path: &Path<'_>) {
        let key = entry.name.text.as_str();
        let values = variable.values.get_or_insert_default();
        let list = path.key("values");
        if values.contains_key(key) {
            // Of equal patterns the first one matches, of equal networks the last one counts.
            if key.starts_with('~') {
                return;
            }
            if variable.geo.is_none() {
                let problem = Problem::Syntax(format!("conflicting parameter \"{key}\""));
                return self.report(entry, &entry.name, problem, None);
            }
        }
        values.insert(key.to_owned(), Word(entry.text(0).to_owned()));
        let value = entry.arguments.first();
        self.positions
            .record(&list.key(key), entry, &entry.name, value);
    }

    fn wrong_entry(&mut self, entry: &Directive, kind: &str) {
        let problem = Problem::Syntax(format!("invalid number of the {kind} parameters"));
        self.error(entry, &entry.name, problem, "expected a key and a value");
    }

    /// A later definition of the same variable takes its place, as in nginx.
    fn add_variable(&mut self, level: &mut Level<'_>, name: String, variable: Variable) {
        if let Level::Http(draft) = level {
            let variables = draft.variables.get_or_insert_default();
            variables.insert(name, variable);
        }
    }
}
