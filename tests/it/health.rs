//! Active checks.

use super::support::{Addressed, Backend, Gapura, Then, respond, site, wait_until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const TCP: &str = "health_check: { type: tcp, interval: 50ms, timeout: 1s, rise: 2, fall: 2 }";

fn lines_about(gapura: &Gapura, backend: &Backend) -> Vec<String> {
    let address = backend.address().to_string();
    let about = |line: &String| line.contains(&address) && !line.contains("client: ");
    gapura.errors().all().into_iter().filter(about).collect()
}

#[test]
fn a_change_of_state_is_logged_once_with_its_reason() {
    let (mut one, two) = (Backend::named("one"), Backend::named("two"));
    let gapura = Gapura::start(&site(&[&one, &two], TCP));
    let seen = lines_about(&gapura, &one).len();
    one.stop();
    wait_until("the change is logged", || {
        lines_about(&gapura, &one).len() > seen
    });
    // Several checks later it is still one line.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let lines = lines_about(&gapura, &one);
    assert_eq!(lines.len(), seen + 1, "{lines:?}");
    let down = &lines[seen];
    assert!(
        down.to_lowercase().contains("refused"),
        "the reason in {down}"
    );
    for _ in 0..6 {
        assert_eq!(gapura.get("/").text(), "two");
    }
    one.start_again();
    wait_until("the way back is logged", || {
        lines_about(&gapura, &one).len() > seen + 1
    });
    wait_until("it serves again", || gapura.get("/").text() == "one");
    let lines = lines_about(&gapura, &one);
    assert_eq!(lines.len(), seen + 2, "{lines:?}");
    assert!(
        lines_about(&gapura, &two)
            .iter()
            .all(|line| !line.contains("refused"))
    );
}

#[test]
fn visitors_do_not_meet_a_server_that_the_check_has_out() {
    let (mut one, two) = (Backend::named("one"), Backend::named("two"));
    // Without passive checks, only the active one can take it out.
    let yaml = format!(
        "sites:\n  - listen: LISTEN\n    {TCP}\n    proxy_next_upstream: off\n    backends:\n      - {{ address: \"{}\", max_fails: 0 }}\n      - \"{}\"\n",
        one.address(),
        two.address()
    );
    let gapura = Gapura::start(&yaml);
    one.stop();
    wait_until("the check has it out", || {
        lines_about(&gapura, &one)
            .iter()
            .any(|line| line.contains("refused"))
    });
    for _ in 0..20 {
        assert_eq!(gapura.get("/").text(), "two");
    }
}

/// A backend that serves visitors as `name` and answers checks on `/healthz` as told.
fn checked(name: &'static str, healthy: &Arc<AtomicBool>, visitors: &Arc<AtomicUsize>) -> Backend {
    let (healthy, visitors) = (Arc::clone(healthy), Arc::clone(visitors));
    Backend::start(move |request, stream| {
        if request.target() == "/healthz" {
            let status = if healthy.load(Ordering::SeqCst) {
                200
            } else {
                500
            };
            return respond(stream, status, "", "");
        }
        visitors.fetch_add(1, Ordering::SeqCst);
        respond(stream, 200, "", name)
    })
}

#[test]
fn an_http_check_asks_the_application() {
    let (healthy, visitors) = (Arc::new(AtomicBool::new(true)), Arc::default());
    let (one, two) = (checked("one", &healthy, &visitors), Backend::named("two"));
    let settings = "health_check: { type: http, path: /healthz, host: check.test, interval: 50ms, timeout: 1s, rise: 1, fall: 1 }";
    let gapura = Gapura::start(&site(&[&one, &two], settings));
    wait_until("it serves", || gapura.get("/").text() == "one");
    wait_until("it is checked", || {
        one.requests()
            .iter()
            .any(|request| request.target() == "/healthz")
    });
    {
        let requests = one.requests();
        let check = requests
            .iter()
            .find(|request| request.target() == "/healthz")
            .expect("a check");
        assert_eq!(
            (check.method(), check.header("host")),
            ("GET", Some("check.test"))
        );
    }
    healthy.store(false, Ordering::SeqCst);
    wait_until("it is out", || {
        (0..4).all(|_| gapura.get("/").text() == "two")
    });
    let line = gapura.errors().wait_for("the reason", |line| {
        line.contains(&one.address().to_string())
    });
    assert!(line.contains("500"), "the status in {line}");
    healthy.store(true, Ordering::SeqCst);
    wait_until("it serves again", || gapura.get("/").text() == "one");
}

#[test]
fn an_http_check_passes_by_the_statuses_it_is_told() {
    let backend = Backend::start(|request, stream| {
        let status = if request.target() == "/check" {
            404
        } else {
            200
        };
        respond(stream, status, "", "one")
    });
    for (status, served) in [("[200, 404]", 200), ("400-499", 200), ("200-399", 502)] {
        let settings = format!(
            "health_check: {{ type: http, path: /check, status: {status}, interval: 50ms, fall: 1 }}"
        );
        let gapura = Gapura::start(&site(&[&backend], &settings));
        let before = backend.hits();
        wait_until("some checks have run", || backend.hits() > before + 3);
        wait_until(status, || gapura.get("/").status == served);
    }
}

#[test]
fn a_check_that_gets_no_answer_fails() {
    let stalled = Arc::new(AtomicBool::new(false));
    let stalls = Arc::clone(&stalled);
    let backend = Backend::start(move |request, stream| {
        if request.target() == "/check" && stalls.load(Ordering::SeqCst) {
            std::thread::sleep(std::time::Duration::from_millis(800));
            return Ok(Then::Close);
        }
        respond(stream, 200, "", "one")
    });
    let settings = "health_check: { type: http, path: /check, interval: 50ms, timeout: 200ms, rise: 1, fall: 1 }";
    let gapura = Gapura::start(&site(&[&backend], settings));
    assert_eq!(gapura.get("/").status, 200);
    stalled.store(true, Ordering::SeqCst);
    wait_until("it is out", || gapura.get("/").status == 502);
    stalled.store(false, Ordering::SeqCst);
    wait_until("it is back", || gapura.get("/").status == 200);
}

#[test]
fn a_dead_server_stays_dead_across_a_reload() {
    let (healthy, visitors) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (one, two) = (checked("one", &healthy, &visitors), Backend::named("two"));
    let yaml = |weight| {
        format!(
            "sites:\n  - host: example.test\n    listen: LISTEN\n    add_header: {{ X-Weight: {weight} }}\n    health_check: {{ type: http, path: /healthz, interval: 100ms, rise: 1, fall: 1 }}\n    backends:\n      - {{ address: \"{}\", weight: {weight} }}\n      - \"{}\"\n",
            one.address(),
            two.address()
        )
    };
    let gapura = Gapura::start(&yaml(1));
    wait_until("it is out", || {
        (0..4).all(|_| gapura.get("/").text() == "two")
    });
    let before = visitors.load(Ordering::SeqCst);
    let mut client = gapura.connect();
    for weight in [2, 3, 1] {
        gapura.reload(&yaml(weight));
        let expected = weight.to_string();
        wait_until("the reload", || {
            let answer = client.get("/");
            assert_eq!(answer.text(), "two");
            answer.header("x-weight") == Some(expected.as_str())
        });
        for _ in 0..10 {
            assert_eq!(client.get("/").text(), "two");
        }
    }
    assert_eq!(
        visitors.load(Ordering::SeqCst),
        before,
        "nobody was sent to the dead server"
    );
}

#[test]
fn checks_stop_when_their_upstream_is_gone() {
    let (old, new) = (Backend::named("old"), Backend::named("new"));
    let check = "health_check: { type: http, path: /check, interval: 50ms }";
    let gapura = Gapura::start(&site(&[&old], check));
    wait_until("checks run", || old.hits() > 2);
    gapura.reload(&site(&[&new], check));
    wait_until("the reload", || gapura.get("/").text() == "new");
    wait_until("the old checks have stopped", || {
        let before = old.hits();
        std::thread::sleep(std::time::Duration::from_millis(400));
        old.hits() == before
    });
    wait_until("new checks run", || new.hits() > 2);
}
