//! Backends inside the test: a thread for each connection, behaviour as told.

use super::wire::{Framing, Head, read_body, read_head};
use super::{Addressed, PATIENCE, free_port, wait_until};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::HashMap;
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// A backend on a port of its own. It can be stopped and started again, and keeps what it got.
pub struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Option<Arc<AtomicBool>>,
}

/// A request as the backend got it.
#[derive(Debug, Clone)]
pub struct Request {
    pub head: Head,
    /// Without its framing.
    pub body: Vec<u8>,
    pub framing: Framing,
    /// The number of its connection, from 1.
    pub connection: u64,
}

/// What becomes of the connection after an answer.
pub enum Then {
    Keep,
    Close,
}

type Serve = dyn Fn(TcpStream, u64, &Shared) -> io::Result<()> + Send + Sync;

struct Shared {
    serve: Box<Serve>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicU64,
    open: Mutex<HashMap<u64, TcpStream>>,
}

impl Backend {
    /// Answers each request, once it has been read whole, by what the function writes.
    pub fn start(
        answer: impl Fn(&Request, &mut TcpStream) -> io::Result<Then> + Send + Sync + 'static,
    ) -> Self {
        Self::over(move |stream, connection, shared| {
            let mut reader = BufReader::new(stream.try_clone()?);
            let mut stream = stream;
            while let Some(head) = read_head(&mut reader)? {
                let framing = head.framing().unwrap_or(Framing::Empty);
                let mut body = Vec::new();
                if !read_body(&mut reader, framing, &mut body)? {
                    break;
                }
                let request = Request {
                    head,
                    body,
                    framing,
                    connection,
                };
                shared.requests.lock().push(request.clone());
                if let Then::Close = answer(&request, &mut stream)? {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Answers 200 with its name as the body.
    pub fn named(name: &str) -> Self {
        let name = name.to_owned();
        Self::start(move |_, stream| respond(stream, 200, "", &name))
    }

    /// Answers 200 with the request's own bytes, head and body, as the body.
    pub fn mirror() -> Self {
        Self::start(|request, stream| {
            let mut body = request.head.raw.clone();
            body.extend_from_slice(&request.body);
            respond(stream, 200, "", body)
        })
    }

    /// Hands over each connection, with nothing read.
    pub fn raw(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::over(move |stream, _, _| serve(stream))
    }

    /// Sends these bytes in answer to each request, and closes.
    pub fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |_, stream| {
            stream.write_all(&bytes)?;
            Ok(Then::Close)
        })
    }

    /// Takes requests and never answers.
    pub fn stalling() -> Self {
        Self::start(|_, stream| {
            wait_for_close(stream);
            Ok(Then::Close)
        })
    }

    fn over(
        serve: impl Fn(TcpStream, u64, &Shared) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            serve: Box::new(serve),
            requests: Mutex::default(),
            connections: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let mut backend = Self {
            address: SocketAddr::from(([127, 0, 0, 1], free_port())),
            shared,
            running: None,
        };
        backend.start_again();
        backend
    }

    /// Starts a stopped backend on the port it had.
    pub fn start_again(&mut self) {
        assert!(self.running.is_none(), "the backend runs");
        let mut listener = None;
        wait_until("the backend's port is free", || {
            listener = TcpListener::bind(self.address).ok();
            listener.is_some()
        });
        let listener = listener.expect("a listener");
        let running = Arc::new(AtomicBool::new(true));
        self.running = Some(Arc::clone(&running));
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if !running.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(stream) = stream {
                    shared.spawn(stream);
                }
            }
        });
    }

    /// Closes the port and every connection: from now on connections are refused.
    pub fn stop(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        running.store(false, Ordering::SeqCst);
        // Wakes the accepting thread, which then drops the listener.
        drop(TcpStream::connect(self.address));
        wait_until("the backend's port is closed", || {
            TcpStream::connect(self.address).is_err()
        });
        self.close_connections();
    }

    /// Closes every connection, not the port.
    pub fn close_connections(&self) {
        for stream in self.shared.open.lock().values() {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// What it got so far.
    pub fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.shared.requests.lock()
    }

    /// How many requests it got so far.
    pub fn hits(&self) -> usize {
        self.requests().len()
    }

    /// The one request it got.
    #[track_caller]
    pub fn request(&self) -> Request {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "requests at the backend");
        requests[0].clone()
    }

    /// How many connections are open.
    pub fn open_connections(&self) -> usize {
        self.shared.open.lock().len()
    }
}

impl Addressed for Backend {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.stop();
        }
    }
}

impl Shared {
    fn spawn(self: &Arc<Self>, stream: TcpStream) {
        let connection = self.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let prepared = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
            .and_then(|()| stream.try_clone());
        let Ok(kept) = prepared else { return };
        self.open.lock().insert(connection, kept);
        let shared = Arc::clone(self);
        thread::spawn(move || {
            // How a connection ends is the other side's business too: nothing to report.
            drop((shared.serve)(stream, connection, &shared));
            if let Some(stream) = shared.open.lock().remove(&connection) {
                drop(stream.shutdown(Shutdown::Both));
            }
        });
    }
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    pub fn method(&self) -> &str {
        self.head.start_line.split(' ').next().unwrap_or_default()
    }

    /// The target as it was sent.
    pub fn target(&self) -> &str {
        self.head.start_line.split(' ').nth(1).unwrap_or_default()
    }

    /// Whether the head has this line, byte by byte.
    pub fn has_line(&self, line: &str) -> bool {
        let head = String::from_utf8_lossy(&self.head.raw);
        head.lines().any(|present| present == line)
    }
}

/// Writes an answer with a Content-Length; `headers` are lines that end in `\r\n`.
pub fn respond(
    stream: &mut TcpStream,
    status: u16,
    headers: &str,
    body: impl AsRef<[u8]>,
) -> io::Result<Then> {
    let body = body.as_ref();
    let mut bytes = format!(
        "HTTP/1.1 {status} Status\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    stream.write_all(&bytes)?;
    Ok(Then::Keep)
}

/// Writes an answer that never ends.
pub fn respond_endlessly(stream: &mut TcpStream) -> io::Result<Then> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    loop {
        stream.write_all(b"400\r\n")?;
        stream.write_all(&[0; 0x400])?;
        stream.write_all(b"\r\n")?;
    }
}

fn wait_for_close(stream: &TcpStream) {
    let mut byte = [0];
    while stream.peek(&mut byte).is_ok_and(|read| read > 0) {
        // Bytes of a next request: whoever stalls does not read them.
        thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Closed at first: what waits at it goes on once the test opens it.
#[derive(Clone, Default)]
pub struct Gate {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Gate {
    pub fn open(&self) {
        *self.shared.0.lock() = true;
        self.shared.1.notify_all();
    }

    pub fn wait(&self) {
        let (open, changed) = &*self.shared;
        let mut guard = open.lock();
        changed.wait_while_for(&mut guard, |open| !*open, PATIENCE);
    }
}
