//! The outermost level: what concerns the process.

use super::{Level, Reader, number, switch};
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{Draft, Switch, Word};
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

/// `daemon`.
pub(in crate::config::nginx) fn daemon(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let on = switch(directive.text(0)).map(Switch);
    reader.put_main(on, |draft| &mut draft.daemon, directive, level, path);
}

/// `master_process`.
pub(in crate::config::nginx) fn master_process(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let on = switch(directive.text(0)).map(Switch);
    reader.put_main(
        on,
        |draft| &mut draft.master_process,
        directive,
        level,
        path,
    );
}

/// `user`: a user, and a group perhaps.
pub(in crate::config::nginx) fn user(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Main(draft) = level else { return };
    let word = |index: usize| Some(Word(directive.arguments.get(index)?.text.clone()));
    (draft.user, draft.group) = (word(0), word(1));
    reader.record(directive, path);
    if let Some(group) = directive.arguments.get(1) {
        let at = path.key("group");
        (reader.positions).record(&at, directive, &directive.name, Some(group));
    }
}

/// `worker_priority`.
pub(in crate::config::nginx) fn worker_priority(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let text = directive.text(0);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let word = number(digits).map(|_| Word(text.to_owned()));
    reader.put_main(
        word,
        |draft| &mut draft.worker_priority,
        directive,
        level,
        path,
    );
}

/// `worker_rlimit_nofile`.
pub(in crate::config::nginx) fn worker_rlimit_nofile(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let limit = number(directive.text(0));
    reader.put_main(
        limit,
        |draft| &mut draft.worker_rlimit_nofile,
        directive,
        level,
        path,
    );
}

/// `worker_shutdown_timeout`.
pub(in crate::config::nginx) fn worker_shutdown_timeout(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let time = directive.text(0).parse().ok();
    reader.put_main(
        time,
        |draft| &mut draft.worker_shutdown_timeout,
        directive,
        level,
        path,
    );
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
    /// Fills a field of the outermost level.
    fn put_main<T>(
        &mut self,
        value: Option<T>,
        field: for<'a> fn(&'a mut Draft) -> &'a mut Option<T>,
        directive: &Directive,
        level: &mut Level<'_>,
        path: &Path<'_>,
    ) {
        let Level::Main(draft) = level else { return };
        let what = match directive.name.text.as_str() {
            "worker_shutdown_timeout" => "invalid value",
            _ => "invalid number",
        };
        self.put(value, Some(field(draft)), directive, what);
        self.record(directive, path);
    }

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
