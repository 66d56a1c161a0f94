//! `user`: a parent keeps root's rights, another user serves. These tests need root and say so when they
//! are not run by it.

use super::support::{Client, Daemon, Launch, is_running, wait_until};
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;

const CONF: &str = "user nobody;\nerror_log logs/error.log notice;\nevents {}\nhttp {\n    access_log logs/access.log;\n    server { listen LISTEN; listen unix:FOLDER/site.sock; location / { return 200 $pid; } }\n}\n";

/// Whether the test can be run; its name is said when it cannot.
fn is_root(test: &str) -> bool {
    // SAFETY: geteuid(2) touches no memory.
    let is_root = unsafe { libc::geteuid() } == 0;
    if !is_root {
        println!("{test} is skipped: only root can become another user");
    }
    is_root
}

/// The number of the user that a process is.
fn user_of(pid: i32) -> u32 {
    fs::metadata(format!("/proc/{pid}"))
        .expect("a process")
        .uid()
}

fn worker(daemon: &Daemon) -> i32 {
    daemon.get("/").text().parse().expect("a number")
}

/// A port that only root can listen on.
fn low_port() -> u16 {
    let mut ports = (600..1024).rev();
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(is_free).expect("a free port below 1024")
}

#[test]
fn what_only_root_may_goes_on_after_another_user_serves() {
    if !is_root("what_only_root_may_goes_on_after_another_user_serves") {
        return;
    }
    // The folder is root's alone: the user could not even enter it.
    let daemon = Daemon::prepare(CONF).start();
    let parent = daemon.pid().expect("the pid file");
    let worker_pid = worker(&daemon);
    assert_eq!(user_of(parent), 0);
    assert_ne!(user_of(worker_pid), 0);
    let status = fs::read_to_string(format!("/proc/{worker_pid}/status")).expect("its status");
    assert!(status.contains(&format!("PPid:\t{parent}\n")), "{status}");
    let groups = status.lines().find(|line| line.starts_with("Groups:"));
    let groups: Vec<&str> = groups.expect("its groups").split_whitespace().collect();
    assert!(!groups.contains(&"0"), "{groups:?}");

    // A port below 1024, and a file of root's.
    let low = SocketAddr::from(([127, 0, 0, 1], low_port()));
    daemon.write("secret.conf", "location /secret { return 200 told; }");
    let secret = daemon.path("secret.conf");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("root's alone");
    let conf = CONF.replace(
        "listen LISTEN;",
        &format!("listen LISTEN; listen {low}; include FOLDER/secret.conf;"),
    );
    let mut kept = Client::connect(daemon.address());
    assert_eq!(kept.get("/").text(), worker_pid.to_string());
    daemon.write("nginx.conf", &conf);
    assert_eq!(daemon.run(&["-s", "reload"]).status.code(), Some(0));
    wait_until("the low port", || TcpStream::connect(low).is_ok());
    wait_until("the new file", || kept.get("/secret").text() == "told");
    assert_eq!(Client::connect(low).get("/secret").text(), "told");
    assert_eq!(worker(&daemon), worker_pid, "the process stays");

    // Logs that were moved away.
    for log in ["access.log", "error.log"] {
        let log = daemon.path("logs").join(log);
        fs::rename(&log, log.with_extension("1")).expect("moved");
    }
    daemon.signal(parent, libc::SIGUSR1);
    wait_until("the new logs", || {
        ["logs/access.log", "logs/error.log"]
            .iter()
            .all(|log| daemon.path(log).exists())
    });
    wait_until("a line in the new access log", || {
        daemon.get("/again");
        daemon.read("logs/access.log").contains("/again")
    });
    let owner = fs::metadata(daemon.path("logs/access.log"))
        .expect("a log")
        .uid();
    assert_eq!(owner, user_of(worker_pid));

    daemon.signal(parent, libc::SIGQUIT);
    drop(kept);
    daemon.wait_for_end(parent);
    assert!(!is_running(worker_pid));
    assert!(!daemon.path("logs/nginx.pid").exists());
    assert!(!daemon.path("site.sock").exists());
    assert!(TcpStream::connect(low).is_err());
    daemon.wait_for_error("exit");
}

#[test]
fn a_process_that_dies_is_replaced_and_nobody_is_refused() {
    if !is_root("a_process_that_dies_is_replaced_and_nobody_is_refused") {
        return;
    }
    let daemon = Daemon::prepare(CONF).start();
    let first = worker(&daemon);
    daemon.signal(first, libc::SIGKILL);
    daemon.wait_for_end(first);
    // The socket is the parent's: who comes now waits for the next process.
    let second = worker(&daemon);
    assert_ne!(second, first);
    assert_ne!(user_of(second), 0);
    let said = format!("worker process {first} exited on signal 9");
    daemon.wait_for_error(&said);
    // And what the parent does goes on with that one.
    daemon.write("nginx.conf", &CONF.replace("$pid", "new"));
    assert_eq!(daemon.run(&["reload"]).status.code(), Some(0));
    assert_eq!(daemon.get("/").text(), "new");
    assert!(UnixStream::connect(daemon.path("site.sock")).is_ok());
}

