//! Any text as an nginx.conf: what loads can be converted to YAML that means the same.

#![no_main]

use gapura::config::{self, ConvertError};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| {
    // What files of this machine hold is not what is tried out, and devices do not end.
    if text.contains("include") && text.contains("/dev") {
        return;
    }
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/config"));
    if let Err(ConvertError::Unequal(cause)) = config::convert_str(text, "nginx.conf", folder) {
        panic!("{cause}");
    }
});
