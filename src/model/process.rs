//! What concerns the process as a whole: nginx's outermost level.

use super::ErrorLog;
use std::num::NonZeroUsize;
use std::path::PathBuf;

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
}
