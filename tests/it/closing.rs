//! How a client's connection ends.

use super::support::{Backend, Gapura, request, respond, site, wait_until};
use std::time::{Duration, Instant};

#[test]
fn a_return_444_closes_without_a_byte_and_is_logged() {
    let gapura = Gapura::start(
        "listen: LISTEN\naccess_log: { path: stdout, format: '$status $bytes_sent' }\n\
         sites: [{ locations: [{ path: /, return: 444 }] }]",
    );
    let mut client = gapura.connect();
    // The second one is never read: its connection is gone.
    client.send(request("GET", "/", "").repeat(2));
    client.expect_end();
    gapura
        .accesses()
        .wait_for("a log line", |line| line == "444 0");
}

#[test]
fn a_return_444_waits_for_no_body() {
    let gapura =
        Gapura::start("listen: LISTEN\nsites: [{ locations: [{ path: /, return: 444 }] }]");
    let mut client = gapura.connect();
    client.send(request("POST", "/", "Content-Length: 1000\r\n"));
    client.expect_end();
}

#[test]
fn a_location_says_how_long_connections_are_kept() {
    let text = "listen: LISTEN\nsites:\n- keepalive_header: 9s\n  locations:\n\
        \x20 - { path: /, return: 200 }\n\
        \x20 - { path: /two, return: 200, keepalive_requests: 2 }\n\
        \x20 - { path: /short, return: 200, keepalive_timeout: 100ms }\n\
        \x20 - { path: /never, return: 200, keepalive_timeout: off }\n\
        \x20 - { path: /past, return: 200, keepalive_time: 1ms }\n\
        \x20 - { path: /safari, return: 200, keepalive_disable: [safari] }\n";
    let gapura = Gapura::start(text);
    let ask = |path: &str, headers: &str| {
        let answer = gapura.exchange(request("GET", path, headers));
        let header = answer.header("connection").unwrap().to_owned();
        assert_eq!(
            answer.header("keep-alive").is_some(),
            header == "keep-alive"
        );
        header
    };
    const SAFARI: &str = "User-Agent: Mozilla (Mac OS X) Safari/7534.48.3\r\n";
    assert_eq!(ask("/", SAFARI), "keep-alive");
    assert_eq!(ask("/safari", SAFARI), "close");
    assert_eq!(ask("/safari", ""), "keep-alive");
    assert_eq!(ask("/never", ""), "close");
    let mut client = gapura.connect();
    assert_eq!(client.get("/two").header("keep-alive"), Some("timeout=9"));
    assert_eq!(client.get("/two").header("connection"), Some("close"));
    client.expect_end();
    let mut client = gapura.connect();
    // It is too old as soon as a millisecond has passed.
    wait_until("the connection is told to close", || {
        client.get("/past").header("connection") == Some("close")
    });
    client.expect_end();
    let mut client = gapura.connect();
    client.get("/short");
    client.expect_end();
}

#[test]
fn a_body_that_nobody_asked_for_does_not_cost_the_connection() {
    let gapura =
        Gapura::start("listen: LISTEN\nsites: [{ locations: [{ path: /, return: 200 }] }]");
    let mut client = gapura.connect();
    let body = "x".repeat(100_000);
    let length = format!("Content-Length: {}\r\n", body.len());
    let chunked = "Transfer-Encoding: chunked\r\n";
    let texts = [
        request("POST", "/", &length) + &body,
        request("POST", "/", chunked) + &format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
    ];
    for text in texts {
        let (head, rest) = text.split_at(300);
        // The answer comes first, what is left of the body after it.
        client.send(head);
        assert_eq!(client.read().header("connection"), Some("keep-alive"));
        client.send(rest);
        assert_eq!(client.get("/").status, 200);
    }
}

#[test]
fn answers_go_no_faster_than_limit_rate() {
    let backend = Backend::start(|_, stream| respond(stream, 200, "", "x".repeat(30_000)));
    for settings in [
        "limit_rate: 10k",
        "limit_rate: $arg_rate\nlimit_rate_after: 0",
    ] {
        let gapura = Gapura::start(&site(&[&backend], settings));
        let begun = Instant::now();
        let answer = gapura.exchange(request("GET", "/?rate=10k", ""));
        assert_eq!(answer.body.len(), 30_000);
        assert!(begun.elapsed() > Duration::from_millis(1500), "{settings}");
    }
    // What may be sent is not kept back until more may.
    let slow = Gapura::start(&site(&[&backend], "limit_rate: 500"));
    let mut client = slow.connect();
    let begun = Instant::now();
    client.send(request("GET", "/", ""));
    client.read_head();
    assert!(begun.elapsed() < Duration::from_millis(900));
    // As in nginx there is none for what is not buffered.
    for settings in [
        "limit_rate: 1k\nlimit_rate_after: 1m",
        "limit_rate: 1k\nproxy_buffering: off",
    ] {
        let gapura = Gapura::start(&site(&[&backend], settings));
        let begun = Instant::now();
        gapura.get("/");
        assert!(begun.elapsed() < Duration::from_millis(1500), "{settings}");
    }
}
