//! `eject_outliers`: servers that fail too often.

use super::*;
use crate::model::EjectOutliers;

const SERVERS: [&str; 4] = [
    "127.0.0.1:3001",
    "127.0.0.1:3002",
    "127.0.0.1:3003",
    "127.0.0.1:3004",
];

const SETTINGS: EjectOutliers = EjectOutliers {
    failures: 50,
    requests: 10,
    window: Duration::from_secs(10),
    time: Duration::from_secs(30),
    most: 50,
};

fn watched(servers: &[Server], balance: Balance) -> model::Upstream {
    model::Upstream {
        balance,
        eject_outliers: Some(SETTINGS),
        ..model(servers, None)
    }
}

/// Servers that `max_fails` never takes out.
fn servers(count: usize) -> Vec<Server> {
    let server = |address: &&str| Server {
        max_fails: 0,
        ..server(address)
    };
    SERVERS[..count].iter().map(server).collect()
}

/// Has a server answer so many requests, every second one with a 500.
fn fail_half(upstream: &Upstream, address: &str, requests: usize) {
    let mut answered = 0;
    for _ in 0..100 * requests {
        let selected = upstream.choose(&[]).expect("usable");
        if selected.text() == address {
            answered += 1;
            selected.answered(if answered % 2 == 0 { 500 } else { 200 });
            if answered == requests {
                return;
            }
        }
    }
    panic!("{address} is not chosen");
}

fn ejected(upstream: &Upstream) -> Vec<String> {
    let out = upstream.status().filter(|one| one.ejected);
    out.map(|one| one.peer.text().to_owned()).collect()
}

#[test]
fn a_server_that_fails_half_of_the_time_is_out_for_a_while_whatever_the_method() {
    let [a, b, ..] = SERVERS;
    let hash = Balance::Hash {
        key: model::Template::literal("unused"),
        consistent: true,
    };
    for balance in [
        Balance::RoundRobin,
        Balance::SmoothRoundRobin,
        Balance::LeastConn,
        Balance::Random,
        Balance::RandomTwo,
        Balance::PeakEwma,
        Balance::IpHash,
        hash,
    ] {
        let bench = Bench::new();
        let upstream = bench
            .registry
            .upstream(&watched(&servers(2), balance.clone()));
        let choose = |number: u32| {
            let selected = upstream.choose_by(&number.to_be_bytes(), &[]);
            selected.expect("usable")
        };
        let shares = || {
            let mut counts = BTreeMap::<String, usize>::new();
            for number in 0..200_u32 {
                let key = number.wrapping_mul(0x9e37_79b9);
                *counts.entry(choose(key).text().to_owned()).or_default() += 1;
            }
            counts
        };
        let mut answered = 0;
        for number in 0..10_000_u32 {
            if answered == 10 {
                break;
            }
            let selected = choose(number.wrapping_mul(0x9e37_79b9));
            if selected.text() == a {
                answered += 1;
                assert!(ejected(&upstream).is_empty(), "{balance:?}: too early");
                selected.answered(if answered % 2 == 0 { 503 } else { 200 });
            } else {
                selected.answered(200);
            }
        }
        assert_eq!(ejected(&upstream), [a], "{balance:?}");
        assert_eq!(shares(), counts([(b, 200)]), "{balance:?}");
        bench.now.fetch_add(29_999, Relaxed);
        assert_eq!(shares(), counts([(b, 200)]), "{balance:?}");
        bench.now.fetch_add(1, Relaxed);
        assert!(ejected(&upstream).is_empty());
        assert!(shares().contains_key(a), "{balance:?}: it is back");
        assert_eq!(
            bench.log(),
            [
                format!(
                    "server \"{a}\" of upstream \"app\" is ejected for 30s: 5 of 10 tries failed"
                ),
                format!("server \"{a}\" of upstream \"app\" is used again"),
            ]
        );
    }
}

#[test]
fn each_time_is_longer_than_the_one_before() {
    let [a, ..] = SERVERS;
    let bench = Bench::new();
    let upstream = bench
        .registry
        .upstream(&watched(&servers(2), Balance::SmoothRoundRobin));
    for times in 1..=11_u64 {
        fail_half(&upstream, a, 10);
        let time = 30_000 * times.min(10);
        bench.now.fetch_add(time - 1, Relaxed);
        assert_eq!(ejected(&upstream), [a], "time {times}");
        bench.now.fetch_add(1, Relaxed);
        assert!(ejected(&upstream).is_empty());
    }
}

