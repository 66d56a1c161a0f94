//! nginx's language: it means what YAML means, it survives what nobody would write, and its table is
//! what docs/nginx.md says. What it says about mistakes is in `tests/config/nginx/`.

#[path = "support/load.rs"]
mod support;

use gapura::config::{self, Treatment};
use proptest::prelude::*;
use std::fmt::Write;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn pairs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/nginx/pairs");
    let entries = std::fs::read_dir(folder).expect("a folder of the repository");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "conf"))
        .collect()
}

#[test]
fn both_languages_have_one_meaning() {
    let pairs = pairs();
    assert!(pairs.len() >= 2, "the pairs were not found");
    for conf in pairs {
        let load = |path: &Path| match config::load(path) {
            Ok(loaded) => loaded.model,
            Err(errors) => panic!("{errors}"),
        };
        let (nginx, yaml) = (load(&conf), load(&conf.with_extension("yaml")));
        assert_eq!(nginx.listeners, yaml.listeners, "{}", conf.display());
        assert_eq!(nginx.sites, yaml.sites, "{}", conf.display());
        assert_eq!(nginx.upstreams, yaml.upstreams, "{}", conf.display());
        assert_eq!(nginx, yaml, "{}", conf.display());
    }
}

fn load(text: &str) -> bool {
    support::load(text, "nginx.conf", "tests/config", "nginx: [")
}

const EXAMPLES: [&str; 4] = [
    include_str!("../conf/nginx/nginx.conf"),
    include_str!("../conf/nginx/sites/wayshub.conf"),
    include_str!("config/nginx/pairs/balancing.conf"),
    include_str!("config/nginx/pairs/inheritance.conf"),
];

