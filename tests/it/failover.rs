//! What a visitor sees when a server fails: nothing, wherever that is safe.

use super::support::{
    Addressed, Backend, Gapura, NodeBackend, SilentBackend, Then, free_port, refusing, request,
    respond, site,
};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const NO_CHECK: &str = "health_check: off";

#[test]
fn a_refused_connection_goes_to_the_next_server() {
    let healthy = Backend::named("healthy");
    let gapura = Gapura::start(&site(&[&refusing(), &healthy, &refusing()], NO_CHECK));
    let mut client = gapura.connect();
    for _ in 0..10 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.text()), (200, "healthy"));
    }
}

#[test]
fn a_post_goes_to_the_next_server_when_nothing_was_sent() {
    let healthy = Backend::mirror();
    let gapura = Gapura::start(&site(&[&refusing(), &healthy], NO_CHECK));
    let body = "x".repeat(100_000);
    for round in 0..4 {
        let length = format!("Content-Length: {}\r\n", body.len());
        let answer = gapura.exchange(request("POST", "/", &length) + &body);
        assert_eq!(answer.status, 200, "round {round}");
        assert!(answer.text().ends_with(&body));
    }
    assert_eq!(healthy.hits(), 4);
}

#[test]
fn a_get_goes_to_the_next_server_when_one_closes_without_an_answer() {
    let (closing, healthy) = (Backend::saying(""), Backend::named("healthy"));
    let gapura = Gapura::start(&site(&[&closing, &healthy], NO_CHECK));
    let mut client = gapura.connect();
    for _ in 0..4 {
        assert_eq!(client.get("/").text(), "healthy");
    }
    assert!(closing.hits() > 0, "the failing server was tried");
}

#[test]
fn a_post_that_reached_a_server_is_not_sent_to_another() {
    for method in ["POST", "PATCH", "LOCK"] {
        let (one, two) = (Backend::saying(""), Backend::saying(""));
        let gapura = Gapura::start(&site(&[&one, &two], NO_CHECK));
        let answer = gapura.exchange(request(method, "/", "Content-Length: 5\r\n") + "hello");
        assert_eq!(answer.status, 502, "{method}");
        assert_eq!(one.hits() + two.hits(), 1, "{method}");
    }
}

#[test]
fn a_put_that_failed_is_sent_to_another_server_whole() {
    let (closing, healthy) = (Backend::saying(""), Backend::mirror());
    let gapura = Gapura::start(&site(&[&closing, &healthy], NO_CHECK));
    for _ in 0..2 {
        let answer = gapura.exchange(request("PUT", "/", "Content-Length: 5\r\n") + "hello");
        assert_eq!(answer.status, 200);
        assert!(
            answer.text().ends_with("\r\n\r\nhello"),
            "{}",
            answer.text()
        );
    }
}

#[test]
fn non_idempotent_lets_a_post_be_sent_again() {
    let (closing, healthy) = (Backend::saying(""), Backend::named("healthy"));
    let settings = "health_check: off\nproxy_next_upstream: [error, non_idempotent]";
    let gapura = Gapura::start(&site(&[&closing, &healthy], settings));
    for _ in 0..2 {
        let answer = gapura.exchange(request("POST", "/", "Content-Length: 5\r\n") + "hello");
        assert_eq!((answer.status, answer.text()), (200, "healthy"));
    }
}

#[test]
fn statuses_go_to_the_next_server_when_asked_for() {
    let failing = Backend::start(|_, stream| respond(stream, 503, "", "busy"));
    let healthy = Backend::named("healthy");
    let settings = "health_check: off\nproxy_next_upstream: [error, http_503]";
    let gapura = Gapura::start(&site(&[&failing, &healthy], settings));
    for _ in 0..4 {
        assert_eq!(gapura.get("/").text(), "healthy");
    }
    assert!(failing.hits() > 0);
}

#[test]
fn the_last_server_s_own_status_is_passed_on() {
    let failing = Backend::start(|_, stream| respond(stream, 503, "X-Own: yes\r\n", "busy"));
    let settings = "health_check: off\nproxy_next_upstream: [error, http_503]";
    let gapura = Gapura::start(&site(&[&failing], settings));
    let answer = gapura.get("/");
    assert_eq!((answer.status, answer.text()), (503, "busy"));
    assert_eq!(answer.header("x-own"), Some("yes"));
}

#[test]
fn proxy_next_upstream_off_tries_one_server() {
    let (one, two) = (Backend::saying(""), Backend::saying(""));
    let settings = "health_check: off\nproxy_next_upstream: off";
    let gapura = Gapura::start(&site(&[&one, &two], settings));
    assert_eq!(gapura.get("/").status, 502);
    assert_eq!(one.hits() + two.hits(), 1);
}

