//! Loading a text that may be anything: it gets an answer, soon, and no error is without a word.

use gapura::config;
use gapura::runtime::upstream::Registry;
use gapura::runtime::{Generation, ListenerId};
use std::path::Path;
use std::time::{Duration, Instant};

/// Loads, shows what is wrong, and gives whether it could be used: then it can be made ready to serve, too.
/// Every error begins with `prefix`.
pub fn load(text: &str, name: &str, folder: &str, prefix: &str) -> bool {
    let started = Instant::now();
    let usable = match config::load_str(text, name, Path::new(folder)) {
        Ok(loaded) => {
            let mut listeners = 0..;
            let listener = |_: &_| ListenerId(listeners.next().expect("numbers do not end"));
            let built = Generation::build(&loaded.model, &Registry::new(), listener);
            assert!(built.is_ok(), "accepted, but not to be served: {text:?}");
            true
        }
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
