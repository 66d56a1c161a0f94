//! Sends what a case says and reads what comes, over TCP or a Unix socket.

use crate::case::{Exchange, Step};
use crate::support::{Framing, read_body, read_head};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

/// What came back on a connection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heard {
    pub answers: Vec<Answer>,
    /// What became of the connection.
    pub end: String,
    /// How many bytes came.
    pub bytes: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: String,
    /// In order, names as written.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the body came to the end its framing announces.
    pub whole: bool,
    /// How many bytes it had, header included.
    pub bytes: usize,
}

trait Stream: Read + Write + Send {
    fn shut(&self) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn shut(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Stream for UnixStream {
    fn shut(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// `address` is `host:port` or `unix:path`.
fn connect(address: &str, patience: Duration) -> io::Result<Box<dyn Stream>> {
    if let Some(path) = address.strip_prefix("unix:") {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(patience))?;
        return Ok(Box::new(stream));
    }
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    Ok(Box::new(stream))
}

/// Whether something accepts connections there.
pub fn accepts(address: &str) -> bool {
    connect(address, Duration::from_secs(1)).is_ok()
}

/// A stream that counts what is read.
struct Counted {
    stream: Box<dyn Stream>,
    bytes: usize,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.bytes += read;
        Ok(read)
    }
}

type Reader = BufReader<Counted>;

/// How many bytes were read and used.
fn used(reader: &Reader) -> usize {
    reader.get_ref().bytes - reader.buffer().len()
}

/// One connection from its start to its end; `patience` is how long a silence may last.
pub fn talk(exchange: &Exchange, address: &str, patience: Duration) -> Heard {
    let stream = match connect(address, patience) {
        Ok(stream) => stream,
        Err(error) => {
            return Heard {
                end: format!("not connected: {}", error.kind()),
                ..Heard::default()
            };
        }
    };
    let mut reader = BufReader::new(Counted { stream, bytes: 0 });
    let mut heard = Heard {
        end: "not waited for".into(),
        ..Heard::default()
    };
    let mut requests = Vec::new();
    let mut wait_for_end = false;
    for step in &exchange.steps {
        let stream = &mut reader.get_mut().stream;
        match step {
            Step::Send(bytes) => {
                requests.extend_from_slice(bytes);
                // A server may close before it has read all: what it answered counts.
                drop(stream.write_all(bytes));
            }
            Step::Pause(time) => thread::sleep(*time),
            Step::Shut => drop(stream.shut()),
            Step::End => wait_for_end = true,
        }
    }
    let mut final_answers = 0;
    while final_answers < exchange.answers {
        let head_only = nth_method(&requests, final_answers) == Some("HEAD");
        match read_answer(&mut reader, head_only) {
            Ok(Some(answer)) => {
                let interim = answer
                    .status
                    .split(' ')
                    .nth(1)
                    .is_some_and(|code| code.starts_with('1') && code != "101");
                final_answers += usize::from(!interim);
                heard.answers.push(answer);
            }
            Ok(None) => {
                heard.end = "closed without an answer".into();
                wait_for_end = false;
                break;
            }
            Err(error) => {
                heard.end = format!("failed: {}", error.kind());
                wait_for_end = false;
                break;
            }
        }
    }
    if wait_for_end {
        let mut rest = Vec::new();
        heard.end = match reader.read_to_end(&mut rest) {
            Ok(0) => "closed".into(),
            Ok(_) => format!("closed after {:?}", String::from_utf8_lossy(&rest)),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => "closed".into(),
            Err(error) => format!("failed: {}", error.kind()),
        };
    }
    heard.bytes = used(&reader);
    heard
}

/// The method of the nth request, where requests have no bodies that look like one.
fn nth_method(requests: &[u8], index: usize) -> Option<&str> {
    let text = std::str::from_utf8(requests).ok()?;
    let mut lines = text.lines().filter(|line| line.contains(" HTTP/1."));
    lines.nth(index)?.split(' ').next()
}

fn read_answer(reader: &mut Reader, head_only: bool) -> io::Result<Option<Answer>> {
    let before = used(reader);
    if !reader.fill_buf()?.starts_with(b"HTTP/") {
        // An HTTP/0.9 answer, or the end.
        let mut body = Vec::new();
        reader.read_to_end(&mut body)?;
        return Ok((!body.is_empty()).then(|| Answer {
            status: "none".into(),
            headers: Vec::new(),
            bytes: body.len(),
            body,
            whole: true,
        }));
    }
    let Some(head) = read_head(reader)? else {
        return Ok(None);
    };
    let code = head.start_line.split(' ').nth(1).unwrap_or_default();
    let bodiless = head_only || code.starts_with('1') || code == "204" || code == "304";
    let framing = match bodiless {
        true => Framing::Empty,
        false => head.framing().unwrap_or(Framing::Close),
    };
    let mut body = Vec::new();
    let whole = read_body(reader, framing, &mut body).unwrap_or(false);
    Ok(Some(Answer {
        status: head.start_line,
        headers: head.headers,
        body,
        whole,
        bytes: used(reader) - before,
    }))
}
