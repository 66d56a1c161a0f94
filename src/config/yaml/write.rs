//! A Draft as YAML text that people read: without what would be the same if it were not there, with
//! comments in front of what they are about.

use super::marked;
use crate::config::draft::Draft;
use crate::config::nginx::Comment;
use crate::config::path::{OwnedPath, Part, Segment};
use crate::config::source::Source;
use serde_yaml::{Mapping, Value};
use std::collections::BTreeMap;

/// Writes a Draft. `is_same` says whether another Draft has the meaning of the first.
///
/// # Errors
/// serde_yaml's: there is no Draft that has one.
pub(in crate::config) fn write(
    draft: &Draft,
    head: &[String],
    comments: &[Comment],
    is_same: impl Fn(&Draft) -> bool,
) -> Result<String, serde_yaml::Error> {
    let is_same = |value: &Value| {
        let draft = serde_yaml::from_value(value.clone());
        draft.is_ok_and(|draft| is_same(&draft))
    };
    let mut value = serde_yaml::to_value(draft)?;
    if is_same(&value) {
        leave_out(&mut value, &is_same);
        shorten(&mut value, &is_same);
    }
    order(&mut value);
    let text = serde_yaml::to_string(&value)?;
    Ok(annotate(&text, &value, head, comments))
}

/// Takes out the keys without which the meaning stays.
fn leave_out(value: &mut Value, is_same: &impl Fn(&Value) -> bool) {
    for kind in KINDS {
        for key in keys(value, kind) {
            let mut without = value.clone();
            each(&mut without, kind, |mapping| {
                drop(mapping.shift_remove(&key))
            });
            if is_same(&without) {
                *value = without;
            }
        }
    }
    // One by one where that takes no time.
    for kind in [Kind::Site, Kind::Location] {
        let count = count(value, kind);
        if count > FEW {
            continue;
        }
        for key in keys(value, kind) {
            for index in 0..count {
                let mut without = value.clone();
                let mut at = 0;
                each(&mut without, kind, |mapping| {
                    if at == index {
                        drop(mapping.shift_remove(&key));
                    }
                    at += 1;
                });
                if without != *value && is_same(&without) {
                    *value = without;
                }
            }
        }
    }
}

/// So many sites or locations are looked at one by one.
const FEW: usize = 40;

/// A mapping with one entry may be its value alone.
fn shorten(value: &mut Value, is_same: &impl Fn(&Value) -> bool) {
    for key in ["address", "path", "type"] {
        let mut short = value.clone();
        replace_single(&mut short, key, true);
        if short != *value && is_same(&short) {
            *value = short;
        }
    }
}

