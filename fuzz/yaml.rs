//! Any text as a YAML configuration: reading it ends and does not panic, and errors say something.

#![no_main]

use gapura::config;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/config"));
    if let Err(errors) = config::load_str(text, "gapura.yaml", folder) {
        assert!(!errors.to_string().is_empty(), "an error without a word");
    }
});
