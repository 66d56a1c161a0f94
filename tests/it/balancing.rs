//! Which server of an upstream gets a request.

use super::support::{
    Addressed, Backend, Client, Gapura, Gate, Launch, refusing, respond, site, wait_until,
};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

fn counts(gapura: &Gapura, requests: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let mut client = gapura.connect();
    for _ in 0..requests {
        let answer = client.get("/");
        assert_eq!(answer.status, 200);
        *counts.entry(answer.text().to_owned()).or_default() += 1;
    }
    counts
}

fn weighted(servers: &[(&dyn Addressed, &str)], rest: &str) -> String {
    let mut yaml = format!("sites:\n  - listen: LISTEN\n{rest}    backends:\n");
    for (server, settings) in servers {
        yaml += &format!(
            "      - {{ address: \"{}\"{settings} }}\n",
            server.address()
        );
    }
    yaml
}

#[test]
fn weights_are_kept_exactly() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    let yaml = weighted(&[(&one, ", weight: 3"), (&two, "")], "");
    let gapura = Gapura::start(&yaml);
    let counts = counts(&gapura, 400);
    assert_eq!((counts["one"], counts["two"]), (300, 100));
}

#[test]
fn weights_are_kept_exactly_by_concurrent_clients() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    let yaml = weighted(&[(&one, ", weight: 3"), (&two, "")], "");
    let gapura = Gapura::start(&yaml);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| counts(&gapura, 50));
        }
    });
    assert_eq!((one.hits(), two.hits()), (300, 100));
}

#[test]
fn equal_servers_take_turns() {
    let backends = ["one", "two", "three"].map(Backend::named);
    let gapura = Gapura::start(&site(&[&backends[0], &backends[1], &backends[2]], ""));
    let mut client = gapura.connect();
    let order: Vec<String> = (0..9).map(|_| client.get("/").text().to_owned()).collect();
    for round in order.chunks(3) {
        assert_eq!(round, &order[..3]);
    }
    for backend in &backends {
        assert_eq!(backend.hits(), 3);
    }
}

#[test]
fn weights_hold_among_the_servers_that_are_left() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    let dead = refusing();
    let check = "    health_check: { type: tcp, interval: 50ms, timeout: 1s, rise: 1, fall: 1 }\n";
    let yaml = weighted(
        &[(&one, ", weight: 3"), (&two, ""), (&dead, ", weight: 4")],
        check,
    );
    let gapura = Gapura::start(&yaml);
    gapura
        .errors()
        .wait_for("the dead server", |line| line.contains(&dead.to_string()));
    let counts = counts(&gapura, 400);
    let (one, two) = (counts["one"], counts["two"]);
    assert!((290..=310).contains(&one), "{one}:{two}");
}

#[test]
fn a_server_that_is_down_gets_nothing() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    let gapura = Gapura::start(&weighted(&[(&one, ", down: on"), (&two, "")], ""));
    assert_eq!(counts(&gapura, 20)["two"], 20);
    assert_eq!(one.hits(), 0);
}

#[test]
fn a_backup_is_used_only_when_no_other_server_can_be() {
    let (mut one, spare) = (Backend::named("one"), Backend::named("spare"));
    let rest = "    health_check: off\n";
    let yaml = weighted(
        &[(&spare, ", backup: on"), (&one, ", fail_timeout: 1s")],
        rest,
    );
    let gapura = Gapura::start(&yaml);
    assert_eq!(counts(&gapura, 10)["one"], 10);
    one.stop();
    assert_eq!(counts(&gapura, 10)["spare"], 10);
    one.start_again();
    wait_until("the first server is used again", || {
        gapura.get("/").text() == "one"
    });
}

#[test]
fn a_server_that_failed_max_fails_times_rests_for_fail_timeout() {
    let failing = Backend::saying("");
    let healthy = Backend::named("healthy");
    let rest = "    health_check: off\n";
    let yaml = weighted(
        &[
            (&failing, ", max_fails: 2, fail_timeout: 1s"),
            (&healthy, ""),
        ],
        rest,
    );
    let gapura = Gapura::start(&yaml);
    let started = Instant::now();
    assert_eq!(counts(&gapura, 20)["healthy"], 20);
    assert!(
        failing.hits() == 2 || started.elapsed() > Duration::from_millis(900),
        "{} tries",
        failing.hits()
    );
    let tries = failing.hits();
    wait_until("it is tried again", || {
        counts(&gapura, 2);
        failing.hits() > tries
    });
    assert!(started.elapsed() >= Duration::from_millis(900));
}

#[test]
fn max_fails_0_never_takes_a_server_out() {
    let failing = Backend::saying("");
    let healthy = Backend::named("healthy");
    let yaml = weighted(
        &[(&failing, ", max_fails: 0"), (&healthy, "")],
        "    health_check: off\n",
    );
    let gapura = Gapura::start(&yaml);
    assert_eq!(counts(&gapura, 20)["healthy"], 20);
    assert!(failing.hits() >= 10, "{} tries", failing.hits());
}

