//! Names that are looked up at run time: `resolver`, and `proxy_pass` with variables.

use super::support::{Addressed, Backend, Entry, Gapura, Launch, NameServer, refusing, wait_until};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use std::thread;
use std::time::Duration;

/// One server that passes `/` to the host in `?h=`, at the backend's port, with these settings.
fn start(backend: &Backend, settings: &str) -> Gapura {
    let port = backend.address().port();
    Launch::nginx(&format!(
        "events {{}} http {{ access_log off; server {{ listen LISTEN;
         add_header X-Addr $upstream_addr always; add_header X-Host $proxy_host always;
         location / {{ proxy_pass http://$arg_h:{port}; {settings} }} }} }}"
    ))
    .start()
}

fn resolver(names: &NameServer) -> String {
    format!("resolver {} ipv6=off;", names.address())
}

#[test]
fn a_name_is_looked_up_once_for_as_long_as_its_answer_is_valid() {
    let backend = Backend::named("one");
    let names = NameServer::start();
    names.say("app.test", Entry::at(&["127.0.0.1"]));
    names.say("short.test", Entry::at(&["127.0.0.1"]).ttl(1));
    let gapura = start(&backend, &format!("resolver {};", names.address()));
    for host in ["app.test", "APP.test", "app.test."] {
        assert_eq!(gapura.get(&format!("/?h={host}")).text(), "one");
    }
    let mut kinds: Vec<_> = names.asked("app.test").iter().map(|one| one.kind).collect();
    kinds.sort();
    assert_eq!(kinds, [RecordType::A, RecordType::AAAA]);
    assert_eq!(gapura.get("/?h=short.test").status, 200);
    wait_until("the name is looked up again", || {
        gapura.get("/?h=short.test");
        names.asked("short.test").len() > 2
    });
}

#[test]
fn valid_says_how_long_an_answer_is_used() {
    let backend = Backend::named("one");
    let names = NameServer::start();
    names.say("app.test", Entry::at(&["127.0.0.1"]).ttl(0));
    let settings = format!("resolver {} valid=1h ipv6=off;", names.address());
    let gapura = start(&backend, &settings);
    for _ in 0..3 {
        assert_eq!(gapura.get("/?h=app.test").status, 200);
    }
    assert_eq!(names.asked("app.test").len(), 1);
}

#[test]
fn requests_for_one_name_share_a_look_up() {
    let backend = Backend::named("one");
    let names = NameServer::start();
    let slow = Entry::at(&["127.0.0.1"]).after(Duration::from_millis(300));
    names.say("app.test", slow);
    let gapura = start(&backend, &resolver(&names));
    let ask = || assert_eq!(gapura.get("/?h=app.test").status, 200);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(ask);
        }
    });
    assert_eq!(names.asked("app.test").len(), 1);
}

#[test]
fn what_does_not_resolve_is_a_502_and_says_why() {
    let backend = Backend::named("one");
    let names = NameServer::start();
    names.say("broken.test", Entry::failing(ResponseCode::ServFail));
    names.say("refused.test", Entry::failing(ResponseCode::Refused));
    names.say("silent.test", Entry::silent());
    names.say("empty.test", Entry::at(&[]));
    names.say("loop.test", Entry::alias("loop.test"));
    let settings = format!("{} resolver_timeout 1s;", resolver(&names));
    let gapura = start(&backend, &settings);
    for (host, said) in [
        ("missing.test", "3: Host not found"),
        ("empty.test", "3: Host not found"),
        ("loop.test", "3: Host not found"),
        ("a..test", "3: Host not found"),
        ("broken.test", "2: Server failure"),
        ("refused.test", "5: Operation refused"),
        ("silent.test", "110: Operation timed out"),
    ] {
        let answer = gapura.get(&format!("/?h={host}"));
        assert_eq!(answer.status, 502, "{host}");
        assert_eq!(answer.header("x-addr"), None, "{host}");
        let said = format!("{host} could not be resolved ({said}), client: 127.0.0.1");
        gapura.errors().wait_for(&said, |line| line.contains(&said));
    }
    names.say("missing.test", Entry::at(&["127.0.0.1"]));
    assert_eq!(
        gapura.get("/?h=missing.test").status,
        200,
        "no failure is kept"
    );
}

