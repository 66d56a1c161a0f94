//! Two outcomes side by side.

use crate::case::{Case, Differs};
use crate::lists::{Differences, Kind};
use crate::normal::{Facets, normalise};
use crate::run::Outcome;
use std::collections::BTreeSet;
use std::fmt::Write;

/// What differs and should not, or is said to differ and does not.
pub fn differences(
    case: &Case,
    theirs: &Outcome,
    ours: &Outcome,
    known: &Differences,
) -> Result<(), String> {
    let (theirs, ours) = (normalise(case, theirs), normalise(case, ours));
    let mut report = String::new();
    let pairs = theirs.exchanges.iter().zip(&ours.exchanges);
    for (exchange, (theirs, ours)) in case.exchanges.iter().zip(pairs) {
        let found = facets(theirs, ours, &exchange.differs, known);
        if !found.is_empty() {
            let _ = write!(report, "{}\n{found}", exchange.label);
        }
    }
    let (theirs, ours) = log(&theirs.log, &ours.log);
    let found = facets(&theirs, &ours, &case.differs, known);
    if !found.is_empty() {
        let _ = write!(report, "the access log\n{found}");
    }
    match report.is_empty() {
        true => Ok(()),
        false => Err(report),
    }
}

/// The lines that differ.
fn log(theirs: &[String], ours: &[String]) -> (Facets, Facets) {
    let length = theirs.len().max(ours.len());
    let differing: Vec<usize> = (0..length)
        .filter(|&index| theirs.get(index) != ours.get(index))
        .collect();
    let facets = |lines: &[String]| {
        let lines = differing.iter().filter_map(|&index| lines.get(index));
        let lines: Vec<&str> = lines.map(String::as_str).collect();
        Facets::from([("log".to_owned(), lines.join("\n"))])
    };
    (facets(theirs), facets(ours))
}

fn facets(theirs: &Facets, ours: &Facets, meant: &[Differs], known: &Differences) -> String {
    let mut report = String::new();
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let differing: Vec<&String> = names
        .into_iter()
        .filter(|name| theirs.get(*name) != ours.get(*name))
        .collect();
    for name in &differing {
        let shown = |facets: &Facets| {
            facets
                .get(*name)
                .map_or("(nothing)".into(), |text| indented(text))
        };
        let pair = || {
            format!(
                "  {name}\n    nginx:  {}\n    gapura: {}\n",
                shown(theirs),
                shown(ours)
            )
        };
        match meant.iter().find(|meant| meant.facet == **name) {
            None => report += &pair(),
            Some(meant) if !known.contains_key(&meant.key) => {
                let _ = writeln!(report, "  {} is not in tests/parity/differences", meant.key);
            }
            Some(meant) if !meant.is_value(ours.get(*name)) => {
                let _ = write!(report, "  not as the case says:\n{}", pair());
            }
            Some(_) => {}
        }
    }
    for meant in meant {
        let open = known
            .get(&meant.key)
            .is_some_and(|(kind, _)| *kind == Kind::Open);
        if !differing.iter().any(|name| **name == meant.facet) {
            if open {
                println!("{} is open no more in {}", meant.key, meant.facet);
                continue;
            }
            let _ = writeln!(
                report,
                "  {} does not differ any more: take `{}` away",
                meant.facet, meant.key
            );
        }
    }
    report
}

impl Differs {
    /// Whether Gapura has what the case says; it need not say.
    fn is_value(&self, value: Option<&String>) -> bool {
        let expected = self.value.as_deref();
        expected.is_none_or(|expected| value.is_some_and(|value| value.trim() == expected))
    }
}

fn indented(text: &str) -> String {
    let mut text = text.replace('\n', "\n            ");
    const MOST: usize = 1500;
    if let Some((end, _)) = text.char_indices().nth(MOST) {
        text.truncate(end);
        text.push('…');
    }
    text
}
