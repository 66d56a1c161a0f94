//! The ways of choosing that nginx has: placed as nginx places them.

use super::*;
use crate::model::{Template, Until};
use std::num::NonZeroU32;

const A: &str = "127.0.0.1:3001";
const B: &str = "127.0.0.1:3002";
const C: &str = "127.0.0.1:3003";
const D: &str = "127.0.0.1:3004";

fn upstream(bench: &Bench, balance: Balance, servers: &[Server]) -> Arc<Upstream> {
    bench.registry.upstream(&model::Upstream {
        balance,
        ..model(servers, None)
    })
}

fn by(upstream: &Upstream, key: &[u8]) -> String {
    let selected = upstream.choose_by(key, &[]).expect("usable");
    selected.text().to_owned()
}

#[test]
fn a_heavy_server_s_turns_are_spread() {
    let bench = Bench::new();
    let servers = [weighted(A, 5), server(B), server(C), down(D)];
    let upstream = upstream(&bench, Balance::SmoothRoundRobin, &servers);
    let order: Vec<_> = (0..7).filter_map(|_| next(&upstream)).collect();
    assert_eq!(order, [A, A, B, A, C, A, A]);
    // Without the first, the others share what is left.
    let first = upstream.choose(&[]).expect("usable");
    assert_eq!(first.text(), A);
    first.failed();
    drop(first);
    assert_eq!(count(&upstream, 100), counts([(B, 50), (C, 50)]));
}

#[test]
fn the_least_busy_server_is_chosen_and_equals_in_turn() {
    let bench = Bench::new();
    let servers = [server(A), weighted(B, 2), server(C)];
    let upstream = upstream(&bench, Balance::LeastConn, &servers);
    assert_eq!(count(&upstream, 40), counts([(A, 10), (B, 20), (C, 10)]));
    let mut held: Vec<_> = (0..8).filter_map(|_| upstream.choose(&[])).collect();
    let holds = |held: &[super::super::Selected], text| {
        held.iter().filter(|one| one.text() == text).count()
    };
    assert_eq!(
        (holds(&held, A), holds(&held, B), holds(&held, C)),
        (2, 4, 2)
    );
    held.retain(|one| one.text() != C);
    assert_eq!(next(&upstream).as_deref(), Some(C));
}

#[test]
fn a_client_stays_with_its_server_as_under_nginx() {
    let bench = Bench::new();
    let servers = [server(A), server(B), server(C)];
    let with = |servers: &[Server]| upstream(&bench, Balance::IpHash, servers);
    let all = with(&servers);
    // ((89 * 113 + 127) * 113 + 0) * 113 + 0, each modulo 6271: 3 servers.
    let expected = |bytes: [usize; 3]| {
        let hash = bytes
            .into_iter()
            .fold(89, |hash, byte| (hash * 113 + byte) % 6271);
        [A, B, C][hash % 3]
    };
    for address in [[127, 0, 0], [10, 1, 2], [192, 168, 1], [8, 8, 8]] {
        let bytes = address.map(|byte: u8| usize::from(byte));
        assert_eq!(by(&all, &address), expected(bytes));
        assert_eq!(by(&all, &address), expected(bytes), "again");
    }
    // A server that is down keeps its place: the clients of the others stay.
    let without = with(&[server(A), down(B), server(C)]);
    for number in 0..=255 {
        let key = [10, 0, number];
        let before = by(&all, &key);
        let after = by(&without, &key);
        assert_ne!(after, B);
        if before != B {
            assert_eq!(after, before);
        }
    }
}

