//! Clients that send anything at all, and clients that vanish.

use super::support::{Backend, Client, Gapura, Launch, Then, request, site, wait_until};
use std::io::Write;
use std::thread;

const SEEDS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n",
    "GET http://example.test:80/a?b#c HTTP/1.1\r\nHost: example.test\r\nConnection: keep-alive\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: example.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    "HEAD /%41%zz/../.. HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
    "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03",
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
];

fn mutated(random: &mut fastrand::Rng) -> Vec<u8> {
    if random.u8(..) < 20 {
        return (0..random.usize(..2000)).map(|_| random.u8(..)).collect();
    }
    let mut bytes = SEEDS[random.usize(..SEEDS.len())].as_bytes().to_vec();
    for _ in 0..random.usize(1..6) {
        let at = random
            .usize(..bytes.len().max(1))
            .min(bytes.len().saturating_sub(1));
        match random.u8(..7) {
            _ if bytes.is_empty() => bytes.push(random.u8(..)),
            0 => bytes[at] = random.u8(..),
            1 => bytes.insert(at, random.u8(..)),
            2 => drop(bytes.remove(at)),
            3 => bytes.truncate(at),
            4 => {
                let other = SEEDS[random.usize(..SEEDS.len())].as_bytes();
                bytes.extend_from_slice(other);
            }
            5 => {
                let end = random.usize(at..bytes.len());
                let part = bytes[at..=end].to_vec();
                let copies = random.usize(1..20);
                bytes.splice(at..at, part.repeat(copies));
            }
            _ => bytes[at] ^= 1 << random.u8(..8),
        }
    }
    bytes
}

#[test]
fn no_bytes_from_a_client_stop_the_program() {
    const CLIENTS: u64 = 4;
    const STRINGS: usize = 750;
    let backend = Backend::named("one");
    let mut gapura = Gapura::start(&site(&[&backend], ""));
    thread::scope(|scope| {
        for seed in 0..CLIENTS {
            let address = gapura.address();
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for number in 0..STRINGS {
                    let bytes = mutated(&mut random);
                    let mut client = Client::connect(address);
                    // It may close before all is sent.
                    if client.try_send(&bytes).is_ok() {
                        client.finish_sending();
                    }
                    let shown = String::from_utf8_lossy(&bytes).into_owned();
                    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        client.read_rest()
                    }));
                    assert!(
                        ended.is_ok(),
                        "seed {seed}, string {number}, connection left open: {shown:?}"
                    );
                }
            });
        }
    });
    assert!(gapura.is_running());
    assert_eq!(gapura.get("/").text(), "one");
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    let backend = Backend::start(|request, stream| match request.target() {
        "/endless" => super::support::respond_endlessly(stream),
        "/upgrade" => {
            stream.write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
            )?;
            let mut reader = stream.try_clone()?;
            std::io::copy(&mut reader, &mut std::io::sink())?;
            Ok(Then::Close)
        }
        "/stall" => {
            let mut reader = stream.try_clone()?;
            std::io::copy(&mut reader, &mut std::io::sink())?;
            Ok(Then::Close)
        }
        _ => super::support::respond(stream, 200, "", "one"),
    });
    let gapura = Gapura::start(&site(
        &[&backend],
        "health_check: off\nclient_max_body_size: 0",
    ));
    assert_eq!(gapura.get("/").text(), "one");
    wait_until("that client is gone", || gapura.descriptors() > 0);
    let before = gapura.descriptors();
    let partial = [
        "GET / HT".to_owned(),
        "GET / HTTP/1.1\r\nHost: exam".into(),
        request("POST", "/", "Content-Length: 1000\r\n") + "some",
        request("POST", "/", "Transfer-Encoding: chunked\r\n") + "5\r\nhel",
        request("GET", "/endless", ""),
        request("GET", "/stall", ""),
        request("GET", "/", ""),
        request("GET", "/upgrade", "Connection: Upgrade\r\nUpgrade: x\r\n"),
    ];
    for round in 0..15 {
        for bytes in &partial {
            for reset in [false, true] {
                let mut client = gapura.connect();
                client.send(bytes);
                if round % 2 == 0 && (bytes.contains("/endless") || bytes.contains("/upgrade")) {
                    client.read_head();
                }
                if reset {
                    client.reset();
                }
            }
        }
    }
    // 240 clients have vanished; a few connections to the backend may rest in the pool.
    wait_until("descriptors are as before", || {
        gapura.descriptors() <= before + 20
    });
    wait_until("the backend is left alone", || {
        backend.open_connections() <= 20
    });
    assert_eq!(gapura.get("/").text(), "one");
}

#[test]
fn blank_lines_do_not_outlive_the_time_for_a_header() {
    let conf = "events {} http { client_header_timeout 300ms;
        server { listen LISTEN; location / { return 204; } } }";
    let gapura = Launch::nginx(conf).start();
    let mut client = gapura.connect();
    wait_until("the connection is closed", || {
        client.try_send("\r\n").is_err()
    });
    assert_eq!(gapura.get("/").status, 204);
}

#[test]
fn a_target_longer_than_any_uri_can_be_is_refused() {
    let conf = "events {} http { large_client_header_buffers 4 256k; access_log /dev/stdout;
        server { listen LISTEN; location / { return 204; } } }";
    let gapura = Launch::nginx(conf).start();
    for path in ["a".repeat(70_000).into_bytes(), vec![0xff; 22_000]] {
        let lines = b" HTTP/1.1\r\nHost: a\r\nUser-Agent: long\r\n\r\nGET / HTTP/1.1\r\n";
        let answer = gapura.exchange([b"GET /", &path[..], lines].concat());
        assert_eq!(answer.status, 414);
        assert_eq!(answer.header("connection"), Some("close"));
        gapura
            .accesses()
            .wait_for("its line", |line| line.ends_with("\"long\""));
    }
    assert_eq!(gapura.get("/").status, 204);
}
