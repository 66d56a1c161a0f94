//! The access log.

use super::support::{Addressed, Backend, Gapura, Launch, refusing, request, site, wait_until};

#[test]
fn a_line_is_nginx_s_combined_format_and_the_upstream_s_address() {
    let backend = Backend::named("hello");
    let gapura = Gapura::start(&site(&[&backend], ""));
    gapura.exchange(request("GET", "/a?b=c", "User-Agent: agent/1.0\r\nReferer: http://from.test/\r\nAuthorization: Basic am9lOnNlY3JldA==\r\n"));
    let line = gapura
        .accesses()
        .wait_for("the request", |line| line.contains("/a?b=c"));
    let (start, rest) = line.split_once(" [").expect("a time");
    assert_eq!(start, "127.0.0.1 - joe");
    let (time, rest) = rest.split_once("] ").expect("a time's end");
    let shape: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .collect();
    let (date, zone) = shape.split_once(' ').expect("a zone");
    assert_eq!(
        (&date[..3], &date[6..], date.len()),
        ("99/", "/9999:99:99:99", 20),
        "{time}"
    );
    assert!(zone == "+9999" || zone == "-9999", "{time}");
    assert_eq!(
        rest,
        format!(
            "\"GET /a?b=c HTTP/1.1\" 200 5 \"http://from.test/\" \"agent/1.0\" \"{}\"",
            backend.address()
        )
    );
}

#[test]
fn what_is_missing_is_a_dash() {
    let backend = Backend::named("hello");
    let gapura = Gapura::start(&site(&[&backend], ""));
    gapura.exchange("GET /bare HTTP/1.0\r\n\r\n");
    let line = gapura
        .accesses()
        .wait_for("the request", |line| line.contains("/bare"));
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    let end = format!(
        "\"GET /bare HTTP/1.0\" 200 5 \"-\" \"-\" \"{}\"",
        backend.address()
    );
    assert!(line.ends_with(&end), "{line}");
}

#[test]
fn values_are_escaped() {
    let backend = Backend::named("hello");
    let gapura = Gapura::start(&site(&[&backend], ""));
    gapura.exchange(request(
        "GET",
        "/escaped\"\\",
        "User-Agent: a\"b\\c\u{e9}\tz\r\n",
    ));
    let line = gapura
        .accesses()
        .wait_for("the request", |line| line.contains("/escaped"));
    assert!(
        line.contains("\"GET /escaped\\x22\\x5C HTTP/1.1\""),
        "{line}"
    );
    assert!(line.contains("\"a\\x22b\\x5Cc\\xC3\\xA9\\x09z\""), "{line}");
}

#[test]
fn every_server_that_was_tried_is_named() {
    let (dead, backend) = (refusing(), Backend::named("hello"));
    let gapura = Gapura::start(&site(&[&dead, &backend], "health_check: off"));
    gapura.get("/first");
    gapura.get("/second");
    let both = format!("\"{dead}, {}\"", backend.address());
    gapura
        .accesses()
        .wait_for("two servers", |line| line.ends_with(&both));
}

#[test]
fn refused_requests_are_logged_too() {
    let backend = Backend::named("hello");
    let gapura = Gapura::start(&site(&[&backend], ""));
    gapura.exchange("G@RBAGE\r\n\r\n");
    gapura
        .accesses()
        .wait_for("400", |line| line.contains("\" 400 "));
    gapura.get(&format!("/{}", "x".repeat(9000)));
    gapura
        .accesses()
        .wait_for("414", |line| line.contains("\" 414 "));
    gapura.exchange(request("POST", "/large", "Content-Length: 9999999\r\n"));
    gapura
        .accesses()
        .wait_for("413", |line| line.contains("\"POST /large HTTP/1.1\" 413 "));
}

#[test]
fn a_refused_request_is_logged_with_what_it_got() {
    let backend = Backend::named("hello");
    let settings = "access_log: { path: stdout, format: '$status $bytes_sent $body_bytes_sent' }";
    let gapura = Gapura::start(&site(&[&backend], settings));
    for (request, has_page) in [
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", true),
        ("HEAD / HTTP/1.1\r\nHost: a b\r\n\r\n", false),
    ] {
        let mut client = gapura.connect();
        client.send(request);
        let answer = client.read_rest();
        let head = answer.windows(4).position(|end| end == b"\r\n\r\n");
        let body = answer.len() - head.expect("a header") - 4;
        assert_eq!(body > 0, has_page);
        let line = format!("400 {} {body}", answer.len());
        gapura.accesses().wait_for(&line, |found| found == line);
    }
}

