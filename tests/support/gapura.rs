//! The program under test, started as its users start it.

use super::lines::Lines;
use super::{Client, HOST, PATIENCE, Response, free_port, wait_until};
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A running program, with a folder of its own. Dropping it kills and reaps it.
pub struct Gapura {
    child: Child,
    folder: Folder,
    addresses: Vec<SocketAddr>,
    stdout: Lines,
    stderr: Lines,
}

/// What to start the program with, beyond a configuration.
pub struct Launch {
    name: &'static str,
    yaml: String,
    files: Vec<(String, String)>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Launch {
    pub fn new(yaml: &str) -> Self {
        Self {
            name: "gapura.yaml",
            yaml: yaml.to_owned(),
            files: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// An nginx.conf instead of YAML. `LISTEN` may stand in its other files too.
    pub fn nginx(conf: &str) -> Self {
        Self {
            name: "nginx.conf",
            ..Self::new(conf)
        }
    }

    /// A file beside the configuration.
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    /// One more argument.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A variable of its environment.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the program and waits until it accepts connections on every address.
    #[track_caller]
    pub fn start(self) -> Gapura {
        // A port that was free a moment ago may be taken: by another run of these tests, say.
        for _ in 0..5 {
            if let Some(gapura) = self.try_start() {
                return gapura;
            }
        }
        panic!("five times the port was taken");
    }

    /// The configuration. What nginx does by itself and a test cannot use, it is told not to do: it
    /// stays in the foreground, and its number is in a file of its own.
    fn text(&self, folder: &Folder) -> String {
        let says = |word: &str| {
            let given = self.arguments.iter().any(|given| given.starts_with(word));
            given || self.yaml.contains(word)
        };
        let mut before = String::new();
        if self.name == "nginx.conf" && !says("daemon ") {
            before.push_str("daemon off; ");
        }
        if self.name == "nginx.conf" && !says("pid ") {
            before.push_str(&format!("pid {}; ", folder.path("nginx.pid").display()));
        }
        before + &self.yaml
    }

    #[track_caller]
    fn try_start(&self) -> Option<Gapura> {
        let folder = Folder::new();
        let addresses: Vec<SocketAddr> = (0..placeholders(&self.yaml))
            .map(|_| SocketAddr::from(([127, 0, 0, 1], free_port())))
            .collect();
        folder.write(self.name, &fill_in(&self.text(&folder), &addresses));
        for (path, text) in &self.files {
            folder.write(path, &fill_in(text, &addresses));
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_gapura"))
            .arg("-c")
            .arg(folder.path(self.name))
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .current_dir(&folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start gapura");
        let stdout = Lines::collect(child.stdout.take().expect("a piped stdout"));
        let stderr = Lines::collect(child.stderr.take().expect("a piped stderr"));
        let mut gapura = Gapura {
            child,
            folder,
            addresses,
            stdout,
            stderr,
        };
        gapura.wait_until_it_accepts().then_some(gapura)
    }
}

impl Gapura {
    #[track_caller]
    pub fn start(yaml: &str) -> Self {
        Launch::new(yaml).start()
    }

    /// False if a port was taken.
    #[track_caller]
    fn wait_until_it_accepts(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while !self
            .addresses
            .iter()
            .all(|address| TcpStream::connect(address).is_ok())
        {
            if let Some(status) = self.child.try_wait().expect("the child's state") {
                self.stderr.wait_for_end();
                let log = self.stderr.all().join("\n");
                if log.contains("Address already in use") {
                    return false;
                }
                panic!("gapura ended with {status}:\n{log}");
            }
            assert!(Instant::now() < deadline, "gapura does not listen");
            thread::sleep(Duration::from_millis(2));
        }
        // Something else may have answered at a port that gapura could not have.
        self.child.try_wait().expect("the child's state").is_none()
    }

    /// The address of `LISTEN`.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The address of `LISTEN` (1), `LISTEN_2` (2) ….
    pub fn address_of(&self, number: usize) -> SocketAddr {
        self.addresses[number - 1]
    }

    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// `GET` of a path of [`HOST`] on a connection of its own.
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.connect().get(path)
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub fn exchange(&self, request: impl AsRef<[u8]>) -> Response {
        self.connect().exchange(request)
    }

    pub fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// Writes another configuration over the first and sends SIGHUP. The ports stay.
    pub fn reload(&self, yaml: &str) {
        assert!(placeholders(yaml) <= self.addresses.len(), "a new LISTEN");
        self.folder
            .write("gapura.yaml", &fill_in(yaml, &self.addresses));
        self.signal(libc::SIGHUP);
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.child.id()).expect("a process id");
        // SAFETY: kill(2) touches no memory, and the child is not reaped yet: the id is its own.
        let result = unsafe { libc::kill(pid, signal) };
        assert_eq!(result, 0, "kill");
    }

    /// Lines of the error log.
    pub fn errors(&self) -> &Lines {
        &self.stderr
    }

    /// Lines of the access log.
    pub fn accesses(&self) -> &Lines {
        &self.stdout
    }

    /// Waits for the program to end by itself.
    #[track_caller]
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("gapura ends", || {
            status = self.child.try_wait().expect("the child's state");
            status.is_some()
        });
        self.stdout.wait_for_end();
        self.stderr.wait_for_end();
        status.expect("a status")
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the child's state").is_none()
    }

    /// How many file descriptors it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .expect("the child's descriptors")
            .count()
    }

    /// The most memory it has had resident so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("the child's status");
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next())
            .expect("VmHWM");
        kilobytes.parse::<u64>().expect("a number") * 1024
    }
}