#[test]
fn a_key_is_placed_as_by_nginx() {
    let bench = Bench::new();
    let balance = |consistent| Balance::Hash {
        key: Template::literal("unused"),
        consistent,
    };
    let servers = [server(A), weighted(B, 3), server(C)];
    let plain = upstream(&bench, balance(false), &servers);
    for key in ["/", "/a", "/b", "some longer key"] {
        let hash = (crc32fast::hash(key.as_bytes()) >> 16) & 0x7fff;
        let expected = [A, B, B, B, C][hash as usize % 5];
        assert_eq!(by(&plain, key.as_bytes()), expected, "{key}");
    }
    let mut empty: Vec<_> = (0..5).map(|_| by(&plain, b"")).collect();
    empty.sort();
    assert_eq!(empty, [A, B, B, B, C], "without a key they go in turn");

    let ring = upstream(&bench, balance(true), &servers);
    let smaller = upstream(&bench, balance(true), &servers[..2]);
    let mut moved = 0;
    for number in 0..1000 {
        let key = format!("key {number}");
        let (before, after) = (by(&ring, key.as_bytes()), by(&smaller, key.as_bytes()));
        assert_eq!(before, by(&ring, key.as_bytes()));
        if before != after {
            assert_eq!(before, C, "only the keys of the server that went");
            moved += 1;
        }
    }
    assert!((100..300).contains(&moved), "{moved} of 1000 for a fifth");
}

#[test]
fn a_further_try_costs_nobody_a_turn() {
    for balance in [Balance::RoundRobin, Balance::SmoothRoundRobin] {
        let bench = Bench::new();
        let servers = [A, B, C].map(|address| Server {
            max_fails: 0,
            ..server(address)
        });
        let upstream = upstream(&bench, balance.clone(), &servers);
        let (mut first, mut again) = (BTreeMap::new(), BTreeMap::new());
        for _ in 0..300 {
            let selected = upstream.choose(&[]).expect("usable");
            *first.entry(selected.text().to_owned()).or_default() += 1;
            if selected.text() == A {
                selected.failed();
                let tried = [Arc::clone(selected.peer())];
                let next = upstream.choose(&tried).expect("another one");
                *again.entry(next.text().to_owned()).or_default() += 1;
            }
        }
        assert_eq!(first, counts([(A, 100), (B, 100), (C, 100)]), "{balance:?}");
        let to_b: usize = again.get(B).copied().unwrap_or_default();
        if balance == Balance::RoundRobin {
            assert!((49..=51).contains(&to_b), "{again:?}: both help out");
        }
    }
}

#[test]
fn who_helps_out_is_shared_by_weight_too() {
    // A server that is full is out for a moment only, and its neighbour does not have it all.
    let bench = Bench::new();
    let full = Server {
        max_conns: NonZeroU32::new(1),
        ..weighted(A, 4)
    };
    let servers = [full, weighted(B, 1), weighted(C, 3)];
    let upstream = upstream(&bench, Balance::RoundRobin, &servers);
    let _held = loop {
        let selected = upstream.choose(&[]).expect("usable");
        if selected.text() == A {
            break selected;
        }
    };
    assert_eq!(count(&upstream, 800), counts([(B, 200), (C, 600)]));
}

#[test]
fn chance_keeps_to_the_weights() {
    let bench = Bench::new();
    for balance in [Balance::Random, Balance::RandomTwo] {
        let both = upstream(&bench, balance.clone(), &[weighted(A, 3), server(B)]);
        let counted = count(&both, 2000);
        let first = counted.get(A).copied().unwrap_or_default();
        let expected = if balance == Balance::Random {
            1350..1650
        } else {
            1..2000
        };
        assert!(expected.contains(&first), "{balance:?}: {first}");
    }
    let two = upstream(&bench, Balance::RandomTwo, &[server(A), server(B)]);
    let busy = two.choose(&[]).expect("usable");
    let other = if busy.text() == A { B } else { A };
    assert_eq!(count(&two, 20), counts([(other, 20)]));
}

