//! `access_log` and `log_format`, `error_log`.

use super::{Level, Reader, number};
use crate::config::draft::{self, AccessLog, ErrorLog, OneOrMany, Short, Size, Time};
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
    let Some((format, escape)) = reader.format(directive, &at) else {
        return;
    };
    let mut log = AccessLog {
        path: Some(reader.log_target(&target.text)),
        format: Some(format),
        escape,
        ..AccessLog::default()
    };
    for word in directive.arguments.get(2..).unwrap_or_default() {
        let said = reader.diagnostics.len();
        reader.log_parameter(directive, word, &mut log, &at);
        // `gzip` may begin a line, although it is a directive too; but one mistake is enough where a
        // `;` seems to be missing.
        if reader.diagnostics.len() > said && reader.swallowed(directive).is_some() {
            break;
        }
    }
    level.add_log(Some(log));
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
    fn format(
        &mut self,
        directive: &Directive,
        path: &Path<'_>,
    ) -> Option<(String, Option<String>)> {
        let Some(word) = directive.arguments.get(1) else {
            return Some((COMBINED.into(), None));
        };
        if word.text == COMBINED {
            return Some((COMBINED.into(), None));
        }
        let Some(format) = self.formats.get(&word.text) else {
            let problem = Problem::UnknownLogFormat(word.text.clone());
            let known = self.formats.keys().map(String::as_str);
            let label = suggest::did_you_mean(&word.text, known.chain([COMBINED]));
            self.report(directive, word, problem, label);
            return None;
        };
        let text = format.text.clone();
        let escape = format.escape.as_ref();
        let escape = escape.and_then(|word| Some(word.text.strip_prefix("escape=")?.to_owned()));
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
        Some((text, escape))
    }

    /// A parameter behind an `access_log`'s format.
    fn log_parameter(
        &mut self,
        directive: &Directive,
        word: &Word,
        log: &mut AccessLog,
        path: &Path<'_>,
    ) {
        let (name, value) = match word.text.split_once('=') {
            Some((name, value)) => (name, value),
            None => (word.text.as_str(), ""),
        };
        let wrong = match name {
            "buffer" => {
                log.buffer = value.parse().ok().filter(|size: &Size| size.0 > 0);
                log.buffer.is_none().then_some("buffer size")
            }
            "flush" => {
                log.flush = value.parse().ok().filter(|time: &Time| !time.0.is_zero());
                log.flush.is_none().then_some("flush time")
            }
            "if" => {
                log.r#if = Some(draft::Word(value.to_owned()));
                None
            }
            "gzip" => {
                let level = match word.text.as_str() {
                    "gzip" => Some(1),
                    _ => number(value).filter(|level| (1..=9).contains(level)),
                };
                log.gzip = level;
                level.is_none().then_some("compression level")
            }
            _ => return self.invalid_parameter(directive, word),
        };
        if let Some(what) = wrong {
            let problem = Problem::Syntax(format!("invalid {what} \"{value}\""));
            return self.report(directive, word, problem, None);
        }
        let key = path.key(name);
        self.positions
            .record(&key, directive, &directive.name, Some(word));
    }
}
