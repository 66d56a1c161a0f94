//! `types`, `alias` and `try_files`: answers made from files.

use super::{Level, Reader};
use crate::config::draft::{OneOrMany, Word};
use crate::config::nginx::parser::Directive;
use crate::config::path::Path;
use crate::config::problem::Problem;
use indexmap::IndexMap;

/// `types`: each of its directives is a type, and the ends of the names that have it.
pub(in crate::config::nginx) fn types(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Some(common) = level.common() else { return };
    let types = common.types.get_or_insert_default();
    let path = path.key("types");
    reader
        .positions
        .record(&path, directive, &directive.name, None);
    for entry in directive.children() {
        let name = &entry.name.text;
        if entry.block.is_some() {
            let problem = Problem::Syntax("unexpected \"{\"".into());
            reader.report(entry, &entry.name, problem, None);
            continue;
        }
        reader
            .positions
            .record(&path.key(name), entry, &entry.name, None);
        for word in &entry.arguments {
            let end = word.text.to_ascii_lowercase();
            if let Some(previous) = forget(types, &end) {
                let problem = Problem::DuplicateExtension {
                    extension: end.clone(),
                    content_type: name.clone(),
                    previous,
                };
                reader.warn(entry, word, problem, "the last one holds");
            }
            let OneOrMany(ends) = types
                .entry(name.clone())
                .or_insert_with(|| OneOrMany(Vec::new()));
            ends.push(Word(end));
        }
    }
}

/// Takes an end from the type that has it; its name.
fn forget(types: &mut IndexMap<String, OneOrMany<Word>>, end: &str) -> Option<String> {
    types.iter_mut().find_map(|(name, OneOrMany(ends))| {
        let at = ends.iter().position(|Word(known)| known == end)?;
        ends.remove(at);
        Some(name.clone())
    })
}

/// `root`.
pub(in crate::config::nginx) fn root(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    if matches!(level, Level::Location(location) if location.draft.alias.is_some()) {
        let problem = Problem::DirectiveValue {
            directive: "root".into(),
            what: "is duplicate, \"alias\" directive was specified earlier",
        };
        return reader.report(directive, &directive.name, problem, None);
    }
    let Some(common) = level.common() else { return };
    *common.root = Some(Word(directive.text(0).to_owned()));
    let value = directive.arguments.first();
    let path = path.key("root");
    reader
        .positions
        .record(&path, directive, &directive.name, value);
}

/// `alias`.
pub(in crate::config::nginx) fn alias(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Location(location) = level else {
        return;
    };
    if location.draft.root.is_some() {
        let problem = Problem::DirectiveValue {
            directive: "alias".into(),
            what: "is duplicate, \"root\" directive was specified earlier",
        };
        return reader.report(directive, &directive.name, problem, None);
    }
    if location.name.starts_with('@') {
        let text = "the \"alias\" directive cannot be used inside the named location";
        let problem = Problem::Syntax(text.into());
        return reader.report(directive, &directive.name, problem, None);
    }
    location.draft.alias = Some(Word(directive.text(0).to_owned()));
    let value = directive.arguments.first();
    let path = path.key("alias");
    reader
        .positions
        .record(&path, directive, &directive.name, value);
}

/// `try_files`.
pub(in crate::config::nginx) fn try_files(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let field = match level {
        Level::Server(server) => &mut server.site.try_files,
        Level::Location(location) => &mut location.draft.try_files,
        _ => return,
    };
    let list = field.get_or_insert_with(|| OneOrMany(Vec::new()));
    reader.add_words(list, directive, path);
}
