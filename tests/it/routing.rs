//! Which site and which location take a request.

use super::support::{Addressed, Backend, Gapura, Launch};

/// One backend for each name, and a list of sites or locations written with it.
struct Named(Vec<Backend>);

impl Named {
    fn backend(&mut self, name: &str) -> String {
        self.0.push(Backend::named(name));
        let address = self.0.last().expect("just pushed").address();
        format!("backends: [\"{address}\"], health_check: off")
    }
}

fn site_of(gapura: &Gapura, host: &str) -> String {
    let answer = gapura.exchange(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert_eq!(answer.status, 200, "{host}");
    answer.text().to_owned()
}

#[test]
fn hosts_are_matched_in_nginx_order() {
    let mut named = Named(Vec::new());
    let mut yaml = String::from("listen: LISTEN\nsites:\n");
    for (name, hosts) in [
        ("default", "\"fallback.test\""),
        ("exact", "\"www.example.test\""),
        ("leading", "\"*.example.test\""),
        ("longer leading", "\"*.deep.example.test\""),
        ("trailing", "\"www.*\""),
        ("longer trailing", "\"www.example.*\""),
        ("first regex", "'~^user\\d+\\.'"),
        ("second regex", "'~^u'"),
        ("several", "[\"one.test\", \"*.two.test\", \"~^three\"]"),
    ] {
        yaml += &format!("  - {{ host: {hosts}, {} }}\n", named.backend(name));
    }
    let gapura = Gapura::start(&yaml);
    for (host, site) in [
        ("www.example.test", "exact"),
        ("WWW.Example.TEST", "exact"),
        ("www.example.test:8080", "exact"),
        ("www.example.test.", "exact"),
        ("a.example.test", "leading"),
        ("a.b.example.test", "leading"),
        ("A.Example.Test:80", "leading"),
        ("a.deep.example.test", "longer leading"),
        ("deep.example.test", "leading"),
        ("www.other", "trailing"),
        ("www.example.org", "longer trailing"),
        ("www.example.co.uk", "longer trailing"),
        ("user7.org", "first regex"),
        ("USER7.org", "first regex"),
        ("unknown.org", "second regex"),
        ("one.test", "several"),
        ("x.two.test", "several"),
        ("three.org", "several"),
        ("example.test", "default"),
        ("nobody.org", "default"),
        ("fallback.test", "default"),
        ("[::1]", "default"),
        ("127.0.0.1", "default"),
    ] {
        assert_eq!(site_of(&gapura, host), site, "{host}");
    }
}

#[test]
fn each_listener_has_its_own_sites_and_default() {
    let mut named = Named(Vec::new());
    let yaml = format!(
        "sites:
  - {{ host: a.test, listen: LISTEN, {} }}
  - {{ host: b.test, listen: [LISTEN, LISTEN_2], default_server: on, {} }}
  - {{ host: c.test, listen: LISTEN_2, {} }}
  - {{ host: a.test, listen: LISTEN_3, {} }}
",
        named.backend("a"),
        named.backend("b"),
        named.backend("c"),
        named.backend("other a"),
    );
    let gapura = Gapura::start(&yaml);
    for (listener, host, site) in [
        (1, "a.test", "a"),
        (1, "b.test", "b"),
        (1, "c.test", "b"),
        (2, "a.test", "b"),
        (2, "c.test", "c"),
        (3, "a.test", "other a"),
        (3, "b.test", "other a"),
    ] {
        let mut client = super::support::Client::connect(gapura.address_of(listener));
        let answer = client.exchange(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(answer.text(), site, "{host} on listener {listener}");
    }
}

#[test]
fn the_absolute_target_decides_over_the_host_header() {
    let mut named = Named(Vec::new());
    let yaml = format!(
        "listen: LISTEN\nsites:\n  - {{ host: a.test, {} }}\n  - {{ host: b.test, {} }}\n",
        named.backend("a"),
        named.backend("b"),
    );
    let gapura = Gapura::start(&yaml);
    let answer = gapura.exchange("GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(answer.text(), "b");
    assert!(named.0[1].request().has_line("Host: b.test"));
}

#[test]
fn a_request_without_host_gets_the_default_site_in_http_1_0_and_400_in_1_1() {
    let mut named = Named(Vec::new());
    let yaml = format!(
        "listen: LISTEN\nsites:\n  - {{ host: a.test, {} }}\n  - {{ host: b.test, default_server: on, {} }}\n",
        named.backend("a"),
        named.backend("b"),
    );
    let gapura = Gapura::start(&yaml);
    assert_eq!(gapura.exchange("GET / HTTP/1.0\r\n\r\n").text(), "b");
    assert_eq!(gapura.exchange("GET / HTTP/1.1\r\n\r\n").status, 400);
    assert_eq!(
        gapura.exchange("GET / HTTP/1.1\r\nHost:\r\n\r\n").status,
        400
    );
}

/// A site of locations: each of these paths leads to a backend named after it.
fn locations(named: &mut Named, paths: &[&str]) -> Gapura {
    let mut yaml = String::from("sites:\n  - listen: LISTEN\n    locations:\n");
    for path in paths {
        yaml += &format!("      - {{ path: '{path}', {} }}\n", named.backend(path));
    }
    Gapura::start(&yaml)
}

#[test]
fn locations_are_matched_in_nginx_order() {
    let mut named = Named(Vec::new());
    let gapura = locations(
        &mut named,
        &[
            "/",
            "= /",
            "/images/",
            "^~ /static/",
            "/static/js/",
            "= /static/exact.png",
            "~ ^/case/[a-z]+$",
            "~* \\.(png|jpg)$",
            "~ \\.png$",
            "/long/prefix/",
            "/long/",
            "/caf\u{e9}/",
        ],
    );
    for (target, location) in [
        ("/", "= /"),
        ("/?query", "= /"),
        ("/index.html", "/"),
        ("/images/a.gif", "/images/"),
        ("/image", "/"),
        // A regular expression wins over a prefix …
        ("/images/a.png", "~* \\.(png|jpg)$"),
        ("/images/A.PNG", "~* \\.(png|jpg)$"),
        // … unless the longest prefix is `^~`.
        ("/static/a.png", "^~ /static/"),
        ("/static/js/a.png", "~* \\.(png|jpg)$"),
        ("/static/js/a.js", "/static/js/"),
        ("/static/exact.png", "= /static/exact.png"),
        ("/case/abc", "~ ^/case/[a-z]+$"),
        ("/case/ABC", "/"),
        ("/long/prefix/x", "/long/prefix/"),
        ("/long/pre", "/long/"),
        // Matched as they mean, whatever way they are written.
        ("/%69mages/a", "/images/"),
        ("/images%2Fa", "/images/"),
        ("/long/%70refix/x", "/long/prefix/"),
        ("/caf%c3%a9/x", "/caf\u{e9}/"),
        ("//images///a", "/images/"),
        ("/images/../long/x", "/long/"),
        ("/./long/./prefix/x", "/long/prefix/"),
        ("/long/prefix/..", "/long/"),
        ("/long/%2e%2e/images/a", "/images/"),
        ("/images/a?x=/../../long/", "/images/"),
        ("/images/a%3F.png", "~* \\.(png|jpg)$"),
        ("/images/a#b.png", "/images/"),
    ] {
        let answer = gapura.get(target);
        assert_eq!((answer.status, answer.text()), (200, location), "{target}");
    }
}

#[test]
fn a_folder_without_its_slash_is_redirected_to_it_as_nginx_does() {
    let mut named = Named(Vec::new());
    let gapura = locations(&mut named, &["/", "/images/", "/both/", "= /both"]);
    let mut client = gapura.connect();
    let answer = client.get("/images?a=b");
    assert_eq!(answer.status, 301);
    let location = answer.header("location").expect("a Location");
    assert!(location.ends_with("/images/?a=b"), "{location}");
    assert_eq!(client.get("/both").text(), "= /both");
    assert_eq!(client.get("/imagesque").text(), "/");
}

#[test]
fn redirects_say_what_the_configuration_lets_them() {
    let backend = Backend::named("one");
    let address = backend.address();
    let conf = format!(
        "events {{}}
http {{
    access_log off;
    server {{
        listen LISTEN;
        server_name first.test example.test;
        location /plain/ {{ proxy_pass http://{address}; }}
        location /relative/ {{ absolute_redirect off; proxy_pass http://{address}; }}
        location /named/ {{ server_name_in_redirect on; proxy_pass http://{address}; }}
        location /portless/ {{ port_in_redirect off; proxy_pass http://{address}; }}
    }}
}}
"
    );
    let gapura = Launch::nginx(&conf).start();
    let port = gapura.address().port();
    let mut client = gapura.connect();
    for (path, expected) in [
        ("/plain?x", format!("http://example.test:{port}/plain/?x")),
        ("/relative", "/relative/".to_owned()),
        ("/named", format!("http://first.test:{port}/named/")),
        ("/portless", "http://example.test/portless/".to_owned()),
    ] {
        let answer = client.get(path);
        assert_eq!(answer.header("location"), Some(expected.as_str()), "{path}");
    }
}

#[test]
fn the_backend_gets_the_target_as_the_client_wrote_it() {
    let backend = Backend::mirror();
    let gapura = Gapura::start(&super::support::site(&[&backend], ""));
    for target in [
        "/%69mages/%2F?a=%20b&c",
        "//double/./dots/../x",
        "/a?",
        "/a\"b",
        "/a;b=c,d",
        "/?x=?y",
    ] {
        let answer = gapura.get(target);
        let line = format!("GET {target} HTTP/1.1\r\n");
        assert!(answer.text().starts_with(&line), "{}", answer.text());
    }
}

#[test]
fn targets_that_mean_nothing_are_refused() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&super::support::site(&[&backend], ""));
    for target in [
        "/../x",
        "/a/../../x",
        "/%2e%2e/x",
        "/%zz",
        "/%0",
        "/a%00b",
        "x",
        "*",
    ] {
        assert_eq!(gapura.get(target).status, 400, "{target}");
    }
    assert_eq!(backend.hits(), 0);
}

#[test]
fn a_path_that_no_location_takes_is_404() {
    let mut named = Named(Vec::new());
    let gapura = locations(&mut named, &["/only/"]);
    let mut client = gapura.connect();
    let answer = client.get("/other");
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("server"), Some("gapura"));
    assert!(answer.text().contains("404"));
    assert_eq!(client.get("/only/").text(), "/only/");
    assert_eq!(client.connections(), 1, "the connection is kept");
}

#[test]
fn a_location_can_answer_with_a_status() {
    let gapura = Gapura::start(
        "sites:\n  - listen: LISTEN\n    locations:\n      - { path: /, return: 503 }\n      - { path: /gone, return: 410 }\n      - { path: /empty, return: 204 }\n",
    );
    let mut client = gapura.connect();
    assert_eq!(client.get("/").status, 503);
    assert_eq!(client.get("/gone").status, 410);
    let empty = client.get("/empty");
    assert_eq!((empty.status, empty.body.len()), (204, 0));
    assert_eq!(client.get("/").status, 503);
    assert_eq!(client.connections(), 1);
}

#[test]
fn locations_inside_of_others_are_found_as_by_nginx() {
    let conf = r#"events {}
http {
    access_log off;
    server {
        listen LISTEN;
        location / { return 200 "/"; }
        location /app/ {
            return 200 "/app/";
            location ~ \.php$ { return 200 "/app/ php"; }
            location = /app/exact { return 200 "/app/ exact"; }
            location /app/deep/ {
                return 200 "/app/deep/";
                location ~ ^/app/deep/(?<what>\w+)\.x$ { return 200 "/app/deep/ x $what $1"; }
            }
        }
        location ^~ /only/ {
            return 200 "/only/";
            location ~ \.php$ { return 200 "/only/ php"; }
        }
        location ~ \.php$ { return 200 "php"; }
        location ~ \.gif$ {
            return 200 "gif";
            location ~ /thumbs/ { return 200 "gif thumbs"; }
        }
        location ~ \.x$ { return 200 "x"; }
    }
}
"#;
    let gapura = Launch::nginx(conf).start();
    let mut client = gapura.connect();
    for (path, expected) in [
        ("/a", "/"),
        ("/a.php", "php"),
        ("/app/a", "/app/"),
        ("/app/a.php", "/app/ php"),
        ("/app/exact", "/app/ exact"),
        ("/app/deep/a", "/app/deep/"),
        ("/app/deep/a.x", "/app/deep/ x a a"),
        // What is inside of /app/deep/ has none for it, and what is beside it comes next.
        ("/app/deep/a.php", "/app/ php"),
        ("/app/deep/a.gif", "gif"),
        ("/app/deep/thumbs/a.gif", "gif thumbs"),
        ("/only/a.php", "/only/ php"),
        ("/only/a.gif", "/only/"),
        ("/a.gif", "gif"),
        ("/a.x", "x"),
    ] {
        assert_eq!(client.get(path).text(), expected, "{path}");
    }
}
