//! Any text as an nginx.conf: lexer, parser, reader and resolver end and do not panic, and errors say
//! something.

#![no_main]

use gapura::config;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| {
    // What files of this machine hold is not what is tried out, and devices do not end.
    if text.contains("include") && text.contains("/dev") {
        return;
    }
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/config"));
    if let Err(errors) = config::load_str(text, "nginx.conf", folder) {
        assert!(!errors.to_string().is_empty(), "an error without a word");
    }
});
