//! In the background, and `-s`: what init scripts and logrotate do.

use super::support::{Daemon, HOST, free_port, wait_until};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Output;

const CONF: &str = "error_log logs/error.log notice;\nevents {}\nhttp {\n    access_log logs/access.log;\n    server { listen LISTEN; location / { return 200 here; } }\n}\n";

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_program_goes_to_the_background_and_s_stop_ends_it() {
    for word in ["stop", "quit"] {
        let daemon = Daemon::prepare(CONF).start();
        // What started it has ended: the pid file is there, and it serves.
        let pid = daemon.pid().expect("the pid file");
        assert_eq!(daemon.get("/").text(), "here");
        let session = fs::read_to_string(format!("/proc/{pid}/stat")).expect("its state");
        let fields: Vec<&str> = session.rsplit(") ").next().unwrap().split(' ').collect();
        assert_eq!(fields[3], pid.to_string(), "a session of its own");
        let output = daemon.run(&["-s", word]);
        assert_eq!(
            (output.status.code(), stderr(&output)),
            (Some(0), String::new())
        );
        daemon.wait_for_end(pid);
        assert!(!daemon.path("logs/nginx.pid").exists());
        daemon.wait_for_error("exit");
        assert!(
            daemon
                .read("logs/access.log")
                .contains("\"GET / HTTP/1.1\" 200 4")
        );
    }
}

#[test]
fn nobody_else_may_write_what_is_made_under_a_mask_that_allows_it() {
    // nginx in the background has such a mask, and leaves it to the binary that takes over.
    let daemon = Daemon::prepare(&CONF.replace(
        "access_log logs/access.log;",
        "root FOLDER; access_log logs/access.log; access_log logs/$host.log combined;",
    ));
    let program = daemon.path("unmasked");
    let script = format!(
        "#!/bin/sh\numask 0\nexec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_gapura")
    );
    fs::write(&program, script).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
    let daemon = daemon.of(&program).start();
    daemon.get("/");
    let named = format!("logs/{}.log", HOST);
    wait_until("the lines", || {
        [named.as_str(), "logs/access.log"]
            .iter()
            .all(|log| daemon.read(log).contains("GET"))
    });
    for file in [
        "logs/nginx.pid",
        "logs/error.log",
        "logs/access.log",
        &named,
    ] {
        let mode = fs::metadata(daemon.path(file)).expect("a file").mode();
        assert_eq!(mode & 0o777, 0o644, "{file} has {mode:o}");
    }
}

#[test]
fn s_reload_takes_a_new_file_and_keeps_the_process() {
    let daemon = Daemon::prepare(CONF).start();
    let pid = daemon.pid();
    daemon.write("nginx.conf", &CONF.replace("here", "there"));
    assert_eq!(daemon.run(&["-s", "reload"]).status.code(), Some(0));
    wait_until("the new file serves", || daemon.get("/").text() == "there");
    assert_eq!(daemon.pid(), pid);
}

#[test]
fn s_reopen_and_s_reload_write_to_new_files_after_a_move() {
    for signal in ["reopen", "reload"] {
        let daemon = Daemon::prepare(CONF).start();
        logs_are_new_after(&daemon, signal);
    }
}

/// Moves the logs away and sends a signal.
fn logs_are_new_after(daemon: &Daemon, signal: &str) {
    daemon.get("/first");
    wait_until("the line", || {
        daemon.read("logs/access.log").contains("/first")
    });
    fs::rename(
        daemon.path("logs/access.log"),
        daemon.path("logs/access.log.1"),
    )
    .expect("moved");
    fs::rename(
        daemon.path("logs/error.log"),
        daemon.path("logs/error.log.1"),
    )
    .expect("moved");
    assert_eq!(daemon.run(&["-s", signal]).status.code(), Some(0));
    wait_until("the new error log", || {
        daemon.path("logs/error.log").exists()
    });
    // A reload makes the new file before it has done with the one before.
    wait_until("a line in the new file", || {
        daemon.get("/second");
        daemon.read("logs/access.log").contains("/second")
    });
    let is_moved = |text: &str| daemon.read("logs/access.log.1").matches(text).count();
    let moved = is_moved("/second");
    daemon.get("/third");
    wait_until("the line", || {
        daemon.read("logs/access.log").contains("/third")
    });
    assert_eq!((is_moved("/second"), is_moved("/third")), (moved, 0));
}

