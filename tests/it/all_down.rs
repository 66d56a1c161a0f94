//! When no server can be used: the page, its forms, and the way back.

use super::support::{
    Backend, Client, Gapura, Launch, refusing, request, respond, site, wait_until,
};

const PAGE: &str = "<!doctype html><title>Back soon</title><p>Caf\u{e9} closed.\n";

const CHECK: &str = "health_check: { type: tcp, interval: 100ms, timeout: 1s, rise: 2, fall: 1 }";

fn wait_until_all_are_out(gapura: &Gapura, servers: usize) {
    wait_until("the checks have all servers out", || {
        let out = |line: &&String| line.ends_with("(111: Connection refused)");
        gapura.errors().all().iter().filter(out).count() >= servers
    });
}

fn with_page(settings: &str, backends: &[&dyn super::support::Addressed]) -> Gapura {
    let settings = format!("error_page: {{ 502: pages/all-down.html }}\n{settings}");
    Launch::new(&site(backends, &settings))
        .file("pages/all-down.html", PAGE)
        .start()
}

#[test]
fn the_site_s_page_is_shown_with_502() {
    let gapura = with_page("", &[&refusing(), &refusing()]);
    let mut client = gapura.connect();
    for _ in 0..5 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.text()), (502, PAGE));
        let content_type = answer.header("content-type").expect("a type");
        assert!(content_type.starts_with("text/html"), "{content_type}");
        let length = PAGE.len().to_string();
        assert_eq!(answer.header("content-length"), Some(length.as_str()));
        assert_eq!(answer.header("server"), Some("gapura"));
        assert!(answer.header("date").is_some());
    }
}

#[test]
fn connections_are_kept_while_no_server_can_be_used() {
    let gapura = with_page(CHECK, &[&refusing(), &refusing()]);
    wait_until_all_are_out(&gapura, 2);
    let mut client = gapura.connect();
    for _ in 0..10 {
        assert_eq!(client.get("/").text(), PAGE);
        assert_eq!(client.exchange(request("HEAD", "/", "")).status, 502);
        let post = request("POST", "/", "Content-Length: 5\r\n") + "hello";
        assert_eq!(client.exchange(post).text(), PAGE);
    }
    assert_eq!(client.connections(), 1);
}

#[test]
fn head_gets_the_same_header_and_no_body() {
    let gapura = with_page("", &[&refusing()]);
    let mut client = gapura.connect();
    let answer = client.exchange(request("HEAD", "/", ""));
    assert_eq!(answer.status, 502);
    let length = PAGE.len().to_string();
    assert_eq!(answer.header("content-length"), Some(length.as_str()));
    // Had a body come, the next answer would not parse.
    assert_eq!(client.get("/").text(), PAGE);
}

#[test]
fn whoever_asks_for_json_gets_json() {
    let gapura = with_page("", &[&refusing()]);
    for (accept, json) in [
        ("application/json", true),
        ("application/json, text/plain, */*", true),
        ("application/json;q=0.9, text/html;q=0.5", true),
        (
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            false,
        ),
        ("text/html, application/json;q=0.9", false),
        ("*/*", false),
    ] {
        let answer = gapura.exchange(request("GET", "/", &format!("Accept: {accept}\r\n")));
        assert_eq!(answer.status, 502);
        let content_type = answer.header("content-type").expect("a type");
        if json {
            assert_eq!(content_type, "application/json", "{accept}");
            let value: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert!(value.get("error").is_some(), "{accept}: {value}");
        } else {
            assert!(
                content_type.starts_with("text/html"),
                "{accept}: {content_type}"
            );
            assert_eq!(answer.text(), PAGE, "{accept}");
        }
    }
}

#[test]
fn retry_after_is_sent_when_set() {
    let gapura = with_page("retry_after: 7s", &[&refusing()]);
    assert_eq!(gapura.get("/").header("retry-after"), Some("7"));
    let gapura = with_page("", &[&refusing()]);
    assert_eq!(gapura.get("/").header("retry-after"), None);
}

#[test]
fn the_built_in_page_says_nothing_about_internals() {
    let dead = refusing();
    let gapura = Gapura::start(&site(&[&dead], ""));
    let answer = gapura.get("/secret/path");
    assert_eq!(answer.status, 502);
    let content_type = answer.header("content-type").expect("a type");
    assert!(content_type.starts_with("text/html"), "{content_type}");
    let page = answer.text().to_lowercase();
    assert!(page.contains("502") && page.contains("</html>"), "{page}");
    for internal in [
        &dead.port().to_string(),
        "127.0.0.1",
        "refused",
        "upstream",
        "secret",
    ] {
        assert!(!page.contains(internal), "{internal} in {page}");
    }
    assert_eq!(answer.header("server"), Some("gapura"));
}

