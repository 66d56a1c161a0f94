//! The backend behind every proxy: `/bytes/N` is answered with so many bytes, once the request's body is
//! there. No work but that of the sockets.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};
use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use crate::machine::{self, Wait};
use crate::message::Head;

/// A backend that runs as long as the process.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    /// Where the load has to share its core.
    shared: Option<Arc<Mutex<Server>>>,
}

impl Backend {
    /// Starts a thread for it, on this core.
    pub(crate) fn start(core: usize, wait: Wait) -> io::Result<Self> {
        let (address, mut server) = Server::bind()?;
        thread::spawn(move || {
            machine::stay_on(core);
            loop {
                server.turn(wait).expect("epoll works");
            }
        });
        Ok(Self {
            address,
            shared: None,
        })
    }

    /// Starts a thread for it, on a core where a load runs that is awake.
    pub(crate) fn start_beside_load(core: usize) -> io::Result<Self> {
        let (address, server) = Server::bind()?;
        let shared = Arc::new(Mutex::new(server));
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            machine::stay_on(core);
            loop {
                let mut server = server.lock().expect(NO_PANIC);
                server.turn(Wait::Awake).expect("epoll works");
                drop(server);
                thread::yield_now();
            }
        });
        Ok(Self {
            address,
            shared: Some(shared),
        })
    }

    /// Until this is dropped its work is the caller's: two threads that never sleep would have to wait for
    /// the system to let the other one run, for milliseconds at times.
    pub(crate) fn take(&self) -> Option<MutexGuard<'_, Server>> {
        let shared = self.shared.as_ref()?;
        Some(shared.lock().expect(NO_PANIC))
    }
}

/// The backend's work.
pub(crate) struct Server {
    listener: TcpListener,
    poll: Poll,
    events: Events,
    connections: HashMap<Token, Connection>,
    last: usize,
    answers: Answers,
    buffer: Vec<u8>,
}

impl Server {
    fn bind() -> io::Result<(SocketAddr, Self)> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(socket.into());
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let server = Self {
            poll,
            events: Events::with_capacity(1024),
            connections: HashMap::new(),
            last: LISTENER.0,
            answers: Answers::default(),
            buffer: vec![0; 64 * 1024],
            listener,
        };
        Ok((server.listener.local_addr()?, server))
    }

    /// Does what there is to do.
    pub(crate) fn turn(&mut self, wait: Wait) -> io::Result<()> {
        wait.events(&mut self.poll, &mut self.events, None)?;
        for event in &self.events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = self.listener.accept() {
                    self.last += 1;
                    stream.set_nodelay(true)?;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    let token = Token(self.last);
                    self.poll
                        .registry()
                        .register(&mut stream, token, interest)?;
                    self.connections.insert(token, Connection::new(stream));
                }
            } else if let Some(connection) = self.connections.get_mut(&event.token())
                && connection
                    .advance(&mut self.answers, &mut self.buffer)
                    .is_err()
            {
                self.connections.remove(&event.token());
            }
        }
        Ok(())
    }
}

/// A load that has this server's work to do opens all its connections at once when it has been held up: with less
/// than that it would wait for itself.
const BACKLOG: i32 = 4096;

const NO_PANIC: &str = "no thread panics with it";

const LISTENER: Token = Token(0);

/// The answers that were asked for, each made once.
#[derive(Default)]
struct Answers(HashMap<(usize, bool), Arc<[u8]>>);

impl Answers {
    fn of(&mut self, head: &Head) -> Arc<[u8]> {
        let digits = head.path().rsplit('/').next().unwrap_or_default();
        let length = digits.parse().unwrap_or(0);
        let made = self.0.entry((length, head.closes)).or_insert_with(|| {
            let close = if head.closes {
                "Connection: close\r\n"
            } else {
                ""
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n{close}\r\n"
            );
            let mut answer = head.into_bytes();
            answer.resize(answer.len() + length, b'x');
            answer.into()
        });
        Arc::clone(made)
    }
}

struct Connection {
    stream: TcpStream,
    head: Vec<u8>,
    /// The request whose body is read, and how much of that is missing.
    request: Option<(Head, usize)>,
    answer: Option<Arc<[u8]>>,
    sent: usize,
    closes: bool,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            head: Vec::new(),
            request: None,
            answer: None,
            sent: 0,
            closes: false,
        }
    }

    /// Does what can be done without waiting. An error is the connection's end.
    fn advance(&mut self, answers: &mut Answers, buffer: &mut [u8]) -> io::Result<()> {
        self.write()?;
        loop {
            let length = match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.take(&buffer[..length], answers);
            self.write()?;
            // What comes later is an event of its own.
            if length < buffer.len() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, bytes: &[u8], answers: &mut Answers) {
        let mut body = bytes.len();
        if self.request.is_none() {
            self.head.extend_from_slice(bytes);
            let Some(head) = Head::parse(&self.head) else {
                return;
            };
            body = self.head.len() - head.length;
            self.head.clear();
            let missing = head.body;
            self.request = Some((head, missing));
        }
        if let Some((head, missing)) = &mut self.request {
            *missing = missing.saturating_sub(body);
            if *missing == 0 {
                self.closes = head.closes;
                self.answer = Some(answers.of(head));
                self.request = None;
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(answer) = &self.answer else {
            return Ok(());
        };
        while self.sent < answer.len() {
            match self.stream.write(&answer[self.sent..]) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.sent = 0;
        self.answer = None;
        match self.closes {
            true => Err(ErrorKind::ConnectionAborted.into()),
            false => Ok(()),
        }
    }
}
