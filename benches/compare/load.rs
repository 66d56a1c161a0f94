//! The client: as many requests as are answered, or so many a second whether they are answered or not.
//!
//! At a fixed rate a request is due at a time that does not depend on answers, and its latency counts
//! from that time, also while it waits for a connection: a proxy that stalls is not spared the
//! requests that would have come meanwhile.

use crate::backend::Backend;
use crate::machine::Wait;
use crate::message::Head;
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// What is asked of a proxy.
pub(crate) struct Plan<'a> {
    pub(crate) address: SocketAddr,
    /// Each is asked for one thing at a time.
    pub(crate) connections: usize,
    /// Sent in turn.
    pub(crate) requests: &'a [Vec<u8>],
    pub(crate) wait: Wait,
    /// The one behind the proxy.
    pub(crate) backend: &'a Backend,
}

/// What came of it.
pub(crate) struct Outcome {
    /// In microseconds, of those that were answered with a 200.
    pub(crate) latencies: Histogram<u64>,
    pub(crate) errors: u64,
    pub(crate) elapsed: Duration,
}

/// Latencies in microseconds, to three digits.
pub(crate) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("three digits are allowed")
}

impl Outcome {
    fn new() -> Self {
        Self {
            latencies: latencies(),
            errors: 0,
            elapsed: Duration::ZERO,
        }
    }

    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Opens connections that are used once and then kept.
pub(crate) fn idle(
    address: SocketAddr,
    count: usize,
    request: &[u8],
) -> io::Result<Vec<std::net::TcpStream>> {
    (0..count)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(request)?;
            let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
            while Head::parse(&answer).is_none_or(|head| answer.len() < head.length + head.body) {
                match stream.read(&mut buffer)? {
                    0 => return Err(ErrorKind::UnexpectedEof.into()),
                    length => answer.extend_from_slice(&buffer[..length]),
                }
            }
            Ok(stream)
        })
        .collect()
}

/// Connections to a proxy, kept from one run to the next.
pub(crate) struct Client<'a> {
    plan: Plan<'a>,
    poll: Poll,
    timer: Timer,
    connections: Vec<Connection>,
    /// Those without a request.
    free: Vec<usize>,
    /// When requests were due for which no connection was free.
    waiting: VecDeque<Instant>,
    /// The number of the next request.
    next: usize,
    outcome: Outcome,
    buffer: Vec<u8>,
}

#[derive(Default)]
struct Connection {
    stream: Option<TcpStream>,
    /// The request in flight, how much of it was sent, and when it was due.
    request: Option<(usize, usize, Instant)>,
    answer: Answer,
}

#[derive(Default)]
struct Answer {
    head: Vec<u8>,
    /// The head, and how much of the body is missing.
    read: Option<(Head, usize)>,
}

impl<'a> Client<'a> {
    pub(crate) fn new(plan: Plan<'a>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new()?;
        timer.register(&poll)?;
        Ok(Self {
            poll,
            timer,
            connections: (0..plan.connections)
                .map(|_| Connection::default())
                .collect(),
            free: (0..plan.connections).rev().collect(),
            waiting: VecDeque::new(),
            next: 0,
            outcome: Outcome::new(),
            buffer: vec![0; 256 * 1024],
            plan,
        })
    }

    /// Asks for so long, so many requests a second; without a rate the next is sent as soon as one is answered. All are
    /// answered at the end, or nobody waits for them any more.
    pub(crate) fn run(&mut self, rate: Option<f64>, duration: Duration) -> io::Result<Outcome> {
        let mut events = Events::with_capacity(1024);
        // Connections that were closed since the last run.
        self.poll.poll(&mut events, Some(Duration::ZERO))?;
        for event in &events {
            if event.token() != TIMER {
                self.advance(event.token().0);
            }
        }
        let began = Instant::now();
        let end = began + duration;
        let between = rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        let mut due = began;
        let mut beside = self.plan.backend.take();
        loop {
            let now = Instant::now();
            if now < end {
                match between {
                    None => {
                        for free in std::mem::take(&mut self.free) {
                            self.send(free, Instant::now());
                        }
                    }
                    Some(between) => {
                        while due <= now {
                            self.waiting.push_back(due);
                            due += between;
                        }
                        if self.plan.wait == Wait::Asleep {
                            let left = due.saturating_duration_since(Instant::now());
                            self.timer.wake_in(left)?;
                        }
                    }
                }
            } else if (self.waiting.is_empty() && self.free.len() == self.connections.len())
                || now > end + PATIENCE
            {
                break;
            }
            while !self.waiting.is_empty()
                && let Some(free) = self.free.pop()
            {
                let due = self.waiting.pop_front().unwrap_or(now);
                self.send(free, due);
            }
            let limit = if now < end { end - now } else { PATIENCE };
            let wait = self.plan.wait;
            wait.events(&mut self.poll, &mut events, Some(limit))?;
            for event in &events {
                if event.token() != TIMER {
                    self.advance(event.token().0);
                }
            }
            if let Some(backend) = &mut beside {
                backend.turn(wait)?;
            }
        }
        self.outcome.elapsed = began.elapsed();
        // What nobody answered.
        let unanswered = self.waiting.len() + self.connections.len() - self.free.len();
        self.outcome.errors += unanswered as u64;
        if unanswered > 0 {
            self.waiting.clear();
            self.connections.fill_with(Connection::default);
            self.free = (0..self.connections.len()).rev().collect();
        }
        Ok(std::mem::replace(&mut self.outcome, Outcome::new()))
    }

