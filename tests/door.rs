//! The door over real sockets, in front of a `ProxyHttp` as small as it can be.

use async_trait::async_trait;
use bytes::Bytes;
use gapura::door::{Admission, Application, Door, DoorStream, Lifelines, MalformedBody, Refusal};
use gapura::model::{self, ClientKeepalive, ClientLimits, ListenAddress, Model, SiteId};
use gapura::runtime::upstream::Registry;
use gapura::runtime::{Generation, ListenerId, Live};
use parking_lot::Mutex;
use pingora::prelude::*;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::custom::server::Session as CustomSession;
use pingora_core::protocols::l4::stream::Stream as TcpConnection;
use pingora_core::protocols::{GetSocketDigest, SocketDigest};
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{FailToProxy, HttpProxy, ProxyHttp, Session, http_proxy};
use std::any::Any;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

#[test]
fn pipelined_requests_are_all_answered_with_bodies_between() {
    let house = House::open(ClientLimits::default());
    let requests = "GET /echo/1 HTTP/1.1\r\nHost: a\r\n\r\n\
        POST /echo/2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
        \r\nPOST /echo/3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: u\r\n\r\n\
        POST /backend/4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
        POST /backend/5 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nde\
        GET /echo/6 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for piece in [requests.len(), 1, 7] {
        let mut client = house.connect();
        let mut writer = client.try_clone().expect("a second handle");
        let sender = std::thread::spawn(move || {
            for piece in requests.as_bytes().chunks(piece) {
                writer.write_all(piece).expect("written");
            }
        });
        let answers = read_all(&mut client);
        sender.join().expect("sent");
        for part in ["1 []", "2 [hello]", "3 [abc]", "backend", "backend", "6 []"] {
            assert!(answers.contains(part), "{part}: {answers}");
        }
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 6, "{answers}");
    }
}

#[test]
fn connections_are_kept_as_long_as_the_client_and_the_site_want() {
    let house = House::keeping(ClientKeepalive {
        requests: 3,
        ..ClientKeepalive::default()
    });
    let get = "GET /echo/a HTTP/1.1\r\nHost: a\r\n\r\n";
    let answers = house.talk(&get.repeat(5));
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert_eq!(
        answers.matches("Connection: keep-alive").count(),
        2,
        "{answers}"
    );

    let old = "GET /echo/a HTTP/1.0\r\n\r\n";
    assert_eq!(house.talk(&old.repeat(2)).matches("200 OK").count(), 1);
    let kept = "GET /echo/a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
    assert_eq!(
        house
            .talk(&format!("{kept}{old}"))
            .matches("200 OK")
            .count(),
        2
    );
}

