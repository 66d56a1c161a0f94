//! The comments of an nginx.conf, by the part of the Draft they stand at.

use super::positions::Positions;
use crate::config::path::{OwnedPath, Segment};
use crate::config::source::Source;
use std::collections::HashSet;

/// A comment, and what it is about.
#[derive(Debug)]
pub(in crate::config) struct Comment {
    /// The part that follows it.
    pub(in crate::config) path: OwnedPath,
    /// Its lines, each with its `#`.
    pub(in crate::config) lines: Vec<String>,
}

/// The comment that a file begins with, unless a directive follows it at once.
pub(super) fn head(source: &Source) -> Vec<String> {
    let lines = source.text().lines().map(str::trim);
    let head: Vec<String> = lines
        .clone()
        .take_while(|line| line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    match lines.clone().nth(head.len()) {
        Some("") | None => head,
        Some(_) => Vec::new(),
    }
}

/// The comments in front of directives that fill a part of the Draft, and those behind them in their line.
pub(super) fn of(positions: &Positions) -> Vec<Comment> {
    let mut directives: Vec<_> = positions.directives().collect();
    // A directive may fill several parts: what a site or a location says is nearer to what was written.
    let is_inner =
        |path: &OwnedPath| matches!(path.0.first(), Some(Segment::Key(key)) if key == "upstreams");
    directives.sort_by_key(|directive| {
        let line = directive.first.start.line;
        (
            directive.source.name(),
            line,
            is_inner(directive.path),
            directive.path.0.len(),
        )
    });
    let mut taken = HashSet::new();
    let mut comments = Vec::new();
    for directive in directives {
        let source = directive.source;
        let line = directive.first.start.line;
        let before = (1..line)
            .rev()
            .take_while(|&line| source.line(line).trim_start().starts_with('#'));
        let mut lines: Vec<usize> = before.collect();
        lines.reverse();
        let mut found: Vec<String> = lines
            .into_iter()
            .filter(|line| taken.insert((source.name(), *line)))
            .map(|line| source.line(line).trim().to_owned())
            .collect();
        let last = directive.last;
        let behind = source.line(last.start.line).chars();
        let behind: String = behind.skip(last.start.column - 1 + last.length).collect();
        let behind = behind
            .trim_start_matches(['"', '\'', ';', '{', ' ', '\t'])
            .trim_end();
        if behind.starts_with('#') && taken.insert((source.name(), last.start.line)) {
            found.push(behind.to_owned());
        }
        if !found.is_empty() {
            let path = directive.path.clone();
            comments.push(Comment { path, lines: found });
        }
    }
    comments
}