#[test]
fn without_a_resolver_only_addresses_and_upstreams_are_known() {
    let backend = Backend::named("one");
    let gapura = start(&backend, "");
    assert_eq!(gapura.get("/?h=127.0.0.1").text(), "one");
    assert_eq!(gapura.get("/?h=app.test").status, 502);
    gapura.errors().wait_for("the reason", |line| {
        line.contains("no resolver defined to resolve app.test")
    });
    assert_eq!(gapura.get("/?h=[::x]").status, 500);
    gapura.errors().wait_for("the mistake", |line| {
        line.contains("invalid IPv6 address in upstream \"[::x]:")
    });
}

#[test]
fn every_address_is_tried() {
    let backend = Backend::named("one");
    let names = NameServer::start();
    names.say(
        "app.test",
        Entry::at(&["127.0.0.2", "127.0.0.3", "127.0.0.1"]),
    );
    let gapura = start(&backend, &resolver(&names));
    let port = backend.address().port();
    let answer = gapura.get("/?h=app.test");
    assert_eq!(answer.status, 200);
    let tried = format!("127.0.0.2:{port}, 127.0.0.3:{port}, 127.0.0.1:{port}");
    assert_eq!(answer.header("x-addr"), Some(tried.as_str()));
    let host = format!("app.test:{port}");
    assert_eq!(answer.header("x-host"), Some(host.as_str()));
    wait_until("another address comes first", || {
        let answer = gapura.get("/?h=app.test");
        assert_eq!(answer.status, 200);
        !answer.header("x-addr").unwrap().starts_with("127.0.0.2")
    });
}

#[test]
fn tries_are_limited() {
    let backend = Backend::named("one");
    let names = NameServer::start();
    names.say(
        "app.test",
        Entry::at(&["127.0.0.2", "127.0.0.3", "127.0.0.1"]),
    );
    let settings = format!("{} proxy_next_upstream_tries 2;", resolver(&names));
    let gapura = start(&backend, &settings);
    assert_eq!(gapura.get("/?h=app.test").status, 502);
}

#[test]
fn aliases_are_followed() {
    let backend = Backend::named("one");
    let names = NameServer::start();
    names.say("www.test", Entry::alias("edge.test"));
    names.say("edge.test", Entry::alias("app.test"));
    names.say("app.test", Entry::at(&["127.0.0.1"]));
    let gapura = start(&backend, &resolver(&names));
    assert_eq!(gapura.get("/?h=www.test").text(), "one");
    let last = backend.requests().last().expect("a request").clone();
    let host = format!("www.test:{}", backend.address().port());
    assert_eq!(last.header("host"), Some(host.as_str()));
}

#[test]
fn a_long_answer_comes_over_tcp() {
    let backend = Backend::named("one");
    let names = NameServer::start();
    names.say("app.test", Entry::at(&["127.0.0.1"]).truncated());
    let gapura = start(&backend, &resolver(&names));
    assert_eq!(gapura.get("/?h=app.test").text(), "one");
    let asked: Vec<bool> = names.asked("app.test").iter().map(|one| one.tcp).collect();
    assert_eq!(asked, [false, true]);
}

#[test]
fn a_name_server_that_is_gone_is_passed_over() {
    let backend = Backend::named("one");
    let names = NameServer::start();
    names.say("app.test", Entry::at(&["127.0.0.1"]));
    let settings = format!("resolver {} {};", refusing(), names.address());
    let gapura = start(&backend, &settings);
    assert_eq!(gapura.get("/?h=app.test").text(), "one");
}