#[test]
fn an_idle_connection_closes_without_a_log_line() {
    let keepalive = ClientKeepalive {
        timeout: Some(Duration::from_millis(100)),
        ..ClientKeepalive::default()
    };
    let limits = ClientLimits {
        header_timeout: Duration::from_millis(200),
        ..ClientLimits::default()
    };
    let house = House::serving(generation("first", limits, keepalive));
    assert_eq!(house.talk(""), "");
    let answer = house.talk("GET /echo/a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.contains("200 OK"));
    assert!(house.refusals().is_empty());
}

#[test]
fn a_slow_header_is_cut_off_after_its_total_time() {
    let house = House::open(ClientLimits {
        header_timeout: Duration::from_millis(300),
        ..ClientLimits::default()
    });
    let mut client = house.connect();
    let began = Instant::now();
    client
        .write_all(b"GET /slow HTTP/1.1\r\nX: ")
        .expect("written");
    for byte in b"abc".iter().cycle() {
        // The write fails once the other side is gone.
        if client.write_all(&[*byte]).is_err() || began.elapsed() > Duration::from_secs(5) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    let refusals = house.wait_for_refusals(1);
    assert_eq!(refusals, ["408 client timed out [GET /slow HTTP/1.1]"; 1]);
}

#[test]
fn a_client_that_gives_up_within_a_header_is_logged_and_not_answered() {
    let house = House::open(ClientLimits::default());
    let mut client = house.connect();
    client.write_all(b"GET /half").expect("written");
    client.shutdown(Shutdown::Write).expect("half closed");
    assert_eq!(read_all(&mut client), "");
    let refusals = house.wait_for_refusals(1);
    assert_eq!(
        refusals,
        ["400 client prematurely closed connection [GET /half]"]
    );
}

#[test]
fn malformed_requests_are_answered_once_and_logged() {
    let house = House::open(ClientLimits::default());
    let long = "x".repeat(9000);
    for (request, log) in [
        (
            "GET /a b HTTP/1.1\r\n\r\n",
            "400 client sent invalid request [GET /a b HTTP/1.1]",
        ),
        (
            "\u{16}\u{3}\u{1}\r\n",
            "400 client sent invalid method [\u{16}\u{3}\u{1}]",
        ),
        (
            "GET / HTTP/2.0\r\n\r\n",
            "505 client sent invalid version [GET / HTTP/2.0]",
        ),
        (
            "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
            "405 client sent TRACE method [TRACE / HTTP/1.1]",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "400 client sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time [POST / HTTP/1.1]",
        ),
        (
            &format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
            &format!("414 client sent too long URI [GET /{}]", &long[..8187]),
        ),
    ] {
        let answer = house.talk(&format!("{request}GET /echo/b HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(
            answer,
            format!("HTTP/1.1 {}\r\nConnection: close\r\n\r\nrefused", &log[..3])
        );
        assert_eq!(house.wait_for_refusals(1), [log]);
    }
    let answer = house.talk(&format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: me\r\nCookie: {long}"
    ));
    assert!(answer.starts_with("HTTP/1.1 400\r\n"));
    assert!(house.wait_for_refusals(1)[0].ends_with("[GET / HTTP/1.1]me"));
}

#[test]
fn the_sender_of_an_unread_body_sees_the_answer() {
    let house = House::open(ClientLimits::default());
    for framing in ["Content-Length: 20000000", "Transfer-Encoding: chunked"] {
        let mut client = house.connect();
        write!(client, "POST /413 HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n").expect("written");
        let piece = vec![b'1'; 100_000];
        for _ in 0..200 {
            client
                .write_all(&piece)
                .expect("the body is taken to its end");
        }
        assert!(
            read_all(&mut client).starts_with("HTTP/1.1 413"),
            "{framing}"
        );
    }
}

#[test]
fn a_malformed_chunk_is_a_bad_request() {
    let house = House::open(ClientLimits::default());
    for path in ["echo", "backend"] {
        let answer = house.talk(&format!(
            "POST /{path}/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n",
        ));
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
    }
}

#[test]
fn an_upgraded_connection_passes_everything_through() {
    let house = House::open(ClientLimits::default());
    let mut client = house.connect();
    client
        .write_all(b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly")
        .expect("written");
    assert_eq!(
        read_until(&mut client, "early")
            .matches("HTTP/1.1 101")
            .count(),
        1
    );
    client
        .write_all(b"GET / HTTP/1.1 is no request here")
        .expect("written");
    assert!(read_until(&mut client, "request here").starts_with("GET /"));
    client.shutdown(Shutdown::Write).expect("half closed");
    assert_eq!(read_all(&mut client), "");
}

/// Its answer is there before Pingora's server side has heard that the request has no body.
#[test]
fn an_upgrade_answered_at_once_stays_open() {
    let house = House::open(ClientLimits::default());
    for _ in 0..40 {
        let mut client = house.connect();
        client
            .write_all(b"GET /at-once HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            .expect("written");
        read_until(&mut client, "\r\n\r\n");
        client.write_all(b"hello").expect("written");
        read_until(&mut client, "hello");
    }
}

#[test]
fn a_refused_upgrade_leaves_an_ordinary_connection() {
    let house = House::open(ClientLimits::default());
    let upgrade =
        "GET /echo/a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let answers = house.talk(&upgrade.repeat(2));
    assert_eq!(answers.matches("200 OK").count(), 2, "{answers}");
}

#[test]
fn a_half_closed_client_gets_its_answer() {
    let house = House::open(ClientLimits::default());
    let mut client = house.connect();
    let get = "GET /echo/a HTTP/1.1\r\nHost: a\r\n\r\n";
    client.write_all(get.repeat(2).as_bytes()).expect("written");
    client.shutdown(Shutdown::Write).expect("half closed");
    assert_eq!(read_all(&mut client).matches("200 OK").count(), 2);
    assert!(house.refusals().is_empty());
}

#[test]
fn a_client_that_closes_while_it_waits_is_noticed() {
    let house = House::open(ClientLimits::default());
    let mut client = house.connect();
    // The second request is read ahead and must not hide the end.
    let get = "GET /silent HTTP/1.1\r\nHost: a\r\n\r\n";
    client.write_all(get.repeat(2).as_bytes()).expect("written");
    drop(client);
    assert!(house.wait_for_refusals(1)[0].starts_with("aborted"));
}

#[test]
fn an_http_0_9_client_gets_a_body_alone() {
    let house = House::open(ClientLimits::default());
    assert_eq!(house.talk("GET /echo/a\r\n"), "GET /echo/a [] first 1");
    assert_eq!(house.talk("POST /\n"), "refused");
}

#[test]
fn an_absolute_uri_decides_the_host_and_reaches_the_backend_as_a_path() {
    let house = House::open(ClientLimits::default());
    let request = "GET http://b.Example:80/echo/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(house.talk(request).ends_with("GET /echo/x [] b.example 1"));
}

#[test]
fn bytes_are_counted_on_the_wire() {
    let house = House::open(ClientLimits::default());
    let request = "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let answers = house.talk(&format!(
        "{request}{}",
        request.replace("Host: a", "Host: a\r\nConnection: close")
    ));
    let counts: Vec<&str> = answers.split("received ").skip(1).collect();
    assert!(
        counts[0].starts_with(&format!("{} sent 0", request.len())),
        "{answers}"
    );
    assert!(
        counts[1].starts_with(&format!("{} sent 0", request.len() + 19)),
        "{answers}"
    );
}

#[test]
fn a_kept_connection_moves_to_the_new_generation() {
    let house = House::open(ClientLimits::default());
    let mut client = house.connect();
    let get = b"GET /site HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    client.write_all(get).expect("written");
    assert!(read_until(&mut client, "site=first").contains("200 OK"));
    let next = generation(
        "second",
        ClientLimits::default(),
        ClientKeepalive::default(),
    );
    let old = Arc::downgrade(&house.gateway.live.swap(next));
    let end = Instant::now() + Duration::from_secs(10);
    while old.upgrade().is_some() {
        assert!(
            Instant::now() < end,
            "an idle connection holds no generation"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    client.write_all(get).expect("written");
    assert!(read_until(&mut client, "site=second").contains("200 OK"));
}

#[test]
fn at_shutdown_idle_connections_close_and_busy_ones_finish() {
    let house = House::open(ClientLimits::default());
    let mut idle = house.connect();
    idle.write_all(b"GET /echo/a HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("written");
    read_until(&mut idle, "GET /echo/a [] a 1");
    let mut busy = house.connect();
    busy.write_all(
        b"POST /echo/b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    )
    .expect("written");
    read_until(&mut busy, "100 Continue");
    house.shutdown.send_replace(true);
    assert_eq!(read_all(&mut idle), "");
    busy.write_all(b"ok").expect("written");
    assert!(read_all(&mut busy).contains("[ok]"));
}

/// Also when nobody is left who would take its session's end.
#[test]
fn a_connection_is_closed_however_its_request_ends() {
    let house = House::open(ClientLimits::default());
    let mut cut = house.connect();
    cut.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("written");
    let end = Instant::now() + Duration::from_secs(10);
    while !house.gateway.log.lock().contains(&"never".to_owned()) {
        assert!(Instant::now() < end, "the request has not begun");
        std::thread::sleep(Duration::from_millis(5));
    }
    house.lifelines.cut_all();
    assert_eq!(read_all(&mut cut), "");
    let mut panicked = house.connect();
    panicked
        .write_all(b"GET /panic HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("written");
    assert_eq!(read_all(&mut panicked), "");
}

/// A door on a free port, a gateway behind it and a backend behind that.
struct House {
    address: SocketAddr,
    gateway: Arc<Gateway>,
    lifelines: Arc<Lifelines>,
    shutdown: watch::Sender<bool>,
    /// Serves until it is dropped.
    _runtime: tokio::runtime::Runtime,
}

struct Gateway {
    live: Live,
    proxy: Arc<HttpProxy<Proxy>>,
    log: Arc<Mutex<Vec<String>>>,
}

struct Proxy {
    backend: SocketAddr,
    hasty_backend: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

impl Application for Gateway {
    fn live(&self) -> &Live {
        &self.live
    }

    async fn serve(self: &Arc<Self>, session: Box<dyn CustomSession>, shutdown: &ShutdownWatch) {
        let session = ServerSession::new_custom(session);
        self.proxy.process_new_http(session, shutdown).await;
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Option<Bytes> {
        let status = refusal.fault.status();
        let line = String::from_utf8_lossy(refusal.arrival.line.raw()).into_owned();
        let agent = refusal.header("user-agent").unwrap_or_default();
        let agent = String::from_utf8_lossy(agent).into_owned();
        self.log
            .lock()
            .push(format!("{status} {} [{line}]{agent}", refusal.fault));
        if refusal.body_only() {
            return Some(Bytes::from_static(b"refused"));
        }
        Some(format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\nrefused").into())
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Option<Box<Admission>>;

    fn new_ctx(&self) -> Self::CTX {
        None
    }

    fn persist_connection_context(
        &self,
        session: &Session,
        _: &Self::CTX,
    ) -> Option<Box<dyn Any + Send + Sync>> {
        DoorStream::of(session.as_ref())?.keep();
        None
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Self::CTX) -> Result<bool> {
        *ctx = Admission::receive(session.as_mut());
        let admission = ctx.as_ref().expect("handed over by the door");
        let arrival = &admission.arrival;
        let rules = &arrival.site.fallback().settings.limits.keepalive;
        let kept = admission.is_kept(rules, session.req_header());
        DoorStream::set_keepalive(session.as_mut(), kept);
        let path = String::from_utf8_lossy(arrival.line.path()).into_owned();
        let (status, body) = if path.starts_with("/echo") {
            let method = String::from_utf8_lossy(arrival.line.method()).into_owned();
            if session.get_header("expect").is_some() {
                session.write_continue_response().await?;
            }
            let mut body = Vec::new();
            while let Some(part) = session.read_request_body().await? {
                body.extend_from_slice(&part);
            }
            let (body, host) = (String::from_utf8_lossy(&body).into_owned(), &arrival.host);
            let count = arrival.connection.requests();
            (200, format!("{method} {path} [{body}] {host} {count}"))
        } else if path == "/count" {
            while session.read_request_body().await?.is_some() {}
            let (received, sent) = (arrival.request_length(), arrival.bytes_sent());
            (200, format!("received {received} sent {sent}"))
        } else if path == "/site" {
            (200, format!("site={}", arrival.site.name))
        } else if path == "/never" {
            self.log.lock().push("never".to_owned());
            std::future::pending().await
        } else if path == "/panic" {
            panic!("it is asked for")
        } else if path == "/413" {
            (413, "too large".to_owned())
        } else {
            return Ok(false);
        };
        let mut header = ResponseHeader::build(status, None)?;
        header.insert_header("Content-Length", body.len())?;
        session
            .write_response_header(Box::new(header), false)
            .await?;
        session.write_response_body(Some(body.into()), true).await?;
        Ok(true)
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        _: &mut Self::CTX,
    ) -> Result<Box<HttpPeer>> {
        let backend = match session.req_header().uri.path() {
            "/at-once" => self.hasty_backend,
            _ => self.backend,
        };
        Ok(Box::new(HttpPeer::new(backend, false, String::new())))
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        e: &Error,
        _: &mut Self::CTX,
    ) -> FailToProxy {
        let status = if MalformedBody::caused(e) { 400 } else { 502 };
        if *e.etype() == ErrorType::ConnectionClosed {
            self.log.lock().push(format!("aborted: {e}"));
        } else {
            DoorStream::set_keepalive(session.as_mut(), false);
            session.respond_error(status).await.ok();
        }
        FailToProxy {
            error_code: status,
            can_reuse_downstream: false,
        }
    }
}

impl House {
    fn open(limits: ClientLimits) -> Self {
        Self::serving(generation("first", limits, ClientKeepalive::default()))
    }

    fn keeping(keepalive: ClientKeepalive) -> Self {
        Self::serving(generation("first", ClientLimits::default(), keepalive))
    }

    fn serving(generation: Generation) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let log = Arc::new(Mutex::new(Vec::new()));
        let proxy = Proxy {
            backend: start_backend(serve_backend),
            hasty_backend: start_backend(upgrade_unasked),
            log: Arc::clone(&log),
        };
        let gateway = Arc::new(Gateway {
            live: Live::new(generation),
            proxy: Arc::new(http_proxy(&Arc::new(ServerConf::default()), proxy)),
            log,
        });
        let (shutdown, ending) = watch::channel(false);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("nonblocking");
        let address = listener.local_addr().expect("bound");
        let lifelines = Arc::new(Lifelines::default());
        let door = Arc::new(Door::new(
            Arc::clone(&gateway),
            ListenerId(0),
            Arc::clone(&lifelines),
        ));
        let (mut ended, waking) = (ending.clone(), Arc::clone(&door));
        runtime.spawn(async move {
            let _ = ended.changed().await;
            waking.end();
        });
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("registered");
            while let Ok((socket, _)) = listener.accept().await {
                let (door, ending) = (Arc::clone(&door), ending.clone());
                let digest = SocketDigest::from_raw_fd(socket.as_raw_fd());
                let mut stream = TcpConnection::from(socket);
                stream.set_socket_digest(digest);
                tokio::spawn(async move { door.serve(Box::new(stream), &ending).await });
            }
        });
        Self {
            address,
            gateway,
            lifelines,
            shutdown,
            _runtime: runtime,
        }
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).expect("connected");
        client.set_nodelay(true).expect("no delay");
        client
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a timeout");
        client
    }

    /// Sends all and reads until the other side closes.
    fn talk(&self, request: &str) -> String {
        let mut client = self.connect();
        client.write_all(request.as_bytes()).expect("written");
        let mut answer = Vec::new();
        // A kept connection is closed by its idle time; tests of kept ones stop at a second.
        client
            .set_read_timeout(Some(Duration::from_secs(1)))
            .expect("a timeout");
        match client.read_to_end(&mut answer) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
            _ => String::from_utf8_lossy(&answer).into_owned(),
        }
    }

    fn refusals(&self) -> Vec<String> {
        std::mem::take(&mut self.gateway.log.lock())
    }

    fn wait_for_refusals(&self, number: usize) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(10);
        while self.gateway.log.lock().len() < number && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.refusals()
    }
}

fn generation(name: &str, client: ClientLimits, keepalive: ClientKeepalive) -> Generation {
    let mut nowhere = model::Location::new(model::Action::Status(404));
    nowhere.limits.client_max_body_size = None;
    nowhere.limits.keepalive = keepalive;
    let model = Model {
        listeners: vec![model::Listener {
            socket: model::SocketOptions::default(),
            address: ListenAddress::Inet(([127, 0, 0, 1], 80).into()),
            default_site: SiteId(0),
            sites: vec![SiteId(0)],
        }],
        sites: vec![model::Site {
            client,
            ..model::Site::new(name, nowhere)
        }],
        ..Model::default()
    };
    Generation::build(&model, &Registry::default(), |_| ListenerId(0)).expect("no patterns")
}

fn start_backend(serve: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            std::thread::spawn(move || serve(client));
        }
    });
    address
}

/// Answers `backend` to what has a body, echoes after an upgrade, and is silent on `/silent`.
fn serve_backend(mut client: TcpStream) {
    let mut text = read_until(&mut client, "\r\n\r\n");
    if text.starts_with("GET /upgrade") {
        client.write_all(SWITCHING).expect("written");
        echo(client);
    } else if text.starts_with("GET /silent") {
        read_all(&mut client);
    } else {
        while !(text.ends_with("\r\n\r\nde") || text.ends_with("0\r\n\r\n")) {
            let more = read_some(&mut client);
            if more.is_empty() {
                return;
            }
            text.push_str(&more);
        }
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nbackend";
        client.write_all(answer.as_bytes()).expect("written");
    }
}

/// Answers before it has read the request, which is echoed like all else.
fn upgrade_unasked(mut client: TcpStream) {
    client.write_all(SWITCHING).expect("written");
    echo(client);
}

fn echo(mut client: TcpStream) {
    let mut writer = client.try_clone().expect("a second handle");
    std::io::copy(&mut client, &mut writer).ok();
    writer.shutdown(Shutdown::Both).ok();
}

const SWITCHING: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

fn read_some(client: &mut TcpStream) -> String {
    let mut part = [0; 4096];
    let read = client.read(&mut part).unwrap_or(0);
    String::from_utf8_lossy(&part[..read]).into_owned()
}

/// Reads until the text ends with this.
fn read_until(client: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let more = read_some(client);
        assert!(!more.is_empty(), "closed after {text:?}");
        text.push_str(&more);
    }
    text
}

fn read_all(client: &mut TcpStream) -> String {
    let mut text = Vec::new();
    client.read_to_end(&mut text).expect("no reset");
    String::from_utf8_lossy(&text).into_owned()
}
