//! The nginx.conf front end: text to Draft, with nginx's own sentences for what is wrong, every
//! mistake in one run, and nginx's defaults.
//!
//! | step | file |
//! |---|---|
//! | text to words | `lexer` |
//! | words to directives, `include` | `parser`, `files` |
//! | what a directive is: where it may stand, what it takes, what becomes of it | `table`, `directives/` |
//! | directives to Draft | `reader/`, `defaults` |
//! | where the parts of the Draft stand | `positions` |
//! | the servers of a `state` file | `state` |
//! | which of nginx's modules that makes | `modules` |

mod comments;
mod defaults;
mod directives;
mod files;
mod lexer;
mod modules;
mod parser;
mod positions;
mod reader;
pub(super) mod state;
mod table;

use super::CommandLine;
pub(super) use comments::Comment;

use super::diagnostic::{Diagnostic, Diagnostics, Severity};
use super::draft::Draft;
use super::file_reader::FileReader;
use super::path::Finding;
use super::problem::Problem;
use super::resolve::{self, Outcome};
use super::source::{Place, Source};
use std::path::Path;
use std::sync::Arc;

/// What became of an nginx.conf.
pub(super) struct Parsed {
    pub(super) outcome: Outcome,
    pub(super) diagnostics: Diagnostics,
    /// Every file that was read, in the order of reading.
    pub(super) sources: Vec<Arc<Source>>,
}

/// What an nginx.conf says, for the other language.
pub(super) struct Written {
    pub(super) draft: Draft,
    pub(super) head: Vec<String>,
    pub(super) comments: Vec<Comment>,
}

/// A directive of nginx's, and what becomes of it here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectiveHelp {
    /// Its name. Some stand in several blocks with a meaning in each, and are listed for each.
    pub name: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// What becomes of it.
    pub treatment: Treatment,
    /// Why it is accepted, or what to do instead; empty when it is applied.
    pub advice: &'static str,
    /// Values with which it is accepted all the same, because they say what happens anyway.
    pub except: &'static [&'static str],
}

/// A directive of a file, and what becomes of it there.
#[derive(Debug, Clone)]
pub struct DirectiveUse {
    /// Where its name stands.
    pub place: Place,
    /// What is told about it. It counts as accepted when its value is one of those that say what
    /// happens anyway.
    pub help: DirectiveHelp,
}

/// What becomes of a directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Treatment {
    /// It does what nginx documents.
    Applied,
    /// It is read and passed over: no client, server or log line can tell.
    Accepted,
    /// It is not done yet; the start goes on with a warning.
    Warned,
    /// It is an error, because it would change what happens.
    Unsupported,
}

/// Every directive that is known, sorted by name.
pub fn directives() -> Vec<DirectiveHelp> {
    let mut list: Vec<DirectiveHelp> = directives::all().map(table::Row::describe).collect();
    list.sort_by_key(|directive| directive.name);
    list
}

/// The arguments that nginx would have been configured with, to do what Gapura does: `--with-…` and
/// `--without-…` for the modules that can be chosen.
pub fn configure_arguments() -> Vec<String> {
    modules::configure_arguments()
}

/// The file for errors when nothing names one, with this prefix.
pub(super) fn default_error_log(prefix: Option<&Path>) -> std::path::PathBuf {
    defaults::error_log(prefix)
}

/// Reads the file at a path.
///
/// # Errors
/// It cannot be opened.
pub(super) fn open(path: &Path, reader: &FileReader) -> Result<Arc<Source>, Diagnostics> {
    files::open(path, reader)
        .map_err(|problem| Diagnostic::emerg(problem, None, None).of_nginx().into())
}

/// What becomes of each directive of an nginx.conf, as far as it can be read.
pub(super) fn uses(source: &Arc<Source>, folder: &Path, given: &CommandLine) -> Vec<DirectiveUse> {
    let mut files = files::Files::new(source, folder, &FileReader::default());
    let tree = parser::parse(source, &mut files);
    let table = table::Table::new();
    reader::read(&tree.directives, &table, given.prefix.as_deref(), true).uses
}

/// The Draft of an nginx.conf that loads, the comment it begins with, and the others.
pub(super) fn draft(source: &Arc<Source>, folder: &Path, given: &CommandLine) -> Written {
    let mut files = files::Files::new(source, folder, &FileReader::default());
    let tree = parser::parse(source, &mut files);
    let table = table::Table::new();
    let read = reader::read(&tree.directives, &table, given.prefix.as_deref(), true);
    Written {
        comments: comments::of(&read.positions),
        head: comments::head(source),
        draft: read.draft,
    }
}

