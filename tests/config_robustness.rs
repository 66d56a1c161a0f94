//! The YAML loader against input nobody would write: it never panics, and it ends soon.

#[path = "support/load.rs"]
mod support;

use gapura::config;
use proptest::prelude::*;
use std::path::Path;

fn load(text: &str) -> bool {
    support::load(text, "gapura.yaml", "conf", "gapura: [emerg] ")
}

const EXAMPLES: [&str; 5] = [
    include_str!("../conf/gapura.yaml"),
    include_str!("../conf/examples/full.yaml"),
    include_str!("../conf/examples/several-hosts.yaml"),
    include_str!("../conf/examples/health-check.yaml"),
    include_str!("config/every_mistake_in_one_run.test"),
];

/// Pieces of the language, so that random text is often nearly right.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "sites:", "upstreams:", "host:", "backends:", "listen:", "locations:", "path:", "upstream:",
            "health_check:", "proxy_set_header:", "add_header:", "error_page:", "access_log:",
            "proxy_next_upstream:", "a", "/", "~ (", "*.a", "80", "-1", "1.5", "10s", "8k", "off", "true",
            "null", "$host", "${", "&a", "*a", "!t", "<<:", "? ", "|", ">", "\"", "'", "---", "...", "#",
        ]).prop_map(str::to_owned),
        3 => prop::sample::select(vec!["\n", "\n  ", "\n    ", "\n  - ", "\n    - ", " ", ", ", "\t", "\r\n"])
            .prop_map(str::to_owned),
        2 => prop::sample::select(vec!["{", "}", "[", "]", "{}", "[]", ": ", "- "]).prop_map(str::to_owned),
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
    fn nearly_yaml_gets_an_answer(pieces in prop::collection::vec(piece(), 0..60)) {
        load(&pieces.concat());
    }

    #[test]
    fn a_damaged_file_gets_an_answer(
        example in prop::sample::select(EXAMPLES.to_vec()),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, piece()), 1..6),
    ) {
        let mut characters: Vec<char> = example.chars().collect();
        for (at, length, piece) in cuts {
            let start = at.index(characters.len() + 1);
            let end = (start + length).min(characters.len());
            characters.splice(start..end, piece.chars());
        }
        load(&characters.into_iter().collect::<String>());
    }
}

#[test]
fn deep_nesting_is_refused() {
    let flow = format!("sites: {}", "[".repeat(200_000));
    let closed = format!("sites: {}{}", "[".repeat(2_000), "]".repeat(2_000));
    let maps = format!("sites: {}", "{a: ".repeat(200_000));
    let block: String = (0..2_000)
        .map(|depth| format!("{}- \n", " ".repeat(depth)))
        .collect();
    let keys: String = (0..2_000)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    for text in [flow, closed, maps, block, keys] {
        assert!(!load(&text));
    }
}

#[test]
fn aliases_do_not_blow_up() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..14 {
        let inner = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    laughs.push_str("sites: *a13\n");
    assert!(!load(&laughs));

    let wide = vec!["x"; 5_000].join(", ");
    let many = vec!["*a"; 5_000].join(", ");
    assert!(!load(&format!("a: &a [{wide}]\nsites: [{many}]\n")));

    assert!(!load("sites: &a [*a]\n"));
    assert!(!load("sites: [*nowhere]\n"));
}

#[test]
fn aliases_may_be_used() {
    assert!(load(
        "upstreams:\n  \
           one: { servers: [app1], health_check: &check { type: tcp, interval: 5s } }\n  \
           two: { servers: [app2], health_check: *check }\n\
         sites:\n  - upstream: two\n"
    ));
}

#[test]
fn thousands_of_mistakes_end_soon() {
    let site = "  - { host: a, upstrem: b, listen: c, backends: [] }\n";
    assert!(!load(&format!("sites:\n{}", site.repeat(5_000))));
    let site = "  - { host: a, upstream: b, listen: c }\n";
    assert!(!load(&format!("sites:\n{}", site.repeat(5_000))));
}

#[test]
fn ten_thousand_sites_load() {
    let mut text = String::from("listen: 127.0.0.1:8080\nsites:\n");
    for number in 0..10_000 {
        text.push_str(&format!(
            "  - host: site{number}.example.com\n    backends: [\"10.0.0.1:80\"]\n"
        ));
    }
    let loaded = config::load_str(&text, "gapura.yaml", Path::new("")).expect("it is valid");
    assert_eq!(loaded.model.sites.len(), 10_000);
    assert_eq!(loaded.model.listeners.len(), 1);
}

#[test]
fn files_that_cannot_be_read_are_said_so() {
    let missing = config::load(Path::new("/missing/gapura.yaml")).expect_err("it does not exist");
    let expected =
        "gapura: [emerg] open() \"/missing/gapura.yaml\" failed (2: No such file or directory)";
    assert_eq!(missing.to_string(), expected);
    let missing = config::load(Path::new("/missing/nginx.conf")).expect_err("it does not exist");
    let expected =
        "nginx: [emerg] open() \"/missing/nginx.conf\" failed (2: No such file or directory)";
    assert_eq!(missing.to_string(), expected);
}
