//! The process: its number in a file, its folder, and what the command line adds to an nginx.conf.

use super::support::{Gapura, Launch, run_with, wait_until};
use std::fs;

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
    let conf = "pid missing/gapura.pid; events {} http { access_log off; server { listen 127.0.0.1:0; location / { return 204; } } }";
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
