//! Files, where tests/parity cannot compare: links, large files, the error log.

use super::support::{Gapura, Launch, request};
use std::fs::{self, File};
use std::os::unix::fs::symlink;

const CONF: &str = "\
events {}
http {
    access_log /dev/stdout;
    server {
        listen LISTEN;
        root files;
        location /silent/ { log_not_found off; }
        location /links/on/ { alias files/; disable_symlinks on from=$document_root; }
        location /links/all/ { alias files/; disable_symlinks on; }
        location /links/owner/ { alias files/; disable_symlinks if_not_owner from=$document_root; }
        location /real/ { alias files/link/; add_header X-Real $realpath_root; }
    }
}
";

/// With the folder of the test as the prefix, where `files` is.
fn start() -> Gapura {
    Launch::nginx(CONF)
        .file("files/real/a.txt", "text")
        .file("files/b.txt", "b")
        .argument("-p")
        .argument(".")
        .start()
}

#[test]
fn a_gigabyte_is_read_in_pieces() {
    const GIGABYTE: u64 = 1 << 30;
    let gapura = start();
    let file = File::create(gapura.folder().join("files/large")).expect("a file");
    file.set_len(GIGABYTE).expect("a length");
    let mut client = gapura.connect();
    client.send(request("GET", "/large", ""));
    let length = GIGABYTE.to_string();
    let head = client.read_head();
    assert_eq!(head.header("content-length"), Some(length.as_str()));
    assert_eq!(client.discard(GIGABYTE), GIGABYTE);
    let answer = client.get("/b.txt");
    assert_eq!((answer.status, answer.text()), (200, "b"));
    let peak = gapura.peak_memory();
    assert!(peak < 200 << 20, "{peak} bytes of memory");
}

#[test]
fn links_are_followed_as_far_as_is_said() {
    let gapura = start();
    let files = gapura.folder().join("files");
    symlink("real", files.join("link")).expect("a link");
    symlink("a.txt", files.join("real/link.txt")).expect("a link");
    // The folder of the test itself may be behind a link.
    for (path, status) in [
        ("/link/a.txt", 200),
        ("/real/link.txt", 200),
        ("/links/on/real/a.txt", 200),
        ("/links/on/real/link.txt", 403),
        ("/links/on/link/a.txt", 403),
        ("/links/on/link/", 403),
        ("/links/on/missing.txt", 404),
        ("/links/all/real/link.txt", 403),
        ("/links/owner/link/link.txt", 200),
    ] {
        assert_eq!(gapura.get(path).status, status, "{path}");
    }
    let real = files.canonicalize().expect("it is there").join("real");
    let answer = gapura.get("/real/a.txt");
    assert_eq!(answer.header("x-real"), real.to_str());
}

#[test]
fn what_is_not_there_is_logged_in_nginx_s_words() {
    let gapura = start();
    assert_eq!(gapura.get("/silent/missing").status, 404);
    assert_eq!(gapura.get("/silent/folder/").status, 404);
    assert_eq!(gapura.get("/missing").status, 404);
    assert_eq!(gapura.get("/folder/").status, 404);
    assert_eq!(gapura.get("/real/").status, 404);
    assert_eq!(gapura.get("/").status, 403);
    let errors = gapura.errors();
    for said in [
        "files/missing\" failed (2: No such file or directory)",
        "files/folder/index.html\" is not found (2: No such file or directory)",
        "directory index of \"",
    ] {
        errors.wait_for(said, |line| line.contains(said));
    }
    let all = errors.all();
    assert!(!all.iter().any(|line| line.contains("silent/missing")));
    assert!(!all.iter().any(|line| line.contains("silent/folder/index")));
}

#[test]
fn a_file_that_may_not_be_read_is_forbidden() {
    use std::os::unix::fs::PermissionsExt;
    let gapura = start();
    let file = gapura.folder().join("files/b.txt");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).expect("our own file");
    // Root reads everything.
    let expected = if File::open(&file).is_ok() { 200 } else { 403 };
    assert_eq!(gapura.get("/b.txt").status, expected);
}
