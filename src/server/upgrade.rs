//! Another binary takes over without closing the door: at USR2 it is started with the listening sockets
//! open, and finds their descriptors in nginx's environment variable.

use crate::model::ListenAddress;
use log::{error, info};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Pid, getppid};
use socket2::SockRef;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};

/// nginx's variable: descriptors, each with a `;` behind it.
const VARIABLE: &str = "NGINX";

/// A socket that another process has bound and listens on.
pub(super) type Bound = (ListenAddress, OwnedFd);

/// The binaries before and after this one.
pub(super) struct Upgrade {
    /// What this one was started with, to start the next one.
    program: OsString,
    arguments: Vec<OsString>,
    folder: Option<PathBuf>,
    /// The process that started this one to take over.
    before: Option<Pid>,
    after: Option<Child>,
}

impl Upgrade {
    /// Of the process as it was started: in its folder, with its parent. The sockets are those that the
    /// binary before has left open.
    pub(super) fn of_this_process() -> (Self, Vec<Bound>) {
        let mut words = std::env::args_os();
        let program = words.next().unwrap_or_default();
        let inherited = std::env::var(VARIABLE).ok();
        let upgrade = Self {
            program,
            arguments: words.collect(),
            folder: std::env::current_dir().ok(),
            before: inherited.is_some().then(getppid),
            after: None,
        };
        let sockets = inherited.map_or_else(Vec::new, |list| {
            info!("using inherited sockets from \"{list}\"");
            inherit(&list)
        });
        (upgrade, sockets)
    }

    /// Of a process whose parent starts other binaries.
    pub(super) fn none() -> Self {
        Self {
            program: OsString::new(),
            arguments: Vec::new(),
            folder: None,
            before: None,
            after: None,
        }
    }

    /// Whether another binary has started this one: it is in the background as that one is.
    pub(super) fn is_upgrade(&self) -> bool {
        self.before.is_some()
    }

    /// Whether the binary before or the one after is there too: files of sockets are theirs as well.
    pub(super) fn shares_sockets(&mut self) -> bool {
        self.before.is_some_and(|before| before == getppid()) || self.has_successor()
    }

    /// Whether the binary after this one runs.
    pub(super) fn has_successor(&mut self) -> bool {
        let after = self.after.as_mut();
        after.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Starts the next binary with these sockets. `None` while there are two binaries already.
    pub(super) fn start(&mut self, sockets: &[RawFd]) -> Option<io::Result<u32>> {
        if self.shares_sockets() {
            error!(
                "[crit] the changing binary signal is ignored: you should shutdown or terminate \
                 before either old or new binary's process"
            );
            return None;
        }
        let list: String = sockets.iter().map(|number| format!("{number};")).collect();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env(VARIABLE, list);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let sockets = sockets.to_vec();
        // SAFETY: between fork and exec it calls fcntl(2) alone, which takes no lock and no memory.
        unsafe {
            command.pre_exec(move || {
                for socket in &sockets {
                    // The socket is open in the parent, whose copy this process is.
                    let socket = BorrowedFd::borrow_raw(*socket);
                    fcntl(socket, FcntlArg::F_SETFD(FdFlag::empty()))?;
                }
                Ok(())
            });
        }
        Some(command.spawn().map(|child| {
            let id = child.id();
            self.after = Some(child);
            id
        }))
    }

    /// How the next binary ended, once.
    pub(super) fn ended(&mut self) -> Option<(u32, ExitStatus)> {
        let child = self.after.as_mut()?;
        let status = child.try_wait().ok()??;
        let id = child.id();
        self.after = None;
        Some((id, status))
    }
}

/// The sockets that the variable lists. What is no listening socket is left alone.
fn inherit(list: &str) -> Vec<Bound> {
    let mut sockets: Vec<Bound> = Vec::new();
    for word in list.split([';', ':']).filter(|word| !word.is_empty()) {
        let number = word.parse::<RawFd>().ok().filter(|number| *number > 2);
        let taken = number.filter(|number| {
            let mut known = sockets.iter();
            known.all(|(_, socket)| socket.as_raw_fd() != *number)
        });
        let Some(bound) = taken.and_then(adopt) else {
            error!(
                "[emerg] invalid socket number \"{word}\" in {VARIABLE} environment variable, \
                 ignoring"
            );
            continue;
        };
        sockets.push(bound);
    }
    sockets
}

fn adopt(number: RawFd) -> Option<Bound> {
    // SAFETY: it is only asked about; the kernel refuses a number that is no open descriptor.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    if !matches!(getsockopt(&borrowed, sockopt::AcceptConn), Ok(true)) {
        return None;
    }
    let local = SockRef::from(&borrowed).local_addr().ok()?;
    let address = match local.as_socket() {
        Some(address) => ListenAddress::Inet(address),
        None => ListenAddress::Unix(local.as_pathname()?.to_owned()),
    };
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok()?;
    // SAFETY: it is open, was left to this process, and is taken once.
    Some((address, unsafe { OwnedFd::from_raw_fd(number) }))
}
