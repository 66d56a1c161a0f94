//! `listen` of an nginx.conf: ranges of ports, names, and what is asked of sockets.

use super::support::{Client, Launch, free_port, wait_until};
use std::net::{SocketAddr, TcpStream};

/// Two ports that follow each other.
fn free_range() -> (u16, u16) {
    let mut before = free_port();
    loop {
        let next = free_port();
        if next.checked_sub(1) == Some(before) {
            return (before, next);
        }
        before = next;
    }
}

fn answers(address: impl Into<SocketAddr>, host: &str) -> u16 {
    let address = address.into();
    // Addresses are listened on one after the other, and the harness looks at those of LISTEN only.
    wait_until("it is listened on", || TcpStream::connect(address).is_ok());
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    Client::connect(address).exchange(request).status
}

#[test]
fn a_range_of_ports_where_one_has_a_default_already() {
    let (first, second) = free_range();
    let conf = format!(
        "events {{}}
http {{
    access_log off;
    server {{ listen LISTEN; listen 127.0.0.1:{first}; return 404; }}
    server {{ listen 127.0.0.1:{first}-{second} backlog=16 so_keepalive=10m:5s:3 deferred; server_name a; return 403; }}
}}
"
    );
    let _gapura = Launch::nginx(&conf).start();
    assert_eq!(answers(([127, 0, 0, 1], first), "a"), 403);
    assert_eq!(
        answers(([127, 0, 0, 1], first), "b"),
        404,
        "the first server's"
    );
    assert_eq!(answers(([127, 0, 0, 1], second), "b"), 403, "its own");
}

#[test]
fn a_name_and_both_families() {
    let port = free_port();
    let conf = format!(
        "events {{}}
http {{
    access_log off;
    server {{ listen LISTEN; return 404; }}
    server {{ listen [::]:{port} ipv6only=off; return 403; }}
}}
"
    );
    let gapura = Launch::nginx(&conf).start();
    assert_eq!(answers(([127, 0, 0, 1], port), "a"), 403);
    assert_eq!(
        answers(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port)), "a"),
        403
    );
    drop(gapura);
    let port = free_port();
    let conf = format!(
        "events {{}}
http {{
    access_log off;
    server {{ listen LISTEN; return 404; }}
    server {{ listen localhost:{port} rcvbuf=64k sndbuf=64k fastopen=3 reuseport; return 403; }}
}}
"
    );
    let _gapura = Launch::nginx(&conf).start();
    assert_eq!(answers(([127, 0, 0, 1], port), "a"), 403);
}
