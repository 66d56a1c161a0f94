//! Upgraded connections.

use super::support::{Addressed, Backend, Gapura, NodeBackend, Then, request, site, wait_until};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

/// Accepts websockets and sends every message back; other requests get their path.
fn echo() -> Backend {
    Backend::start(|request, stream| {
        let Some(key) = request.header("sec-websocket-key") else {
            return super::support::respond(stream, 200, "", request.target());
        };
        let accept = derive_accept_key(key.as_bytes());
        write!(
            stream,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        )?;
        let mut socket = WebSocket::from_raw_socket(stream.try_clone()?, Role::Server, None);
        while let Ok(message) = socket.read() {
            if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
                break;
            }
        }
        Ok(Then::Close)
    })
}

fn open(address: SocketAddr) -> WebSocket<TcpStream> {
    let stream = super::support::Client::connect(address).into_stream();
    let url = format!("ws://{}/ws", super::support::HOST);
    tungstenite::client(url, stream).expect("a websocket").0
}

fn echoes(socket: &mut WebSocket<TcpStream>, message: Message) {
    socket.send(message.clone()).expect("send");
    assert_eq!(socket.read().expect("the echo"), message);
}

#[test]
fn messages_pass_both_ways() {
    let backend = echo();
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut socket = open(gapura.address());
    echoes(&mut socket, Message::text("hello"));
    echoes(&mut socket, Message::binary(vec![7; 1_000_000]));
    for number in 0..100 {
        echoes(&mut socket, Message::text(number.to_string()));
    }
    let upgrade = backend.request();
    assert!(
        upgrade
            .header("upgrade")
            .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
    );
    assert!(
        upgrade
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("upgrade"))
    );
    socket.close(None).expect("close");
    while socket.read().is_ok() {}
    wait_until("the backend's connection is closed", || {
        // The check's connection may be open for a moment.
        backend.open_connections() == 0
    });
}

/// What nginx's users write for websockets: two headers.
#[test]
fn an_nginx_conf_passes_upgrades_by_its_headers() {
    let backend = echo();
    let conf = format!(
        "events {{}}
        http {{
            access_log off;
            server {{
                listen LISTEN;
                location / {{
                    proxy_pass http://{};
                    proxy_http_version 1.1;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection \"upgrade\";
                }}
            }}
        }}",
        backend.address()
    );
    let gapura = super::support::Launch::nginx(&conf).start();
    let mut socket = open(gapura.address());
    echoes(&mut socket, Message::text("hello"));
    echoes(&mut socket, Message::binary(vec![7; 100_000]));
    assert_eq!(gapura.get("/plain").text(), "/plain");
}

#[test]
fn the_demo_s_application_keeps_its_websocket() {
    let backend = NodeBackend::start("app");
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut socket = open(gapura.address());
    echoes(&mut socket, Message::text("hello"));
    echoes(&mut socket, Message::binary(vec![7; 100_000]));
}

