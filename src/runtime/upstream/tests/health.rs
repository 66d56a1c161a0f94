//! Active checks, over real sockets.

use super::*;
use crate::model::{
    CheckTimes, Expected, ExpectedStatus, GrpcCheck, HttpCheck, HttpVersion, Template,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

#[tokio::test]
async fn a_change_is_logged_once_with_its_reason() {
    let bench = Bench::running();
    let port = Port::reserve();
    let address = port.text();
    let upstream = bench.checked(&[server(&address)], check(CheckKind::Tcp));
    let stop = bench.run();
    until("it is down", || usable(&upstream).is_empty()).await;
    assert!(next(&upstream).is_none());
    let listener = port.listen();
    until("it is up", || usable(&upstream).len() == 1).await;
    drop(listener);
    until("it is down again", || bench.log().len() == 3).await;
    let down = format!(
        "server \"{address}\" of upstream \"app\" is down: connect() failed (111: Connection refused)"
    );
    let up = format!("server \"{address}\" of upstream \"app\" is up");
    assert_eq!(bench.log(), [down.clone(), up, down]);
    drop(stop);
}

#[tokio::test]
async fn rise_and_fall_are_counted() {
    let bench = Bench::running();
    let checks = Arc::new(AtomicUsize::new(0));
    let statuses = Arc::new(Mutex::new(vec![
        200, 500, 500, 200, 500, 500, 500, 200, 200,
    ]));
    let address = serve(Arc::clone(&checks), {
        let statuses = Arc::clone(&statuses);
        move |_| {
            let mut statuses = statuses.lock();
            Some(if statuses.is_empty() {
                200
            } else {
                statuses.remove(0)
            })
        }
    })
    .await;
    let check = HealthCheck {
        rise: 2,
        fall: 3,
        ..check(http("/"))
    };
    let upstream = bench.checked(&[server(&address.to_string())], check);
    let stop = bench.run();
    until("it went down and up", || bench.log().len() == 2).await;
    assert_eq!(usable(&upstream).len(), 1);
    assert_eq!(
        bench.log(),
        [
            format!(
                "server \"{address}\" of upstream \"app\" is down: answered 500, expected 200-299"
            ),
            format!("server \"{address}\" of upstream \"app\" is up"),
        ]
    );
    assert!(statuses.lock().is_empty());
    drop(stop);
}

#[tokio::test]
async fn an_http_check_asks_for_its_path_with_its_host() {
    let bench = Bench::running();
    let asked = Arc::new(Mutex::new(String::new()));
    let address = serve(Arc::default(), {
        let asked = Arc::clone(&asked);
        move |request| {
            asked.lock().clone_from(&request.to_owned());
            Some(204)
        }
    })
    .await;
    bench.names.set("app1", &[&address.to_string()]);
    let name = format!("app1:{}", address.port());
    let stop = bench.run();
    let own = bench.checked(&[server(&name)], check(http("/health?full")));
    until("it is asked", || {
        asked.lock().contains("GET /health?full HTTP/1.1\r\n")
    })
    .await;
    assert!(
        asked.lock().contains(&format!("Host: {name}\r\n")),
        "{}",
        asked.lock()
    );
    let CheckKind::Http(mut given) = http("/") else {
        unreachable!("it is one");
    };
    given.host = Some(Template::literal("shop.example"));
    let given = CheckKind::Http(given);
    let given = bench.checked(&[server(&name)], check(given));
    drop(own);
    until("the new check runs", || {
        asked.lock().contains("Host: shop.example\r\n")
    })
    .await;
    assert_eq!(usable(&given).len(), 1);
    drop(stop);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_down_after_the_timeout() {
    let bench = Bench::running();
    let address = serve(Arc::default(), |_| None).await;
    let check = HealthCheck {
        timeout: Some(Duration::from_millis(50)),
        ..check(http("/"))
    };
    let upstream = bench.checked(&[server(&address.to_string())], check);
    let stop = bench.run();
    until("it is down", || usable(&upstream).is_empty()).await;
    let line = format!("server \"{address}\" of upstream \"app\" is down: no answer within 50ms");
    assert_eq!(bench.log(), [line]);
    drop(stop);
}

#[tokio::test]
async fn unix_sockets_are_checked() {
    let bench = Bench::running();
    let path = std::env::temp_dir().join(format!("gapura-check-{}.sock", std::process::id()));
    let path_text = format!("unix:{}", path.display());
    let upstream = bench.checked(&[server(&path_text)], check(CheckKind::Tcp));
    let stop = bench.run();
    until("it is down", || usable(&upstream).is_empty()).await;
    let listener = UnixListener::bind(&path).expect("a free path");
    until("it is up", || usable(&upstream) == [path_text.as_str()]).await;
    let line = format!(
        "server \"{path_text}\" of upstream \"app\" is down: connect() failed (2: No such file or directory)"
    );
    assert_eq!(bench.log()[0], line);
    drop((stop, listener));
    std::fs::remove_file(&path).expect("it was there");
}

#[tokio::test]
async fn when_all_are_out_a_server_that_a_check_reaches_gets_a_request_early() {
    let bench = Bench::running();
    let ports = [Port::reserve(), Port::reserve()];
    let texts = ports.each_ref().map(Port::text);
    let _listeners = ports.map(Port::listen);
    let servers = texts.each_ref().map(|text| server(text));
    let upstream = bench.checked(&servers, check(CheckKind::Tcp));
    fail_all(&upstream);
    assert!(next(&upstream).is_none());
    let stop = bench.run();
    let mut early = None;
    until("a check has reached one", || {
        early = upstream.choose(&[]);
        early.is_some()
    })
    .await;
    early.expect("chosen").succeeded();
    assert_eq!(usable(&upstream).len(), 1);
    assert!(bench.log().is_empty());
    drop(stop);
}

#[tokio::test]
async fn a_server_that_a_check_brings_back_owes_nothing() {
    let bench = Bench::running();
    let (port, other) = (Port::reserve(), Port::reserve());
    let (text, backup_text) = (port.text(), other.text());
    let upstream = bench.checked(
        &[server(&text), backup(&backup_text)],
        check(CheckKind::Tcp),
    );
    fail_all(&upstream);
    let stop = bench.run();
    until("all are down", || bench.log().len() == 2).await;
    let listener = port.listen();
    until("it is back", || usable(&upstream) == [text.as_str()]).await;
    assert_eq!(count(&upstream, 5), counts([(&text, 5)]));
    drop((stop, listener));
}

fn http(path: &str) -> CheckKind {
    CheckKind::Http(Box::new(HttpCheck {
        target: path.to_owned(),
        host: None,
        headers: Vec::new(),
        http_version: HttpVersion::Http11,
        times: CheckTimes::default(),
        keepalive_time: None,
        expected: Expected {
            status: Some(ExpectedStatus {
                negated: false,
                ranges: vec![200..=299],
            }),
            ..Expected::default()
        },
    }))
}

/// A server that answers with the status that `answer` gives for a request; never, if it gives none.
async fn serve(
    requests: Arc<AtomicUsize>,
    answer: impl Fn(&str) -> Option<u16> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            requests.fetch_add(1, Relaxed);
            match answer(&String::from_utf8_lossy(&request)) {
                Some(status) => {
                    let response = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
                    // The check may have gone away.
                    drop(stream.write_all(response.as_bytes()).await);
                }
                None => silent.push(stream),
            }
        }
    });
    address
}

