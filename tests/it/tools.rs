//! The commands that nginx has not: `check` and `convert`.

use crate::support::{Addressed, Backend, Launch, refusing, run, run_with};

const CONF: &str = "\
events { worker_connections 10; }
http {
    # What customers see.
    server {
        listen 127.0.0.1:8080;
        location / { proxy_pass http://127.0.0.1:3000; }
    }
}
";

#[test]
fn check_says_what_becomes_of_each_directive() {
    let broken = CONF.replace("proxy_pass", "scgi_pass x; proxy_pass");
    let run = run_with(&[("nginx.conf", &broken)], &["check", "CONFIG"]);
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
    let path = run.path.display().to_string();
    for expected in [
        "Applied: as nginx does it\n".to_owned(),
        format!("  proxy_pass  {path}:6:35\n"),
        format!("  worker_connections  {path}:1:10\n"),
        format!("  scgi_pass  {path}:6:22\n"),
        format!("nginx: [emerg] \"scgi_pass\" directive is not supported in {path}:6\n"),
        format!("{path} cannot be used: 8 directives, 1 error\n"),
    ] {
        assert!(
            run.stdout.contains(&expected),
            "{expected}in\n{}",
            run.stdout
        );
    }
}

#[test]
fn check_tells_programs_in_json() {
    let run = run_with(&[("nginx.conf", CONF)], &["check", "CONFIG", "--json"]);
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(report["usable"], true);
    let directives = report["directives"].as_array().expect("a list");
    let listen = directives
        .iter()
        .find(|directive| directive["name"] == "listen");
    let listen = listen.expect("listen");
    assert_eq!(listen["treatment"], "applied");
    assert_eq!((&listen["line"], &listen["column"]), (&5.into(), &9.into()));
    let accepted = &directives[1];
    assert_eq!(accepted["treatment"], "accepted");
    assert!(
        accepted["advice"]
            .as_str()
            .is_some_and(|advice| !advice.is_empty())
    );
}

#[test]
fn check_takes_yaml_too() {
    let fine = run(
        "sites:\n  - host: a\n    backends: [127.0.0.1:1]\n",
        &["check", "CONFIG"],
    );
    assert_eq!(fine.status.code(), Some(0), "{}", fine.stdout);
    assert!(
        fine.stdout.ends_with("gapura.yaml can be used\n"),
        "{}",
        fine.stdout
    );
    let wrong = run("sites:\n  - hos: a\n", &["check", "CONFIG"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        wrong.stdout.contains("unknown key \"hos\""),
        "{}",
        wrong.stdout
    );
}

#[test]
fn convert_prints_yaml_that_is_read_again() {
    let converted = run_with(&[("nginx.conf", CONF)], &["convert", "CONFIG"]);
    assert_eq!(converted.status.code(), Some(0), "{}", converted.stderr);
    assert!(
        converted.stdout.contains("# What customers see.\n"),
        "{}",
        converted.stdout
    );
    let again = run(&converted.stdout, &["check", "CONFIG"]);
    assert_eq!(again.status.code(), Some(0), "{}", again.stdout);
}

#[test]
fn convert_refuses_what_cannot_be_used() {
    let run = run_with(
        &[("nginx.conf", "events {} http { x; }")],
        &["convert", "CONFIG"],
    );
    assert_eq!(run.status.code(), Some(1));
    assert!(
        run.stderr.contains("unknown directive \"x\""),
        "{}",
        run.stderr
    );
    assert_eq!(run.stdout, "");
}

/// A program in front of a backend, to be compared with.
fn site(backend: &Backend, listen: &str, more: &str) -> String {
    format!(
        "events {{}}\nhttp {{\n  server {{\n    listen {listen};\n    server_name shop.test;\n    {more}\n    \
         location / {{ proxy_pass http://{}; }}\n    location /own/ {{ return 403; }}\n  }}\n}}\n",
        backend.address()
    )
}

#[test]
fn try_finds_nothing_different_in_what_is_the_same() {
    let backend = Backend::named("one");
    let served = Launch::nginx(&site(&backend, "LISTEN", "access_log off;")).start();
    let same = site(&backend, &served.address().to_string(), "access_log off;");
    let run = run_with(&[("nginx.conf", &same)], &["try", "CONFIG", "--against"]);
    assert_eq!(run.status.code(), Some(0), "{}{}", run.stdout, run.stderr);
    let expected = "2 requests were answered by both, 0 of them differently\n";
    assert!(run.stdout.ends_with(expected), "{}", run.stdout);
    let first = format!("shop.test\n    {} -> http://127.0.0.1:", served.address());
    assert!(run.stdout.starts_with(&first), "{}", run.stdout);
}

#[test]
fn try_says_what_is_answered_differently() {
    let backend = Backend::named("one");
    let served = Launch::nginx(&site(&backend, "LISTEN", "access_log off;")).start();
    let other = "add_header X-New yes; access_log /nowhere/access.log;";
    let other = site(&backend, &served.address().to_string(), other);
    let other = other.replace("return 403", "return 410");
    let run = run_with(&[("nginx.conf", &other)], &["try", "CONFIG", "--against"]);
    assert_eq!(run.status.code(), Some(1), "{}{}", run.stdout, run.stderr);
    for expected in [
        "  x-new: nothing | now yes\n",
        "  status: 403 Forbidden | now 410 Gone\n",
        "2 requests were answered by both, 2 of them differently\n",
    ] {
        assert!(
            run.stdout.contains(expected),
            "{expected}in\n{}",
            run.stdout
        );
    }
}

#[test]
fn try_says_where_nothing_answers() {
    let backend = Backend::named("one");
    let conf = site(&backend, &refusing().to_string(), "access_log off;");
    let run = run_with(&[("nginx.conf", &conf)], &["try", "CONFIG", "--against"]);
    assert_eq!(run.status.code(), Some(0), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.contains("nothing answers at 127.0.0.1:"),
        "{}",
        run.stdout
    );
    assert_eq!(backend.hits(), 0);
}
