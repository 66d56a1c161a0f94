//! `gapura try`: the sites of a configuration on free ports of the loopback interface, beside whatever
//! serves them now. No running server is touched, nothing outside a temporary folder is written.

mod against;
mod client;

use super::ending::told_to_end;
use crate::config::{self, CommandLine, PROGRAM};
use crate::model::{ListenAddress, LogTarget, Model};
use crate::os_error::OsError;
use crate::{Running, Server, StartError, init_logger};
use clap::Args;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What is tried.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The configuration.
    file: PathBuf,
    /// Send the same requests to the addresses that the file names, and print what differs.
    #[arg(long)]
    against: bool,
}

/// A listener, and where it is for the trial.
struct Moved {
    old: ListenAddress,
    new: ListenAddress,
}

impl Moved {
    /// A text of the trial's with the old port in place of the new one.
    fn renamed(&self, text: &str) -> String {
        match (&self.old, &self.new) {
            (ListenAddress::Inet(old), ListenAddress::Inet(new)) => {
                let new = format!(":{}", new.port());
                let old = match old.port() {
                    80 => String::new(),
                    port => format!(":{port}"),
                };
                text.replace(&new, &old)
            }
            _ => text.to_owned(),
        }
    }
}

/// Serves until Ctrl-C, or compares and ends.
pub(super) fn run(options: &Options, given: &CommandLine) -> Result<ExitCode, String> {
    let loaded = match config::load_with(&options.file, given) {
        Ok(loaded) => loaded,
        Err(errors) => {
            let file = options.file.display();
            return Err(format!("{errors}\ngapura: {file} cannot be tried"));
        }
    };
    for warning in &loaded.warnings {
        eprintln!("{warning}");
    }
    let folder = Folder::new().map_err(|cause| cannot_write(&std::env::temp_dir(), &cause))?;
    let log = folder.0.join("error.log");
    init_logger(Some(&log)).map_err(|cause| cannot_write(&log, &cause))?;
    let (running, moved) = start(&loaded.model, &folder.0)?;
    announce(&loaded.model, &moved, &folder.0);
    let outcome = match options.against {
        true => match against::compare(&loaded.model, &moved) {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        },
        false => {
            wait_for_the_end().map_err(|cause| format!("{PROGRAM}: {cause}"))?;
            ExitCode::SUCCESS
        }
    };
    running.stop();
    Ok(outcome)
}

/// Starts the sites on free ports; tries again when one is taken in the meantime.
fn start(model: &Model, folder: &Path) -> Result<(Running, Vec<Moved>), String> {
    let mut tries = 0;
    loop {
        let moved = move_listeners(model).map_err(|cause| format!("{PROGRAM}: {cause}"))?;
        let started = Server::from_model(confined(model, &moved, folder)).start();
        tries += 1;
        match started {
            Ok(running) => return Ok((running, moved)),
            Err(StartError::Bind(_)) if tries < 5 => {}
            Err(cause) => return Err(super::with_name(PROGRAM, &cause.to_string())),
        }
    }
}

/// A free port for each listener.
fn move_listeners(model: &Model) -> io::Result<Vec<Moved>> {
    // All are held until the last one is found, so that they differ.
    let mut held = Vec::new();
    for listener in &model.listeners {
        let socket = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let new = ListenAddress::Inet(socket.local_addr()?);
        let old = listener.address.clone();
        held.push((socket, Moved { old, new }));
    }
    Ok(held.into_iter().map(|(_, moved)| moved).collect())
}

/// The configuration on the new ports, with everything that is written below a folder.
fn confined(model: &Model, moved: &[Moved], folder: &Path) -> Model {
    let mut model = model.clone();
    for (listener, moved) in model.listeners.iter_mut().zip(moved) {
        listener.address = moved.new.clone();
    }
    model.process.pid = None;
    let error_log = LogTarget::File(folder.join("error.log"));
    for log in &mut model.process.error_log {
        log.target = error_log.clone();
    }
    let access_log = LogTarget::File(folder.join("access.log"));
    for site in &mut model.sites {
        for location in site.locations.iter_mut().chain([&mut site.nowhere]) {
            for log in &mut location.access_log {
                log.target = access_log.clone();
            }
            for log in &mut location.error_log {
                log.target = error_log.clone();
            }
            location.pass.buffering.folder = folder.to_owned();
        }
    }
    model
}

/// Says where the sites are now. A closed standard output is no reason to end.
fn announce(model: &Model, moved: &[Moved], folder: &Path) {
    let mut out = io::stdout().lock();
    for (listener, place) in model.listeners.iter().zip(moved) {
        for site in &listener.sites {
            let site = model.site(*site);
            let hosts: Vec<String> = site.hosts.iter().map(ToString::to_string).collect();
            let hosts = match hosts.join(" ") {
                none if none.is_empty() => "(any host)".to_owned(),
                hosts => hosts,
            };
            let _ = writeln!(out, "{hosts}\n    {} -> http://{}/", place.old, place.new);
        }
    }
    let _ = writeln!(out, "logs: {}", folder.display());
    if let Some((place, site)) = moved.first().zip(model.sites.first()) {
        let _ = writeln!(
            out,
            "try: curl -H 'Host: {}' http://{}/",
            site.name, place.new
        );
    }
    let _ = out.flush();
}

/// Returns at Ctrl-C, or when the process is told to terminate.
fn wait_for_the_end() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(told_to_end())
}

/// A folder of its own, which stays: it has the logs.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        // A new one, not someone else's nor one of an earlier process of this number.
        let folder = tempfile::Builder::new().prefix("gapura-try-").tempdir()?;
        Ok(Self(folder.keep()))
    }
}

fn cannot_write(path: &Path, cause: &io::Error) -> String {
    let (path, cause) = (path.display(), OsError(cause));
    format!("{PROGRAM}: {path} cannot be written ({cause})")
}
