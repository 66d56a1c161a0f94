//! Servers with names, which come, move and go.

use super::*;

#[tokio::test]
async fn a_name_that_appears_later_comes_alive_by_itself() {
    let bench = Bench::running();
    let upstream = bench.upstream(&[server("app1:3000")]);
    let stop = bench.run();
    until("it is missed", || bench.log().len() == 1).await;
    assert_eq!((upstream.server_count(), next(&upstream)), (0, None));
    let before = bench.names.lookups.load(Relaxed);
    until("it is tried often", || {
        bench.names.lookups.load(Relaxed) > before + 3
    })
    .await;
    bench
        .names
        .set("app1", &["10.0.0.1:3000", "[fd00::1]:3000"]);
    until("it is found", || upstream.server_count() == 2).await;
    assert_eq!(
        count(&upstream, 4),
        counts([("10.0.0.1:3000", 2), ("[fd00::1]:3000", 2)])
    );
    assert_eq!(
        bench.log(),
        [
            "host not found in upstream \"app1:3000\" (no such name)",
            "upstream \"app1:3000\" is at 10.0.0.1:3000, [fd00::1]:3000",
        ]
    );
    drop(stop);
}

#[tokio::test]
async fn an_address_that_stays_keeps_its_state() {
    let bench = Bench::running();
    bench.names.set("app1", &["10.0.0.1:3000", "10.0.0.2:3000"]);
    let upstream = bench.upstream(&[server("app1:3000")]);
    let stop = bench.run();
    until("it is found", || upstream.server_count() == 2).await;
    let held = upstream.choose(&[]).expect("usable");
    held.failed();
    assert_eq!(held.text(), "10.0.0.1:3000");
    bench.names.set("app1", &["10.0.0.1:3000", "10.0.0.3:3000"]);
    until("it moves", || usable(&upstream) == ["10.0.0.3:3000"]).await;
    let in_flight: Vec<_> = upstream.status().map(|one| one.in_flight).collect();
    assert_eq!(in_flight, [1, 0]);
    assert_eq!(
        bench.log(),
        ["upstream \"app1:3000\" is at 10.0.0.1:3000, 10.0.0.3:3000"]
    );
    drop(stop);
}

#[tokio::test]
async fn a_failing_resolver_keeps_the_last_addresses() {
    let bench = Bench::running();
    bench.names.set("app1", &["10.0.0.1:3000"]);
    let upstream = bench.upstream(&[server("app1:3000")]);
    let stop = bench.run();
    until("it is found", || upstream.server_count() == 1).await;
    bench.names.remove("app1");
    until("it is missed", || bench.log().len() == 1).await;
    assert_eq!(next(&upstream).as_deref(), Some("10.0.0.1:3000"));
    let line = "host not found in upstream \"app1:3000\" (no such name), still using 10.0.0.1:3000";
    assert_eq!(bench.log(), [line]);
    bench.names.set("app1", &["10.0.0.1:3000"]);
    until("it is back", || bench.log().len() == 2).await;
    drop(stop);
}

#[tokio::test]
async fn a_look_up_that_hangs_is_logged_and_never_doubled() {
    let bench = Bench::running();
    let gate = bench.names.gate.write().await;
    let first = bench.upstream(&[server("app1:3000")]);
    let stop = bench.run();
    until("it is under way", || {
        bench.names.under_way.load(Relaxed) == 1
    })
    .await;
    // More who want the same name.
    let second = model::Upstream {
        name: "second".to_owned(),
        ..model(&[server("app1:3000")], None)
    };
    let second = bench.registry.upstream(&second);
    bench
        .registry
        .resolve_names([&first, &second], Duration::from_millis(30))
        .await;
    until("it is logged", || bench.log().len() == 1).await;
    let line = "host not found in upstream \"app1:3000\" (no answer from the resolver)";
    assert_eq!(bench.log(), [line]);
    bench.names.set("app1", &["10.0.0.1:3000"]);
    drop(gate);
    until("both have it", || {
        first.server_count() + second.server_count() == 2
    })
    .await;
    assert_eq!(bench.names.most_under_way.load(Relaxed), 1);
    drop(stop);
}

#[tokio::test]
async fn names_can_be_resolved_before_serving() {
    let bench = Bench::running();
    bench.names.set("app1", &["10.0.0.1:3000"]);
    bench.names.set("app2", &["10.0.0.2:3000"]);
    let upstream = bench.upstream(&[
        weighted("app1:3000", 3),
        server("app2:3000"),
        server("missing:3000"),
        down("never:3000"),
    ]);
    let limit = Duration::from_secs(10);
    bench.registry.resolve_names([&upstream], limit).await;
    assert_eq!(
        count(&upstream, 8),
        counts([("10.0.0.1:3000", 6), ("10.0.0.2:3000", 2)])
    );
    assert_eq!(bench.names.lookups.load(Relaxed), 3);
    // A new generation knows them at once, even with another list.
    let after = bench.upstream(&[server("app1:3000"), server("10.0.0.9:3000")]);
    assert_eq!(after.server_count(), 2);
    bench.registry.resolve_names([&after], limit).await;
    assert_eq!(bench.names.lookups.load(Relaxed), 3);
}

#[tokio::test]
async fn servers_that_swap_their_addresses_swap_their_names() {
    let bench = Bench::running();
    bench.names.set("app1", &["10.0.0.1:3000"]);
    bench.names.set("app2", &["10.0.0.2:3000"]);
    let upstream = bench.upstream(&[server("app1:3000"), server("app2:3000")]);
    let stop = bench.run();
    let at = |server: &str| {
        let selected = upstream.choose_server(server, &[]).expect("known");
        selected.map(|selected| selected.text().to_owned())
    };
    for (one, two) in [
        ("10.0.0.1:3000", "10.0.0.2:3000"),
        ("10.0.0.2:3000", "10.0.0.1:3000"),
        ("10.0.0.1:3000", "10.0.0.2:3000"),
        ("10.0.0.1:3000", "10.0.0.1:3000"),
    ] {
        bench.names.set("app1", &[one]);
        bench.names.set("app2", &[two]);
        let expected = [Some(one.to_owned()), Some(two.to_owned())];
        until("they have moved", || {
            [at("app1:3000"), at("app2:3000")] == expected
        })
        .await;
    }
    drop(stop);
}

#[tokio::test]
async fn an_answer_is_used_for_as_long_as_it_is_valid_within_bounds() {
    let hour = Duration::from_secs(3600);
    for most in [hour, Duration::from_millis(5)] {
        let bench = Bench::running();
        let least = Duration::from_millis(1);
        bench.registry.bound(model::Validity { least, most });
        bench.names.set("app1", &["10.0.0.1:3000"]);
        bench.names.set("app2", &["10.0.0.2:3000"]);
        bench.names.valid.lock().insert("app1".to_owned(), hour);
        let upstream = bench.upstream(&[server("app1:3000"), server("app2:3000")]);
        let stop = bench.run();
        until("the other is looked up often", || {
            bench.names.asked("app2") > 4
        })
        .await;
        match most == hour {
            true => assert_eq!(bench.names.asked("app1"), 1),
            false => until("it is looked up again", || bench.names.asked("app1") > 4).await,
        }
        drop((stop, upstream));
    }
}

#[tokio::test]
async fn the_system_knows_localhost() {
    let found = SystemResolver.resolve("localhost", 3000).await;
    let found = found.expect("every system does").addresses;
    assert!(!found.is_empty());
    assert!(
        found
            .iter()
            .all(|one| one.ip().is_loopback() && one.port() == 3000)
    );
}