#[test]
fn a_server_gets_no_more_than_max_conns() {
    let bench = Bench::new();
    let limited = Server {
        max_conns: NonZeroU32::new(2),
        ..server(A)
    };
    for balance in [
        Balance::RoundRobin,
        Balance::SmoothRoundRobin,
        Balance::IpHash,
    ] {
        let upstream = upstream(&bench, balance, &[limited.clone(), server(B)]);
        let held: Vec<_> = (0..10)
            .filter_map(|_| upstream.choose_by(&[1, 2, 3], &[]))
            .collect();
        let first = held.iter().filter(|one| one.text() == A).count();
        assert!(first <= 2 && held.len() == 10, "{first} of {}", held.len());
        drop(held);
        let only = bench
            .registry
            .upstream(&model(std::slice::from_ref(&limited), None));
        let held: Vec<_> = (0..10).filter_map(|_| only.choose(&[])).collect();
        assert_eq!(held.len(), 2);
    }
}

#[test]
fn max_conns_is_exact_across_threads() {
    let bench = Bench::new();
    let limited = Server {
        max_conns: NonZeroU32::new(3),
        ..server(A)
    };
    let upstream = bench.upstream(&[limited, server(B)]);
    let most = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let held: Vec<_> = (0..3).filter_map(|_| upstream.choose(&[])).collect();
                    assert_eq!(held.len(), 3, "the other takes everything");
                    let of_first = held.iter().find(|one| one.text() == A);
                    if let Some(first) = of_first {
                        most.fetch_max(first.peer().in_flight(), Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(most.into_inner(), 3);
}

fn answers_after(selected: &super::super::Selected, header: u64, whole: u64) {
    let [header, whole] = [header, whole].map(Duration::from_millis);
    selected.succeeded();
    selected.has_header(header);
    selected.has_ended(Some(header), whole);
}

#[test]
fn the_fastest_server_is_chosen_until_it_is_busy() {
    let bench = Bench::new();
    let least_time = |until, inflight| Balance::LeastTime { until, inflight };
    // A's headers come late, B's bodies.
    let times = |text: &str| if text == A { (300, 310) } else { (100, 1000) };
    for (until, faster, slower) in [(Until::Header, B, A), (Until::LastByte, A, B)] {
        for inflight in [false, true] {
            let bench = Bench::new();
            let balance = least_time(until, inflight);
            let upstream = self::upstream(&bench, balance, &[server(A), server(B)]);
            let both = [0, 1].map(|_| upstream.choose(&[]).expect("usable"));
            assert_ne!(both[0].text(), both[1].text(), "nothing is known yet");
            for selected in both {
                let (header, whole) = times(selected.text());
                answers_after(&selected, header, whole);
            }
            assert_eq!(count(&upstream, 20), counts([(faster, 20)]), "{until:?}");
            let held: Vec<_> = (0..4).filter_map(|_| upstream.choose(&[])).collect();
            let quick = held.iter().filter(|one| one.text() == faster).count();
            assert!((2..4).contains(&quick), "{until:?}: {quick} of 4 at once");
            drop(held);
            // A reload keeps what is known.
            let servers = [server(B), server(A), server(C)];
            let again = self::upstream(&bench, least_time(until, inflight), &servers);
            let unknown = again.choose(&[]).expect("usable");
            assert_eq!(unknown.text(), C);
            answers_after(&unknown, 5000, 5000);
            drop(unknown);
            assert_eq!(count(&again, 20), counts([(faster, 20)]));
            // After fail_timeout the slower ones may show that they have become faster.
            bench.now.store(60_000, Relaxed);
            assert!(count(&again, 20).contains_key(slower));
        }
    }
    // A server that fails fast is not a fast one.
    let upstream = upstream(
        &bench,
        least_time(Until::LastByte, false),
        &[server(A), server(B)],
    );
    let failing = upstream.choose(&[]).expect("usable");
    failing.failed();
    drop(failing);
    let status = upstream
        .status()
        .find(|one| one.failed)
        .expect("one is out");
    assert_eq!(status.peer.load(1000), 20, "nothing is known of it");
}

#[test]
fn a_server_that_does_not_answer_gets_no_more_requests() {
    let bench = Bench::new();
    let balance = Balance::LeastTime {
        until: Until::LastByte,
        inflight: true,
    };
    let servers = [weighted(A, 10), weighted(B, 10)];
    let upstream = upstream(&bench, balance, &servers);
    let first = upstream.choose(&[]).expect("usable");
    assert_eq!(first.text(), A);
    for _ in 0..10 {
        bench.now.fetch_add(900, Relaxed);
        let other = upstream.choose(&[]).expect("usable");
        assert_eq!(other.text(), B);
        answers_after(&other, 10, 10);
    }
}

#[test]
fn two_by_chance_are_compared_by_their_times() {
    let bench = Bench::new();
    let balance = Balance::RandomTwoLeastTime(Until::Header);
    let upstream = upstream(&bench, balance, &[server(A), server(B)]);
    for time in [100, 200] {
        let selected = upstream.choose(&[]).expect("usable");
        answers_after(&selected, time, time);
    }
    // If chance took the same one twice, nothing is known of the other.
    let best = upstream.status().min_by_key(|one| one.peer.load(1000));
    let best = best.expect("two").peer.text().to_owned();
    assert_eq!(count(&upstream, 20), counts([(&best, 20)]));
}

#[test]
fn a_slow_server_gets_little_traffic_by_its_peak() {
    let bench = Bench::new();
    let servers = [server(A), server(B), server(C)];
    let upstream = upstream(&bench, Balance::PeakEwma, &servers);
    // A thousand requests a second for a minute; C takes two seconds for what the others do in ten
    // milliseconds.
    let mut under_way: Vec<(u64, u64, super::super::Selected)> = Vec::new();
    let mut sent = BTreeMap::<String, usize>::new();
    for millisecond in 1000..61_000 {
        bench.now.store(millisecond, Relaxed);
        under_way.retain(|(end, time, selected)| {
            let is_over = *end <= millisecond;
            if is_over {
                answers_after(selected, *time, *time);
            }
            !is_over
        });
        let selected = upstream.choose(&[]).expect("usable");
        *sent.entry(selected.text().to_owned()).or_default() += 1;
        let time = if selected.text() == C { 2000 } else { 10 };
        under_way.push((millisecond + time, time, selected));
    }
    let [a, b, c] = [A, B, C].map(|text| sent.get(text).copied().unwrap_or_default());
    assert!(c > 0 && c * 50 < a + b, "{c} of 60,000 to the slow one");
    let uneven = a.abs_diff(b);
    assert!(uneven * 10 < a + b, "{a} and {b} to the others");
}

#[test]
fn of_many_servers_each_gets_what_nobody_else_waits_for() {
    let bench = Bench::new();
    let address = |index: usize| format!("10.0.{}.{}:80", index / 250, index % 250 + 1);
    let servers: Vec<_> = (0..1000)
        .map(|index| weighted(&address(index), 1 + index as u64 % 2))
        .collect();
    let least_time = Balance::LeastTime {
        until: Until::Header,
        inflight: false,
    };
    for balance in [Balance::LeastConn, least_time] {
        let upstream = upstream(&bench, balance, &servers);
        let mut held: Vec<_> = (0..1000).filter_map(|_| upstream.choose(&[])).collect();
        let texts = |held: &[super::super::Selected]| {
            let texts = held.iter().map(|one| one.text().to_owned());
            texts.collect::<std::collections::BTreeSet<_>>().len()
        };
        // Some wait for the same server of twice the weight, but nobody for one of half of it.
        assert!(texts(&held) >= 500, "{}", texts(&held));
        held.extend((0..500).filter_map(|_| upstream.choose(&[])));
        assert_eq!(held.len(), 1500);
        for selected in &held {
            let peer = selected.peer();
            assert!(peer.in_flight() <= peer.weight + 1, "{peer:?}");
        }
    }
    let limited: Vec<_> = servers
        .into_iter()
        .map(|server| Server {
            max_conns: NonZeroU32::new(1),
            ..server
        })
        .collect();
    let upstream = upstream(&bench, Balance::LeastConn, &limited);
    let held: Vec<_> = (0..1001).filter_map(|_| upstream.choose(&[])).collect();
    assert_eq!(held.len(), 1000, "each is found once, and none twice");
}
