//! docs/nginx.md says where answers differ. `UPDATE_FIXTURES=1` writes it.

use crate::case;
use crate::lists::{self, Kind};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn the_documentation_says_where_answers_differ() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/nginx.md");
    let written = fs::read_to_string(&path).expect("docs/nginx.md");
    let (before, rest) = written.split_once(HEADING).expect("the heading");
    let end = rest.find("\n## ").expect("a heading after it");
    let mut list = String::new();
    for (kind, reason) in lists::differences().into_values() {
        if kind == Kind::Deliberate {
            list += &format!("- {reason}\n");
        }
    }
    let expected = format!(
        "{before}{HEADING}\n{INTRODUCTION}\n\n{list}{}",
        &rest[end..]
    );
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(&path, &expected).expect("docs/nginx.md can be written");
    }
    assert!(
        written == expected,
        "run with UPDATE_FIXTURES=1 and read the diff"
    );
}

const HEADING: &str = "## Where answers differ on purpose\n";
const INTRODUCTION: &str =
    "The tests send the same requests to nginx and to Gapura. These differences are meant:";

/// A difference that no case shows is no difference.
#[test]
fn every_difference_shows_in_a_case() {
    if std::env::var_os("PARITY").is_some() {
        return;
    }
    let cases = case::all();
    let exchanges = cases.iter().flat_map(|case| &case.exchanges);
    let meant = exchanges.flat_map(|exchange| &exchange.differs);
    let meant = meant.chain(cases.iter().flat_map(|case| &case.differs));
    let shown = meant.map(|differs| &differs.key);
    let open = cases.iter().filter_map(|case| case.open.as_ref());
    let shown: BTreeSet<&String> = shown.chain(open).collect();
    let known = lists::differences();
    let hidden: Vec<_> = known.keys().filter(|key| !shown.contains(key)).collect();
    assert!(hidden.is_empty(), "no case shows {hidden:?}");
}
