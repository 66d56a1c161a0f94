//! The error log, in nginx's line format: `2026/11/21 19:00:00 [error] 123#7: message`.

use crate::access_log::append;
use env_logger::{Builder, Env, Target};
use log::{Level, Record};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// What is logged when `RUST_LOG` does not say otherwise: changes and errors of ours. Pingora logs
/// failed requests and health checks a second time, in other words.
const FILTER: &str = "warn,gapura=info,pingora=error,pingora_core=error,pingora_proxy=error,pingora_load_balancing=off";

/// Sends the `log` crate's records to standard error, or to a file.
///
/// # Errors
/// The file cannot be opened.
pub fn init(file: Option<&Path>) -> io::Result<()> {
    let mut builder = Builder::from_env(Env::default().default_filter_or(FILTER));
    builder.format(write_line);
    if let Some(path) = file {
        builder.target(Target::Pipe(Box::new(LogFile::open(path)?)));
    }
    // An error means that the embedding program has set a logger: its choice holds.
    let _ = builder.try_init();
    Ok(())
}

/// Has the log file opened again before its next line: after it was moved away.
pub(super) fn reopen() {
    REOPEN.store(true, Ordering::Release);
}

/// The `log` crate has one logger for the process, and so there is one word to it.
static REOPEN: AtomicBool = AtomicBool::new(false);

/// An error log that can be opened again.
struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: append(path)?,
        })
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if REOPEN.swap(false, Ordering::AcqRel) {
            // When it cannot be opened, the file that was moved away is better than none.
            if let Ok(file) = append(&self.path) {
                self.file = file;
            }
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn write_line(out: &mut env_logger::fmt::Formatter, record: &Record<'_>) -> io::Result<()> {
    let now = jiff::Zoned::now();
    let text = record.args().to_string();
    let (level, text) = match text.strip_prefix("[emerg] ") {
        Some(rest) => ("emerg", rest),
        None => (level_word(record.level()), text.as_str()),
    };
    // SAFETY: gettid has no arguments and cannot fail.
    let thread = unsafe { libc::gettid() };
    let process = std::process::id();
    writeln!(
        out,
        "{} [{level}] {process}#{thread}: {text}",
        now.strftime("%Y/%m/%d %H:%M:%S")
    )
}

/// nginx's words. What changes is `info!` here and `[notice]` there.
fn level_word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "notice",
        Level::Debug => "info",
        Level::Trace => "debug",
    }
}
