//! What outlives a generation.

use super::*;

const A: &str = "127.0.0.1:3001";
const B: &str = "127.0.0.1:3002";
const C: &str = "127.0.0.1:3003";

#[test]
fn an_unchanged_list_keeps_its_place_in_the_round() {
    let bench = Bench::new();
    let before = bench.upstream(&[server(A), server(B)]);
    assert_eq!(next(&before).as_deref(), Some(A));
    let after = bench.upstream(&[server(A), server(B)]);
    assert_eq!(next(&after).as_deref(), Some(B));
    let longer = bench.upstream(&[server(A), server(B), server(C)]);
    assert_eq!(longer.server_count(), 3);
    assert_eq!(before.server_count(), 2);
}

#[test]
fn failures_and_requests_in_flight_are_shared_with_the_generation_before() {
    let bench = Bench::new();
    let before = bench.upstream(&[server(A), server(B)]);
    let held = before.choose(&[]).expect("usable");
    held.failed();
    let after = bench.upstream(&[server(A), weighted(B, 2), server(C)]);
    assert_eq!(count(&after, 30).get(A), None);
    let status: Vec<_> = after
        .status()
        .map(|one| (one.failed, one.in_flight))
        .collect();
    assert_eq!(status, [(true, 1), (false, 0), (false, 0)]);
    let tried = [Arc::clone(held.peer())];
    bench.now.store(60_000, Relaxed);
    for _ in 0..30 {
        let selected = after.choose(&tried).expect("usable");
        assert_ne!(selected.text(), A, "tried, though by the generation before");
    }
}

#[tokio::test]
async fn a_dead_server_stays_dead_until_a_check_says_otherwise() {
    let bench = Bench::running();
    let (dead, alive) = (Port::reserve(), Port::reserve());
    let (dead_text, alive_text) = (dead.text(), alive.text());
    let _alive = alive.listen();
    let tcp = || check(CheckKind::Tcp);
    let before = bench.checked(&[server(&dead_text), server(&alive_text)], tcp());
    let stop = bench.run();
    until("the dead one is out", || {
        usable(&before) == [alive_text.as_str()]
    })
    .await;

    // No check runs from here on: what is known must come from before.
    drop(stop);
    let slow = HealthCheck {
        interval: Duration::from_secs(3600),
        ..tcp()
    };
    let servers = [weighted(&dead_text, 5), server(&alive_text)];
    let after = bench.checked(&servers, slow);
    drop(before);
    assert_eq!(count(&after, 30), counts([(&alive_text, 30)]));

    // Without a check, nothing says that it is dead.
    let unchecked = bench.upstream(&servers);
    assert!(count(&unchecked, 30).contains_key(&dead_text));
}

#[tokio::test]
async fn a_check_that_was_taken_away_leaves_nothing_behind() {
    let bench = Bench::running();
    let port = Port::reserve();
    let dead = port.text();
    let servers = [server(&dead), server(A)];
    let slow = HealthCheck {
        interval: Duration::from_secs(3600),
        ..check(CheckKind::Tcp)
    };
    let stop = bench.run();
    let checked = bench.checked(&servers, slow);
    until("it is out", || !usable(&checked).contains(&dead)).await;
    let unchecked = bench.upstream(&servers);
    drop(checked);
    until("its health is forgotten", || {
        unchecked.group.peers().iter().all(|(_, healthy)| *healthy)
    })
    .await;
    let lines = bench.log();
    assert!(
        lines.iter().all(|line| line.contains("is down")),
        "{lines:?}"
    );
    drop(stop);
}

#[tokio::test]
async fn loops_end_when_nobody_uses_their_upstream() {
    let bench = Bench::running();
    let stop = bench.run();
    bench.names.set("app1", &["127.0.0.1:3000"]);
    let port = Port::reserve();
    for _ in 0..5 {
        let upstream = bench.checked(
            &[server("app1:3000"), server(&port.text())],
            check(CheckKind::Tcp),
        );
        until("the name is found", || upstream.server_count() == 2).await;
        let state = Arc::downgrade(upstream.state());
        assert!(!bench.registry.is_idle());
        drop(upstream);
        until("it ends", || {
            bench.registry.is_idle() && state.strong_count() == 0
        })
        .await;
    }
    let lookups = bench.names.lookups.load(Relaxed);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(bench.names.lookups.load(Relaxed), lookups);
    drop(stop);
}

#[tokio::test]
async fn an_upstream_that_only_a_websocket_holds_is_not_checked() {
    let bench = Bench::running();
    let stop = bench.run();
    let ports = [Port::reserve(), Port::reserve()];
    let servers = ports.each_ref().map(|port| server(&port.text()));
    let held = bench.checked(&servers, check(CheckKind::Tcp));
    until("they are checked", || usable(&held).is_empty()).await;
    let other = model::Upstream {
        name: "other".to_owned(),
        ..model(&[server(C)], None)
    };
    let live = bench.registry.upstream(&other);
    bench.registry.retain([&live]);
    // The upstream's own hold and this test's.
    until("the loop ends", || Arc::strong_count(held.state()) <= 4).await;
    assert_eq!(held.server_count(), 2);
    drop(stop);
}

#[tokio::test]
async fn a_generation_that_never_served_gives_the_check_back() {
    let bench = Bench::running();
    let (dead, good) = (Port::reserve(), Port::reserve());
    let (dead_text, good_text) = (dead.text(), good.text());
    let _good = good.listen();
    let servers = [server(&dead_text), server(&good_text)];
    let serving = bench.checked(&servers, check(CheckKind::Tcp));
    drop(bench.upstream(&[server(A)]));
    let stop = bench.run();
    until("the old servers are checked", || {
        usable(&serving) == [good_text.as_str()]
    })
    .await;
    drop(stop);
}
