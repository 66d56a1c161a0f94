//! Backends that misbehave: what the client gets, what the log says, what becomes of the
//! connection.

use super::support::{Addressed, Backend, Gapura, Gate, Then, request, respond, site};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const NO_CHECK: &str = "health_check: off\nproxy_read_timeout: 1s";

/// The one error line, with everything an administrator looks for in it.
fn assert_cause(gapura: &Gapura, backend: &Backend, cause: &[&str]) {
    let line = gapura.errors().wait_for("the cause", |line| {
        line.contains("[error]") && line.contains("upstream: \"")
    });
    let upstream = format!("upstream: \"http://{}/page\"", backend.address());
    for part in [
        "client: 127.0.0.1",
        "server: example.test",
        "request: \"GET /page HTTP/1.1\"",
        &upstream,
        "host: \"example.test\"",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(
        cause.iter().any(|cause| line.contains(cause)),
        "one of {cause:?} in {line}"
    );
}

#[test]
fn a_backend_that_closes_early_is_502() {
    let backend = Backend::saying("");
    let gapura = Gapura::start(&site(&[&backend], NO_CHECK));
    assert_eq!(gapura.get("/page").status, 502);
    assert_cause(&gapura, &backend, &["prematurely closed connection"]);
}

#[test]
fn a_backend_that_closes_within_the_header_is_502() {
    let backend = Backend::saying("HTTP/1.1 200 OK\r\nContent-Le");
    let gapura = Gapura::start(&site(&[&backend], NO_CHECK));
    assert_eq!(gapura.get("/page").status, 502);
    assert_cause(&gapura, &backend, &["prematurely closed connection"]);
}

#[test]
fn garbage_is_502() {
    for garbage in [
        &b"complete garbage, nothing like HTTP\r\n\r\n"[..],
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Header Name: 1\r\n\r\n",
    ] {
        let backend = Backend::saying(garbage);
        let gapura = Gapura::start(&site(&[&backend], NO_CHECK));
        let answer = gapura.get("/page");
        assert_eq!(answer.status, 502, "{:?}", String::from_utf8_lossy(garbage));
        assert!(!answer.text().contains("garbage"));
        assert_cause(&gapura, &backend, &["upstream sent", "invalid"]);
    }
}

#[test]
fn a_header_too_big_to_be_one_is_502() {
    let backend = Backend::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        for number in 0..40_000 {
            write!(stream, "X-{number}: {}\r\n", "y".repeat(100))?;
        }
        stream.write_all(b"\r\n")?;
        Ok(Then::Close)
    });
    let gapura = Gapura::start(&site(&[&backend], NO_CHECK));
    assert_eq!(gapura.get("/page").status, 502);
}

#[test]
fn a_backend_that_stalls_is_504_after_proxy_read_timeout() {
    let backend = Backend::stalling();
    let gapura = Gapura::start(&site(&[&backend], NO_CHECK));
    let started = Instant::now();
    let mut client = gapura.connect();
    assert_eq!(client.get("/page").status, 504);
    let taken = started.elapsed();
    assert!(taken >= Duration::from_millis(900), "{taken:?}");
    assert!(taken < Duration::from_secs(4), "{taken:?}");
    assert_cause(&gapura, &backend, &["timed out"]);
}

#[test]
fn a_backend_that_stalls_within_its_answer_ends_it() {
    let backend = Backend::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")?;
        thread::sleep(Duration::from_secs(4));
        Ok(Then::Close)
    });
    let gapura = Gapura::start(&site(&[&backend], NO_CHECK));
    let started = Instant::now();
    let mut client = gapura.connect();
    let answer = client.get("/page");
    assert_eq!(
        (answer.status, answer.text(), answer.whole),
        (200, "hello", false)
    );
    assert!(started.elapsed() < Duration::from_secs(3));
    client.expect_end();
    assert_cause(&gapura, &backend, &["timed out"]);
}

#[test]
fn a_backend_that_is_slow_but_moves_is_waited_for() {
    let backend = Backend::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")?;
        for _ in 0..6 {
            thread::sleep(Duration::from_millis(300));
            stream.write_all(b"x")?;
        }
        Ok(Then::Keep)
    });
    let gapura = Gapura::start(&site(&[&backend], NO_CHECK));
    assert_eq!(gapura.get("/").text(), "xxxxxx");
}

