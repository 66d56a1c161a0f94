//! Headers set, added and hidden. A level's headers replace those of the level around it.

use super::{Level, Reader};
use crate::config::draft::{AddHeader, OneOrMany, Short, Switch, Word};
use crate::config::nginx::parser::Directive;
use crate::config::path::Path;
use indexmap::IndexMap;

/// `proxy_set_header`.
pub(in crate::config::nginx) fn proxy_set_header(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Some(common) = level.common() else { return };
    let headers = common.proxy_set_header.get_or_insert_default();
    let (name, OneOrMany(values)) = entry(headers, directive.text(0));
    let (list, index) = (path.key("proxy_set_header"), values.len());
    record(reader, &list, &name, index, directive);
    values.push(Word(directive.text(1).to_owned()));
}

/// `add_header`.
pub(in crate::config::nginx) fn add_header(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let list = path.key("add_header");
    let Some(common) = level.common() else { return };
    added(reader, directive, common.add_header, &list);
}

/// `add_trailer`.
pub(in crate::config::nginx) fn add_trailer(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let list = path.key("add_trailer");
    let Some(common) = level.common() else { return };
    added(reader, directive, common.add_trailer, &list);
}

fn added(
    reader: &mut Reader<'_>,
    directive: &Directive,
    headers: &mut Option<IndexMap<String, OneOrMany<Short<AddHeader>>>>,
    list: &Path<'_>,
) {
    let always = match directive.arguments.get(2) {
        None => None,
        Some(word) if word.text == "always" => Some(Switch(true)),
        Some(word) => return reader.invalid_parameter(directive, word),
    };
    let headers = headers.get_or_insert_default();
    let (name, OneOrMany(values)) = entry(headers, directive.text(0));
    record(reader, list, &name, values.len(), directive);
    values.push(Short(AddHeader {
        value: Some(Word(directive.text(1).to_owned())),
        always,
    }));
}

/// `proxy_hide_header`.
pub(in crate::config::nginx) fn proxy_hide_header(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Some(common) = level.common() else { return };
    let names = common
        .proxy_hide_header
        .get_or_insert_with(|| OneOrMany(Vec::new()));
    let path = path.key("proxy_hide_header");
    let at = path.index(names.0.len());
    let value = directive.arguments.first();
    reader
        .positions
        .record(&at, directive, &directive.name, value);
    names.0.push(Word(directive.text(0).to_owned()));
}

/// The values of a header, and its name as it was written first: case does not matter in it.
fn entry<'h, T>(
    headers: &'h mut IndexMap<String, OneOrMany<T>>,
    name: &str,
) -> (String, &'h mut OneOrMany<T>) {
    let known = headers
        .keys()
        .find(|known| known.eq_ignore_ascii_case(name));
    let name = known.cloned().unwrap_or_else(|| name.to_owned());
    let values = headers.entry(name.clone());
    (name, values.or_insert_with(|| OneOrMany(Vec::new())))
}

fn record(
    reader: &mut Reader<'_>,
    list: &Path<'_>,
    name: &str,
    index: usize,
    directive: &Directive,
) {
    let header = list.key(name);
    let (key, value) = (&directive.arguments[0], directive.arguments.get(1));
    let value_path = header.index(index);
    reader.positions.record(&value_path, directive, key, value);
    // `add_header` has one step more.
    let inner = value_path.key("value");
    reader.positions.record(&inner, directive, key, value);
    if index == 0 {
        reader.positions.record(&header, directive, key, value);
    }
}
