//! What the backend is told, and what of its answer the client sees.

use super::support::{Backend, Gapura, request, respond, site};

#[test]
fn the_backend_gets_what_an_nginx_user_expects() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], ""));
    gapura.exchange(
        "GET /a?b HTTP/1.1\r\nHost: Example.Test:8080\r\nX-Own: 1\r\nAccept: */*\r\n\r\n",
    );
    let request = backend.request();
    assert_eq!(request.head.start_line, "GET /a?b HTTP/1.1");
    for line in [
        "Host: example.test:8080",
        "X-Real-IP: 127.0.0.1",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: http",
        "X-Own: 1",
        "Accept: */*",
    ] {
        assert!(
            request.has_line(line),
            "{line} in {:?}",
            request.head.headers
        );
    }
}

#[test]
fn x_forwarded_for_is_appended_to() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], ""));
    gapura.exchange(request(
        "GET",
        "/",
        "X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\nX-Real-IP: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n",
    ));
    let request = backend.request();
    let values = |name| request.head.values(name).collect::<Vec<_>>();
    assert_eq!(values("x-forwarded-for"), ["10.0.0.1, 10.0.0.2, 127.0.0.1"]);
    assert_eq!(
        values("x-real-ip"),
        ["127.0.0.1"],
        "no client says who it is"
    );
    assert_eq!(values("x-forwarded-proto"), ["http"]);
}

#[test]
fn a_header_set_twice_is_sent_twice() {
    let backend = Backend::named("one");
    let settings = "proxy_set_header: { X-Many: [first, $http_none, $remote_addr] }";
    let gapura = Gapura::start(&site(&[&backend], settings));
    gapura.exchange(request("GET", "/", "X-Many: mine\r\n"));
    let request = backend.request();
    let values: Vec<&str> = request.head.values("x-many").collect();
    assert_eq!(values, ["first", "127.0.0.1"]);
}

#[test]
fn several_x_forwarded_for_lines_become_one() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], ""));
    gapura.exchange(request(
        "GET",
        "/",
        "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\n",
    ));
    let request = backend.request();
    let values: Vec<&str> = request.head.values("x-forwarded-for").collect();
    assert_eq!(values, ["10.0.0.1, 10.0.0.2, 127.0.0.1"]);
}

#[test]
fn request_headers_are_set_from_variables_and_removed_by_empty_values() {
    let backend = Backend::named("one");
    let settings = r#"
proxy_set_header:
  X-Host: $host
  X-Uri: $request_uri
  X-Path: $uri
  X-Args: $args
  X-Scheme: $scheme
  X-Method: $request_method
  X-Mixed: "<$remote_addr|${host}>"
  X-Agent: $http_user_agent
  X-Cookie: $cookie_session
  X-Arg: $arg_b
  X-Server: $server_name:$server_port
  X-Proto: $server_protocol
  X-Fixed: plain
  X-Real-IP: replaced
  Accept-Encoding: ""
  X-Missing: $http_x_missing
"#;
    let gapura = Gapura::start(&site(&[&backend], settings));
    gapura.exchange(
        "PUT /a%20b/c?a=1&b=2 HTTP/1.1\r\nHost: EXAMPLE.test:99\r\nUser-Agent: agent/1\r\nCookie: x=y; session=abc\r\nAccept-Encoding: gzip\r\nX-Fixed: client's\r\nX-Missing-Too: 1\r\nContent-Length: 0\r\n\r\n",
    );
    let request = backend.request();
    for line in [
        "X-Host: example.test".to_owned(),
        "X-Uri: /a%20b/c?a=1&b=2".into(),
        "X-Path: /a b/c".into(),
        "X-Args: a=1&b=2".into(),
        "X-Scheme: http".into(),
        "X-Method: PUT".into(),
        "X-Mixed: <127.0.0.1|example.test>".into(),
        "X-Agent: agent/1".into(),
        "X-Cookie: abc".into(),
        "X-Arg: 2".into(),
        format!("X-Server: example.test:{}", gapura.address().port()),
        "X-Proto: HTTP/1.1".into(),
        "X-Fixed: plain".into(),
        "X-Real-IP: replaced".into(),
        // The defaults that were not written again stay.
        "X-Forwarded-For: 127.0.0.1".into(),
    ] {
        assert!(
            request.has_line(&line),
            "{line} in {:?}",
            request.head.headers
        );
    }
    assert_eq!(request.header("accept-encoding"), None);
    assert_eq!(request.header("x-missing"), None);
    assert_eq!(request.head.values("x-fixed").count(), 1);
}

#[test]
fn a_value_from_the_client_cannot_smuggle_a_header_line() {
    let backend = Backend::named("one");
    let settings = "proxy_set_header: { X-Path: $uri }\nadd_header: { X-Path: $uri }";
    let gapura = Gapura::start(&site(&[&backend], settings));
    let answer = gapura.get("/a%0d%0aX-Evil:%20yes");
    assert_eq!(answer.header("x-evil"), None);
    if let Some(request) = backend.requests().first() {
        assert_eq!(request.header("x-evil"), None, "{:?}", request.head.headers);
    }
}

#[test]
fn hop_by_hop_headers_are_not_forwarded() {
    let backend = Backend::start(|_, stream| {
        respond(
            stream,
            200,
            "Connection: X-Hop\r\nX-Hop: back\r\nKeep-Alive: timeout=9\r\nProxy-Authenticate: Basic\r\nX-Kept: yes\r\n",
            "one",
        )
    });
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    let answer = client.exchange(request(
        "GET",
        "/",
        "Connection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\nX-Kept: yes\r\n",
    ));
    assert_eq!(answer.text(), "one");
    let at_backend = backend.request();
    for name in ["keep-alive", "te", "upgrade", "proxy-connection"] {
        assert_eq!(at_backend.header(name), None, "{name}");
    }
    assert!(
        at_backend
            .header("connection")
            .is_none_or(|value| !value.to_lowercase().contains("x-private")),
        "{:?}",
        at_backend.head.headers
    );
    assert!(at_backend.has_line("X-Kept: yes"));
    assert_eq!(answer.header("keep-alive"), None);
    assert!(
        answer
            .headers("connection")
            .iter()
            .all(|value| !value.contains("X-Hop"))
    );
    assert_eq!(answer.header("x-kept"), Some("yes"));
    assert_eq!(client.get("/").text(), "one");
}

