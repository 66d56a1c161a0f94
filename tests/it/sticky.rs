//! `sticky`: requests of one session go to one server.

use super::support::{Addressed, Backend, Gapura, Launch, respond, wait_until};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

fn start(upstream: &str) -> Gapura {
    Launch::nginx(&conf(upstream)).start()
}

fn conf(upstream: &str) -> String {
    format!(
        "events {{}} http {{ access_log off; upstream app {{ {upstream} }}
         server {{ listen LISTEN; location / {{ proxy_pass http://app; proxy_next_upstream error http_404; }} }} }}"
    )
}

/// Who answers a request with this cookie, so many times.
fn asked(gapura: &Gapura, cookie: &str, times: usize) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n");
    let answers = (0..times).map(|_| gapura.exchange(&request).text().to_owned());
    answers.collect::<Vec<_>>().join(" ")
}

/// The name of a server without a route, from its address: the MD5 sum that nginx has, too.
fn sum_of(gapura: &Gapura) -> String {
    let answer = gapura.get("/");
    let cookie = answer.header("set-cookie").expect("a cookie").to_owned();
    cookie.strip_prefix("srv=").expect("its name").to_owned()
}

#[test]
fn a_cookie_names_the_server_and_requests_with_it_go_there() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    let gapura = start(&format!(
        "server {}; server {} route=second; sticky cookie srv;",
        one.address(),
        two.address()
    ));
    let first = gapura.get("/");
    let cookie = first.header("set-cookie").expect("a cookie").to_owned();
    assert_eq!(first.text(), "one");
    let name = cookie.strip_prefix("srv=").expect("its name");
    assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(asked(&gapura, &cookie, 4), "one one one one");
    assert_eq!(asked(&gapura, "a=b; srv=second", 4), "two two two two");
    let unknown = asked(&gapura, "srv=nobody", 4);
    assert!(
        unknown.contains("one") && unknown.contains("two"),
        "{unknown}"
    );
}

#[test]
fn the_name_of_a_server_is_the_md5_sum_of_its_address() {
    // From `printf unix:/nowhere/app | md5sum`.
    let gapura = start("server unix:/nowhere/app; sticky cookie srv;");
    assert_eq!(gapura.get("/").status, 502);
    assert_eq!(sum_of(&gapura), "71cb0202e721470503ea9ebb31675989");
}

#[test]
fn a_cookie_has_the_attributes_that_are_written_in_nginx_s_order() {
    let one = Backend::named("one");
    let address = one.address();
    for (parameters, expected) in [
        ("", "srv=a"),
        ("path=/x", "srv=a; path=/x"),
        ("domain=.example.test", "srv=a; domain=.example.test"),
        (
            "expires=max",
            "srv=a; expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000",
        ),
        (
            "path=/ samesite=Lax secure httponly domain=$host.test",
            "srv=a; domain=a.test; httponly; secure; samesite=Lax; path=/",
        ),
        ("samesite=$arg_none", "srv=a"),
        ("samesite=$arg_odd", "srv=a; samesite=strict"),
    ] {
        let gapura = start(&format!(
            "server {address} route=a; sticky cookie srv {parameters};"
        ));
        let answer = gapura.exchange("GET /?odd=1 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(answer.header("set-cookie"), Some(expected), "{parameters}");
    }
    let gapura = start(&format!(
        "server {address} route=a; sticky cookie srv expires=1h;"
    ));
    let answer = gapura.get("/");
    let cookie = answer.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("srv=a; expires="), "{cookie}");
    assert!(cookie.ends_with(" GMT; max-age=3600"), "{cookie}");
}

#[test]
fn a_session_moves_on_when_its_server_does_not_serve() {
    let (mut one, two) = (Backend::named("one"), Backend::named("two"));
    let gapura = start(&format!(
        "server {} route=a; server {} route=b; sticky cookie srv;",
        one.address(),
        two.address()
    ));
    assert_eq!(asked(&gapura, "srv=a", 3), "one one one");
    one.stop();
    let request = "GET / HTTP/1.1\r\nHost: a\r\nCookie: srv=a\r\n\r\n";
    let answer = gapura.exchange(request);
    assert_eq!(answer.text(), "two");
    assert_eq!(answer.header("set-cookie"), Some("srv=b"));
}

#[test]
fn every_method_takes_a_session_s_server_first() {
    let (one, two, three) = (
        Backend::named("one"),
        Backend::named("two"),
        Backend::named("three"),
    );
    for method in [
        "",
        "least_conn;",
        "ip_hash;",
        "hash $uri;",
        "hash $uri consistent;",
        "random;",
        "random two;",
    ] {
        let gapura = start(&format!(
            "{method} server {} route=a; server {} route=b; server {} route=c; sticky route $cookie_none $cookie_r;",
            one.address(),
            two.address(),
            three.address()
        ));
        for (route, name) in [("a", "one"), ("b", "two"), ("c", "three")] {
            let expected = [name; 3].join(" ");
            assert_eq!(
                asked(&gapura, &format!("r={route}"), 3),
                expected,
                "{method}"
            );
        }
    }
}

#[test]
fn a_server_that_drains_serves_its_sessions_and_nobody_else() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    for method in ["", "least_conn;", "ip_hash;", "random;"] {
        let gapura = start(&format!(
            "{method} server {} route=a drain; server {} route=b; sticky route $cookie_r;",
            one.address(),
            two.address()
        ));
        assert_eq!(asked(&gapura, "r=a", 3), "one one one", "{method}");
        assert_eq!(asked(&gapura, "r=c", 6), ["two"; 6].join(" "), "{method}");
    }
    let gapura = start(&format!(
        "server {} drain; server {};",
        one.address(),
        two.address()
    ));
    assert_eq!(asked(&gapura, "r=a", 4), ["two"; 4].join(" "), "as if down");
}

#[test]
fn sessions_are_learned_prolonged_and_moved() {
    let backend = |name: &'static str| {
        Backend::start(move |request, stream| {
            let session = match request.target() {
                "/new" => "Set-Cookie: sid=s1\r\n",
                _ => "",
            };
            let status = match request.header("x-fail") {
                Some(who) if who == name => 404,
                _ => 200,
            };
            respond(stream, status, session, name)
        })
    };
    let (one, two) = (backend("one"), backend("two"));
    let gapura = start(&format!(
        "server {}; server {};
         sticky learn create=$upstream_cookie_sid lookup=$cookie_sid zone=sessions:64k timeout=2s;",
        one.address(),
        two.address()
    ));
    assert_eq!(asked(&gapura, "sid=s1", 2), "one two", "nobody knows it");
    assert_eq!(gapura.get("/new").text(), "one");
    assert_eq!(asked(&gapura, "sid=s1", 3), "one one one");
    let failing = "GET / HTTP/1.1\r\nHost: a\r\nCookie: sid=s1\r\nX-Fail: one\r\n\r\n";
    assert_eq!(gapura.exchange(failing).text(), "two");
    assert_eq!(asked(&gapura, "sid=s1", 3), "two two two", "it has moved");
    // A session has to grow old: requests prolong it, and without them it is over.
    for _ in 0..4 {
        thread::sleep(Duration::from_millis(700));
        assert_eq!(asked(&gapura, "sid=s1", 1), "two");
    }
    thread::sleep(Duration::from_millis(2050));
    let after = asked(&gapura, "sid=s1", 2);
    assert!(after.contains("one"), "{after}");
}

#[test]
fn learned_sessions_survive_a_reload() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    let yaml = |addresses: &[SocketAddr], generation| {
        let servers: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        format!(
            "upstreams:\n  app:\n    health_check: off\n    servers: [{}]\n    sticky:\n      learn: {{ create: $cookie_sid, lookup: $cookie_sid, header: on }}\nsites:\n  - listen: LISTEN\n    upstream: app\n    add_header: {{ X-Generation: {generation} }}\n",
            servers.join(", ")
        )
    };
    let gapura = Gapura::start(&yaml(&[one.address(), two.address()], 1));
    assert_eq!(asked(&gapura, "sid=x", 2), "one one");
    assert_eq!(asked(&gapura, "sid=y", 2), "two two");
    gapura.reload(&yaml(&[two.address(), one.address()], 2));
    wait_until("the new list is used", || {
        gapura.get("/").header("x-generation") == Some("2")
    });
    assert_eq!(asked(&gapura, "sid=x", 2), "one one");
    assert_eq!(asked(&gapura, "sid=y", 2), "two two");
}
