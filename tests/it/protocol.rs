//! HTTP/1 as clients speak it, well and badly.

use super::support::{Backend, Client, Framing, Gapura, PATIENCE, request, site};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn an_http_1_0_client_gets_what_it_can_read() {
    let backend = Backend::saying(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    );
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    let answer = client.exchange("GET / HTTP/1.0\r\nHost: example.test\r\n\r\n");
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!((answer.status, answer.text()), (200, "hello world"));
    assert_eq!(answer.framing, Framing::Close);
    client.expect_end();
}

#[test]
fn an_http_1_0_client_may_keep_its_connection() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    for _ in 0..3 {
        let answer = client
            .exchange("GET / HTTP/1.0\r\nHost: example.test\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(answer.text(), "one");
        assert!(
            answer
                .header("connection")
                .is_some_and(|value| value.eq_ignore_ascii_case("keep-alive")),
            "{:?}",
            answer.head.headers
        );
    }
    let answer = client.exchange("GET / HTTP/1.0\r\nHost: example.test\r\n\r\n");
    assert_eq!(answer.header("connection"), Some("close"));
    client.expect_end();
}

#[test]
fn a_client_that_asks_to_close_is_told_so_and_closed() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    let answer = client.exchange(request("GET", "/", "Connection: close\r\n"));
    assert_eq!(
        (answer.text(), answer.header("connection")),
        ("one", Some("close"))
    );
    client.expect_end();
}

#[test]
fn a_backend_that_closes_does_not_close_the_client() {
    let backend =
        Backend::saying("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\none");
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    for _ in 0..3 {
        let answer = client.get("/");
        assert_eq!(answer.text(), "one");
        assert_ne!(answer.header("connection"), Some("close"));
    }
}

#[test]
fn pipelined_requests_are_all_answered_in_order() {
    let backend = Backend::mirror();
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    let post = request("POST", "/two", "Content-Length: 9\r\n") + "GET /evil";
    client.send(request("GET", "/one", "") + &post + &request("GET", "/three", ""));
    for expected in ["GET /one ", "POST /two ", "GET /three "] {
        let answer = client.read();
        assert!(answer.text().starts_with(expected), "{}", answer.text());
    }
    let chunked =
        request("POST", "/two", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n0\r\n\r\n";
    client.send(
        request("HEAD", "/one", "") + &chunked + &request("GET", "/three", "Connection: close\r\n"),
    );
    assert_eq!(client.read_bodiless().status, 200);
    assert!(client.read().text().ends_with("\r\n\r\nabc"));
    assert!(client.read().text().starts_with("GET /three "));
    client.expect_end();
}

#[test]
fn many_pipelined_requests_in_odd_pieces_are_all_answered() {
    let backend = Backend::mirror();
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    let all: String = (0..40)
        .map(|number| match number % 3 {
            0 => request("GET", &format!("/{number}"), ""),
            1 => request("POST", &format!("/{number}"), "Content-Length: 3\r\n") + "abc",
            _ => {
                request(
                    "POST",
                    &format!("/{number}"),
                    "Transfer-Encoding: chunked\r\n",
                ) + "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
            }
        })
        .collect();
    for piece in all.as_bytes().chunks(97) {
        client.send(piece);
        thread::sleep(Duration::from_millis(1));
    }
    for number in 0..40 {
        let answer = client.read();
        let target = answer.text().split(' ').nth(1).map(str::to_owned);
        assert_eq!(target.as_deref(), Some(format!("/{number}").as_str()));
    }
}

#[test]
fn a_length_and_chunks_together_are_400() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], ""));
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let mut client = gapura.connect();
        let answer = client.exchange(
            request("POST", "/", headers)
                + "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: example.test\r\n\r\n",
        );
        assert_eq!(answer.status, 400, "{headers}");
        client.expect_end();
    }
    assert_eq!(backend.hits(), 0);
}

