//! What concerns the process as a whole: nginx's outermost level.

use super::ErrorLog;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// The process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// `worker_processes`: how many threads serve; `None` is one for each processor.
    pub worker_processes: Option<NonZeroUsize>,
    /// `pid`: the file that holds the process's number while it serves.
    pub pid: Option<PathBuf>,
    /// Where the process says what happens to it; none is standard error, or the command line's choice.
    pub error_log: Vec<ErrorLog>,
    /// `working_directory`: the current folder of the process.
    pub working_directory: Option<PathBuf>,
    /// How long answers of the system's name servers are used.
    pub names: Validity,
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