#[test]
fn the_cause_goes_to_the_log() {
    let dead = refusing();
    let gapura = Gapura::start(&site(&[&dead], "health_check: off"));
    assert_eq!(gapura.get("/page").status, 502);
    let line = gapura
        .errors()
        .wait_for("the cause", |line| line.contains("[error]"));
    for part in [
        "Connection refused",
        "client: 127.0.0.1",
        "server: example.test",
        "request: \"GET /page HTTP/1.1\"",
        &format!("upstream: \"http://{dead}/page\""),
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    // Now nobody is left to try, and the log says so.
    assert_eq!(gapura.get("/again").status, 502);
    gapura.errors().wait_for("no live upstreams", |line| {
        line.contains("no live upstreams") || line.contains("GET /again HTTP/1.1")
    });
}

#[test]
fn recovery_is_automatic() {
    let (mut one, mut two) = (Backend::named("one"), Backend::named("two"));
    let gapura = with_page(CHECK, &[&one, &two]);
    let mut client = gapura.connect();
    assert_eq!(client.get("/").status, 200);
    one.stop();
    two.stop();
    assert_eq!((client.get("/").status, client.get("/").status), (502, 502));
    wait_until_all_are_out(&gapura, 2);
    two.start_again();
    wait_until("one server is back", || client.get("/").status == 200);
    assert_eq!(client.get("/").text(), "two");
    one.start_again();
    wait_until("both servers are back", || client.get("/").text() == "one");
}

#[test]
fn recovery_needs_no_active_check() {
    let mut backend = Backend::named("one");
    let yaml = site(&[&backend], "health_check: off");
    let gapura = Gapura::start(&yaml);
    backend.stop();
    assert_eq!(gapura.get("/").status, 502);
    backend.start_again();
    wait_until("the server is used again", || gapura.get("/").status == 200);
}

#[test]
fn an_application_s_own_error_is_passed_through_untouched() {
    let backend = Backend::start(|request, stream| {
        let status = request.target()[1..].parse().expect("a status");
        respond(stream, status, "Content-Type: text/x-own\r\n", "own error")
    });
    let gapura = with_page("retry_after: 7s", &[&backend]);
    let mut client = gapura.connect();
    for status in [400, 404, 500, 502, 503, 504] {
        let answer = client.get(&format!("/{status}"));
        assert_eq!((answer.status, answer.text()), (status, "own error"));
        assert_eq!(answer.header("content-type"), Some("text/x-own"));
        assert_eq!(answer.header("retry-after"), None);
    }
}

#[test]
fn interception_shows_the_site_s_page_in_place_of_the_application_s() {
    let backend = Backend::start(|request, stream| {
        let status = request.target()[1..].parse().expect("a status");
        respond(stream, status, "Content-Type: text/x-own\r\n", "own error")
    });
    let gapura = with_page("proxy_intercept_errors: on", &[&backend]);
    let mut client = gapura.connect();
    let answer = client.get("/502");
    assert_eq!((answer.status, answer.text()), (502, PAGE));
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    // A status without a page is the application's.
    let answer = client.get("/503");
    assert_eq!((answer.status, answer.text()), (503, "own error"));
    assert_eq!(client.get("/200").text(), "own error");
}

#[test]
fn http_1_0_gets_a_page_it_can_read() {
    let gapura = with_page("", &[&refusing()]);
    let mut client = gapura.connect();
    let answer = client.exchange("GET / HTTP/1.0\r\nHost: example.test\r\n\r\n");
    assert_eq!((answer.status, answer.text()), (502, PAGE));
    assert_eq!(answer.header("transfer-encoding"), None);
    client.expect_end();
}

#[test]
fn pages_differ_by_site_and_status() {
    let (dead, missing) = (
        refusing(),
        Backend::start(|_, stream| respond(stream, 404, "", "own")),
    );
    let yaml = format!(
        "listen: LISTEN
sites:
  - host: a.test
    error_page: {{ 502 504: a.html }}
    backends: [\"{dead}\"]
  - host: b.test
    error_page: {{ 502: b.txt, 404: missing.html }}
    locations:
      - {{ path: /, backends: [\"{dead}\"] }}
      - {{ path: /here/, proxy_intercept_errors: on, backends: [\"{}\"] }}
      - {{ path: /gone/, return: 404 }}
",
        super::support::Addressed::address(&missing)
    );
    let gapura = Launch::new(&yaml)
        .file("a.html", "page a")
        .file("b.txt", "page b")
        .file("missing.html", "page missing")
        .start();
    let get = |client: &mut Client, host: &str, path: &str| {
        client.exchange(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    };
    let mut client = gapura.connect();
    assert_eq!(get(&mut client, "a.test", "/").text(), "page a");
    let answer = get(&mut client, "b.test", "/");
    assert_eq!(answer.text(), "page b");
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
    for path in ["/here/", "/gone/"] {
        let answer = get(&mut client, "b.test", path);
        assert_eq!((answer.status, answer.text()), (404, "page missing"));
    }
}
