//! `gapura convert`: whatever an nginx.conf means, its YAML means too.

use gapura::config::{self, CommandLine, ConvertError};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a folder of the repository with this ending, in order.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect("a folder of the repository");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == ending))
        .collect();
    paths.sort();
    paths
}

/// Converts a configuration that loads; whether it does.
fn is_converted(text: &str, name: &str, folder: &Path) -> bool {
    let Ok(loaded) = config::load_str(text, name, folder) else {
        return false;
    };
    let converted = match config::convert_str(text, name, folder) {
        Ok(converted) => converted,
        Err(ConvertError::IgnoredNames(_)) => return false,
        Err(cause) => panic!("{name}: {cause}"),
    };
    let yaml = &converted.yaml;
    match config::load_str(yaml, "converted.yaml", folder) {
        Ok(again) => assert_eq!(again.model, loaded.model, "{name}:\n{yaml}"),
        Err(errors) => panic!("{name}: {errors}\n{yaml}"),
    }
    true
}

#[test]
fn what_is_converted_means_the_same() {
    let mut converted = 0;
    for folder in [
        "tests/config/nginx/pairs",
        "tests/config/nginx/converted",
        "conf/nginx",
    ] {
        for path in files(folder, "conf") {
            let text = fs::read_to_string(&path).expect("a configuration");
            let name = path.display().to_string();
            let folder = path.parent().expect("a folder");
            assert!(is_converted(&text, &name, folder), "{name} does not load");
            converted += 1;
        }
    }
    for path in files("tests/config/nginx", "test") {
        let text = fs::read_to_string(&path).expect("a fixture");
        let conf = text.split("\n----").next().unwrap_or_default();
        converted += usize::from(is_converted(
            conf,
            "fixture.conf",
            &root().join("tests/config"),
        ));
    }
    for path in files("tests/parity/cases", "case") {
        let text = fs::read_to_string(&path).expect("a case");
        let conf = text.split("--- conf\n").nth(1).expect("a configuration");
        let conf = conf.split("\n--- ").next().unwrap_or_default();
        let conf = filled_in(conf);
        let name = format!("{}.conf", path.display());
        converted += usize::from(is_converted(&conf, &name, root()));
    }
    let relative =
        "events {} http { server { location / { root a; } location /b/ { alias c/; } } }";
    assert!(is_converted(relative, "relative.conf", root()));
    assert!(converted > 30, "only {converted} were converted");
}

/// A parity case's configuration with something for its placeholders.
fn filled_in(conf: &str) -> String {
    let mut text = conf.replace("DIR", "/tmp/dir");
    for number in (1..10).rev() {
        let suffix = if number == 1 {
            String::new()
        } else {
            format!("_{number}")
        };
        for (word, port) in [("LISTEN", 8000), ("BACKEND", 3000), ("REFUSED", 4000)] {
            let address = format!("127.0.0.1:{}", port + number);
            text = text.replace(&format!("{word}{suffix}"), &address);
        }
        text = text.replace(&format!("PORT{suffix}"), &(8000 + number).to_string());
    }
    match text.contains("events") {
        true => text,
        false => format!("events {{}}\nhttp {{\n{text}\n}}\n"),
    }
}

/// Short, and with its comments. `UPDATE_FIXTURES=1` writes it.
#[test]
fn a_converted_configuration_reads_well() {
    for conf in files("tests/config/nginx/converted", "conf") {
        let converted = match config::convert(&conf, &CommandLine::default()) {
            Ok(converted) => converted.yaml,
            Err(cause) => panic!("{cause}"),
        };
        let path = conf.with_extension("yaml");
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&path, &converted).expect("the fixture can be written");
        }
        let expected = fs::read_to_string(&path).expect("the fixture");
        assert_eq!(
            converted, expected,
            "run with UPDATE_FIXTURES=1 and read the diff"
        );
    }
}

#[test]
fn what_cannot_be_used_or_is_yaml_is_not_converted() {
    let broken = config::convert_str(
        "events {} http { server { listen x y; } }",
        "a.conf",
        root(),
    );
    assert!(
        matches!(broken, Err(ConvertError::Unusable(_))),
        "{broken:?}"
    );
    let yaml = config::convert(&root().join("conf/gapura.yaml"), &CommandLine::default());
    assert!(matches!(yaml, Err(ConvertError::Yaml)), "{yaml:?}");
}