#[test]
fn tries_are_bounded() {
    let backends = [(); 4].map(|()| Backend::saying(""));
    let all: Vec<&dyn Addressed> = backends.iter().map(|b| b as &dyn Addressed).collect();
    let settings = "health_check: off\nproxy_next_upstream_tries: 2";
    let gapura = Gapura::start(&site(&all, settings));
    assert_eq!(gapura.get("/").status, 502);
    let hits: usize = backends.iter().map(Backend::hits).sum();
    assert_eq!(hits, 2);
}

#[test]
fn every_server_is_tried_once_before_502() {
    let backends = [(); 4].map(|()| Backend::saying(""));
    let all: Vec<&dyn Addressed> = backends.iter().map(|b| b as &dyn Addressed).collect();
    let gapura = Gapura::start(&site(&all, NO_CHECK));
    assert_eq!(gapura.get("/").status, 502);
    for backend in &backends {
        assert_eq!(backend.hits(), 1);
    }
}

/// A backend that answers the first request of each connection and closes at the second.
fn closing_at_the_second_request() -> Backend {
    let seen = Mutex::new(std::collections::HashSet::new());
    Backend::start(move |request, stream| {
        if seen.lock().unwrap().insert(request.connection) {
            respond(stream, 200, "", "fresh")
        } else {
            Ok(Then::Close)
        }
    })
}

#[test]
fn a_connection_that_died_idle_costs_no_request() {
    let backend = closing_at_the_second_request();
    let gapura = Gapura::start(&site(&[&backend], NO_CHECK));
    let mut client = gapura.connect();
    for round in 0..10 {
        let answer = client.get("/");
        assert_eq!(
            (answer.status, answer.text()),
            (200, "fresh"),
            "round {round}"
        );
    }
}

#[test]
fn an_answer_that_has_begun_is_never_continued_by_another_server() {
    let truncating = || {
        Backend::saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst half of the answer")
    };
    let (one, two) = (truncating(), truncating());
    let gapura = Gapura::start(&site(&[&one, &two], NO_CHECK));
    let mut client = gapura.connect();
    let answer = client.get("/");
    assert_eq!(answer.status, 200);
    assert!(!answer.whole);
    assert!("first half of the answer".starts_with(answer.text()));
    assert_eq!(one.hits() + two.hits(), 1);
    client.expect_end();
}

#[test]
fn a_chunked_answer_that_breaks_off_is_seen_to_be_broken() {
    let backend =
        Backend::saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    let gapura = Gapura::start(&site(&[&backend], NO_CHECK));
    let mut client = gapura.connect();
    let answer = client.get("/");
    assert!(!answer.whole, "the end must not look like one: {answer:?}");
    client.expect_end();
}

#[test]
fn killing_one_of_two_servers_under_load_fails_no_request() {
    const REQUESTS: usize = 10_000;
    const CLIENTS: usize = 8;
    let (one, mut two) = (NodeBackend::start("one"), NodeBackend::start("two"));
    let settings = "keepalive_requests: 10000\nhealth_check: { type: tcp, interval: 200ms, timeout: 1s, rise: 1, fall: 1 }";
    let gapura = Gapura::start(&site(&[&one, &two], settings));
    let (done, by_two, killed) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicBool::new(false),
    );
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (gapura, done, by_two) = (&gapura, &done, &by_two);
            scope.spawn(move || {
                let mut client = gapura.connect();
                for _ in 0..REQUESTS / CLIENTS {
                    let answer =
                        client.exchange(request("GET", "/", "Accept: application/json\r\n"));
                    let app = answer.header("x-app").map(str::to_owned);
                    assert!(
                        answer.status == 200 && answer.whole,
                        "client {number}: {answer:?}"
                    );
                    if app.as_deref() == Some("two") {
                        by_two.fetch_add(1, Ordering::Relaxed);
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            while done.load(Ordering::Relaxed) < REQUESTS / 4 {
                thread::yield_now();
                thread::sleep(Duration::from_millis(1));
            }
            two.kill();
            killed.store(true, Ordering::Relaxed);
        });
    });
    assert_eq!(done.load(Ordering::Relaxed), REQUESTS);
    assert!(killed.load(Ordering::Relaxed));
    let by_two = by_two.load(Ordering::Relaxed);
    assert!(by_two > 500, "both had served: {by_two}");
    assert!(
        by_two < REQUESTS / 2,
        "it was killed in the middle: {by_two}"
    );
}

