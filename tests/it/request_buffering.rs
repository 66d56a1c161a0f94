//! Requests that are read whole before a backend hears of them, and those that are not.

use super::support::{
    Backend, Framing, Gapura, Gate, Request, Then, read_head, request, respond, site, wait_until,
};
use std::fmt::Write as _;
use std::io::{BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More than Pingora keeps for a second try, and than memory holds by default.
const LARGE: usize = 1 << 20;

fn body(length: usize) -> String {
    let mut body = String::with_capacity(length + 8);
    while body.len() < length {
        write!(body, "{:07} ", body.len()).unwrap();
    }
    body.truncate(length);
    body
}

fn with_length(method: &str, body: &str) -> String {
    request(method, "/", &format!("Content-Length: {}\r\n", body.len())) + body
}

fn in_chunks(method: &str, body: &str) -> String {
    let mut text = request(method, "/", "Transfer-Encoding: chunked\r\n");
    for chunk in body.as_bytes().chunks(30_001) {
        let chunk = std::str::from_utf8(chunk).unwrap();
        write!(text, "{:x};x=y\r\n{chunk}\r\n", chunk.len()).unwrap();
    }
    text + "0\r\nTrailer: x\r\n\r\n"
}

fn last(backend: &Backend) -> Request {
    backend.requests().last().cloned().expect("a request")
}

fn echo() -> Backend {
    Backend::start(|request, stream| respond(stream, 200, "", &request.body))
}

#[test]
fn a_backend_hears_of_a_request_when_its_body_is_whole() {
    let backend = echo();
    let gapura = Gapura::start(&site(&[&backend], "health_check: off"));
    let mut client = gapura.connect();
    client.send(request("POST", "/", "Content-Length: 10\r\n") + "first");
    // Another one comes and goes meanwhile.
    assert_eq!(gapura.get("/").status, 200);
    assert_eq!(backend.hits(), 1);
    client.send("later");
    assert_eq!(client.read().text(), "firstlater");
}

#[test]
fn without_buffering_a_body_is_passed_on_as_it_comes() {
    let gate = Gate::default();
    let at_backend = gate.clone();
    let backend = Backend::raw(move |stream| {
        let mut reader = BufReader::new(stream.try_clone()?);
        if read_head(&mut reader)?.is_none() {
            return Ok(());
        }
        let mut first = [0; 5];
        reader.read_exact(&mut first)?;
        at_backend.open();
        reader.read_exact(&mut first)?;
        let mut stream = stream;
        respond(&mut stream, 200, "", first).map(drop)
    });
    let settings = "health_check: off\nproxy_request_buffering: off";
    let gapura = Gapura::start(&site(&[&backend], settings));
    let mut client = gapura.connect();
    client.send(request("POST", "/", "Content-Length: 10\r\n") + "first");
    gate.wait();
    client.send("later");
    assert_eq!(client.read().text(), "later");
}

#[test]
fn a_body_in_chunks_reaches_the_backend_with_a_length() {
    let backend = echo();
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    for length in [0, 1, 5_000, 20_000, 100_000, LARGE - 100] {
        let body = body(length);
        for text in [in_chunks("POST", &body), with_length("POST", &body)] {
            // What follows a body is the next request.
            client.send(text + &request("GET", "/", ""));
            assert_eq!(client.read().text(), body);
            assert_eq!(client.read().text(), "");
        }
    }
    let uploads = backend.requests();
    let mut uploads = uploads.iter().filter(|request| request.method() == "POST");
    let lengths = |framing: &Framing| matches!(framing, Framing::Length(_) | Framing::Empty);
    assert!(uploads.all(|request| lengths(&request.framing)));
}

#[test]
fn a_body_of_any_size_goes_to_the_next_server_whole() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&tries);
    let broken = Backend::start(move |request, _| {
        // The whole of it was here.
        assert_eq!(request.body.len(), LARGE);
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(Then::Close)
    });
    let backend = echo();
    let text = site(
        &[&broken, &broken, &backend],
        "health_check: off\nclient_max_body_size: 10m",
    );
    let text = text.replacen(
        &format!("- address: {}", super::support::Addressed::address(&broken)),
        &format!(
            "- address: {}\n        max_fails: 0",
            super::support::Addressed::address(&broken)
        ),
        2,
    );
    let gapura = Gapura::start(&text);
    let mut client = gapura.connect();
    let body = body(LARGE);
    let mut seen = 0;
    for _ in 0..4 {
        for text in [with_length("PUT", &body), in_chunks("PUT", &body)] {
            assert!(client.exchange(text).text() == body, "it came back whole");
        }
        seen = tries.load(Ordering::SeqCst);
    }
    assert!(seen > 0, "no try failed");
    // And a POST may have changed something.
    let statuses: Vec<u16> = (0..4)
        .map(|_| client.exchange(with_length("POST", &body)).status)
        .collect();
    assert!(statuses.contains(&502), "{statuses:?}");
}

