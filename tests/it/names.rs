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
    let settings = format!("{} resolver_timeout 300ms;", resolver(&names));
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
