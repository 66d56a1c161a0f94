//! Loading a text that may be anything: it gets an answer, soon, and no error is without a word.

use gapura::config;
use std::path::Path;
use std::time::{Duration, Instant};

/// Loads, shows what is wrong, and gives whether it could be used. Every error begins with `prefix`.
pub fn load(text: &str, name: &str, folder: &str, prefix: &str) -> bool {
    let started = Instant::now();
    let usable = match config::load_str(text, name, Path::new(folder)) {
        Ok(_) => true,
        Err(errors) => {
            assert!(!errors.is_empty(), "an error without a word");
            assert!(errors.to_string().starts_with(prefix));
            false
        }
    };
    // Far above what any of these take, even unoptimised on a busy machine.
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "{:?}",
        started.elapsed()
    );
    usable
}
