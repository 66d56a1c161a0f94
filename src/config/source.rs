//! Source files: their text, and places in it. Which part of a configuration stands at which
//! place is the front ends' knowledge ([`super::path::Locate`]).

use std::sync::{Arc, OnceLock};

/// A configuration file that was read.
#[derive(Debug)]
pub struct Source {
    name: String,
    text: String,
    /// Byte offsets of the lines' starts; only an error asks for them.
    line_starts: OnceLock<Vec<usize>>,
}

/// nginx's name for what `-g` says. A file of this name would lose its line numbers, no more.
const COMMAND_LINE: &str = "command line";

impl Source {
    /// A file of this name with this text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
            line_starts: OnceLock::new(),
        })
    }

    /// Directives of nginx's `-g`.
    pub(super) fn of_command_line(text: &str) -> Arc<Self> {
        Self::new(COMMAND_LINE, text)
    }

    /// Whether it is nginx's `-g`, which has no lines to speak of.
    pub(super) fn is_command_line(&self) -> bool {
        self.name == COMMAND_LINE
    }

    /// The name shown in errors: the path as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A line by its number (from 1), without its end; empty where there is none.
    pub fn line(&self, number: usize) -> &str {
        let starts = self.line_starts.get_or_init(|| {
            let newlines = self.text.match_indices('\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(newlines).collect()
        });
        let Some(&start) = number.checked_sub(1).and_then(|index| starts.get(index)) else {
            return "";
        };
        let end = starts.get(number).copied().unwrap_or(self.text.len());
        self.text[start..end].trim_end_matches(['\n', '\r'])
    }
}

/// A line and a column, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A piece of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Its first character.
    pub start: Position,
    /// How many characters it has.
    pub length: usize,
}

impl Span {
    /// A span of `length` characters.
    pub fn new(line: usize, column: usize, length: usize) -> Self {
        let start = Position { line, column };
        Self { start, length }
    }
}

/// A span of a file.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// Where in it.
    pub span: Span,
}

impl Place {
    /// How a message about something in a file says where this is.
    pub(super) fn seen_from(&self, source: &Source) -> String {
        let line = self.span.start.line;
        match self.source.name() == source.name() {
            true => format!("line {line}"),
            false => format!("{}:{line}", self.source.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_one_and_come_without_their_ends() {
        let source = Source::new("a.yaml", "one\r\ntwo\n\nfour");
        let lines: Vec<&str> = (0..6).map(|number| source.line(number)).collect();
        assert_eq!(lines, ["", "one", "two", "", "four", ""]);
    }
}
