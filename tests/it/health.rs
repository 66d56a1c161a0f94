//! Active checks.

use super::support::{
    Addressed, Backend, Gapura, Launch, SilentBackend, Then, respond, respond_endlessly, site,
    wait_until,
};
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
            std::thread::sleep(std::time::Duration::from_secs(3));
            return Ok(Then::Close);
        }
        respond(stream, 200, "", "one")
    });
    let settings =
        "health_check: { type: http, path: /check, interval: 50ms, timeout: 1s, rise: 1, fall: 1 }";
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

/// An nginx.conf whose servers `health_check` looks after.
fn checked_conf(backends: &[&Backend], check: &str, around: &str) -> String {
    let servers: String = backends
        .iter()
        .map(|backend| format!("server {} max_fails=0;", backend.address()))
        .collect();
    format!(
        "events {{}}
http {{
    {around}
    upstream app {{ zone app 64k; {servers} }}
    server {{
        listen LISTEN;
        server_name shop.test;
        proxy_next_upstream off;
        location / {{
            proxy_pass http://app;
            proxy_set_header Host $host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Is check;
            {check}
        }}
        location /elsewhere {{
            proxy_pass http://app;
            proxy_set_header Host $host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Is check;
            proxy_hide_header X-Other;
            {check}
        }}
    }}
}}
"
    )
}

#[test]
fn a_health_check_of_an_nginx_conf_asks_as_its_location_does_and_once_for_all() {
    let backend = Backend::named("one");
    let check = "health_check interval=300ms uri=/check?full;";
    let gapura = Launch::nginx(&checked_conf(&[&backend], check, "")).start();
    wait_until("it is checked", || backend.hits() >= 1);
    let first = backend.requests()[0].clone();
    assert_eq!((first.method(), first.target()), ("GET", "/check?full"));
    assert_eq!(first.header("host"), Some("shop.test"));
    assert_eq!(first.header("x-is"), Some("check"));
    assert_eq!(first.header("connection"), Some("close"));
    assert_eq!(first.header("x-real-ip"), None, "there is no client");
    // The two locations differ in what no server can tell of a check, so that it is one.
    let (before, begin) = (backend.hits(), std::time::Instant::now());
    wait_until("three more have run", || backend.hits() >= before + 3);
    assert!(begin.elapsed() >= std::time::Duration::from_millis(600));
    assert_eq!(gapura.get("/").text(), "one");
}

/// A backend that answers checks with this and everything else with 200.
fn answering(answer: &Arc<std::sync::Mutex<(u16, &'static str, &'static str)>>) -> Backend {
    let answer = Arc::clone(answer);
    Backend::start(move |request, stream| {
        let (status, headers, body) = *answer.lock().expect("no panic");
        match request.target() {
            "/" => respond(stream, status, headers, body),
            _ => respond(stream, 200, "", "one"),
        }
    })
}

#[test]
fn an_answer_must_match_in_all_that_a_match_asks_for() {
    let answer = Arc::new(std::sync::Mutex::new((200, "", "")));
    let backend = answering(&answer);
    let cases = [
        ("status 200 301-303;", (302, "", ""), (304, "", "")),
        ("status ! 500-599;", (404, "", ""), (503, "", "")),
        ("header X-A;", (200, "X-A: \r\n", ""), (200, "", "")),
        ("header ! X-A;", (200, "", ""), (200, "X-A: 1\r\n", "")),
        (
            "header Content-Type = \"text/html; x\";",
            (200, "Content-Type: text/html; x\r\n", ""),
            (200, "Content-Type: text/html\r\n", ""),
        ),
        ("header X-A != b;", (200, "", ""), (200, "X-A: b\r\n", "")),
        (
            "header X-A ~ ^b;",
            (200, "X-A: bc\r\n", ""),
            (200, "X-A: ab\r\n", ""),
        ),
        (
            "header X-A !~ ^b;",
            (200, "X-A: ab\r\n", ""),
            (200, "X-A: b\r\n", ""),
        ),
        (
            "body ~ \"Welcome to\"; body !~ error;",
            (500, "", "Welcome to it"),
            (200, "", "Welcome to the error"),
        ),
        (
            "status 200; require $fresh $upstream_http_x_b;",
            (200, "X-Age: new\r\nX-B: 1\r\n", ""),
            (200, "X-Age: old\r\nX-B: 1\r\n", ""),
        ),
    ];
    for (tests, good, bad) in cases {
        let around = format!("map $upstream_http_x_age $fresh {{ new 1; }} match it {{ {tests} }}");
        *answer.lock().expect("no panic") = good;
        let check = "health_check interval=20ms match=it mandatory;";
        let gapura = Launch::nginx(&checked_conf(&[&backend], check, &around)).start();
        wait_until(tests, || gapura.get("/x").status == 200);
        *answer.lock().expect("no panic") = bad;
        wait_until(tests, || gapura.get("/x").status == 502);
        let line = gapura
            .errors()
            .wait_for("the reason", |line| line.contains("is down: "));
        assert!(line.contains("answered") || line.contains("its "), "{line}");
        *answer.lock().expect("no panic") = good;
        wait_until(tests, || gapura.get("/x").status == 200);
    }
}

