//! Which server a request gets.

use super::*;
use std::num::NonZeroU32;

const A: &str = "127.0.0.1:3001";
const B: &str = "127.0.0.1:3002";
const C: &str = "127.0.0.1:3003";

#[test]
fn weights_are_exact() {
    let bench = Bench::new();
    let upstream = bench.upstream(&[weighted(A, 3), weighted(B, 1)]);
    assert_eq!(count(&upstream, 8), counts([(A, 6), (B, 2)]));
    assert_eq!(count(&upstream, 4000), counts([(A, 3000), (B, 1000)]));
}

#[test]
fn weights_with_a_common_divisor_need_no_long_list() {
    let bench = Bench::new();
    let upstream = bench.upstream(&[weighted(A, 60_000), weighted(B, 20_000)]);
    assert_eq!(count(&upstream, 4), counts([(A, 3), (B, 1)]));
}

#[test]
fn equal_lines_are_servers_of_their_own() {
    let bench = Bench::new();
    let upstream = bench.upstream(&[weighted(A, 1), weighted(B, 1), weighted(A, 2), server(A)]);
    assert_eq!(upstream.server_count(), 4);
    assert_eq!(count(&upstream, 10), counts([(A, 8), (B, 2)]));
    let mut tried = Vec::new();
    while let Some(selected) = upstream.choose(&tried) {
        tried.push(Arc::clone(selected.peer()));
    }
    assert_eq!(tried.len(), 4, "each is tried");
}

#[test]
fn equal_lines_fail_and_fill_up_each_by_itself() {
    let bench = Bench::new();
    let one_at_a_time = Server {
        max_conns: NonZeroU32::new(1),
        ..server(A)
    };
    let upstream = bench.upstream(&[one_at_a_time.clone(), one_at_a_time]);
    let first = upstream.choose(&[]).expect("the first has room");
    let second = upstream.choose(&[]).expect("the second has room");
    assert!(upstream.choose(&[]).is_none(), "both are full");
    first.failed();
    drop((first, second));
    let left = upstream.choose(&[]).expect("one has not failed");
    assert!(upstream.choose(&[]).is_none(), "the other is out");
    drop(left);
}

#[test]
fn a_server_tried_before_is_not_chosen_again() {
    let bench = Bench::new();
    let upstream = bench.upstream(&[weighted(A, 3), weighted(B, 1), backup(C)]);
    for _ in 0..50 {
        let mut tried = Vec::new();
        let mut order = Vec::new();
        while let Some(selected) = upstream.choose(&tried) {
            tried.push(Arc::clone(selected.peer()));
            order.push(selected.text().to_owned());
        }
        order[..2].sort();
        assert_eq!(order, [A, B, C]);
    }
}

#[test]
fn a_backup_serves_only_while_no_other_server_can() {
    let bench = Bench::new();
    let upstream = bench.upstream(&[server(A), server(B), backup(C)]);
    assert_eq!(count(&upstream, 10), counts([(A, 5), (B, 5)]));
    upstream.choose(&[]).expect("usable").failed();
    assert_eq!(count(&upstream, 10).get(C), None);
    upstream.choose(&[]).expect("usable").failed();
    assert_eq!(count(&upstream, 10), counts([(C, 10)]));
    bench.now.store(12_000, Relaxed);
    assert_eq!(count(&upstream, 3), counts([(A, 1), (B, 1), (C, 1)]));
}

#[test]
fn a_server_that_is_down_is_never_chosen() {
    let bench = Bench::new();
    let upstream = bench.upstream(&[server(A), down(B)]);
    assert_eq!(upstream.server_count(), 1);
    assert_eq!(count(&upstream, 10), counts([(A, 10)]));
    let upstream = bench.upstream(&[down(A)]);
    assert_eq!(count(&upstream, 1), counts([("none", 1)]));
}

#[test]
fn the_only_server_is_never_out() {
    let table: &[(&str, &[Server], bool)] = &[
        ("alone", &[server(A)], true),
        ("two", &[server(A), server(B)], false),
        ("with a backup", &[server(A), backup(B)], false),
        ("with one that is down", &[server(A), down(B)], false),
    ];
    for (what, servers, stays) in table {
        let upstream = Bench::new().upstream(servers);
        fail_all(&upstream);
        assert_eq!(next(&upstream).is_some(), *stays, "{what}");
    }
}

#[test]
fn a_server_out_for_its_failures_gets_one_request_after_fail_timeout() {
    let bench = Bench::new();
    let upstream = bench.upstream(&[server(A), server(B)]);
    let failing = upstream.choose(&[]).expect("usable");
    assert!(failing.failed(), "max_fails is 1");
    assert!(!failing.failed(), "a try counts once");
    assert_eq!(count(&upstream, 10), counts([(B, 10)]));
    bench.now.store(11_001, Relaxed);
    assert_eq!(count(&upstream, 10), counts([(A, 1), (B, 9)]));
    bench.now.store(22_000, Relaxed);
    let mut probe = upstream.choose(&[]).expect("usable");
    while probe.text() != A {
        probe = upstream.choose(&[]).expect("usable");
    }
    probe.succeeded();
    assert_eq!(count(&upstream, 10), counts([(A, 5), (B, 5)]));
}

#[test]
fn with_one_of_two_servers_out_the_other_is_found_every_time() {
    let bench = Bench::new();
    let upstream = bench.upstream(&[server(A), server(B)]);
    upstream.choose(&[]).expect("usable").failed();
    let left = next(&upstream).expect("one is left");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..12_500 {
                    assert_eq!(next(&upstream).as_ref(), Some(&left));
                }
            });
        }
    });
}

