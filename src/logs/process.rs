//! What the process says of itself, through the `log` crate: to standard error or the command line's
//! file until a configuration names error logs, then to these.

use super::error::{ErrorFile, Stderr};
use super::opener::Opener;
use crate::model::Level;
use crate::runtime::{ErrorLog, ErrorSink};
use env_logger::{Builder, Env, Logger};
use log::{LevelFilter, Log, Metadata, Record};
use parking_lot::RwLock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Whose lines are logged when `RUST_LOG` does not say otherwise; how severe they must be is the
/// logs' affair. Pingora logs failed requests and health checks a second time, in other words.
const FILTER: &str = "warn,gapura=trace,pingora=error,pingora_core=error,pingora_proxy=error,pingora_load_balancing=off";

/// The `log` crate's logger.
struct ProcessLog {
    filter: Logger,
    /// Where lines go while no configuration says otherwise.
    default: RwLock<Arc<ErrorLog>>,
    file: RwLock<Option<Arc<ErrorFile>>>,
    /// Read for each line: these are few, and not those of requests.
    current: RwLock<Arc<ErrorLog>>,
}

/// The `log` crate has one logger for the process.
static LOGGER: OnceLock<ProcessLog> = OnceLock::new();

/// Sends the `log` crate's records to standard error, or to a file.
///
/// # Errors
/// The file cannot be opened.
pub fn init(file: Option<&Path>) -> io::Result<()> {
    let is_filtered = std::env::var_os("RUST_LOG").is_some();
    let filter = Builder::from_env(Env::default().default_filter_or(FILTER)).build();
    let level = match is_filtered {
        true => Level::Debug,
        false => Level::Notice,
    };
    let file = file.map(open).transpose()?.map(Arc::new);
    let default = Arc::new(outlet(file.as_ref(), level));
    let logger = LOGGER.get_or_init(|| ProcessLog {
        filter,
        current: RwLock::new(Arc::clone(&default)),
        default: RwLock::new(default),
        file: RwLock::new(file),
    });
    // An error means that the embedding program has set a logger: its choice holds.
    if log::set_logger(logger).is_ok() {
        logger.set_max_level();
    }
    Ok(())
}

fn outlet(file: Option<&Arc<ErrorFile>>, level: Level) -> ErrorLog {
    let sink: Arc<dyn ErrorSink> = match file {
        Some(file) => Arc::clone(file) as _,
        None => Arc::new(Stderr),
    };
    ErrorLog::new(vec![(sink, level)])
}

/// Sends lines to this file instead of standard error, of nginx's level for a file that nobody named.
///
/// # Errors
/// The file cannot be opened.
pub fn send_to(file: &Path) -> io::Result<()> {
    if let Some(logger) = LOGGER.get() {
        let file = Arc::new(open(file)?);
        let default = Arc::new(outlet(Some(&file), Level::Error));
        *logger.file.write() = Some(file);
        *logger.default.write() = Arc::clone(&default);
        replace(default);
    }
    Ok(())
}

/// Writes a line of this process to a log that it does not send its lines to yet.
pub fn tell(log: &ErrorLog, text: &str) {
    let (level, message) = level_of(log::Level::Error, text);
    log.write(level, message);
}

/// Sends lines to the logs that a configuration names from now on; none is where they went first.
pub fn replace(logs: Arc<ErrorLog>) {
    if let Some(logger) = LOGGER.get() {
        *logger.current.write() = match logs.level() {
            Some(_) => logs,
            None => Arc::clone(&logger.default.read()),
        };
        logger.set_max_level();
    }
}

fn open(file: &Path) -> io::Result<ErrorFile> {
    ErrorFile::open(file, &Opener::default())
}

/// The file that lines go to while no configuration says otherwise.
pub(super) fn file() -> Option<PathBuf> {
    let file = LOGGER.get()?.file.read();
    file.as_ref().map(|file| file.path().to_owned())
}

/// Opens that file again: after it was moved away.
pub(super) fn reopen(opener: &Opener) {
    if let Some(logger) = LOGGER.get()
        && let Some(file) = &*logger.file.read()
    {
        file.reopen(opener);
    }
}

impl ProcessLog {
    /// Lets nobody make a line that no log takes.
    fn set_max_level(&self) {
        let wanted = match self.current.read().level() {
            None => LevelFilter::Off,
            Some(Level::Emerg | Level::Alert | Level::Crit | Level::Error) => LevelFilter::Error,
            Some(Level::Warn) => LevelFilter::Warn,
            Some(Level::Notice) => LevelFilter::Info,
            Some(Level::Info) => LevelFilter::Debug,
            Some(Level::Debug) => LevelFilter::Trace,
        };
        log::set_max_level(wanted.min(self.filter.filter()));
    }
}

impl Log for ProcessLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.filter.matches(record) {
            return;
        }
        let text = record.args().to_string();
        let (level, message) = level_of(record.level(), &text);
        let logs = Arc::clone(&self.current.read());
        logs.write(level, message);
    }

    fn flush(&self) {}
}

/// nginx's level of a line. What changes is `info!` here and `[notice]` there; the levels above
/// `error!` stand in front of the text.
fn level_of(level: log::Level, text: &str) -> (Level, &str) {
    for severe in [Level::Emerg, Level::Alert, Level::Crit] {
        let rest = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_prefix(Level::WORDS[severe as usize].1))
            .and_then(|rest| rest.strip_prefix("] "));
        if let Some(rest) = rest {
            return (severe, rest);
        }
    }
    let level = match level {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warn,
        log::Level::Info => Level::Notice,
        log::Level::Debug => Level::Info,
        log::Level::Trace => Level::Debug,
    };
    (level, text)
}
