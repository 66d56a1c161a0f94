//! What the cases cover: everything that is applied, and nothing by name only.

use crate::case::Case;
use crate::lists::{self, Excuses};
use crate::normal::normalise;
use crate::program::{Failed, Program};
use crate::remove::without;
use crate::run::{LONG, Stage};
use gapura::config::{self, Treatment};
use gapura::model::VARIABLES;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

/// What a case says it covers although nothing changes without it.
pub fn needless(case: &Case, excuses: &Excuses) -> Result<(), String> {
    if case.covers.is_empty() || case.open.is_some() {
        return Ok(());
    }
    let stage = Stage::new(case);
    let run = |conf: &str, patience| match stage.run(&Program::Gapura, conf, patience) {
        Ok(outcome) => Some(normalise(case, &outcome)),
        Err(_) => None,
    };
    let whole = stage.run(&Program::Gapura, &case.conf, LONG);
    let whole = match whole {
        Ok(outcome) => normalise(case, &outcome),
        Err(Failed::AddressInUse) => return Err("an address is in use".into()),
        Err(Failed::Said(said)) => return Err(said),
    };
    let mut report = String::new();
    for name in &case.covers {
        let excuse = excuses
            .no_change
            .contains_key(&format!("{} {name}", case.name));
        match without(&case.conf, name) {
            None => {
                let _ = writeln!(report, "  {name} is not in its configuration");
            }
            Some(conf) => match (run(&conf, SHORT).as_ref() == Some(&whole), excuse) {
                (true, false) => {
                    let _ = writeln!(report, "  nothing changes without {name}");
                }
                (false, true) => {
                    let _ = writeln!(report, "  {name} needs no excuse");
                }
                _ => {}
            },
        }
    }
    match report.is_empty() {
        true => Ok(()),
        false => Err(report),
    }
}

/// Longer than any time in a case, and not as long as what nginx takes for one when nothing is written.
const SHORT: Duration = Duration::from_secs(4);

#[test]
fn everything_that_is_applied_has_a_case() {
    let excuses = lists::excuses();
    let directives = config::directives();
    let applied = directives
        .iter()
        .filter(|directive| directive.treatment == Treatment::Applied)
        .map(|directive| directive.name.to_owned());
    let variables = VARIABLES.iter().map(|(name, _)| format!("${name}"));
    let wanted: BTreeSet<String> = applied.chain(variables).collect();
    let cases = crate::case::all();
    let covered = cases.iter().flat_map(|case| &case.covers);
    let covered: BTreeSet<&str> = covered
        .map(|name| name.split('/').next().unwrap_or_default())
        .collect();
    let mut report = String::new();
    for name in &wanted {
        match (
            covered.contains(name.as_str()),
            excuses.no_case.contains_key(name),
        ) {
            (false, false) => {
                let _ = writeln!(report, "{name} has neither a case nor an excuse");
            }
            (true, true) => {
                let _ = writeln!(report, "{name} has a case and needs no excuse");
            }
            _ => {}
        }
    }
    for name in excuses
        .no_case
        .keys()
        .filter(|name| !wanted.contains(*name))
    {
        let _ = writeln!(report, "{name} is excused and not applied");
    }
    let partial = std::env::var_os("PARITY").is_some();
    assert!(partial || report.is_empty(), "\n{report}");
}
