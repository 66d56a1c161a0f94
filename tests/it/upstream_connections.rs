//! Connections to servers: how long one is used, whose it is, how many are kept, and when an idle one is closed.

use super::support::{Addressed, Backend, Client, Gapura, Gate, Launch, Then, respond, wait_until};
use std::io::{Read, Write};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Gapura with these upstreams and locations in nginx's language.
fn start(upstreams: &str, locations: &str) -> Gapura {
    Launch::nginx(&format!(
        "worker_processes 1; events {{}} http {{ access_log off; {upstreams} server {{ listen LISTEN; {locations} }} }}"
    ))
    .start()
}

/// The connection that each of these requests came on, as the backend numbers them.
fn connections(backend: &Backend) -> Vec<u64> {
    let requests = backend.requests();
    requests.iter().map(|request| request.connection).collect()
}

#[test]
fn a_connection_carries_keepalive_requests_and_is_closed_at_once() {
    let backend = Backend::start(|request, stream| match request.target() {
        "/none" => {
            stream.write_all(b"HTTP/1.1 204 None\r\n\r\n")?;
            Ok(Then::Keep)
        }
        "/chunks" => {
            stream.write_all(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            )?;
            Ok(Then::Keep)
        }
        _ => respond(stream, 200, "", "ok"),
    });
    let upstream = format!(
        "upstream app {{ server {}; keepalive 8; keepalive_requests 3; }}",
        backend.address()
    );
    let gapura = start(&upstream, "location / { proxy_pass http://app; }");
    // On one connection: the next request is read when the server's connection is free again.
    let mut client = gapura.connect();
    for path in ["/1", "/2", "/none", "/4", "/5", "/chunks", "/7"] {
        assert!(client.get(path).status < 300);
    }
    assert_eq!(connections(&backend), [1, 1, 1, 2, 2, 2, 3]);
    wait_until("spent connections are closed", || {
        backend.open_connections() == 1
    });
    let post = "POST /8 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    client.exchange(post);
    client.exchange("HEAD /9 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.exchange(post);
    assert_eq!(connections(&backend)[6..], [3, 3, 3, 4]);
}

#[test]
fn a_connection_older_than_keepalive_time_carries_one_more_request() {
    let backend = Backend::named("ok");
    let upstream = format!(
        "upstream app {{ server {}; keepalive 8; keepalive_time 2s; }}",
        backend.address()
    );
    let gapura = start(&upstream, "location / { proxy_pass http://app; }");
    let mut client = gapura.connect();
    client.get("/1");
    client.get("/2");
    // It has to become old: there is nothing that shows it.
    thread::sleep(Duration::from_millis(2050));
    client.get("/3");
    client.get("/4");
    assert_eq!(connections(&backend), [1, 1, 1, 2]);
}

#[test]
fn upstreams_share_no_connections_and_locations_only_without_local() {
    let backend = Backend::named("ok");
    let address = backend.address();
    let gapura = start(
        &format!(
            "upstream one {{ server {address}; keepalive 8; }}
             upstream two {{ server {address}; keepalive 8 local; }}
             upstream three {{ server {address}; }}"
        ),
        "location /one/a { proxy_pass http://one; } location /one/b { proxy_pass http://one; }
         location /two/a { proxy_pass http://two; } location /two/b { proxy_pass http://two; }
         location /three/a { proxy_pass http://three; } location /three/b { proxy_pass http://three; }",
    );
    let mut client = gapura.connect();
    for path in ["one", "two", "three"] {
        for end in ["a", "b", "a", "b"] {
            client.get(&format!("/{path}/{end}"));
        }
    }
    assert_eq!(
        connections(&backend),
        [1, 1, 1, 1, 2, 3, 2, 3, 4, 5, 4, 5],
        "`one` shares; `two` and the default are local"
    );
}

/// A backend of which two requests for `/both` wait for each other, `/long` sends half of its answer and the
/// rest when the gate is opened, and `/500` is a failure.
fn waiting(gate: &Gate) -> Backend {
    let (both, gate) = (Barrier::new(2), gate.clone());
    Backend::start(move |request, stream| match request.target() {
        "/both" => {
            both.wait();
            respond(stream, 200, "", "ok")
        }
        "/long" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")?;
            gate.wait();
            stream.write_all(b"def")?;
            Ok(Then::Keep)
        }
        "/500" => respond(stream, 500, "", "broken"),
        _ => respond(stream, 200, "", "ok"),
    })
}

/// A client whose long answer has begun, with two idle connections beside the one that it comes over.
fn long_and_two_idle(gapura: &Gapura, backend: &Backend) -> Client {
    let mut long = gapura.connect();
    long.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("it has begun", || backend.hits() == 1);
    let (mut one, mut two) = (gapura.connect(), gapura.connect());
    one.send("GET /both HTTP/1.1\r\nHost: a\r\n\r\n");
    two.send("GET /both HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((one.read().text(), two.read().text()), ("ok", "ok"));
    assert_eq!(backend.open_connections(), 3);
    long
}

#[test]
fn a_server_that_a_check_has_out_has_its_idle_connections_closed() {
    let gate = Gate::default();
    let (backend, mut checked) = (waiting(&gate), Backend::named("checked"));
    let spare = Backend::named("spare");
    let gapura = start(
        &format!(
            "upstream app {{ zone app 64k; server {}; server {} backup; keepalive 8; }}",
            backend.address(),
            spare.address()
        ),
        &format!(
            "location / {{ proxy_pass http://app; health_check interval=50ms port={}; }}",
            checked.address().port()
        ),
    );
    let mut long = long_and_two_idle(&gapura, &backend);
    checked.stop();
    let address = backend.address().to_string();
    gapura.errors().wait_for("it is out", |line| {
        line.contains(&address) && line.contains("is down")
    });
    let since = Instant::now();
    wait_until("its idle connections are closed", || {
        backend.open_connections() == 1
    });
    assert!(since.elapsed() < Duration::from_secs(1));
    gate.open();
    assert_eq!(long.read().text(), "abcdef");
    assert_eq!(backend.hits(), 3);
}

#[test]
fn a_server_that_is_out_for_its_failures_has_its_idle_connections_closed() {
    let gate = Gate::default();
    let (backend, spare) = (waiting(&gate), Backend::named("spare"));
    let gapura = start(
        &format!(
            "upstream app {{ server {} fail_timeout=100ms; server {} backup; keepalive 8; }}",
            backend.address(),
            spare.address()
        ),
        "location / { proxy_pass http://app; proxy_next_upstream http_500; }",
    );
    let mut long = long_and_two_idle(&gapura, &backend);
    assert_eq!(gapura.get("/500").text(), "spare");
    let since = Instant::now();
    wait_until("only the busy one is left", || {
        backend.open_connections() == 1
    });
    assert!(since.elapsed() < Duration::from_secs(1));
    wait_until("the server is asked again", || {
        gapura.get("/3").text() == "ok"
    });
    assert_eq!(connections(&backend).last(), Some(&4), "a new connection");
    gate.open();
    assert_eq!(long.read().text(), "abcdef");
}

#[test]
fn so_many_idle_connections_are_kept_as_keepalive_says() {
    const CLIENTS: usize = 20;
    let all = Barrier::new(CLIENTS);
    let backend = Backend::start(move |_, stream| {
        all.wait();
        respond(stream, 200, "", "ok")
    });
    let conf = |process: &str, keepalive: &str| {
        format!(
            "{process} events {{}} http {{ access_log off; \
             upstream app {{ server {}; {keepalive} }} \
             server {{ listen LISTEN; \
             location / {{ proxy_pass http://app; }} location /other {{ proxy_pass http://app; }} \
             location /conf {{ return 200 \"{keepalive}\"; }} }} }}",
            backend.address()
        )
    };
    let gapura = Launch::nginx(&conf("worker_processes 1;", "keepalive 2;")).start();
    let ask = |gapura: &Gapura| {
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| gapura.connect()).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            let path = if number % 2 == 0 { "/" } else { "/other" };
            client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        }
        for client in &mut clients {
            assert_eq!(client.read().text(), "ok");
        }
    };
    let kept = |gapura: &Gapura, number: usize| {
        for _ in 0..3 {
            ask(gapura);
            wait_until("the others are closed", || {
                backend.open_connections() <= number
            });
            assert_eq!(backend.open_connections(), number);
        }
    };
    let change = |gapura: &Gapura, from: &str, to: &str| {
        let path = gapura.folder().join("nginx.conf");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace(from, to)).unwrap();
        gapura.signal(libc::SIGHUP);
    };
    let reload = |gapura: &Gapura, from: &str, to: &str| {
        change(gapura, from, to);
        wait_until("it is reloaded", || gapura.get("/conf").text() == to);
    };
    kept(&gapura, 2);
    reload(&gapura, "keepalive 2;", "keepalive 5;");
    kept(&gapura, 5);
    reload(&gapura, "keepalive 5;", "keepalive 4 local;");
    wait_until("one is closed at once", || backend.open_connections() == 4);
    kept(&gapura, 4);
    reload(&gapura, "keepalive 4 local;", "keepalive 0;");
    kept(&gapura, 0);
    drop(gapura);
    let gapura = Launch::nginx(&conf("worker_processes 3;", "keepalive 2;")).start();
    kept(&gapura, 6);
    change(&gapura, "app", "renamed");
    wait_until("nobody asks any more", || backend.open_connections() == 0);
}

