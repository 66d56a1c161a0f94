//! Between the parent and the process that serves: what a new configuration needs goes the one way, what
//! became of it comes back. A socket carries it, open files too.

use crate::config::FilesRead;
use crate::logs::OpenLog;
use crate::model::ListenAddress;
use crate::server::upgrade::Bound;
use nix::cmsg_space;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use std::ffi::OsStr;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// One end.
#[derive(Debug)]
pub(in crate::server) struct Channel(UnixStream);

/// What the parent says.
#[derive(Debug)]
pub(in crate::server) enum Message {
    /// Serve another configuration, with these files and sockets.
    Reload(Handover),
    /// Write to these logs from now on.
    Reopen(Vec<OpenLog>),
    /// Accept again.
    Accept,
}

/// Why nothing of use came from the parent.
#[derive(Debug)]
pub(in crate::server) enum ReceiveError {
    /// It came without all of its files, for which this process has no descriptors left.
    Incomplete {
        /// Whether an answer is waited for.
        is_reload: bool,
    },
    /// The parent has gone, or says what nobody understands.
    Channel,
}

impl From<io::Error> for ReceiveError {
    fn from(_: io::Error) -> Self {
        Self::Channel
    }
}

/// What a process that may do little gets for a configuration.
#[derive(Debug)]
pub(in crate::server) struct Handover {
    pub(in crate::server) files: FilesRead,
    pub(in crate::server) sockets: Vec<Bound>,
    pub(in crate::server) logs: Vec<OpenLog>,
}

/// The kernel passes no more files at once than 253.
const AT_ONCE: usize = 200;

/// The longest message that is believed.
const MOST_BYTES: u64 = 1 << 32;

const RELOAD: u8 = 1;
const REOPEN: u8 = 2;
const ACCEPT: u8 = 3;

impl Channel {
    /// Both ends.
    pub(in crate::server) fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        Ok((Self(one), Self(other)))
    }

    /// Says something to the process that serves.
    pub(in crate::server) fn send(&self, message: Message) -> io::Result<()> {
        let mut parts = Vec::new();
        let mut files: Vec<OwnedFd> = Vec::new();
        let kind = match message {
            Message::Reload(handover) => {
                parts.push(handover.files.to_bytes());
                let (names, sockets) = named_sockets(handover.sockets);
                let (paths, logs) = named_logs(handover.logs);
                parts.push(joined(&names));
                parts.push(joined(&paths));
                files.extend(sockets.into_iter().chain(logs));
                RELOAD
            }
            Message::Reopen(logs) => {
                let (paths, logs) = named_logs(logs);
                parts.push(joined(&paths));
                files = logs;
                REOPEN
            }
            Message::Accept => ACCEPT,
        };
        self.write_frame(kind, &parts)?;
        for batch in files.chunks(AT_ONCE) {
            let numbers: Vec<RawFd> = batch.iter().map(AsRawFd::as_raw_fd).collect();
            let control = [ControlMessage::ScmRights(&numbers)];
            let byte = [IoSlice::new(b"f")];
            sendmsg::<()>(self.0.as_raw_fd(), &byte, &control, MsgFlags::empty(), None)?;
        }
        Ok(())
    }

    /// What the parent says.
    pub(in crate::server) fn receive(&self) -> Result<Message, ReceiveError> {
        let (kind, parts) = self.read_frame()?;
        let part = |index: usize| parts.get(index).map(Vec::as_slice).ok_or_else(broken);
        Ok(match kind {
            RELOAD => {
                let files = FilesRead::from_bytes(part(0)?).ok_or_else(broken)?;
                let (names, paths) = (split(part(1)?), split(part(2)?));
                let Some(open) = self.receive_files(names.len() + paths.len())? else {
                    return Err(ReceiveError::Incomplete { is_reload: true });
                };
                let mut open = open.into_iter();
                let sockets = names.iter().map(|name| address(name).ok_or_else(broken));
                let sockets = sockets.collect::<io::Result<Vec<_>>>()?;
                let sockets = sockets.into_iter().zip(open.by_ref()).collect();
                let logs = paths.into_iter().map(|path| OsStr::from_bytes(path).into());
                Message::Reload(Handover {
                    files,
                    sockets,
                    logs: logs.zip(open).collect(),
                })
            }
            REOPEN => {
                let paths = split(part(0)?);
                let Some(open) = self.receive_files(paths.len())? else {
                    return Err(ReceiveError::Incomplete { is_reload: false });
                };
                let paths = paths.into_iter().map(|path| OsStr::from_bytes(path).into());
                Message::Reopen(paths.zip(open).collect())
            }
            ACCEPT => Message::Accept,
            _ => return Err(ReceiveError::Channel),
        })
    }

    /// Tells the parent what became of something.
    pub(in crate::server) fn answer(&self, outcome: Result<(), String>) -> io::Result<()> {
        let (kind, text) = match outcome {
            Ok(()) => (0, String::new()),
            Err(text) => (1, text),
        };
        self.write_frame(kind, &[text.into_bytes()])
    }

    /// What became of what was said last; an error when the process has gone or takes too long.
    pub(in crate::server) fn outcome(&self, limit: Duration) -> io::Result<Result<(), String>> {
        self.0.set_read_timeout(Some(limit))?;
        let (kind, mut parts) = self.read_frame()?;
        let text = parts.pop().unwrap_or_default();
        Ok(match kind {
            0 => Ok(()),
            _ => Err(String::from_utf8_lossy(&text).into_owned()),
        })
    }

    fn write_frame(&self, kind: u8, parts: &[Vec<u8>]) -> io::Result<()> {
        let mut frame = vec![kind, u8::try_from(parts.len()).expect("a few parts")];
        for part in parts {
            frame.extend_from_slice(&(part.len() as u64).to_le_bytes());
            frame.extend_from_slice(part);
        }
        (&self.0).write_all(&frame)
    }

    fn read_frame(&self) -> io::Result<(u8, Vec<Vec<u8>>)> {
        let mut stream = &self.0;
        let mut head = [0; 2];
        stream.read_exact(&mut head)?;
        let mut parts = Vec::new();
        for _ in 0..head[1] {
            let mut length = [0; 8];
            stream.read_exact(&mut length)?;
            let length = u64::from_le_bytes(length);
            let length = (length <= MOST_BYTES)
                .then_some(length)
                .ok_or_else(broken)?;
            let mut part = Vec::new();
            stream.take(length).read_to_end(&mut part)?;
            if part.len() as u64 != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            parts.push(part);
        }
        Ok((head[0], parts))
    }

    /// As many files. `None` when not all of them could be opened here.
    fn receive_files(&self, count: usize) -> io::Result<Option<Vec<OwnedFd>>> {
        let mut files = Vec::with_capacity(count);
        for _ in 0..count.div_ceil(AT_ONCE) {
            let mut byte = [0];
            let mut slices = [IoSliceMut::new(&mut byte)];
            let mut space = cmsg_space!([RawFd; AT_ONCE]);
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let received = recvmsg::<()>(self.0.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
            if received.bytes == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // An error means that they were cut off.
            for message in received.cmsgs().into_iter().flatten() {
                if let ControlMessageOwned::ScmRights(numbers) = message {
                    // SAFETY: the kernel has just opened them for this process.
                    let owned = numbers
                        .into_iter()
                        .map(|one| unsafe { OwnedFd::from_raw_fd(one) });
                    files.extend(owned);
                }
            }
        }
        Ok((files.len() == count).then_some(files))
    }
}

