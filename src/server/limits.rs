//! What the kernel grants the process: open files, and its turn among others.

use crate::model::Process;
use crate::os_error::OsError;
use log::{error, warn};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;

/// Fewer files than this are a mistake of whoever set the limit: a proxied request needs two.
const FEW_FILES: u64 = 4096;

/// Takes what a configuration asks for, before there are other threads and while the process may.
pub(super) fn apply(process: &Process) {
    match process.open_files {
        Some(limit) => {
            if let Err(cause) = setrlimit(Resource::RLIMIT_NOFILE, limit, limit) {
                let cause = OsError(&io::Error::from(cause)).to_string();
                error!("[alert] setrlimit(RLIMIT_NOFILE, {limit}) failed ({cause})");
            }
        }
        None => raise_to_the_most(),
    }
    if let Ok((limit, _)) = getrlimit(Resource::RLIMIT_NOFILE)
        && limit < FEW_FILES
    {
        warn!(
            "{limit} files may be open, which is few: each proxied request needs two; \
             \"worker_rlimit_nofile\" or the service manager can raise the limit"
        );
    }
    if process.priority != 0 {
        // SAFETY: setpriority(2) touches no memory.
        let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, process.priority) };
        if result == -1 {
            let (priority, cause) = (process.priority, io::Error::last_os_error());
            error!(
                "[alert] setpriority({priority}) failed ({})",
                OsError(&cause)
            );
        }
    }
}

/// The soft limit is a courtesy to programs that count files in 1024 bits, which this one does not.
pub(super) fn raise_to_the_most() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // An error leaves the limit as it is, which is said when it is low.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