#[test]
fn too_large_a_body_in_chunks_is_413_before_anybody_hears_of_it() {
    let backend = echo();
    let settings = "health_check: off\nclient_max_body_size: 100k";
    let gapura = Gapura::start(&site(&[&backend], settings));
    let answer = gapura.exchange(in_chunks("POST", &body(LARGE)));
    assert_eq!(answer.status, 413);
    assert_eq!(backend.hits(), 0);
    gapura.errors().wait_for("its line", |line| {
        line.contains("client intended to send too large chunked body")
    });
}

#[test]
fn a_client_that_waits_for_a_100_gets_it_and_keeps_its_connection() {
    let backend = echo();
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    for _ in 0..2 {
        let expectation = "Expect: 100-continue\r\nContent-Length: 5\r\n";
        client.send(request("POST", "/", expectation));
        assert_eq!(client.read().status, 100);
        client.send("hello");
        let answer = client.read();
        assert_eq!(answer.text(), "hello");
        assert_eq!(answer.header("connection"), Some("keep-alive"));
    }
    assert_eq!(last(&backend).header("expect"), None);
}

#[test]
fn an_answer_before_the_body_was_passed_on_keeps_the_client_s_connection() {
    let backend = Backend::raw(|mut stream| {
        let mut reader = BufReader::new(stream.try_clone()?);
        read_head(&mut reader)?;
        respond(&mut stream, 403, "", "no").map(drop)
    });
    let settings = "health_check: off\nclient_max_body_size: 0\nproxy_next_upstream: off";
    let gapura = Gapura::start(&site(&[&backend], settings));
    let mut client = gapura.connect();
    for _ in 0..2 {
        let answer = client.exchange(with_length("POST", &body(8 * LARGE)));
        assert!(matches!(answer.status, 403 | 502), "{}", answer.status);
        assert_eq!(answer.header("connection"), Some("keep-alive"));
    }
}

#[test]
fn a_body_that_breaks_off_is_400_and_one_that_stops_408() {
    let backend = echo();
    let settings = "health_check: off\nclient_body_timeout: 1s";
    let gapura = Gapura::start(&site(&[&backend], settings));
    for part in ["Content-Length: 10\r\n", "Transfer-Encoding: chunked\r\n"] {
        let text = request("POST", "/", part) + "5\r\nab";
        let mut client = gapura.connect();
        client.send(&text);
        client.finish_sending();
        assert_eq!(client.read().status, 400);
        assert_eq!(gapura.exchange(text).status, 408);
    }
    let broken = request("POST", "/", "Transfer-Encoding: chunked\r\n") + "nonsense\r\n";
    assert_eq!(gapura.exchange(broken).status, 400);
    assert_eq!(backend.hits(), 0);
}

#[test]
fn variables_give_a_body_in_memory_or_the_file_that_it_is_in() {
    let backend = echo();
    let settings = "proxy_set_header: { X-Body: $request_body, X-File: $request_body_file }\n\
                    client_body_buffer_size: 100";
    let gapura = Gapura::start(&site(&[&backend], settings));
    gapura.exchange(with_length("POST", "short"));
    assert_eq!(last(&backend).header("x-body"), Some("short"));
    assert_eq!(last(&backend).header("x-file"), None);
    gapura.exchange(in_chunks("POST", &body(101)));
    assert_eq!(last(&backend).header("x-body"), None);
    assert!(last(&backend).header("x-file").is_some());
    gapura.exchange(request("GET", "/", ""));
    assert_eq!(last(&backend).header("x-body"), None);
}

#[test]
fn bodies_in_files_only_are_there_for_the_backend_and_may_stay() {
    for (wish, stays) in [("clean", false), ("on", true)] {
        // The backend reads the file instead of the body.
        let backend = Backend::start(|request, stream| {
            let file = request.header("x-file").unwrap_or_default();
            respond(
                stream,
                200,
                &format!("X-File: {file}\r\n"),
                std::fs::read(file)?,
            )
        });
        let settings = format!(
            "proxy_set_header: {{ X-File: $request_body_file }}\n\
             client_body_temp_path: bodies 1 2\nclient_body_in_file_only: {wish}"
        );
        let gapura = Gapura::start(&site(&[&backend], &settings));
        let answer = gapura.exchange(with_length("POST", "short"));
        assert_eq!(answer.text(), "short");
        let file = std::path::Path::new(answer.header("x-file").unwrap()).to_owned();
        assert!(file.starts_with(gapura.folder().join("bodies")), "{file:?}");
        if stays {
            assert_eq!(std::fs::read(&file).unwrap(), b"short");
        } else {
            wait_until("the file is gone", || !file.exists());
        }
    }
}
