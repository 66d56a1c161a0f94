//! `gapura check`: what would become of a configuration, for people and for programs.

use crate::config::{self, Checked, CommandLine, Diagnostic, DirectiveUse, Severity, Treatment};
use clap::Args;
use indexmap::IndexMap;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// What is checked, and how it is told.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The configuration.
    file: PathBuf,
    /// Tell it in JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the report. The exit status says whether the configuration can be used.
pub(super) fn run(options: &Options, given: &CommandLine) -> Result<ExitCode, String> {
    let checked = config::check(&options.file, given);
    let report = match options.json {
        true => in_json(options, &checked),
        false => in_words(options, &checked),
    };
    match io::stdout().write_all(report.as_bytes()) {
        // `gapura check | head` is no error.
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => return Err(cause.to_string()),
        _ => {}
    }
    Ok(match checked.usable {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn in_words(options: &Options, checked: &Checked) -> String {
    let mut text = String::new();
    let sections = [
        (Treatment::Applied, "Applied: as nginx does it"),
        (Treatment::Accepted, "Accepted: nobody can tell"),
        (Treatment::Warned, "Not done yet: the start goes on"),
        (Treatment::Unsupported, "Unsupported"),
    ];
    for (treatment, title) in sections {
        let uses = checked.uses.iter();
        let uses = grouped(uses.filter(|used| used.help.treatment == treatment));
        if uses.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{title}");
        let width = uses.keys().map(|(name, _)| name.len()).max().unwrap_or(0);
        for ((name, advice), places) in &uses {
            let _ = write!(text, "  {name:width$}  {}", where_they_stand(places));
            match advice.is_empty() {
                true => text.push('\n'),
                false => {
                    let _ = writeln!(text, "\n  {:width$}  {advice}", "");
                }
            }
        }
        text.push('\n');
    }
    if !checked.diagnostics.is_empty() {
        let _ = writeln!(text, "{}\n", checked.diagnostics);
    }
    let count = |severity| {
        let all = checked.diagnostics.iter();
        all.filter(|found| found.severity == severity).count()
    };
    let (errors, warnings) = (count(Severity::Emerg), count(Severity::Warn));
    let file = options.file.display();
    let verdict = match checked.usable {
        true => "can be used",
        false => "cannot be used",
    };
    let _ = write!(text, "{file} {verdict}");
    let counts = [
        (checked.uses.len(), "directive", "directives"),
        (errors, "error", "errors"),
        (warnings, "warning", "warnings"),
    ];
    let counts = counts.iter().filter(|(count, ..)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }))
        .collect();
    if !counts.is_empty() {
        let _ = write!(text, ": {}", counts.join(", "));
    }
    text.push('\n');
    text
}

/// A directive's name, and what is said about it.
type Group = (&'static str, &'static str);

/// The places of each directive, in the order of the files.
fn grouped<'a>(
    uses: impl Iterator<Item = &'a DirectiveUse>,
) -> IndexMap<Group, Vec<&'a DirectiveUse>> {
    let mut groups = IndexMap::<Group, Vec<&DirectiveUse>>::new();
    for used in uses {
        let group = (used.help.name, used.help.advice);
        groups.entry(group).or_default().push(used);
    }
    groups
}

/// The first places of a directive, and how many more there are.
fn where_they_stand(uses: &[&DirectiveUse]) -> String {
    const SHOWN: usize = 3;
    let places = uses.iter().take(SHOWN).map(|used| {
        let start = used.place.span.start;
        format!(
            "{}:{}:{}",
            used.place.source.name(),
            start.line,
            start.column
        )
    });
    let mut text = places.collect::<Vec<_>>().join(", ");
    if uses.len() > SHOWN {
        let _ = write!(text, " and {} more", uses.len() - SHOWN);
    }
    text
}

fn in_json(options: &Options, checked: &Checked) -> String {
    let directives = checked.uses.iter().map(|used| {
        let start = used.place.span.start;
        json!({
            "name": used.help.name,
            "treatment": treatment(used.help.treatment),
            "help": used.help.help,
            "advice": used.help.advice,
            "file": used.place.source.name(),
            "line": start.line,
            "column": start.column,
        })
    });
    let files = checked.files.iter().map(|file| file.display().to_string());
    let report = json!({
        "file": options.file.display().to_string(),
        "usable": checked.usable,
        "files": files.collect::<Vec<_>>(),
        "directives": directives.collect::<Vec<_>>(),
        "problems": checked.diagnostics.iter().map(problem).collect::<Vec<_>>(),
    });
    format!("{report:#}\n")
}

fn problem(found: &Diagnostic) -> Value {
    let place = found.place.as_ref();
    let start = place.map(|place| place.span.start);
    json!({
        "severity": found.severity.to_string(),
        "message": found.problem.to_string(),
        "advice": found.label,
        "file": place.map(|place| place.source.name()),
        "line": start.map(|start| start.line),
        "column": start.map(|start| start.column),
    })
}

fn treatment(treatment: Treatment) -> &'static str {
    match treatment {
        Treatment::Applied => "applied",
        Treatment::Accepted => "accepted",
        Treatment::Warned => "warned",
        Treatment::Unsupported => "unsupported",
    }
}
