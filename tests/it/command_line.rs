//! nginx's command line.

use super::support::{Addressed, Backend, Gapura, Launch, free_port, run, run_with, site};
use std::net::TcpListener;

const GOOD: &str = "sites:\n  - listen: 127.0.0.1:18080\n    backends: [\"127.0.0.1:3001\"]\n";

#[test]
fn t_says_nginx_s_two_lines() {
    let run = run(GOOD, &["-t", "-c", "CONFIG"]);
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    let path = run.path.display();
    let expected = format!(
        "gapura: the configuration file {path} syntax is ok\ngapura: configuration file {path} test is successful\n"
    );
    assert_eq!(run.stderr, expected);
    assert_eq!(run.stdout, "");
}

#[test]
fn an_http_block_may_have_no_servers() {
    let conf = "events {}\nhttp { include sites/*.conf; }\n";
    let run = run_with(&[("nginx.conf", conf)], &["-t", "-c", "CONFIG"]);
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
}

#[test]
fn t_with_q_says_nothing_when_all_is_well() {
    let run = run(GOOD, &["-t", "-q", "-c", "CONFIG"]);
    assert_eq!(
        (run.status.code(), run.stdout.as_str(), run.stderr.as_str()),
        (Some(0), "", "")
    );
}

#[test]
fn t_needs_no_free_port() {
    let taken = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let yaml = GOOD.replace("127.0.0.1:18080", &taken.local_addr().unwrap().to_string());
    let run = run(&yaml, &["-t", "-c", "CONFIG"]);
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
}

#[test]
fn t_finds_what_would_keep_a_server_from_starting() {
    for (from, to, said) in [
        // Nobody's address: RFC 5737.
        (
            "127.0.0.1:18080",
            "192.0.2.1:18080",
            "gapura: [emerg] bind() to 192.0.2.1:18080 failed (99: Cannot assign requested address)",
        ),
        (
            "sites:",
            "pid: nowhere/pid\nsites:",
            "nowhere/pid\" failed (2: No such file or directory)",
        ),
    ] {
        let run = run(&GOOD.replace(from, to), &["-t", "-c", "CONFIG"]);
        assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
        assert!(run.stderr.contains(said), "{}", run.stderr);
        assert!(
            run.stderr.trim_end().ends_with(" test failed"),
            "{}",
            run.stderr
        );
    }
    let run = run("sites: 1\n", &["-vt", "-c", "CONFIG"]);
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("gapura version: "), "{}", run.stderr);
}

