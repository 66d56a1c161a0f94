//! The process beside its requests: command line, signals, pid file, and what the error log says of it.
//!
//! Both programs are driven through the same day. What a command says and its exit status must be the
//! same; of nginx's log every line must be in Gapura's, in its order, but for what its worker processes
//! say of themselves, since Gapura has none that come and go.

use crate::program::{self, Program};
use crate::support::{Daemon, is_running, wait_until};
use std::fs;

const CONF: &str = "error_log logs/error.log notice;\npid logs/nginx.pid;\nevents {}\nhttp {\n    access_log logs/access.log;\n    server { listen LISTEN; location / { return 200 first; } }\n}\n";

/// What was seen, with numbers of processes and addresses masked.
#[derive(Debug, Default, PartialEq, Eq)]
struct Day {
    /// What each command said, after its name and status.
    commands: Vec<String>,
    /// Messages of the error log with their levels.
    log: Vec<String>,
}

#[test]
fn a_day_of_a_process() {
    let Some(Program::Nginx(nginx)) = program::nginx() else {
        println!("nginx is not installed: a_day_of_a_process was not compared");
        return;
    };
    // SAFETY: geteuid(2) touches no memory.
    let is_root = unsafe { libc::geteuid() } == 0;
    let with_user = format!("user nobody nogroup;\n{CONF}");
    let mut confs = vec![CONF];
    if is_root {
        confs.push(&with_user);
    } else {
        println!("a_day_of_a_process ran without a `user`: only root can become another one");
    }
    for conf in confs {
        let theirs = spend(Daemon::prepare(conf).of(&nginx), conf);
        let ours = spend(Daemon::prepare(conf), conf);
        assert_eq!(theirs.commands, ours.commands);
        let lines = theirs.log.iter().filter(|line| !is_of_workers(line));
        let mut left = ours.log.as_slice();
        for line in lines {
            let at = left.iter().position(|said| said == line);
            let at = at.unwrap_or_else(|| {
                panic!("\"{line}\" is missing in what is left of Gapura's:\n{left:#?}\nnginx's:\n{:#?}", theirs.log)
            });
            left = &left[at + 1..];
        }
        let more = ours.log.iter().filter(|line| !theirs.log.contains(line));
        let more: Vec<_> = more.filter(|line| !is_ours_alone(line)).collect();
        assert!(more.is_empty(), "only Gapura says {more:#?}");
    }
}

/// What nginx says of processes that Gapura has not: each reload begins new ones and ends the old.
fn is_of_workers(line: &str) -> bool {
    [
        "using the \"epoll\" event method",
        "start worker processes",
        "start worker process N",
        "worker process N exited with code 0",
        "signal 17 (SIGCHLD) received",
        "signal 29 (SIGIO) received",
        "exiting",
        "gracefully shutting down",
        "built by ",
        "OS: ",
        "getrlimit(RLIMIT_NOFILE)",
        "nginx/",
    ]
    .iter()
    .any(|said| line.contains(said))
        // They say it too, before the master does.
        || line.ends_with(" exit")
        || line.contains("reopening logs")
}

/// What only Gapura has to say.
fn is_ours_alone(line: &str) -> bool {
    line.ends_with("reconfigured") || line.contains("worker process N")
}

/// One day of a program, from its first test to its last end.
fn spend(daemon: Daemon, conf: &str) -> Day {
    let mut day = Day::default();
    let mut run = |daemon: &Daemon, arguments: &[&str]| {
        let output = daemon.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Debian's nginx 1.22 says errors of its start as a log does.
        let said = said.lines().map(|line| match message(daemon, line) {
            Some(said) => format!("nginx: {said}"),
            None => mask(daemon, line),
        });
        // Gapura shows the place besides; the notice goes to the log that nginx was built with, which is
        // standard error in Debian's.
        let is_said = |line: &String| {
            line.starts_with("nginx: ") && line != "nginx: [notice] signal process started"
        };
        let said: Vec<_> = said.filter(is_said).collect();
        day.commands
            .push(format!("{arguments:?} {:?} {said:?}", output.status.code()));
    };
    let answers = |daemon: &Daemon, text: &str| {
        wait_until(text, || daemon.get("/").text() == text);
    };
    run(&daemon, &["-s", "reload"]);
    run(&daemon, &["-t"]);
    run(&daemon, &["-t", "-q"]);
    run(&daemon, &[]);
    answers(&daemon, "first");
    let pid = daemon.pid().expect("the pid file");

    daemon.write("nginx.conf", &conf.replace("first", "second"));
    run(&daemon, &["-s", "reload"]);
    answers(&daemon, "second");

    // A mistake is `-s`'s to say, and the log's when a signal asks.
    daemon.write("nginx.conf", &format!("{conf} nonsense on;"));
    run(&daemon, &["-t"]);
    run(&daemon, &["-s", "reload"]);
    daemon.signal(pid, libc::SIGHUP);
    daemon.wait_for_error("[emerg]");
    answers(&daemon, "second");

    daemon.write("nginx.conf", conf);
    for log in ["access.log", "error.log"] {
        let log = daemon.path("logs").join(log);
        fs::copy(&log, log.with_extension("1")).expect("copied");
        fs::remove_file(&log).expect("removed");
    }
    run(&daemon, &["-s", "reopen"]);
    wait_until("new logs", || daemon.path("logs/access.log").exists());
    wait_until("new logs", || daemon.path("logs/error.log").exists());

    run(&daemon, &["-s", "quit"]);
    ends(&daemon, pid);
    run(&daemon, &["-s", "quit"]);

    run(&daemon, &[]);
    answers(&daemon, "first");
    let pid = daemon.pid().expect("the pid file");
    run(&daemon, &["-s", "stop"]);
    ends(&daemon, pid);
    run(&daemon, &["-s", "nonsense"]);

    for log in ["logs/error.1", "logs/error.log"] {
        let text = fs::read_to_string(daemon.path(log)).expect("the log");
        day.log
            .extend(text.lines().filter_map(|line| message(&daemon, line)));
    }
    day
}

#[track_caller]
fn ends(daemon: &Daemon, pid: i32) {
    wait_until("its end", || !is_running(pid));
    assert!(
        !daemon.path("logs/nginx.pid").exists(),
        "the pid file is removed"
    );
}

/// A line's level and message.
fn message(daemon: &Daemon, line: &str) -> Option<String> {
    // 2026/11/25 19:00:00 [notice] 12#12: text
    let (time, rest) = line.split_once(" [")?;
    time.starts_with("20").then_some(())?;
    let (level, rest) = rest.split_once("] ")?;
    let (_, text) = rest.split_once(": ")?;
    Some(mask(daemon, &format!("[{level}] {text}")))
}

fn mask(daemon: &Daemon, line: &str) -> String {
    let folder = daemon.path("");
    let folder = folder.display().to_string();
    let line = line.replace(folder.trim_end_matches('/'), "FOLDER");
    let words = line.split(' ').map(|word| {
        let bare = word.trim_end_matches([',', ':']);
        match bare.parse::<u32>() {
            Ok(number) if number > 99 => word.replace(bare, "N"),
            _ => word.to_owned(),
        }
    });
    let line = words.collect::<Vec<_>>().join(" ");
    // A process without a parent is not told who sent a signal.
    line.replace(" received from N", " received")
}
