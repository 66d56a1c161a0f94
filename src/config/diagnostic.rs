//! Errors and warnings about a configuration, and how they are shown: nginx's first line, so that
//! scripts that search for it still work, then the line of the file with a caret under the place.
//! What can be wrong is [`super::problem::Problem`]'s to say.

use super::path::OwnedPath;
use super::problem::Problem;
use super::source::Place;
use std::fmt;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The name in front of every message, where nginx writes `nginx`.
pub const PROGRAM: &str = "gapura";

/// The name in front of messages about an nginx.conf, for scripts that search for nginx's own lines.
pub const NGINX: &str = "nginx";

/// How bad it is, in nginx's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration cannot be used.
    Emerg,
    /// It can, but probably does not mean what was meant.
    Warn,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Emerg => "emerg",
            Self::Warn => "warn",
        })
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// The name in front of it: that of the language's own program.
    pub program: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub problem: Problem,
    /// Where; `None` when it is not about a piece of a file that could be read.
    pub place: Option<Place>,
    /// Where, in a configuration made in code, which has no lines.
    pub path: Option<OwnedPath>,
    /// What stands beside the caret: what was expected, or what to do.
    pub label: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn emerg(problem: Problem, place: Option<Place>, label: Option<String>) -> Self {
        Self {
            program: PROGRAM,
            severity: Severity::Emerg,
            problem,
            place,
            path: None,
            label,
        }
    }

    /// The same, about an nginx.conf.
    pub(super) fn of_nginx(self) -> Self {
        Self {
            program: NGINX,
            ..self
        }
    }

    /// The same, as a warning.
    pub(super) fn warning(self) -> Self {
        Self {
            severity: Severity::Warn,
            ..self
        }
    }
}

/// `{:#}` leaves the program and the severity out, for a log that says both itself.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            write!(f, "{}: [{}] ", self.program, self.severity)?;
        }
        write!(f, "{}", self.problem)?;
        if let Some(place) = &self.place {
            match place.source.is_command_line() {
                true => f.write_str(" in command line")?,
                false => write!(f, " in {}:{}", place.source.name(), place.span.start.line)?,
            }
            return snippet(f, place, self.label.as_deref());
        }
        if let Some(path) = self.path.as_ref().filter(|path| !path.0.is_empty()) {
            write!(f, " in {path}")?;
        }
        match &self.label {
            Some(label) => write!(f, "\n  {label}"),
            None => Ok(()),
        }
    }
}

/// The place's line with a caret under it, as rustc draws it.
fn snippet(f: &mut fmt::Formatter<'_>, place: &Place, label: Option<&str>) -> fmt::Result {
    let start = place.span.start;
    let gutter = start.line.to_string();
    let blank = " ".repeat(gutter.len());
    let window = Window::around(place);
    let carets = "^".repeat(window.marked.width().max(1));
    let indent = " ".repeat(window.before.width());
    let Window {
        before,
        marked,
        after,
    } = &window;
    write!(
        f,
        "\n{blank}--> {}:{}:{}\n{blank} |\n{gutter} | {before}{marked}{after}\n{blank} | {indent}{carets}",
        place.source.name(),
        start.line,
        start.column,
    )?;
    match label {
        Some(label) => write!(f, " {label}"),
        None => Ok(()),
    }
}

/// The part of a line that is shown, as it is shown: without tabs and control characters, whose
/// width nobody knows.
struct Window {
    before: String,
    marked: String,
    after: String,
}

impl Window {
    fn around(place: &Place) -> Self {
        let line: Vec<char> = place.source.line(place.span.start.line).chars().collect();
        let start = (place.span.start.column - 1).min(line.len());
        let end = start.saturating_add(place.span.length).min(line.len());
        let first = start.saturating_sub(SHOWN_BEFORE);
        let marked_end = end.min(start + SHOWN_AFTER);
        let last = line.len().min(start + SHOWN_AFTER);
        let cut = |left: bool| if left { "…" } else { "" };
        Self {
            before: format!("{}{}", cut(first > 0), shown(&line[first..start])),
            marked: shown(&line[start..marked_end]),
            after: format!(
                "{}{}",
                shown(&line[marked_end..last]),
                cut(last < line.len())
            ),
        }
    }
}

/// A line longer than these together is cut around the caret.
const SHOWN_BEFORE: usize = 100;
const SHOWN_AFTER: usize = 100;

fn shown(characters: &[char]) -> String {
    let mut text = String::with_capacity(characters.len());
    for &character in characters {
        match (character, character.width()) {
            ('\t', _) => text.push_str("    "),
            (_, None) => text.push('\u{fffd}'),
            _ => text.push(character),
        }
    }
    text
}

/// Everything that is wrong with a configuration, in the order of the files.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Sorts them by file and position.
    pub fn new(mut list: Vec<Diagnostic>) -> Self {
        list.sort_by(|a, b| order(a).cmp(&order(b)));
        // What an alias repeats is written, and wrong, once.
        list.dedup_by(|a, b| a.place.is_some() && order(a) == order(b) && a.problem == b.problem);
        Self(list)
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn order(diagnostic: &Diagnostic) -> Option<(&str, super::source::Span)> {
    let place = diagnostic.place.as_ref()?;
    Some((place.source.name(), place.span))
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::{Source, Span};

    fn rendered(text: &str, span: Span) -> String {
        let source = Source::new("/etc/gapura/gapura.yaml", text);
        let problem = Problem::UnknownKey("proxy_pas".into());
        let place = Some(Place { source, span });
        Diagnostic::emerg(problem, place, Some("did you mean `proxy_pass`?".into())).to_string()
    }

    #[test]
    fn the_gutter_is_as_wide_as_the_line_number() {
        let text = format!("{}        proxy_pas: x\n", "\n".repeat(11));
        let expected = r#"gapura: [emerg] unknown key "proxy_pas" in /etc/gapura/gapura.yaml:12
  --> /etc/gapura/gapura.yaml:12:9
   |
12 |         proxy_pas: x
   |         ^^^^^^^^^ did you mean `proxy_pass`?"#;
        assert_eq!(rendered(&text, Span::new(12, 9, 9)), expected);
    }

    #[test]
    fn tabs_and_wide_text_do_not_move_the_caret() {
        let shown = rendered("\t漢字é: proxy_pas\x1b", Span::new(1, 7, 9));
        let lines: Vec<&str> = shown.lines().skip(3).collect();
        assert_eq!(lines[0], "1 |     漢字é: proxy_pas\u{fffd}");
        assert_eq!(
            lines[1],
            "  |            ^^^^^^^^^ did you mean `proxy_pass`?"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("{}proxy_pas{}", "a".repeat(5000), "b".repeat(5000));
        let shown = rendered(&text, Span::new(1, 5001, 9));
        assert!(
            shown.lines().all(|line| line.chars().count() < 250),
            "{shown}"
        );
        let caret = shown.lines().last().and_then(|line| line.find('^'));
        let line = shown.lines().nth(3).expect("the source line");
        let word = line.split("proxy_pas").next().map(UnicodeWidthStr::width);
        assert_eq!(caret, word);
    }

    #[test]
    fn a_place_past_the_end_does_not_panic() {
        rendered("", Span::new(7, 9, 3));
        rendered("a", Span::new(1, 90, 0));
    }
}
