//! The error log, in nginx's line format: `2026/11/21 19:00:00 [error] 123#7: message`.

use env_logger::{Builder, Env, Target};
use log::{Level, Record};
use std::io::{self, Write};
use std::path::Path;

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
        builder.target(Target::Pipe(Box::new(crate::access_log::append(path)?)));
    }
    // An error means that the embedding program has set a logger: its choice holds.
    let _ = builder.try_init();
    Ok(())
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