#[test]
fn a_log_that_a_reload_no_longer_names_is_left_alone() {
    let daemon = Daemon::prepare(CONF).start();
    let other = CONF.replace("logs/error.log", "logs/other.log");
    daemon.write("nginx.conf", &other);
    assert_eq!(daemon.run(&["reload"]).status.code(), Some(0));
    let move_away = |log: &str| {
        let moved = format!("{log}.1");
        fs::rename(daemon.path(log), daemon.path(&moved)).expect("moved");
    };
    move_away("logs/error.log");
    // When it is there for the second time, the first time is over for all logs.
    for _ in 0..2 {
        move_away("logs/other.log");
        assert_eq!(daemon.run(&["-s", "reopen"]).status.code(), Some(0));
        wait_until("the new log", || daemon.path("logs/other.log").exists());
    }
    assert!(!daemon.path("logs/error.log").exists());
}

#[test]
fn what_is_wrong_at_the_start_is_said_before_the_background() {
    let taken = TcpListener::bind(("127.0.0.1", free_port())).expect("a port");
    let address = taken.local_addr().expect("an address");
    let daemon = Daemon::prepare(&CONF.replace("LISTEN", &address.to_string()));
    let output = daemon.run(&[]);
    assert_eq!(output.status.code(), Some(1));
    let line = format!("[emerg] bind() to {address} failed (98: Address already in use)");
    let said = stderr(&output);
    assert!(said.ends_with(&format!("nginx: {line}\n")), "{said}");
    // In the configured log as well, where whoever has not started it looks.
    let log = daemon.read("logs/error.log");
    assert!(log.ends_with(&format!(": {}\n", &line[8..])), "{log}");

    let daemon = Daemon::prepare(&format!("pid logs/missing/nginx.pid; {CONF}"));
    let output = daemon.run(&[]);
    assert_eq!(output.status.code(), Some(1));
    let line = "logs/missing/nginx.pid\" failed (2: No such file or directory)";
    assert!(stderr(&output).contains(line), "{}", stderr(&output));
    assert!(daemon.read("logs/error.log").contains(line));
}

#[test]
fn errors_of_the_background_have_nginx_s_file_when_none_is_named() {
    let conf = CONF.replace("error_log logs/error.log notice;", "");
    let conf = conf.replace("return 200 here;", "proxy_pass http://127.0.0.1:1;");
    let daemon = Daemon::prepare(&conf).start();
    assert_eq!(daemon.get("/").status, 502);
    daemon.wait_for_error("[error]");
}

