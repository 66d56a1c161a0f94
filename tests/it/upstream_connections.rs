//! Connections to servers: how long one is used, whose it is, and when an idle one is not used again.

use super::support::{Addressed, Backend, Gapura, Launch, Then, respond, wait_until};
use std::io::Write;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

/// Gapura with these upstreams and locations in nginx's language.
fn start(upstreams: &str, locations: &str) -> Gapura {
    Launch::nginx(&format!(
        "events {{}} http {{ access_log off; {upstreams} server {{ listen LISTEN; {locations} }} }}"
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
        "upstream app {{ server {}; keepalive 8; keepalive_time 300ms; }}",
        backend.address()
    );
    let gapura = start(&upstream, "location / { proxy_pass http://app; }");
    let mut client = gapura.connect();
    client.get("/1");
    client.get("/2");
    // It has to become old: there is nothing that shows it.
    thread::sleep(Duration::from_millis(350));
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

#[test]
fn an_idle_connection_from_before_its_server_was_out_is_not_used_again() {
    let both = Arc::new(Barrier::new(2));
    let backend = Backend::start(move |request, stream| match request.target() {
        "/both" => {
            both.wait();
            respond(stream, 200, "", "ok")
        }
        "/500" => respond(stream, 500, "", "broken"),
        _ => respond(stream, 200, "", "ok"),
    });
    let spare = Backend::named("spare");
    let gapura = start(
        &format!(
            "upstream app {{ server {} fail_timeout=100ms; server {} backup; keepalive 8; }}",
            backend.address(),
            spare.address()
        ),
        "location / { proxy_pass http://app; proxy_next_upstream http_500; }",
    );
    let (mut one, mut two) = (gapura.connect(), gapura.connect());
    one.send("GET /both HTTP/1.1\r\nHost: a\r\n\r\n");
    two.send("GET /both HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((one.read().text(), two.read().text()), ("ok", "ok"));
    assert_eq!(gapura.get("/500").text(), "spare");
    wait_until("only the other one is idle", || {
        backend.open_connections() == 1
    });
    wait_until("the server is asked again", || {
        gapura.get("/3").text() == "ok"
    });
    assert_eq!(connections(&backend).last(), Some(&3), "a new connection");
}
