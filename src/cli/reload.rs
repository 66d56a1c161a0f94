//! `gapura reload`: as `-s reload`, and says what became of it.

use super::{Arguments, configuration, signal};
use crate::config::Language;
use crate::os_error::OsError;
use crate::server::waiting_place;
use clap::Args;
use nix::sys::signal::Signal;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// What is reloaded.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The configuration that the process was started with.
    file: Option<PathBuf>,
}

/// How long a reload may take: longer than the process gives it.
const LIMIT: Duration = Duration::from_secs(65);

/// Sends the signal and waits.
pub(super) fn run(options: &Options, arguments: &Arguments) -> Result<ExitCode, String> {
    let file = match &options.file {
        Some(file) => file.clone(),
        None => configuration(arguments)?,
    };
    let name = Language::of(&file).program();
    let pid_file = signal::pid_file(&file, arguments)?;
    let pid = signal::read(&pid_file).map_err(|problem| format!("{name}: [error] {problem}"))?;
    let waiting = Waiting::at(waiting_place(&pid_file)).map_err(|(path, cause)| {
        let (path, cause) = (path.display(), OsError(&cause).to_string());
        format!("{name}: [error] bind() to unix:{path} failed ({cause})")
    })?;
    signal::kill_with(pid, Signal::SIGHUP)
        .map_err(|problem| format!("{name}: [alert] {problem}"))?;
    match waiting.outcome() {
        Ok(said) if said.is_empty() => Ok(ExitCode::SUCCESS),
        Ok(said) => Err(match said.starts_with('[') {
            true => format!("{name}: {said}"),
            false => said,
        }),
        Err(cause) => {
            let cause = OsError(&cause).to_string();
            Err(format!(
                "{name}: [error] process {pid} does not say what became of it ({cause})"
            ))
        }
    }
}

/// The socket that the process tells the outcome, removed when dropped.
struct Waiting {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Waiting {
    fn at(path: PathBuf) -> Result<Self, (PathBuf, io::Error)> {
        match bind(&path) {
            Ok(socket) => Ok(Self { socket, path }),
            Err(cause) => Err((path, cause)),
        }
    }

    fn outcome(&self) -> io::Result<String> {
        self.socket.set_read_timeout(Some(LIMIT))?;
        let mut bytes = vec![0; 1 << 16];
        let length = self.socket.recv(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
    }
}

fn bind(path: &Path) -> io::Result<UnixDatagram> {
    match UnixDatagram::bind(path) {
        Err(cause) if cause.kind() == ErrorKind::AddrInUse => {
            // Somebody waits there, unless nobody reads any more: then it was killed.
            let probe = UnixDatagram::unbound()?;
            match probe.connect(path) {
                Err(gone) if gone.kind() == ErrorKind::ConnectionRefused => {
                    fs::remove_file(path)?;
                    UnixDatagram::bind(path)
                }
                _ => Err(cause),
            }
        }
        bound => bound,
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // An error means that somebody has removed it already.
        let _ = fs::remove_file(&self.path);
    }
}