fn broken() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

fn named_sockets(sockets: Vec<Bound>) -> (Vec<Vec<u8>>, Vec<OwnedFd>) {
    let named = sockets.into_iter().map(|(address, socket)| {
        let name = match address {
            ListenAddress::Inet(address) => address.to_string().into_bytes(),
            ListenAddress::Unix(path) => [b"unix:", path.as_os_str().as_bytes()].concat(),
        };
        (name, socket)
    });
    named.unzip()
}

fn address(name: &[u8]) -> Option<ListenAddress> {
    Some(match name.strip_prefix(b"unix:") {
        Some(path) => ListenAddress::Unix(OsStr::from_bytes(path).into()),
        None => ListenAddress::Inet(std::str::from_utf8(name).ok()?.parse().ok()?),
    })
}

fn named_logs(logs: Vec<OpenLog>) -> (Vec<Vec<u8>>, Vec<OwnedFd>) {
    let named = logs.into_iter();
    let named = named.map(|(path, log)| (path.as_os_str().as_bytes().to_vec(), log));
    named.unzip()
}

/// Names, none of which has a zero byte.
fn joined(names: &[Vec<u8>]) -> Vec<u8> {
    names.join(&0)
}

fn split(names: &[u8]) -> Vec<&[u8]> {
    match names.is_empty() {
        true => Vec::new(),
        false => names.split(|byte| *byte == 0).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FileReader;
    use std::fs::File;
    use std::net::TcpListener;

    #[test]
    fn everything_arrives_with_its_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("conf");
        std::fs::write(&path, vec![7; 300_000]).expect("written");
        let reader = FileReader::default();
        reader.read(&path).expect("read");
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let at = ListenAddress::Inet(listener.local_addr().expect("an address"));
        let logs = (0..450).map(|number| {
            let log = folder.path().join(format!("{number}.log"));
            (log.clone(), File::create(&log).expect("made").into())
        });
        let handover = Handover {
            files: reader.seen(),
            sockets: vec![(at.clone(), listener.into())],
            logs: logs.collect(),
        };
        let (parent, child) = Channel::pair().expect("a pair");
        let serving = std::thread::spawn(move || {
            let Message::Reload(handover) = child.receive().expect("a message") else {
                panic!("another message");
            };
            child.answer(Err("no".into())).expect("answered");
            assert!(matches!(child.receive(), Ok(Message::Accept)));
            assert!(child.receive().is_err(), "the parent is gone");
            handover
        });
        parent.send(Message::Reload(handover)).expect("sent");
        let outcome = parent.outcome(Duration::from_secs(10)).expect("an answer");
        assert_eq!(outcome, Err("no".into()));
        parent.send(Message::Accept).expect("sent");
        drop(parent);
        let received = serving.join().expect("received");
        assert_eq!(received.files, reader.seen());
        assert_eq!(received.sockets.len(), 1);
        assert_eq!(received.sockets[0].0, at);
        assert_eq!(received.logs.len(), 450);
        for (path, log) in received.logs {
            std::io::Write::write_all(&mut File::from(log), b"x").expect("written");
            assert_eq!(std::fs::read(path).expect("read"), b"x");
        }
    }
}