#[test]
fn a_bad_reload_changes_nothing_for_another_user_either() {
    if !is_root("a_bad_reload_changes_nothing_for_another_user_either") {
        return;
    }
    let daemon = Daemon::prepare(CONF).start();
    let pid = worker(&daemon);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let listens = CONF.replace(
        "listen LISTEN;",
        &format!("listen LISTEN; listen {address};"),
    );
    for (bad, said) in [
        ("nonsense;", "[emerg] unknown directive \"nonsense\""),
        (&listens, "failed (98: Address already in use)"),
    ] {
        daemon.write("nginx.conf", bad);
        daemon.signal(daemon.pid().expect("the pid file"), libc::SIGHUP);
        // Whoever has the address is waited for a little.
        let tries = if bad == listens { 5 } else { 1 };
        wait_until(said, || {
            daemon.read("logs/error.log").matches(said).count() == tries
        });
        assert_eq!(worker(&daemon), pid);
    }
    // One that is refused when its sockets and its logs are there already, and then corrected.
    drop(taken);
    let good = listens
        .replace("$pid", "good")
        .replace("logs/access.log", "logs/other.log");
    let homeless = format!("pid FOLDER/nowhere/nginx.pid;\n{good}");
    daemon.write("nginx.conf", &homeless);
    daemon.signal(daemon.pid().expect("the pid file"), libc::SIGHUP);
    daemon.wait_for_error("nowhere/nginx.pid\" failed");
    assert_eq!(worker(&daemon), pid);
    assert!(TcpStream::connect(address).is_err(), "nobody listens there");
    let access = daemon.path("logs/access.log");
    fs::rename(&access, access.with_extension("1")).expect("moved");
    daemon.signal(daemon.pid().expect("the pid file"), libc::SIGUSR1);
    wait_until("a line in the new file", || {
        daemon.get("/moved");
        daemon.read("logs/access.log").contains("/moved")
    });
    daemon.write("nginx.conf", &good);
    daemon.signal(daemon.pid().expect("the pid file"), libc::SIGHUP);
    wait_until("the new file", || daemon.get("/").text() == "good");
    assert_eq!(Client::connect(address).get("/").text(), "good");
    wait_until("a line in its log", || {
        daemon.read("logs/other.log").contains("GET / ")
    });
}

#[test]
fn relative_paths_are_the_same_for_parent_and_process() {
    if !is_root("relative_paths_are_the_same_for_parent_and_process") {
        return;
    }
    let gapura = Launch::nginx(
        "user nobody; working_directory /; events {} http { access_log off; server { listen LISTEN; include location.conf; } }",
    )
    .file("location.conf", "return 204;")
    .argument("-p")
    .argument(".")
    .start();
    gapura.signal(libc::SIGHUP);
    let reloaded = |line: &str| line.ends_with("reconfigured");
    gapura.errors().wait_for("the reload", reloaded);
    assert_eq!(gapura.get("/").status, 204);
}

#[test]
fn another_binary_takes_over_from_parent_and_process() {
    if !is_root("another_binary_takes_over_from_parent_and_process") {
        return;
    }
    let daemon = Daemon::prepare(CONF).start();
    let (old, old_worker) = (daemon.pid().expect("the pid file"), worker(&daemon));
    daemon.signal(old, libc::SIGUSR2);
    wait_until("both pid files", || {
        let new = daemon.pid();
        daemon.pid_in("logs/nginx.pid.oldbin") == Some(old) && new.is_some() && new != Some(old)
    });
    let new = daemon.pid().expect("the pid file");
    daemon.signal(old, libc::SIGWINCH);
    wait_until("the new one answers alone", || {
        (0..20).all(|_| worker(&daemon) != old_worker)
    });
    daemon.signal(old, libc::SIGHUP);
    wait_until("the old one answers again", || {
        worker(&daemon) == old_worker
    });
    daemon.signal(old, libc::SIGQUIT);
    daemon.wait_for_end(old);
    assert!(!is_running(old_worker));
    assert_eq!(daemon.pid(), Some(new));
    let new_worker = worker(&daemon);
    assert_ne!(user_of(new_worker), 0);
    assert!(UnixStream::connect(daemon.path("site.sock")).is_ok());
    daemon.signal(new, libc::SIGTERM);
    daemon.wait_for_end(new);
    assert!(!is_running(new_worker));
    assert!(!daemon.path("site.sock").exists());
}

#[test]
fn the_process_ends_when_its_parent_dies() {
    if !is_root("the_process_ends_when_its_parent_dies") {
        return;
    }
    let daemon = Daemon::prepare(CONF).start();
    let pid = worker(&daemon);
    daemon.signal(daemon.pid().expect("the pid file"), libc::SIGKILL);
    daemon.wait_for_end(pid);
}
