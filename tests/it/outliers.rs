//! `eject_outliers`: a server that answers half of its requests with a 500 gets no more, in both languages.

use super::support::{Addressed, Backend, Gapura, Launch, respond, wait_until};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Answers every second request with a 500.
fn half_good() -> Backend {
    let served = AtomicUsize::new(0);
    Backend::start(move |_, stream| {
        let status = [200, 500][served.fetch_add(1, Relaxed) % 2];
        respond(stream, status, "", "half")
    })
}

/// The bad server is out after its tenth request, and the good one has all others.
fn is_ejected(gapura: &Gapura, bad: &Backend) {
    let mut client = gapura.connect();
    let (mut failed, mut began) = (0, Instant::now());
    while bad.hits() < 10 {
        began = Instant::now();
        failed += usize::from(client.get("/").status == 500);
    }
    assert_eq!(failed, 5);
    for _ in 0..80 {
        let answer = client.get("/");
        // A slow machine may take longer than the server is out.
        if began.elapsed() >= Duration::from_secs(1) {
            break;
        }
        assert_eq!((answer.status, bad.hits()), (200, 10));
    }
    let text = "of upstream \"app\" is ejected for 1s: 5 of 10 tries failed";
    let line = gapura
        .errors()
        .wait_for("the server is out", |line| line.contains(text));
    assert!(line.contains(&bad.address().to_string()), "{line}");
    wait_until("it is tried again", || {
        client.get("/");
        bad.hits() > 10
    });
}

#[test]
fn a_server_that_answers_500_half_of_the_time_is_ejected() {
    let (bad, good) = (half_good(), Backend::named("good"));
    let gapura = Launch::nginx(&format!(
        "events {{}} http {{
         upstream app {{
             server {}; server {};
             eject_outliers failures=50% requests=10 window=1h time=1s most=50%;
         }}
         server {{ listen LISTEN; location / {{ proxy_pass http://app; }} }} }}",
        bad.address(),
        good.address()
    ))
    .start();
    is_ejected(&gapura, &bad);
}

fn yaml(servers: &[&Backend], time: &str) -> String {
    let servers: Vec<_> = servers
        .iter()
        .map(|one| format!("\"{}\"", one.address()))
        .collect();
    format!(
        "upstreams:\n  app:\n    servers: [{}]\n    health_check: off\n    eject_outliers: {{ requests: 10, window: 1h, time: {time} }}\nsites:\n  - listen: LISTEN\n    upstream: app\n",
        servers.join(", ")
    )
}

#[test]
fn so_it_is_in_yaml() {
    let (bad, good) = (half_good(), Backend::named("good"));
    is_ejected(&Gapura::start(&yaml(&[&bad, &good], "1s")), &bad);
}

#[test]
fn a_reload_brings_nobody_back() {
    let (bad, good, third) = (half_good(), Backend::named("good"), Backend::named("third"));
    let gapura = Gapura::start(&yaml(&[&bad, &good], "1h"));
    let mut client = gapura.connect();
    for _ in 0..50 {
        client.get("/");
    }
    assert_eq!(bad.hits(), 10);
    gapura.reload(&yaml(&[&bad, &good, &third], "1h"));
    wait_until("the new configuration serves", || {
        gapura.get("/").text() == "third"
    });
    for _ in 0..50 {
        assert_eq!(gapura.get("/").status, 200);
    }
    assert_eq!(bad.hits(), 10);
}
