//! A directive whose row names a field of the Draft: its arguments become that field's value.

use super::{Level, Reader};
use crate::config::draft::{self, OneOrMany, Switch};
use crate::config::nginx::lexer::Word;
use crate::config::nginx::parser::Directive;
use crate::config::nginx::positions::Piece;
use crate::config::nginx::table::Apply;
use crate::config::path::Path;

impl Reader<'_> {
    /// Fills the field of the Draft that a row names.
    pub(super) fn fill(
        &mut self,
        apply: &Apply,
        directive: &Directive,
        level: &mut Level<'_>,
        path: &Path<'_>,
    ) {
        let text = directive.text(0);
        match apply {
            Apply::Call(function) => return function(self, directive, level, path),
            Apply::Time(field) => {
                let time = text.parse().ok();
                self.put(time, level.field(field), directive, "invalid value");
            }
            Apply::Size(field) => {
                let size = text.parse().ok();
                self.put(size, level.field(field), directive, "invalid value");
            }
            Apply::Switch(field) => {
                let on = switch(text).map(Switch);
                self.put(on, level.field(field), directive, "invalid value");
            }
            Apply::Number(field) => {
                let number = number(text);
                self.put(number, level.field(field), directive, "invalid number");
            }
            Apply::Word(field) => {
                let word = Some(draft::Word(text.to_owned()));
                self.put(word, level.field(field), directive, "invalid value");
            }
            Apply::Words(field) => {
                let Some(field) = level.field(field) else {
                    return;
                };
                let list = field.get_or_insert_with(Default::default);
                return self.add_words(list, directive, path);
            }
            Apply::Text(field) => {
                let Some(field) = level.field(field) else {
                    return;
                };
                let (word, pieces) = joined(&directive.arguments);
                *field = Some(word);
                let name = &directive.name;
                let at = path.key(&name.text);
                return (self.positions).record_pieces(&at, directive, name, || pieces);
            }
        }
        self.record_value(directive, path);
    }

    /// Adds a directive's arguments to a list of the Draft.
    pub(super) fn add_words(
        &mut self,
        OneOrMany(list): &mut OneOrMany<draft::Word>,
        directive: &Directive,
        path: &Path<'_>,
    ) {
        let path = path.key(&directive.name.text);
        if list.is_empty() {
            let value = directive.arguments.first();
            self.positions
                .record(&path, directive, &directive.name, value);
        }
        for word in &directive.arguments {
            let at = path.index(list.len());
            self.positions
                .record(&at, directive, &directive.name, Some(word));
            list.push(draft::Word(word.text.clone()));
        }
    }

    pub(super) fn put<T>(
        &mut self,
        value: Option<T>,
        field: Option<&mut Option<T>>,
        directive: &Directive,
        what: &'static str,
    ) {
        match (value, field) {
            (Some(value), Some(field)) => *field = Some(value),
            (None, _) => self.invalid(directive, what),
            (_, None) => self.only_in_a_server(directive),
        }
    }
}

/// Arguments as one text, with spaces between them, and where each of them stands.
pub(super) fn joined(words: &[Word]) -> (draft::Word, Vec<Piece>) {
    let mut text = String::new();
    let mut pieces = Vec::with_capacity(words.len());
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        pieces.push(Piece {
            offset: text.len(),
            skipped: 0,
            word: word.clone(),
        });
        text.push_str(&word.text);
    }
    (draft::Word(text), pieces)
}

/// nginx's `on` and `off`, in any case.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("on") => Some(true),
        _ if text.eq_ignore_ascii_case("off") => Some(false),
        _ => None,
    }
}

/// A number as nginx takes it: digits alone.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| digits && i64::try_from(*number).is_ok())
}
