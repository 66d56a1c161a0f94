//! Access log lines, written off the request path.
//!
//! A request renders its line and hands it to a thread of the target's own through a bounded
//! queue. The thread writes whatever is waiting in one go and flushes when nothing more is. When a
//! target cannot keep up its lines are dropped and counted, so that a slow disk never stops a
//! request; when it cannot be written the error log says so once, until it works again.

use crate::model::LogTarget;
use crate::runtime::LogSink;
use log::{error, info, warn};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;

/// Lines that may wait for one target.
const QUEUE: usize = 8192;
/// Bytes gathered before they are written although more lines are waiting.
const BATCH: usize = 64 * 1024;

/// The writers of every target, kept across generations.
#[derive(Debug, Default)]
pub struct LogFiles {
    writers: Mutex<HashMap<LogTarget, Arc<Writer>>>,
}

impl LogFiles {
    /// The sink of a target. The same target gives the same sink.
    pub fn sink(&self, target: &LogTarget) -> Arc<dyn LogSink> {
        let mut writers = self.writers.lock();
        let writer = writers.entry(target.clone()).or_insert_with(|| {
            let queue = OnceLock::new();
            Arc::new(Writer {
                target: target.clone(),
                queue,
                dropped: AtomicU64::new(0),
            })
        });
        Arc::clone(writer) as Arc<dyn LogSink>
    }

    /// Waits until every line handed over so far is written.
    pub fn flush(&self) {
        let writers: Vec<_> = self.writers.lock().values().cloned().collect();
        for writer in writers {
            writer.flush();
        }
    }
}

/// One target and the queue of its thread.
#[derive(Debug)]
struct Writer {
    target: LogTarget,
    /// Made with the first line: a server that has not begun to serve must have no threads yet.
    queue: OnceLock<SyncSender<Message>>,
    dropped: AtomicU64,
}

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

impl LogSink for Writer {
    fn write(&self, line: Vec<u8>) {
        match self.queue().try_send(Message::Line(line)) {
            Ok(()) => {
                if self.dropped.load(Ordering::Relaxed) > 0 {
                    let dropped = self.dropped.swap(0, Ordering::Relaxed);
                    warn!(
                        "access log {}: {dropped} lines were dropped",
                        describe(&self.target)
                    );
                }
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Writer {
    fn queue(&self) -> &SyncSender<Message> {
        self.queue.get_or_init(|| {
            let (sender, receiver) = sync_channel(QUEUE);
            let target = self.target.clone();
            let thread = thread::Builder::new().name("access log".into());
            if let Err(cause) = thread.spawn(move || drain(&target, &receiver)) {
                error!("access log {}: no thread: {cause}", describe(&self.target));
            }
            sender
        })
    }

    fn flush(&self) {
        let Some(queue) = self.queue.get() else {
            return;
        };
        let (done, wait) = sync_channel(1);
        if queue.send(Message::Flush(done)).is_ok() {
            // An error means that the thread is gone, and with it every line it will ever write.
            let _ = wait.recv();
        }
    }
}

/// The body of a target's thread: gathers lines and writes them until the sender is gone.
fn drain(target: &LogTarget, queue: &Receiver<Message>) {
    let mut output = Output {
        target,
        open: None,
        failed: false,
    };
    let mut batch = Vec::with_capacity(BATCH);
    while let Ok(mut message) = queue.recv() {
        let mut waiting = None;
        loop {
            match message {
                Message::Line(line) => {
                    batch.extend_from_slice(&line);
                    batch.push(b'\n');
                }
                Message::Flush(done) => {
                    waiting = Some(done);
                    break;
                }
            }
            if batch.len() >= BATCH {
                break;
            }
            match queue.try_recv() {
                Ok(next) => message = next,
                Err(_) => break,
            }
        }
        output.write(&batch);
        batch.clear();
        if let Some(done) = waiting {
            let _ = done.send(());
        }
    }
}

/// An open target, and whether its last write failed.
struct Output<'a> {
    target: &'a LogTarget,
    open: Option<Box<dyn Write>>,
    failed: bool,
}

impl Output<'_> {
    fn write(&mut self, bytes: &[u8]) {
        match self.try_write(bytes) {
            Ok(()) if self.failed => {
                self.failed = false;
                info!("access log {}: written again", describe(self.target));
            }
            Ok(()) => {}
            Err(cause) => {
                self.open = None;
                if !self.failed {
                    self.failed = true;
                    error!("access log {}: {cause}", describe(self.target));
                }
            }
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let output = match &mut self.open {
            Some(output) => output,
            None => self.open.insert(open(self.target)?),
        };
        output.write_all(bytes)?;
        output.flush()
    }
}

fn open(target: &LogTarget) -> io::Result<Box<dyn Write>> {
    Ok(match target {
        LogTarget::Stdout => Box::new(io::stdout()),
        LogTarget::Stderr => Box::new(io::stderr()),
        LogTarget::File(path) => Box::new(append(path)?),
    })
}

/// Opens a log file as nginx does: appended to, made when it is not there.
pub(crate) fn append(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn describe(target: &LogTarget) -> String {
    match target {
        LogTarget::Stdout => "standard output".into(),
        LogTarget::Stderr => "standard error".into(),
        LogTarget::File(path) => format!("\"{}\"", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_in_the_file_after_a_flush_in_their_order() {
        let folder = std::env::temp_dir().join(format!("gapura-log-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("temp folder");
        let path = folder.join("access.log");
        let files = LogFiles::default();
        let target = LogTarget::File(path.clone());
        for number in 0..1000 {
            files
                .sink(&target)
                .write(format!("line {number}").into_bytes());
        }
        files.flush();
        let text = std::fs::read_to_string(&path).expect("written");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 1000);
        assert_eq!((lines[0], lines[999]), ("line 0", "line 999"));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