#[test]
fn lengths_that_are_none_or_two_are_400() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], ""));
    for headers in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: x\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 99999999999999999999999\r\n",
    ] {
        let mut client = gapura.connect();
        let answer = client.exchange(request("POST", "/", headers) + "hello");
        assert_eq!(answer.status, 400, "{headers}");
        client.expect_end();
    }
    assert_eq!(backend.hits(), 0);
}

#[test]
fn unknown_transfer_encodings_are_501() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], ""));
    for value in ["gzip, chunked", "identity", "chunked, chunked", "xchunked"] {
        let answer = gapura.exchange(request(
            "POST",
            "/",
            &format!("Transfer-Encoding: {value}\r\n"),
        ));
        assert_eq!(answer.status, 501, "{value}");
    }
    assert_eq!(backend.hits(), 0);
}

#[test]
fn requests_that_are_none_are_answered_as_nginx_answers_them() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], ""));
    for (bytes, status) in [
        ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1 x\r\nHost: a\r\n\r\n", 400),
        ("GET / FOO/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
        ("\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n", 400),
        (
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
    ] {
        let mut client = gapura.connect();
        let answer = client.exchange(bytes);
        assert_eq!(answer.status, status, "{bytes:?}");
        assert_eq!(answer.header("server"), Some("gapura"), "{bytes:?}");
        assert!(answer.text().contains(&status.to_string()), "{bytes:?}");
    }
    assert_eq!(backend.hits(), 0);
}

#[test]
fn requests_that_nginx_serves_are_served() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], ""));
    let many = (0..300)
        .map(|number| format!("X-{number}: 1\r\n"))
        .collect::<String>();
    for bytes in [
        "GET / HTTP/1.1\nHost: example.test\n\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: example.test\r\n\r\n",
        "GET / HTTP/1.1\r\nhost:example.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:   example.test   \r\n\r\n",
        "GET /<a> HTTP/1.1\r\nHost: example.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: example.test\r\nno-colon-here\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: example.test\r\nX_Underscore: dropped\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: example.test\r\nX-Latin: caf\u{e9}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: example.test\r\nX-Empty:\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: example.test\r\n\r\n",
        "PROPFIND / HTTP/1.1\r\nHost: example.test\r\n\r\n",
        "DELETE / HTTP/1.1\r\nHost: example.test\r\n\r\n",
        request("GET", "/", &many).as_str(),
    ] {
        let answer = gapura.exchange(bytes);
        assert_eq!((answer.status, answer.text()), (200, "one"), "{bytes:?}");
    }
    assert_eq!(
        backend
            .requests()
            .iter()
            .filter(|request| request.header("x_underscore").is_some())
            .count(),
        0,
        "as nginx, which drops such names"
    );
}

#[test]
fn a_request_line_over_the_buffer_is_414_and_a_header_over_it_400() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], ""));
    let long = "x".repeat(9_000);
    let answer = gapura.get(&format!("/{long}"));
    assert_eq!(answer.status, 414);
    let answer = gapura.exchange(request("GET", "/", &format!("X-Long: {long}\r\n")));
    assert_eq!(answer.status, 400);
    let many = (0..10)
        .map(|number| format!("X-{number}: {}\r\n", "y".repeat(4_000)))
        .collect::<String>();
    assert_eq!(gapura.exchange(request("GET", "/", &many)).status, 400);
    assert_eq!(backend.hits(), 0);
    let fitting = "x".repeat(7_500);
    assert_eq!(gapura.get(&format!("/{fitting}")).status, 200);
    assert_eq!(
        gapura
            .exchange(request("GET", "/", &format!("X-Long: {fitting}\r\n")))
            .status,
        200
    );
}

#[test]
fn the_header_s_limits_can_be_set() {
    let backend = Backend::named("one");
    let settings = "large_client_header_buffers: 4 32k\nmax_headers: 10";
    let gapura = Gapura::start(&site(&[&backend], settings));
    let long = "x".repeat(30_000);
    assert_eq!(gapura.get(&format!("/{long}")).status, 200);
    let headers = |count| {
        (0..count)
            .map(|number| format!("X-{number}: 1\r\n"))
            .collect::<String>()
    };
    assert_eq!(
        gapura.exchange(request("GET", "/", &headers(9))).status,
        200
    );
    assert_eq!(
        gapura.exchange(request("GET", "/", &headers(10))).status,
        400
    );
}

