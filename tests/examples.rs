//! The examples: each is started as a program, asked over real sockets, and ended by Ctrl-C.

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

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use support::{Client, Response, wait_until};

/// A running example. The first line it prints is its address.
struct Example {
    child: Child,
    address: SocketAddr,
    /// What comes after the first line; open so that printing does not fail.
    _stdout: BufReader<std::process::ChildStdout>,
}

impl Example {
    fn start(name: &str) -> Self {
        Self::of(Command::new(path(name)))
    }

    fn of(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line
            .trim()
            .strip_prefix("http://")
            .and_then(|rest| rest.strip_suffix('/'));
        let address = address.unwrap_or_else(|| panic!("{line:?} is no address"));
        Self {
            child,
            address: address.parse().unwrap(),
            _stdout: stdout,
        }
    }

    fn get(&self, path: &str, headers: &str) -> Response {
        self.ask("GET", path, headers)
    }

    fn ask(&self, method: &str, path: &str, headers: &str) -> Response {
        let host = if headers.contains("Host:") {
            ""
        } else {
            "Host: a.test\r\n"
        };
        Client::connect(self.address)
            .exchange(format!("{method} {path} HTTP/1.1\r\n{host}{headers}\r\n"))
    }

    /// Sends a signal, and sees that it ends as it should.
    #[track_caller]
    fn end(mut self, signal: i32) {
        let id = i32::try_from(self.child.id()).unwrap();
        // SAFETY: the child is ours and not yet waited for, so its id is its own.
        assert_eq!(unsafe { libc::kill(id, signal) }, 0);
        let mut status = None;
        wait_until("the example ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(0));
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Cargo builds examples for tests, into the folder beside that of the test.
fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let path = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is not built: cargo build --examples",
        path.display()
    );
    path
}

#[test]
fn canary_goes_by_cookie_or_percentage() {
    let example = Example::start("canary");
    let of_20: Vec<Response> = (0..20).map(|_| example.get("/", "")).collect();
    let canaries = of_20
        .iter()
        .filter(|answer| answer.text().starts_with("canary"))
        .count();
    assert_eq!(canaries, 2);
    for _ in 0..4 {
        let chosen = example.get("/x", "Cookie: canary=yes\r\n");
        assert_eq!(chosen.text(), "canary answers /x\n");
        let refused = example.get("/x", "Cookie: canary=no\r\n");
        assert_eq!(refused.text(), "stable answers /x\n");
    }
    example.end(libc::SIGINT);
}

#[test]
fn tenants_are_looked_up_by_header_or_host() {
    let example = Example::start("tenant");
    let answer = example.get("/orders", "X-Tenant: acme\r\n");
    assert_eq!(
        answer.text(),
        "dedicated answers /acme/orders (enterprise)\n"
    );
    assert_eq!(answer.header("x-served-by"), Some("dedicated"));
    let answer = example.get("/orders", "Host: globex.localhost\r\n");
    assert_eq!(answer.text(), "shared answers /globex/orders (free)\n");
    for headers in [
        "X-Tenant: initech\r\n",
        "X-Tenant: \"\\\r\n",
        "Host: nobody.localhost\r\n",
    ] {
        let answer = example.get("/", headers);
        assert_eq!(
            (answer.status, answer.text()),
            (404, "{\"error\": \"no such tenant\"}\n")
        );
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_eq!(example.get("/", "").status, 404);
    example.end(libc::SIGTERM);
}

#[test]
fn variants_stick_by_a_cookie() {
    let example = Example::start("ab");
    for expected in ["a", "b", "a", "b"] {
        let answer = example.get("/", "");
        assert_eq!(answer.text(), format!("{expected} answers /\n"));
        let cookie = answer.header("set-cookie").unwrap();
        let (pair, _) = cookie.split_once(';').unwrap();
        assert_eq!(pair, format!("variant={expected}"));
        for _ in 0..3 {
            let answer = example.get("/", &format!("Cookie: {pair}\r\n"));
            assert_eq!(answer.text(), format!("{expected} answers /\n"));
            assert_eq!(answer.header("set-cookie"), None);
        }
    }
    let answer = example.get("/", "Cookie: variant=admin\r\n");
    assert!(
        answer.header("set-cookie").is_some(),
        "an invented variant is none"
    );
    example.end(libc::SIGINT);
}

/// `gapura demo` on free ports.
fn demo() -> Example {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gapura"));
    command
        .args(["demo", "--port", "0", "--backend-ports", "0,0"])
        .stderr(Stdio::null());
    Example::of(command)
}

fn colours(demo: &Example, requests: usize) -> Vec<String> {
    let answers = (0..requests).map(|_| demo.get("/", ""));
    answers
        .map(|answer| {
            assert_eq!(answer.status, 200);
            answer.text().split(' ').next().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn the_demo_balances_fails_over_and_comes_back() {
    let demo = demo();
    let seen = colours(&demo, 8);
    assert_eq!(
        seen.iter().filter(|colour| *colour == "blue").count(),
        6,
        "{seen:?}"
    );

    let stopped = demo.ask("POST", "/-/demo/stop/blue", "");
    assert!(
        stopped.text().contains("\"running\":false"),
        "{}",
        stopped.text()
    );
    assert_eq!(colours(&demo, 20), ["orange"; 20]);

    demo.ask("POST", "/-/demo/stop/both", "");
    let page = demo.get("/", "Accept: text/html\r\n");
    assert_eq!(page.status, 502);
    assert!(
        page.text().contains("/-/demo/start/both"),
        "the page has a button to start them"
    );
    assert_eq!(demo.get("/", "Accept: application/json\r\n").status, 502);
    assert_eq!(demo.get("/-/demo/state", "").status, 200);

    demo.ask("POST", "/-/demo/start/both", "");
    wait_until("both are back", || {
        let answers: Vec<Response> = (0..4).map(|_| demo.get("/", "")).collect();
        ["blue", "orange"].iter().all(|colour| {
            answers
                .iter()
                .any(|answer| answer.text().starts_with(colour))
        })
    });
    demo.end(libc::SIGINT);
}

#[test]
fn the_demo_answers_on_any_host_and_without_scripts() {
    let demo = demo();
    let page = demo.get(
        "/any/path",
        "Host: \"<shop>.example\r\nAccept: text/html\r\n",
    );
    assert!(matches!(page.status, 200 | 400), "{}", page.status);
    assert!(!page.text().contains("<shop>"), "a host is no markup");
    let page = demo.get("/", "Host: shop.example\r\nAccept: text/html\r\n");
    assert!(page.text().contains("curl -i http://shop.example/"));
    assert!(!page.text().contains("{colour}") && !page.text().contains("{port}"));

    // What a browser sends for a form, and for a link from elsewhere.
    let form = demo.ask("POST", "/-/demo/stop/orange", "Accept: text/html\r\n");
    assert_eq!((form.status, form.header("location")), (303, Some("/")));
    let foreign = demo.ask(
        "POST",
        "/-/demo/stop/blue",
        "Sec-Fetch-Site: cross-site\r\n",
    );
    assert_eq!(foreign.status, 403);
    assert_eq!(demo.get("/-/demo/stop/blue", "").status, 405);
    assert_eq!(demo.ask("POST", "/-/demo/stop/green", "").status, 404);
    assert_eq!(demo.ask("POST", "/-/demo/dance/blue", "").status, 404);
    assert_eq!(colours(&demo, 8), ["blue"; 8]);
    demo.end(libc::SIGTERM);
}

#[test]
fn the_demo_says_which_port_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for arguments in [
        vec!["--port".to_owned(), port.to_string()],
        vec!["--backend-ports".to_owned(), format!("0,{port}")],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_gapura"))
            .arg("demo")
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let expected = format!(
            "gapura: [emerg] bind() to 127.0.0.1:{port} failed (98: Address already in use)\n"
        );
        assert_eq!((output.status.code(), said), (Some(1), expected));
    }
}
