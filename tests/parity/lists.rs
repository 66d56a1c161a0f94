//! The lists beside the cases: differences that are meant, and excuses.

use crate::case;
use std::collections::BTreeMap;
use std::fs;

/// Why a difference is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Gapura does something else, on purpose.
    Deliberate,
    /// Gapura does what a newer nginx does than the one it is compared with.
    Older,
    /// Gapura is wrong, or not that far yet.
    Open,
}

/// The differences by key: their kind and their reason.
pub type Differences = BTreeMap<String, (Kind, String)>;

/// The file `differences`.
pub fn differences() -> Differences {
    let kinds = [
        ("deliberate", Kind::Deliberate),
        ("older", Kind::Older),
        ("open", Kind::Open),
    ];
    let entries = kinds.into_iter().flat_map(|(title, kind)| {
        let reasons = section("differences", title).into_iter();
        reasons.map(move |(key, reason)| (key, (kind, reason)))
    });
    entries.collect()
}

/// The file `excuses`.
pub struct Excuses {
    /// Directives and variables without a case.
    pub no_case: BTreeMap<String, String>,
    /// A case and what it covers, joined by a space, whose outcome stays.
    pub no_change: BTreeMap<String, String>,
}

pub fn excuses() -> Excuses {
    Excuses {
        no_case: section("excuses", "no case"),
        no_change: section("excuses", "no change"),
    }
}

/// A section of a list: lines of `name: reason` below `[title]`.
fn section(file: &str, title: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(case::folder().join(file)).expect("a list");
    let heading = format!("[{title}]");
    let lines = text.lines().skip_while(|line| *line != heading).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    let mut entries = BTreeMap::new();
    for line in lines.filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (name, reason) = line
            .split_once(": ")
            .unwrap_or_else(|| panic!("{file}: no reason: {line}"));
        let twice = entries.insert(name.to_owned(), reason.to_owned());
        assert!(twice.is_none(), "{file}: {name} is listed twice");
    }
    entries
}
