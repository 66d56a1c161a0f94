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
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// Lines that may wait for one target.
const QUEUE: usize = 8192;
/// Bytes gathered before they are written although more lines are waiting.
const BATCH: usize = 64 * 1024;
/// How long an end or a reopening waits for targets that take nothing.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// The writers of every target, kept across generations.
#[derive(Debug, Default)]
pub struct LogFiles {
    /// Held by the generations that log to them.
    writers: Mutex<HashMap<LogTarget, Weak<Writer>>>,
}

impl LogFiles {
    /// The sink of a target. The same target gives the same sink.
    pub fn sink(&self, target: &LogTarget) -> Arc<dyn LogSink> {
        let mut writers = self.writers.lock();
        writers.retain(|_, writer| writer.strong_count() > 0);
        if let Some(writer) = writers.get(target).and_then(Weak::upgrade) {
            return writer;
        }
        let writer = Arc::new(Writer {
            target: target.clone(),
            queue: OnceLock::new(),
            dropped: AtomicU64::new(0),
        });
        writers.insert(target.clone(), Arc::downgrade(&writer));
        writer
    }

    /// Waits until every line handed over so far is written, but not for a target that has stopped
    /// taking any.
    pub fn flush(&self) {
        let until = Instant::now() + FLUSH_LIMIT;
        for writer in self.writers() {
            writer.flush(until);
        }
    }

    /// Has every file opened again before its next line: after it was moved away.
    pub fn reopen(&self) {
        for writer in self.writers() {
            writer.tell(Message::Reopen, Instant::now() + FLUSH_LIMIT);
        }
    }

    fn writers(&self) -> Vec<Arc<Writer>> {
        self.writers
            .lock()
            .values()
            .filter_map(Weak::upgrade)
            .collect()
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
    Reopen,
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

    fn flush(&self, until: Instant) {
        let (done, wait) = sync_channel(1);
        if self.tell(Message::Flush(done), until) {
            // An error means that the target takes nothing, or that its thread is gone.
            let _ = wait.recv_timeout(until.saturating_duration_since(Instant::now()));
        }
    }

    /// Hands a message over, waiting for a place in the queue. `false` when there was none, or when
    /// there is no thread because there never was a line.
    fn tell(&self, mut message: Message, until: Instant) -> bool {
        let Some(queue) = self.queue.get() else {
            return false;
        };
        loop {
            match queue.try_send(message) {
                Ok(()) => return true,
                Err(TrySendError::Full(back)) if Instant::now() < until => message = back,
                Err(_) => return false,
            }
            thread::sleep(Duration::from_millis(5));
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
                Message::Reopen => {
                    output.write(&batch);
                    batch.clear();
                    output.open = None;
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
        if bytes.is_empty() {
            return;
        }
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
        let sink = files.sink(&LogTarget::File(path.clone()));
        for number in 0..1000 {
            sink.write(format!("line {number}").into_bytes());
        }
        files.flush();
        let text = std::fs::read_to_string(&path).expect("written");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 1000);
        assert_eq!((lines[0], lines[999]), ("line 0", "line 999"));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
