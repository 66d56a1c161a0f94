//! The lines a process has printed so far, collected by a thread.

use super::PATIENCE;
use parking_lot::{Condvar, Mutex};
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

#[derive(Clone, Default)]
pub struct Lines {
    shared: Arc<(Mutex<Collected>, Condvar)>,
}

#[derive(Default)]
struct Collected {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    pub fn collect(source: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let (mutex_and_condvar, mut reader) = (Arc::clone(&lines.shared), BufReader::new(source));
        thread::spawn(move || {
            let (collected, changed) = &*mutex_and_condvar;
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                collected.lock().lines.push(text);
                changed.notify_all();
                line.clear();
            }
            collected.lock().ended = true;
            changed.notify_all();
        });
        lines
    }

    pub fn all(&self) -> Vec<String> {
        self.shared.0.lock().lines.clone()
    }

    /// Waits for a line; it may have been printed before.
    #[track_caller]
    pub fn wait_for(&self, what: &str, matches: impl Fn(&str) -> bool) -> String {
        let (collected, changed) = &*self.shared;
        let deadline = Instant::now() + PATIENCE;
        let mut guard = collected.lock();
        let mut seen = 0;
        loop {
            if let Some(line) = guard.lines[seen..].iter().find(|line| matches(line)) {
                return line.clone();
            }
            seen = guard.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !guard.ended,
                "no line of {what} among:\n{}",
                guard.lines.join("\n")
            );
            changed.wait_for(&mut guard, left);
        }
    }

    /// Waits until the process has closed its end.
    pub fn wait_for_end(&self) {
        let (collected, changed) = &*self.shared;
        let mut guard = collected.lock();
        changed.wait_while_for(&mut guard, |collected| !collected.ended, PATIENCE);
    }
}
