//! What becomes of a server's answer under an nginx.conf: redirects and cookies, the headers that stay
//! behind, and those that Gapura has of its own.

use super::support::{Backend, Gapura, Launch, Response, Then, request, respond, wait_until};
use std::io::Write;

/// A server that answers with these header lines, and the locations in front of it. `UPSTREAM` stands for
/// its address in both.
fn start(lines: &'static str, locations: &str) -> (Backend, Gapura) {
    let backend = Backend::start(move |got, stream| {
        let host = got.header("host").unwrap_or_default();
        respond(stream, 200, &lines.replace("UPSTREAM", host), "body")
    });
    let conf = format!(
        "events {{}} http {{ access_log /dev/stdout; log_format l '<$upstream_http_x_hidden|$sent_http_x_hidden>';
         server {{ listen LISTEN; server_name a.test; {locations} }} }}"
    );
    let conf = conf.replace("UPSTREAM", &backend.address().to_string());
    let gapura = Launch::nginx(&conf).start();
    (backend, gapura)
}

fn located(lines: &'static str, locations: &str) -> String {
    let (_backend, gapura) = start(lines, locations);
    let answer = gapura.get("/app/x");
    let own = format!("http://example.test:{}", gapura.address().port());
    let location = answer.header("location").expect("a Location");
    location.replace(&own, "OWN")
}

use super::support::Addressed;

#[test]
fn the_server_s_own_address_becomes_the_location_s_path() {
    let lines = "Location: http://UPSTREAM/v1/a?b\r\n";
    let uri = "location /app/ { proxy_pass http://UPSTREAM/v1/; }";
    assert_eq!(located(lines, uri), "OWN/app/a?b");
    let none = "location /app/ { proxy_pass http://UPSTREAM; }";
    assert_eq!(located(lines, none), "OWN/v1/a?b");
    let regex = "location ~ /app { proxy_pass http://UPSTREAM; }";
    assert_eq!(located(lines, regex), "OWN/v1/a?b");
    // What is not the server's own stays, a path too.
    assert_eq!(
        located("Location: http://other/v1/a\r\n", uri),
        "http://other/v1/a"
    );
    assert_eq!(located("Location: /v1/a\r\n", uri), "/v1/a");
    let relative = "absolute_redirect off; location /app/ { proxy_pass http://UPSTREAM/v1/; }";
    assert_eq!(located(lines, relative), "/app/a?b");
}

#[test]
fn redirects_are_rewritten_as_they_are_told_to_be() {
    let lines = "Location: HTTP://old.test:81/a/b\r\n";
    for (settings, expected) in [
        ("proxy_redirect off;", "HTTP://old.test:81/a/b"),
        (
            "proxy_redirect HTTP://old.test:81/ http://$host/;",
            "http://example.test/a/b",
        ),
        (
            "proxy_redirect ~^HTTP://([^:]+):(\\d+)(/.+)$ http://$1$3;",
            "http://old.test/a/b",
        ),
        ("proxy_redirect ~^http: /never;", "HTTP://old.test:81/a/b"),
        (
            "proxy_redirect ~*^http://(?<rest>.+)$ https://$rest;",
            "https://old.test:81/a/b",
        ),
        (
            "proxy_redirect http://no/ /no; proxy_redirect HTTP://old.test:81 https://new; proxy_redirect HTTP /;",
            "https://new/a/b",
        ),
    ] {
        let location = format!("location /app/ {{ proxy_pass http://UPSTREAM; {settings} }}");
        assert_eq!(located(lines, &location), expected, "{settings}");
    }
    let (_backend, gapura) = start(
        "Refresh: 3; URL=http://UPSTREAM/v1/a\r\n",
        "location /app/ { proxy_pass http://UPSTREAM/v1/; }",
    );
    let answer = gapura.get("/app/x");
    assert_eq!(answer.header("refresh"), Some("3; URL=/app/a"));
}

