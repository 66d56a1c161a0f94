//! SIGTERM, SIGINT and SIGQUIT.

use super::support::{
    Backend, Client, Gapura, Gate, PATIENCE, Then, request, respond, site, wait_until,
};
use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

/// A backend that sends half an answer and the rest once the gate opens.
fn halting(gate: &Gate) -> Backend {
    let gate = gate.clone();
    Backend::start(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")?;
        gate.wait();
        stream.write_all(b"5\r\nlater\r\n0\r\n\r\n")?;
        Ok(Then::Keep)
    })
}

fn downloading(gapura: &Gapura) -> Client {
    let mut client = gapura.connect();
    client.send(request("GET", "/", ""));
    client.read_head();
    assert_eq!(client.read_exactly(10), b"5\r\nfirst\r\n");
    client
}

#[test]
fn quit_lets_a_download_finish() {
    let gate = Gate::default();
    let backend = halting(&gate);
    let mut gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = downloading(&gapura);
    gapura.signal(libc::SIGQUIT);
    wait_until("nobody new is let in", || {
        TcpStream::connect(gapura.address()).is_err()
    });
    assert!(gapura.is_running());
    gate.open();
    assert_eq!(client.read_exactly(15), b"5\r\nlater\r\n0\r\n\r\n");
    assert_eq!(gapura.wait_for_exit().code(), Some(0));
}

#[test]
fn an_answer_that_comes_after_quit_says_that_the_connection_closes() {
    let gate = Gate::default();
    let backend = {
        let gate = gate.clone();
        Backend::start(move |request, stream| {
            if request.target() == "/late" {
                gate.wait();
            }
            respond(stream, 200, "", request.target())
        })
    };
    let mut gapura = Gapura::start(&site(&[&backend], ""));
    let (mut client, mut idle) = (gapura.connect(), gapura.connect());
    assert_eq!(idle.get("/soon").text(), "/soon");
    client.send(request("GET", "/late", ""));
    wait_until("the request is there", || backend.hits() == 2);
    gapura.signal(libc::SIGQUIT);
    idle.expect_end();
    gate.open();
    let answer = client.read();
    assert_eq!((answer.status, answer.text()), (200, "/late"));
    assert_eq!(answer.header("Connection"), Some("close"));
    assert_eq!(gapura.wait_for_exit().code(), Some(0));
}

#[test]
fn quit_closes_idle_connections_at_once() {
    let backend = Backend::named("one");
    let mut gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    assert_eq!(client.get("/").text(), "one");
    let started = Instant::now();
    gapura.signal(libc::SIGQUIT);
    client.expect_end();
    assert_eq!(gapura.wait_for_exit().code(), Some(0));
    assert!(started.elapsed() < PATIENCE / 6, "{:?}", started.elapsed());
}

#[test]
fn term_and_int_end_at_once() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let gate = Gate::default();
        let backend = halting(&gate);
        let mut gapura = Gapura::start(&site(&[&backend], ""));
        let mut client = downloading(&gapura);
        let started = Instant::now();
        gapura.signal(signal);
        assert_eq!(gapura.wait_for_exit().code(), Some(0));
        assert!(started.elapsed() < PATIENCE / 6, "{:?}", started.elapsed());
        client.expect_end();
        gate.open();
    }
}

#[test]
fn term_after_quit_ends_at_once() {
    let gate = Gate::default();
    let backend = halting(&gate);
    let mut gapura = Gapura::start(&site(&[&backend], ""));
    let client = downloading(&gapura);
    gapura.signal(libc::SIGQUIT);
    wait_until("nobody new is let in", || {
        TcpStream::connect(gapura.address()).is_err()
    });
    gapura.signal(libc::SIGTERM);
    assert_eq!(gapura.wait_for_exit().code(), Some(0));
    gate.open();
    drop(client);
}

#[test]
fn the_access_log_is_whole_after_a_stop() {
    let backend = Backend::named("one");
    for signal in [libc::SIGTERM, libc::SIGQUIT] {
        let mut gapura = Gapura::start(&site(&[&backend], ""));
        let mut client = gapura.connect();
        for number in 0..200 {
            client.get(&format!("/{number}"));
        }
        drop(client);
        gapura.signal(signal);
        gapura.wait_for_exit();
        let lines = gapura.accesses().all().len();
        // TERM may come between the last answer and its line.
        let fewest = if signal == libc::SIGTERM { 199 } else { 200 };
        assert!(
            (fewest..=200).contains(&lines),
            "signal {signal}: {lines} lines"
        );
    }
}

/// `worker_shutdown_timeout`.
#[test]
fn a_graceful_stop_ends_when_its_time_is_over() {
    let gate = Gate::default();
    let backend = halting(&gate);
    let yaml = format!("worker_shutdown_timeout: 50ms\n{}", site(&[&backend], ""));
    let mut gapura = Gapura::start(&yaml);
    let mut client = downloading(&gapura);
    gapura.signal(libc::SIGQUIT);
    assert_eq!(gapura.wait_for_exit().code(), Some(0));
    client.expect_end();
    let line = gapura
        .accesses()
        .wait_for("its line", |line| line.contains("GET / "));
    assert!(line.contains(" 200 "), "{line}");
    gate.open();
}

/// `worker_shutdown_timeout`: what keeps to the configuration of before is closed, and nothing else.
#[test]
fn what_keeps_to_an_old_configuration_ends_when_its_time_is_over() {
    let gate = Gate::default();
    let (old, new) = (halting(&gate), Backend::named("new"));
    let with =
        |backend: &Backend| format!("worker_shutdown_timeout: 300ms\n{}", site(&[backend], ""));
    let gapura = Gapura::start(&with(&old));
    let mut client = downloading(&gapura);
    gapura.reload(&with(&new));
    gapura
        .errors()
        .wait_for("the reload", |line| line.ends_with("reconfigured"));
    let mut another = gapura.connect();
    assert_eq!(another.get("/").text(), "new");
    client.expect_end();
    // The request is logged as one whose client went away.
    gapura
        .accesses()
        .wait_for("its line", |line| line.contains("GET / "));
    assert_eq!(another.get("/").text(), "new");
    gate.open();
}