    fn send(&mut self, index: usize, due: Instant) {
        let connection = &mut self.connections[index];
        if connection.stream.is_none() {
            match connect(self.plan.address, &self.poll, index) {
                Ok(stream) => connection.stream = Some(stream),
                Err(_) => return self.fail(index),
            }
        }
        connection.request = Some((self.next % self.plan.requests.len(), 0, due));
        self.next += 1;
        self.advance(index);
    }

    /// Does what can be done without waiting.
    fn advance(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        match connection.advance(self.plan.requests, &mut self.buffer) {
            Ok(None) => {}
            Ok(Some((due, is_success))) => {
                self.free.push(index);
                let latency = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
                match is_success {
                    true => self.outcome.latencies.saturating_record(latency),
                    false => self.outcome.errors += 1,
                }
            }
            // One that is closed between two requests is opened again for the next.
            Err(_) if connection.request.is_none() => connection.stream = None,
            Err(_) => self.fail(index),
        }
    }

    fn fail(&mut self, index: usize) {
        self.outcome.errors += 1;
        self.connections[index] = Connection::default();
        self.free.push(index);
    }
}

impl Connection {
    /// Gives what came of the request once it is answered.
    fn advance(
        &mut self,
        requests: &[Vec<u8>],
        buffer: &mut [u8],
    ) -> io::Result<Option<(Instant, bool)>> {
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        if let Some((number, sent, _)) = &mut self.request {
            let request = &requests[*number];
            while *sent < request.len() {
                match stream.write(&request[*sent..]) {
                    Ok(length) => *sent += length,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        loop {
            let length = match stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            };
            if let Some(head) = self.answer.take(&buffer[..length]) {
                if head.closes {
                    self.stream = None;
                }
                let (_, _, due) = self.request.take().ok_or(ErrorKind::InvalidData)?;
                return Ok(Some((due, head.is_success())));
            }
        }
    }
}

impl Answer {
    /// Gives the head once the whole answer was taken.
    fn take(&mut self, bytes: &[u8]) -> Option<Head> {
        let mut body = bytes.len();
        if self.read.is_none() {
            self.head.extend_from_slice(bytes);
            let head = Head::parse(&self.head)?;
            body = self.head.len() - head.length;
            self.head.clear();
            let missing = head.body;
            self.read = Some((head, missing));
        }
        let (_, missing) = self.read.as_mut()?;
        *missing = missing.saturating_sub(body);
        match missing {
            0 => self.read.take().map(|(head, _)| head),
            _ => None,
        }
    }
}

/// Over loopback this waits for nobody.
fn connect(address: SocketAddr, poll: &Poll, index: usize) -> io::Result<TcpStream> {
    let stream = std::net::TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(stream);
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry()
        .register(&mut stream, Token(index), interest)?;
    Ok(stream)
}

/// A timer of the kernel's: epoll's own waits are of whole milliseconds.
struct Timer(OwnedFd);

impl Timer {
    fn new() -> io::Result<Self> {
        // SAFETY: a call without pointers.
        let timer = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK) };
        if timer < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made, and is nobody else's.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(timer) }))
    }

    fn register(&self, poll: &Poll) -> io::Result<()> {
        let source = self.0.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&source), TIMER, Interest::READABLE)
    }

    fn wake_in(&self, time: Duration) -> io::Result<()> {
        let zero = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let value = libc::timespec {
            tv_sec: time.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            // Zero would stop it.
            tv_nsec: libc::c_long::from(time.subsec_nanos().max(1).cast_signed()),
        };
        let setting = libc::itimerspec {
            it_interval: zero,
            it_value: value,
        };
        // SAFETY: the setting lives through the call, and nothing is asked back.
        let outcome =
            unsafe { libc::timerfd_settime(self.0.as_raw_fd(), 0, &setting, std::ptr::null_mut()) };
        match outcome {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// A minute: nothing waits so long.
const LONGEST: u64 = 60_000_000;

const TIMER: Token = Token(usize::MAX - 1);

/// How long after the end an answer may still come.
const PATIENCE: Duration = Duration::from_secs(5);