#[test]
fn a_websocket_outlives_timeouts_of_answers_while_it_talks() {
    let backend = echo();
    let gapura = Gapura::start(&site(
        &[&backend],
        "proxy_read_timeout: 1s\nclient_header_timeout: 1s\nkeepalive_timeout: 1s",
    ));
    let mut socket = open(gapura.address());
    let started = std::time::Instant::now();
    while started.elapsed() < std::time::Duration::from_millis(2500) {
        echoes(&mut socket, Message::text("still here"));
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// Most of them end that way: no error, as in nginx.
#[test]
fn one_that_is_silent_for_too_long_is_no_error() {
    let backend = echo();
    let settings = "proxy_read_timeout: 1s\nerror_log: { path: stderr, level: info }";
    let gapura = Gapura::start(&site(&[&backend], settings));
    let mut socket = open(gapura.address());
    echoes(&mut socket, Message::text("hello"));
    assert!(socket.read().is_err(), "it is closed");
    gapura.errors().wait_for("its line", |line| {
        line.contains("[info]") && line.contains(" while proxying upgraded connection, ")
    });
    let errors = gapura.errors().all();
    assert!(
        errors.iter().all(|line| !line.contains("[error]")),
        "{errors:?}"
    );
}

#[test]
fn a_websocket_outlives_a_reload_that_takes_its_backend_away() {
    let (old, new) = (echo(), echo());
    let gapura = Gapura::start(&site(&[&old], "keepalive: 0"));
    let mut socket = open(gapura.address());
    echoes(&mut socket, Message::text("before"));
    gapura.reload(&site(&[&new], "keepalive: 0"));
    let before = new.hits();
    wait_until("the new backend serves", || {
        gapura.get("/");
        new.hits() > before
    });
    for number in 0..10 {
        echoes(&mut socket, Message::text(format!("after {number}")));
    }
    assert_eq!(
        open(gapura.address()).get_ref().peer_addr().unwrap(),
        gapura.address()
    );
    drop(socket);
    wait_until("the old backend's connection is closed", || {
        old.open_connections() == 0
    });
}

#[test]
fn other_protocols_are_upgraded_to_as_well() {
    let backend = Backend::start(|request, stream| {
        assert_eq!(request.header("upgrade"), Some("raw-echo"));
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw-echo\r\nConnection: Upgrade\r\n\r\nhello first ")?;
        let (mut reader, mut buffer) = (stream.try_clone()?, [0; 1024]);
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(Then::Close),
                read => stream.write_all(&buffer[..read])?,
            }
        }
    });
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    client.send(request(
        "GET",
        "/",
        "Connection: Upgrade\r\nUpgrade: raw-echo\r\n",
    ));
    let answer = client.read();
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("upgrade"), Some("raw-echo"));
    assert_eq!(client.read_exactly(12), b"hello first ");
    // Bytes that are no HTTP, and some that look like it.
    for bytes in [&b"\0\x01\xff"[..], b"GET / HTTP/1.1\r\n\r\n", b"0\r\n\r\n"] {
        client.send(bytes);
        assert_eq!(client.read_exactly(bytes.len()), bytes);
    }
    client.finish_sending();
    client.expect_end();
}

#[test]
fn an_upgrade_comes_from_the_address_that_proxy_bind_says() {
    let backend = Backend::start(|_, stream| {
        let from = stream.peer_addr()?.ip();
        write!(
            stream,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: Upgrade\r\n\r\n{from}"
        )?;
        Ok(Then::Close)
    });
    let gapura = Gapura::start(&site(&[&backend], "proxy_bind: 127.0.0.9"));
    let mut client = gapura.connect();
    let upgrade = request("GET", "/", "Connection: Upgrade\r\nUpgrade: raw\r\n");
    assert_eq!(client.exchange(upgrade).status, 101);
    assert_eq!(client.read_exactly(9), b"127.0.0.9");
}

#[test]
fn a_refused_upgrade_is_an_answer_like_any_other() {
    let backend = Backend::start(|_, stream| super::support::respond(stream, 403, "", "no"));
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut client = gapura.connect();
    let upgrade = request(
        "GET",
        "/",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    );
    let answer = client.exchange(upgrade);
    assert_eq!((answer.status, answer.text()), (403, "no"));
}

#[test]
fn an_upgrade_is_not_passed_where_it_is_off() {
    let backend = echo();
    let gapura = Gapura::start(&site(&[&backend], "proxy_pass_upgrade: off"));
    gapura.exchange(request(
        "GET",
        "/",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
    ));
    assert_eq!(backend.request().header("upgrade"), None);
}

#[test]
fn the_other_side_is_told_when_one_goes() {
    let mut backend = echo();
    let gapura = Gapura::start(&site(&[&backend], ""));
    let mut socket = open(gapura.address());
    echoes(&mut socket, Message::text("hello"));
    let address = backend.address();
    backend.stop();
    assert!(socket.read().is_err(), "{address} is gone");
}

