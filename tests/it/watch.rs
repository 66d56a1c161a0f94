//! `--watch`: files that change are a reload.

use super::support::{Daemon, Gapura, Launch, wait_until};
use std::fs;

const CONF: &str = "error_log stderr notice;\nevents {}\nhttp { include sites/*.conf; }\n";
const SITE: &str =
    "server { listen LISTEN; error_page 404 /404.html; location / { return 200 here; } }";

fn start() -> Gapura {
    // The port stands in the file of the test's own that is included.
    let gapura = Launch::nginx(&CONF.replace(
        "http {",
        "http { server { listen LISTEN; location / { return 200 first; } }",
    ));
    gapura
        .file("sites/none.conf", "")
        .argument("--watch")
        .start()
}

fn wait_for(gapura: &Gapura, path: &str, text: &str) {
    wait_until("the new files serve", || gapura.get(path).text() == text);
}

#[test]
fn a_changed_file_and_a_new_one_are_taken() {
    let gapura = start();
    assert_eq!(gapura.get("/").text(), "first");
    let conf = gapura.folder().join("nginx.conf");
    let text = fs::read_to_string(&conf).expect("the file");
    fs::write(&conf, text.replace("first", "second")).expect("written");
    wait_for(&gapura, "/", "second");

    // One that the pattern matches, for a name of its own.
    let address = gapura.address();
    let site = SITE.replace(
        "listen LISTEN;",
        &format!("listen {address}; server_name new.test;"),
    );
    fs::write(gapura.folder().join("sites/new.conf"), site).expect("written");
    let request = "GET / HTTP/1.1\r\nHost: new.test\r\n\r\n";
    wait_until("the new site", || gapura.exchange(request).text() == "here");

    // As Kubernetes and most editors change files.
    let replaced = gapura.folder().join("sites/new.conf");
    let other = fs::read_to_string(&replaced)
        .expect("the file")
        .replace("here", "there");
    fs::write(gapura.folder().join("sites/.new"), other).expect("written");
    fs::rename(gapura.folder().join("sites/.new"), &replaced).expect("renamed");
    wait_until("the replaced one", || {
        gapura.exchange(request).text() == "there"
    });
    fs::remove_file(replaced).expect("removed");
    wait_until("it is gone", || gapura.exchange(request).text() == "second");
}

#[test]
fn a_mistake_changes_nothing_and_its_correction_is_seen() {
    let gapura = start();
    let site = gapura.folder().join("sites/site.conf");
    fs::write(&site, "server { nonsense; }").expect("written");
    let said = gapura
        .errors()
        .wait_for("the reason", |line| line.contains("[emerg]"));
    assert!(
        said.contains("unknown directive \"nonsense\" in ") && said.ends_with("site.conf:1"),
        "{said}"
    );
    assert_eq!(gapura.get("/").text(), "first");
    let address = gapura.address();
    let right =
        format!("server {{ listen {address}; server_name _; location / {{ return 200 right; }} }}");
    fs::write(&site, right).expect("written");
    gapura
        .errors()
        .wait_for("a reload", |line| line.ends_with("reconfigured"));
    let request = "GET / HTTP/1.1\r\nHost: _\r\n\r\n";
    wait_until("the correction", || {
        gapura.exchange(request).text() == "right"
    });
    // Once each: nothing has changed since.
    let reloads = |line: &&String| line.contains("files have changed");
    assert_eq!(gapura.errors().all().iter().filter(reloads).count(), 2);
}

#[test]
fn without_it_files_wait_for_a_signal() {
    let conf = CONF.replace(
        "include sites/*.conf;",
        "server { listen LISTEN; location / { return 200 first; } }",
    );
    let gapura = Launch::nginx(&conf).start();
    let watching = start();
    for gapura in [&gapura, &watching] {
        let conf = gapura.folder().join("nginx.conf");
        let text = fs::read_to_string(&conf).expect("the file");
        fs::write(&conf, text.replace("first", "second")).expect("written");
    }
    wait_for(&watching, "/", "second");
    assert_eq!(gapura.get("/").text(), "first");
    gapura.signal(libc::SIGHUP);
    wait_for(&gapura, "/", "second");
}

#[test]
fn a_parent_looks_at_files_that_are_root_s_alone() {
    // SAFETY: geteuid(2) touches no memory.
    if unsafe { libc::geteuid() } != 0 {
        println!(
            "a_parent_looks_at_files_that_are_root_s_alone is skipped: only root can become another user"
        );
        return;
    }
    let conf = "user nobody;\nerror_log logs/error.log notice;\nevents {}\nhttp { server { listen LISTEN; location / { return 200 here; } } }\n";
    let daemon = Daemon::prepare(conf);
    assert!(daemon.run(&["--watch"]).status.success());
    let parent = daemon.pid();
    assert_eq!(daemon.get("/").text(), "here");
    daemon.write("nginx.conf", "nonsense");
    daemon.wait_for_error("[emerg]");
    assert_eq!(daemon.get("/").text(), "here");
    daemon.write("nginx.conf", &conf.replace("here", "there"));
    wait_until("the new file serves", || daemon.get("/").text() == "there");
    assert_eq!(daemon.pid(), parent);
}