#[test]
fn cookies_are_rewritten() {
    let lines = "Set-Cookie: session=1; Domain=.App.Old; path=/v1/x; secure\r\n\
                 Set-Cookie: other=2; domain=elsewhere\r\nSet-Cookie: plain\r\n";
    let (_backend, gapura) = start(
        lines,
        "proxy_cookie_domain app.old $host; proxy_cookie_path ~^/v1(.*)$ $1/;
         location / { proxy_pass http://UPSTREAM; proxy_cookie_flags session nosecure httponly samesite=lax;
             proxy_cookie_flags ~^oth secure; }
         location /off { proxy_pass http://UPSTREAM; proxy_cookie_domain off; proxy_cookie_path off; }",
    );
    assert_eq!(
        gapura.get("/").headers("set-cookie"),
        [
            "session=1; Domain=.example.test; path=/x/; HttpOnly; SameSite=lax"
                .replace("=lax", "=Lax"),
            "other=2; domain=elsewhere; Secure".to_owned(),
            "plain".to_owned(),
        ]
    );
    let untouched = gapura.get("/off");
    assert_eq!(
        untouched.headers("set-cookie"),
        [
            "session=1; Domain=.App.Old; path=/v1/x; secure",
            "other=2; domain=elsewhere",
            "plain"
        ]
    );
}

#[test]
fn what_is_hidden_and_what_is_passed_on() {
    let lines = "Server: theirs\r\nX-Pad: 1\r\nX-Hidden: 2\r\nX-Accel-Expires: 3\r\nX-Kept: 4\r\n\
                 Connection: X-Kept\r\nKeep-Alive: timeout=5\r\n";
    let (_backend, gapura) = start(
        lines,
        "server_tokens off; proxy_hide_header X-Hidden; access_log /dev/stdout l;
         location / { proxy_pass http://UPSTREAM; }
         location /all { proxy_pass http://UPSTREAM; proxy_pass_header Server; proxy_pass_header x-pad; }",
    );
    let shown = |answer: &Response| {
        [
            "server",
            "x-pad",
            "x-hidden",
            "x-accel-expires",
            "x-kept",
            "keep-alive",
        ]
        .map(|name| answer.header(name).map(str::to_owned))
    };
    let some = |text: &str| Some(text.to_owned());
    let hidden = gapura.get("/");
    assert_eq!(
        shown(&hidden),
        [some("gapura"), None, None, None, some("4"), None]
    );
    let all = gapura.get("/all");
    assert_eq!(
        shown(&all),
        [some("theirs"), some("1"), None, None, some("4"), None]
    );
    gapura
        .accesses()
        .wait_for("what the server sent", |line| line == "<2|->");
}

#[test]
fn variables_know_what_the_server_sent() {
    let lines = "Set-Cookie: a=1; Path=/\r\nSet-Cookie: B=2\r\nLocation: http://UPSTREAM/x\r\nX-Many: 1\r\nX-Many: 2\r\n";
    let (backend, gapura) = start(
        lines,
        "location / { proxy_pass http://UPSTREAM; proxy_cookie_path / /changed;
         add_header X-Seen '$upstream_cookie_b|$upstream_http_location|$upstream_http_x_many|$upstream_cookie_none'; }",
    );
    let answer = gapura.get("/");
    let expected = format!("2|http://{}/x|1, 2|", backend.address());
    assert_eq!(answer.header("x-seen"), Some(expected.as_str()));
}

#[test]
fn headers_that_there_can_be_one_of_are_one() {
    let lines = "ETag: \"a\"\r\nETag: \"b\"\r\nX-Two: a\r\nX-Two: b\r\nContent-Type: text/plain\r\n\
                 Content-Type: text/html\r\nX-Accel-Charset: utf-8\r\n";
    let (_backend, gapura) = start(
        lines,
        "location / { proxy_pass http://UPSTREAM; }
         location /ignored { proxy_pass http://UPSTREAM; proxy_ignore_headers X-Accel-Charset; }",
    );
    let answer = gapura.get("/");
    assert_eq!(answer.headers("etag"), ["\"a\""]);
    assert_eq!(answer.headers("x-two"), ["a", "b"]);
    assert_eq!(
        answer.headers("content-type"),
        ["text/plain; charset=utf-8"]
    );
    assert_eq!(
        gapura.get("/ignored").headers("content-type"),
        ["text/plain"]
    );

    let (_backend, gapura) = start(
        "Content-Length: 4\r\n",
        "location / { proxy_pass http://UPSTREAM; }",
    );
    assert_eq!(gapura.get("/").status, 502, "two lengths");
}

#[test]
fn an_answer_to_head_is_not_in_chunks() {
    let backend = Backend::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 Fine By Me\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        Ok(Then::Keep)
    });
    let conf = format!(
        "events {{}} http {{ access_log off; server {{ listen LISTEN; location / {{ proxy_pass http://{}; }} }} }}",
        backend.address()
    );
    let gapura = Launch::nginx(&conf).start();
    let mut client = gapura.connect();
    for _ in 0..2 {
        client.send(request("HEAD", "/", ""));
        let answer = client.read_bodiless();
        assert_eq!(answer.head.start_line, "HTTP/1.1 200 Fine By Me");
        assert_eq!(answer.header("transfer-encoding"), None);
    }
}

#[test]
fn a_request_goes_on_without_its_client_where_it_may() {
    let backend = Backend::start(|got, stream| {
        if got.target() == "/slow" {
            std::thread::sleep(std::time::Duration::from_millis(400));
        }
        respond(stream, 200, "", "late")
    });
    let conf = format!(
        "events {{}} http {{ access_log /dev/stdout; server {{ listen LISTEN; location / {{ proxy_pass http://{};
         proxy_ignore_client_abort on; }} }} }}",
        backend.address()
    );
    let gapura = Launch::nginx(&conf).start();
    let mut client = gapura.connect();
    client.send(request("GET", "/slow", ""));
    wait_until("the server has it", || backend.hits() == 1);
    drop(client);
    gapura
        .accesses()
        .wait_for("the answer's own status", |line| {
            line.contains("GET /slow HTTP/1.1\" 200")
        });
}

