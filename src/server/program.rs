//! A process that is a server and nothing else: into the background, its number in a file, its limits,
//! and nginx's signals.

use super::bind::patiently;
use super::daemon;
use super::duties::Duties;
use super::limits;
use super::notify;
use super::parent::Parent;
use super::pid_file::PidFile;
use super::shutdown::Shutdown;
use super::state::{Prepared, Source, State};
use super::upgrade::Upgrade;
use super::{Server, StartError, serve};
use crate::config;
use crate::logs::{self, LogFiles};
use crate::model::{ErrorLog, LogTarget, Process, User};
use log::warn;
use nix::unistd::geteuid;
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a process serves.
pub(super) enum Place {
    /// Where it was started.
    Foreground,
    /// Where the configuration says. Errors go to this file there when the configuration names none, or
    /// to nginx's.
    #[cfg_attr(
        not(feature = "cli"),
        expect(dead_code, reason = "only the binary starts this way")
    )]
    AsConfigured {
        error_log: Option<PathBuf>,
        /// Gives free memory back to the system.
        give_back: fn(),
    },
}

/// Serves until a signal ends it.
pub(super) fn run(server: Server, place: Place) -> Result<(), StartError> {
    let Server {
        source,
        gateway,
        watches,
    } = server;
    let shutdown = Shutdown::on_signals();
    let (mut upgrade, inherited) = Upgrade::of_this_process();
    let default_log = default_error_log(&source, &place);
    let mut prepared = Prepared::load(source, inherited, watches)?;
    let log_files = Arc::clone(&prepared.log_files);
    let error_log = prepared.model.process.error_log.clone();
    let told = |error: StartError| {
        tell(&log_files, &error_log, &error);
        error
    };
    // Where this one does not come to serve, the binary before goes on.
    prepared.sockets.leave_files(upgrade.shares_sockets());
    patiently(|| prepared.bind()).map_err(told)?;
    let give_back = match place {
        Place::AsConfigured { give_back, .. } => give_back,
        Place::Foreground => || {},
    };
    let process = &prepared.model.process;
    // A container ends with its first process, and has nothing in front of it.
    let is_first = std::process::id() == 1;
    let goes_away = matches!(place, Place::AsConfigured { .. }) && process.daemon && !is_first;
    let is_daemon = goes_away || upgrade.is_upgrade();
    let mut detached = None;
    if goes_away && !upgrade.is_upgrade() {
        if let Some(log) = &default_log
            && process.error_log.is_empty()
        {
            let failed = |cause| StartError::File("open()", log.clone(), cause);
            logs::process::send_to(log).map_err(failed)?;
        }
        detached = Some(daemon::detach()?);
    }
    let pid_file = pid_file(process).map_err(told)?;
    let duties = Duties {
        pid_file: Mutex::new(pid_file),
        upgrade: Mutex::new(upgrade),
        is_daemon,
        has_parent: false,
        give_back,
    };
    let errors = error_file(process).map(Path::to_path_buf).or(default_log);
    if let Some(user) = another_user(process) {
        let detached = detached.map(|detached| (detached, errors));
        give_back();
        // The process that serves finds them by the names that the parent says.
        prepared.source.make_absolute()?;
        return Parent::new(prepared, gateway, duties, user, detached).run();
    }
    limits::apply(process);
    let mut state = State::build(prepared).map_err(told)?;
    give_back();
    state.own_process(duties).map_err(told)?;
    if let Some(detached) = detached {
        detached.serves(errors.as_deref())?;
    }
    notify::ready();
    serve(state, gateway, shutdown, None);
    Ok(())
}

/// Says why the process does not come to serve where the configuration has it say such things. Standard error gets it
/// anyway.
fn tell(log_files: &LogFiles, named: &[ErrorLog], error: &StartError) {
    let is_terminal = |log: &ErrorLog| log.target == LogTarget::Stderr;
    if named.is_empty() || named.iter().any(is_terminal) {
        return;
    }
    if let Ok(log) = log_files.error_log(named) {
        logs::process::tell(&log, &error.to_string());
    }
}

/// Where a process of the background says what goes wrong when nothing names a file.
fn default_error_log(source: &Source, place: &Place) -> Option<PathBuf> {
    match (source, place) {
        (
            Source::File(path, given),
            Place::AsConfigured {
                error_log: None, ..
            },
        ) if config::Language::of(path) == config::Language::Nginx => {
            Some(config::default_error_log(given.prefix.as_deref()))
        }
        // The command line's file is written to already.
        _ => None,
    }
}

/// nginx's place for the file, where an ordinary user cannot write: nginx would not start.
const PID: &str = "/run/nginx.pid";

fn pid_file(process: &Process) -> Result<Option<PidFile>, StartError> {
    let Some(path) = &process.pid else {
        return Ok(None);
    };
    match PidFile::write(path) {
        Ok(file) => Ok(Some(file)),
        Err(cause) if is_for_root(&cause, path) => {
            warn!("no pid file: only root can write \"{PID}\"; name another with \"pid\"");
            Ok(None)
        }
        Err(cause) => Err(cause),
    }
}

/// Whether the pid file could be written.
#[cfg(feature = "cli")]
pub(super) fn test_pid_file(process: &Process) -> Result<(), StartError> {
    let Some(path) = &process.pid else {
        return Ok(());
    };
    match PidFile::test(path) {
        Err(cause) if !is_for_root(&cause, path) => Err(cause),
        _ => Ok(()),
    }
}

fn is_for_root(error: &StartError, path: &Path) -> bool {
    let StartError::File(_, _, cause) = error else {
        return false;
    };
    cause.kind() == io::ErrorKind::PermissionDenied && path == Path::new(PID)
}

/// The user that is to serve in place of root.
fn another_user(process: &Process) -> Option<User> {
    let user = process.user.clone().filter(|user| user.id != 0)?;
    (process.master && geteuid().is_root()).then_some(user)
}

/// The first file among the process's error logs.
fn error_file(process: &Process) -> Option<&Path> {
    process.error_log.iter().find_map(|log| match &log.target {
        LogTarget::File(path) => Some(path.as_path()),
        _ => None,
    })
}