#[test]
fn idle_connections_that_the_server_closes_leave_room_for_others() {
    let backend = Backend::named("ok");
    let upstream = format!(
        "upstream app {{ server {}; keepalive 1; }}",
        backend.address()
    );
    let gapura = start(&upstream, "location / { proxy_pass http://app; }");
    for number in 1..4 {
        let mut client = gapura.connect();
        client.get("/");
        client.get("/");
        assert_eq!(connections(&backend).last(), Some(&number));
        backend.close_connections();
        wait_until("it is closed", || backend.open_connections() == 0);
    }
}

#[test]
fn a_connection_whose_request_is_not_read_to_its_end_is_not_kept() {
    let backend = Backend::raw(|mut stream| {
        let mut head = [0; 16];
        stream.read_exact(&mut head)?;
        stream.write_all(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")?;
        std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
    });
    let upstream = format!(
        "upstream app {{ server {}; keepalive 8; }}",
        backend.address()
    );
    let gapura = start(
        &upstream,
        "location / { proxy_pass http://app; proxy_request_buffering off; }",
    );
    let mut client = gapura.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf");
    assert_eq!(client.read().status, 413);
    client.try_send("rest").ok();
    wait_until("it is closed", || backend.open_connections() == 0);
}

#[test]
fn a_connection_that_is_idle_for_keepalive_timeout_is_closed_and_one_that_is_used_is_not() {
    const TIMEOUT: Duration = Duration::from_millis(300);
    let backend = Backend::named("ok");
    let upstream = format!(
        "upstream app {{ server {}; keepalive 8; keepalive_timeout 300ms; }}",
        backend.address()
    );
    let gapura = start(&upstream, "location / { proxy_pass http://app; }");
    let mut client = gapura.connect();
    let mut kept = 0;
    // When it is empty the pool is filled again.
    for _ in 0..3 {
        let began = Instant::now();
        let mut last = began;
        client.get("/");
        while began.elapsed() < 3 * TIMEOUT {
            let before = *connections(&backend).last().unwrap();
            let sent = Instant::now();
            client.get("/");
            // Where the machine took longer than that, it may be another one.
            if last.elapsed() < TIMEOUT {
                assert_eq!(connections(&backend).last(), Some(&before));
                kept += 1;
            }
            last = sent;
            thread::sleep(Duration::from_millis(10));
        }
        wait_until("it is closed", || backend.open_connections() == 0);
        let idle = last.elapsed();
        assert!(idle >= TIMEOUT, "{idle:?}");
        assert!(idle < TIMEOUT + Duration::from_secs(1), "{idle:?}");
    }
    assert!(kept > 0);
}

#[test]
fn idle_connections_outlive_a_reload_and_keep_their_time() {
    let backend = Backend::named("ok");
    let gapura = start(
        &format!(
            "upstream app {{ server {}; keepalive 8; keepalive_timeout 1h; }}",
            backend.address()
        ),
        "location / { proxy_pass http://app; } location /conf { return 200 1h; }",
    );
    assert_eq!(gapura.get("/").text(), "ok");
    let path = gapura.folder().join("nginx.conf");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("1h", "300ms")).unwrap();
    gapura.signal(libc::SIGHUP);
    wait_until("it is reloaded", || gapura.get("/conf").text() == "300ms");
    assert_eq!(backend.open_connections(), 1);
    // From its next request on its time is the new one, though the first look was to be in an hour.
    assert_eq!(gapura.get("/").text(), "ok");
    assert_eq!(connections(&backend), [1, 1]);
    wait_until("it is closed", || backend.open_connections() == 0);
}
