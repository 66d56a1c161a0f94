//! What a request may allocate, at most: from its first byte to its log line, Pingora's part included. And
//! what a connection may hold that waits for one.
//!
//! The count is of the whole process, so this file has one test, and its client and its backend
//! allocate nothing between two requests.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, and nothing here is anyone's API"
)]

use gapura::Server;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// A configuration, and how many allocations a request may cost under it: one more than were counted.
/// What a change saves is to be taken off here.
const WORKLOADS: [(&str, &str, usize); 5] = [
    ("tutorial.conf", TUTORIAL, 92),
    ("tuned.conf", TUNED, 75),
    ("least.yaml", YAML, 94),
    ("return.conf", RETURN, 37),
    ("file.conf", FILE, 50),
];

#[test]
fn requests_and_connections_take_no_more_than_they_did() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("page.html"), "<p>hello</p>").unwrap();
    let backend = backend();
    let mut counts = Vec::new();
    for (name, text, ceiling) in WORKLOADS {
        let file = folder.path().join(name);
        fs::write(&file, filled(text, folder.path(), backend)).unwrap();
        let server = Server::from_file(&file).start().unwrap();
        counts.push(allocations(server.addresses()[0], ceiling));
        server.stop();
    }
    let found: Vec<_> = WORKLOADS
        .iter()
        .map(|(name, ..)| name)
        .zip(&counts)
        .collect();
    for ((.., ceiling), (_, count)) in WORKLOADS.iter().zip(&found) {
        assert!(*count <= ceiling, "allocations of one request: {found:?}");
    }
    let file = folder.path().join("return.conf");
    let server = Server::from_file(&file).start().unwrap();
    let held = held_by_connections(server.addresses()[0]);
    assert!(held <= HELD_AT_MOST, "{held} bytes");
    server.stop();
}

/// How many bytes the process holds for each connection that waits for its second request. The least of
/// several looks: an answer's last things are given back behind its last byte.
fn held_by_connections(server: SocketAddr) -> usize {
    let connect = || {
        let mut client = TcpStream::connect(server).unwrap();
        client.write_all(REQUEST).unwrap();
        let mut answer = [0; 4096];
        assert!(read_message(&mut client, &mut answer) > 0);
        client
    };
    // What is made for the first ones, and serves them all.
    let _first: Vec<_> = (0..CONNECTIONS).map(|_| connect()).collect();
    let mut clients = Vec::with_capacity(CONNECTIONS);
    thread::sleep(REST * 50);
    let before = HELD.load(Ordering::SeqCst);
    clients.extend((0..CONNECTIONS).map(|_| connect()));
    let looks = (0..100).map(|_| {
        thread::sleep(REST);
        HELD.load(Ordering::SeqCst).saturating_sub(before)
    });
    looks.min().unwrap().div_ceil(CONNECTIONS)
}

/// How often the process allocates for one request on a connection that is kept. On a busy machine there
/// is more now and then: Pingora's clock, a look at a server, a wait that is else none. So the count is
/// the least of several, of which the first within the ceiling is good enough.
fn allocations(server: SocketAddr, ceiling: usize) -> usize {
    let mut client = TcpStream::connect(server).unwrap();
    client.set_nodelay(true).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut exchange = |times: usize| {
        for _ in 0..times {
            thread::sleep(REST);
            client.write_all(REQUEST).unwrap();
            let mut answer = [0; 4096];
            let length = read_message(&mut client, &mut answer);
            assert!(answer.starts_with(b"HTTP/1.1 200 "), "{length} bytes");
        }
    };
    // Pools, buffers and what is made once are not a request's.
    exchange(REQUESTS);
    let mut least = usize::MAX;
    for _ in 0..TRIES {
        let before = COUNT.load(Ordering::SeqCst);
        exchange(REQUESTS);
        let count = COUNT.load(Ordering::SeqCst) - before;
        least = least.min(count.div_ceil(REQUESTS));
        if least <= ceiling {
            break;
        }
    }
    least
}

/// Answers every request with the same bytes.
fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut request = [0; 4096];
                while read_message(&mut stream, &mut request) > 0 {
                    thread::sleep(REST);
                    stream.write_all(ANSWER).unwrap();
                }
            });
        }
    });
    address
}

/// Reads a message whose body, if it has one, came whole with its header or is as long as ours are.
fn read_message(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let mut length = 0;
    loop {
        match stream.read(&mut buffer[length..]) {
            Ok(0) | Err(_) => return 0,
            Ok(read) => length += read,
        }
        let Some(end) = position(&buffer[..length], b"\r\n\r\n") else {
            continue;
        };
        let head = &buffer[..end];
        let body = position(head, b"Content-Length: ").map_or(0, |at| {
            let digits = head[at + 16..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit());
            digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
        });
        if length >= end + 4 + body {
            return length;
        }
    }
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn filled(text: &str, folder: &Path, backend: SocketAddr) -> String {
    text.replace("FOLDER", folder.to_str().unwrap())
        .replace("BACKEND", &backend.to_string())
}

const REQUESTS: usize = 30;

const CONNECTIONS: usize = 300;

/// Bytes for each connection that waits: a few more than were counted.
const HELD_AT_MOST: usize = 1300;

const TRIES: usize = 20;

/// The server comes to rest before anything is sent to it: what it does when it has to wait is
/// counted always, not now and then.
const REST: Duration = Duration::from_millis(1);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: app.test\r\nUser-Agent: Mozilla/5.0\r\n\
    Accept: */*\r\nAccept-Language: en\r\nCookie: id=0123456789\r\n\r\n";

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: app\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

const TUTORIAL: &str = "
worker_processes 1;
events {}
http {
    server {
        listen 127.0.0.1:0;
        server_name app.test;
        access_log FOLDER/access.log;
        location / {
            proxy_pass http://BACKEND;
            proxy_set_header Host $host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }
    }
}";

const TUNED: &str = "
worker_processes 1;
events {}
http {
    upstream app {
        server BACKEND;
        keepalive 16;
    }
    server {
        listen 127.0.0.1:0;
        server_name app.test;
        access_log off;
        location / {
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }
    }
}";

const YAML: &str = "
worker_processes: 1
access_log: off
sites:
  - host: app.test
    listen: 127.0.0.1:0
    backends:
      - address: BACKEND
";

const RETURN: &str = "
worker_processes 1;
events {}
http {
    server {
        listen 127.0.0.1:0;
        access_log off;
        return 200 hello;
    }
}";

const FILE: &str = "
worker_processes 1;
events {}
http {
    server {
        listen 127.0.0.1:0;
        access_log off;
        root FOLDER;
        index page.html;
    }
}";

static COUNT: AtomicUsize = AtomicUsize::new(0);

static HELD: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::SeqCst);
        HELD.fetch_add(layout.size(), Ordering::SeqCst);
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
