//! Answers read ahead of a slow client, and those that are not.

use super::support::{Backend, Client, Gapura, Gate, Then, request, respond, site, wait_until};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

/// More than the sockets between a backend and a client hold by themselves.
const LARGE: usize = 24 << 20;

/// Bytes that tell where they belong.
fn body() -> &'static [u8] {
    static BODY: OnceLock<Vec<u8>> = OnceLock::new();
    BODY.get_or_init(|| {
        let mut body = Vec::with_capacity(LARGE);
        for number in 0..LARGE / 8 {
            write!(body, "{number:07} ").unwrap();
        }
        body
    })
}

/// A backend with a large answer for `/large` and a small one for everything else, and how many
/// bytes of large ones it has written.
fn backend(headers: &'static str) -> (Backend, Arc<AtomicU64>) {
    let written = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&written);
    let backend = Backend::start(move |request, stream| {
        if request.target() != "/large" {
            return respond(stream, 200, "", "small");
        }
        let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {LARGE}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        for part in body().chunks(1 << 16) {
            stream.write_all(part)?;
            counter.fetch_add(part.len() as u64, Ordering::SeqCst);
        }
        Ok(Then::Keep)
    });
    (backend, written)
}

/// Asks for the large answer and reads its header only.
fn ask(gapura: &Gapura) -> Client {
    let mut client = gapura.connect();
    client.send(request("GET", "/large", ""));
    client.read_head();
    client
}

fn assert_held_back(written: &AtomicU64) {
    let mut before = u64::MAX;
    wait_until("the backend makes no more progress", || {
        thread::sleep(Duration::from_millis(300));
        let now = written.load(Ordering::SeqCst);
        std::mem::replace(&mut before, now) == now
    });
    assert!(before < LARGE as u64, "all was taken for nobody");
}

const LOG: &str =
    "access_log: { path: stdout, format: '$uri $status $body_bytes_sent $upstream_status' }\n";

#[test]
fn a_slow_client_does_not_hold_its_upstream() {
    let (backend, written) = backend("");
    let gapura = Gapura::start(&site(&[&backend], LOG));
    let mut slow = ask(&gapura);
    wait_until("the backend has written everything", || {
        written.load(Ordering::SeqCst) == LARGE as u64
    });
    // The connection is free for others, and nothing is logged before the client has its answer.
    wait_until("another request gets its connection", || {
        assert_eq!(gapura.get("/small").text(), "small");
        let requests = backend.requests();
        requests[requests.len() - 1].connection == requests[0].connection
    });
    gapura
        .accesses()
        .wait_for("the small one", |line| line == "/small 200 5 200");
    let logged = gapura.accesses().all();
    assert!(!logged.iter().any(|line| line.starts_with("/large")));

    assert!(slow.read_exactly(LARGE) == body(), "the answer is whole");
    gapura.accesses().wait_for("the large one", |line| {
        line == format!("/large 200 {LARGE} 200")
    });
    // And its own connection goes on.
    slow.send(request("GET", "/small", ""));
    assert_eq!(slow.read().text(), "small");
}

#[test]
fn an_answer_in_chunks_is_read_ahead_too() {
    let written = Gate::default();
    let at_backend = written.clone();
    let backend = Backend::start(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for part in body().chunks(1 << 16) {
            write!(stream, "{:x}\r\n", part.len())?;
            stream.write_all(part)?;
            stream.write_all(b"\r\n")?;
        }
        stream.write_all(b"0\r\n\r\n")?;
        at_backend.open();
        Ok(Then::Keep)
    });
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    client.send(request("GET", "/", ""));
    written.wait();
    assert!(client.read().body == body(), "the answer is whole");
    client.send(request("HEAD", "/", ""));
    client.read_head();
}

#[test]
fn without_a_file_memory_is_all_that_is_read_ahead() {
    let (backend, written) = backend("");
    let gapura = Gapura::start(&site(&[&backend], "proxy_max_temp_file_size: 0"));
    let mut slow = ask(&gapura);
    assert_held_back(&written);
    assert!(slow.read_exactly(LARGE) == body(), "the answer is whole");
}

#[test]
fn proxy_buffering_off_leaves_the_pace_to_the_client() {
    let (backend, written) = backend("");
    let gapura = Gapura::start(&site(&[&backend], "proxy_buffering: off"));
    let mut slow = ask(&gapura);
    assert_held_back(&written);
    assert!(slow.read_exactly(LARGE) == body(), "the answer is whole");
}

#[test]
fn an_answer_decides_for_itself_with_x_accel_buffering() {
    let (backend, written) = backend("X-Accel-Buffering: no\r\n");
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut slow = ask(&gapura);
    assert_held_back(&written);
    assert!(slow.read_exactly(LARGE) == body(), "the answer is whole");

    let (backend, written) = self::backend("X-Accel-Buffering: Yes\r\n");
    let gapura = Gapura::start(&site(&[&backend], "proxy_buffering: off"));
    let _slow = ask(&gapura);
    wait_until("the backend has written everything", || {
        written.load(Ordering::SeqCst) == LARGE as u64
    });
}

#[test]
fn without_buffering_parts_of_a_short_answer_arrive_as_they_come() {
    let gate = Gate::default();
    let at_backend = gate.clone();
    let backend = Backend::start(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")?;
        at_backend.wait();
        stream.write_all(b"later")?;
        Ok(Then::Keep)
    });
    let gapura = Gapura::start(&site(&[&backend], "proxy_buffering: off"));
    let mut client = gapura.connect();
    client.send(request("GET", "/", ""));
    client.read_head();
    assert_eq!(
        client.read_exactly(5),
        b"first",
        "before the rest is written"
    );
    gate.open();
    assert_eq!(client.read_exactly(5), b"later");
}

#[test]
fn a_client_that_stops_taking_what_was_read_ahead_is_given_up_after_send_timeout() {
    let (backend, _) = backend("");
    let settings = format!("{LOG}send_timeout: 300ms");
    let gapura = Gapura::start(&site(&[&backend], &settings));
    let slow = ask(&gapura);
    let line = gapura
        .accesses()
        .wait_for("its log line", |line| line.starts_with("/large 200 "));
    let sent: usize = line.split(' ').nth(2).unwrap().parse().unwrap();
    assert!(sent < LARGE, "{line}");
    drop(slow);
}

#[test]
fn a_client_that_leaves_what_was_read_ahead_is_noticed() {
    let (backend, written) = backend("");
    let gapura = Gapura::start(&site(&[&backend], LOG));
    let slow = ask(&gapura);
    wait_until("the backend has written everything", || {
        written.load(Ordering::SeqCst) == LARGE as u64
    });
    slow.reset();
    gapura
        .accesses()
        .wait_for("its log line", |line| line.starts_with("/large 200 "));
}

#[test]
fn what_a_backend_sent_before_it_broke_off_still_reaches_a_slow_client() {
    let half = LARGE / 2;
    let gate = Gate::default();
    let at_backend = gate.clone();
    let backend = Backend::start(move |_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n")?;
        stream.write_all(&body()[..half])?;
        at_backend.open();
        Ok(Then::Close)
    });
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut slow = ask(&gapura);
    gate.wait();
    assert!(slow.read_rest() == body()[..half], "all that there was");
}
