//! Access logs whose files' names have variables: one thread opens the file of each line, as nginx
//! does, and closes it when the lines that wait for it are written.

use super::opener::NEW_FILE;
use crate::os_error::OsError;
use crate::runtime::NamedLogSink;
use log::error;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// A line and where it belongs.
#[derive(Debug)]
struct Line {
    folder: Vec<u8>,
    file: Vec<u8>,
    text: Vec<u8>,
}

/// Lines that may wait.
const QUEUE: usize = 8192;

/// Files that are written in one go.
const BATCH: usize = 256;

/// How often a file that cannot be opened is worth a line: clients may name a new one each time.
const SILENCE: Duration = Duration::from_secs(1);

/// The thread, made with the first line: a server that has not begun to serve must have none yet.
#[derive(Debug, Default)]
pub(super) struct NamedFiles(OnceLock<SyncSender<Message>>);

#[derive(Debug)]
enum Message {
    Line(Line),
    Flush(SyncSender<()>),
}

impl NamedFiles {
    /// Waits until the lines handed over so far are written.
    pub(super) fn flush(&self, until: Instant) {
        let (done, wait) = sync_channel(1);
        if let Some(queue) = self.0.get()
            && queue.try_send(Message::Flush(done)).is_ok()
        {
            // An error means that the thread is gone or hangs at a file.
            let _ = wait.recv_timeout(until.saturating_duration_since(Instant::now()));
        }
    }

    fn queue(&self) -> &SyncSender<Message> {
        self.0.get_or_init(|| {
            let (sender, receiver) = sync_channel(QUEUE);
            let thread = thread::Builder::new().name("access logs".into());
            if let Err(cause) = thread.spawn(move || drain(&receiver)) {
                error!("access logs: no thread: {cause}");
            }
            sender
        })
    }
}

impl NamedLogSink for NamedFiles {
    fn write(&self, folder: Vec<u8>, file: Vec<u8>, mut text: Vec<u8>) {
        text.push(b'\n');
        // A line that finds no place is lost, so that a slow disk never stops a request.
        let line = Line { folder, file, text };
        let _ = self.queue().try_send(Message::Line(line));
    }
}

fn drain(queue: &Receiver<Message>) {
    let mut said = None;
    while let Ok(mut message) = queue.recv() {
        // By folder and file.
        let mut files: BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>> = BTreeMap::new();
        let mut waiting = None;
        loop {
            match message {
                Message::Line(line) => {
                    let lines = files.entry((line.folder, line.file)).or_default();
                    lines.extend(line.text);
                }
                Message::Flush(done) => {
                    waiting = Some(done);
                    break;
                }
            }
            if files.len() >= BATCH {
                break;
            }
            match queue.try_recv() {
                Ok(next) => message = next,
                Err(_) => break,
            }
        }
        for ((folder, file), lines) in files {
            if let Err(problem) = write(&folder, &file, &lines)
                && said.is_none_or(|said: Instant| said.elapsed() >= SILENCE)
            {
                said = Some(Instant::now());
                error!("{problem}");
            }
        }
        if let Some(done) = waiting {
            let _ = done.send(());
        }
    }
}

/// Writes lines, or says in nginx's words why it cannot.
fn write(folder: &[u8], file: &[u8], lines: &[u8]) -> Result<(), String> {
    let path = |bytes| Path::new(OsStr::from_bytes(bytes));
    let shown = |bytes| String::from_utf8_lossy(bytes).escape_debug().to_string();
    if !folder.is_empty() && !path(folder).is_dir() {
        return Err(format!("testing \"{}\" existence failed", shown(folder)));
    }
    let opened = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(NEW_FILE)
        .open(path(file));
    let written = opened.and_then(|mut file| file.write_all(lines));
    written.map_err(|cause| {
        let cause = OsError(&cause);
        format!("[crit] open() \"{}\" failed ({cause})", shown(file))
    })
}