/// Replaces mappings of this key alone; those in the list of locations have to stay.
fn replace_single(value: &mut Value, key: &str, stays: bool) {
    if let Value::Mapping(mapping) = value
        && mapping.len() == 1
        && !stays
        && let Some(single) = mapping.get(key)
    {
        *value = single.clone();
        return;
    }
    match value {
        Value::Mapping(mapping) => {
            for (name, inner) in mapping.iter_mut() {
                let is_record = matches!(name.as_str(), Some("sites" | "locations" | "upstreams"));
                match inner {
                    Value::Sequence(list) if is_record => {
                        for record in list {
                            replace_single(record, key, true);
                        }
                    }
                    Value::Mapping(entries) if is_record => {
                        for record in entries.values_mut() {
                            replace_single(record, key, true);
                        }
                    }
                    _ => replace_single(inner, key, false),
                }
            }
        }
        Value::Sequence(list) => {
            for inner in list {
                replace_single(inner, key, false);
            }
        }
        _ => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Top,
    Upstream,
    Site,
    Location,
}

const KINDS: [Kind; 4] = [Kind::Location, Kind::Site, Kind::Upstream, Kind::Top];

/// What a reader looks for is written whatever it means.
const ALWAYS: [&str; 7] = [
    "host",
    "listen",
    "path",
    "servers",
    "sites",
    "locations",
    "upstreams",
];

/// The keys that the mappings of a kind have.
fn keys(value: &mut Value, kind: Kind) -> Vec<Value> {
    let mut keys = Vec::new();
    each(value, kind, |mapping| {
        for key in mapping.keys() {
            if !keys.contains(key) && !key.as_str().is_some_and(|key| ALWAYS.contains(&key)) {
                keys.push(key.clone());
            }
        }
    });
    keys
}

fn count(value: &mut Value, kind: Kind) -> usize {
    let mut count = 0;
    each(value, kind, |_| count += 1);
    count
}

/// Visits the mappings of a kind, in the order of the text.
fn each(value: &mut Value, kind: Kind, mut visit: impl FnMut(&mut Mapping)) {
    let Value::Mapping(top) = value else { return };
    if kind == Kind::Top {
        return visit(top);
    }
    if kind == Kind::Upstream {
        let upstreams = top.get_mut("upstreams").and_then(Value::as_mapping_mut);
        let upstreams = upstreams.into_iter().flat_map(Mapping::values_mut);
        return upstreams.filter_map(Value::as_mapping_mut).for_each(visit);
    }
    let sites = top.get_mut("sites").and_then(Value::as_sequence_mut);
    for site in sites
        .into_iter()
        .flatten()
        .filter_map(Value::as_mapping_mut)
    {
        if kind == Kind::Site {
            visit(site);
            continue;
        }
        let locations = site.get_mut("locations").and_then(Value::as_sequence_mut);
        let locations = locations.into_iter().flatten();
        locations
            .filter_map(Value::as_mapping_mut)
            .for_each(&mut visit);
    }
}

/// The text with its comments, and with empty lines between its sections and sites.
fn annotate(text: &str, value: &Value, head: &[String], comments: &[Comment]) -> String {
    let source = Source::new("", text);
    let tree = marked::parse(text).root;
    let line_of = |path: &[Segment]| tree.find(path, Part::Key, &source).start.line;
    let mut before = BTreeMap::<usize, Vec<&str>>::new();
    for comment in comments {
        let line = line_of(written(value, &comment.path));
        let lines = comment.lines.iter().map(String::as_str);
        before.entry(line).or_default().extend(lines);
    }
    let mut annotated = String::new();
    for line in head {
        annotated.push_str(line);
        annotated.push('\n');
    }
    if !head.is_empty() {
        annotated.push('\n');
    }
    let mut section = "";
    let mut is_first = true;
    for (index, line) in text.lines().enumerate() {
        let is_section = SECTIONS.contains(&line);
        let is_site = section == "sites:" && line.starts_with("- ");
        if (is_section || (is_site && !is_first)) && !annotated.is_empty() {
            annotated.push('\n');
        }
        is_first = is_section;
        if line.starts_with(|first: char| first != ' ' && first != '-') {
            section = line;
        }
        let indent = line.len() - line.trim_start().len();
        for comment in before.get(&(index + 1)).into_iter().flatten() {
            annotated.push_str(&line[..indent]);
            annotated.push_str(comment);
            annotated.push('\n');
        }
        annotated.push_str(line);
        annotated.push('\n');
    }
    annotated
}

/// What a file ends with: they are long.
const SECTIONS: [&str; 2] = ["upstreams:", "sites:"];

/// Puts what is long behind what is short.
fn order(value: &mut Value) {
    let to_the_end = |mapping: &mut Mapping, key: &str| {
        if let Some((key, value)) = mapping.shift_remove_entry(key) {
            mapping.insert(key, value);
        }
    };
    each(value, Kind::Top, |top| {
        for section in SECTIONS {
            to_the_end(top, section.trim_end_matches(':'));
        }
    });
    each(value, Kind::Site, |site| to_the_end(site, "locations"));
}

/// As much of a path as is written.
fn written<'p>(value: &Value, OwnedPath(path): &'p OwnedPath) -> &'p [Segment] {
    let mut value = value;
    for (depth, segment) in path.iter().enumerate() {
        let inner = match segment {
            Segment::Key(key) => value.get(key.as_str()),
            Segment::Index(index) => value.get(*index),
        };
        match inner {
            Some(inner) => value = inner,
            None => return &path[..depth],
        }
    }
    path
}
