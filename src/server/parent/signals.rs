//! Signals of a process with one thread, waited for one after another, with who sent them.

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

/// A signal that came.
pub(super) struct Received {
    pub(super) number: libc::c_int,
    /// The process that sent it.
    pub(super) from: libc::pid_t,
}

/// nginx's signals and their names, and that of a child's end.
const NAMES: [(libc::c_int, &str); 8] = [
    (libc::SIGHUP, "SIGHUP"),
    (libc::SIGINT, "SIGINT"),
    (libc::SIGQUIT, "SIGQUIT"),
    (libc::SIGTERM, "SIGTERM"),
    (libc::SIGUSR1, "SIGUSR1"),
    (libc::SIGUSR2, "SIGUSR2"),
    (libc::SIGWINCH, "SIGWINCH"),
    (libc::SIGCHLD, "SIGCHLD"),
];

impl Received {
    /// As nginx logs it.
    pub(super) fn describe(&self) -> String {
        let name = NAMES.iter().find(|(number, _)| *number == self.number);
        let (number, name) = (self.number, name.map_or("", |(_, name)| name));
        match self.from {
            0 => format!("signal {number} ({name}) received"),
            from => format!("signal {number} ({name}) received from {from}"),
        }
    }
}

/// Waits for the next one: they are blocked, and wait here. `None` when the time is over.
pub(super) fn wait(limit: Option<Duration>) -> Option<Received> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset makes the set valid before it is used; the signal numbers are valid.
    let set = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for (signal, _) in NAMES {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    };
    loop {
        // SAFETY: a siginfo_t of zeros is one.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let number = match limit {
            // SAFETY: both are valid for the call.
            None => unsafe { libc::sigwaitinfo(&raw const set, &raw mut info) },
            Some(limit) => {
                let time = libc::timespec {
                    tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
                    tv_nsec: limit.subsec_nanos().into(),
                };
                // SAFETY: all three are valid for the call.
                unsafe { libc::sigtimedwait(&raw const set, &raw mut info, &raw const time) }
            }
        };
        if number > 0 {
            // SAFETY: a signal of kill(2) and of a child's end has this field, and others have zeros.
            let from = unsafe { info.si_pid() };
            return Some(Received { number, from });
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return None;
        }
    }
}