/// Pieces of the language, so that random text is often nearly right.
fn piece() -> impl Strategy<Value = String> {
    let directives = config::directives();
    let names: Vec<&str> = directives.iter().map(|directive| directive.name).collect();
    prop_oneof![
        3 => prop::sample::select(names).prop_map(|name| format!("{name} ")),
        4 => prop::sample::select(vec![
            "events {} http { ", "server { ", "location / { ", "upstream u { ", "server 127.0.0.1:1; ",
            "listen 80; ", "server_name a; ", "proxy_pass http://u; ", "return 404; ", "include x*; ",
            "include nginx/included/loop.conf; ", "~ ( ", "= / ", "off ", "on ", "10s ", "$host ", "${", "\\", "'", "\"",
        ]).prop_map(str::to_owned),
        4 => prop::sample::select(vec![";", "{", "}", "\n", " ", "\r\n", "#", "} ", "; "]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gets_an_answer(text in any::<String>()) {
        load(&text);
    }

    #[test]
    fn nearly_nginx_gets_an_answer(pieces in prop::collection::vec(piece(), 0..60)) {
        load(&pieces.concat());
    }

    #[test]
    fn a_damaged_file_gets_an_answer(
        example in prop::sample::select(EXAMPLES.to_vec()),
        at in any::<prop::sample::Index>(),
        length in 0usize..20,
        piece in piece(),
    ) {
        let characters: Vec<char> = example.chars().collect();
        let at = at.index(characters.len());
        let end = (at + length).min(characters.len());
        let damaged: String = characters[..at].iter().copied()
            .chain(piece.chars())
            .chain(characters[end..].iter().copied())
            .collect();
        load(&damaged);
    }
}

/// Directives that a location may have, each as it may be written; all but the first three a server, too.
const SETTINGS: [&str; 24] = [
    "proxy_pass http://app;",
    "proxy_pass http://$arg_to:8080;",
    "proxy_pass http://127.0.0.1:9/u/;",
    "return 200 $host$mapped;",
    "return 301 https://$host$request_uri;",
    "rewrite ^/(a+)(?=b) /$1 last;",
    "set $mine ${arg_x}y;",
    "if ($http_cookie ~* \"id=([^;]+)\") { set $mine $1; }",
    "error_page 404 = @other;",
    "error_page 502 504 /50x.html;",
    "try_files $uri $uri/ @other;",
    "root /var/empty;",
    "index a.html b.html;",
    "expires 30d;",
    "gzip on; gzip_types *;",
    "sub_filter a b;",
    "add_header X-A $mapped always;",
    "add_trailer X-T $status;",
    "access_log off;",
    "allow 127.0.0.1; deny all;",
    "client_max_body_size 0;",
    "proxy_set_header Connection $http_connection;",
    "proxy_next_upstream error http_503 non_idempotent;",
    "limit_rate 10k;",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// What `-t` accepts starts, and answers something.
    #[test]
    fn what_is_accepted_starts(
        server in prop::sample::subsequence(SETTINGS[3..].to_vec(), 0..6),
        location in prop::sample::subsequence(SETTINGS.to_vec(), 0..6),
        path in prop::sample::select(vec!["/", "= /", "^~ /a", "~ ^/(?<part>.*)", "~* \\.php$"]),
        balance in prop::sample::select(vec!["", "least_conn;", "ip_hash;", "hash $uri consistent;", "random two;", "least_time header;", "random two least_time=last_byte;"]),
    ) {
        let text = format!(
            "events {{}}\nhttp {{\naccess_log off;\nmap $uri $mapped {{ default a; ~^/(.) $1; }}\n\
             upstream app {{ {balance} server 127.0.0.1:9 weight=2; server 127.0.0.1:19 max_fails=0; }}\n\
             server {{ listen 127.0.0.1:0; {}\nlocation {path} {{ {} }}\nlocation @other {{ return 403; }}\n}}\n}}\n",
            server.join(" "),
            location.join(" "),
        );
        if let Ok(loaded) = config::load_str(&text, "nginx.conf", Path::new("tests/config")) {
            let running = gapura::Server::from_model(loaded.model).start();
            let running = running.unwrap_or_else(|error| panic!("{error}: {text}"));
            let mut client = TcpStream::connect(running.addresses()[0]).expect("it listens");
            client.set_read_timeout(Some(Duration::from_secs(20))).expect("a time limit");
            client.write_all(b"GET /aab HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").expect("it reads");
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).expect("an answer that ends");
            prop_assert!(answer.starts_with(b"HTTP/1.1 "), "{text}");
            running.stop();
        }
    }
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    for piece in ["{", "a {", "location / {", "http { server { ", "if (x) { "] {
        assert!(!load(&piece.repeat(100_000)));
    }
    assert!(!load(&"}".repeat(100_000)));
    assert!(!load(&";".repeat(1000)));
}

#[test]
fn files_that_include_each_other_twice_end() {
    let folder = std::env::temp_dir().join(format!("gapura-includes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    for number in 0..30 {
        let next = number + 1;
        let text = format!("include {next}.conf;\ninclude {next}.conf;\n");
        std::fs::write(folder.join(format!("{number}.conf")), text).expect("a file");
    }
    std::fs::write(folder.join("30.conf"), "# the end\n").expect("a file");
    let loaded = config::load(&folder.join("0.conf"));
    drop(std::fs::remove_dir_all(&folder));
    let errors = loaded.expect_err("a billion includes").to_string();
    assert!(errors.contains("too many includes"), "{errors}");
}

#[test]
fn thousands_of_servers_load_in_linear_time() {
    let mut text = "events {}\nhttp {\n    access_log off;\n".to_owned();
    for number in 0..10_000 {
        let _ = writeln!(
            text,
            "    server {{ listen 8080; server_name s{number}.example; location / {{ proxy_pass http://127.0.0.1:3000; }} }}"
        );
    }
    text.push_str("}\n");
    assert!(load(&text));
}

/// The table of docs/nginx.md is this one. `UPDATE_FIXTURES=1` writes it.
#[test]
fn the_documentation_lists_every_directive() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/nginx.md");
    let written = std::fs::read_to_string(&path).expect("docs/nginx.md");
    let (before, _) = written.split_once(TABLE).expect("the heading of the table");
    let mut expected = format!("{before}{TABLE}");
    let titles = [
        (Treatment::Applied, "Applied"),
        (Treatment::Warned, "Not done yet: a warning"),
        (Treatment::Unsupported, "Unsupported: an error"),
        (Treatment::Accepted, "Accepted: nobody can tell"),
    ];
    for (treatment, title) in titles {
        let _ = write!(expected, "\n### {title}\n\n");
        let directives = config::directives();
        for directive in directives
            .iter()
            .filter(|found| found.treatment == treatment)
        {
            let _ = write!(expected, "- `{}`: {}", directive.name, directive.help);
            if !directive.except.is_empty() {
                let except: Vec<_> = directive
                    .except
                    .iter()
                    .map(|word| format!("`{word}`"))
                    .collect();
                let _ = write!(expected, "; {} is accepted", except.join(" or "));
            }
            if !directive.advice.is_empty() {
                let _ = write!(expected, ". {}", directive.advice);
            }
            expected.push('\n');
        }
    }
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, &expected).expect("docs/nginx.md can be written");
    }
    assert!(
        written == expected,
        "run with UPDATE_FIXTURES=1 and read the diff"
    );
}

const TABLE: &str = "## Every directive\n";
