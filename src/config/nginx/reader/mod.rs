//! Directives to Draft: each is looked up in the table, checked as nginx checks it, and given to
//! what its row says. A mistake costs its directive and is reported; reading goes on.

pub(super) mod access;
pub(super) mod answer;
pub(super) mod buffering;
pub(super) mod error_page;
pub(super) mod files;
pub(super) mod headers;
pub(super) mod health;
pub(super) mod http;
pub(super) mod listen;
pub(super) mod location;
pub(super) mod log;
pub(super) mod main;
pub(super) mod own;
pub(super) mod pass;
pub(super) mod proxy;
pub(super) mod rewrite;
pub(super) mod server;
pub(super) mod sticky;
pub(super) mod upstream;
pub(super) mod variables;

use super::lexer::Word;
use super::parser::Directive;
use super::positions::{Piece, Positions};
use super::table::{Apply, BLOCK, Class, Contexts, FLAG, MAIN, ONCE, Row, Table};
use super::{DirectiveUse, Treatment};
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{self, ClientMut, CommonMut, Draft, OneOrMany, Switch};
use crate::config::path::Path;
use crate::config::problem::Problem;
use crate::config::resolve::Names;
use crate::config::suggest;
use indexmap::IndexMap;
use std::collections::HashMap;
use std::path::PathBuf;

/// What the directives mean, as far as they could be read.
pub(super) struct Read {
    pub(super) draft: Draft,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) positions: Positions,
    /// What became of each directive, when it was recorded.
    pub(super) uses: Vec<DirectiveUse>,
}

/// Reads directives. Files of logs are below `prefix`.
pub(super) fn read(
    directives: &[Directive],
    table: &Table,
    prefix: Option<&std::path::Path>,
    recording: bool,
) -> Read {
    let mut reader = Reader::new(table, prefix, recording);
    let mut draft = Draft::default();
    reader.block(directives, MAIN, &mut Level::Main(&mut draft), &Path::Root);
    reader.check_sections(directives);
    Read {
        draft,
        diagnostics: reader.diagnostics,
        positions: reader.positions,
        uses: reader.uses.unwrap_or_default(),
    }
}

/// Reads directives that stand in a file of their own as if they stood in a block, and says what is wrong.
pub(super) fn read_block(
    directives: &[Directive],
    table: &Table,
    context: Contexts,
    level: &mut Level<'_>,
) -> Vec<Diagnostic> {
    let mut reader = Reader::new(table, None, false);
    reader.block(directives, context, level, &Path::Root);
    reader.diagnostics
}

/// What is known while directives are read.
pub(super) struct Reader<'t> {
    table: &'t Table,
    prefix: Option<PathBuf>,
    diagnostics: Vec<Diagnostic>,
    positions: Positions,
    uses: Option<Vec<DirectiveUse>>,
    formats: HashMap<String, log::Format>,
    /// The upstreams that have a block of their own, in lower case, and as they are written.
    upstream_names: HashMap<String, String>,
    /// Those that `proxy_pass` makes, by what `$proxy_host` says.
    implicit: IndexMap<String, draft::Upstream>,
    /// Who listens where, in the order of the file.
    listens: Vec<listen::Listen>,
    /// The names that they listen at.
    names: Names,
    /// The locations of the server that is being read, those inside of others too.
    locations: Vec<draft::Location>,
    /// Its number.
    site: usize,
}