#[test]
fn errors_are_all_shown_with_their_places_and_status_1() {
    let yaml = "sites:\n  - hots: example.test\n    listen: 127.0.0.1:18080\n    backends:\n      - { address: \"127.0.0.1:3001\", wieght: 3 }\n";
    for arguments in [
        &["-t", "-c", "CONFIG"][..],
        &["-t", "-q", "-c", "CONFIG"],
        &["-c", "CONFIG"],
    ] {
        let run = run(yaml, arguments);
        assert_eq!(run.status.code(), Some(1));
        let path = run.path.display();
        for part in [
            format!("gapura: [emerg] unknown key \"hots\" in {path}:2"),
            format!("--> {path}:2:5"),
            "2 |   - hots: example.test".to_owned(),
            "^^^^ did you mean `host`?".to_owned(),
            format!("--> {path}:5:38"),
            "^^^^^^ did you mean `weight`?".to_owned(),
        ] {
            assert!(run.stderr.contains(&part), "{part} in\n{}", run.stderr);
        }
        assert!(!run.stderr.contains("panicked"));
    }
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let run = run("", &["-t", "-c", "missing.yaml"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(run.stderr.contains("[emerg] open()"), "{}", run.stderr);
    assert!(run.stderr.contains("missing.yaml"), "{}", run.stderr);
    assert!(
        run.stderr.contains("(2: No such file or directory)"),
        "{}",
        run.stderr
    );
}

#[test]
fn relative_files_are_below_the_prefix() {
    let folder = super::support::run(GOOD, &["-t", "-c", "CONFIG"]);
    let prefix = folder.path.parent().unwrap().to_str().unwrap();
    let run = run("", &["-t", "-p", prefix, "-c", "gapura.yaml"]);
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    assert!(
        run.stderr
            .contains(&format!("{} syntax is ok", folder.path.display())),
        "{}",
        run.stderr
    );
}

#[test]
fn versions_and_help() {
    let version = concat!("gapura/", env!("CARGO_PKG_VERSION"));
    let short = run("", &["-v"]);
    assert_eq!(short.status.code(), Some(0));
    let lines = format!("nginx version: nginx/1.31.5\ngapura version: {version}\n");
    assert_eq!(short.stderr, lines);
    let long = run("", &["-V"]);
    assert_eq!(long.status.code(), Some(0));
    assert!(long.stderr.starts_with(&short.stderr) && long.stderr.len() > short.stderr.len());
    let arguments = long.stderr.lines().last().expect("a line");
    assert!(
        arguments.starts_with("configure arguments: "),
        "{arguments}"
    );
    assert!(arguments.contains(" --without-http_fastcgi_module "));
    assert!(!arguments.contains("--without-http_proxy_module"));
    for flag in ["-h", "-?"] {
        let help = run("", &[flag]);
        assert_eq!(help.status.code(), Some(0));
        for option in ["-c ", "-t ", "-q ", "-v ", "-V ", "-p ", "-e ", "-g "] {
            assert!(help.stderr.contains(option), "{option} in {}", help.stderr);
        }
    }
}

#[test]
fn unknown_flags_and_missing_values_are_status_1() {
    for arguments in [&["-x"][..], &["-c"], &["--nonsense"], &["nonsense"]] {
        let run = run("", arguments);
        assert_eq!(run.status.code(), Some(1), "{arguments:?}");
        assert!(run.stderr.starts_with("gapura: "), "{}", run.stderr);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    }
}

#[test]
fn a_port_that_is_taken_is_nginx_s_message_and_status_1() {
    let taken = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let address = taken.local_addr().unwrap();
    let run = run(
        &GOOD.replace("127.0.0.1:18080", &address.to_string()),
        &["-c", "CONFIG"],
    );
    assert_eq!(run.status.code(), Some(1));
    let line = format!("[emerg] bind() to {address} failed (98: Address already in use)");
    assert!(run.stderr.contains(&line), "{}", run.stderr);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

#[test]
fn an_address_that_is_not_this_machine_s_is_status_1() {
    let run = run(
        &GOOD.replace("127.0.0.1:18080", "203.0.113.7:18080"),
        &["-c", "CONFIG"],
    );
    assert_eq!(run.status.code(), Some(1));
    let line = "[emerg] bind() to 203.0.113.7:18080 failed (99: Cannot assign requested address)";
    assert!(run.stderr.contains(line), "{}", run.stderr);
}

#[test]
fn a_port_alone_listens_on_every_address() {
    let backend = Backend::named("one");
    let port = free_port();
    let yaml =
        site(&[&backend], "").replace("listen: LISTEN", &format!("listen: [LISTEN, {port}]"));
    let gapura = Launch::new(&yaml).start();
    assert_eq!(gapura.get("/").text(), "one");
    for address in ["127.0.0.1", "127.0.0.2"] {
        let mut client =
            super::support::Client::connect(format!("{address}:{port}").parse().unwrap());
        assert_eq!(client.get("/").text(), "one", "{address}");
    }
}

#[test]
fn ipv6_is_served() {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("no IPv6 here");
        return;
    }
    let backend = Backend::named("one");
    let port = free_port();
    let yaml = site(&[&backend], "").replace(
        "listen: LISTEN",
        &format!("listen: [LISTEN, \"[::1]:{port}\"]"),
    );
    let gapura = Gapura::start(&yaml);
    assert_eq!(gapura.get("/").text(), "one");
    let mut client = super::support::Client::connect(format!("[::1]:{port}").parse().unwrap());
    assert_eq!(client.get("/").text(), "one");
    let requests = backend.requests();
    assert_eq!(requests[1].header("x-real-ip"), Some("::1"));
}

#[test]
fn the_schema_is_json() {
    let run = run("", &["schema"]);
    assert_eq!(run.status.code(), Some(0));
    let schema: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert!(schema["properties"]["sites"].is_object());
    assert_eq!(run.stderr, "");
}

#[test]
fn the_smallest_file_serves() {
    let backend = Backend::named("one");
    let yaml = format!(
        "sites:\n  - host: wayshub.localhost\n    listen: LISTEN\n    backends:\n      - address: {}\n        weight: 3\n",
        backend.address()
    );
    let gapura = Gapura::start(&yaml);
    assert_eq!(gapura.get("/").text(), "one");
}
