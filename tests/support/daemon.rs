//! The program as init scripts start it: in the background, known by its pid file.

use super::{Client, PATIENCE, Response, free_port, wait_until};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// A folder with an nginx.conf, and what was started there. Dropping it kills what still runs.
pub struct Daemon {
    folder: TempDir,
    address: SocketAddr,
    program: PathBuf,
}

impl Daemon {
    /// A folder for this configuration, with `LISTEN` and `FOLDER` filled in. Nothing is started.
    pub fn prepare(conf: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::create_dir(folder.path().join("logs")).expect("a folder");
        let daemon = Self {
            folder,
            address: SocketAddr::from(([127, 0, 0, 1], free_port())),
            program: env!("CARGO_BIN_EXE_gapura").into(),
        };
        daemon.write("nginx.conf", conf);
        daemon
    }

    /// Another program than Gapura: nginx.
    pub fn of(mut self, program: &Path) -> Self {
        self.program = program.to_owned();
        self
    }

    /// Starts it, which has to succeed.
    #[track_caller]
    pub fn start(self) -> Self {
        let output = self.run(&[]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        self
    }

    /// Runs the program on the configuration until what was started ends.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(&self.program)
            .args(["-p", self.folder.path().to_str().expect("UTF-8")])
            .args(["-c", "nginx.conf"])
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("run it")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let text = text
            .replace("LISTEN", &self.address.to_string())
            .replace("FOLDER", &self.folder.path().display().to_string());
        fs::write(self.path(name), text).expect("written");
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number in a pid file.
    pub fn pid_in(&self, name: &str) -> Option<i32> {
        self.read(name).trim().parse().ok()
    }

    /// The number in the usual pid file.
    pub fn pid(&self) -> Option<i32> {
        self.pid_in("logs/nginx.pid")
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        Client::connect(self.address).get(path)
    }

    #[track_caller]
    pub fn signal(&self, pid: i32, signal: libc::c_int) {
        // SAFETY: kill(2) touches no memory.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0, "kill {pid}");
    }

    /// Waits until a line of its error log says this.
    #[track_caller]
    pub fn wait_for_error(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.read("logs/error.log").contains(text) {
            let log = self.read("logs/error.log");
            assert!(Instant::now() < deadline, "no {text:?} in\n{log}");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    #[track_caller]
    pub fn wait_for_end(&self, pid: i32) {
        wait_until("the process ends", || !is_running(pid));
    }
}

/// Whether a process is there that is not waiting to be reaped. One whose first thread has ended is
/// there, sockets and all, for as long as another thread is.
pub fn is_running(pid: i32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    if threads > 1 {
        return true;
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

impl Drop for Daemon {
    fn drop(&mut self) {
        for name in ["logs/nginx.pid", "logs/nginx.pid.oldbin"] {
            if let Some(pid) = self.pid_in(name).filter(|pid| *pid > 1) {
                // SAFETY: kill(2) touches no memory.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
        }
        if std::thread::panicking() {
            println!("the error log:\n{}", self.read("logs/error.log"));
        }
    }
}