#[test]
fn a_server_is_in_flight_until_its_hold_is_dropped() {
    let bench = Bench::new();
    let upstream = bench.upstream(&[server(A), server(B)]);
    let in_flight = || {
        upstream
            .status()
            .map(|one| one.in_flight)
            .collect::<Vec<_>>()
    };
    let mut held: Vec<_> = (0..4).filter_map(|_| upstream.choose(&[])).collect();
    assert_eq!(in_flight(), [2, 2]);
    held.pop();
    held[0].succeeded();
    assert_eq!(in_flight(), [2, 1]);
    drop(held);
    assert_eq!(in_flight(), [0, 0]);
}

#[test]
fn one_server_can_be_asked_for_by_name() {
    let bench = Bench::new();
    let upstream = bench.upstream(&[server(A), server(B), backup(C), down("127.0.0.1:3004")]);
    let choose = |server: &str| upstream.choose_server(server, &[]);
    for wanted in [A, B, C] {
        for _ in 0..5 {
            let selected = choose(wanted).expect("known").expect("usable");
            assert_eq!(selected.text(), wanted);
        }
    }
    assert!(choose("127.0.0.1:3004").expect("known").is_none());
    let error = choose("127.0.0.1:3005").expect_err("unknown");
    let text = "no server \"127.0.0.1:3005\" in upstream \"app\"";
    assert_eq!(error.to_string(), text);
    let failed = choose(A).expect("known").expect("usable");
    failed.failed();
    assert!(choose(A).expect("known").is_none());
    let tried = [Arc::clone(
        choose(B).expect("known").expect("usable").peer(),
    )];
    assert!(upstream.choose_server(B, &tried).expect("known").is_none());
}

#[test]
fn addresses_are_written_as_nginx_writes_them() {
    let bench = Bench::new();
    let upstream = bench.upstream(&[server("[::1]:80"), server("unix:/run/app.sock")]);
    assert_eq!(usable(&upstream), ["[::1]:80", "unix:/run/app.sock"]);
}

/// The share of one address in what is chosen.
fn share(upstream: &Upstream, address: &str) -> f64 {
    const CHOICES: usize = 20_000;
    let counted = count(upstream, CHOICES);
    counted.get(address).copied().unwrap_or_default() as f64 / CHOICES as f64
}

#[test]
fn a_server_that_comes_back_starts_slowly() {
    const A: &str = "127.0.0.1:3001";
    const B: &str = "127.0.0.1:3002";
    let slow = |address| Server {
        slow_start: Some(Duration::from_secs(100)),
        ..server(address)
    };
    for balance in [
        Balance::RoundRobin,
        Balance::SmoothRoundRobin,
        Balance::LeastConn,
    ] {
        let bench = Bench::new();
        let model = model::Upstream {
            balance: balance.clone(),
            ..model(&[slow(A), slow(B)], None)
        };
        let upstream = bench.registry.upstream(&model);
        assert!(
            (0.49..0.51).contains(&share(&upstream, A)),
            "from the beginning"
        );
        loop {
            let selected = upstream.choose(&[]).expect("usable");
            if selected.text() == A {
                selected.failed();
                break;
            }
        }
        bench.now.fetch_add(11_000, Relaxed);
        // The one request that it may prove itself with.
        let proof = (0..2)
            .filter_map(|_| upstream.choose(&[]))
            .find(|one| one.text() == A);
        proof.expect("its turn").succeeded();
        assert_eq!(
            share(&upstream, A),
            0.0,
            "{balance:?}: it is back, with nothing"
        );
        bench.now.fetch_add(50_000, Relaxed);
        // Half a weight beside a whole one. Among idle servers `least_conn` goes in turn, of which it
        // takes half.
        let half = share(&upstream, A);
        let expected = match balance {
            Balance::LeastConn => 0.23..0.27,
            _ => 0.32..0.35,
        };
        assert!(expected.contains(&half), "{balance:?}: {half}");
        // When there is nobody else it is used nevertheless.
        let other = loop {
            let selected = upstream.choose(&[]).expect("usable");
            if selected.text() == B {
                break Arc::clone(selected.peer());
            }
        };
        bench.now.fetch_sub(50_000, Relaxed);
        let again = upstream.choose(&[other]).map(|one| one.text().to_owned());
        assert_eq!(again.as_deref(), Some(A));
        bench.now.fetch_add(100_000, Relaxed);
        let whole = share(&upstream, A);
        assert!((0.49..0.51).contains(&whole), "{balance:?}: {whole}");
        // What a reload adds to servers in use starts slowly, too.
        let mut more = model.clone();
        more.servers.push(slow("127.0.0.1:3003"));
        let reloaded = bench.registry.upstream(&more);
        assert_eq!(share(&reloaded, "127.0.0.1:3003"), 0.0);
        bench.now.fetch_add(100_000, Relaxed);
        let third = share(&reloaded, "127.0.0.1:3003");
        assert!((0.32..0.35).contains(&third), "{balance:?}: {third}");
    }
}

#[test]
fn an_only_server_does_not_start_slowly() {
    let bench = Bench::new();
    let slow = Server {
        slow_start: Some(Duration::from_secs(100)),
        ..server("127.0.0.1:3001")
    };
    let first = bench.upstream(&[server("127.0.0.1:3009")]);
    assert!(next(&first).is_some());
    let second = bench.upstream(&[slow]);
    assert_eq!(count(&second, 10), counts([("127.0.0.1:3001", 10)]));
}