/// What `-s` says is what nginx says, where it is installed.
#[test]
fn s_says_in_nginx_s_words_why_it_cannot() {
    let missing = i32::MAX - 1;
    let cases: [(Option<&str>, &[&str], &str); 5] = [
        (
            None,
            &["-s", "stop"],
            "nginx: [error] open() \"FOLDER/logs/nginx.pid\" failed (2: No such file or directory)\n",
        ),
        (
            Some(""),
            &["-s", "quit"],
            "nginx: [error] invalid PID number \"\" in \"FOLDER/logs/nginx.pid\"\n",
        ),
        (
            Some("seven\n"),
            &["-s", "reopen"],
            "nginx: [error] invalid PID number \"seven\" in \"FOLDER/logs/nginx.pid\"\n",
        ),
        (
            Some(&missing.to_string()),
            &["-s", "reload"],
            "nginx: [alert] kill(2147483646, 1) failed (3: No such process)\n",
        ),
        (
            None,
            &["-s", "nonsense"],
            "nginx: invalid option: \"-s nonsense\"\n",
        ),
    ];
    let nginx = std::path::Path::new("/usr/sbin/nginx");
    for (pid, arguments, said) in cases {
        // Debian's nginx has its pid file elsewhere, wherever the prefix is.
        let conf = format!("pid logs/nginx.pid; {CONF}");
        let mut programs = vec![Daemon::prepare(&conf)];
        if nginx.exists() {
            programs.push(Daemon::prepare(&conf).of(nginx));
        }
        for daemon in &programs {
            if let Some(text) = pid {
                fs::write(daemon.path("logs/nginx.pid"), text).expect("written");
            }
            let output = daemon.run(&[&["-e", "logs/first.log"], arguments].concat());
            let own = stderr(&output);
            let folder = daemon.path("").display().to_string();
            let expected = said.replace("FOLDER", folder.trim_end_matches('/'));
            assert_eq!(
                (output.status.code(), own),
                (Some(1), expected),
                "{arguments:?}"
            );
            fs::remove_file(daemon.path("logs/nginx.pid")).ok();
        }
    }
    let broken = Daemon::prepare(&format!("nonsense; {CONF}"));
    let output = broken.run(&["-s", "reload"]);
    assert_eq!(output.status.code(), Some(1));
    let first = stderr(&output)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    assert!(
        first.starts_with("nginx: [emerg] unknown directive \"nonsense\" in "),
        "{first}"
    );
}

#[test]
fn debian_s_init_lines_work() {
    let daemon = Daemon::prepare(CONF);
    let both = "daemon on; master_process on;";
    let tested = daemon.run(&["-t", "-q", "-g", both]);
    assert_eq!(
        (tested.status.code(), stderr(&tested)),
        (Some(0), String::new())
    );
    let started = daemon.run(&["-g", both]);
    assert_eq!(
        (started.status.code(), stderr(&started)),
        (Some(0), String::new())
    );
    let pid = daemon.pid().expect("the pid file");
    let reloaded = daemon.run(&["-g", both, "-s", "reload"]);
    assert_eq!(
        (reloaded.status.code(), stderr(&reloaded)),
        (Some(0), String::new())
    );
    daemon.wait_for_error("reconfigur");
    // start-stop-daemon --stop --retry QUIT/5 --pidfile
    daemon.signal(pid, libc::SIGQUIT);
    daemon.wait_for_end(pid);
    assert!(TcpStream::connect(daemon.address()).is_err());
}

#[test]
fn gapura_reload_waits_and_says_what_became_of_it() {
    let daemon = Daemon::prepare(CONF).start();
    for round in 0..5 {
        daemon.write(
            "nginx.conf",
            &CONF.replace("here", &format!("round{round}")),
        );
        let output = daemon.run(&["reload"]);
        assert_eq!(
            (output.status.code(), stderr(&output)),
            (Some(0), String::new())
        );
        // It is done: nothing is waited for.
        assert_eq!(daemon.get("/").text(), format!("round{round}"));
    }
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let listens = CONF.replace(
        "listen LISTEN;",
        &format!("listen LISTEN; listen {address};"),
    );
    let bound = format!("nginx: [emerg] bind() to {address} failed (98: Address already in use)");
    for (bad, said) in [
        (
            "nonsense",
            "nginx: [emerg] unexpected end of file, expecting \";\" or \"}\" in ",
        ),
        (&listens, bound.as_str()),
    ] {
        daemon.write("nginx.conf", bad);
        let output = daemon.run(&["reload"]);
        assert_eq!(output.status.code(), Some(1), "{bad}");
        assert!(stderr(&output).starts_with(said), "{}", stderr(&output));
        assert_eq!(daemon.get("/").text(), "round4");
        assert!(!daemon.path("logs/nginx.pid.reload").exists());
    }
    // nginx's way says nothing of it.
    assert_eq!(daemon.run(&["-s", "reload"]).status.code(), Some(0));
}
