//! `access_log` and `log_format`, `error_log`.

use super::{Level, Reader, number};
use crate::config::draft::{AccessLog, ErrorLog, OneOrMany, Short, Size, Time};
use crate::config::nginx::defaults;
use crate::config::nginx::lexer::Word;
use crate::config::nginx::parser::Directive;
use crate::config::nginx::positions::Piece;
use crate::config::path::Path;
use crate::config::problem::Problem;
use crate::config::suggest;
use crate::model::Level as Severity;

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
        path: Some(reader.log_target(&target.text)),
        format: Some(format),
    }));
}

/// `error_log`.
pub(in crate::config::nginx) fn error_log(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let target = &directive.arguments[0];
    if target.text.starts_with("memory:") {
        let problem = Problem::NotApplied(target.text.clone());
        let label = "errors are not kept in memory: write them to a file";
        return reader.warn(directive, target, problem, label);
    }
    let Some(severity) = reader.severity(directive) else {
        return;
    };
    let written = ErrorLog {
        path: Some(reader.log_target(&target.text)),
        level: severity,
    };
    let name = &directive.name;
    let (key, logs) = match level {
        // Requests get there too, unless `http` says otherwise.
        Level::Main(draft) => ("process_error_log", &mut draft.process_error_log),
        Level::Http(draft) => ("error_log", &mut draft.error_log),
        Level::Server(server) => ("error_log", &mut server.site.error_log),
        Level::Location(location) => ("error_log", &mut location.draft.error_log),
        Level::Upstream(_) => return,
    };
    let list = path.key(key);
    let OneOrMany(logs) = logs.get_or_insert_default();
    let at = list.index(logs.len());
    logs.push(Short(written));
    for (key, word) in [
        ("path", Some(target)),
        ("level", directive.arguments.get(1)),
    ] {
        reader.positions.record(&at.key(key), directive, name, word);
    }
}

const COMBINED: &str = "combined";

/// What nginx can debug apart: `debug_http` and its kin.
const DEBUG_PARTS: [&str; 7] = ["core", "alloc", "mutex", "event", "http", "mail", "stream"];

impl Reader<'_> {
    /// The level behind an `error_log`'s target. Those of debugging's parts are all of it.
    fn severity(&mut self, directive: &Directive) -> Option<Option<String>> {
        let mut found: Option<&Word> = None;
        for word in self.parameters(directive, 1) {
            let text = word.text.as_str();
            let is_part = text
                .strip_prefix("debug_")
                .is_some_and(|part| DEBUG_PARTS.contains(&part));
            let has_another = found.is_some_and(|first| !first.text.starts_with("debug_"));
            if !is_part && Severity::parse(text).is_none() {
                let problem = Problem::Syntax(format!("invalid log level \"{text}\""));
                let words = Severity::WORDS.map(|(_, word)| word);
                let label = suggest::did_you_mean_or_list(text, &words);
                self.error(directive, word, problem, label);
                return None;
            }
            if has_another || (found.is_some() && !is_part) {
                let problem = Problem::Syntax(format!("duplicate log level \"{text}\""));
                self.report(directive, word, problem, None);
                return None;
            }
            found = Some(word);
        }
        let level = found.map(|word| match word.text.starts_with("debug_") {
            true => "debug".to_owned(),
            false => word.text.clone(),
        });
        Some(level)
    }

    /// Where lines go, in the Draft's words: files are below the prefix.
    fn log_target(&self, text: &str) -> String {
        match text {
            "/dev/stdout" => "stdout".into(),
            "stderr" | "/dev/stderr" => "stderr".into(),
            text if text.starts_with("syslog:") => text.to_owned(),
            file => defaults::in_prefix(self.prefix.as_deref(), file),
        }
    }

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