impl Drop for Gapura {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        self.stderr.wait_for_end();
        let log = self.stderr.all();
        if thread::panicking() {
            let last = log.len().saturating_sub(30);
            println!("the last lines of gapura's error log:");
            println!("{}", log[last..].join("\n"));
        } else {
            let panicked = log.iter().find(|line| line.contains("panicked at"));
            assert_eq!(panicked, None, "gapura panicked");
        }
    }
}

/// What one run of the program to its end printed.
pub struct Run {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    /// The configuration's path, where there was one.
    pub path: PathBuf,
    _folder: Folder,
}

/// Runs the program to its end; `CONFIG` among the arguments stands for a file with this text.
#[track_caller]
pub fn run(yaml: &str, arguments: &[&str]) -> Run {
    run_with(&[("gapura.yaml", yaml)], arguments)
}

/// Runs the program to its end beside these files; `CONFIG` stands for the first of them.
#[track_caller]
pub fn run_with(files: &[(&str, &str)], arguments: &[&str]) -> Run {
    let folder = Folder::new();
    for (name, text) in files {
        folder.write(name, text);
    }
    let path = folder.path(files[0].0);
    let child = Command::new(env!("CARGO_BIN_EXE_gapura"))
        .args(arguments.iter().map(|&argument| {
            if argument == "CONFIG" {
                path.as_os_str().to_owned()
            } else {
                argument.into()
            }
        }))
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start gapura");
    let Output {
        status,
        stdout,
        stderr,
    } = output_within_patience(child);
    Run {
        status,
        stdout: String::from_utf8(stdout).expect("UTF-8"),
        stderr: String::from_utf8(stderr).expect("UTF-8"),
        path,
        _folder: folder,
    }
}

#[track_caller]
fn output_within_patience(child: Child) -> Output {
    let pid = libc::pid_t::try_from(child.id()).expect("a process id");
    let waiting = thread::spawn(move || child.wait_with_output().expect("the output"));
    let deadline = Instant::now() + PATIENCE;
    while !waiting.is_finished() {
        if Instant::now() > deadline {
            // SAFETY: kill(2) touches no memory; the thread above has not reaped the child yet.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            panic!("gapura does not end by itself");
        }
        thread::sleep(Duration::from_millis(2));
    }
    waiting.join().expect("the waiting thread")
}

/// A folder below the system's temporary one, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("gapura-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("make a temporary folder");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("make a folder");
        fs::write(path, text).expect("write a file");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder left behind in /tmp fails no test.
        drop(fs::remove_dir_all(&self.0));
    }
}

fn placeholders(yaml: &str) -> usize {
    (2..)
        .take_while(|number| yaml.contains(&format!("LISTEN_{number}")))
        .count()
        + 1
}

fn fill_in(yaml: &str, addresses: &[SocketAddr]) -> String {
    let mut text = yaml.to_owned();
    for (index, address) in addresses.iter().enumerate().skip(1) {
        text = text.replace(&format!("LISTEN_{}", index + 1), &address.to_string());
    }
    text.replace("LISTEN", &addresses[0].to_string())
}

/// A request of [`HOST`]: used where only the method and the path matter.
pub fn request(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{headers}\r\n")
}