/// The block that is being read.
pub(super) enum Level<'a> {
    Main(&'a mut Draft),
    Http(&'a mut Draft),
    Server(&'a mut server::State),
    Location(&'a mut location::State),
    Upstream(&'a mut draft::Upstream),
}

impl Level<'_> {
    fn common(&mut self) -> Option<CommonMut<'_>> {
        match self {
            Self::Http(draft) => Some(draft.common_mut()),
            Self::Server(server) => Some(server.site.common_mut()),
            Self::Location(location) => Some(location.draft.common_mut()),
            Self::Main(_) | Self::Upstream(_) => None,
        }
    }

    fn client(&mut self) -> Option<ClientMut<'_>> {
        match self {
            Self::Http(draft) => Some(draft.client_mut()),
            Self::Server(server) => Some(server.site.client_mut()),
            Self::Main(_) | Self::Location(_) | Self::Upstream(_) => None,
        }
    }
}

impl<'t> Reader<'t> {
    fn new(table: &'t Table, prefix: Option<&std::path::Path>, recording: bool) -> Self {
        Self {
            table,
            prefix: prefix.map(std::path::Path::to_path_buf),
            diagnostics: Vec::new(),
            positions: Positions::new(recording),
            uses: recording.then(Vec::new),
            formats: HashMap::new(),
            upstream_names: HashMap::new(),
            implicit: IndexMap::new(),
            listens: Vec::new(),
            names: Names::default(),
            locations: Vec::new(),
            site: 0,
        }
    }
}

impl Reader<'_> {
    /// Reads what stands in a block.
    fn block(
        &mut self,
        directives: &[Directive],
        context: Contexts,
        level: &mut Level<'_>,
        path: &Path<'_>,
    ) {
        let mut seen: HashMap<&'static str, &Directive> = HashMap::new();
        for directive in directives {
            let Some(row) = self.row(directive, context) else {
                continue;
            };
            if row.is(ONCE) {
                let first = *seen.entry(row.name).or_insert(directive);
                if !std::ptr::eq(first, directive) {
                    let problem = Problem::DuplicateDirective(row.name.into());
                    let first = first.place(&first.name).seen_from(&directive.source);
                    let label = format!("already given in {first}");
                    self.error(directive, &directive.name, problem, label);
                    continue;
                }
            }
            self.apply(row, directive, level, path);
        }
    }

    /// The row of a directive, when it may stand here as it is written.
    fn row(&mut self, directive: &Directive, context: Contexts) -> Option<&'static Row> {
        let name = directive.name.text.as_str();
        let rows = self.table.named(name);
        let Some(row) = rows.iter().find(|row| row.contexts & context != 0) else {
            let problem = match rows {
                [] => Problem::UnknownDirective(name.into()),
                _ => Problem::NotAllowedHere(name.into()),
            };
            let label = match rows {
                [] => suggest::did_you_mean(name, self.table.names_in(context))
                    .or_else(|| suggest::did_you_mean(name, self.table.names())),
                [row, ..] => Some(format!("it stands in {}", row.places())),
            };
            self.report(directive, &directive.name, problem, label);
            return None;
        };
        if row.is(BLOCK) != directive.block.is_some() {
            let problem = match row.is(BLOCK) {
                true => Problem::NoOpening(name.into()),
                false => Problem::NotTerminated(name.into()),
            };
            let label = self.missing_semicolon(directive);
            self.report(directive, &directive.name, problem, label);
            return None;
        }
        if !row.takes(directive.arguments.len()) {
            let problem = Problem::ArgumentCount(name.into());
            let label = self.missing_semicolon(directive);
            let label = label.unwrap_or_else(|| format!("expected {}: {}", row.counts(), row.help));
            self.error(directive, &directive.name, problem, label);
            return None;
        }
        if row.is(FLAG) && switch(directive.text(0)).is_none() {
            let problem = Problem::NotASwitch {
                found: directive.text(0).into(),
                directive: name.into(),
            };
            self.report(directive, &directive.arguments[0], problem, None);
            return None;
        }
        Some(row)
    }

    /// The argument that seems to be a later line's directive.
    fn swallowed(&self, directive: &Directive) -> Option<usize> {
        let lines = std::iter::once(&directive.name).chain(&directive.arguments);
        let mut pairs = lines.zip(&directive.arguments);
        pairs.position(|(before, word)| {
            word.span.start.line > before.span.start.line
                && self.table.knows(&word.text)
                && !PARAMETERS.contains(&(directive.name.text.as_str(), word.text.as_str()))
        })
    }

    /// What to say when a later line's directive was taken for an argument.
    fn missing_semicolon(&self, directive: &Directive) -> Option<String> {
        let before = match self.swallowed(directive)? {
            0 => &directive.name,
            index => &directive.arguments[index - 1],
        };
        let (text, line) = (&before.text, before.span.start.line);
        Some(format!("is a `;` missing behind `{text}` in line {line}?"))
    }

    /// The arguments from one on, up to where a `;` seems to be missing: one mistake is enough.
    fn parameters<'d>(&self, directive: &'d Directive, from: usize) -> &'d [Word] {
        let end = self.swallowed(directive).map(|index| index + 1);
        let end = end.unwrap_or(directive.arguments.len());
        directive.arguments.get(from..end).unwrap_or_default()
    }

    fn apply(
        &mut self,
        row: &'static Row,
        directive: &Directive,
        level: &mut Level<'_>,
        path: &Path<'_>,
    ) {
        let says = |values: &[&str]| {
            let first = directive.text(0);
            values.iter().any(|value| first.eq_ignore_ascii_case(value))
        };
        if let Some(uses) = &mut self.uses {
            let mut help = row.describe();
            if matches!(row.class, Class::Unsupported(values, _) | Class::Warned(values, _) if says(values))
            {
                help.treatment = Treatment::Accepted;
            }
            let place = directive.place(&directive.name);
            uses.push(DirectiveUse { place, help });
        }
        match &row.class {
            Class::Applied(apply) => self.fill(apply, directive, level, path),
            Class::Accepted(_) => {}
            Class::Unsupported(values, _) | Class::Warned(values, _) if says(values) => {}
            Class::Unsupported(_, advice) => {
                let problem = Problem::UnsupportedDirective(row.name.into());
                self.error(directive, &directive.name, problem, *advice);
            }
            Class::Warned(_, advice) => {
                let problem = Problem::NotApplied(row.name.into());
                self.warn(directive, &directive.name, problem, *advice);
            }
        }
    }

    /// Fills the field of the Draft that a row names.
    fn fill(
        &mut self,
        apply: &Apply,
        directive: &Directive,
        level: &mut Level<'_>,
        path: &Path<'_>,
    ) {
        let name = directive.name.text.as_str();
        let text = directive.text(0);
        match apply {
            Apply::Call(function) => return function(self, directive, level, path),
            Apply::Time(field) => {
                let time = text.parse().ok();
                self.put(time, level.common().map(field), directive, "invalid value");
            }
            Apply::Size(field) => {
                let size = text.parse().ok();
                self.put(size, level.common().map(field), directive, "invalid value");
            }
            Apply::Switch(field) => {
                let on = switch(text).map(Switch);
                self.put(on, level.common().map(field), directive, "invalid value");
            }
            Apply::Number(field) => {
                let number = number(text);
                self.put(
                    number,
                    level.common().map(field),
                    directive,
                    "invalid number",
                );
            }
            Apply::Word(field) => {
                let word = Some(draft::Word(text.to_owned()));
                self.put(word, level.common().map(field), directive, "invalid value");
            }
            Apply::Words(field) => {
                let Some(common) = level.common() else { return };
                let list = field(common).get_or_insert_with(Default::default);
                return self.add_words(list, directive, path);
            }
            Apply::Text(field) => {
                let Some(common) = level.common() else { return };
                let (word, pieces) = joined(&directive.arguments);
                *field(common) = Some(word);
                let at = path.key(name);
                return (self.positions).record_pieces(&at, directive, &directive.name, || pieces);
            }
            Apply::ClientTime(field) => {
                let time = text.parse().ok();
                self.put(time, level.client().map(field), directive, "invalid value");
            }
            Apply::ClientSize(field) => {
                let size = text.parse().ok();
                self.put(size, level.client().map(field), directive, "invalid value");
            }
            Apply::ClientSwitch(field) => {
                let on = switch(text).map(Switch);
                self.put(on, level.client().map(field), directive, "invalid value");
            }
            Apply::ClientNumber(field) => {
                let number = number(text);
                self.put(
                    number,
                    level.client().map(field),
                    directive,
                    "invalid number",
                );
            }
        }
        let value = directive.arguments.first();
        self.positions
            .record(&path.key(name), directive, &directive.name, value);
    }

    /// Adds a directive's arguments to a list of the Draft.
    fn add_words(
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

    fn put<T>(
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

    /// nginx takes it in a location too, where it holds for what follows on the connection.
    fn only_in_a_server(&mut self, directive: &Directive) {
        let problem = Problem::UnsupportedDirective(directive.name.text.clone());
        let label = "it can be set for a whole `server` only";
        self.error(directive, &directive.name, problem, label);
    }

    /// Its first argument is not what it takes.
    fn invalid(&mut self, directive: &Directive, what: &'static str) {
        let problem = Problem::DirectiveValue {
            directive: directive.name.text.clone(),
            what,
        };
        let word = directive.arguments.first().unwrap_or(&directive.name);
        let label = self.missing_semicolon(directive);
        self.report(directive, word, problem, label);
    }

    fn invalid_parameter(&mut self, directive: &Directive, word: &Word) {
        let problem = Problem::InvalidParameter(word.text.clone());
        let label = self.missing_semicolon(directive);
        self.report(directive, word, problem, label);
    }

    fn unsupported_parameter(&mut self, directive: &Directive, word: &Word, label: &str) {
        let problem = Problem::UnsupportedParameter(word.text.clone());
        self.error(directive, word, problem, label);
    }

    fn error(
        &mut self,
        directive: &Directive,
        word: &Word,
        problem: Problem,
        label: impl Into<String>,
    ) {
        self.report(directive, word, problem, Some(label.into()));
    }

    fn warn(
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

    fn report(
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
}

/// Arguments as one text, with spaces between them, and where each of them stands.
fn joined(words: &[Word]) -> (draft::Word, Vec<Piece>) {
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
fn switch(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("on") => Some(true),
        _ if text.eq_ignore_ascii_case("off") => Some(false),
        _ => None,
    }
}

/// A number as nginx takes it: digits alone.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| digits && i64::try_from(*number).is_ok())
}

/// Parameters that are the names of directives too.
const PARAMETERS: [(&str, &str); 3] = [
    ("access_log", "gzip"),
    ("listen", "http2"),
    ("listen", "ssl"),
];
