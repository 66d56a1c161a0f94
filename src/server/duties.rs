//! What a process has to do beside serving, when a server is all that it is for: the file with its number,
//! and the binaries before and after it.

use super::StartError;
use super::notify;
use super::pid_file::PidFile;
use super::upgrade::Upgrade;
use crate::os_error::OsError;
use log::{error, info};
use parking_lot::Mutex;
use std::os::fd::RawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

/// Those of one process.
pub(super) struct Duties {
    /// The file with the process's number.
    pub(super) pid_file: Mutex<Option<PidFile>>,
    pub(super) upgrade: Mutex<Upgrade>,
    /// Whether the process is in the background.
    pub(super) is_daemon: bool,
    /// A parent has the pid file, the files of Unix sockets and the other binaries.
    pub(super) has_parent: bool,
    /// Gives free memory back to the system: reading a large configuration leaves much of it.
    pub(super) give_back: fn(),
}

impl Duties {
    /// Those of a process whose parent has the others.
    pub(super) fn of_worker(parent: &Self) -> Self {
        Self {
            pid_file: Mutex::new(None),
            upgrade: Mutex::new(Upgrade::none()),
            is_daemon: parent.is_daemon,
            has_parent: true,
            give_back: parent.give_back,
        }
    }

    /// Whether the files of Unix sockets are another process's too.
    pub(super) fn shares_sockets(&self) -> bool {
        self.has_parent || self.upgrade.lock().shares_sockets()
    }

    /// Tells whoever waits what became of a reload.
    pub(super) fn report(&self, outcome: Result<(), &str>) {
        if let Some(file) = &*self.pid_file.lock() {
            file.report(outcome);
        }
    }

    /// Has the file with the process's number where a new configuration wants it.
    pub(super) fn move_pid_file(&self, path: Option<&Path>) -> Result<(), StartError> {
        let mut pid_file = self.pid_file.lock();
        if let (Some(old), Some(path)) = (pid_file.as_ref(), path)
            && !old.is_at(path)
        {
            *pid_file = Some(PidFile::write(path)?);
        }
        Ok(())
    }

    /// USR2: starts another binary with these sockets.
    pub(super) fn change_binary(&self, sockets: &[RawFd]) {
        let mut upgrade = self.upgrade.lock();
        let mut pid_file = self.pid_file.lock();
        if !upgrade.shares_sockets()
            && let Some(file) = pid_file.as_mut()
            && let Err(cause) = file.step_aside()
        {
            let cause = OsError(&cause);
            error!("[alert] rename() of the pid file failed before changing binary ({cause})");
            return;
        }
        match upgrade.start(sockets) {
            None => {}
            Some(Ok(id)) => info!("changing binary: start new binary process {id}"),
            Some(Err(cause)) => {
                let cause = OsError(&cause).to_string();
                error!("[alert] execve() failed while changing binary ({cause})");
                restore(pid_file.as_mut());
            }
        }
    }

    /// CHLD: whether the new binary has ended. Then the pid file is this process's again.
    pub(super) fn reap_binary(&self) -> bool {
        let Some((id, status)) = self.upgrade.lock().ended() else {
            return false;
        };
        match (status.signal(), status.code()) {
            (Some(signal), _) => {
                error!("[alert] new binary process {id} exited on signal {signal}");
            }
            (None, code) => {
                info!(
                    "new binary process {id} exited with code {}",
                    code.unwrap_or(0)
                );
            }
        }
        restore(self.pid_file.lock().as_mut());
        notify::ready();
        true
    }
}

/// The pid file's name is this process's again.
fn restore(pid_file: Option<&mut PidFile>) {
    if let Some(file) = pid_file
        && let Err(cause) = file.step_back()
    {
        let cause = OsError(&cause);
        error!("[alert] rename() of the pid file back failed ({cause})");
    }
}
