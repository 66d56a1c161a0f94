//! Into the background: `daemon on`.

use super::StartError;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, fork, setsid};
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::path::Path;

/// The process in the background, which has not begun to serve. Whoever started it waits to hear how
/// that goes, so that a script behind it finds the pid file.
pub(super) struct Detached(PipeWriter);

/// Goes on in a process of the background. The one that was started ends when this one says that it
/// serves, or with its failure.
///
/// To be called while there is one thread.
pub(super) fn detach() -> Result<Detached, StartError> {
    let failed = |cause: io::Error| StartError::Call("pipe()", cause);
    let (reader, writer) = io::pipe().map_err(failed)?;
    // SAFETY: there is one thread, so that the child finds every lock free.
    let forked = unsafe { fork() };
    match forked.map_err(|cause| StartError::Call("fork()", cause.into()))? {
        ForkResult::Parent { child } => {
            drop(writer);
            std::process::exit(outcome(reader, child));
        }
        ForkResult::Child => {
            drop(reader);
            setsid().map_err(|cause| StartError::Call("setsid()", cause.into()))?;
            let nothing = nothing()?;
            let failed = |cause: nix::Error| StartError::Call("dup2()", cause.into());
            dup2_stdin(&nothing).map_err(failed)?;
            dup2_stdout(&nothing).map_err(failed)?;
            Ok(Detached(writer))
        }
    }
}

/// What the process that was started ends with.
fn outcome(mut reader: PipeReader, child: nix::unistd::Pid) -> i32 {
    let mut word = [0];
    match reader.read_exact(&mut word) {
        Ok(()) => 0,
        // It ended before it served, and said why.
        Err(_) => match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, status)) if status != 0 => status,
            _ => 1,
        },
    }
}

impl Detached {
    /// Lets go of the terminal, with what goes wrong from now on in a file, and tells whoever waits.
    pub(super) fn serves(mut self, errors: Option<&Path>) -> Result<(), StartError> {
        let_go(errors)?;
        // An error means that nobody waits any more.
        let _ = self.0.write_all(b"!");
        Ok(())
    }

    /// As [`serves`](Self::serves), in a process of this one's: the one that was started hears nothing.
    pub(super) fn let_go(self, errors: Option<&Path>) -> Result<(), StartError> {
        let_go(errors)
    }
}

/// What goes wrong from now on is in a file.
fn let_go(errors: Option<&Path>) -> Result<(), StartError> {
    let log = errors.and_then(|path| OpenOptions::new().append(true).open(path).ok());
    let log = match log {
        Some(log) => log,
        None => nothing()?,
    };
    dup2_stderr(&log).map_err(|cause| StartError::Call("dup2()", cause.into()))
}

fn nothing() -> Result<File, StartError> {
    let path = Path::new("/dev/null");
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.map_err(|cause| StartError::File("open()", path.to_owned(), cause))
}
