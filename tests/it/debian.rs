//! The nginx.conf that Debian and Ubuntu install starts as it is, with a site of one's own included.

use super::support::{Addressed, Backend, Launch, run_with};
use std::fs;
use std::path::Path;

/// Where Debian's packages put it; it may not be installed.
const FOLDER: &str = "/etc/nginx";

/// The file as it is installed, with nothing changed but where things are: a test has a folder of its
/// own, no port 80, and may not become another user.
fn installed(file: &str) -> Option<String> {
    let text = fs::read_to_string(Path::new(FOLDER).join(file)).ok()?;
    let text = text
        .replace("/etc/nginx/", "")
        .replace("/run/nginx.pid", "nginx.pid")
        .replace("/var/log/nginx/", "")
        .replace("user www-data;", "")
        .replace("listen 80 default_server;", "listen LISTEN default_server;")
        .replace("listen [::]:80 default_server;", "")
        .replace("/var/www/html", "html");
    Some(text)
}

#[test]
fn the_installed_nginx_conf_starts_unchanged() {
    let files = ["nginx.conf", "mime.types", "sites-available/default"];
    let [Some(conf), Some(types), Some(site)] = files.map(installed) else {
        let required = std::env::var("GAPURA_REQUIRE").unwrap_or_default();
        assert!(
            !required.contains("nginx"),
            "Debian's nginx is not installed"
        );
        return;
    };
    let app = Backend::named("app");
    let own =
        "server { server_name app.test; listen LISTEN; location / { proxy_pass http://APP; } }";
    let own = own.replace("APP", &app.address().to_string());
    // The one line that is added.
    let conf = conf.replace(
        "include conf.d/*.conf;",
        "include conf.d/*.conf;\n\tinclude own/*.conf;",
    );
    assert!(conf.contains("include own/*.conf;"), "{conf}");
    // A port is filled in for each LISTEN of the main file.
    let conf = format!("{conf}\n# LISTEN\n");
    let gapura = Launch::nginx(&conf)
        .file("mime.types", &types)
        .file("sites-enabled/default", &site)
        .file("own/app.conf", &own)
        .file("html/index.html", &"<p>welcome</p>\n".repeat(10))
        .file("html/style.css", "p { }")
        .file("html/data.unknown", "x")
        .argument("-p")
        .argument(".")
        .start();
    let answer = gapura.get("/");
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("text/html"))
    );
    let answer = gapura.get("/style.css");
    assert_eq!(answer.header("content-type"), Some("text/css"));
    let answer = gapura.get("/data.unknown");
    assert_eq!(
        answer.header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(gapura.get("/missing").status, 404);
    let request = "GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n";
    assert_eq!(gapura.exchange(request).text(), "app");
    let request = "GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n";
    let answer = gapura.exchange(request);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
}

#[test]
fn what_is_installed_has_no_errors() {
    let conf = Path::new(FOLDER).join("nginx.conf");
    if !conf.exists() {
        return;
    }
    let conf = conf.display().to_string();
    let checked = run_with(&[("empty", "")], &["-t", "-c", &conf]);
    let said = checked.stderr;
    // Opening the logs and the pid file may be refused to whoever runs the tests.
    assert!(!said.contains("is not supported"), "{said}");
    assert!(said.contains("syntax is ok"), "{said}");
}