/// Reads an nginx.conf, and before it what stands in the command line. What it includes is looked for
/// in `folder`, log files below the prefix.
pub(super) fn parse(
    source: &Arc<Source>,
    folder: &Path,
    given: &CommandLine,
    reader: &FileReader,
) -> Parsed {
    let prefix = given.prefix.as_deref();
    let mut files = files::Files::new(source, folder, reader);
    let parser::Tree {
        mut directives,
        mut diagnostics,
    } = parser::parse(source, &mut files);
    if let Some(text) = &given.directives {
        let before = parser::parse(&Source::of_command_line(text), &mut files);
        directives.splice(0..0, before.directives);
        diagnostics.splice(0..0, before.diagnostics);
    }
    let table = table::Table::new();
    let read = reader::read(&directives, &table, prefix, false);
    let is_broken = !diagnostics.is_empty();
    let only_lost = |found: &Diagnostic| is_broken && matches!(found.problem, Problem::Missing(_));
    let said = read.diagnostics.into_iter();
    diagnostics.extend(said.filter(|found| !only_lost(found)));
    let base = defaults::in_prefix(prefix, "");
    let mut outcome = resolve::resolve_through(&read.draft, Path::new(&base), reader);
    let findings = std::mem::take(&mut outcome.findings);
    if !findings.is_empty() {
        let has_errors = has_errors(&diagnostics);
        let read = reader::read(&directives, &table, prefix, true);
        for finding in findings {
            if !(has_errors && follows(&finding)) {
                let finding = explain(finding);
                diagnostics.push(finding.locate(&read.positions).of_nginx());
            }
        }
    }
    // nginx looks at the names of all servers last, and not when something is wrong.
    if has_errors(&diagnostics) {
        diagnostics
            .retain(|diagnostic| !matches!(diagnostic.problem, Problem::IgnoredServerName { .. }));
    }
    Parsed {
        outcome,
        diagnostics: Diagnostics::new(bounded(diagnostics)),
        sources: files.into_sources(),
    }
}

/// Nobody reads more; and each shows its line, which may be long.
const MOST_ERRORS: usize = 100;

/// The first of many mistakes, and that there are more.
fn bounded(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if diagnostics.len() <= MOST_ERRORS {
        return diagnostics;
    }
    let sorted = Diagnostics::new(diagnostics);
    let mut first: Vec<_> = sorted.into_iter().take(MOST_ERRORS).collect();
    let place = first.last().and_then(|last| last.place.clone());
    let problem = Problem::TooManyErrors(MOST_ERRORS);
    first.push(Diagnostic::emerg(problem, place, None).of_nginx());
    first
}

fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Emerg)
}

/// Whether a finding may only follow from a directive that was left out.
fn follows(finding: &Finding) -> bool {
    matches!(
        finding.problem,
        Problem::Missing(_)
            | Problem::NoServers
            | Problem::NoPrimaryServers(_)
            | Problem::UnknownUpstream(_)
    )
}

/// A finding in nginx's words.
fn explain(mut finding: Finding) -> Finding {
    match finding.problem {
        Problem::ConflictingServerName { name, listen } => {
            finding.severity = Severity::Warn;
            finding.problem = Problem::IgnoredServerName { name, listen };
        }
        // nginx names it without its modifier.
        Problem::DuplicateLocation(path) => {
            let name = path.strip_prefix("= ").or(path.strip_prefix("^~ "));
            finding.problem = Problem::DuplicateLocation(name.unwrap_or(&path).to_owned());
        }
        Problem::InvalidValue { key, .. } if key == "worker_processes" => {
            finding.problem = Problem::DirectiveValue {
                directive: key,
                what: "invalid value",
            };
        }
        Problem::Misplaced { key, beside } if (key, beside) == ("health_check", "backends") => {
            finding.problem = Problem::Syntax(
                "no upstream is defined for the \"health_check\" directive".to_owned(),
            );
            let label = "a `proxy_pass` without variables beside it names one";
            finding.label = Some(label.to_owned());
        }
        // nginx takes it, and no request ever has it.
        Problem::OddServerName(name) => {
            finding.severity = Severity::Warn;
            finding.problem = Problem::SuspiciousServerName(name);
        }
        _ => {}
    }
    finding
}
