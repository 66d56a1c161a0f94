//! `access_log` and `log_format`.

use super::{Level, Reader, number};
use crate::config::draft::{AccessLog, Size, Time};
use crate::config::nginx::defaults;
use crate::config::nginx::lexer::Word;
use crate::config::nginx::parser::Directive;
use crate::config::nginx::positions::Piece;
use crate::config::path::Path;
use crate::config::problem::Problem;
use crate::config::suggest;

/// A `log_format`.
pub(super) struct Format {
    text: String,
    /// Its words, with their places in the text.
    words: Vec<(usize, Word)>,
    escape: Option<Word>,
    line: usize,
}

/// `log_format`: noted before anything else is read.
pub(in crate::config::nginx) fn log_format(
    reader: &mut Reader<'_>,
    directive: &Directive,
    _: &mut Level<'_>,
    _: &Path<'_>,
) {
    let name = directive.text(0);
    let line = directive.name.span.start.line;
    let known = reader.formats.get(name);
    if name == COMBINED || known.is_some_and(|first| first.line != line) {
        let problem = Problem::Syntax(format!("duplicate \"log_format\" name \"{name}\""));
        reader.report(directive, &directive.arguments[0], problem, None);
    }
    if let Some(word) = directive.arguments.get(1)
        && let Some(escape) = word.text.strip_prefix("escape=")
        && !matches!(escape, "default" | "json" | "none")
    {
        let problem = Problem::Syntax(format!("unknown log format escaping \"{escape}\""));
        let label = "expected `default`, `json` or `none`";
        reader.error(directive, word, problem, label);
    }
}

/// `access_log`.
pub(in crate::config::nginx) fn access_log(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let target = &directive.arguments[0];
    if target.text == "off" {
        match directive.arguments.get(1) {
            Some(word) => reader.invalid_parameter(directive, word),
            None => level.add_log(None),
        }
        return;
    }
    if target.text.starts_with("syslog:") {
        let label = "syslog is not supported yet: write to a file";
        return reader.unsupported_parameter(directive, target, label);
    }
    if target.text.contains('$') {
        let label = "variables in a file's name are not supported yet";
        return reader.unsupported_parameter(directive, target, label);
    }
    for word in reader.parameters(directive, 2) {
        reader.log_parameter(directive, word);
    }
    let list = path.key("access_log");
    let logs = level.common().and_then(|common| common.access_log.as_ref());
    let count = logs
        .and_then(|logs| logs.on())
        .map_or(0, |logs| logs.0.len());
    let at = list.index(count);
    let name = &directive.name;
    reader.positions.record(&at, directive, name, Some(target));
    reader
        .positions
        .record(&at.key("path"), directive, name, Some(target));
    let Some(format) = reader.format(directive, &at) else {
        return;
    };
    level.add_log(Some(AccessLog {
        path: Some(match target.text.as_str() {
            "/dev/stdout" => "stdout".into(),
            "/dev/stderr" => "stderr".into(),
            file => defaults::in_prefix(reader.prefix.as_deref(), file),
        }),
        format: Some(format),
    }));
}

const COMBINED: &str = "combined";

impl Reader<'_> {
    /// Finds out which formats there are: they may be used before their line.
    pub(super) fn note_formats(&mut self, directives: &[Directive]) {
        for directive in directives {
            if directive.name.text != "log_format" || directive.arguments.len() < 2 {
                continue;
            }
            let mut words = directive.arguments[1..].iter().peekable();
            let escape = words.next_if(|word| word.text.starts_with("escape="));
            let mut format = Format {
                text: String::new(),
                words: Vec::new(),
                escape: escape.filter(|word| word.text != "escape=default").cloned(),
                line: directive.name.span.start.line,
            };
            for word in words {
                format.words.push((format.text.len(), word.clone()));
                format.text.push_str(&word.text);
            }
            let name = directive.text(0).to_owned();
            self.formats.entry(name).or_insert(format);
        }
    }

    /// The text of the format that an `access_log` names.
    fn format(&mut self, directive: &Directive, path: &Path<'_>) -> Option<String> {
        let Some(word) = directive.arguments.get(1) else {
            return Some(COMBINED.into());
        };
        if word.text == COMBINED {
            return Some(COMBINED.into());
        }
        let Some(format) = self.formats.get(&word.text) else {
            let problem = Problem::UnknownLogFormat(word.text.clone());
            let known = self.formats.keys().map(String::as_str);
            let label = suggest::did_you_mean(&word.text, known.chain([COMBINED]));
            self.report(directive, word, problem, label);
            return None;
        };
        let text = format.text.clone();
        if let Some(escape) = &format.escape {
            let problem = Problem::UnsupportedParameter(escape.text.clone());
            let label = format!(
                "`{}` in line {} asks for it: values are escaped as by `escape=default`",
                word.text, format.line
            );
            self.error(directive, word, problem, label);
            return None;
        }
        let pieces = || {
            let piece = |(offset, word): &(usize, Word)| Piece {
                offset: *offset,
                skipped: 0,
                word: word.clone(),
            };
            format.words.iter().map(piece).collect()
        };
        let name = &directive.name;
        self.positions
            .record_pieces(&path.key("format"), directive, name, pieces);
        Some(text)
    }

    fn log_parameter(&mut self, directive: &Directive, word: &Word) {
        match word.text.split_once('=') {
            // Lines are written soon after they are made, in their order.
            Some(("buffer", size)) if size.parse::<Size>().is_ok() => {}
            Some(("flush", time)) if time.parse::<Time>().is_ok() => {}
            Some(("if", _)) => {
                let label = "conditions are not supported yet";
                self.unsupported_parameter(directive, word, label);
            }
            Some(("gzip", level)) if number(level).is_some() => {
                self.unsupported_parameter(directive, word, "log files are not compressed");
            }
            None if word.text == "gzip" => {
                self.unsupported_parameter(directive, word, "log files are not compressed");
            }
            _ => self.invalid_parameter(directive, word),
        }
    }
}
