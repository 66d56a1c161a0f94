//! YAML text to a tree of values, by serde_yaml, within bounds: nesting is limited by serde_yaml,
//! what aliases expand to is limited here. A key that comes twice keeps its first value; the marked
//! parse reports it.

use super::marked;
use crate::config::diagnostic::{Diagnostic, Diagnostics};
use crate::config::problem::Problem;
use crate::config::source::{Place, Source, Span};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, de};
use serde_yaml::{Mapping, Value};
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

/// A file's values.
pub(super) struct Read {
    pub(super) value: Value,
    /// Whether some key came twice.
    pub(super) duplicates: bool,
}

/// Reads a file. All keys are strings afterwards.
pub(super) fn read(source: &Arc<Source>) -> Result<Read, Diagnostics> {
    let text = source.text();
    // An empty document is a null, as in YAML; serde_yaml calls it an early end.
    if text
        .lines()
        .all(|line| matches!(line.trim_start().chars().next(), None | Some('#')))
    {
        let value = Value::Null;
        return Ok(Read {
            value,
            duplicates: false,
        });
    }
    if brackets_are_deep(text)
        && let Err((message, span)) = marked::check_depth(text, DEEPEST)
    {
        let source = source.clone();
        let problem = Problem::Syntax(message);
        return Err(Diagnostic::emerg(problem, Some(Place { source, span }), None).into());
    }
    let budget = Budget {
        nodes: Cell::new(text.len() * 2 + ALIASED_NODES),
        duplicates: Cell::new(false),
    };
    let value = Tolerant(&budget)
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .map_err(|error| Diagnostics::from(syntax(source, &error)))?;
    let duplicates = budget.duplicates.get();
    Ok(Read { value, duplicates })
}

/// serde_yaml's limit. Its scanner takes time by the square of the depth before serde_yaml looks at
/// it, so that a file of brackets is looked at first.
const DEEPEST: usize = 128;

/// Whether brackets may be nested too deep, whatever they stand in.
fn brackets_are_deep(text: &str) -> bool {
    let mut depth = 0usize;
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return true;
        }
    }
    false
}

/// How many values aliases may add to what is written. A file has fewer values than bytes.
const ALIASED_NODES: usize = 100_000;

struct Budget {
    nodes: Cell<usize>,
    duplicates: Cell<bool>,
}

#[derive(Clone, Copy)]
struct Tolerant<'a>(&'a Budget);

impl Tolerant<'_> {
    fn spend<E: Error>(self) -> Result<(), E> {
        let left = self.0.nodes.get().checked_sub(1);
        self.0
            .nodes
            .set(left.ok_or_else(|| E::custom("aliases expand to too much"))?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Tolerant<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.spend()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tolerant<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Sequence(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Mapping::new();
        while let Some(key) = map.next_key_seed(self)? {
            let key = Value::String(key_text(key)?);
            let value = map.next_value_seed(self)?;
            match values.entry(key) {
                serde_yaml::mapping::Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                serde_yaml::mapping::Entry::Occupied(_) => self.0.duplicates.set(true),
            }
        }
        Ok(Value::Mapping(values))
    }

    fn visit_enum<A: de::EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(A::Error::custom("YAML tags (`!name`) mean nothing here"))
    }
}

fn key_text<E: Error>(key: Value) -> Result<String, E> {
    match key {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Null => Ok("null".into()),
        _ => Err(E::custom("a key is a list or a mapping, expected text")),
    }
}

fn syntax(source: &Arc<Source>, error: &serde_yaml::Error) -> Diagnostic {
    let mut message = sentence(&error.to_string());
    let mut span = match error.location() {
        Some(at) => Span::new(at.line(), at.column(), 1),
        None => Span::new(1, 1, 0),
    };
    let tab = source
        .line(span.start.line)
        .chars()
        .nth(span.start.column - 1)
        == Some('\t');
    let label = if tab {
        Some("YAML is indented with spaces, not with tabs")
    } else if message.contains("more than one document") {
        message = "more than one document in one file".to_owned();
        span = Span::new(second_document(source.text()), 1, 3);
        Some("one file holds one configuration: without `---` in the middle")
    } else if message.contains("did not find expected") {
        Some("is it indented like the lines it belongs to?")
    } else {
        None
    };
    let source = source.clone();
    let place = Some(Place { source, span });
    Diagnostic::emerg(Problem::Syntax(message), place, label.map(str::to_owned))
}

/// The line where a second document starts: the first `---` behind something.
fn second_document(text: &str) -> usize {
    let blank = |line: &str| matches!(line.trim_start().chars().next(), None | Some('#' | '%'));
    let lines = text
        .lines()
        .enumerate()
        .skip_while(|(_, line)| blank(line))
        .skip(1);
    let found = lines.into_iter().find(|(_, line)| line.starts_with("---"));
    found.map_or(1, |(index, _)| index + 1)
}

/// serde_yaml's message without the path in front and the position, which are shown otherwise.
fn sentence(message: &str) -> String {
    let (what, rest) = message.split_once(" at line ").unwrap_or((message, ""));
    let context = rest.split_once(", while ").map(|(_, context)| context);
    let what = match context.and_then(|context| context.split(" at line ").next()) {
        Some(context) => format!("{what} while {context}"),
        None => what.to_owned(),
    };
    match OWN.iter().find_map(|own| what.find(own)) {
        Some(at) => what[at..].to_owned(),
        None => what,
    }
}

/// How our own messages begin, before which serde_yaml writes a path.
const OWN: [&str; 3] = ["YAML tags (", "a key is a list", "aliases expand"];
