//! Logs: access log lines, written off the request path, and error log lines, written at once.
//!
//! | what | file |
//! |---|---|
//! | access logs and their threads | `access` |
//! | access logs whose files each request names | `named` |
//! | error logs of the process, of sites and of locations | `error` |
//! | the `log` crate's lines | `process` |
//! | files that another process opens | `opener` |
//! | messages to a syslog server | `syslog` |

mod access;
mod error;
mod gathered;
mod named;
mod opener;
mod output;
pub mod process;
mod syslog;

pub use error::{ErrorLogs, OpenError};
pub use opener::OpenLog;

use crate::model::{self, LogBuffer, LogTarget, Model};
use crate::runtime::{ErrorLog, LogSink, NamedLogSink};
use access::Writer;
use error::ErrorFiles;
use named::NamedFiles;
use opener::Opener;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};
use syslog::SyslogSink;

/// How long an end or a reopening waits for targets that take nothing.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// What is written, by its target and how it is buffered.
type Writers = HashMap<(LogTarget, Option<LogBuffer>), Weak<Writer>>;

/// Every log's target, kept across generations.
#[derive(Debug, Default)]
pub struct LogFiles {
    /// Held by the generations that log to them.
    writers: Mutex<Writers>,
    opener: Arc<Opener>,
    named: Arc<NamedFiles>,
    errors: Mutex<ErrorFiles>,
}

impl LogFiles {
    /// The sink of lines that name their files.
    pub fn named(&self) -> Arc<dyn NamedLogSink> {
        Arc::clone(&self.named) as _
    }

    /// The sink of an access log's target. The same target gives the same sink.
    pub fn sink(&self, target: &LogTarget, buffer: Option<&LogBuffer>) -> Arc<dyn LogSink> {
        if let LogTarget::Syslog(syslog) = target {
            return Arc::new(SyslogSink::new(syslog));
        }
        let mut writers = self.writers.lock();
        writers.retain(|_, writer| writer.strong_count() > 0);
        let key = (target.clone(), buffer.cloned());
        if let Some(writer) = writers.get(&key).and_then(Weak::upgrade) {
            return writer;
        }
        let writer = Arc::new(Writer::new(target, buffer, &self.opener));
        writers.insert(key, Arc::downgrade(&writer));
        writer
    }

    /// Opens every error log of a model, and makes sure that the files of its access logs can be opened.
    ///
    /// # Errors
    /// A file cannot be opened.
    pub fn error_logs(&self, model: &Model) -> Result<ErrorLogs, OpenError> {
        access::check(model, &self.opener)?;
        self.errors.lock().open(model, &self.opener)
    }

    /// Opens one error log: with this list.
    ///
    /// # Errors
    /// A file cannot be opened.
    pub fn error_log(&self, list: &[model::ErrorLog]) -> Result<Arc<ErrorLog>, OpenError> {
        self.errors.lock().log(list, &self.opener)
    }

    /// Waits until every line handed over so far is written, but not for a target that has stopped
    /// taking any.
    pub fn flush(&self) {
        let until = Instant::now() + FLUSH_LIMIT;
        for writer in self.writers() {
            writer.flush(until);
        }
        self.named.flush(until);
    }

    /// Opens every file again: after it was moved away.
    pub fn reopen(&self) {
        self.errors.lock().reopen(&self.opener);
        process::reopen(&self.opener);
        for writer in self.writers() {
            writer.reopen(Instant::now() + FLUSH_LIMIT);
        }
    }

    /// Opens the logs of a model for a process that may not, and gives those that are new to it.
    pub fn keep(&self, model: &Model) -> Vec<OpenLog> {
        self.opener.keep(model, process::file())
    }

    /// Closes what was [kept](Self::keep), or taken over, for other models, but for what is still written to.
    pub fn forget_others(&self, model: &Model) {
        let mut written: Vec<PathBuf> = process::file().into_iter().collect();
        written.extend(self.errors.lock().paths());
        let writers = self.writers();
        written.extend(writers.iter().filter_map(|writer| writer.path()));
        self.opener.forget_others(model, written);
    }

    /// Opens what is kept again, and gives it. This user owns it then.
    pub fn reopen_kept(&self, user: Option<u32>) -> Vec<OpenLog> {
        let opened = self.opener.reopen(user);
        self.reopen();
        opened
    }

    /// Takes logs that another process has opened.
    pub fn take_over(&self, files: Vec<OpenLog>) {
        self.opener.take_over(files);
    }

    fn writers(&self) -> Vec<Arc<Writer>> {
        self.writers
            .lock()
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }
}

fn wait_a_little() {
    thread::sleep(Duration::from_millis(5));
}
