//! USR2: another binary takes over the sockets.

use super::support::{Daemon, is_running, wait_until};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

const CONF: &str = "error_log logs/error.log notice;\nevents {}\nhttp {\n    access_log off;\n    server { listen LISTEN; listen unix:FOLDER/site.sock; location / { return 200 $pid; } }\n}\n";

const OLD: &str = "logs/nginx.pid.oldbin";

/// Starts another binary beside the one that runs; gives both numbers.
fn upgrade(daemon: &Daemon) -> (i32, i32) {
    let old = daemon.pid().expect("the pid file");
    daemon.signal(old, libc::SIGUSR2);
    wait_until("both pid files", || {
        daemon.pid_in(OLD) == Some(old) && daemon.pid().is_some_and(|new| new != old)
    });
    (old, daemon.pid().expect("the pid file"))
}

/// Whether somebody listens at the Unix socket.
fn unix_answers(daemon: &Daemon) -> bool {
    let Ok(mut stream) = UnixStream::connect(daemon.path("site.sock")) else {
        return false;
    };
    let mut answer = String::new();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("sent");
    stream.read_to_string(&mut answer).expect("an answer");
    answer.starts_with("HTTP/1.1 200")
}

#[test]
fn another_binary_takes_over_and_the_socket_s_file_stays() {
    let daemon = Daemon::prepare(CONF).start();
    let (old, new) = upgrade(&daemon);
    daemon.signal(old, libc::SIGQUIT);
    daemon.wait_for_end(old);
    assert!(!daemon.path(OLD).exists());
    assert_eq!(daemon.pid(), Some(new));
    assert_eq!(daemon.get("/").text(), new.to_string());
    assert!(unix_answers(&daemon));
    // And once more: the one that took over can be followed too.
    let (second, third) = upgrade(&daemon);
    assert_eq!(second, new);
    daemon.signal(second, libc::SIGQUIT);
    daemon.wait_for_end(second);
    assert_eq!(daemon.get("/").text(), third.to_string());
    daemon.signal(third, libc::SIGTERM);
    daemon.wait_for_end(third);
    assert!(
        !daemon.path("site.sock").exists(),
        "the last one takes it along"
    );
}

#[test]
fn the_old_binary_goes_on_when_the_new_one_ends() {
    let daemon = Daemon::prepare(CONF).start();
    let (old, new) = upgrade(&daemon);
    daemon.signal(old, libc::SIGWINCH);
    wait_until("only the new one answers", || {
        (0..20).all(|_| daemon.get("/").text() == new.to_string())
    });
    // Back to the old one, as nginx's documentation has it.
    daemon.signal(old, libc::SIGHUP);
    wait_until("the old one answers again", || {
        daemon.get("/").text() == old.to_string()
    });
    daemon.signal(new, libc::SIGQUIT);
    wait_until("the pid file is the old one's", || {
        daemon.pid() == Some(old) && !daemon.path(OLD).exists()
    });
    assert!(!is_running(new));
    assert_eq!(daemon.get("/").text(), old.to_string());
    assert!(unix_answers(&daemon));
}

#[test]
fn a_third_binary_is_refused_while_two_run() {
    let daemon = Daemon::prepare(CONF).start();
    let (old, new) = upgrade(&daemon);
    for pid in [old, new] {
        daemon.signal(pid, libc::SIGUSR2);
    }
    wait_until("both say so", || {
        let log = daemon.read("logs/error.log");
        log.matches("the changing binary signal is ignored").count() == 2
    });
    assert_eq!((daemon.pid_in(OLD), daemon.pid()), (Some(old), Some(new)));
}

#[test]
fn a_new_binary_that_does_not_start_changes_nothing() {
    let daemon = Daemon::prepare(CONF).start();
    let pid = daemon.pid().expect("the pid file");
    // What is wrong is seen at once, or when the new one has the sockets.
    let homeless = format!("pid FOLDER/nowhere/nginx.pid;\n{CONF}");
    for (number, conf) in ["nonsense;", &homeless].into_iter().enumerate() {
        daemon.write("nginx.conf", conf);
        daemon.signal(pid, libc::SIGUSR2);
        wait_until("the new one has ended", || {
            let said = daemon.read("logs/error.log");
            said.matches("exited with code 1").count() > number
        });
        wait_until("the pid file is back", || daemon.pid() == Some(pid));
        assert_eq!(daemon.get("/").text(), pid.to_string());
        assert!(unix_answers(&daemon));
    }
}

#[test]
fn nobody_is_refused_while_binaries_change() {
    let daemon = Daemon::prepare(CONF).start();
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let mut stream = TcpStream::connect(daemon.address()).expect("let in");
                        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("sent");
                        let mut answer = String::new();
                        stream.read_to_string(&mut answer).expect("an answer");
                        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for _ in 0..3 {
            let (old, _) = upgrade(&daemon);
            let before = served.load(Ordering::Relaxed);
            wait_until("requests while both serve", || {
                served.load(Ordering::Relaxed) > before + 50
            });
            daemon.signal(old, libc::SIGQUIT);
            daemon.wait_for_end(old);
            let before = served.load(Ordering::Relaxed);
            wait_until("requests of the new one", || {
                served.load(Ordering::Relaxed) > before + 50
            });
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().expect("no request failed");
        }
    });
}
