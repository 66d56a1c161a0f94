//! What concerns the process as a whole: nginx's outermost level.

use super::ErrorLog;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::available_parallelism;
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
    /// How long answers of the system's name servers are used.
    pub names: Validity,
}

impl Process {
    /// How many threads serve.
    pub fn threads(&self) -> usize {
        let processors = || available_parallelism().map_or(1, NonZeroUsize::get);
        self.worker_processes
            .map_or_else(processors, NonZeroUsize::get)
    }
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
            names: Validity::default(),
        }
    }
}

/// How long what is found out is used, whatever its source says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// At least so long.
    pub least: Duration,
    /// And no longer than this.
    pub most: Duration,
}

impl Validity {
    /// A time within the bounds.
    pub fn hold(self, time: Duration) -> Duration {
        time.min(self.most).max(self.least)
    }
}

/// Containers come back with other addresses, whatever the time that was said of the one before.
impl Default for Validity {
    fn default() -> Self {
        Self {
            least: Duration::from_secs(1),
            most: Duration::from_secs(5),
        }
    }
}