/// A tunnel is not idle, whatever length its 101 has and however short idle connections are kept.
#[test]
fn an_upgrade_goes_over_a_connection_that_is_kept() {
    let backend = Backend::start(|request, stream| {
        if request.target() != "/tunnel" {
            return super::support::respond(stream, 200, "", "no tunnel");
        }
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw-echo\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n")?;
        std::io::copy(&mut stream.try_clone()?, stream)?;
        Ok(Then::Close)
    });
    let conf = format!(
        "events {{}}
        http {{
            upstream app {{ server {}; keepalive 4; keepalive_timeout 1s; }}
            server {{
                listen LISTEN;
                location / {{
                    proxy_pass http://app;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection \"upgrade\";
                }}
            }}
        }}",
        backend.address()
    );
    let gapura = super::support::Launch::nginx(&conf).start();
    let mut client = gapura.connect();
    let upgrade = |path| request("GET", path, "Connection: Upgrade\r\nUpgrade: raw-echo\r\n");
    assert_eq!(client.exchange(upgrade("/")).text(), "no tunnel");
    assert_eq!(client.exchange(upgrade("/tunnel")).status, 101);
    let connections: Vec<_> = backend
        .requests()
        .iter()
        .map(|one| one.connection)
        .collect();
    assert_eq!(connections, [1, 1]);
    assert_eq!(gapura.get("/").status, 200);
    wait_until("the idle connection is closed", || {
        backend.open_connections() == 1
    });
    client.send("hello");
    assert_eq!(client.read_exactly(5), b"hello");
}

#[test]
fn an_upgrade_that_is_answered_at_once_is_kept() {
    // A proxy that looks at the answer before it has noted the request's end may take that end for
    // the tunnel's. An answer that is there before the request makes it likely.
    let backend = Backend::raw(|stream| {
        let mut stream = stream;
        stream.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw-echo\r\nConnection: Upgrade\r\n\r\n",
        )?;
        let mut reader = std::io::BufReader::new(stream.try_clone()?);
        if super::support::read_head(&mut reader)?.is_some() {
            std::io::copy(&mut reader, &mut stream)?;
        }
        Ok(())
    });
    let gapura = Gapura::start(&site(&[&backend], "health_check: off"));
    for number in 0..200 {
        let mut client = gapura.connect();
        // A 100 is no answer yet.
        let (expect, statuses) = match number % 2 {
            0 => ("", &[101][..]),
            _ => ("Expect: 100-continue\r\n", &[100, 101][..]),
        };
        let upgrade = format!("Connection: Upgrade\r\nUpgrade: raw-echo\r\n{expect}");
        client.send(request("GET", "/", &upgrade));
        for status in statuses {
            assert_eq!(client.read().status, *status);
        }
        client.send("hello");
        assert_eq!(client.read_exactly(5), b"hello", "socket {number}");
    }
}

#[test]
fn an_upgrade_with_an_empty_body_in_chunks_ends_it_for_each_server() {
    let first = Backend::start(|_, stream| super::support::respond(stream, 503, "", "busy"));
    let second = Backend::start(|_, stream| super::support::respond(stream, 200, "", "taken"));
    let settings =
        "health_check: off\nproxy_request_buffering: off\nproxy_next_upstream: [error, http_503]";
    let gapura = Gapura::start(&site(&[&first, &second], settings));
    let headers = "Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n";
    for _ in 0..2 {
        let answer = gapura.exchange(request("PUT", "/", headers) + "0\r\n\r\n");
        assert_eq!((answer.status, answer.text()), (200, "taken"));
    }
    assert!(first.hits() > 0);
}

/// `worker_shutdown_timeout` ends tunnels too, and each has its line in the log.
#[test]
fn one_that_a_reload_ends_is_logged() {
    let backend = echo();
    let yaml = format!("worker_shutdown_timeout: 100ms\n{}", site(&[&backend], ""));
    let gapura = Gapura::start(&yaml);
    let mut socket = open(gapura.address());
    echoes(&mut socket, Message::text("hello"));
    gapura.reload(&yaml);
    assert!(socket.read().is_err(), "it is cut");
    let line = gapura
        .accesses()
        .wait_for("its line", |line| line.contains("GET /ws"));
    assert!(line.contains(" 101 "), "{line}");
}
