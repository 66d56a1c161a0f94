//! The proxies: which are there, how each is configured, started and ended.

use crate::machine;
use crate::workload::{SMALL, Setup, Workload};
use std::env;
use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A proxy that is on this machine.
pub(crate) struct Proxy {
    pub(crate) name: String,
    kind: Kind,
    program: PathBuf,
    /// Configured as for the small GET, to be compared with itself.
    is_plain: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gapura,
    BarePingora,
    Nginx,
    Haproxy,
    Caddy,
    Envoy,
    Pingap,
}

/// One that runs.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// What everything else is measured against.
pub(crate) const BASE: &str = "bare Pingora";

pub(crate) const GAPURA: &str = "Gapura";

/// Gapura without the log, or with one site, where the workload has more.
pub(crate) const PLAIN_GAPURA: &str = "Gapura, as for the small GET";

/// Every proxy that is found. `others` are further programs by a name that begins with the proxy's:
/// `nginx-1.31=/opt/nginx`.
pub(crate) fn find(gapura: PathBuf, others: &[String]) -> io::Result<Vec<Proxy>> {
    let proxy = |name: &str, kind, program| Proxy {
        name: name.to_owned(),
        kind,
        program,
        is_plain: name == PLAIN_GAPURA,
    };
    let mut found = vec![
        proxy(GAPURA, Kind::Gapura, gapura.clone()),
        proxy(PLAIN_GAPURA, Kind::Gapura, gapura),
        proxy(BASE, Kind::BarePingora, env::current_exe()?),
    ];
    for (name, program, kind) in PROGRAMS {
        // Another Gapura is compared only when it is asked for.
        if kind != Kind::Gapura {
            found.extend(on_path(program).map(|path| proxy(name, kind, path)));
        }
    }
    for other in others {
        let given = other.split_once('=').and_then(|(name, program)| {
            let mut known = PROGRAMS.iter();
            let (.., kind) = known.find(|(_, program, _)| name.starts_with(program))?;
            Some(proxy(name, *kind, program.into()))
        });
        let wrong = || io::Error::other(format!("{other}: no such proxy, or no \"=\""));
        found.push(given.ok_or_else(wrong)?);
    }
    Ok(found)
}

const PROGRAMS: [(&str, &str, Kind); 6] = [
    ("nginx", "nginx", Kind::Nginx),
    ("HAProxy", "haproxy", Kind::Haproxy),
    ("Caddy", "caddy", Kind::Caddy),
    ("Envoy", "envoy", Kind::Envoy),
    ("Pingap", "pingap", Kind::Pingap),
    ("Gapura", "gapura", Kind::Gapura),
];

fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let mut programs = folders.map(|folder| folder.join(name));
    programs.find(|program| program.is_file())
}

impl Proxy {
    /// What it says about its version.
    pub(crate) fn version(&self) -> String {
        let flag = match self.kind {
            Kind::BarePingora => return "0.9.1, mimalloc".to_owned(),
            Kind::Gapura | Kind::Nginx | Kind::Haproxy => "-v",
            Kind::Caddy => "version",
            Kind::Envoy | Kind::Pingap => "--version",
        };
        let Ok(output) = Command::new(&self.program).arg(flag).output() else {
            return "unknown".to_owned();
        };
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().find(|line| !line.trim().is_empty());
        let words = line.unwrap_or_default().split_whitespace();
        let words = words.filter(|word| !word.starts_with('(')).take(3);
        words.collect::<Vec<_>>().join(" ")
    }

