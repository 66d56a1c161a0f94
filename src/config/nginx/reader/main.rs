//! The outermost level: what concerns the process.

use super::{Level, Reader};
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::Word;
use crate::config::nginx::defaults;
use crate::config::nginx::parser::Directive;
use crate::config::nginx::table::EVENTS;
use crate::config::path::Path;
use crate::config::problem::Problem;

/// `worker_processes`.
pub(in crate::config::nginx) fn worker_processes(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Main(draft) = level else { return };
    draft.worker_processes = Some(Word(directive.text(0).to_owned()));
    reader.record(directive, path);
}

/// `pid`: a file below the prefix.
pub(in crate::config::nginx) fn pid(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Main(draft) = level else { return };
    let file = defaults::in_prefix(reader.prefix.as_deref(), directive.text(0));
    draft.pid = Some(file);
    reader.record(directive, path);
}

/// `working_directory`: below the folder that the process was started in.
pub(in crate::config::nginx) fn working_directory(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Main(draft) = level else { return };
    let folder = directive.text(0);
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
    draft.working_directory = Some(folder.display().to_string());
    reader.record(directive, path);
}

/// `events`.
pub(in crate::config::nginx) fn events(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    reader.block(directive.children(), EVENTS, level, path);
}

impl Reader<'_> {
    /// Notes where a key stands that has its directive's name.
    fn record(&mut self, directive: &Directive, path: &Path<'_>) {
        let path = path.key(&directive.name.text);
        let value = directive.arguments.first();
        self.positions
            .record(&path, directive, &directive.name, value);
    }

    /// What every nginx.conf must have.
    pub(super) fn check_sections(&mut self, directives: &[Directive]) {
        let has = |name: &str| directives.iter().any(|found| found.name.text == name);
        if !has("events") {
            let label = "nginx wants one, even if it is empty: `events {}`";
            let problem = Problem::Missing("\"events\" section in configuration");
            let diagnostic = Diagnostic::emerg(problem, None, Some(label.into()));
            self.diagnostics.push(diagnostic.of_nginx());
        }
    }
}