/// nginx answers at once. Pingora gives a backend that takes no more of a request the chance to have
/// answered it early, so `proxy_read_timeout` comes on top.
#[test]
fn a_backend_that_does_not_take_the_request_is_504_after_its_timeouts() {
    let gate = Gate::default();
    let at_backend = gate.clone();
    let backend = Backend::raw(move |stream| {
        at_backend.wait();
        drop(stream);
        Ok(())
    });
    let settings = "health_check: off\nproxy_send_timeout: 1s\nproxy_read_timeout: 1s\nclient_max_body_size: 0";
    let gapura = Gapura::start(&site(&[&backend], settings));
    let started = Instant::now();
    let mut client = gapura.connect();
    let length = 64 << 20;
    client.send(request(
        "POST",
        "/",
        &format!("Content-Length: {length}\r\n"),
    ));
    let (sender, mut client) = {
        let stream = client.into_stream();
        (stream.try_clone().unwrap(), stream)
    };
    let sending = thread::spawn(move || {
        let (mut sender, zeros) = (sender, vec![0; 1 << 20]);
        // It is cut off in the middle.
        for _ in 0..64 {
            if sender.write_all(&zeros).is_err() {
                break;
            }
        }
    });
    let mut answer = [0; 12];
    std::io::Read::read_exact(&mut client, &mut answer).expect("an answer");
    assert_eq!(std::str::from_utf8(&answer), Ok("HTTP/1.1 504"));
    // A stalled write is given up after the one, then an early answer is waited for by the other.
    assert!(started.elapsed() < Duration::from_secs(10));
    gate.open();
    drop(client.shutdown(std::net::Shutdown::Both));
    sending.join().unwrap();
}

#[test]
fn two_lengths_are_502() {
    let backend = Backend::start(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello")?;
        Ok(Then::Keep)
    });
    let gapura = Gapura::start(&site(&[&backend], NO_CHECK));
    let mut client = gapura.connect();
    assert_eq!(client.get("/page").status, 502);
    assert_eq!(client.get("/page").status, 502);
    let connections: Vec<u64> = backend.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [1, 2], "such a connection is not used again");
}

/// nginx answers 502. Pingora takes the chunks, as RFC 9112 section 6.3 allows, and drops the length
/// before any of our code sees it.
#[test]
fn with_a_length_and_chunks_the_chunks_count_and_the_connection_is_not_used_again() {
    let backend = Backend::saying(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    let gapura = Gapura::start(&site(&[&backend], NO_CHECK));
    for _ in 0..2 {
        let answer = gapura.get("/page");
        assert_eq!((answer.status, answer.text()), (200, "hello"));
        assert_eq!(answer.header("content-length"), None);
    }
    let connections: Vec<u64> = backend.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [1, 2]);
}

#[test]
fn a_connection_with_bytes_nobody_asked_for_is_not_used_again() {
    let first = AtomicUsize::new(0);
    let backend = Backend::start(move |_, stream| {
        if first.fetch_add(1, Ordering::SeqCst) == 0 {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")?;
            return Ok(Then::Keep);
        }
        respond(stream, 200, "", "next")
    });
    let gapura = Gapura::start(&site(&[&backend], NO_CHECK));
    let mut client = gapura.connect();
    assert_eq!(client.get("/").text(), "hello");
    for _ in 0..5 {
        assert_eq!(client.get("/").text(), "next");
    }
    let connections: Vec<u64> = backend.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections[..2], [1, 2]);
}

#[test]
fn a_broken_chunk_ends_the_answer() {
    let backend = Backend::start(|_, stream| {
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
        )?;
        Ok(Then::Keep)
    });
    let gapura = Gapura::start(&site(&[&backend], NO_CHECK));
    let mut client = gapura.connect();
    let answer = client.get("/page");
    assert!(answer.status == 502 || !answer.whole, "{answer:?}");
    assert_eq!(gapura.get("/page").head.values("x-none").count(), 0);
    let connections: Vec<u64> = backend.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [1, 2], "such a connection is not used again");
}

#[test]
fn an_early_answer_to_an_upload_reaches_its_sender() {
    let backend = Backend::raw(|stream| {
        let mut reader = std::io::BufReader::new(stream.try_clone()?);
        let mut stream = stream;
        while super::support::read_head(&mut reader)?.is_some() {
            respond(&mut stream, 401, "Connection: close\r\n", "who are you?")?;
            // Read what is on its way, so that no reset overtakes the answer.
            stream.shutdown(std::net::Shutdown::Write)?;
            std::io::copy(&mut reader, &mut std::io::sink())?;
        }
        Ok(())
    });
    let gapura = Gapura::start(&site(
        &[&backend],
        "health_check: off\nclient_max_body_size: 0\nproxy_request_buffering: off",
    ));
    let mut client = gapura.connect();
    client.send(request("POST", "/", "Content-Length: 1000000\r\n"));
    client.send(vec![0; 10_000]);
    let answer = client.read();
    assert_eq!((answer.status, answer.text()), (401, "who are you?"));
}

#[test]
fn informational_answers_are_no_answers() {
    let backend = Backend::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")?;
        respond(stream, 200, "", "final")
    });
    let gapura = Gapura::start(&site(&[&backend], NO_CHECK));
    let mut client = gapura.connect();
    for _ in 0..3 {
        let mut answer = client.get("/");
        while answer.status < 200 {
            answer = client.read();
        }
        assert_eq!((answer.status, answer.text()), (200, "final"));
    }
}

#[test]
fn a_client_that_goes_away_frees_the_backend() {
    let backend = Backend::stalling();
    let gapura = Gapura::start(&site(
        &[&backend],
        "health_check: off\nproxy_read_timeout: 60s",
    ));
    let mut client = gapura.connect();
    client.send(request("GET", "/", ""));
    super::support::wait_until("the request is there", || backend.hits() == 1);
    drop(client);
    super::support::wait_until("the backend's connection is closed", || {
        backend.open_connections() == 0
    });
}
