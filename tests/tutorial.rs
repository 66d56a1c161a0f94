//! docs/tutorial.md does what it says: its commands are run in one shell, in order, and what they
//! print is compared with what the page shows.
//!
//! Blocks marked `sh tutorial` are run; a `text` block after one is what it must print: each line,
//! in this order, somewhere in the output, where `…` stands for anything. Ports are replaced by free ones.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Far more than it takes: a condition that never comes true ends here.
const PATIENCE: Duration = Duration::from_secs(120);

/// Commands of the page, and what they must print.
struct Step {
    line: usize,
    commands: String,
    printed: Vec<String>,
}

#[test]
fn the_tutorial_does_what_it_says() {
    for program in ["bash", "node", "curl"] {
        if !has(program) {
            let required = std::env::var("GAPURA_REQUIRE").unwrap_or_default();
            assert!(
                !required.split(',').any(|word| word == program),
                "{program} is not here"
            );
            println!("the_tutorial_does_what_it_says was not run: {program} is not here");
            return;
        }
    }
    let page = fs::read_to_string(Path::new(ROOT).join("docs/tutorial.md")).expect("the page");
    let steps = steps(&with_free_ports(&page, &["3001", "3002", "8080"]));
    assert!(steps.len() > 5, "{} steps", steps.len());

    let folder = Folder::new();
    let output = run(&folder.0, &steps);
    let mut parts = output.split(MARK).skip(1);
    for step in &steps {
        let part = parts.next().unwrap_or_default();
        let printed = part.split_once('\n').map_or("", |(_, printed)| printed);
        let mut rest = printed;
        for expected in &step.printed {
            rest = after(rest, expected).unwrap_or_else(|| {
                let line = step.line;
                panic!(
                    "docs/tutorial.md:{line}: expected {expected:?} in\n{printed}\nall:\n{output}"
                )
            });
        }
    }
    assert!(output.ends_with(END), "the shell stopped early:\n{output}");
}

/// What stands between the outputs of two steps.
const MARK: &str = "=====step ";
const END: &str = "=====step end\n";

/// Runs the steps in one shell and gives all that it printed.
fn run(folder: &Path, steps: &[Step]) -> String {
    let mut script = String::from("set -eu\n");
    for (number, step) in steps.iter().enumerate() {
        script += &format!("echo '{MARK}{number}'\n{}", step.commands);
    }
    script += "echo '=====step end'\n";
    let inner = folder.join("wayshub");
    fs::create_dir(&inner).expect("a folder");
    std::os::unix::fs::symlink(Path::new(ROOT).join("docker"), folder.join("docker"))
        .expect("a link");
    fs::write(folder.join("script"), script).expect("the script");

    let log = folder.join("output");
    let file = File::create(&log).expect("the output");
    let mut command = Command::new("bash");
    command
        .arg(folder.join("script"))
        .current_dir(&inner)
        .env("PATH", path())
        .process_group(0);
    for name in [
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command.stdout(file.try_clone().expect("the output"));
    command.stderr(file);
    let mut shell = Group(command.spawn().expect("bash"));
    let began = Instant::now();
    while shell.0.try_wait().expect("a child of ours").is_none() && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(shell);
    fs::read_to_string(log).expect("the output")
}

/// The PATH with the built `gapura` first.
fn path() -> std::ffi::OsString {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_gapura"));
    let own = program.parent().expect("a folder").to_owned();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(own).chain(std::env::split_paths(&others));
    std::env::join_paths(all).expect("paths without a colon")
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut fresh = false;
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            continue;
        };
        let block = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| *line != "```");
        match kind {
            "sh tutorial" => {
                let commands = block.map(|line| format!("{line}\n")).collect();
                steps.push(Step {
                    line: number + 1,
                    commands,
                    printed: Vec::new(),
                });
                fresh = true;
            }
            "text" if fresh => {
                let printed = block.filter(|line| !line.trim().is_empty());
                let printed = printed.map(str::to_owned).collect();
                steps.last_mut().expect("a step before its output").printed = printed;
                fresh = false;
            }
            _ => {
                block.for_each(drop);
                fresh = false;
            }
        }
    }
    steps
}

/// What follows the first place where `expected` stands in `text`.
fn after<'a>(text: &'a str, expected: &str) -> Option<&'a str> {
    let mut rest = text;
    for piece in expected.trim().split('…') {
        let at = rest.find(piece)?;
        rest = &rest[at + piece.len()..];
    }
    Some(rest)
}

fn with_free_ports(page: &str, ports: &[&str]) -> String {
    // Held all at once, so that they differ.
    let free: Vec<TcpListener> = ports
        .iter()
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
        .collect();
    let marks: Vec<String> = (0..ports.len())
        .map(|number| format!("<port {number}>"))
        .collect();
    let mut text = page.to_owned();
    // By way of marks: a free port may have one of the page's in it.
    for (port, mark) in ports.iter().zip(&marks) {
        text = text.replace(port, mark);
    }
    for (listener, mark) in free.iter().zip(&marks) {
        let port = listener.local_addr().expect("bound").port();
        text = text.replace(mark, &port.to_string());
    }
    text
}

fn has(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

/// A shell and everything it has started.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        // An error means that nothing is left of it.
        let _ = Command::new("kill")
            .args(["-KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
        let _ = self.0.wait();
    }
}

/// A folder of the test's own.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("gapura-tutorial-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
