//! Paths into a Draft: how the rules of `resolve`, which know no language, say where something is
//! wrong. A path costs nothing while the Draft is walked; only a finding copies it.

use super::diagnostic::{Diagnostic, PROGRAM, Severity};
use super::problem::Problem;
use super::source::Place;
use std::fmt;

/// A place in a Draft while it is walked: a list from the inside out, on the stack.
#[derive(Debug, Clone, Copy)]
pub enum Path<'a> {
    /// The whole Draft.
    Root,
    /// A field of a struct or an entry of a map.
    Key(&'a Path<'a>, &'a str),
    /// An entry of a list.
    Index(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    /// The path of a field or a map's entry.
    pub fn key(&'a self, key: &'a str) -> Path<'a> {
        Path::Key(self, key)
    }

    /// The path of a list's entry.
    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path::Index(self, index)
    }

    /// The name of the innermost field.
    pub fn last_key(&self) -> &'a str {
        match self {
            Path::Root => "",
            Path::Key(_, key) => key,
            Path::Index(parent, _) => parent.last_key(),
        }
    }

    /// The path as a value of its own.
    pub fn to_owned(&self) -> OwnedPath {
        let mut segments = Vec::new();
        let mut path = self;
        loop {
            path = match path {
                Path::Root => break,
                Path::Key(parent, key) => {
                    segments.push(Segment::Key((*key).to_owned()));
                    parent
                }
                Path::Index(parent, index) => {
                    segments.push(Segment::Index(*index));
                    parent
                }
            };
        }
        segments.reverse();
        OwnedPath(segments)
    }

    /// An error about the value here.
    pub fn error(&self, problem: Problem) -> Finding {
        Finding {
            severity: Severity::Emerg,
            problem,
            path: self.to_owned(),
            part: Part::Value,
            label: None,
            earlier: None,
        }
    }

    /// An error about the key here.
    pub fn key_error(&self, problem: Problem) -> Finding {
        Finding {
            part: Part::Key,
            ..self.error(problem)
        }
    }
}

/// A path on its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnedPath(pub Vec<Segment>);

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Into a field or a map's entry.
    Key(String),
    /// Into a list's entry.
    Index(usize),
}

impl fmt::Display for OwnedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if at == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Which part of an entry is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its key.
    Key,
    /// Its value; of a list or a map, the beginning.
    Value,
    /// A piece of its text, in bytes.
    Within {
        /// Where the piece starts.
        offset: usize,
        /// How long it is.
        length: usize,
    },
}

/// Something that is wrong at a place in a Draft.
#[derive(Debug, Clone)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub problem: Problem,
    /// Where.
    pub path: OwnedPath,
    /// Which part of it.
    pub part: Part,
    /// What was expected, or what to do.
    pub label: Option<String>,
    /// What it clashes with; its line is added to the label.
    pub earlier: Option<OwnedPath>,
}

impl Finding {
    /// The same, with this beside the caret.
    pub fn label(self, label: impl Into<String>) -> Self {
        Self {
            label: Some(label.into()),
            ..self
        }
    }

    /// The same, with this beside the caret if there is something to say.
    pub fn maybe_label(self, label: Option<String>) -> Self {
        Self { label, ..self }
    }

    /// The same, with what it clashes with.
    pub fn earlier(self, path: OwnedPath) -> Self {
        Self {
            earlier: Some(path),
            ..self
        }
    }

    /// What is shown of it.
    pub fn locate(self, positions: &dyn Locate) -> Diagnostic {
        let place = positions.place(&self.path, self.part);
        let earlier = (self.earlier.as_ref())
            .and_then(|path| positions.place(path, Part::Value))
            .zip(place.as_ref())
            .map(|(earlier, place)| format!(" in {}", earlier.seen_from(&place.source)));
        Diagnostic {
            program: PROGRAM,
            place,
            path: None,
            severity: self.severity,
            problem: self.problem,
            label: self
                .label
                .map(|label| label + earlier.as_deref().unwrap_or_default()),
        }
    }

    /// What is shown of it where nothing was written that has lines.
    pub fn without_place(self) -> Diagnostic {
        let earlier = (self.earlier.as_ref())
            .map(|path| format!(" in {path}"))
            .unwrap_or_default();
        Diagnostic {
            program: PROGRAM,
            place: None,
            path: Some(self.path),
            severity: self.severity,
            problem: self.problem,
            label: self.label.map(|label| label + &earlier),
        }
    }

    /// The same, about a piece of the value's text.
    pub fn within(self, offset: usize, length: usize) -> Self {
        Self {
            part: Part::Within { offset, length },
            ..self
        }
    }
}

/// A front end's knowledge of where each part of the Draft was written.
pub trait Locate {
    /// The place of a part; of what encloses it when it was not written (a default), and `None`
    /// when nothing is known.
    fn place(&self, path: &OwnedPath, part: Part) -> Option<Place>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_from_the_outside_in() {
        let sites = Path::Root.key("sites");
        let first = sites.index(0);
        let host = first.key("host");
        assert_eq!(host.index(1).to_owned().to_string(), "sites[0].host[1]");
        assert_eq!(host.index(1).last_key(), "host");
    }
}