#[test]
fn hints_are_passed_on_where_it_is_said() {
    let backend = Backend::start(|_, stream| {
        let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nX-Accel-Expires: 0\r\n\r\n";
        stream.write_all(hints)?;
        respond(stream, 200, "", "final")
    });
    let conf = "events {} http { server { listen LISTEN; early_hints $arg_hints $http_x;
         location / { proxy_pass http://BACKEND; }
         location /never { early_hints 0; proxy_pass http://BACKEND; } } }";
    let conf = conf.replace("BACKEND", &backend.address().to_string());
    let gapura = Launch::nginx(&conf).start();
    for (path, hinted) in [
        ("/?hints=1", true),
        ("/?hints=0", false),
        ("/", false),
        ("/never?hints=1", false),
    ] {
        let mut client = gapura.connect();
        client.send(request("GET", path, ""));
        let mut answer = client.read();
        if hinted {
            assert_eq!(
                (answer.status, answer.header("link")),
                (103, Some("</a.css>"))
            );
            assert_eq!(answer.header("x-accel-expires"), None);
            answer = client.read();
        }
        assert_eq!((answer.status, answer.text()), (200, "final"), "{path}");
    }
}

/// The names of an answer's header lines, in their order.
fn names(answer: &Response) -> Vec<String> {
    let raw = String::from_utf8_lossy(&answer.head.raw).into_owned();
    let lines = raw.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn the_lines_that_nginx_places_come_first_and_the_others_in_their_order() {
    let lines = "X-First: 1\r\nserver: theirs\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nX-Second: 2\r\n\
        last-modified: Thu, 01 Jan 1970 00:00:01 GMT\r\ncontent-type: text/plain\r\nX-Third: 3\r\n";
    let locations = "location / { proxy_pass http://UPSTREAM; add_header X-Date '<$sent_http_date>'; }
        location /passed { proxy_pass http://UPSTREAM; proxy_pass_header Date; proxy_pass_header Server; }
        location /added { proxy_pass http://UPSTREAM; add_header Server ours; }";
    let (_backend, gapura) = start(lines, locations);
    let answer = gapura.get("/");
    let expected = "Server Date Content-Type Content-Length Connection X-First X-Second last-modified \
        X-Third X-Date";
    assert_eq!(names(&answer).join(" "), expected);
    assert_eq!(answer.header("x-date"), Some("<>"), "it stays behind");
    assert_ne!(answer.header("date"), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    let answer = gapura.get("/passed");
    assert_eq!(answer.headers("server"), ["theirs"]);
    assert_eq!(answer.headers("date"), ["Thu, 01 Jan 1970 00:00:00 GMT"]);
    let answer = gapura.get("/added");
    assert_eq!(answer.headers("server").len(), 2);
    assert_eq!(answer.headers("server")[1], "ours");
}

#[test]
fn what_the_connection_says_is_known_to_the_log() {
    let conf = "events {} http { log_format l '$uri $sent_http_connection'; access_log /dev/stdout l;
        server { listen LISTEN; location / { return 204; } location /end { keepalive_timeout 0; return 204; } } }";
    let gapura = Launch::nginx(conf).start();
    gapura.get("/kept");
    gapura.get("/end");
    let lines = gapura.accesses();
    lines.wait_for("a kept one", |line| line == "/kept keep-alive");
    lines.wait_for("the last one", |line| line == "/end close");
}
