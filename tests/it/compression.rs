//! `gzip`: what tests/parity cannot compare with nginx.

use super::support::{Addressed, Backend, Client, Gate, Launch, Then, request};
use flate2::read::GzDecoder;
use std::io::{Read, Write};

const CONF: &str = "\
events {}
http {
    log_format ratio '$gzip_ratio $request';
    access_log /dev/stdout ratio;
    gzip on;
    server {
        listen LISTEN;
        location / {
            proxy_pass http://BACKEND;
        }
    }
}
";

const GZIP: &str = "Accept-Encoding: gzip\r\n";

#[test]
fn what_the_server_sent_reaches_the_client_before_more_comes() {
    let gate = Gate::default();
    let opened = gate.clone();
    let backend = Backend::start(move |_, stream| {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n";
        write!(stream, "{head}6\r\nfirst\n\r\n")?;
        opened.wait();
        stream.write_all(b"7\r\nsecond\n\r\n0\r\n\r\n")?;
        Ok(Then::Keep)
    });
    let conf = CONF.replace("BACKEND", &backend.address().to_string());
    let conf = conf.replace("gzip on;", "gzip on; proxy_buffering off;");
    let gapura = Launch::nginx(&conf).start();
    let mut client = gapura.connect();
    client.send(request("GET", "/", GZIP));
    let head = client.read_head();
    assert_eq!(head.header("content-encoding"), Some("gzip"));
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    let mut body = Chunks(client);
    let mut decoder = GzDecoder::new(&mut body);
    let mut first = [0; 6];
    decoder.read_exact(&mut first).expect("the first piece");
    assert_eq!(&first, b"first\n");
    gate.open();
    let mut rest = String::new();
    decoder.read_to_string(&mut rest).expect("the second piece");
    assert_eq!(rest, "second\n");
}

#[test]
fn the_ratio_is_logged() {
    let text = "the same text again and again, ".repeat(1000);
    let backend = Backend::start(move |_, stream| {
        let length = text.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(text.as_bytes())?;
        Ok(Then::Keep)
    });
    let gapura = Launch::nginx(&CONF.replace("BACKEND", &backend.address().to_string())).start();
    let mut client = gapura.connect();
    let answer = client.exchange(request("GET", "/", GZIP));
    let mut text = String::new();
    let mut decoder = GzDecoder::new(&answer.body[..]);
    decoder.read_to_string(&mut text).expect("gzip");
    assert_eq!(text.len(), 31_000);
    let ratio = 31_000.0 / answer.body.len() as f64;
    let line = gapura
        .accesses()
        .wait_for("the request", |line| line.contains("GET /"));
    let logged: f64 = line
        .split(' ')
        .next()
        .expect("a word")
        .parse()
        .expect("a number");
    assert!((logged - ratio).abs() < 0.01, "{logged} is not {ratio}");
    // The connection is kept, and what is not compressed has no ratio.
    let plain = client.get("/plain");
    assert_eq!(plain.body.len(), 31_000);
    let logged = gapura.accesses();
    logged.wait_for("the second request", |line| line == "- GET /plain HTTP/1.1");
}

/// What is in a chunked body.
struct Chunks(Client);

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.extend(self.0.read_exactly(1));
        }
        let text = std::str::from_utf8(&line).expect("a line").trim();
        let length = usize::from_str_radix(text, 16).expect("a chunk's length");
        let chunk = self.0.read_exactly(length + 2);
        buffer[..length].copy_from_slice(&chunk[..length]);
        Ok(length)
    }
}
