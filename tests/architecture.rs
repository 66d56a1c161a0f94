//! ARCHITECTURE.md is true: modules use only what its table gives them, and the files it names exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn modules_use_only_what_the_table_allows() {
    let allowed = table();
    let modules: BTreeSet<String> = allowed.keys().cloned().collect();
    assert_eq!(modules, modules_of_the_source(), "the table of modules");

    let mut wrong = Vec::new();
    for file in sources() {
        let Some(module) = module_of(&file) else {
            continue;
        };
        let text = fs::read_to_string(&file).expect("a source file");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for used in used_modules(code, &modules) {
                if used != module && !allowed[&module].contains(&used) {
                    let shown = file.strip_prefix(ROOT).expect("below the root").display();
                    wrong.push(format!("{shown}:{}: `{module}` uses `{used}`", number + 1));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "not in ARCHITECTURE.md's table:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_files_it_names_exist() {
    let text = architecture();
    let mut missing = Vec::new();
    let mut folder = String::new();
    for name in text.split('`').skip(1).step_by(2) {
        if !is_path(name) {
            continue;
        }
        // "`runtime/upstream/health.rs`, `background.rs`": the second is beside the first.
        let beside = format!("src/{folder}/{name}");
        let found = [name.to_owned(), format!("src/{name}"), beside];
        if !found.iter().any(|path| Path::new(ROOT).join(path).exists()) {
            missing.push(name);
        }
        if let Some((parent, _)) = name.rsplit_once('/') {
            folder = parent.to_owned();
        }
    }
    assert!(
        missing.is_empty(),
        "ARCHITECTURE.md names what is not there: {missing:?}"
    );
}

/// What each module may use, from the table under "Modules".
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = architecture();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip_while(|line| !line.starts_with("| module |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let mut allowed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let [module, _, uses] = row[..] else {
            panic!("a row of three columns: {row:?}")
        };
        let uses = match uses {
            "nothing" => BTreeSet::new(),
            "all of the above" => allowed.keys().cloned().collect(),
            words => words
                .split(", ")
                .map(|word| word.trim_matches('`').to_owned())
                .collect(),
        };
        allowed.insert(module.trim_matches('`').to_owned(), uses);
    }
    allowed
}

fn architecture() -> String {
    fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).expect("ARCHITECTURE.md")
}

/// Something such as `proxy/retry.rs`, `tests/config` or `.ci/run`, not a type, a word or a command.
fn is_path(name: &str) -> bool {
    let tokens = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    tokens && (name.contains('/') || name.ends_with(".rs")) && !name.starts_with('/')
}

fn modules_of_the_source() -> BTreeSet<String> {
    sources()
        .iter()
        .filter_map(|file| module_of(file))
        .collect()
}

/// The top-level module a file belongs to; none for the crate's roots.
fn module_of(file: &Path) -> Option<String> {
    let below = file
        .strip_prefix(Path::new(ROOT).join("src"))
        .expect("below src");
    let first = below.components().next()?.as_os_str().to_str()?;
    let module = first.strip_suffix(".rs").unwrap_or(first);
    (!["lib", "main"].contains(&module)).then(|| module.to_owned())
}

/// The modules that a line names after `crate::`, alone or in braces.
fn used_modules(code: &str, modules: &BTreeSet<String>) -> Vec<String> {
    let mut used = Vec::new();
    for after in code.split("crate::").skip(1) {
        let names: Vec<&str> = match after.strip_prefix('{') {
            Some(list) => list.split([',', '}']).collect(),
            None => vec![after],
        };
        for name in names {
            let end = name
                .trim_start()
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let word = name.trim_start();
            let word = &word[..end.unwrap_or(word.len())];
            if modules.contains(word) {
                used.push(word.to_owned());
            }
        }
    }
    used
}

fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(ROOT).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a source folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