#[test]
fn sites_and_locations_share_an_upstream_by_its_name() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    let yaml = format!(
        "listen: LISTEN
upstreams:
  shop:
    balance: round_robin
    servers:
      - {{ address: \"{}\", weight: 3, max_fails: 2, fail_timeout: 10s }}
      - \"{}\"
    health_check: {{ type: tcp, interval: 2s, timeout: 1s, rise: 2, fall: 2 }}
sites:
  - {{ host: a.test, upstream: shop }}
  - host: b.test
    locations:
      - {{ path: /x/, upstream: shop }}
      - {{ path: /y/, upstream: shop }}
",
        one.address(),
        two.address()
    );
    let gapura = Gapura::start(&yaml);
    let mut client = gapura.connect();
    for _ in 0..40 {
        for (host, path) in [("a.test", "/"), ("b.test", "/x/"), ("b.test", "/y/")] {
            let answer = client.exchange(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert_eq!(answer.status, 200);
        }
    }
    assert_eq!((one.hits(), two.hits()), (90, 30), "one schedule for all");
}

#[test]
fn connections_to_servers_are_used_again() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], "health_check: off"));
    counts(&gapura, 50);
    let connections: std::collections::BTreeSet<u64> = backend
        .requests()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(connections.len(), 1);
}

#[test]
fn keepalive_0_opens_a_connection_for_each_request() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], "health_check: off\nkeepalive: 0"));
    counts(&gapura, 5);
    let connections: Vec<u64> = backend
        .requests()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(connections, [1, 2, 3, 4, 5]);
}

