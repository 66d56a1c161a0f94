//! `-s`: a signal for the process whose number the configuration's pid file holds.

use super::{Arguments, command_line, configuration};
use crate::config::{self, Language};
use crate::os_error::OsError;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// nginx's words and their signals.
pub(super) const SIGNALS: [(&str, Signal); 4] = [
    ("stop", Signal::SIGTERM),
    ("quit", Signal::SIGQUIT),
    ("reopen", Signal::SIGUSR1),
    ("reload", Signal::SIGHUP),
];

/// Sends it, and says in nginx's words why it cannot.
pub(super) fn send(word: &str, arguments: &Arguments) -> Result<ExitCode, String> {
    let file = configuration(arguments)?;
    let name = Language::of(&file).program();
    let found = SIGNALS.iter().find(|(name, _)| *name == word);
    let Some((_, signal)) = found else {
        return Err(format!("{name}: invalid option: \"-s {word}\""));
    };
    let path = pid_file(&file, arguments)?;
    let pid = read(&path).map_err(|problem| format!("{name}: [error] {problem}"))?;
    kill_with(pid, *signal).map_err(|problem| format!("{name}: [alert] {problem}"))?;
    Ok(ExitCode::SUCCESS)
}

/// The pid file that a configuration names. What is wrong with the configuration is said.
pub(super) fn pid_file(file: &Path, arguments: &Arguments) -> Result<PathBuf, String> {
    let name = Language::of(file).program();
    let loaded = config::load_with(file, &command_line(arguments)).map_err(|e| e.to_string())?;
    for warning in &loaded.warnings {
        eprintln!("{warning}");
    }
    loaded.model.process.pid.ok_or_else(|| {
        let shown = file.display();
        format!("{name}: [error] no \"pid\" in {shown}: without that file the process is not known")
    })
}

/// Sends a signal, or says in nginx's words why it cannot.
pub(super) fn kill_with(pid: Pid, signal: Signal) -> Result<(), String> {
    kill(pid, signal).map_err(|cause| {
        let (number, cause) = (signal as i32, io::Error::from(cause));
        format!("kill({pid}, {number}) failed ({})", OsError(&cause))
    })
}

/// The number that a pid file holds.
pub(super) fn read(path: &Path) -> Result<Pid, String> {
    let shown = path.display();
    let text = fs::read(path)
        .map_err(|cause| format!("open() \"{shown}\" failed ({})", OsError(&cause)))?;
    let text = String::from_utf8_lossy(&text);
    let number = text.trim_end_matches(['\r', '\n']);
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = number
        .parse()
        .ok()
        .filter(|number: &i32| digits && *number > 0);
    parsed
        .map(Pid::from_raw)
        .ok_or_else(|| format!("invalid PID number \"{number}\" in \"{shown}\""))
}
