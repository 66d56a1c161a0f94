//! The configuration: fixtures in `tests/config/` (those of nginx's language in `nginx/` there), and
//! the examples under `conf/`.
//!
//! A fixture is the input, a line of dashes, and the expected output: the whole text of all errors,
//! of all warnings, or `ok`. `UPDATE_FIXTURES=1 cargo test --test config` writes what is said now; read the diff.

use gapura::config;
use std::path::{Path, PathBuf};

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn fixtures_say_what_they_said() {
    let fixtures = files_below(&root().join("tests/config"), "test");
    assert!(fixtures.len() >= 20, "the fixtures were not found");
    let mut wrong = Vec::new();
    for fixture in fixtures {
        let text = std::fs::read_to_string(&fixture).expect("a fixture");
        let (input, expected) = text.split_once("\n----------\n").expect("a line of dashes");
        let input = format!("{input}\n");
        let nginx = fixture
            .parent()
            .is_some_and(|folder| folder.ends_with("nginx"));
        let name = if nginx { "nginx.conf" } else { "gapura.yaml" };
        let said = match config::load_str(&input, name, Path::new("tests/config")) {
            Ok(loaded) if !loaded.warnings.is_empty() => {
                let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
                warnings.join("\n")
            }
            Ok(_) => "ok".to_owned(),
            Err(errors) => errors.to_string(),
        };
        if said.trim_end() == expected.trim_end() {
            continue;
        }
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            let text = format!("{input}----------\n{said}\n");
            std::fs::write(&fixture, text).expect("a fixture can be written");
        }
        wrong.push(format!("{}:\n{said}", fixture.display()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_example_loads() {
    let mut examples = files_below(&root().join("conf"), "yaml");
    examples.extend(files_below(&root().join("conf"), "yml"));
    examples.push(root().join("conf/nginx/nginx.conf"));
    assert!(examples.len() >= 6, "the examples were not found");
    for example in examples {
        match config::load(&example) {
            Ok(loaded) => assert!(loaded.warnings.is_empty(), "{}", example.display()),
            Err(errors) => panic!("{}:\n{errors}", example.display()),
        }
    }
}
