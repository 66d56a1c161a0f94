//! Directives to Draft: each is looked up in the table, checked as nginx checks it, and given to
//! what its row says. A mistake costs its directive and is reported; reading goes on.

pub(super) mod access;
pub(super) mod answer;
pub(super) mod balance;
pub(super) mod buffering;
pub(super) mod error_page;
pub(super) mod files;
mod fill;
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
mod report;
pub(super) mod rewrite;
pub(super) mod server;
pub(super) mod sticky;
pub(super) mod upstream;
pub(super) mod variables;

use super::parser::Directive;
use super::positions::Positions;
use super::table::{BLOCK, Class, Contexts, FLAG, Field, MAIN, ONCE, Row, Table};
use super::{DirectiveUse, Treatment};
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{self, ClientMut, CommonMut, Draft};
use crate::config::path::Path;
use crate::config::problem::Problem;
use crate::config::resolve::Names;
use crate::config::suggest;
use fill::{joined, number, switch};
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

    fn upstream(&mut self) -> Option<&mut draft::Upstream> {
        match self {
            Self::Upstream(upstream) => Some(upstream),
            Self::Main(_) | Self::Http(_) | Self::Server(_) | Self::Location(_) => None,
        }
    }

    /// The field that a row names, where this level has it.
    fn field<T>(&mut self, field: &Field<T>) -> Option<&mut Option<T>> {
        match field {
            Field::Common(of) => self.common().map(of),
            Field::Client(of) => self.client().map(of),
            Field::Upstream(of) => self.upstream().map(of),
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
}
