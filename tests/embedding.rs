//! The library as other programs embed it: configurations made in code, and routers, over real
//! sockets.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, and nothing here is anyone's API"
)]

#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "shared with other tests"
)]
mod support;

use async_trait::async_trait;
use gapura::config::draft::{Time, Word};
use gapura::config::{load_draft, load_yaml};
use gapura::http::{Method, StatusCode};
use gapura::{
    Config, HealthCheck, Location, Route, RouteError, RouteRequest, Router, Running, Server, Site,
    StartError, Upstream,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{Addressed, Backend, Client, Response, refusing};

/// A site that passes everything to `main`, beside an upstream `other`.
fn two_upstreams(main: &dyn Addressed, other: &dyn Addressed) -> Config {
    let upstream = |name: &str, backend: &dyn Addressed| {
        Upstream::new(name)
            .backend(backend.address())
            .health_check(HealthCheck::off())
    };
    Config::new()
        .listen("127.0.0.1:0")
        .access_log("off")
        .upstream(upstream("main", main))
        .upstream(upstream("other", other))
        .site(Site::new().upstream("main"))
}

fn start(config: Config, router: impl Router) -> Running {
    Server::from_config(config).router(router).start().unwrap()
}

/// A router made of a closure; the bound is what lets a closure leave out its types.
fn by<F>(decide: F) -> F
where
    F: Fn(&RouteRequest<'_>) -> Result<Route, RouteError> + Send + Sync + 'static,
{
    decide
}

fn client(running: &Running) -> Client {
    Client::connect(running.addresses()[0])
}

fn get(running: &Running, path: &str, headers: &str) -> Response {
    client(running).exchange(format!(
        "GET {path} HTTP/1.1\r\nHost: a.test\r\n{headers}\r\n"
    ))
}

#[track_caller]
fn expect(answer: &Response, status: u16, text: &str) {
    assert_eq!((answer.status, answer.text()), (status, text));
}

#[test]
fn a_closure_chooses_an_upstream_or_declines() {
    let (main, other) = (Backend::named("main"), Backend::named("other"));
    let running = start(
        two_upstreams(&main, &other),
        by(|request| match request.header("x-beta") {
            Some(_) => Ok(Route::to(request.upstream("other")?)),
            None => Ok(Route::decline()),
        }),
    );
    expect(&get(&running, "/", ""), 200, "main");
    expect(&get(&running, "/", "X-Beta: 1\r\n"), 200, "other");
}

#[test]
fn a_trait_object_may_wait_for_a_look_up() {
    struct LookUp;

    #[async_trait]
    impl Router for LookUp {
        async fn route(&self, request: &RouteRequest<'_>) -> Result<Route, RouteError> {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let name = request.cookie("to").unwrap_or("main");
            Ok(Route::to(request.upstream(name)?))
        }
    }

    let (main, other) = (Backend::named("main"), Backend::named("other"));
    let running = start(two_upstreams(&main, &other), LookUp);
    expect(&get(&running, "/", ""), 200, "main");
    expect(
        &get(&running, "/", "Cookie: a=b; to=other\r\n"),
        200,
        "other",
    );
}

#[test]
fn a_router_sees_the_request() {
    let backend = Backend::named("main");
    let running = start(
        two_upstreams(&backend, &backend),
        by(|request| {
            let seen = format!(
                "{} {} {} {:?} {:?} {:?} {:?} {} {:?} {:?}",
                request.method(),
                request.host(),
                request.path(),
                request.query(),
                request.header("x-one"),
                request.cookie("b"),
                request.client().map(|ip| ip.to_string()),
                request.headers().len(),
                request.site(),
                request.location_upstream(),
            );
            Ok(Route::answer(StatusCode::OK, "text/plain", seen))
        }),
    );
    let request = "PUT /a%20b/../c?x=%20 HTTP/1.1\r\nHost: Shop.TEST:99\r\nX-One: 1\r\n\
                   Cookie: a=1\r\nCookie: b=2; c=3\r\nContent-Length: 0\r\n\r\n";
    let answer = client(&running).exchange(request);
    assert_eq!(
        answer.text(),
        "PUT shop.test /c Some(\"x=%20\") Some(\"1\") Some(\"2\") Some(\"127.0.0.1\") 5 \"\" Some(\"main\")"
    );
}

#[test]
fn an_unknown_upstream_is_an_error_of_its_own_request() {
    let backend = Backend::named("main");
    let running = start(
        two_upstreams(&backend, &backend),
        by(|request| match request.header("x-tenant") {
            Some(tenant) => Ok(Route::to(request.upstream(tenant)?)),
            None => Ok(Route::decline()),
        }),
    );
    let mut client = client(&running);
    let answer = client.exchange("GET / HTTP/1.1\r\nHost: a.test\r\nX-Tenant: nobody\r\n\r\n");
    assert_eq!(answer.status, 500);
    assert!(
        !answer.text().contains("nobody"),
        "the page says nothing of the inside"
    );
    expect(&client.get("/"), 200, "main");
}

#[test]
fn a_router_that_panics_costs_its_own_request_only() {
    let backend = Backend::named("main");
    let running = start(
        two_upstreams(&backend, &backend),
        by(|request| match &*request.path() {
            "/panic" => panic!("on purpose"),
            _ => Ok(Route::decline()),
        }),
    );
    let mut client = client(&running);
    for _ in 0..20 {
        assert_eq!(client.get("/panic").status, 500);
        expect(&client.get("/"), 200, "main");
    }
}

#[test]
fn a_router_that_stalls_costs_its_own_request_only() {
    struct Stalls;

    #[async_trait]
    impl Router for Stalls {
        async fn route(&self, request: &RouteRequest<'_>) -> Result<Route, RouteError> {
            match &*request.path() {
                "/stall" => std::future::pending().await,
                _ => Ok(Route::decline()),
            }
        }
    }

    let backend = Backend::named("main");
    let running = Server::from_config(two_upstreams(&backend, &backend))
        .router(Stalls)
        .router_timeout(Duration::from_millis(300))
        .start()
        .unwrap();
    let mut stalled: Vec<Client> = (0..8).map(|_| client(&running)).collect();
    for client in &mut stalled {
        client.send("GET /stall HTTP/1.1\r\nHost: a.test\r\n\r\n");
    }
    expect(&get(&running, "/", ""), 200, "main");
    for client in &mut stalled {
        assert_eq!(client.read().status, 500);
        expect(&client.get("/"), 200, "main");
    }
}

#[test]
fn a_router_answers_without_a_backend() {
    let running = start(
        two_upstreams(&refusing(), &refusing()),
        by(|request| {
            let status = match *request.method() {
                Method::DELETE => StatusCode::NO_CONTENT,
                _ => StatusCode::IM_A_TEAPOT,
            };
            let body = if status == StatusCode::NO_CONTENT {
                ""
            } else {
                "short and stout"
            };
            Ok(Route::answer(status, "text/x-tea", body).with_response_header("X-Pot", "1"))
        }),
    );
    let mut client = client(&running);
    let answer = client.get("/");
    expect(&answer, 418, "short and stout");
    assert_eq!(answer.header("content-type"), Some("text/x-tea"));
    assert_eq!(answer.header("x-pot"), Some("1"));
    let answer = client.exchange("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (418, Some("15"))
    );
    let answer = client.exchange("DELETE / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    expect(&answer, 204, "");
    assert_eq!(
        answer.header("content-length"),
        None,
        "RFC 9110 section 8.6"
    );
    expect(&client.get("/"), 418, "short and stout");
    // A body that nobody reads is no harm.
    let post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n12345";
    expect(&client.exchange(post), 418, "short and stout");
}

#[test]
fn a_router_rewrites_the_path_and_headers() {
    let backend = Backend::named("main");
    let running = start(
        two_upstreams(&backend, &backend),
        by(|request| {
            let path = format!("/tenant{}?from=router", request.path());
            Ok(Route::decline()
                .with_path(path)
                .with_request_header("X-Plan", "free")
                .with_request_header("X-Secret", "")
                .with_request_header("Host", "inside.test"))
        }),
    );
    let answer = get(&running, "/a?b=c", "X-Secret: 1\r\nX-Plan: forged\r\n");
    expect(&answer, 200, "main");
    let request = backend.request();
    assert_eq!(request.target(), "/tenant/a?from=router");
    assert_eq!(request.header("x-secret"), None);
    assert_eq!(request.header("host"), Some("inside.test"));
    let plans: Vec<&str> = request.head.values("x-plan").collect();
    assert_eq!(plans, ["free"]);
}

#[test]
fn a_router_adds_response_headers_to_whatever_is_answered() {
    let backend = Backend::named("main");
    let running = start(
        two_upstreams(&backend, &refusing()),
        by(|request| {
            let upstream = request.header("x-to").unwrap_or("main");
            Ok(Route::to(request.upstream(upstream)?)
                .with_response_header("Set-Cookie", "a=1")
                .with_response_header("Set-Cookie", "b=2"))
        }),
    );
    let answer = get(&running, "/", "");
    assert_eq!(
        (answer.status, answer.headers("set-cookie")),
        (200, vec!["a=1", "b=2"])
    );
    let answer = get(&running, "/", "X-To: other\r\n");
    assert_eq!(
        (answer.status, answer.headers("set-cookie")),
        (502, vec!["a=1", "b=2"])
    );
}

#[test]
fn what_cannot_be_sent_is_an_error_and_not_an_injection() {
    let backend = Backend::named("main");
    let running = start(
        two_upstreams(&backend, &backend),
        by(|request| {
            let evil = "a\r\nX-Evil: 1";
            Ok(match &*request.path() {
                "/path" => Route::decline().with_path(format!("/{evil}")),
                "/space" => Route::decline().with_path("/a b"),
                "/no-slash" => Route::decline().with_path("a"),
                "/empty" => Route::decline().with_path(""),
                "/request-value" => Route::decline().with_request_header("X-A", evil),
                "/request-name" => Route::decline().with_request_header(evil, "a"),
                "/response-value" => Route::decline().with_response_header("X-A", evil),
                "/response-name" => Route::decline().with_response_header(evil, "a"),
                "/type" => Route::answer(StatusCode::OK, evil, ""),
                _ => Route::decline(),
            })
        }),
    );
    for path in [
        "/path",
        "/space",
        "/no-slash",
        "/empty",
        "/request-value",
        "/request-name",
        "/response-value",
        "/response-name",
        "/type",
    ] {
        let answer = get(&running, path, "");
        assert_eq!(answer.status, 500, "{path}");
        assert_eq!(answer.header("x-evil"), None, "{path}");
    }
    assert!(
        backend
            .requests()
            .iter()
            .all(|request| request.header("x-evil").is_none())
    );
    expect(&get(&running, "/", ""), 200, "main");
}

#[test]
fn a_router_is_asked_once_however_often_is_tried() {
    let good = Backend::named("good");
    let tried = Upstream::new("main")
        .backend(gapura::Backend::new(refusing()).weight(100).max_fails(0))
        .backend(gapura::Backend::new(good.address()).max_fails(0))
        .health_check(HealthCheck::off());
    let config = Config::new()
        .listen("127.0.0.1:0")
        .access_log("off")
        .upstream(tried)
        .site(Site::new().upstream("main"));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let running = start(
        config,
        by(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(Route::decline())
        }),
    );
    let mut client = client(&running);
    for _ in 0..20 {
        expect(&client.get("/"), 200, "good");
    }
    assert_eq!((asked.load(Ordering::SeqCst), good.hits()), (20, 20));
}

#[test]
fn what_a_router_keeps_survives_a_reload() {
    let backend = Backend::named("main");
    let count = AtomicUsize::new(0);
    let running = start(
        two_upstreams(&backend, &backend),
        by(move |_| {
            let number = count.fetch_add(1, Ordering::SeqCst).to_string();
            Ok(Route::decline().with_response_header("X-Number", number))
        }),
    );
    let addresses = running.addresses();
    let mut client = client(&running);
    for number in 0..5 {
        let answer = client.get("/");
        assert_eq!(answer.header("x-number"), Some(&*number.to_string()));
        running.reload().unwrap();
    }
    assert_eq!(running.addresses(), addresses, "a free port stays the same");
}

#[test]
fn a_reload_may_be_asked_for_inside_a_runtime() {
    let backend = Backend::named("main");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let running = Server::from_config(two_upstreams(&backend, &backend))
            .start()
            .unwrap();
        running.reload().unwrap();
        expect(&get(&running, "/", ""), 200, "main");
        running.quit();
    });
}