#[test]
fn a_mandatory_check_comes_before_the_first_request_and_persistent_lasts_over_a_reload() {
    for (persistent, after_reload) in [("", 502), ("persistent", 200)] {
        let (healthy, visitors) = (Arc::new(AtomicBool::new(true)), Arc::default());
        let open = Arc::new(AtomicBool::new(false));
        let (tells, opened) = (Arc::clone(&healthy), Arc::clone(&open));
        let seen: Arc<AtomicUsize> = Arc::clone(&visitors);
        let backend = Backend::start(move |request, stream| {
            if request.target() == "/healthz" {
                // The check takes as long as the test wants it to.
                while !opened.load(Ordering::SeqCst) {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                let status = if tells.load(Ordering::SeqCst) {
                    200
                } else {
                    500
                };
                return respond(stream, status, "", "");
            }
            seen.fetch_add(1, Ordering::SeqCst);
            respond(stream, 200, "", "one")
        });
        let check = format!("health_check interval=50ms uri=/healthz mandatory {persistent};");
        let conf = checked_conf(&[&backend], &check, "");
        let gapura = Launch::nginx(&conf).start();
        assert_eq!(gapura.get("/").status, 502, "nothing is known of it");
        open.store(true, Ordering::SeqCst);
        wait_until("it is used", || gapura.get("/").status == 200);
        open.store(false, Ordering::SeqCst);
        // The checks that are under way are over.
        std::thread::sleep(std::time::Duration::from_millis(200));
        let next = conf
            .replace(
                "location /elsewhere",
                "location = /reloaded { return 204; } location /elsewhere",
            )
            .replace("LISTEN", &gapura.address().to_string());
        let file = gapura.folder().join("nginx.conf");
        let before = std::fs::read_to_string(&file).expect("it was started with it");
        let tail = before
            .split_once("events")
            .expect("the test's own")
            .0
            .to_owned();
        std::fs::write(&file, tail + &next).expect("a folder of the test's");
        gapura.signal(libc::SIGHUP);
        wait_until("the reload", || gapura.get("/reloaded").status == 204);
        assert_eq!(gapura.get("/").status, after_reload, "{persistent}");
        open.store(true, Ordering::SeqCst);
        wait_until("it is used", || gapura.get("/").status == 200);
        healthy.store(false, Ordering::SeqCst);
        wait_until("it is out", || gapura.get("/").status == 502);
    }
}

#[test]
fn a_server_that_hangs_delays_the_checks_of_no_other() {
    let (silent, healthy) = (SilentBackend::start(), Arc::new(AtomicBool::new(true)));
    let visitors = Arc::default();
    let other = checked("other", &healthy, &visitors);
    let conf = checked_conf(&[&other], "health_check interval=50ms uri=/healthz;", "").replace(
        "zone app 64k;",
        &format!("server {} max_fails=0;", silent.address()),
    );
    let gapura = Launch::nginx(&conf).start();
    wait_until("it is checked", || other.hits() > 3);
    healthy.store(false, Ordering::SeqCst);
    gapura.errors().wait_for("it is out", |line| {
        line.contains(&other.address().to_string()) && line.contains("is down")
    });
}

#[test]
fn checks_of_an_nginx_conf_may_keep_their_connection_and_ask_another_port() {
    let (backend, other) = (Backend::named("one"), Backend::named("checked"));
    let port = other.address().port();
    let check = format!("health_check interval=20ms port={port} keepalive_time=10s;");
    let gapura = Launch::nginx(&checked_conf(&[&backend], &check, "")).start();
    wait_until("checks have run", || other.hits() > 5);
    assert_eq!(other.open_connections(), 1);
    assert_eq!(other.requests()[0].header("connection"), None);
    assert_eq!(backend.hits(), 0);
    assert_eq!(gapura.get("/").text(), "one");
}

#[test]
fn an_endless_answer_to_a_check_ends_the_check_that_would_keep_its_connection() {
    let backend = Backend::start(|_, stream| respond_endlessly(stream));
    let check = "health_check interval=20ms uri=/healthz keepalive_time=10s;";
    let _gapura = Launch::nginx(&checked_conf(&[&backend], check, "")).start();
    wait_until("it is checked again and again", || backend.hits() > 5);
}
