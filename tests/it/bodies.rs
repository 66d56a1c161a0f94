//! Request and response bodies: framing, limits, and sizes that must not fill memory.

use super::support::{Backend, Framing, Gapura, Then, read_head, request, respond, site};
use std::io::{BufReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const GIGABYTE: u64 = 1 << 30;
const MEMORY_LIMIT: u64 = 200 << 20;

fn write_zeros(stream: &mut impl Write, length: u64) -> std::io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let mut left = length;
    while left > 0 {
        let size = zeros.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        stream.write_all(&zeros[..size])?;
        left -= size as u64;
    }
    Ok(())
}

fn read_and_forget(stream: &mut impl Read, length: u64) -> u64 {
    let (mut buffer, mut total) = (vec![0; 1 << 20], 0);
    while total < length {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => total += read as u64,
        }
    }
    total
}

#[test]
fn a_gigabyte_down_is_streamed() {
    let backend = Backend::start(|_, stream| {
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {GIGABYTE}\r\n\r\n"
        )?;
        write_zeros(stream, GIGABYTE)?;
        Ok(Then::Keep)
    });
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    client.send(request("GET", "/", ""));
    let length = GIGABYTE.to_string();
    assert_eq!(
        client.read_head().header("content-length"),
        Some(length.as_str())
    );
    assert_eq!(client.discard(GIGABYTE), GIGABYTE);
    let peak = gapura.peak_memory();
    assert!(peak < MEMORY_LIMIT, "{peak} bytes of memory");
}

#[test]
fn a_gigabyte_up_is_streamed() {
    let received = Arc::new(AtomicU64::new(0));
    let at_backend = Arc::clone(&received);
    let backend = Backend::raw(move |stream| {
        let mut reader = BufReader::with_capacity(1 << 20, stream.try_clone()?);
        let Some(head) = read_head(&mut reader)? else {
            return Ok(());
        };
        assert_eq!(head.framing(), Some(Framing::Length(GIGABYTE)));
        at_backend.fetch_add(read_and_forget(&mut reader, GIGABYTE), Ordering::SeqCst);
        let mut stream = stream;
        respond(&mut stream, 200, "", "got it").map(drop)
    });
    let gapura = Gapura::start(&site(&[&backend], "client_max_body_size: 0"));
    let mut client = gapura.connect();
    client.send(request(
        "POST",
        "/",
        &format!("Content-Length: {GIGABYTE}\r\n"),
    ));
    let mut stream = client.into_stream();
    write_zeros(&mut stream, GIGABYTE).expect("send the body");
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 St");
    assert_eq!(received.load(Ordering::SeqCst), GIGABYTE);
    let peak = gapura.peak_memory();
    assert!(peak < MEMORY_LIMIT, "{peak} bytes of memory");
}

#[test]
fn a_client_that_does_not_read_holds_the_backend_back() {
    let sent = Arc::new(AtomicU64::new(0));
    let at_backend = Arc::clone(&sent);
    let backend = Backend::start(move |_, stream| {
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            GIGABYTE / 4
        )?;
        for _ in 0..256 {
            write_zeros(stream, 1 << 20)?;
            at_backend.fetch_add(1 << 20, Ordering::SeqCst);
        }
        Ok(Then::Keep)
    });
    let gapura = Gapura::start(&site(&[&backend], "proxy_max_temp_file_size: 0"));
    let mut client = gapura.connect();
    client.send(request("GET", "/", ""));
    client.read_head();
    // Wait until the backend makes no more progress.
    let mut before = u64::MAX;
    super::support::wait_until("the backend is held back", || {
        thread::sleep(std::time::Duration::from_millis(300));
        let now = sent.load(Ordering::SeqCst);
        std::mem::replace(&mut before, now) == now
    });
    assert!(
        before < GIGABYTE / 8,
        "{before} bytes were taken for nobody"
    );
    assert_eq!(client.discard(GIGABYTE / 4), GIGABYTE / 4);
    assert!(gapura.peak_memory() < MEMORY_LIMIT);
}

#[test]
fn bodies_arrive_whole_in_either_framing() {
    let backend = Backend::start(|request, stream| respond(stream, 200, "", &request.body));
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    let large: String = (0..60_000)
        .map(|number: u32| char::from(b'a' + u8::try_from(number % 26).unwrap()))
        .collect();
    for body in ["", "x", "hello world", &large] {
        let answer = client
            .exchange(request("POST", "/", &format!("Content-Length: {}\r\n", body.len())) + body);
        assert_eq!(answer.text(), body);
        let mut chunks = String::new();
        for chunk in body.as_bytes().chunks(7_001) {
            chunks += &format!(
                "{:x}\r\n{}\r\n",
                chunk.len(),
                std::str::from_utf8(chunk).unwrap()
            );
        }
        let answer = client.exchange(
            request("POST", "/", "Transfer-Encoding: chunked\r\n") + &chunks + "0\r\n\r\n",
        );
        assert_eq!(answer.text(), body);
    }
    let requests = backend.requests();
    assert_eq!(requests[2].framing, Framing::Length(1));
    assert!(
        requests
            .iter()
            .all(|request| request.head.values("content-length").count() <= 1)
    );
}

#[test]
fn chunk_extensions_and_trailers_are_read_over() {
    let backend = Backend::start(|request, stream| respond(stream, 200, "", &request.body));
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    let chunked = request("POST", "/", "Transfer-Encoding: chunked\r\n");
    let answer =
        client.exchange(chunked.clone() + "5;name=value\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n");
    assert_eq!(answer.text(), "hello");
    assert_eq!(
        client
            .exchange(chunked + "0005\r\nagain\r\n000\r\n\r\n")
            .text(),
        "again"
    );
}