    /// Its configuration for a workload; `None` when it has none that could be compared.
    fn configuration(&self, workload: &Workload) -> Option<&'static str> {
        // Its rules for hosts are tried one after the other, and a map is a file of its own.
        let has_sites = !matches!(self.kind, Kind::Haproxy | Kind::Pingap);
        if workload.sites > 1 && !has_sites {
            return None;
        }
        match (self.kind, workload.setup) {
            (Kind::BarePingora, _) => Some(""),
            (Kind::Gapura | Kind::Nginx, Setup::Tuned) => Some(include_str!("nginx-tuned.conf")),
            (Kind::Gapura | Kind::Nginx, Setup::Tutorial) => {
                Some(include_str!("nginx-tutorial.conf"))
            }
            (_, Setup::Tutorial) => None,
            (Kind::Haproxy, _) => Some(include_str!("haproxy.cfg")),
            (Kind::Caddy, _) => Some(include_str!("Caddyfile")),
            (Kind::Envoy, _) => Some(include_str!("envoy.yaml")),
            (Kind::Pingap, _) => Some(include_str!("pingap.toml")),
        }
    }

    /// Whether it takes part in a workload.
    pub(crate) fn takes_part(&self, workload: &Workload) -> bool {
        self.configuration(workload).is_some() && (!self.is_plain || workload.is_small_with_more())
    }

    /// Starts it on a core and waits until it answers connections.
    pub(crate) fn start(
        &self,
        workload: &Workload,
        backend: SocketAddr,
        core: usize,
        folder: &Path,
    ) -> io::Result<Running> {
        fs::create_dir_all(folder)?;
        let workload = if self.is_plain { &SMALL } else { workload };
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let template = self.configuration(workload).unwrap_or_default();
        let text = filled(template, workload)
            .replace("BACKEND_HOST", &backend.ip().to_string())
            .replace("BACKEND_PORT", &backend.port().to_string())
            .replace("BACKEND", &backend.to_string())
            .replace("PORT", &address.port().to_string())
            .replace("THREADS", &workload.threads.to_string())
            .replace("FOLDER", &folder.display().to_string());
        let name = match self.kind {
            Kind::Envoy => "envoy.yaml",
            Kind::Pingap => "pingap.toml",
            _ => "proxy.conf",
        };
        let file = folder.join(name);
        fs::write(&file, text)?;
        let output = File::create(folder.join("output"))?;
        let mut command = Command::new(&self.program);
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let threads = workload.threads.to_string();
        match self.kind {
            Kind::BarePingora => command.arg("bare-pingora").args([
                address.to_string(),
                backend.to_string(),
                threads,
            ]),
            Kind::Gapura | Kind::Nginx | Kind::Pingap => command.arg("-c").arg(&file),
            Kind::Haproxy => command.arg("-db").arg("-f").arg(&file),
            Kind::Caddy => command
                .args(["run", "--adapter", "caddyfile", "--config"])
                .arg(&file)
                // It writes its configuration there.
                .env("XDG_CONFIG_HOME", folder)
                .env("GOMAXPROCS", threads),
            Kind::Envoy => command
                .args(["--concurrency", &threads, "--log-level", "error", "-c"])
                .arg(&file),
        };
        let core = thread::spawn(move || {
            // What a thread starts stays on its core.
            machine::stay_on(core);
            command.spawn()
        });
        let child = core.join().map_err(|_| io::Error::other("not started"))??;
        let mut running = Running { child, address };
        running.wait().map_err(|error| {
            io::Error::other(format!(
                "{}: {error}, see {}",
                self.name,
                folder.join("output").display()
            ))
        })?;
        Ok(running)
    }
}

/// A template's lines for a workload: those with and without a log, and what is there for each site.
fn filled(template: &str, workload: &Workload) -> String {
    let other = match workload.access_log {
        true => "# without log",
        false => "# with log",
    };
    let mut text = String::new();
    let mut site: Option<String> = None;
    for line in template.lines().filter(|line| !line.ends_with(other)) {
        let line = line.trim_end_matches(" # with log");
        let line = line.trim_end_matches(" # without log");
        match (line.trim(), &mut site) {
            ("# each site", _) => site = Some(String::new()),
            ("# end", Some(lines)) => {
                for host in workload.hosts() {
                    text.push_str(&lines.replace("SITE", &host));
                }
                site = None;
            }
            (_, Some(lines)) => lines.extend([line, "\n"]),
            (_, None) => text.extend([line, "\n"]),
        }
    }
    text.replace("SITE", &workload.hosts()[0])
}

impl Running {
    /// Its processes.
    pub(crate) fn processes(&self) -> Vec<u32> {
        machine::tree(self.child.id())
    }

    fn wait(&mut self) -> io::Result<()> {
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("ended with {status}")));
            }
            if Instant::now() > end {
                return Err(io::Error::other("does not listen"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let processes = self.processes();
        machine::signal(self.child.id(), libc::SIGINT);
        let end = Instant::now() + Duration::from_secs(3);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > end {
                for process in &processes {
                    machine::signal(*process, libc::SIGKILL);
                }
                // It was killed, so there is an end to wait for.
                let _ = self.child.wait();
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A start with 10,000 sites takes its time.
const PATIENCE: Duration = Duration::from_secs(60);