#[test]
fn a_router_names_one_backend_of_an_upstream() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    let gone = refusing();
    let upstream = Upstream::new("main")
        .backend(one.address())
        .backend(two.address())
        .backend(gone)
        .health_check(HealthCheck::off());
    let config = Config::new()
        .listen("127.0.0.1:0")
        .access_log("off")
        .upstream(upstream)
        .site(Site::new().upstream("main"));
    let running = start(
        config,
        by(|request| {
            let address = request.header("x-backend").unwrap_or_default();
            Ok(Route::to_backend(request.upstream("main")?, address))
        }),
    );
    let ask = |address: &str| get(&running, "/", &format!("X-Backend: {address}\r\n"));
    for _ in 0..4 {
        expect(&ask(&two.address().to_string()), 200, "two");
    }
    expect(&ask(&one.address().to_string()), 200, "one");
    assert_eq!(
        ask(&gone.to_string()).status,
        502,
        "no other backend is asked instead"
    );
    assert_eq!(
        ask("127.0.0.1:1").status,
        500,
        "the upstream does not have it"
    );
    expect(&ask(&two.address().to_string()), 200, "two");
}

#[test]
fn the_answer_of_the_only_backend_that_may_be_asked_is_the_answer() {
    let broken = Backend::start(|_, stream| support::respond(stream, 500, "", "broken"));
    let other = Backend::named("other");
    let (named, address) = (broken.address(), other.address());
    let yaml = format!(
        "access_log: off\nlisten: 127.0.0.1:0\nproxy_next_upstream: [error, http_500]\n\
         upstreams:\n  main:\n    health_check: off\n    servers:\n      - address: {named}\n      - address: {address}\n\
         sites:\n  - upstream: main\n"
    );
    let folder = std::env::temp_dir().join(format!("gapura-only-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("gapura.yaml");
    std::fs::write(&file, yaml).unwrap();
    let running = Server::from_file(&file)
        .router(by(move |request| {
            let upstream = request.upstream("main")?;
            Ok(match request.header("x-any") {
                Some(_) => Route::to(upstream),
                None => Route::to_backend(upstream, named.to_string()),
            })
        }))
        .start()
        .unwrap();
    expect(&get(&running, "/", ""), 500, "broken");
    expect(&get(&running, "/", "X-Any: 1\r\n"), 200, "other");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_router_passes_on_what_a_location_would_have_refused() {
    let backend = Backend::named("main");
    let config = two_upstreams(&backend, &backend).site(
        Site::new()
            .host("closed.test")
            .location(Location::new("/").answer(404)),
    );
    let running = start(
        config,
        by(|request| match request.header("x-staff") {
            Some(_) => Ok(Route::to(request.upstream("other")?)),
            None => Ok(Route::decline()),
        }),
    );
    let ask = |headers: &str| {
        client(&running).exchange(format!(
            "GET / HTTP/1.1\r\nHost: closed.test\r\n{headers}\r\n"
        ))
    };
    assert_eq!(ask("").status, 404);
    expect(&ask("X-Staff: 1\r\n"), 200, "main");
}

#[test]
fn a_router_works_over_a_file_too() {
    let backend = Backend::named("main");
    let yaml = format!(
        "access_log: off\nlisten: 127.0.0.1:0\nsites:\n  - backends:\n      - address: {}\n",
        backend.address()
    );
    let folder = std::env::temp_dir().join(format!("gapura-embedding-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("gapura.yaml");
    std::fs::write(&file, yaml).unwrap();
    let running = Server::from_file(&file)
        .router(by(|_| {
            Ok(Route::decline().with_response_header("X-Seen", "1"))
        }))
        .start()
        .unwrap();
    let answer = get(&running, "/", "");
    expect(&answer, 200, "main");
    assert_eq!(answer.header("x-seen"), Some("1"));
    std::fs::write(&file, "sites: 5").unwrap();
    let refused = running.reload().unwrap_err().to_string();
    assert!(refused.contains("\"sites\""), "{refused}");
    expect(&get(&running, "/", ""), 200, "main");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_configuration_in_code_means_what_the_same_yaml_means() {
    let yaml = "
listen: 127.0.0.1:8080
proxy_read_timeout: 5s
error_page: { 502: { html: <h1>down</h1> } }
upstreams:
  shop:
    servers:
      - { address: '127.0.0.1:3001', weight: 3, max_fails: 2, fail_timeout: 4s }
      - 127.0.0.1:3002
      - { address: '127.0.0.1:3003', backup: true }
      - { address: '127.0.0.1:3004', down: true }
    health_check: { type: http, path: /healthz, interval: 1s, timeout: 500ms }
  files:
    servers: [127.0.0.1:3005]
sites:
  - host: [shop.test, '*.shop.test']
    listen: 127.0.0.1:8081
    locations:
      - path: /
        upstream: shop
      - path: /static/
        upstream: files
      - path: = /internal
        return: 404
  - upstream: files
    proxy_set_header: { X-One: $host }
";
    let shop = Upstream::new("shop")
        .backend(
            gapura::Backend::new("127.0.0.1:3001")
                .weight(3)
                .max_fails(2)
                .fail_timeout(Duration::from_secs(4)),
        )
        .backend("127.0.0.1:3002")
        .backend(gapura::Backend::new("127.0.0.1:3003").backup())
        .backend(gapura::Backend::new("127.0.0.1:3004").down())
        .health_check(
            HealthCheck::http("/healthz")
                .interval(Duration::from_secs(1))
                .timeout(Duration::from_millis(500)),
        );
    let config = Config::new()
        .listen("127.0.0.1:8080")
        .error_page(502, "<h1>down</h1>")
        .with(|top| top.proxy_read_timeout = Some(Time(Duration::from_secs(5))))
        .upstream(shop)
        .upstream(Upstream::new("files").backend("127.0.0.1:3005"))
        .site(
            Site::new()
                .host("shop.test")
                .host("*.shop.test")
                .listen("127.0.0.1:8081")
                .location(Location::new("/").upstream("shop"))
                .location(Location::new("/static/").upstream("files"))
                .location(Location::new("= /internal").answer(404)),
        )
        .site(Site::new().upstream("files").with(|site| {
            let value = gapura::config::draft::OneOrMany(vec![Word("$host".into())]);
            site.proxy_set_header = Some([("X-One".to_owned(), value)].into_iter().collect());
        }));
    let here = Path::new("");
    let from_yaml = load_yaml(yaml, "gapura.yaml", here).unwrap().model;
    let from_code = load_draft(config.into_draft(), here).unwrap().model;
    assert_eq!(from_code, from_yaml);
}

#[test]
fn upstreams_in_code_say_all_that_yaml_says_of_servers_and_checks() {
    let yaml = "
upstreams:
  shop:
    balance: least_conn
    servers:
      - { address: '127.0.0.1:3001', max_conns: 8, slow_start: 30s, route: a }
      - { address: '127.0.0.1:3002', drain: true }
    queue: { requests: 100, timeout: 5s }
    eject_outliers: { failures: 40% }
    keepalive: 7
    keepalive_timeout: 20s
    health_check:
      type: http
      path: /healthz
      host: shop.test
      status: [200-299, 404]
      interval: 5s
      jitter: 1s
      rise: 3
      fall: 4
      port: 8080
      mandatory: true
      persistent: true
  calls:
    servers: ['127.0.0.1:3003']
    health_check: { type: grpc, grpc_service: shop }
sites:
  - upstream: shop
  - host: calls.test
    upstream: calls
";
    let shop = Upstream::new("shop")
        .balance("least_conn")
        .backend(
            gapura::Backend::new("127.0.0.1:3001")
                .max_conns(8)
                .slow_start(Duration::from_secs(30))
                .route("a"),
        )
        .backend(gapura::Backend::new("127.0.0.1:3002").drain())
        .queue(100, Duration::from_secs(5))
        .eject_outliers(40)
        .keepalive(7)
        .keepalive_timeout(Duration::from_secs(20))
        .health_check(
            HealthCheck::http("/healthz")
                .host("shop.test")
                .status("200-299")
                .status(404)
                .interval(Duration::from_secs(5))
                .jitter(Duration::from_secs(1))
                .rise(3)
                .fall(4)
                .port(8080)
                .mandatory()
                .persistent(),
        );
    let calls = Upstream::new("calls")
        .backend("127.0.0.1:3003")
        .health_check(HealthCheck::grpc().grpc_service("shop"));
    let config = Config::new()
        .upstream(shop)
        .upstream(calls)
        .site(Site::new().upstream("shop"))
        .site(Site::new().host("calls.test").upstream("calls"));
    let here = Path::new("");
    let from_yaml = load_yaml(yaml, "gapura.yaml", here).unwrap().model;
    let from_code = load_draft(config.into_draft(), here).unwrap().model;
    assert_eq!(from_code, from_yaml);
}

#[test]
fn every_mistake_in_code_is_reported_with_its_path() {
    let config = Config::new()
        .listen("localhost:8080")
        .upstream(Upstream::new("shop").backend(gapura::Backend::new("127.0.0.1:3001").weight(0)))
        .upstream(Upstream::new("empty"))
        .error_page(200, "fine")
        .site(Site::new().upstream("shpo"));
    let Err(StartError::Configuration(errors)) = Server::from_config(config).start() else {
        panic!("it is wrong");
    };
    let said = errors.to_string();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "gapura: [emerg] \"weight\" cannot be 0 in upstreams.shop.servers[0].weight",
            "  expected a number from 1",
            "gapura: [emerg] no servers are inside upstream in upstreams.empty",
            "  expected `servers` with at least one address",
            "gapura: [emerg] value \"200\" must be between 300 and 599 in error_page.200",
            "  expected statuses: `502` or `502 503 504`",
            "gapura: [emerg] unknown upstream \"shpo\" in sites[0].upstream",
            "  did you mean `shop`?",
        ]
    );
}

#[test]
fn a_configuration_without_a_site_is_refused() {
    let error = Server::from_config(Config::new()).start().err().unwrap();
    assert_eq!(
        error.to_string(),
        "gapura: [emerg] no \"sites\" in configuration\n  a configuration has at least one site"
    );
}