/// What calls asked for, and with which message.
type Calls = Mutex<Vec<(String, Vec<u8>)>>;

/// A gRPC server that answers every call with this `grpc-status` and message.
async fn serve_grpc(asked: Arc<Calls>, status: &'static str, message: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let asked = Arc::clone(&asked);
            tokio::spawn(async move {
                let Ok(mut connection) = h2::server::handshake(stream).await else {
                    return;
                };
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let asked = Arc::clone(&asked);
                    tokio::spawn(async move {
                        let uri = request.uri().to_string();
                        let mut body = request.into_body();
                        let mut question = Vec::new();
                        while let Some(Ok(chunk)) = body.data().await {
                            question.extend_from_slice(&chunk);
                        }
                        asked.lock().push((uri, question));
                        let header = http::Response::builder()
                            .header("content-type", "application/grpc")
                            .body(())
                            .expect("valid");
                        // The check may have gone away.
                        let Ok(mut stream) = respond.send_response(header, false) else {
                            return;
                        };
                        drop(stream.send_data(message.into(), false));
                        let mut trailers = http::HeaderMap::new();
                        trailers.insert("grpc-status", status.parse().expect("valid"));
                        drop(stream.send_trailers(trailers));
                    });
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_grpc_service_says_whether_it_serves() {
    const SERVING: &[u8] = b"\0\0\0\0\x02\x08\x01";
    const NOT_SERVING: &[u8] = b"\0\0\0\0\x02\x08\x02";
    for (status, message, alternative, reason) in [
        ("0", SERVING, None, None),
        (
            "0",
            NOT_SERVING,
            None,
            Some("its serving status is 2, expected 1"),
        ),
        ("12", b"", None, Some("answered grpc-status 12")),
        ("12", b"", Some(12), None),
        ("5", b"", Some(12), Some("answered grpc-status 5")),
    ] {
        let asked: Arc<Calls> = Arc::default();
        let address = serve_grpc(Arc::clone(&asked), status, message).await;
        let bench = Bench::running();
        let check = HealthCheck {
            at_first: AtFirst::Unknown,
            ..check(CheckKind::Grpc(GrpcCheck {
                service: "shop.Cart".to_owned(),
                status: alternative,
                host: Some(Template::literal("shop.test")),
                times: CheckTimes::default(),
            }))
        };
        let upstream = bench.checked(&[server(&address.to_string())], check);
        assert!(next(&upstream).is_none(), "nothing is known of it");
        let stop = bench.run();
        match reason {
            None => until("it is used", || next(&upstream).is_some()).await,
            Some(reason) => {
                until("it is down", || bench.log().len() == 1).await;
                assert!(bench.log()[0].ends_with(reason), "{}", bench.log()[0]);
                assert!(next(&upstream).is_none());
            }
        }
        let (uri, question) = asked.lock()[0].clone();
        assert_eq!(uri, "http://shop.test/grpc.health.v1.Health/Check");
        assert_eq!(question, b"\0\0\0\0\x0b\x0a\x09shop.Cart");
        drop(stop);
    }
}

#[tokio::test]
async fn every_check_of_an_upstream_must_pass() {
    let bench = Bench::running();
    let port = Port::reserve();
    let text = port.text();
    let good = serve(Arc::default(), |_| Some(200)).await;
    // The second check asks another port, where nobody listens yet.
    let elsewhere = HealthCheck {
        port: Some(
            text.rsplit(':')
                .next()
                .and_then(|port| port.parse().ok())
                .expect("a port"),
        ),
        ..check(CheckKind::Tcp)
    };
    let mut model = model(&[server(&good.to_string())], Some(check(http("/"))));
    model.health_checks.push(elsewhere);
    let upstream = bench.registry.upstream(&model);
    let stop = bench.run();
    until("it is down", || bench.log().len() == 1).await;
    assert!(usable(&upstream).is_empty());
    let listener = port.listen();
    until("it is up", || usable(&upstream).len() == 1).await;
    drop((stop, listener));
}
