//! Values to Draft with every mistake reported: serde stops at the first, so that is cut out and
//! what is left is read again. Sites and upstreams are read one by one, so that a mistake costs
//! one of them a second reading and not the whole file.

use super::marked::{self, Node};
use super::read::Read;
use super::words;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::Draft;
use crate::config::path::{OwnedPath, Part, Segment};
use crate::config::problem::Problem;
use crate::config::source::{Place, Source, Span};
use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde_yaml::Value;
use std::sync::Arc;

/// Mistakes in the shape that are reported; then reading ends.
pub(super) const MOST_ERRORS: usize = 100;

/// A file while it is read.
pub(super) struct Document {
    source: Arc<Source>,
    value: Value,
    /// The marked parse, once something was wrong.
    tree: Option<Node>,
    cuts: Vec<OwnedPath>,
    diagnostics: Vec<Diagnostic>,
    gave_up: bool,
}

impl Document {
    pub(super) fn new(source: &Arc<Source>, read: Read) -> Self {
        let mut document = Self {
            source: source.clone(),
            value: read.value,
            tree: None,
            cuts: Vec::new(),
            diagnostics: Vec::new(),
            gave_up: false,
        };
        if read.duplicates {
            let marked = marked::parse(source.text());
            document.tree = Some(marked.root);
            for (key, span) in marked.duplicates {
                let label = "already given above";
                document.report_at(Problem::DuplicateKey(key), span, Some(label.into()));
            }
        }
        document
    }

    /// What can be understood of it.
    pub(super) fn draft(&mut self) -> Draft {
        if self.value.is_null() {
            return Draft::default();
        }
        let sites = self.take("sites", Value::is_sequence);
        let upstreams = self.take("upstreams", Value::is_mapping);
        let mut draft: Draft = self.understand(&[]).unwrap_or_default();
        if let Some(Value::Sequence(sites)) = sites {
            draft.sites = Some(self.list("sites", sites));
        }
        if let Some(Value::Mapping(upstreams)) = upstreams {
            let mut read = IndexMap::with_capacity(upstreams.len());
            for (key, value) in upstreams {
                let Value::String(name) = key else { continue };
                self.value = value;
                let at = [Segment::Key("upstreams".into()), Segment::Key(name.clone())];
                if let Some(upstream) = self.understand(&at) {
                    read.insert(name, upstream);
                }
            }
            draft.upstreams = Some(read);
        }
        draft
    }

    /// Reads a list's entries one by one. An entry that is nothing understandable is left out, and
    /// those behind it move up, in the tree of positions as well.
    fn list<T: DeserializeOwned>(&mut self, key: &str, values: Vec<Value>) -> Vec<T> {
        let mut read = Vec::with_capacity(values.len());
        for value in values {
            self.value = value;
            let at = [Segment::Key(key.to_owned()), Segment::Index(read.len())];
            read.extend(self.understand::<T>(&at));
        }
        read
    }

    /// Takes an entry of the top mapping out of the values, if it has the right shape.
    fn take(&mut self, key: &str, right: fn(&Value) -> bool) -> Option<Value> {
        let map = self.value.as_mapping_mut()?;
        if map.get(key).is_some_and(right) {
            map.shift_remove(key)
        } else {
            None
        }
    }

    /// Reads `self.value`, which stands at a path of the document; `None` when nothing of it is
    /// left.
    fn understand<T: DeserializeOwned>(&mut self, at: &[Segment]) -> Option<T> {
        loop {
            let error = match serde_path_to_error::deserialize(&self.value) {
                Ok(read) => return Some(read),
                Err(error) => error,
            };
            if self.diagnostics.len() >= MOST_ERRORS {
                self.gave_up = true;
                return None;
            }
            let mut inner = segments(error.path());
            let message = error.inner().to_string();
            // A path may end inside a scalar that is more than it seems; cut what can be found.
            while !inner.is_empty() && !exists(&self.value, &inner) {
                inner.pop();
            }
            let path: Vec<Segment> = at.iter().chain(&inner).cloned().collect();
            let mistake = words::explain(&message, &path);
            let span = self.span(&mistake.path(&path), mistake.part);
            self.report_at(mistake.problem.clone(), span, mistake.label.clone());

            let cut = match &mistake.unknown_key {
                Some(key) if inner.last() != Some(&Segment::Key(key.clone())) => {
                    inner.push(Segment::Key(key.clone()));
                    inner
                }
                _ => inner,
            };
            let whole: Vec<Segment> = at.iter().chain(&cut).cloned().collect();
            self.tree().remove(&whole);
            let gone = !cut.is_empty() && remove(&mut self.value, &cut);
            self.cuts.push(OwnedPath(whole));
            if !gone {
                return None;
            }
        }
    }

    fn tree(&mut self) -> &mut Node {
        let text = self.source.text();
        self.tree.get_or_insert_with(|| marked::parse(text).root)
    }

    fn span(&mut self, path: &[Segment], part: Part) -> Span {
        let source = self.source.clone();
        self.tree().find(path, part, &source)
    }

    fn report_at(&mut self, problem: Problem, span: Span, label: Option<String>) {
        let source = self.source.clone();
        let place = Some(Place { source, span });
        self.report(Diagnostic::emerg(problem, place, label));
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Whether there was too much wrong to read on; then positions are right no more.
    pub(super) fn gave_up(&self) -> bool {
        self.gave_up
    }

    pub(super) fn finish(self) -> Finished {
        Finished {
            diagnostics: self.diagnostics,
            cuts: self.cuts,
            tree: self.tree,
        }
    }
}

/// What is left of a document when its Draft has been taken.
pub(super) struct Finished {
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) cuts: Vec<OwnedPath>,
    /// The tree of positions, if it was needed, without the cuts.
    pub(super) tree: Option<Node>,
}

fn segments(path: &serde_path_to_error::Path) -> Vec<Segment> {
    path.iter()
        .filter_map(|segment| match segment {
            serde_path_to_error::Segment::Seq { index } => Some(Segment::Index(*index)),
            serde_path_to_error::Segment::Map { key } => Some(Segment::Key(key.clone())),
            _ => None,
        })
        .collect()
}

fn step<'a>(value: &'a mut Value, segment: &Segment) -> Option<&'a mut Value> {
    match segment {
        Segment::Key(key) => value.as_mapping_mut()?.get_mut(key.as_str()),
        Segment::Index(index) => value.as_sequence_mut()?.get_mut(*index),
    }
}

fn exists(value: &Value, path: &[Segment]) -> bool {
    path.iter()
        .try_fold(value, |value, segment| match segment {
            Segment::Key(key) => value.as_mapping()?.get(key.as_str()),
            Segment::Index(index) => value.as_sequence()?.get(*index),
        })
        .is_some()
}

/// Whether something was removed.
fn remove(value: &mut Value, path: &[Segment]) -> bool {
    let Some((last, parents)) = path.split_last() else {
        return false;
    };
    let Some(parent) = parents.iter().try_fold(value, step) else {
        return false;
    };
    match (last, parent) {
        (Segment::Key(key), Value::Mapping(map)) => map.shift_remove(key.as_str()).is_some(),
        (Segment::Index(index), Value::Sequence(list)) if *index < list.len() => {
            list.remove(*index);
            true
        }
        _ => false,
    }
}
