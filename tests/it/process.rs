//! The process: its number in a file, its folder, and what the command line adds to an nginx.conf.

use super::support::{Gapura, Launch, PATIENCE, run_with, wait_until};
use std::fs;
use std::os::unix::net::UnixDatagram;

const SERVER: &str = "events {}\nhttp {\n    access_log off;\n    server { listen LISTEN; location / { return 204; } }\n}\n";

fn start(directives: &str) -> Launch {
    Launch::nginx(&format!("{directives}\n{SERVER}"))
        .argument("-p")
        .argument(".")
}

fn pid(gapura: &Gapura) -> String {
    fs::read_to_string(gapura.folder().join("gapura.pid")).unwrap_or_default()
}

#[test]
fn the_pid_file_is_there_while_the_process_serves() {
    let mut gapura = start("daemon off; pid gapura.pid;").start();
    wait_until("the pid file", || {
        pid(&gapura) == format!("{}\n", gapura.id())
    });
    let path = gapura.folder().join("gapura.pid");
    gapura.signal(libc::SIGQUIT);
    gapura.wait_for_exit();
    assert!(!path.exists());
}

#[test]
fn a_reload_moves_the_pid_file() {
    let gapura = start("daemon off; pid first.pid;").start();
    let (first, second) = (
        gapura.folder().join("first.pid"),
        gapura.folder().join("second.pid"),
    );
    wait_until("the first", || first.exists());
    let conf = gapura.folder().join("nginx.conf");
    let text = fs::read_to_string(&conf).expect("the configuration");
    fs::write(&conf, text.replace("first", "second")).expect("written");
    gapura.signal(libc::SIGHUP);
    wait_until("the second alone", || second.exists() && !first.exists());
}

#[test]
fn a_pid_file_that_cannot_be_written_is_an_error() {
    let conf = "daemon off; pid missing/gapura.pid; events {} http { access_log off; server { listen 127.0.0.1:0; location / { return 204; } } }";
    let run = run_with(&[("nginx.conf", conf)], &["-p", ".", "-c", "nginx.conf"]);
    assert_eq!(run.status.code(), Some(1));
    let folder = run.path.parent().expect("a folder").display();
    let line = format!(
        "[emerg] open() \"{folder}/missing/gapura.pid\" failed (2: No such file or directory)"
    );
    assert!(run.stderr.contains(&line), "{}", run.stderr);
}

#[test]
fn the_working_directory_is_the_process_s_and_a_reload_still_finds_the_files() {
    let gapura = start("daemon off; working_directory sub;")
        .file("sub/there", "")
        .start();
    let folder = gapura
        .folder()
        .join("sub")
        .canonicalize()
        .expect("a folder");
    let link = format!("/proc/{}/cwd", gapura.id());
    wait_until("the folder", || {
        fs::read_link(&link).ok().as_ref() == Some(&folder)
    });
    gapura.signal(libc::SIGHUP);
    gapura
        .errors()
        .wait_for("the reload", |line| line.ends_with("reconfigured"));
}

#[test]
fn g_s_directives_come_before_the_file_s() {
    let gapura = start("daemon off;")
        .argument("-g")
        .argument("pid gapura.pid;")
        .start();
    wait_until("the pid file", || !pid(&gapura).is_empty());

    let conf = SERVER.replace("LISTEN", "127.0.0.1:18080");
    let test = |given: &str| {
        let run = run_with(
            &[("nginx.conf", &conf)],
            &["-t", "-g", given, "-c", "CONFIG"],
        );
        assert_eq!(run.status.code(), Some(1), "{given}");
        run.stderr.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(
        test("deamon off;"),
        "nginx: [emerg] unknown directive \"deamon\" in command line"
    );
    assert_eq!(
        test("daemon off"),
        "nginx: [emerg] unexpected end of parameter, expecting \";\" in command line"
    );
}

#[test]
fn g_is_nginx_s_language_alone() {
    let yaml = "sites:\n  - listen: 127.0.0.1:18080\n    backends: [\"127.0.0.1:3001\"]\n";
    let run = run_with(
        &[("gapura.yaml", yaml)],
        &["-t", "-g", "daemon off;", "-c", "CONFIG"],
    );
    assert_eq!(run.status.code(), Some(1));
    assert!(
        run.stderr
            .starts_with("gapura: [emerg] \"-g\" takes directives of an nginx.conf")
    );
}

#[test]
fn the_kernel_is_asked_for_the_limits() {
    let gapura = start("daemon off; worker_rlimit_nofile 777; worker_priority 5;").start();
    let read = |file: &str| {
        let path = format!("/proc/{}/{file}", gapura.id());
        fs::read_to_string(path).expect("what the kernel says")
    };
    // It accepts before it serves.
    wait_until("the limit of open files", || {
        let limits = read("limits");
        let files = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let words: Vec<&str> = files.expect("the limit").split_whitespace().collect();
        words[3..5] == ["777", "777"]
    });
    wait_until("the priority", || {
        let stat = read("stat");
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[16] == "5"
    });
    gapura.errors().wait_for("a warning", |line| {
        line.contains("[warn]") && line.contains("777 files may be open, which is few")
    });
}

#[test]
fn a_warning_is_logged_as_nginx_logs_it() {
    let site = "server { listen LISTEN; server_name a.test; return 204; }";
    let conf = format!("daemon off; events {{}}\nhttp {{ access_log off; {site} {site} }}\n");
    let gapura = Launch::nginx(&conf).start();
    gapura.errors().wait_for("a warning", |line| {
        let said = line.split_once("[warn] ").map(|(_, said)| said);
        said.is_some_and(|said| said.contains(": conflicting server name \"a.test\" on "))
    });
    let mut lines = gapura.errors().all().into_iter();
    assert!(lines.all(|line| !line.contains("nginx: [warn]")));
}

#[test]
fn a_user_that_is_not_known_is_an_error_for_root() {
    let conf = "user nobody-knows-it;\nevents {}\nhttp {}\n";
    let run = run_with(&[("nginx.conf", conf)], &["-t", "-c", "CONFIG"]);
    // SAFETY: geteuid(2) touches no memory.
    let is_root = unsafe { libc::geteuid() } == 0;
    let first = run.stderr.lines().next().unwrap_or_default();
    let said = match is_root {
        true => "nginx: [emerg] getpwnam(\"nobody-knows-it\") failed in ",
        false => {
            "nginx: [warn] the \"user\" directive makes sense only if the master process runs with super-user privileges, ignored in "
        }
    };
    assert!(first.starts_with(said), "{first}");
}

#[test]
fn a_service_manager_hears_that_it_serves() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("notify");
    let manager = UnixDatagram::bind(&place).expect("a socket");
    let gapura = start("daemon off;")
        .environment("NOTIFY_SOCKET", place.to_str().expect("UTF-8"))
        .start();
    manager.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let mut word = [0; 256];
    let length = manager.recv(&mut word).expect("a word");
    let said = format!("READY=1\nMAINPID={}\n", gapura.id());
    assert_eq!(String::from_utf8_lossy(&word[..length]), said);
}