#[test]
fn a_format_and_a_file_can_be_given() {
    let backend = Backend::named("hello");
    let settings = r#"
access_log:
  - { path: access.log, format: "$status|$request_method|$uri|$host|$body_bytes_sent|$upstream_status|$http_x_own|$sent_http_content_length" }
  - { path: combined.log, format: combined }
  - stdout
"#;
    let gapura = Gapura::start(&site(&[&backend], settings));
    gapura.exchange(request("GET", "/x%20y", "X-Own: own\r\n"));
    let read = |name: &str| std::fs::read_to_string(gapura.folder().join(name)).unwrap_or_default();
    wait_until("lines are written", || {
        read("access.log").ends_with('\n') && read("combined.log").ends_with('\n')
    });
    assert_eq!(
        read("access.log"),
        "200|GET|/x y|example.test|5|200|own|5\n"
    );
    assert!(read("combined.log").ends_with("\"GET /x%20y HTTP/1.1\" 200 5 \"-\" \"-\"\n"));
    gapura
        .accesses()
        .wait_for("stdout too", |line| line.contains("/x%20y"));
}

#[test]
fn off_logs_nothing_for_its_location() {
    let backend = Backend::named("hello");
    let yaml = format!(
        "sites:
  - listen: LISTEN
    locations:
      - {{ path: /, backends: [\"{0}\"] }}
      - {{ path: /quiet/, access_log: off, backends: [\"{0}\"] }}
",
        backend.address()
    );
    let gapura = Gapura::start(&yaml);
    gapura.get("/quiet/1");
    gapura.get("/loud");
    gapura
        .accesses()
        .wait_for("the loud one", |line| line.contains("/loud"));
    assert!(
        gapura
            .accesses()
            .all()
            .iter()
            .all(|line| !line.contains("/quiet/"))
    );
}

#[test]
fn timings_are_seconds() {
    let backend = Backend::start(|_, stream| {
        std::thread::sleep(std::time::Duration::from_millis(150));
        super::support::respond(stream, 200, "", "slow")
    });
    let settings = "access_log: { path: stdout, format: \"t $request_time $upstream_response_time $upstream_connect_time\" }";
    let gapura = Gapura::start(&site(&[&backend], settings));
    gapura.get("/");
    let line = gapura
        .accesses()
        .wait_for("times", |line| line.starts_with("t "));
    let times: Vec<f64> = line[2..]
        .split(' ')
        .map(|time| time.parse().expect("seconds"))
        .collect();
    assert!(
        times[0] >= 0.14 && times[1] >= 0.14 && times[2] < times[0],
        "{line}"
    );
}

#[test]
fn the_error_log_can_be_a_file() {
    let yaml = site(&[&refusing()], "health_check: off");
    let gapura = Launch::new(&yaml)
        .argument("-e")
        .argument("error.log")
        .start();
    assert_eq!(gapura.get("/").status, 502);
    let path = gapura.folder().join("error.log");
    wait_until("the cause is written", || {
        std::fs::read_to_string(&path)
            .unwrap_or_default()
            .contains("Connection refused")
    });
}

fn nginx(http: &str) -> Gapura {
    let conf = format!("events {{}}\nhttp {{\n{http}\n}}\n");
    Launch::nginx(&conf).argument("-p").argument(".").start()
}

fn read(gapura: &Gapura, name: &str) -> String {
    std::fs::read_to_string(gapura.folder().join(name)).unwrap_or_default()
}

#[test]
fn a_request_may_name_the_file_of_its_line() {
    let gapura = nginx(
        "log_format short '$uri'; server { listen LISTEN; root .; access_log $arg_to.log short; location / { return 204; } }",
    );
    gapura.get("/1?to=one");
    // Lines of two connections have no order among them.
    wait_until("the first line", || read(&gapura, "one.log") == "/1\n");
    gapura.get("/2?to=two");
    gapura.get("/3?to=one");
    wait_until("every line", || {
        read(&gapura, "one.log") == "/1\n/3\n" && read(&gapura, "two.log") == "/2\n"
    });
    // It is looked for anew, without being told that it was moved away.
    std::fs::remove_file(gapura.folder().join("one.log")).expect("removed");
    gapura.get("/4?to=one");
    wait_until("a new file", || read(&gapura, "one.log") == "/4\n");
    gapura.get("/5?to=missing/one");
    gapura.errors().wait_for("the refusal", |line| {
        line.contains("[crit] ") && line.contains("missing/one.log\" failed (2: ")
    });
}

#[test]
fn lines_are_held_back_until_they_fill_the_buffer() {
    let mut gapura = nginx(
        "log_format short '$uri'; access_log off; server { listen LISTEN; access_log held.log short buffer=64; access_log flushed.log short buffer=64k flush=100ms; location / { return 204; } }",
    );
    let path = format!("/{}", "x".repeat(29));
    gapura.get(&path);
    wait_until("the time", || {
        read(&gapura, "flushed.log").lines().count() == 1
    });
    gapura.get(&path);
    wait_until("the time again", || {
        read(&gapura, "flushed.log").lines().count() == 2
    });
    assert_eq!(read(&gapura, "held.log"), "");
    gapura.get("/3");
    wait_until("the first two", || {
        read(&gapura, "held.log").lines().count() == 2
    });
    gapura.signal(libc::SIGUSR1);
    wait_until("the third, at a reopening", || {
        read(&gapura, "held.log").ends_with("/3\n")
    });
    gapura.get("/4");
    gapura.signal(libc::SIGQUIT);
    let folder = gapura.folder().to_owned();
    // The folder goes with the program.
    let held = std::thread::spawn(move || {
        let held = folder.join("held.log");
        wait_until("the last, at the end", || {
            std::fs::read_to_string(&held)
                .unwrap_or_default()
                .ends_with("/4\n")
        });
    });
    held.join().expect("the last line");
    gapura.wait_for_exit();
}

#[test]
fn a_log_can_be_compressed() {
    use std::io::Read;
    let gapura = nginx(
        "log_format short '$uri'; server { listen LISTEN; access_log log.gz short gzip=9 flush=10ms; location / { return 204; } }",
    );
    let unpacked = || {
        let bytes = std::fs::read(gapura.folder().join("log.gz")).unwrap_or_default();
        let mut text = String::new();
        // It may be half written.
        let _ = flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text);
        text
    };
    gapura.get("/one");
    wait_until("the first", || unpacked() == "/one\n");
    gapura.get("/two");
    wait_until("the second", || unpacked() == "/one\n/two\n");
}

#[test]
fn what_is_known_of_the_connection() {
    let gapura = nginx(
        "log_format all '$connection_time $realip_remote_port=$remote_port $tcpinfo_rtt $tcpinfo_rttvar $tcpinfo_snd_cwnd $tcpinfo_rcv_space'; access_log /dev/stdout all; server { listen LISTEN; location / { return 204; } }",
    );
    gapura.get("/");
    let line = gapura.accesses().wait_for("the line", |_| true);
    let words: Vec<&str> = line.split(' ').collect();
    let time: f64 = words[0].parse().expect("seconds");
    assert!((0.0..20.0).contains(&time), "{line}");
    let (one, other) = words[1].split_once('=').expect("two ports");
    assert_eq!(one, other);
    for word in &words[2..] {
        assert!(word.parse::<u32>().is_ok(), "{line}");
    }
}

/// A disk that is full, and a folder that goes away: requests are answered all the same, the error log
/// says it once, and lines are written as soon as they can be.
#[test]
fn a_log_that_cannot_be_written_stops_nobody() {
    let gapura = Launch::nginx(
        "events {}\nhttp {\n access_log /dev/full;\n server { listen LISTEN;\n location / { return 200 here; }\n location /own { access_log own/access.log; return 200 own; } } }",
    )
    .file("own/other", "")
    .argument("-p")
    .argument(".")
    .start();
    let said = |text: &str| {
        let lines = gapura.errors().all();
        lines.iter().filter(|line| line.contains(text)).count()
    };
    let full = "write() to \"/dev/full\" failed (28: No space left on device)";
    for _ in 0..50 {
        assert_eq!(gapura.get("/").text(), "here");
    }
    gapura
        .errors()
        .wait_for("the reason", |line| line.contains(full));

    let own = gapura.folder().join("own");
    gapura.get("/own/first");
    let has = |text: &str| {
        std::fs::read_to_string(own.join("access.log")).is_ok_and(|log| log.contains(text))
    };
    wait_until("a line", || has("/own/first"));
    std::fs::remove_dir_all(&own).expect("removed");
    gapura.signal(libc::SIGUSR1);
    let gone = "access.log\" failed (2: No such file or directory)";
    wait_until("the reason", || {
        assert_eq!(gapura.get("/own").text(), "own");
        said(gone) == 1
    });
    for _ in 0..50 {
        assert_eq!(gapura.get("/own").text(), "own");
        assert_eq!(gapura.get("/").text(), "here");
    }
    std::fs::create_dir(&own).expect("a folder");
    wait_until("a line", || {
        assert_eq!(gapura.get("/own/again").text(), "own");
        has("/own/again")
    });
    gapura
        .errors()
        .wait_for("the end of it", |line| line.ends_with("written again"));
    assert_eq!((said(full), said(gone)), (1, 1));
}
