//! What the parts of a request's way cost by themselves, with 1, 100 and 10,000 sites: `cargo bench`.
//!
//! They show how a part grows and whether a change helped it; what a request costs as a whole is for
//! `benches/compare` and `.ci/instructions`.

use divan::{Bencher, black_box};
use gapura::config::load_str;
use gapura::model::{Model, Variable, VariableId};
use gapura::runtime::upstream::Registry;
use gapura::runtime::{Assigned, Generation, ListenerId, Values};
use std::fmt::Write as _;
use std::path::Path;

const SITES: [usize; 3] = [1, 100, 10_000];

fn main() {
    divan::main();
}

#[divan::bench(args = ["exact", "wildcard", "none"], consts = SITES)]
fn host_look_up<const COUNT: usize>(bencher: Bencher<'_, '_>, kind: &str) {
    let host = match kind {
        "exact" => format!("site-{}.bench.test", COUNT - 1),
        "wildcard" => "a.b.wildcard.test".to_owned(),
        _ => "elsewhere.test".to_owned(),
    };
    let generation = generation(&sites(COUNT));
    let listener = generation.listener(ListenerId(0)).expect("it listens");
    let mut assigned = Assigned::default();
    bencher.bench_local(|| {
        black_box(listener.site(black_box(&host), &mut assigned));
    });
}

#[divan::bench(args = ["prefix", "exact", "regex"], consts = SITES)]
fn location_match<const COUNT: usize>(bencher: Bencher<'_, '_>, kind: &str) {
    let path = match kind {
        "prefix" => format!("/part-{}/page", COUNT - 1),
        "exact" => "/exact".to_owned(),
        _ => "/x.php".to_owned(),
    };
    let generation = generation(&locations(COUNT));
    let listener = generation.listener(ListenerId(0)).expect("it listens");
    let site = listener.default_site();
    bencher
        .with_inputs(Assigned::default)
        .bench_local_refs(|assigned| {
            drop(black_box(
                site.location(black_box(path.as_bytes()), assigned),
            ));
        });
}

mod template {
    use super::*;
    use gapura::model::{Escape, Template};
    use gapura::runtime::{render, render_line};

    const HEADERS: [&str; 3] = [
        "$host",
        "$proxy_add_x_forwarded_for",
        "$scheme://$host$request_uri",
    ];

    const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                            \"$http_referer\" \"$http_user_agent\"";

    #[divan::bench(args = HEADERS)]
    fn header(bencher: Bencher<'_, '_>, text: &str) {
        let template = Template::parse(text).expect("a template");
        let mut out = Vec::with_capacity(256);
        bencher.bench_local(|| {
            out.clear();
            render(black_box(&template), &Fixed, &mut out);
        });
    }

    #[divan::bench(args = [Escape::Default, Escape::Json])]
    fn log_line(bencher: Bencher<'_, '_>, escape: Escape) {
        let combined = Template::parse(COMBINED).expect("a template");
        let mut line = Vec::with_capacity(256);
        bencher.bench_local(|| {
            line.clear();
            render_line(black_box(&combined), escape, &Fixed, &mut line);
        });
    }
}

mod selection {
    use super::*;

    const METHODS: [&str; 8] = [
        "",
        "least_conn;",
        "least_time header;",
        "random two;",
        "ip_hash;",
        "hash $uri;",
        "hash $uri consistent;",
        "random;",
    ];

    #[divan::bench(args = METHODS, consts = [2, 16, 2000])]
    fn of_servers<const SERVERS: usize>(bencher: Bencher<'_, '_>, method: &str) {
        let generation = generation(&upstream(method, SERVERS));
        let upstream = generation.upstream("app").expect("it is there");
        bencher.bench_local(|| upstream.choose_by(black_box(b"\x7f\0\0"), &[]));
    }
}

mod configuration_load {
    use super::*;

    #[divan::bench(args = SITES, sample_count = 10)]
    fn read(bencher: Bencher<'_, '_>, count: usize) {
        let text = sites(count);
        bencher.bench_local(|| model(black_box(&text)));
    }

    #[divan::bench(args = SITES, sample_count = 10)]
    fn build(bencher: Bencher<'_, '_>, count: usize) {
        let model = model(&sites(count));
        bencher.bench_local(|| super::build(black_box(&model)));
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
