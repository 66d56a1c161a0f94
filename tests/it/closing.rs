//! How a client's connection ends.

use super::support::{Gapura, request};

#[test]
fn a_return_444_closes_without_a_byte_and_is_logged() {
    let gapura = Gapura::start(
        "listen: LISTEN\naccess_log: { path: stdout, format: '$status $bytes_sent' }\n\
         sites: [{ locations: [{ path: /, return: 444 }] }]",
    );
    let mut client = gapura.connect();
    // The second one is never read: its connection is gone.
    client.send(request("GET", "/", "").repeat(2));
    client.expect_end();
    gapura
        .accesses()
        .wait_for("a log line", |line| line == "444 0");
}

#[test]
fn a_return_444_waits_for_no_body() {
    let gapura =
        Gapura::start("listen: LISTEN\nsites: [{ locations: [{ path: /, return: 444 }] }]");
    let mut client = gapura.connect();
    client.send(request("POST", "/", "Content-Length: 1000\r\n"));
    client.expect_end();
}
