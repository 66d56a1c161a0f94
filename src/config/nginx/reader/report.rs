//! What is said of a directive that is wrong, and whether a `;` seems to be missing before it.

use super::Reader;
use crate::config::diagnostic::Diagnostic;
use crate::config::nginx::lexer::Word;
use crate::config::nginx::parser::Directive;
use crate::config::problem::Problem;

impl Reader<'_> {
    /// nginx takes it in a location too, where it holds for what follows on the connection.
    pub(super) fn only_in_a_server(&mut self, directive: &Directive) {
        let problem = Problem::UnsupportedDirective(directive.name.text.clone());
        let label = "it can be set for a whole `server` only";
        self.error(directive, &directive.name, problem, label);
    }

    /// Its first argument is not what it takes.
    pub(super) fn invalid(&mut self, directive: &Directive, what: &'static str) {
        let problem = Problem::DirectiveValue {
            directive: directive.name.text.clone(),
            what,
        };
        let word = directive.arguments.first().unwrap_or(&directive.name);
        let label = self.missing_semicolon(directive);
        self.report(directive, word, problem, label);
    }

    pub(super) fn invalid_parameter(&mut self, directive: &Directive, word: &Word) {
        let problem = Problem::InvalidParameter(word.text.clone());
        let label = self.missing_semicolon(directive);
        self.report(directive, word, problem, label);
    }

    pub(super) fn unsupported_parameter(
        &mut self,
        directive: &Directive,
        word: &Word,
        label: &str,
    ) {
        let problem = Problem::UnsupportedParameter(word.text.clone());
        self.error(directive, word, problem, label);
    }

    pub(super) fn error(
        &mut self,
        directive: &Directive,
        word: &Word,
        problem: Problem,
        label: impl Into<String>,
    ) {
        self.report(directive, word, problem, Some(label.into()));
    }

    pub(super) fn warn(
        &mut self,
        directive: &Directive,
        word: &Word,
        problem: Problem,
        label: impl Into<String>,
    ) {
        self.error(directive, word, problem, label);
        if let Some(last) = self.diagnostics.pop() {
            self.diagnostics.push(last.warning());
        }
    }

    pub(super) fn report(
        &mut self,
        directive: &Directive,
        word: &Word,
        problem: Problem,
        label: Option<String>,
    ) {
        let place = Some(directive.place(word));
        self.diagnostics
            .push(Diagnostic::emerg(problem, place, label).of_nginx());
    }

    /// The argument that seems to be a later line's directive.
    pub(super) fn swallowed(&self, directive: &Directive) -> Option<usize> {
        let lines = std::iter::once(&directive.name).chain(&directive.arguments);
        let mut pairs = lines.zip(&directive.arguments);
        pairs.position(|(before, word)| {
            word.span.start.line > before.span.start.line
                && self.table.knows(&word.text)
                && !PARAMETERS.contains(&(directive.name.text.as_str(), word.text.as_str()))
        })
    }

    /// What to say when a later line's directive was taken for an argument.
    pub(super) fn missing_semicolon(&self, directive: &Directive) -> Option<String> {
        let before = match self.swallowed(directive)? {
            0 => &directive.name,
            index => &directive.arguments[index - 1],
        };
        let (text, line) = (&before.text, before.span.start.line);
        Some(format!("is a `;` missing behind `{text}` in line {line}?"))
    }

    /// The arguments from one on, up to where a `;` seems to be missing: one mistake is enough.
    pub(super) fn parameters<'d>(&self, directive: &'d Directive, from: usize) -> &'d [Word] {
        let end = self.swallowed(directive).map(|index| index + 1);
        let end = end.unwrap_or(directive.arguments.len());
        directive.arguments.get(from..end).unwrap_or_default()
    }
}

/// Parameters that are the names of directives too.
const PARAMETERS: [(&str, &str); 3] = [
    ("access_log", "gzip"),
    ("listen", "http2"),
    ("listen", "ssl"),
];
