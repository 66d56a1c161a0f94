//! Access log lines, written off the request path.
//!
//! A request renders its line and leaves it with those of its thread ([`Gathered`]). A thread of the
//! target's own is told when there are some, and writes whatever there is in one go, at most once in a
//! millisecond, or in five of them when there is much. When a target cannot keep up its lines are dropped and
//! counted, so that a slow disk never stops a request; when it cannot be written the error log says so once,
//! until it works again.

use super::gathered::{Early, Gathered};
use super::opener::{self, Opener};
use super::output::{Output, describe};
use super::{OpenError, wait_a_little};
use crate::model::{LogBuffer, LogTarget, Model};
use crate::runtime::LogSink;
use log::{error, warn};
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Messages that may wait for one target's thread: of each that serves there is one, as a rule.
const QUEUE: usize = 1024;
/// Bytes gathered before they are written although more lines are waiting.
const BATCH: usize = 64 * 1024;
/// How long a thread that has written does not listen. Lines that come meanwhile are written together, and
/// nobody has to wake it for each: that costs a request more than everything else about its line.
const BREATH: Duration = Duration::from_millis(1);
/// The same when it has written much: to wake and to write are most of what a line costs then.
const LONG_BREATH: Duration = Duration::from_millis(5);
/// How many bytes are much.
const MUCH: usize = 2048;

/// One target and the queue of its thread.
pub(super) struct Writer {
    target: LogTarget,
    lines: Arc<Gathered>,
    buffer: Option<LogBuffer>,
    opener: Arc<Opener>,
    /// Made with the first line: a server that has not begun to serve must have no threads yet.
    queue: OnceLock<SyncSender<Message>>,
    dropped: AtomicU64,
}

enum Message {
    /// There are lines.
    Lines,
    Flush(SyncSender<()>),
    Reopen,
}

