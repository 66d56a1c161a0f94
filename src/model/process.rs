//! What concerns the process as a whole: nginx's outermost level.

use super::ErrorLog;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// The process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// `worker_processes`: how many threads serve; `None` is one for each processor.
    pub worker_processes: Option<NonZeroUsize>,
    /// `pid`: the file that holds the process's number while it serves.
    pub pid: Option<PathBuf>,
    /// Where the process says what happens to it; none is standard error, or the command line's choice.
    pub error_log: Vec<ErrorLog>,
    /// `working_directory`: the current folder of the process.
    pub working_directory: Option<PathBuf>,
    /// `daemon`: whether the program goes to the background.
    pub daemon: bool,
    /// `master_process`: whether a parent keeps the rights that `user` gives up.
    pub master: bool,
    /// `user`: who serves; none is who started the program.
    pub user: Option<User>,
    /// `worker_priority`: the scheduler's priority.
    pub priority: i32,
    /// `worker_rlimit_nofile`: how many files may be open.
    pub open_files: Option<u64>,
    /// `worker_shutdown_timeout`: how long a graceful stop may take, and how long connections may keep
    /// to a configuration that was replaced.
    pub shutdown_timeout: Option<Duration>,
}

/// A user and a group that serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's name, for the groups it is in besides.
    pub name: String,
    /// The user's number.
    pub id: u32,
    /// The group's number.
    pub group: u32,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            worker_processes: None,
            pid: None,
            error_log: Vec::new(),
            working_directory: None,
            daemon: false,
            master: true,
            user: None,
            priority: 0,
            open_files: None,
            shutdown_timeout: None,
        }
    }
}
