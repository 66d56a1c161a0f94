//! The backend behind every proxy: `/bytes/N` is answered with so many bytes, once the request's body is
//! there. One thread, no work but that of the sockets.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use crate::machine::{self, Wait};
use crate::message::Head;

/// Starts a backend on this core, which runs as long as the process.
pub(crate) fn start(core: usize, wait: Wait) -> SocketAddr {
    let (ready, address) = mpsc::channel();
    thread::spawn(move || {
        machine::stay_on(core);
        let listener = TcpListener::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        ready
            .send(listener.local_addr().expect("a bound socket"))
            .expect("the starter waits");
        serve(listener, wait).expect("epoll works");
    });
    address.recv().expect("the backend has started")
}

fn serve(mut listener: TcpListener, wait: Wait) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections: HashMap<Token, Connection> = HashMap::new();
    let mut answers = Answers::default();
    let mut buffer = vec![0; 64 * 1024];
    let mut last = LISTENER.0;
    loop {
        wait.events(&mut poll, &mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    last += 1;
                    stream.set_nodelay(true)?;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry()
                        .register(&mut stream, Token(last), interest)?;
                    connections.insert(Token(last), Connection::new(stream));
                }
            } else if let Some(connection) = connections.get_mut(&event.token())
                && connection.advance(&mut answers, &mut buffer).is_err()
            {
                connections.remove(&event.token());
            }
        }
    }
}

const LISTENER: Token = Token(0);

/// The answers that were asked for, each made once.
#[derive(Default)]
struct Answers(HashMap<usize, Rc<[u8]>>);

impl Answers {
    fn of(&mut self, head: &Head) -> Rc<[u8]> {
        let digits = head.path().rsplit('/').next().unwrap_or_default();
        let length = digits.parse().unwrap_or(0);
        let made = self.0.entry(length).or_insert_with(|| {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
            );
            let mut answer = head.into_bytes();
            answer.resize(answer.len() + length, b'x');
            answer.into()
        });
        Rc::clone(made)
    }
}

struct Connection {
    stream: TcpStream,
    head: Vec<u8>,
    /// The request whose body is read, and how much of that is missing.
    request: Option<(Head, usize)>,
    answer: Option<Rc<[u8]>>,
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