impl LogSink for Writer {
    fn write(&self, line: &[u8]) {
        let added = self.lines.add(line);
        if added.is_news {
            // An error means that there is no thread: that was said when it could not be made.
            let _ = self.queue().try_send(Message::Lines);
        }
        if added.is_lost {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if self.dropped.load(Ordering::Relaxed) > 0 {
            let dropped = self.dropped.swap(0, Ordering::Relaxed);
            let target = describe(&self.target);
            warn!("access log {target}: {dropped} lines were dropped");
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({})", describe(&self.target))
    }
}

impl Writer {
    pub(super) fn new(
        target: &LogTarget,
        buffer: Option<&LogBuffer>,
        opener: &Arc<Opener>,
    ) -> Self {
        Self {
            target: absolute(target),
            lines: Arc::default(),
            buffer: buffer.cloned(),
            opener: Arc::clone(opener),
            queue: OnceLock::new(),
            dropped: AtomicU64::new(0),
        }
    }

    /// The file that it writes to, if it is one.
    pub(super) fn path(&self) -> Option<PathBuf> {
        match &self.target {
            LogTarget::File(path) => Some(path.clone()),
            _ => None,
        }
    }

    fn queue(&self) -> &SyncSender<Message> {
        self.queue.get_or_init(|| {
            let (sender, receiver) = sync_channel(QUEUE);
            let (target, buffer) = (self.target.clone(), self.buffer.clone());
            let (opener, lines) = (Arc::clone(&self.opener), Arc::clone(&self.lines));
            let thread = thread::Builder::new().name("access log".into());
            let body = move || drain(&target, buffer.as_ref(), &opener, &lines, &receiver);
            if let Err(cause) = thread.spawn(body) {
                error!("access log {}: no thread: {cause}", describe(&self.target));
            }
            sender
        })
    }

    pub(super) fn flush(&self, until: Instant) {
        let (done, wait) = sync_channel(1);
        if self.tell(Message::Flush(done), until) {
            // An error means that the target takes nothing, or that its thread is gone.
            let _ = wait.recv_timeout(until.saturating_duration_since(Instant::now()));
        }
    }

    /// Has the target opened again before its next line.
    pub(super) fn reopen(&self, until: Instant) {
        self.tell(Message::Reopen, until);
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
            wait_a_little();
        }
    }
}

/// The body of a target's thread: gathers lines and writes them until the sender is gone.
fn drain(
    target: &LogTarget,
    buffer: Option<&LogBuffer>,
    opener: &Opener,
    lines: &Gathered,
    queue: &Receiver<Message>,
) {
    let mut output = Output::new(target, opener, buffer);
    let size = buffer.map_or(BATCH, |buffer| buffer.size);
    let mut batch = Vec::with_capacity(size.min(BATCH));
    // When what is held back has been for long enough.
    let mut due: Option<Instant> = None;
    let (mut early, mut text) = (Early::default(), Vec::new());
    loop {
        let message = match due {
            _ if !early.is_empty() => match queue.try_recv() {
                Ok(message) => Ok(message),
                Err(TryRecvError::Empty) => Ok(Message::Lines),
                Err(TryRecvError::Disconnected) => Err(RecvTimeoutError::Disconnected),
            },
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => queue.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        let mut message = match message {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => {
                output.write(&mut batch);
                due = None;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let mut waiting = None;
        let mut taken = 0;
        loop {
            match message {
                Message::Lines => {
                    lines.take(&mut early, &mut text);
                    taken += text.len();
                    output.take(&mut text, &mut batch);
                }
                Message::Flush(done) => {
                    lines.take_all(&mut early, &mut text);
                    output.take(&mut text, &mut batch);
                    waiting = Some(done);
                    break;
                }
                Message::Reopen => {
                    lines.take_all(&mut early, &mut text);
                    output.take(&mut text, &mut batch);
                    output.write(&mut batch);
                    output.reopen();
                }
            }
            // Also where a buffer has room for more: lines that never stop would keep its time from being looked at.
            if batch.len() >= size || taken >= BATCH {
                break;
            }
            match queue.try_recv() {
                Ok(next) => message = next,
                Err(_) => break,
            }
        }
        // It may pass without a moment in which nothing comes.
        let is_due = due.is_some_and(|due| due <= Instant::now());
        if buffer.is_none() || waiting.is_some() || is_due || batch.len() >= size {
            output.write(&mut batch);
        }
        due = match (buffer.and_then(|buffer| buffer.flush), due) {
            _ if batch.is_empty() => None,
            (Some(after), None) => Some(Instant::now() + after),
            (_, due) => due,
        };
        match waiting {
            Some(done) => {
                let _ = done.send(());
            }
            None if taken < MUCH => thread::sleep(BREATH),
            None => thread::sleep(LONG_BREATH),
        }
    }
    lines.take_all(&mut early, &mut text);
    output.take(&mut text, &mut batch);
    output.write(&mut batch);
}

/// Makes sure that every file of a model's access logs can be opened: nginx does not start when one
/// cannot.
pub(super) fn check(model: &Model, opener: &Opener) -> Result<(), OpenError> {
    let mut known = HashSet::new();
    let sites = model.sites.iter();
    let locations = sites.flat_map(|site| site.locations.iter().chain([&site.nowhere]));
    for log in locations.flat_map(|location| &location.access_log) {
        let LogTarget::File(path) = &log.target else {
            continue;
        };
        // What nobody wrote does not keep a machine that never had nginx from starting.
        let is_missing = || path.parent().is_some_and(|folder| !folder.exists());
        if path == Path::new(LogTarget::NGINX_ACCESS) && is_missing() {
            continue;
        }
        if known.insert(path) {
            opener.append(path).map_err(|cause| OpenError {
                path: path.clone(),
                cause,
            })?;
        }
    }
    Ok(())
}

/// The same target wherever the process goes.
fn absolute(target: &LogTarget) -> LogTarget {
    match target {
        LogTarget::File(path) => LogTarget::File(opener::absolute(path)),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let name = format!("gapura-log-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("temp folder");
        folder
    }

    #[test]
    fn lines_are_in_the_file_after_a_flush_in_their_order() {
        let folder = folder("flushed");
        let path = folder.join("access.log");
        let files = crate::logs::LogFiles::default();
        let sink = files.sink(&LogTarget::File(path.clone()), None);
        for number in 0..1000 {
            sink.write(format!("line {number}").as_bytes());
        }
        files.flush();
        let text = std::fs::read_to_string(&path).expect("written");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 1000);
        assert_eq!((lines[0], lines[999]), ("line 0", "line 999"));
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn what_is_held_back_is_written_in_time_though_lines_never_stop() {
        let folder = folder("held");
        let path = folder.join("access.log");
        let files = crate::logs::LogFiles::default();
        let buffer = LogBuffer {
            size: 1 << 30,
            flush: Some(Duration::from_millis(50)),
            gzip: None,
        };
        let sink = files.sink(&LogTarget::File(path.clone()), Some(&buffer));
        let end = Instant::now() + Duration::from_secs(10);
        while !std::fs::metadata(&path).is_ok_and(|file| file.len() > 0) {
            assert!(Instant::now() < end, "nothing is written");
            for _ in 0..100 {
                sink.write(b"line");
            }
        }
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