#[test]
fn what_is_known_of_names_survives_a_reload() {
    let backend = Backend::named("one");
    let names = NameServer::start();
    names.say("app.test", Entry::at(&["127.0.0.1"]));
    let yaml = |page: &str| {
        format!(
            "resolver: [\"{}\", ipv6=off]\nsites:\n  - listen: LISTEN\n    locations:\n      \
             - path: /\n        proxy_pass: http://$arg_h:{}/to{page}?$args\n",
            names.address(),
            backend.address().port()
        )
    };
    let gapura = Gapura::start(&yaml("/one"));
    assert_eq!(gapura.get("/?h=app.test").text(), "one");
    gapura.reload(&yaml("/two"));
    wait_until("the new configuration serves", || {
        gapura.get("/?h=app.test");
        let last = backend.requests().last().expect("a request").clone();
        last.target() == "/to/two?h=app.test"
    });
    assert_eq!(names.asked("app.test").len(), 1);
}

/// One upstream, `app`, of these lines, whose names are looked up at a resolver.
fn upstream(names: &NameServer, lines: &str) -> Gapura {
    Launch::nginx(&format!(
        "events {{}} http {{ access_log off; resolver {} ipv6=off; resolver_timeout 1s;
         upstream app {{ zone app 64k; {lines} }}
         server {{ listen LISTEN; add_header X-Addr $upstream_addr always;
         proxy_connect_timeout 200ms; location / {{ proxy_pass http://app; }} }} }}",
        names.address()
    ))
    .start()
}

/// Waits until a request goes there.
#[track_caller]
fn wait_for_address(gapura: &Gapura, address: &str) {
    wait_until(address, || {
        gapura.get("/").header("x-addr") == Some(address)
    });
}

#[test]
fn a_server_with_resolve_follows_its_name() {
    let backend = Backend::named("one");
    let port = backend.address().port();
    let names = NameServer::start();
    let gapura = upstream(
        &names,
        &format!("server app.test:{port} resolve max_fails=0;"),
    );
    // The name is not there yet.
    wait_for_address(&gapura, "app");
    assert_eq!(gapura.get("/").status, 502);
    gapura.errors().wait_for("the reason", |line| {
        line.contains("app.test could not be resolved (3: Host not found)")
    });
    names.say("app.test", Entry::at(&["127.0.0.1"]).ttl(1));
    wait_for_address(&gapura, &format!("127.0.0.1:{port}"));
    assert_eq!(gapura.get("/").text(), "one");
    names.say("app.test", Entry::at(&["127.0.0.2"]).ttl(1));
    wait_for_address(&gapura, &format!("127.0.0.2:{port}"));
    // Neither an error nor silence takes addresses away.
    let before = names.asked("app.test").len();
    names.say("app.test", Entry::failing(ResponseCode::ServFail));
    wait_until("it is asked", || names.asked("app.test").len() > before + 1);
    names.say("app.test", Entry::silent());
    let before = names.asked("app.test").len();
    wait_until("it is asked", || names.asked("app.test").len() > before + 1);
    wait_for_address(&gapura, &format!("127.0.0.2:{port}"));
    // That there is no such name does.
    names.say("app.test", Entry::failing(ResponseCode::NXDomain));
    wait_for_address(&gapura, "app");
}

#[test]
fn a_failed_look_up_is_made_again_without_a_resolver_timeout() {
    let backend = Backend::named("one");
    let port = backend.address().port();
    let names = NameServer::start();
    names.say("app.test", Entry::failing(ResponseCode::ServFail));
    let lines = format!(
        "server app.test:{port} resolve; resolver {} ipv6=off; resolver_timeout 0;",
        names.address()
    );
    let gapura = upstream(&names, &lines);
    wait_until("it has failed", || !names.asked("app.test").is_empty());
    names.say("app.test", Entry::at(&["127.0.0.1"]));
    wait_for_address(&gapura, &format!("127.0.0.1:{port}"));
}

#[test]
fn a_long_answer_about_a_server_comes_over_tcp() {
    let backend = Backend::named("one");
    let port = backend.address().port();
    let names = NameServer::start();
    names.say("app.test", Entry::alias("there.test").truncated());
    names.say("there.test", Entry::at(&["127.0.0.1"]).truncated());
    let gapura = upstream(&names, &format!("server app.test:{port} resolve;"));
    wait_for_address(&gapura, &format!("127.0.0.1:{port}"));
}

#[test]
fn valid_answers_are_not_asked_for_again() {
    let backend = Backend::named("one");
    let port = backend.address().port();
    let names = NameServer::start();
    names.say("app.test", Entry::at(&["127.0.0.1"]));
    names.say("short.test", Entry::at(&["127.0.0.1"]).ttl(1));
    let servers = format!("server app.test:{port} resolve; server short.test:{port} resolve;");
    let gapura = upstream(&names, &servers);
    wait_until("the other is asked for often", || {
        names.asked("short.test").len() > 3
    });
    assert_eq!(names.asked("app.test").len(), 1);
    assert_eq!(gapura.get("/").text(), "one");
}

#[test]
fn an_upstream_has_a_resolver_of_its_own() {
    let backend = Backend::named("one");
    let port = backend.address().port();
    let (outer, own) = (NameServer::start(), NameServer::start());
    own.say("app.test", Entry::at(&["127.0.0.1"]));
    let lines = format!(
        "server app.test:{port} resolve; resolver {} ipv6=off; resolver_timeout 2s;",
        own.address()
    );
    let gapura = upstream(&outer, &lines);
    wait_for_address(&gapura, &format!("127.0.0.1:{port}"));
    assert!(outer.asked("app.test").is_empty());
}

#[test]
fn a_service_says_ports_weights_and_backups() {
    let one = Backend::named("one");
    let two = Backend::named("two");
    let mut spare = Backend::named("spare");
    let names = NameServer::start();
    names.say("host.test", Entry::at(&["127.0.0.1"]).ttl(1));
    let (first, second) = (one.address().port(), two.address().port());
    let third = spare.address().port();
    let all = [
        (5, 3, first, "host.test"),
        (5, 1, second, "host.test"),
        (9, 1, third, "host.test"),
    ];
    names.say("_http._tcp.app.test", Entry::services(&all).ttl(1));
    let gapura = upstream(&names, "server app.test service=http resolve max_fails=0;");
    wait_until("it is found", || gapura.get("/").status == 200);
    let mut said: Vec<String> = (0..8).map(|_| gapura.get("/").text().to_owned()).collect();
    said.sort();
    assert_eq!(
        said,
        ["one", "one", "one", "one", "one", "one", "two", "two"]
    );
    // The first priority is gone.
    names.say("_http._tcp.app.test", Entry::services(&all[2..]).ttl(1));
    wait_until("the spare one is all there is", || {
        gapura.get("/").text() == "spare" && gapura.get("/").text() == "spare"
    });
    // And the second one is behind the first again.
    names.say("_http._tcp.app.test", Entry::services(&all[1..]).ttl(1));
    wait_until("the second one is back", || {
        gapura.get("/").text() == "two" && gapura.get("/").text() == "two"
    });
    let mut two = two;
    two.stop();
    assert_eq!(gapura.get("/").text(), "spare");
    spare.stop();
    assert_eq!(gapura.get("/").status, 502);
}

#[test]
fn a_reload_keeps_addresses_that_a_failing_resolver_does_not_say() {
    let backend = Backend::named("one");
    let other = Backend::named("two");
    let names = NameServer::start();
    names.say("app.test", Entry::at(&["127.0.0.1"]).ttl(1));
    let yaml = |port: u16| {
        format!(
            "resolver: [\"{}\", ipv6=off]\nresolver_timeout: 1s\nsites:\n  - listen: LISTEN\n    \
             upstream: app\nupstreams:\n  app:\n    health_check: off\n    servers:\n      \
             - {{ address: app.test:{port}, resolve: on }}\n",
            names.address()
        )
    };
    let gapura = Gapura::start(&yaml(backend.address().port()));
    wait_until("it is found", || gapura.get("/").status == 200);
    names.say("app.test", Entry::failing(ResponseCode::ServFail));
    gapura.reload(&yaml(other.address().port()));
    wait_until("the other port is asked", || {
        let answer = gapura.get("/");
        assert_eq!(answer.status, 200);
        answer.text() == "two"
    });
}
