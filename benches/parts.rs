//! What the parts of a request's way cost by themselves, with 1, 100 and 10,000 sites: `cargo bench`.
//!
//! They show how a part grows and whether a change helped it; what a request costs as a whole is for
//! `benches/compare` and `.ci/instructions`.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use gapura::config::load_str;
use gapura::model::{Escape, Model, Template, Variable, VariableId};
use gapura::runtime::upstream::Registry;
use gapura::runtime::{Assigned, Generation, ListenerId, Values, render, render_line};
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;

const SITES: [usize; 3] = [1, 100, 10_000];

criterion_group!(
    parts,
    host_look_up,
    location_match,
    template_rendering,
    log_line,
    selection,
    configuration_load
);
criterion_main!(parts);

fn host_look_up(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("host look-up");
    for count in SITES {
        let generation = generation(&sites(count));
        let listener = generation.listener(ListenerId(0)).expect("it listens");
        let last = format!("site-{}.bench.test", count - 1);
        for (kind, host) in [
            ("exact", last.as_str()),
            ("wildcard", "a.b.wildcard.test"),
            ("none", "elsewhere.test"),
        ] {
            group.bench_function(BenchmarkId::new(kind, count), |bencher| {
                let mut assigned = Assigned::default();
                bencher.iter(|| {
                    let site = listener.site(black_box(host), &mut assigned);
                    black_box(site);
                });
            });
        }
    }
}

fn location_match(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("location match");
    for count in SITES {
        let generation = generation(&locations(count));
        let listener = generation.listener(ListenerId(0)).expect("it listens");
        let last = format!("/part-{}/page", count - 1);
        for (kind, path) in [
            ("prefix", last.as_str()),
            ("exact", "/exact"),
            ("regex", "/x.php"),
        ] {
            group.bench_function(BenchmarkId::new(kind, count), |bencher| {
                let site = listener.default_site();
                let path = black_box(path.as_bytes());
                bencher.iter_batched_ref(
                    Assigned::default,
                    |assigned| drop(black_box(site.location(path, assigned))),
                    BatchSize::SmallInput,
                );
            });
        }
    }
}

fn template_rendering(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("template");
    for text in [
        "$host",
        "$proxy_add_x_forwarded_for",
        "$scheme://$host$request_uri",
    ] {
        let template = Template::parse(text).expect("a template");
        let mut out = Vec::with_capacity(256);
        group.bench_function(text, |bencher| {
            bencher.iter(|| {
                out.clear();
                render(black_box(&template), &Fixed, &mut out);
            });
        });
    }
}

fn log_line(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log line");
    let combined = Template::parse(
        "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
         \"$http_referer\" \"$http_user_agent\"",
    );
    let combined = combined.expect("a template");
    for (name, escape) in [("combined", Escape::Default), ("json", Escape::Json)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut line = Vec::with_capacity(256);
                render_line(black_box(&combined), escape, &Fixed, &mut line);
                line
            });
        });
    }
}

fn selection(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("selection");
    for method in [
        "",
        "least_conn;",
        "least_time header;",
        "random two;",
        "ip_hash;",
        "hash $uri;",
        "hash $uri consistent;",
        "random;",
    ] {
        for servers in [2, 16, 2000] {
            let generation = generation(&upstream(method, servers));
            let upstream = generation.upstream("app").expect("it is there");
            let name = method.trim_end_matches(';');
            let name = if name.is_empty() { "round robin" } else { name };
            group.bench_function(BenchmarkId::new(name, servers), |bencher| {
                bencher.iter(|| upstream.choose_by(black_box(b"\x7f\0\0"), &[]));
            });
        }
    }
}

fn configuration_load(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("configuration load");
    group.sample_size(10);
    for count in SITES {
        let text = sites(count);
        group.bench_function(BenchmarkId::new("read", count), |bencher| {
            bencher.iter(|| model(black_box(&text)));
        });
        let model = model(&text);
        group.bench_function(BenchmarkId::new("build", count), |bencher| {
            bencher.iter(|| build(black_box(&model)));
        });
    }
}

/// So many sites, and one whose name has a wildcard.
fn sites(count: usize) -> String {
    let mut text = String::from("events {} http { access_log off;\n");
    let mut site = |name: &str| {
        let _ = writeln!(
            text,
            "server {{
                listen 8080;
                server_name {name};
                location / {{
                    proxy_pass http://127.0.0.1:3000;
                    proxy_set_header Host $host;
                    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                }}
            }}"
        );
    };
    for number in 0..count {
        site(&format!("site-{number}.bench.test"));
    }
    site("*.wildcard.test");
    text.push('}');
    text
}

/// One site with so many locations, and two of other kinds.
fn locations(count: usize) -> String {
    let mut text = String::from("events {} http { access_log off; server { listen 8080;\n");
    for number in 0..count {
        let _ = writeln!(text, "location /part-{number}/ {{ return 204; }}");
    }
    text.push_str("location = /exact { return 204; } location ~ \\.php$ { return 204; } } }");
    text
}

fn upstream(method: &str, servers: usize) -> String {
    let mut text = format!("events {{}} http {{ access_log off; upstream app {{ {method}\n");
    for number in 0..servers {
        let _ = writeln!(text, "server 127.0.0.1:{};", 3000 + number);
    }
    text.push_str("} server { listen 8080; location / { proxy_pass http://app; } } }");
    text
}

fn generation(text: &str) -> Generation {
    build(&model(text))
}

fn model(text: &str) -> Model {
    let loaded = load_str(text, "nginx.conf", Path::new(""));
    loaded.expect("a configuration").model
}

fn build(model: &Model) -> Generation {
    Generation::build(model, &Registry::default(), |_| ListenerId(0)).expect("patterns compile")
}

/// Every variable has the same value: how values are found is the request's business.
struct Fixed;

impl Values for Fixed {
    fn write(&self, _: &Variable, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(b"www.example.test");
        true
    }

    fn write_defined(&self, _: VariableId, _: &mut Vec<u8>) -> bool {
        false
    }

    fn write_group(&self, _: u8, _: &mut Vec<u8>) -> bool {
        false
    }
}
