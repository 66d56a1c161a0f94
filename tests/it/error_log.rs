//! Error logs: which lines go where.

use super::support::{Gapura, Launch, refusing, wait_until};
use std::fs;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// A server whose locations name logs of their own, and send requests to nobody.
fn start(main: &str, http: &str, server: &str) -> Gapura {
    let conf = format!(
        "daemon off;
{main}
events {{}}
http {{
    access_log off;
    {http}
    server {{
        listen LISTEN;
        {server}
        location / {{ proxy_pass http://{dead}; }}
        location /own/ {{ error_log own.log; proxy_pass http://{dead}; }}
        location /quiet/ {{ error_log quiet.log crit; proxy_pass http://{dead}; }}
        location /two/ {{ error_log first.log warn; error_log second.log emerg; error_log third.log debug; proxy_pass http://{dead}; }}
    }}
}}
",
        dead = refusing()
    );
    Launch::nginx(&conf)
        .argument("-p")
        .argument(".")
        .argument("-e")
        .argument("given.log")
        .start()
}

fn read(gapura: &Gapura, name: &str) -> String {
    fs::read_to_string(gapura.folder().join(name)).unwrap_or_default()
}

#[test]
fn the_innermost_log_is_the_one() {
    let gapura = start("error_log main.log;", "error_log http.log;", "");
    gapura.get("/a");
    gapura.get("/own/b");
    gapura.get("/quiet/c");
    gapura.get("/two/d");
    // Lines are written before the answer is.
    let found = |name: &str, path: &str| read(&gapura, name).matches(path).count();
    assert_eq!(
        found("http.log", "GET /a "),
        1,
        "{}",
        read(&gapura, "http.log")
    );
    assert_eq!(found("own.log", "GET /own/b "), 1);
    assert_eq!(found("first.log", "GET /two/d "), 1);
    assert!(found("third.log", "GET /two/d ") > 1, "the cause, too");
    for name in ["main.log", "given.log", "quiet.log", "second.log"] {
        assert_eq!(read(&gapura, name), "", "{name}");
    }
    assert_eq!(read(&gapura, "http.log").lines().count(), 1);
}

#[test]
fn a_line_has_nginx_s_form() {
    let gapura = start("", "", "error_log server.log; server_name named;");
    gapura.get("/x?y");
    let text = read(&gapura, "server.log");
    let line = text.trim_end();
    let (time, rest) = line.split_at("2026/11/21 19:00:00".len());
    let shape: String = (time.chars())
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .collect();
    assert_eq!(shape, "9999/99/99 99:99:99");
    let rest = rest.strip_prefix(" [error] ").expect("a level");
    let (ids, rest) = rest.split_once(": *").expect("a connection");
    let (process, thread) = ids.split_once('#').expect("two numbers");
    assert_eq!(process, gapura.id().to_string());
    assert!(thread.parse::<u32>().is_ok(), "{thread}");
    let (serial, rest) = rest.split_once(' ').expect("a message");
    assert!(serial.parse::<u32>().is_ok(), "{serial}");
    let (start, upstream) = rest
        .split_once(", upstream: \"http://127.0.0.1:")
        .expect("an upstream");
    assert_eq!(
        start,
        "connect() failed (111: Connection refused) while connecting to upstream, client: 127.0.0.1, server: named, request: \"GET /x?y HTTP/1.1\""
    );
    assert!(
        upstream.ends_with("/x?y\", host: \"example.test\""),
        "{upstream}"
    );
}

#[test]
fn a_line_says_what_the_server_was_asked_for_and_who_asked() {
    let dead = refusing();
    let location = format!("location /app/ {{ proxy_pass http://{dead}/base/; }}");
    let gapura = start("", "", &format!("error_log server.log info; {location}"));
    gapura.exchange(
        "GET /app/%22x\"?y HTTP/1.1\r\nHost: a.test\r\nReferer: http://b.test/\"\r\n\
         Connection: close\r\n\r\n",
    );
    let text = read(&gapura, "server.log");
    let end = format!(
        "request: \"GET /app/%22x\"?y HTTP/1.1\", upstream: \"http://{dead}/base/%22x%22?y\", \
         host: \"a.test\", referrer: \"http://b.test/\"\"\n"
    );
    assert!(text.ends_with(&end), "{text}");
}

#[test]
fn a_refusal_says_what_was_sent() {
    let gapura = start("", "", "error_log server.log info;");
    gapura.exchange("GET / HTTP/1.1\r\nHost: a.test\r\nhost: b.test\r\n\r\n");
    gapura.exchange("TRACE / HTTP/1.1\r\nHost: a.test\r\nReferer: /r\r\n\r\n");
    let text = read(&gapura, "server.log");
    let lines = [
        "client sent duplicate host header: \"host: b.test\", previous value: \"Host: a.test\" \
         while reading client request headers, client: 127.0.0.1, server: , \
         request: \"GET / HTTP/1.1\", host: \"a.test\"\n",
        "client sent TRACE method while reading client request headers, client: 127.0.0.1, \
         server: , request: \"TRACE / HTTP/1.1\", host: \"a.test\", referrer: \"/r\"\n",
    ];
    for line in lines {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn the_process_says_what_happens_to_it_in_the_outermost_log() {
    let gapura = start(
        "error_log main.log notice;",
        "error_log http.log notice;",
        "",
    );
    gapura.signal(libc::SIGHUP);
    wait_until("the reload", || {
        read(&gapura, "main.log").contains("[notice] ")
    });
    wait_until("its end", || {
        read(&gapura, "main.log").contains(": reconfigured\n")
    });
    assert_eq!(read(&gapura, "http.log"), "");
}

#[test]
fn files_are_opened_again() {
    let gapura = start("error_log main.log info;", "", "");
    gapura.get("/a");
    let (old, new) = (
        gapura.folder().join("main.log"),
        gapura.folder().join("old.log"),
    );
    fs::rename(&old, &new).expect("moved");
    gapura.signal(libc::SIGUSR1);
    wait_until("a new file", || old.exists());
    gapura.get("/b");
    assert!(read(&gapura, "main.log").contains("GET /b "));
    assert!(!read(&gapura, "old.log").contains("GET /b "));
}

#[test]
fn a_log_that_cannot_be_opened_is_an_error() {
    let conf = "error_log missing/error.log; events {} http { access_log off; server { listen 127.0.0.1:0; location / { return 204; } } }";
    let run = super::support::run_with(&[("nginx.conf", conf)], &["-p", ".", "-c", "nginx.conf"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(run.stderr.contains("[emerg] open() \""), "{}", run.stderr);
    assert!(
        run.stderr
            .contains("/missing/error.log\" failed (2: No such file or directory)"),
        "{}",
        run.stderr
    );
}

#[test]
fn t_opens_logs_as_a_start_does() {
    for directive in ["error_log", "access_log"] {
        let conf = format!(
            "events {{}} http {{ access_log off; server {{ listen 127.0.0.1:0; {directive} missing/x.log; location / {{ return 204; }} }} }}"
        );
        for arguments in [
            &["-p", ".", "-c", "CONFIG", "-t"][..],
            &["-p", ".", "-c", "CONFIG"],
        ] {
            let run = super::support::run_with(&[("nginx.conf", &conf)], arguments);
            assert_eq!(run.status.code(), Some(1), "{directive} {}", run.stderr);
            let open = "/missing/x.log\" failed (2: No such file or directory)";
            assert!(run.stderr.contains(open), "{directive} {}", run.stderr);
        }
    }
}

#[test]
fn syslog_gets_lines_over_udp_and_unix_sockets() {
    let folder = std::env::temp_dir();
    let path = folder.join(format!("gapura-syslog-{}", std::process::id()));
    let unix = UnixDatagram::bind(&path).expect("a socket");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let patience = Some(Duration::from_secs(20));
    unix.set_read_timeout(patience).expect("a timeout");
    udp.set_read_timeout(patience).expect("a timeout");
    let server = format!(
        "error_log syslog:server={},facility=user,tag=door,nohostname; error_log syslog:server=unix:{} warn;",
        udp.local_addr().expect("bound"),
        path.display()
    );
    let gapura = start("", "", &server);
    gapura.get("/x");
    let mut buffer = [0; 4096];
    let length = udp.recv(&mut buffer).expect("a message");
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    // user (1) and error (3)
    assert!(text.starts_with("<11>"), "{text}");
    assert!(text.contains(" door: "), "{text}");
    assert!(
        text.contains("[error]") && text.contains("GET /x "),
        "{text}"
    );
    let length = unix.recv(&mut buffer).expect("a message");
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    // local7 (23) and error (3)
    assert!(text.starts_with("<187>"), "{text}");
    assert!(text.contains(" nginx: "), "{text}");
    fs::remove_file(path).expect("removed");
}

#[test]
fn syslog_gets_access_lines() {
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    udp.set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a timeout");
    let address = udp.local_addr().expect("bound");
    let conf = format!(
        "events {{}} http {{ log_format short '$request_method $uri'; access_log syslog:server={address},severity=notice,tag=a_b short; server {{ listen LISTEN; location / {{ return 204; }} }} }}"
    );
    let gapura = Launch::nginx(&conf).start();
    gapura.get("/x");
    let mut buffer = [0; 4096];
    let length = udp.recv(&mut buffer).expect("a message");
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(
        text.starts_with("<189>") && text.ends_with(" a_b: GET /x"),
        "{text}"
    );
}