#[test]
fn a_silent_server_costs_one_visitor_the_connect_timeout() {
    let (silent, healthy) = (SilentBackend::start(), Backend::named("healthy"));
    let settings = "proxy_connect_timeout: 1s
health_check: { type: tcp, interval: 100ms, timeout: 300ms, rise: 1, fall: 2 }";
    let gapura = Gapura::start(&site(&[&silent, &healthy], settings));
    let mut slow = Vec::new();
    let mut client = gapura.connect();
    for _ in 0..100 {
        let started = Instant::now();
        assert_eq!(client.get("/").text(), "healthy");
        if started.elapsed() > Duration::from_millis(700) {
            slow.push(started.elapsed());
        }
    }
    assert!(slow.len() <= 1, "{slow:?}");
    assert!(
        slow.iter().all(|time| *time < Duration::from_secs(3)),
        "{slow:?}"
    );
}

#[test]
fn a_silent_server_without_a_check_is_left_alone_after_max_fails() {
    let (silent, healthy) = (SilentBackend::start(), Backend::named("healthy"));
    let settings = "proxy_connect_timeout: 300ms\nhealth_check: off";
    let gapura = Gapura::start(&site(&[&silent, &healthy], settings));
    let started = Instant::now();
    let mut client = gapura.connect();
    for _ in 0..50 {
        assert_eq!(client.get("/").text(), "healthy");
    }
    // One try of 300 ms, then it rests for the 10 s of `fail_timeout`.
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_stalled_server_is_left_for_the_next_when_it_takes_too_long() {
    let (stalling, healthy) = (Backend::stalling(), Backend::named("healthy"));
    let settings = "health_check: off\nproxy_read_timeout: 1s";
    let gapura = Gapura::start(&site(&[&stalling, &healthy], settings));
    for _ in 0..2 {
        let answer = gapura.get("/");
        assert_eq!((answer.status, answer.text()), (200, "healthy"));
    }
    assert_eq!(stalling.hits(), 1);
}

#[test]
fn a_name_that_does_not_resolve_is_502_and_stops_nobody() {
    let healthy = Backend::named("healthy");
    let yaml = format!(
        "listen: LISTEN\nsites:\n  - {{ host: a.test, backends: [\"no-such-name.invalid:80\"] }}\n  - {{ host: b.test, backends: [\"{}\"] }}\n",
        healthy.address()
    );
    let gapura = Gapura::start(&yaml);
    let mut client = gapura.connect();
    let answer = client.exchange("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(answer.status, 502);
    let answer = client.exchange("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
    assert_eq!(answer.text(), "healthy");
    gapura
        .errors()
        .wait_for("the name", |line| line.contains("no-such-name.invalid"));
}

#[test]
fn a_name_is_looked_up() {
    let port = free_port();
    let listener = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut reader = std::io::BufReader::new(stream.try_clone().unwrap());
            if let Ok(Some(_)) = super::support::read_head(&mut reader) {
                drop(stream.write_all(
                    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nnamed",
                ));
            }
        }
    });
    let yaml = format!("sites:\n  - listen: LISTEN\n    backends: [\"localhost:{port}\"]\n");
    let gapura = Gapura::start(&yaml);
    super::support::wait_until("the name's address is used", || {
        gapura.get("/").text() == "named"
    });
}

#[test]
fn only_a_share_of_the_requests_is_tried_again() {
    let failing = Backend::start(|_, stream| respond(stream, 503, "", "busy"));
    let good = Backend::named("good");
    let yaml = |budget: &str| {
        format!(
            "sites:\n  - listen: LISTEN\n    health_check: off\n    proxy_next_upstream: [error, http_503]\n    proxy_next_upstream_budget: {budget}\n    backends:\n      - {{ address: \"{}\", max_fails: 0 }}\n      - \"{}\"\n",
            failing.address(),
            good.address()
        )
    };
    for (budget, least) in [("off", None), ("20%", Some(300))] {
        let gapura = Gapura::start(&yaml(budget));
        let mut client = gapura.connect();
        let (begin, before) = (Instant::now(), failing.hits());
        let statuses: Vec<u16> = (0..1000).map(|_| client.get("/").status).collect();
        assert!(statuses.iter().all(|status| matches!(status, 200 | 503)));
        let refused = statuses.iter().filter(|status| **status == 503).count();
        let tried_again = failing.hits() - before - refused;
        // A hundred are free, a fifth of all are paid for, and ten come in every second.
        let by_time = usize::try_from(begin.elapsed().as_millis() / 100).expect("a short time");
        match least {
            None => assert_eq!(refused, 0),
            Some(least) => {
                assert!(refused > 0);
                // One line in ten seconds.
                let text = "has no budget for further tries: 1 refused";
                gapura
                    .errors()
                    .wait_for("the first refusal", |line| line.contains(text));
                let expected = least - 1..=least + by_time + 1;
                assert!(
                    expected.contains(&tried_again),
                    "{tried_again} of {expected:?}"
                );
            }
        }
    }
}