#[test]
fn few_requests_few_failures_and_those_of_another_window_do_not_count() {
    let [a, ..] = SERVERS;
    let bench = Bench::new();
    let upstream = bench
        .registry
        .upstream(&watched(&servers(2), Balance::SmoothRoundRobin));
    fail_half(&upstream, a, 9);
    bench.now.fetch_add(10_000, Relaxed);
    fail_half(&upstream, a, 9);
    bench.now.fetch_add(10_000, Relaxed);
    for number in 0..200 {
        let selected = upstream.choose(&[]).expect("usable");
        // 404 is the client's affair, and two of five are no half.
        selected.answered(if number % 10 < 6 { 404 } else { 500 });
    }
    assert!(ejected(&upstream).is_empty());
    assert!(bench.log().is_empty());
}

#[test]
fn what_counts_for_max_fails_counts_too_and_only_once() {
    let [a, ..] = SERVERS;
    let bench = Bench::new();
    let upstream = bench
        .registry
        .upstream(&watched(&servers(2), Balance::SmoothRoundRobin));
    let mut failed = 0;
    while failed < 10 {
        let selected = upstream.choose(&[]).expect("usable");
        if selected.text() == a {
            assert!(ejected(&upstream).is_empty(), "{failed} are too few");
            selected.failed();
            selected.failed();
            failed += 1;
        }
    }
    assert_eq!(ejected(&upstream), [a]);
}

#[test]
fn never_too_many_are_out() {
    let bench = Bench::new();
    let upstream = bench
        .registry
        .upstream(&watched(&servers(4), Balance::SmoothRoundRobin));
    for _ in 0..1000 {
        upstream.choose(&[]).expect("usable").answered(500);
    }
    assert_eq!(ejected(&upstream).len(), 2, "half of four");
    assert_eq!(bench.log().len(), 2);
    // A request that the others have failed comes to one that is out after all.
    let mut tried = Vec::new();
    for _ in 0..4 {
        let selected = upstream.choose(&tried).expect("one more");
        tried.push(Arc::clone(selected.peer()));
    }
    assert!(upstream.choose(&tried).is_none());

    let alone = bench.registry.upstream(&model::Upstream {
        name: "alone".to_owned(),
        ..watched(&servers(1), Balance::SmoothRoundRobin)
    });
    for _ in 0..100 {
        alone.choose(&[]).expect("usable").answered(500);
    }
    assert!(ejected(&alone).is_empty());
}

#[test]
fn a_reload_keeps_who_is_out_and_without_the_setting_nobody_is() {
    let [a, b, c, _] = SERVERS;
    let bench = Bench::new();
    let before = bench
        .registry
        .upstream(&watched(&servers(2), Balance::SmoothRoundRobin));
    fail_half(&before, a, 10);
    let after = bench
        .registry
        .upstream(&watched(&servers(3), Balance::SmoothRoundRobin));
    assert_eq!(ejected(&after), [a]);
    assert_eq!(count(&after, 20), counts([(b, 10), (c, 10)]));
    // One of three is out, which is all that half of them may be.
    for _ in 0..100 {
        after.choose(&[]).expect("usable").answered(500);
    }
    assert_eq!(ejected(&after), [a]);

    let unwatched = bench.registry.upstream(&model(&servers(2), None));
    assert!(ejected(&unwatched).is_empty());
    assert_eq!(count(&unwatched, 20), counts([(a, 10), (b, 10)]));
}

#[test]
fn it_comes_back_slowly_where_it_starts_slowly() {
    let [a, ..] = SERVERS;
    let bench = Bench::new();
    let mut servers = servers(2);
    servers[0].slow_start = Some(Duration::from_secs(100));
    let upstream = bench
        .registry
        .upstream(&watched(&servers, Balance::SmoothRoundRobin));
    fail_half(&upstream, a, 10);
    bench.now.fetch_add(30_000, Relaxed);
    let first = count(&upstream, 1000).get(a).copied();
    assert_eq!(first, Some(1), "the one that has it come back");
    bench.now.fetch_add(50_000, Relaxed);
    let half = count(&upstream, 10_000).get(a).copied().unwrap_or_default();
    assert!(
        (3000..3700).contains(&half),
        "half a weight beside a whole one: {half}"
    );
    bench.now.fetch_add(50_000, Relaxed);
    assert_eq!(count(&upstream, 1000).get(a), Some(&500));
}