#[test]
fn chunks_that_are_none_are_refused() {
    let backend = Backend::start(|request, stream| respond(stream, 200, "", &request.body));
    let gapura = Gapura::start(&site(&[&backend], ""));
    for body in [
        "zz\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "11111111111111111\r\nx",
    ] {
        let mut client = gapura.connect();
        let answer = client.exchange(request("POST", "/", "Transfer-Encoding: chunked\r\n") + body);
        assert_eq!(answer.status, 400, "{body:?}");
        client.expect_end();
    }
    assert_eq!(backend.hits(), 0, "no whole request came");
    assert_eq!(gapura.get("/").status, 200);
}

#[test]
fn a_body_over_the_limit_is_413_and_its_sender_sees_it() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], "client_max_body_size: 1m"));
    let body = vec![b'x'; 4 << 20];
    for chunked in [false, true] {
        let mut client = gapura.connect();
        if chunked {
            client.send(request("POST", "/", "Transfer-Encoding: chunked\r\n"));
            for part in body.chunks(1 << 16) {
                client.send(format!("{:x}\r\n", part.len()));
                client.send(part);
                client.send("\r\n");
            }
            client.send("0\r\n\r\n");
        } else {
            client.send(request(
                "POST",
                "/",
                &format!("Content-Length: {}\r\n", body.len()),
            ));
            client.send(&body);
        }
        let answer = client.read();
        assert_eq!(answer.status, 413, "chunked: {chunked}");
        assert!(answer.text().contains("413"));
    }
    assert_eq!(backend.hits(), 0);
    // Up to the limit all is well.
    let answer = gapura.exchange(
        [
            request("POST", "/", "Content-Length: 1048576\r\n").as_bytes(),
            &body[..1 << 20],
        ]
        .concat(),
    );
    assert_eq!(answer.status, 200);
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_sent_when_the_client_waits() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], "client_max_body_size: 1k"));
    let answer = gapura.exchange(request(
        "POST",
        "/",
        "Content-Length: 2000\r\nExpect: 100-continue\r\n",
    ));
    assert_eq!(answer.status, 413);
    assert_eq!(backend.hits(), 0);
}

#[test]
fn the_default_limit_is_1m_and_0_is_none() {
    let backend = Backend::named("one");
    let header = format!("Content-Length: {}\r\n", (1 << 20) + 1);
    let gapura = Gapura::start(&site(&[&backend], ""));
    assert_eq!(gapura.exchange(request("POST", "/", &header)).status, 413);
    let gapura = Gapura::start(&site(&[&backend], "client_max_body_size: 0"));
    let mut bytes = request("POST", "/", &header).into_bytes();
    bytes.resize(bytes.len() + (1 << 20) + 1, b'x');
    assert_eq!(gapura.exchange(bytes).status, 200);
}

#[test]
fn expect_100_continue_is_answered_before_the_body() {
    let backend = Backend::start(|request, stream| respond(stream, 200, "", &request.body));
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    client.send(request(
        "POST",
        "/",
        "Content-Length: 5\r\nExpect: 100-continue\r\n",
    ));
    assert_eq!(client.read().status, 100);
    client.send("hello");
    let answer = client.read();
    assert_eq!((answer.status, answer.text()), (200, "hello"));
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn head_gets_the_header_alone() {
    let backend = Backend::start(|request, stream| {
        let body: &[u8] = if request.method() == "HEAD" {
            b""
        } else {
            b"whole"
        };
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")?;
        stream.write_all(body)?;
        Ok(Then::Keep)
    });
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    for _ in 0..3 {
        let answer = client.exchange(request("HEAD", "/", ""));
        assert_eq!(
            (answer.status, answer.header("content-length")),
            (200, Some("5"))
        );
        assert_eq!(client.get("/").text(), "whole");
    }
}

#[test]
fn answers_without_a_body_leave_the_connection_in_step() {
    let backend = Backend::start(|request, stream| {
        let head: &[u8] = match request.target() {
            "/204" => b"HTTP/1.1 204 No Content\r\n\r\n",
            "/304" => b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 100\r\n\r\n",
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        };
        stream.write_all(head)?;
        Ok(Then::Keep)
    });
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    for (path, status) in [
        ("/204", 204),
        ("/304", 304),
        ("/200", 200),
        ("/204", 204),
        ("/304", 304),
    ] {
        let answer = client.get(path);
        assert_eq!((answer.status, answer.body.len()), (status, 0));
    }
}

#[test]
fn an_answer_without_a_length_ends_with_its_connection_and_is_whole() {
    let body = "x".repeat(300_000);
    let backend = Backend::saying(format!("HTTP/1.1 200 OK\r\n\r\n{body}"));
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    for _ in 0..2 {
        let answer = client.get("/");
        assert!(answer.whole && answer.text() == body);
        assert_eq!(answer.framing, Framing::Chunked);
    }
}

#[test]
fn an_answer_is_passed_on_while_it_comes() {
    let gate = super::support::Gate::default();
    let at_backend = gate.clone();
    let backend = Backend::start(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n")?;
        at_backend.wait();
        stream.write_all(b"7\r\nsecond\n\r\n0\r\n\r\n")?;
        Ok(Then::Keep)
    });
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    client.send(request("GET", "/", ""));
    client.read_head();
    assert_eq!(
        client.read_exactly(11),
        b"6\r\nfirst\n\r\n",
        "before the second is written"
    );
    gate.open();
    assert_eq!(client.read_exactly(17), b"7\r\nsecond\n\r\n0\r\n\r\n");
}