#[test]
fn names_keep_their_case_and_lines_their_order() {
    let backend = Backend::start(|_, stream| {
        respond(
            stream,
            200,
            "X-fIRST: 1\r\nset-cookie: a=1\r\nx-second: 2\r\nset-cookie: b=2\r\n",
            "one",
        )
    });
    let gapura = Gapura::start(&site(&[&backend], ""));
    let answer = gapura.exchange(request(
        "GET",
        "/",
        "x-LOWER: 1\r\nX-Upper: a\r\nX-Upper: b\r\n",
    ));
    let at_backend = backend.request();
    assert!(
        at_backend.has_line("x-LOWER: 1"),
        "{:?}",
        at_backend.head.headers
    );
    let uppers: Vec<&str> = at_backend.head.values("x-upper").collect();
    assert_eq!(uppers, ["a", "b"]);
    let raw = String::from_utf8(answer.head.raw.clone()).unwrap();
    assert!(raw.contains("\r\nX-fIRST: 1\r\n"), "{raw}");
    assert!(raw.contains("\r\nx-second: 2\r\n"), "{raw}");
    assert_eq!(answer.headers("set-cookie"), ["a=1", "b=2"]);
}

#[test]
fn response_headers_are_added_always_or_only_on_success() {
    let backend = Backend::start(|request, stream| {
        let status = request.target()[1..].parse().expect("a status");
        respond(stream, status, "X-Twice: theirs\r\n", "")
    });
    let settings = r#"
add_header:
  X-Plain: "on $host"
  X-Always: { value: "yes", always: on }
  X-Twice: ours
  X-Empty: ""
"#;
    let gapura = Gapura::start(&site(&[&backend], settings));
    let mut client = gapura.connect();
    for (status, plain) in [
        (200, true),
        (201, true),
        (204, true),
        (302, true),
        (304, true),
        (307, true),
        (400, false),
        (404, false),
        (500, false),
        (502, false),
    ] {
        let answer = client.get(&format!("/{status}"));
        assert_eq!(answer.status, status);
        let expected = plain.then_some("on example.test");
        assert_eq!(answer.header("x-plain"), expected, "{status}");
        assert_eq!(answer.header("x-always"), Some("yes"), "{status}");
        assert_eq!(answer.header("x-empty"), None);
        let twice = if plain {
            vec!["theirs", "ours"]
        } else {
            vec!["theirs"]
        };
        assert_eq!(answer.headers("x-twice"), twice, "{status}");
    }
}

#[test]
fn headers_are_added_to_gapura_s_own_errors_only_when_always() {
    let settings = r#"
health_check: off
add_header: { X-Plain: "yes", X-Always: { value: "yes", always: on } }
"#;
    let gapura = Gapura::start(&site(&[&super::support::refusing()], settings));
    let answer = gapura.get("/");
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("x-plain"), None);
    assert_eq!(answer.header("x-always"), Some("yes"));
}

#[test]
fn response_headers_are_hidden() {
    let backend = Backend::start(|_, stream| {
        respond(
            stream,
            200,
            "X-Powered-By: php\r\nx-secret: 1\r\nX-Kept: 1\r\n",
            "",
        )
    });
    let settings = "proxy_hide_header: [X-Powered-By, X-SECRET]";
    let gapura = Gapura::start(&site(&[&backend], settings));
    let answer = gapura.get("/");
    assert_eq!(answer.header("x-powered-by"), None);
    assert_eq!(answer.header("x-secret"), None);
    assert_eq!(answer.header("x-kept"), Some("1"));
}

#[test]
fn an_answer_has_one_server_and_one_date() {
    let backend = Backend::start(|_, stream| {
        respond(
            stream,
            200,
            "Server: theirs\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
            "",
        )
    });
    let gapura = Gapura::start(&site(&[&backend], ""));
    let answer = gapura.get("/");
    assert_eq!(
        answer.headers("server"),
        ["gapura"],
        "as nginx puts its own name"
    );
    assert_eq!(answer.headers("date").len(), 1);
}

#[test]
fn headers_of_a_location_add_to_those_of_the_site() {
    let backend = Backend::named("one");
    let yaml = format!(
        "sites:
  - host: example.test
    listen: LISTEN
    proxy_set_header: {{ X-Site: site, X-Both: site }}
    locations:
      - path: /
        proxy_set_header: {{ X-Both: location }}
        backends: [\"{0}\"]
      - path: /alone/
        proxy_set_header_inherit: on
        proxy_set_header: {{ X-Both: location }}
        backends: [\"{0}\"]
",
        super::support::Addressed::address(&backend)
    );
    let gapura = Gapura::start(&yaml);
    gapura.get("/");
    gapura.get("/alone/");
    let requests = backend.requests();
    assert_eq!(requests[0].header("x-site"), Some("site"));
    assert_eq!(requests[0].header("x-both"), Some("location"));
    assert_eq!(requests[0].header("x-real-ip"), Some("127.0.0.1"));
    assert_eq!(requests[1].header("x-both"), Some("location"));
    assert_eq!(requests[1].header("x-site"), None);
    assert_eq!(requests[1].header("x-real-ip"), None);
}
