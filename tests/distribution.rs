//! Over a million selections every method keeps to the weights within one percent, also with a server
//! down; nginx's `ip_hash` and `hash` then within four. (The shares of `hash consistent` are those of its
//! ring.)

use gapura::model::{Balance, Keepalive, Server, ServerAddress, Template, Until, Upstream, Weight};
use gapura::runtime::upstream::{self, Registry};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

const SELECTIONS: u64 = 1_000_000;
const THREADS: u64 = 4;

/// Weights of servers, the last of which is sometimes down.
const WEIGHTS: [u64; 4] = [5, 3, 1, 2];

fn methods() -> Vec<(&'static str, Balance)> {
    let least_time = |until, inflight| Balance::LeastTime { until, inflight };
    let hash = Balance::Hash {
        key: Template::literal("unused"),
        consistent: false,
    };
    vec![
        ("round_robin", Balance::RoundRobin),
        ("smooth_round_robin", Balance::SmoothRoundRobin),
        ("least_conn", Balance::LeastConn),
        ("least_time", least_time(Until::Header, false)),
        ("least_time inflight", least_time(Until::LastByte, true)),
        ("ip_hash", Balance::IpHash),
        ("hash", hash),
        ("random", Balance::Random),
        ("random two", Balance::RandomTwo),
        (
            "random two least_time",
            Balance::RandomTwoLeastTime(Until::Header),
        ),
        ("peak_ewma", Balance::PeakEwma),
    ]
}

/// How often each server is chosen, by so many threads; every choice of a thread ends before its next.
fn shares(upstream: &upstream::Upstream, threads: u64) -> HashMap<String, u64> {
    let mut shares = HashMap::new();
    let choose = |thread: u64| {
        let mut shares = HashMap::<String, u64>::new();
        for number in 0..SELECTIONS / threads {
            // Every client and every key is another one.
            let number = (number * threads + thread).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let selected = upstream.choose_by(&number.to_be_bytes()[..3], &[]);
            let selected = selected.expect("one is up");
            match shares.get_mut(selected.text()) {
                Some(share) => *share += 1,
                None => drop(shares.insert(selected.text().to_owned(), 1)),
            }
        }
        shares
    };
    std::thread::scope(|scope| {
        let choose = &choose;
        let threads: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || choose(thread)))
            .collect();
        for thread in threads {
            for (server, share) in thread.join().expect("no panic") {
                *shares.entry(server).or_default() += share;
            }
        }
    });
    shares
}

#[test]
fn a_million_selections_keep_to_the_weights() {
    for (name, balance) in methods() {
        for down in [false, true] {
            // Of idle servers that are as fast, nginx's `least_time` takes the one of most weight.
            let by_time = matches!(
                balance,
                Balance::LeastTime { .. } | Balance::RandomTwoLeastTime(_)
            );
            let weights = if by_time { [1; 4] } else { WEIGHTS };
            let upstream = upstream(balance.clone(), &weights, down);
            // Those that look at the requests that servers have see the ones of other threads.
            let threads = match balance {
                Balance::RoundRobin
                | Balance::SmoothRoundRobin
                | Balance::IpHash
                | Balance::Hash { .. }
                | Balance::Random => THREADS,
                _ => 1,
            };
            let shares = shares(&upstream, threads);
            let used = weights.len() - usize::from(down);
            let total: u64 = weights[..used].iter().sum();
            for (index, weight) in weights.iter().enumerate() {
                let share = shares.get(&address(index)).copied().unwrap_or_default();
                if index >= used {
                    assert_eq!(share, 0, "{name}: it is down");
                    continue;
                }
                let expected = SELECTIONS * weight / total;
                // Where nginx's hashes put the keys of a server that is down is less even.
                let is_hashed = matches!(balance, Balance::IpHash | Balance::Hash { .. });
                let percent = if is_hashed && down { 4 } else { 1 };
                assert!(
                    share.abs_diff(expected) * 100 <= expected * percent,
                    "{name}, down: {down}: server {index} got {share} instead of {expected}"
                );
            }
        }
    }
}

fn upstream(balance: Balance, weights: &[u64], last_is_down: bool) -> Arc<upstream::Upstream> {
    let server = |(index, weight): (usize, &u64)| Server {
        address: ServerAddress::Inet(address(index).parse().expect("an address")),
        written: address(index),
        max_conns: None,
        weight: Weight::new(*weight).expect("a weight"),
        max_fails: 1,
        fail_timeout: Duration::from_secs(10),
        backup: false,
        down: last_is_down && index + 1 == weights.len(),
        drain: false,
        route: None,
        resolve: false,
        slow_start: None,
        service: None,
    };
    Registry::new().upstream(&Upstream {
        name: "app".to_owned(),
        balance,
        servers: weights.iter().enumerate().map(server).collect(),
        sticky: None,
        queue: None,
        eject_outliers: None,
        health_checks: Vec::new(),
        resolver: None,
        resolver_timeout: None,
        keepalive: Keepalive::default(),
    })
}

fn address(index: usize) -> String {
    format!("10.0.{}.{}:80", index / 250, index % 250 + 1)
}
