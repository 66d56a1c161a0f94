//! Error logs: files, standard error and syslog servers, written to at once and without a lock.

use super::opener::{Opener, cannot_reopen};
use super::syslog::SyslogSink;
use crate::model::{self, Level, LogTarget, Model};
use crate::os_error::OsError;
use crate::runtime::{ErrorLog, ErrorSink};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// The error logs of a model, open.
#[derive(Debug, Default)]
pub struct ErrorLogs {
    logs: HashMap<Vec<model::ErrorLog>, Arc<ErrorLog>>,
    nothing: Arc<ErrorLog>,
}

impl ErrorLogs {
    /// Those of a location.
    pub fn of(&self, logs: &[model::ErrorLog]) -> Arc<ErrorLog> {
        Arc::clone(self.logs.get(logs).unwrap_or(&self.nothing))
    }
}

/// A log file that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("[emerg] open() \"{path}\" failed ({cause})", path = .path.display(), cause = OsError(.cause))]
pub struct OpenError {
    pub(super) path: PathBuf,
    #[source]
    pub(super) cause: io::Error,
}

/// The files of error logs that are open, held by the generations that log to them.
#[derive(Debug, Default)]
pub(super) struct ErrorFiles(HashMap<PathBuf, Weak<ErrorFile>>);

impl ErrorFiles {
    pub(super) fn open(&mut self, model: &Model, opener: &Opener) -> Result<ErrorLogs, OpenError> {
        self.0.retain(|_, file| file.strong_count() > 0);
        let mut opened = ErrorLogs::default();
        let sites = model.sites.iter();
        let locations = sites.flat_map(|site| site.locations.iter().chain([&site.nowhere]));
        let lists = locations.map(|location| &location.error_log);
        for list in lists.chain([&model.process.error_log]) {
            if list.is_empty() || opened.logs.contains_key(list) {
                continue;
            }
            opened.logs.insert(list.clone(), self.log(list, opener)?);
        }
        Ok(opened)
    }

    /// The log that lines go to with this list.
    pub(super) fn log(
        &mut self,
        list: &[model::ErrorLog],
        opener: &Opener,
    ) -> Result<Arc<ErrorLog>, OpenError> {
        let outlet = |log: &model::ErrorLog| Ok((self.sink(&log.target, opener)?, log.level));
        let outlets = list.iter().map(outlet).collect::<Result<_, _>>()?;
        Ok(Arc::new(ErrorLog::new(outlets)))
    }

    fn sink(
        &mut self,
        target: &LogTarget,
        opener: &Opener,
    ) -> Result<Arc<dyn ErrorSink>, OpenError> {
        Ok(match target {
            LogTarget::Stdout => Arc::new(Stdout),
            // An error log's file has a fixed name.
            LogTarget::Stderr | LogTarget::Named(_) => Arc::new(Stderr),
            LogTarget::Syslog(syslog) => Arc::new(SyslogSink::new(syslog)),
            LogTarget::File(path) => {
                if let Some(file) = self.0.get(path).and_then(Weak::upgrade) {
                    return Ok(file);
                }
                let failed = |cause| OpenError {
                    path: path.clone(),
                    cause,
                };
                let file = Arc::new(ErrorFile::open(path, opener).map_err(failed)?);
                self.0.insert(path.clone(), Arc::downgrade(&file));
                file
            }
        })
    }

    /// The files that are written to.
    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        let files = self.0.values().filter_map(Weak::upgrade);
        files.map(|file| file.path().to_owned())
    }

    pub(super) fn reopen(&self, opener: &Opener) {
        for file in self.0.values().filter_map(Weak::upgrade) {
            file.reopen(opener);
        }
    }
}

/// A file that lines are appended to. Each is one call of write(2), so that lines of threads and of
/// processes do not mix.
#[derive(Debug)]
pub(super) struct ErrorFile {
    path: PathBuf,
    file: File,
}

impl ErrorFile {
    pub(super) fn open(path: &Path, opener: &Opener) -> io::Result<Self> {
        // The process may go to another folder.
        let path = std::path::absolute(path)?;
        let file = opener.append(&path)?;
        Ok(Self { path, file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts what is now at its path under the same descriptor.
    pub(super) fn reopen(&self, opener: &Opener) {
        match opener.append(&self.path) {
            // SAFETY: both descriptors are open and ours. Writers of other threads see the one file
            // or the other.
            Ok(new) => unsafe {
                libc::dup3(new.as_raw_fd(), self.file.as_raw_fd(), libc::O_CLOEXEC);
            },
            // The file that was moved away is better than none.
            Err(cause) => cannot_reopen(&self.path, &cause),
        }
    }
}

impl ErrorSink for ErrorFile {
    fn write(&self, _: Level, line: &str) {
        write_line(&self.file, line);
    }
}

#[derive(Debug)]
pub(super) struct Stderr;

impl ErrorSink for Stderr {
    fn write(&self, _: Level, line: &str) {
        write_line(io::stderr(), line);
    }
}

#[derive(Debug)]
struct Stdout;

impl ErrorSink for Stdout {
    fn write(&self, _: Level, line: &str) {
        write_line(io::stdout(), line);
    }
}

fn write_line(mut out: impl Write, line: &str) {
    let mut bytes = Vec::with_capacity(line.len() + 1);
    bytes.extend_from_slice(line.as_bytes());
    bytes.push(b'\n');
    // A log that cannot be written leaves nowhere to say so.
    let _ = out.write_all(&bytes);
}
