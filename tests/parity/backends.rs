//! The backends of a case: they answer as it says and keep what they got.

use crate::case::{self, Then};
use crate::support::{Addressed, Backend, Then as Next};
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Arc, OnceLock};

/// What a backend got.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// Its number, from 1.
    pub backend: usize,
    pub line: String,
    /// In order, names as written.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub struct Backends {
    backends: Vec<Backend>,
    answers: Arc<OnceLock<Vec<case::Answer>>>,
}

impl Backends {
    /// So many of them.
    pub fn start(count: usize) -> Self {
        let answers = Arc::new(OnceLock::<Vec<case::Answer>>::new());
        let start = |number| {
            let answers = Arc::clone(&answers);
            Backend::start(move |request, stream| {
                let target = request.target();
                let mut answers = answers.get().into_iter().flatten();
                let answer = answers.find(|answer| answer.is_for(number, target));
                match answer {
                    Some(answer) => play(answer, request.method(), stream),
                    None => {
                        let body = format!("{number} {} {target}\n", request.method());
                        let head = format!(
                            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nX-Backend: {number}\r\n\r\n",
                            body.len()
                        );
                        let body = if request.method() == "HEAD" {
                            ""
                        } else {
                            &body
                        };
                        stream.write_all(format!("{head}{body}").as_bytes())?;
                        Ok(Next::Keep)
                    }
                }
            })
        };
        let backends = (1..=count).map(start).collect();
        Self { backends, answers }
    }

    /// Says what they answer.
    pub fn answer(&self, answers: Vec<case::Answer>) {
        self.answers.set(answers).expect("said once");
    }

    pub fn addresses(&self) -> Vec<String> {
        self.backends
            .iter()
            .map(|backend| backend.address().to_string())
            .collect()
    }

    /// What they got since the last time.
    pub fn take(&self) -> Vec<Received> {
        let mut all = Vec::new();
        for (index, backend) in self.backends.iter().enumerate() {
            let requests = std::mem::take(&mut *backend.requests());
            all.extend(requests.into_iter().map(|request| Received {
                backend: index + 1,
                line: request.head.start_line,
                headers: request.head.headers,
                body: request.body,
            }));
        }
        all
    }

    /// Ends every connection, so that the next program starts afresh.
    pub fn disconnect(&self) {
        for backend in &self.backends {
            backend.close_connections();
        }
    }
}

impl case::Answer {
    fn is_for(&self, backend: usize, target: &str) -> bool {
        let here = self.backend == 0 || self.backend == backend;
        let path = self.path.as_str();
        let fits = match (path.strip_prefix('*'), path.strip_suffix('*')) {
            (Some(end), _) => target.ends_with(end),
            (_, Some(start)) => target.starts_with(start),
            _ => target == path,
        };
        here && fits
    }
}

fn play(answer: &case::Answer, method: &str, stream: &mut TcpStream) -> io::Result<Next> {
    let head = answer.bytes.windows(4).position(|end| end == b"\r\n\r\n");
    match head.filter(|_| method == "HEAD") {
        Some(end) => stream.write_all(&answer.bytes[..end + 4])?,
        None => stream.write_all(&answer.bytes)?,
    }
    match answer.then {
        Then::Keep => Ok(Next::Keep),
        Then::Close => Ok(Next::Close),
        Then::Stall => {
            let mut byte = [0];
            // Until the proxy gives up.
            while stream.peek(&mut byte).is_ok_and(|read| read > 0) {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            Ok(Next::Close)
        }
    }
}