#[test]
fn a_header_that_dribbles_in_is_cut_off_after_client_header_timeout() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], "client_header_timeout: 1s"));
    for first in ["GET / HTTP/1.1\r\nHost: example.test\r\n", "GET /"] {
        let mut client = gapura.connect();
        let started = Instant::now();
        client.send(first);
        // A byte now and then does not buy more time: it is the header's time, not a read's.
        while client.try_send("X").is_ok() && !closed(&mut client) {
            assert!(started.elapsed() < PATIENCE, "still open");
        }
        let taken = started.elapsed();
        assert!(taken >= Duration::from_millis(900), "{taken:?}");
        assert!(taken < Duration::from_secs(4), "{taken:?}");
    }
    assert_eq!(gapura.get("/").status, 200);
}

fn closed(client: &mut Client) -> bool {
    !client.is_quiet_for(Duration::from_millis(100))
}

#[test]
fn a_connection_that_never_says_anything_is_closed_after_client_header_timeout() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], "client_header_timeout: 1s"));
    let mut client = gapura.connect();
    let started = Instant::now();
    client.expect_end();
    assert!(started.elapsed() >= Duration::from_millis(900));
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_body_that_stops_is_408_after_client_body_timeout() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], "client_body_timeout: 1s"));
    for (headers, part) in [
        ("Content-Length: 10\r\n", "hello"),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhel"),
    ] {
        let mut client = gapura.connect();
        let started = Instant::now();
        client.send(request("POST", "/", headers) + part);
        assert_eq!(client.read().status, 408, "{headers}");
        client.expect_end();
        assert!(started.elapsed() >= Duration::from_millis(900));
        assert!(started.elapsed() < Duration::from_secs(4));
    }
    assert_eq!(backend.hits(), 0);
}

#[test]
fn a_body_that_is_slow_but_moves_is_taken() {
    let backend =
        Backend::start(|request, stream| super::support::respond(stream, 200, "", &request.body));
    let gapura = Gapura::start(&site(
        &[&backend],
        "client_body_timeout: 1s\nclient_header_timeout: 1s",
    ));
    let mut client = gapura.connect();
    client.send(request("POST", "/", "Content-Length: 8\r\n"));
    for _ in 0..8 {
        thread::sleep(Duration::from_millis(250));
        client.send("x");
    }
    assert_eq!(client.read().text(), "xxxxxxxx");
}

#[test]
fn a_connection_is_kept_for_keepalive_timeout() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], "keepalive_timeout: 1s"));
    let mut client = gapura.connect();
    for _ in 0..20 {
        assert_eq!(client.get("/").text(), "one");
    }
    let started = Instant::now();
    client.expect_end();
    assert!(
        started.elapsed() >= Duration::from_millis(900),
        "{:?}",
        started.elapsed()
    );
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn keepalive_off_closes_after_each_answer() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], "keepalive_timeout: off"));
    let mut client = gapura.connect();
    let answer = client.get("/");
    assert_eq!(
        (answer.text(), answer.header("connection")),
        ("one", Some("close"))
    );
    client.expect_end();
}

#[test]
fn a_connection_carries_keepalive_requests_requests() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], "keepalive_requests: 3"));
    let mut client = gapura.connect();
    for last in [false, false, true] {
        let answer = client.get("/");
        assert_eq!(answer.header("connection") == Some("close"), last);
    }
    client.expect_end();
}

#[test]
fn other_clients_are_served_while_one_is_slow() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], ""));
    let slow: Vec<Client> = (0..100)
        .map(|_| {
            let mut client = gapura.connect();
            client.send("GET / HT");
            client
        })
        .collect();
    assert_eq!(gapura.get("/").text(), "one");
    for mut client in slow {
        client.send("TP/1.1\r\nHost: example.test\r\n\r\n");
        assert_eq!(client.read().text(), "one");
    }
}
