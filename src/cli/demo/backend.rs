//! A backend of the demo: a small web server that can really be stopped and started. Stopped, its
//! listener and its connections are closed, so that connecting to it is refused.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Blue,
    Orange,
}

impl Colour {
    /// Its share: three of four answers are blue, which shows at once that weights are obeyed.
    pub(super) fn weight(self) -> u16 {
        match self {
            Self::Blue => 3,
            Self::Orange => 1,
        }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blue => "blue",
            Self::Orange => "orange",
        })
    }
}

/// A handle to a backend.
pub(super) struct Backend {
    pub(super) colour: Colour,
    pub(super) address: SocketAddr,
    answered: AtomicU64,
    running: AtomicBool,
    orders: mpsc::UnboundedSender<Order>,
}

/// To run or to stop, and who waits for it.
struct Order {
    run: bool,
    done: oneshot::Sender<io::Result<()>>,
}

impl Backend {
    /// A backend on this listener, and the future in which it serves.
    pub(super) fn new(
        colour: Colour,
        listener: StdListener,
    ) -> io::Result<(Arc<Self>, impl Future<Output = ()> + Send + 'static)> {
        listener.set_nonblocking(true)?;
        let (orders, inbox) = mpsc::unbounded_channel();
        let backend = Arc::new(Self {
            colour,
            address: listener.local_addr()?,
            answered: AtomicU64::new(0),
            running: AtomicBool::new(true),
            orders,
        });
        Ok((backend.clone(), backend.live(listener, inbox)))
    }

    /// Requests answered so far.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Whether it accepts connections.
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    /// Runs or stops it, and returns when that has happened.
    pub(super) async fn set_running(&self, run: bool) -> io::Result<()> {
        let (done, wait) = oneshot::channel();
        let ended = |_| io::Error::other("the demo is ending");
        self.orders
            .send(Order { run, done })
            .map_err(|_| io::Error::other("the demo is ending"))?;
        wait.await.map_err(ended)?
    }

    /// Serves and stands still by turns, as it is told.
    async fn live(self: Arc<Self>, first: StdListener, mut inbox: mpsc::UnboundedReceiver<Order>) {
        let mut listener = TcpListener::from_std(first).ok();
        loop {
            if let Some(listener) = listener.take() {
                let Some(done) = self.serve(listener, &mut inbox).await else {
                    return;
                };
                let _ = done.send(Ok(()));
            }
            let Some(Order { run, done }) = inbox.recv().await else {
                return;
            };
            let outcome = match run {
                true => TcpListener::bind(self.address).await.map(|bound| {
                    listener = Some(bound);
                    self.running.store(true, Ordering::Relaxed);
                }),
                false => Ok(()),
            };
            // Whoever asked may have given up.
            let _ = done.send(outcome);
        }
    }

    /// Serves until it is told to stop. When this returns, the listener and every connection are
    /// closed.
    async fn serve(
        self: &Arc<Self>,
        listener: TcpListener,
        inbox: &mut mpsc::UnboundedReceiver<Order>,
    ) -> Option<oneshot::Sender<io::Result<()>>> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                    connections.spawn(self.clone().converse(stream));
                },
                // Finished ones are forgotten.
                Some(_) = connections.join_next() => {}
                order = inbox.recv() => match order? {
                    Order { run: true, done } => {
                        let _ = done.send(Ok(()));
                    }
                    Order { run: false, done } => {
                        self.running.store(false, Ordering::Relaxed);
                        drop(listener);
                        connections.shutdown().await;
                        return Some(done);
                    }
                },
            }
        }
    }

    /// Answers the requests of one connection; an error ends it.
    async fn converse(self: Arc<Self>, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Ok(Some(request)) = Request::read(&mut stream).await {
            let answer = self.answer(&request);
            let sent = stream.get_mut().write_all(&answer).await;
            if sent.is_err() || request.close {
                return;
            }
        }
    }

    /// The page for a browser, a line for everyone else.
    fn answer(&self, request: &Request) -> Vec<u8> {
        let number = self.answered.fetch_add(1, Ordering::Relaxed) + 1;
        let colour = self.colour;
        let (content_type, body) = if request.wants_html {
            let page = include_str!("page.html")
                .replace("{colour}", &colour.to_string())
                .replace("{port}", &self.address.port().to_string())
                .replace("{number}", &number.to_string())
                .replace("{host}", &escape(&request.host));
            ("text/html; charset=utf-8", page)
        } else {
            let port = self.address.port();
            let line = format!("{colour} answers, port {port}, request {number}\n");
            ("text/plain; charset=utf-8", line)
        };
        let connection = if request.close { "close" } else { "keep-alive" };
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nVary: Accept\r\nConnection: {connection}\r\n\r\n",
            body.len()
        );
        if !request.is_head {
            answer.push_str(&body);
        }
        answer.into_bytes()
    }
}

/// What matters of a request.
#[derive(Default)]
struct Request {
    is_head: bool,
    wants_html: bool,
    host: String,
    close: bool,
}

/// Longer request headers are refused by closing.
const LONGEST_HEADER: u64 = 64 * 1024;

impl Request {
    /// The next request of a connection, its body read and thrown away; `None` at the end.
    async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let mut request = Self::default();
        let mut length = 0;
        let mut line = String::new();
        let mut header = stream.take(LONGEST_HEADER);
        if header.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        request.is_head = line.starts_with("HEAD ");
        request.close = line.trim_end().ends_with("HTTP/1.0");
        loop {
            line.clear();
            if header.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "accept" => request.wants_html = value.contains("text/html"),
                "host" => value.clone_into(&mut request.host),
                "connection" => request.close |= value.eq_ignore_ascii_case("close"),
                "content-length" => length = value.parse().unwrap_or(0),
                // Where such a body ends is not looked for: it ends with the connection.
                "transfer-encoding" => request.close = true,
                _ => {}
            }
        }
        let mut body = stream.take(length);
        tokio::io::copy(&mut body, &mut tokio::io::sink()).await?;
        Ok(Some(request))
    }
}

/// Text as it may stand in HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
