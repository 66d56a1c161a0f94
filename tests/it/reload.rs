//! SIGHUP.

use super::support::{Backend, Gapura, Gate, Then, request, respond, site, wait_until};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

#[test]
fn a_good_file_is_swapped_in() {
    let (old, new) = (Backend::named("old"), Backend::named("new"));
    let gapura = Gapura::start(&site(&[&old], ""));
    let mut client = gapura.connect();
    assert_eq!(client.get("/").text(), "old");
    gapura.reload(&site(&[&new], "add_header: { X-New: yes }"));
    wait_until("the new file serves", || {
        // Over a connection that is older than the reload: requests count, not connections.
        client.get("/").text() == "new"
    });
    assert!(client.get("/").header("x-new").is_some());
}

#[test]
fn a_bad_file_keeps_the_old_one_and_says_why() {
    let backend = Backend::named("one");
    let yaml = site(&[&backend], "");
    let gapura = Gapura::start(&yaml);
    for (bad, reason) in [
        (yaml.replace("host:", "hots:"), "hots"),
        ("sites: [".to_owned(), "[emerg]"),
        (
            format!(
                "{yaml}\nupstreams: {{ shop: {{ balance: nonsense, servers: [\"127.0.0.1:1\"] }} }}\n"
            ),
            "nonsense",
        ),
        (String::new(), "[emerg]"),
    ] {
        let seen = gapura.errors().all().len();
        gapura.reload(&bad);
        wait_until(reason, || {
            gapura.errors().all()[seen..]
                .iter()
                .any(|line| line.contains(reason))
        });
        assert_eq!(gapura.get("/").text(), "one", "{reason}");
    }
    // And a good one after them is taken.
    let new = Backend::named("new");
    gapura.reload(&site(&[&new], ""));
    wait_until("the new file serves", || gapura.get("/").text() == "new");
}

#[test]
fn a_missing_file_keeps_the_old_one() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], ""));
    std::fs::remove_file(gapura.folder().join("gapura.yaml")).unwrap();
    gapura.signal(libc::SIGHUP);
    gapura.errors().wait_for("the reason", |line| {
        line.contains("[emerg]") && line.contains("No such file or directory")
    });
    assert_eq!(gapura.get("/").text(), "one");
}

#[test]
fn reloads_under_load_fail_no_request() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    let yaml = |round: usize| {
        let settings = format!("add_header: {{ X-Round: {round} }}");
        if round.is_multiple_of(2) {
            site(&[&one, &two], &settings)
        } else {
            site(&[&two], &settings)
        }
    };
    let gapura = Gapura::start(&yaml(0));
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = gapura.connect();
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.get("/");
                    assert!(answer.status == 200 && answer.whole, "{answer:?}");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let reloading = scope.spawn(|| {
            for round in 1..=10 {
                gapura.reload(&yaml(round));
                let expected = round.to_string();
                wait_until("the round's file serves", || {
                    gapura.get("/").header("x-round") == Some(expected.as_str())
                });
            }
        });
        let result = reloading.join();
        stop.store(true, Ordering::Relaxed);
        result.unwrap();
    });
    assert!(served.load(Ordering::Relaxed) > 40);
}

#[test]
fn a_download_outlives_a_reload() {
    let gate = Gate::default();
    let at_backend = gate.clone();
    let old = Backend::start(move |request, stream| {
        if request.target() == "/" {
            return respond(stream, 200, "", "old");
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")?;
        at_backend.wait();
        stream.write_all(b"5\r\nlater\r\n0\r\n\r\n")?;
        Ok(Then::Keep)
    });
    let new = Backend::named("new");
    let gapura = Gapura::start(&site(&[&old], ""));
    let mut client = gapura.connect();
    client.send(request("GET", "/slow", ""));
    client.read_head();
    assert_eq!(client.read_exactly(10), b"5\r\nfirst\r\n");
    gapura.reload(&site(&[&new], ""));
    wait_until("the new file serves", || gapura.get("/").text() == "new");
    gate.open();
    assert_eq!(client.read_exactly(15), b"5\r\nlater\r\n0\r\n\r\n");
    assert_eq!(client.get("/").text(), "new");
}

#[test]
fn an_error_page_is_read_again() {
    let settings = "error_page: { 502: down.html }";
    let yaml = site(&[&super::support::refusing()], settings);
    let gapura = super::support::Launch::new(&yaml)
        .file("down.html", "first")
        .start();
    assert_eq!(gapura.get("/").text(), "first");
    std::fs::write(gapura.folder().join("down.html"), "second").unwrap();
    assert_eq!(gapura.get("/").text(), "first", "read at load time only");
    gapura.reload(&yaml);
    wait_until("the new page is shown", || {
        gapura.get("/").text() == "second"
    });
}

#[test]
fn many_reloads_leave_nothing_behind() {
    let backend = Backend::named("one");
    let gapura = Gapura::start(&site(&[&backend], ""));
    let round = |number: usize| {
        let settings = format!("add_header: {{ X-Round: {number} }}");
        gapura.reload(&site(&[&backend], &settings));
        let expected = number.to_string();
        wait_until("the reload", || {
            gapura.get("/").header("x-round") == Some(expected.as_str())
        });
    };
    round(0);
    let before = gapura.descriptors();
    for number in 1..20 {
        round(number);
    }
    wait_until("descriptors are as before", || {
        gapura.descriptors() <= before + 4
    });
}
