//! Where a location's log lines go.

use crate::model::Level;
use std::fmt::{self, Display, Write};
use std::sync::Arc;

/// Takes finished access log lines. Called from the request path, so it must not block.
pub trait LogSink: fmt::Debug + Send + Sync {
    /// Takes one line, without its line end.
    fn write(&self, line: &[u8]);
}

/// Takes finished access log lines for files whose names come with them. It must not block.
pub trait NamedLogSink: fmt::Debug + Send + Sync {
    /// Takes one line, without its line end, and the name of its file. The line is lost, as with
    /// nginx, when the folder that the request's files come from is not there.
    fn write(&self, folder: Vec<u8>, file: Vec<u8>, line: Vec<u8>);
}

/// Takes finished error log lines.
pub trait ErrorSink: fmt::Debug + Send + Sync {
    /// Takes one line: time, level and process included, without its line end.
    fn write(&self, level: Level, line: &str);
}

/// The error logs of a location.
#[derive(Debug, Default)]
pub struct ErrorLog {
    /// Each with the least severe lines it takes. None is where the process says everything.
    outlets: Vec<(Arc<dyn ErrorSink>, Level)>,
}

impl ErrorLog {
    /// Error logs with these sinks.
    pub fn new(outlets: Vec<(Arc<dyn ErrorSink>, Level)>) -> Self {
        Self { outlets }
    }

    /// The least severe lines that anyone takes.
    pub fn level(&self) -> Option<Level> {
        self.outlets.iter().map(|(_, level)| *level).max()
    }

    /// Writes a message to every log that takes its level.
    pub fn write(&self, level: Level, message: impl Display) {
        if self.outlets.is_empty() {
            // The process's own, which may be the embedding program's.
            return match level {
                Level::Emerg | Level::Alert | Level::Crit => log::error!("[{level}] {message}"),
                Level::Error => log::error!("{message}"),
                Level::Warn => log::warn!("{message}"),
                Level::Notice => log::info!("{message}"),
                Level::Info => log::debug!("{message}"),
                Level::Debug => log::trace!("{message}"),
            };
        }
        if self.level().is_none_or(|least| level > least) {
            return;
        }
        let line = error_line(level, &message);
        for (sink, least) in &self.outlets {
            if level <= *least {
                sink.write(level, &line);
            }
        }
    }
}

/// nginx's form: `2026/11/21 19:00:00 [error] 123#7: message`. Cut where nginx cuts it.
fn error_line(level: Level, message: &dyn Display) -> String {
    let now = jiff::Zoned::now();
    // SAFETY: gettid has no arguments and cannot fail.
    let thread = unsafe { libc::gettid() };
    let process = std::process::id();
    let mut line = now.strftime("%Y/%m/%d %H:%M:%S").to_string();
    // Writing to a String cannot fail.
    let _ = write!(line, " [{level}] {process}#{thread}: {message}");
    if line.len() > LONGEST {
        line.truncate(line.floor_char_boundary(LONGEST));
    }
    line
}

/// nginx's, less the line end.
const LONGEST: usize = 2047;
