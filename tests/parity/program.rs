//! nginx and Gapura, started on the same file.

use crate::support::{PATIENCE, wait_until};
use crate::talk;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// What is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    Nginx(PathBuf),
    Gapura,
}

/// nginx, where it is installed.
pub fn nginx() -> Option<Program> {
    let paths = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];
    let found = paths
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.exists());
    let required = std::env::var("GAPURA_REQUIRE").unwrap_or_default();
    assert!(
        found.is_some() || !required.split(',').any(|tool| tool == "nginx"),
        "nginx is required"
    );
    found.map(Program::Nginx)
}

/// A running program. Dropping it kills and reaps it.
pub struct Running(Child);

/// Why a program does not run.
#[derive(Debug)]
pub enum Failed {
    /// A port was taken, by another test perhaps.
    AddressInUse,
    /// What it said.
    Said(String),
}

impl Program {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nginx(_) => "nginx",
            Self::Gapura => "gapura",
        }
    }

    /// Starts it on a file and waits until it accepts connections at the addresses.
    pub fn start(
        &self,
        folder: &Path,
        file: &Path,
        addresses: &[String],
    ) -> Result<Running, Failed> {
        let path = match self {
            Self::Nginx(path) => path.as_path(),
            Self::Gapura => Path::new(env!("CARGO_BIN_EXE_gapura")),
        };
        let log = folder.join("error.log");
        // Either logs before it has read a configuration, to standard error at that time.
        let said = folder.join("said");
        let child = Command::new(path)
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(file)
            .arg("-e")
            .arg(&log)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&said).expect("a file"))
            .spawn()
            .expect("start a program");
        let mut running = Running(child);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = running.0.try_wait().expect("the child's state") {
                let read = |path| fs::read(path).unwrap_or_default();
                let said = [read(&said), read(&log)].concat();
                let said = String::from_utf8_lossy(&said).into_owned();
                return Err(match said.contains("Address already in use") {
                    true => Failed::AddressInUse,
                    false => Failed::Said(format!("{} ended with {status}:\n{said}", self.name())),
                });
            }
            if addresses.iter().all(|address| talk::accepts(address)) {
                return Ok(running);
            }
            if Instant::now() > deadline {
                return Err(Failed::Said(format!("{} does not listen", self.name())));
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
}

impl Running {
    /// Lets it finish, so that its logs are whole: a connection may still linger.
    pub fn stop(mut self) {
        let pid = libc::pid_t::try_from(self.0.id()).expect("a process id");
        // SAFETY: kill(2) touches no memory, and the child is not reaped yet: the id is its own.
        unsafe { libc::kill(pid, libc::SIGQUIT) };
        wait_until("the program ends", || {
            self.0.try_wait().expect("the child's state").is_some()
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
