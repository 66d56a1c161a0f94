//! What every nginx load-balancing tutorial does, as written: a folder of sites included from
//! nginx.conf, first one server, then an `upstream` of two; and what `-t` and `-T` say.

use super::support::{Addressed, Backend, Gapura, Launch, request, run_with, wait_until};

const NGINX_CONF: &str = "\
worker_processes auto;

events {
    worker_connections 768;
}

http {
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    default_type application/octet-stream;

    access_log /dev/stdout;

    include sites/*.conf;
}
";

fn site(server: &str) -> String {
    format!(
        "server {{
    listen LISTEN;
    server_name example.test;

    location / {{
        proxy_pass http://{server};
        proxy_set_header Host $host;
    }}
}}
"
    )
}

fn upstream(one: &Backend, two: &Backend) -> String {
    format!(
        "upstream backend {{
    server {} weight=3 max_fails=2 fail_timeout=1s;
    server {};
}}

{}",
        one.address(),
        two.address(),
        site("backend")
    )
}

fn start(text: &str) -> Gapura {
    Launch::nginx(NGINX_CONF)
        .file("sites/example.conf", text)
        .start()
}

#[test]
fn one_server() {
    let app = Backend::named("app");
    let gapura = start(&site(&app.address().to_string()));
    let answer = gapura.get("/x?y");
    assert_eq!((answer.status, answer.text()), (200, "app"));
    let got = app.request();
    assert_eq!(got.target(), "/x?y");
    assert_eq!(got.header("host"), Some("example.test"));
    assert_eq!(got.header("x-real-ip"), None, "nginx adds nothing");
    let line = "\"GET /x?y HTTP/1.1\" 200 3";
    let logged = gapura.accesses();
    logged.wait_for("the request", |found| found.contains(line));
}

#[test]
fn two_servers_one_stopped_both_stopped() {
    let (mut one, mut two) = (Backend::named("one"), Backend::named("two"));
    let gapura = start(&upstream(&one, &two));
    let mut client = gapura.connect();
    let answers: Vec<String> = (0..40).map(|_| client.get("/").text().to_owned()).collect();
    let ones = answers.iter().filter(|answer| *answer == "one").count();
    assert_eq!(ones, 30, "three in four");

    one.stop();
    for _ in 0..20 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.text()), (200, "two"));
    }

    two.stop();
    assert_eq!(client.get("/").status, 502);

    one.start_again();
    wait_until("the first server is used again", || {
        client.get("/").status == 200
    });
}

#[test]
fn the_default_host_is_the_upstream_s_name() {
    let app = Backend::named("app");
    let text = site(&app.address().to_string()).replace("proxy_set_header", "# ");
    let gapura = start(&text);
    assert_eq!(gapura.get("/").status, 200);
    let address = app.address().to_string();
    assert_eq!(app.request().header("host"), Some(address.as_str()));
}

#[test]
fn the_first_server_answers_hosts_that_nobody_has() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    let second = site(&two.address().to_string()).replace("server_name example.test;", "");
    let text = site(&one.address().to_string()) + &second;
    let gapura = start(&text);
    let other = "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n";
    assert_eq!(gapura.exchange(other).text(), "one");
    let default = second.replace("LISTEN;", "LISTEN default_server;");
    let gapura = start(&(site(&one.address().to_string()) + &default));
    assert_eq!(gapura.exchange(other).text(), "two");
}

#[test]
fn a_uri_behind_proxy_pass_replaces_the_location_s_path() {
    let app = Backend::named("app");
    let text = format!(
        "server {{ listen LISTEN; location /app/ {{ proxy_pass http://{}/v1/; }} }}",
        app.address()
    );
    let gapura = start(&text);
    for (asked, expected) in [
        ("/app/x?y=%20", "/v1/x?y=%20"),
        ("/app/", "/v1/"),
        ("/app//a/../b", "/v1/b"),
        ("/app/%41%20%3f", "/v1/A%20%3F"),
    ] {
        assert_eq!(gapura.get(asked).status, 200, "{asked}");
        let last = app.requests().last().expect("a request").clone();
        assert_eq!(last.target(), expected, "{asked}");
    }
    assert_eq!(gapura.get("/app").status, 301);
}

#[test]
fn return_answers_without_a_server() {
    let text = "server { listen LISTEN; location / { return 404; } location /a { return 204; } }";
    let gapura = start(text);
    assert_eq!(gapura.get("/").status, 404);
    assert_eq!(gapura.exchange(request("GET", "/a", "")).status, 204);
}

#[test]
fn the_test_says_what_nginx_says() {
    let text = site("192.0.2.1:3000").replace("LISTEN", "8080");
    let files = [("nginx.conf", NGINX_CONF), ("sites/a.conf", text.as_str())];
    let tested = run_with(&files, &["-t", "-c", "CONFIG"]);
    let path = tested.path.display().to_string();
    let expected = format!(
        "nginx: the configuration file {path} syntax is ok\n\
         nginx: configuration file {path} test is successful\n"
    );
    assert_eq!(tested.stderr, expected);
    assert!(tested.status.success());

    let dumped = run_with(&files, &["-T", "-c", "CONFIG"]);
    let folder = dumped.path.parent().expect("a folder").display();
    let path = dumped.path.display();
    let expected = format!(
        "# configuration file {path}:\n{NGINX_CONF}\n\
         # configuration file {folder}/sites/a.conf:\n{text}\n"
    );
    assert_eq!(dumped.stdout, expected);

    let broken = text.replace("proxy_pass", "proxy_pas");
    let files = [
        ("nginx.conf", NGINX_CONF),
        ("sites/a.conf", broken.as_str()),
    ];
    let refused = run_with(&files, &["-t", "-c", "CONFIG"]);
    let path = refused.path.display();
    let first = format!(
        "nginx: [emerg] unknown directive \"proxy_pas\" in {}/sites/a.conf:6\n",
        refused.path.parent().expect("a folder").display()
    );
    let last = format!("nginx: configuration file {path} test failed\n");
    assert!(refused.stderr.starts_with(&first), "{}", refused.stderr);
    assert!(refused.stderr.ends_with(&last), "{}", refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
}