#[test]
fn the_server_that_answers_fast_gets_the_requests() {
    let quick = Backend::named("quick");
    let slow = Backend::start(|_, stream| {
        thread::sleep(Duration::from_millis(400));
        respond(stream, 200, "", "slow")
    });
    for balance in [
        "least_time header",
        "least_time last_byte",
        "least_time header inflight",
        "least_time last_byte inflight",
    ] {
        let gapura = Launch::nginx(&format!(
            "events {{}} http {{ access_log off;
             upstream app {{ {balance}; server {} fail_timeout=1h; server {} fail_timeout=1h; }}
             server {{ listen LISTEN; location / {{ proxy_pass http://app; }} }} }}",
            slow.address(),
            quick.address(),
        ))
        .start();
        let counts = counts(&gapura, 20);
        // The slow one is asked once: nothing is known of it before.
        assert_eq!(counts.get("slow"), Some(&1), "{balance}");
    }
    let balanced = |balance: &str| {
        let rest = format!("    balance: {balance}\n");
        let gapura = Gapura::start(&weighted(&[(&slow, ""), (&quick, "")], &rest));
        counts(&gapura, 20).get("slow").copied().unwrap_or_default()
    };
    for balance in ["peak_ewma", "random two least_time=header"] {
        let slow = balanced(balance);
        assert!(slow <= 2, "{balance}: {slow} of 20");
    }
    let gapura = Launch::nginx(&format!(
        "events {{}} http {{ upstream app {{ peak_ewma; server {}; server {}; }}
         server {{ listen LISTEN; location / {{ proxy_pass http://app; }} }} }}",
        slow.address(),
        quick.address()
    ))
    .start();
    let slow = counts(&gapura, 20).get("slow").copied().unwrap_or_default();
    assert!(slow <= 2, "peak_ewma of an nginx.conf: {slow} of 20");
}

#[test]
fn requests_wait_in_the_queue_for_a_server() {
    let gate = Gate::default();
    let held = gate.clone();
    let backend = Backend::start(move |_, stream| {
        held.wait();
        respond(stream, 200, "", "served")
    });
    let conf = |queue: &str| {
        format!(
            "events {{}} http {{ log_format l \"$arg_n $status $upstream_queue_time\"; access_log /dev/stdout l;
             upstream app {{ server {} max_conns=1; queue {queue}; }}
             server {{ listen LISTEN; location / {{ proxy_pass http://app; }} }} }}",
            backend.address()
        )
    };
    let short = Launch::nginx(&conf("5 timeout=100ms")).start();
    let mut first = short.connect();
    first.send("GET /?n=first HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("the server is busy", || backend.hits() == 1);
    assert_eq!(short.get("/?n=late").status, 502, "the time is over");
    short.accesses().wait_for("how long it has waited", |line| {
        let time = line.strip_prefix("late 502 ");
        time.is_some_and(|time| time.parse::<f64>().is_ok_and(|time| time >= 0.1))
    });
    drop((first, short));

    let gapura = Launch::nginx(&conf("2")).start();
    let send = |number: usize| {
        let mut client = gapura.connect();
        client.send(format!("GET /?n={number} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client
    };
    let mut first = send(1);
    wait_until("the server is busy", || backend.hits() == 2);
    // Nothing says which of those that come at once are in line already: one of them is too many.
    let come = |waiting: &mut Vec<(usize, Client)>, numbers: RangeInclusive<usize>| {
        waiting.extend(numbers.map(|number| (number, send(number))));
        let is_of = |line: &str, number: usize| line.starts_with(&format!("{number} 502 "));
        let line = gapura.accesses().wait_for("the one too many", |line| {
            waiting.iter().any(|(number, _)| is_of(line, *number))
        });
        let at = waiting.iter().position(|(number, _)| is_of(&line, *number));
        let (_, mut client) = waiting.remove(at.expect("its line was there"));
        assert_eq!(client.read().status, 502, "it is full");
    };
    let mut waiting = Vec::new();
    come(&mut waiting, 2..=4);
    // One whose client goes makes room.
    let (gone, client) = waiting.remove(0);
    drop(client);
    let gone = format!("{gone} 499 ");
    gapura
        .accesses()
        .wait_for("the client that went", |line| line.starts_with(&gone));
    come(&mut waiting, 5..=6);
    gate.open();
    assert_eq!(first.read().text(), "served");
    for (_, client) in &mut waiting {
        assert_eq!(client.read().text(), "served");
    }
    let mut expected = vec!["/?n=first".to_owned(), "/?n=1".to_owned()];
    expected.extend(waiting.iter().map(|(n, _)| format!("/?n={n}")));
    let requests = backend.requests();
    let targets: Vec<_> = requests.iter().map(|request| request.target()).collect();
    assert_eq!(targets, expected, "in the order in which they came");
}

#[test]
fn a_further_try_waits_too() {
    let dead = refusing();
    let gate = Gate::default();
    let held = gate.clone();
    let backend = Backend::start(move |_, stream| {
        held.wait();
        respond(stream, 200, "", "served")
    });
    let gapura = Launch::nginx(&format!(
        "events {{}} http {{ log_format l \"[$upstream_queue_time] [$upstream_status]\"; access_log /dev/stdout l;
         upstream app {{ server {dead} max_fails=0; server {} max_conns=1; queue 5 timeout=20s; }}
         server {{ listen LISTEN; location / {{ proxy_pass http://app; }} }} }}",
        backend.address()
    ))
    .start();
    let mut clients: Vec<_> = (0..4).map(|_| gapura.connect()).collect();
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    clients[0].send(request);
    wait_until("the server is busy", || backend.hits() == 1);
    let refused = || {
        let lines = gapura.errors().all();
        let is_refused = |line: &&String| line.contains("Connection refused");
        lines.iter().filter(is_refused).count()
    };
    let before = refused();
    for client in &mut clients[1..] {
        client.send(request);
    }
    wait_until("the others have tried", || refused() == before + 3);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.read().text(), "served");
    }
    wait_until("all are logged", || gapura.accesses().all().len() == 4);
    let lines = gapura.accesses().all();
    // The server that is dead kept nobody waiting for it, though one may have stood in line to find it.
    let waited = |line: &&String| {
        let times = line
            .strip_prefix('[')
            .and_then(|line| line.split_once("] "));
        let times = times.filter(|(_, statuses)| *statuses == "[502, 200]");
        let times = times.and_then(|(times, _)| times.split_once(", "));
        times.is_some_and(|(first, second)| second != "-" && (first == "-" || first < second))
    };
    assert_eq!(lines.iter().filter(waited).count(), 3, "{lines:?}");
}

#[test]
fn a_state_file_lists_the_servers() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    let gapura = Launch::nginx("events {} http { server { listen LISTEN; return 404; } }").start();
    let file = gapura.folder().join("servers.conf");
    let file = file.to_str().expect("a path");
    let conf = format!(
        "events {{}} http {{ access_log off; upstream app {{ state {file}; }}
         server {{ listen {}; location / {{ proxy_pass http://app; }} }} }}",
        gapura.address()
    );
    let reload = || gapura.signal(libc::SIGHUP);
    std::fs::write(gapura.folder().join("nginx.conf"), conf).expect("written");
    reload();
    wait_until("there are none yet", || gapura.get("/").status == 502);
    let line = |server: &Backend| format!("server {} weight=1;\n", server.address());
    std::fs::write(file, line(&one)).expect("written");
    reload();
    wait_until("the first serves", || gapura.get("/").text() == "one");
    std::fs::write(file, line(&two)).expect("written");
    reload();
    wait_until("the second serves", || gapura.get("/").text() == "two");
    // A file that is wrong leaves what serves as it is.
    std::fs::write(file, "listen 80;").expect("written");
    reload();
    gapura.errors().wait_for("the mistake", |line| {
        line.contains("\"listen\" is not allowed here in")
    });
    assert_eq!(gapura.get("/").text(), "two");
}
