//! The open target of an access log: written, opened again, and said once when it fails.

use super::opener::Opener;
use crate::model::{LogBuffer, LogTarget};
use crate::os_error::OsError;
use flate2::Compression;
use flate2::write::GzEncoder;
use log::{error, info};
use std::io::{self, Write};

/// An open target.
pub(super) struct Output<'a> {
    target: &'a LogTarget,
    opener: &'a Opener,
    buffer: Option<&'a LogBuffer>,
    open: Option<Box<dyn Write>>,
    /// It was moved away, and could not be opened again.
    is_stale: bool,
    /// What fails was said.
    has_failed: bool,
}

impl<'a> Output<'a> {
    /// It is opened with its first lines.
    pub(super) fn new(
        target: &'a LogTarget,
        opener: &'a Opener,
        buffer: Option<&'a LogBuffer>,
    ) -> Self {
        Self {
            target,
            opener,
            buffer,
            open: None,
            is_stale: false,
            has_failed: false,
        }
    }

    /// The new file is there at once, as nginx's. As long as there can be none, the one that was moved away is
    /// better.
    pub(super) fn reopen(&mut self) {
        match open(self.target, self.opener) {
            Ok(new) => (self.open, self.is_stale) = (Some(new), false),
            Err(cause) => {
                self.is_stale = true;
                self.say_once(&self.failed("open()", &cause));
            }
        }
    }

    /// Says what went wrong, if it did not before.
    fn say_once(&mut self, said: &str) {
        if !std::mem::replace(&mut self.has_failed, true) {
            error!("{said}");
        }
    }

    /// Moves lines to those that wait, and writes these first when they would become too many for the
    /// log's buffer.
    pub(super) fn take(&mut self, lines: &mut Vec<u8>, batch: &mut Vec<u8>) {
        let Some(buffer) = self.buffer else {
            batch.append(lines);
            return;
        };
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            if batch.len() + line.len() > buffer.size {
                self.write(batch);
            }
            batch.extend_from_slice(line);
        }
        lines.clear();
    }

    /// Writes what was gathered, and forgets it.
    pub(super) fn write(&mut self, batch: &mut Vec<u8>) {
        if batch.is_empty() {
            return;
        }
        if self.is_stale {
            self.reopen();
        }
        let written = match self.buffer.and_then(|buffer| buffer.gzip) {
            None => self.try_write(batch),
            Some(level) => compress(batch, level)
                .map_err(|cause| self.failed("write() to", &cause))
                .and_then(|bytes| self.try_write(&bytes)),
        };
        batch.clear();
        match written {
            Ok(()) if self.has_failed && !self.is_stale => {
                self.has_failed = false;
                info!("access log {}: written again", describe(self.target));
            }
            Ok(()) => {}
            Err(said) => {
                self.open = None;
                self.say_once(&said);
            }
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let output = match &mut self.open {
            Some(output) => output,
            None => {
                let opened = open(self.target, self.opener);
                let opened = opened.map_err(|cause| self.failed("open()", &cause))?;
                self.open.insert(opened)
            }
        };
        let written = output.write_all(bytes).and_then(|()| output.flush());
        written.map_err(|cause| self.failed("write() to", &cause))
    }

    /// nginx's words for what went wrong.
    fn failed(&self, call: &str, cause: &io::Error) -> String {
        let target = describe(self.target);
        format!("{call} {target} failed ({})", OsError(cause))
    }
}

/// A member of a gzip file: several behind each other are one file.
fn compress(bytes: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn open(target: &LogTarget, opener: &Opener) -> io::Result<Box<dyn Write>> {
    Ok(match target {
        LogTarget::Stdout => Box::new(io::stdout()),
        LogTarget::Stderr => Box::new(io::stderr()),
        LogTarget::File(path) => Box::new(opener.append(path)?),
        LogTarget::Syslog(_) | LogTarget::Named(_) => return Err(io::ErrorKind::Unsupported.into()),
    })
}

/// What a log is called in messages.
pub(super) fn describe(target: &LogTarget) -> String {
    match target {
        LogTarget::Stdout => "standard output".into(),
        LogTarget::Stderr => "standard error".into(),
        LogTarget::File(path) => format!("\"{}\"", path.display()),
        LogTarget::Syslog(_) | LogTarget::Named(_) => "elsewhere".into(),
    }
}
