//! `queue`: requests that wait for a server.

use super::super::Selected;
use super::*;
use std::num::NonZeroU32;
use tokio::task::JoinHandle;

const A: &str = "127.0.0.1:3001";
const B: &str = "127.0.0.1:3002";

/// An upstream whose servers take one request each.
fn queued(bench: &Bench, servers: &[&str], requests: usize, timeout: Duration) -> Arc<Upstream> {
    let single = |address: &&str| Server {
        max_conns: NonZeroU32::new(1),
        ..server(address)
    };
    let servers: Vec<_> = servers.iter().map(single).collect();
    bench.registry.upstream(&model::Upstream {
        queue: Some(model::Queue { requests, timeout }),
        ..model(&servers, None)
    })
}

/// A request that waits, once it does.
async fn waiting(upstream: &Arc<Upstream>, tried: &[Arc<Peer>]) -> JoinHandle<Option<Selected>> {
    let before = upstream.state().line().length();
    let (waiter, tried) = (Arc::clone(upstream), tried.to_vec());
    let task = tokio::spawn(async move { waiter.wait(b"", &tried).await });
    until("it waits", || {
        upstream.state().line().length() > before || task.is_finished()
    })
    .await;
    task
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn who_came_first_goes_first_and_nobody_overtakes() {
    let bench = Bench::new();
    let upstream = queued(&bench, &[A], 10, LONG);
    let mut held = upstream.choose(&[]).expect("free");
    let mut line = Vec::new();
    for _ in 0..5 {
        line.push(waiting(&upstream, &[]).await);
    }
    for next in 0..5 {
        drop(held);
        assert!(upstream.choose(&[]).is_none(), "others wait for it");
        held = line.remove(0).await.expect("no panic").expect("its turn");
        assert!(line.iter().all(|task| !task.is_finished()), "{next}");
    }
    drop(held);
    assert!(upstream.choose(&[]).is_some());
}

#[tokio::test]
async fn a_full_queue_and_one_that_takes_too_long_give_none() {
    let bench = Bench::new();
    let upstream = queued(&bench, &[A], 1, Duration::from_millis(50));
    let held = upstream.choose(&[]).expect("free");
    let first = waiting(&upstream, &[]).await;
    assert!(upstream.wait(b"", &[]).await.is_none(), "it is full");
    assert!(first.await.expect("no panic").is_none(), "too late");
    assert!(upstream.state().line().is_empty());
    let tried = [Arc::clone(held.peer())];
    assert!(!upstream.may_wait(&tried), "there is no other server");
    assert!(upstream.wait(b"", &tried).await.is_none());
}

#[tokio::test]
async fn one_that_goes_away_leaves_its_place_to_the_next() {
    let bench = Bench::new();
    let upstream = queued(&bench, &[A], 2, LONG);
    let held = upstream.choose(&[]).expect("free");
    let first = waiting(&upstream, &[]).await;
    let second = waiting(&upstream, &[]).await;
    // The first is woken and goes before it looks.
    drop(held);
    first.abort();
    assert!(second.await.expect("no panic").is_some());
    assert!(upstream.state().line().is_empty());
}

#[tokio::test]
async fn one_that_waits_for_another_server_holds_nobody_up() {
    let bench = Bench::new();
    let upstream = queued(&bench, &[A, B], 10, LONG);
    let [a, b] = [(); 2].map(|()| upstream.choose(&[]).expect("free"));
    let picky = waiting(&upstream, &[Arc::clone(a.peer())]).await;
    let other = waiting(&upstream, &[]).await;
    let text = a.text().to_owned();
    drop(a);
    let other = other.await.expect("no panic").expect("a server");
    assert_eq!(other.text(), text);
    assert!(!picky.is_finished());
    let text = b.text().to_owned();
    drop(b);
    let picky = picky.await.expect("no panic").expect("a server");
    assert_eq!(picky.text(), text);
}

#[tokio::test]
async fn a_reload_keeps_the_line() {
    let bench = Bench::new();
    let before = queued(&bench, &[A], 10, LONG);
    let held = before.choose(&[]).expect("free");
    let old = waiting(&before, &[]).await;
    let after = queued(&bench, &[A], 10, Duration::from_secs(50));
    let new = waiting(&after, &[]).await;
    assert!(after.choose(&[]).is_none());
    drop(held);
    let old = old.await.expect("no panic").expect("its turn");
    assert!(!new.is_finished());
    drop(old);
    assert!(new.await.expect("no panic").is_some());
}

#[tokio::test]
async fn a_server_that_comes_back_is_noticed() {
    let bench = Bench::new();
    let upstream = queued(&bench, &[A, B], 10, LONG);
    fail_all(&upstream);
    assert!(upstream.choose(&[]).is_none(), "all are out");
    let task = waiting(&upstream, &[]).await;
    bench.now.store(60_000, Relaxed);
    assert!(task.await.expect("no panic").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousands_get_their_turn() {
    let bench = Bench::new();
    let upstream = queued(&bench, &[A, B], 10_000, LONG);
    let request = |upstream: Arc<Upstream>| async move {
        let selected = match upstream.choose(&[]) {
            Some(selected) => Some(selected),
            None => upstream.wait(b"", &[]).await,
        };
        tokio::task::yield_now().await;
        selected.is_some()
    };
    let tasks: Vec<_> = (0..5000)
        .map(|_| tokio::spawn(request(Arc::clone(&upstream))))
        .collect();
    for task in tasks {
        assert!(task.await.expect("no panic"));
    }
    assert!(upstream.state().line().is_empty());
    assert!(upstream.status().all(|one| one.in_flight == 0));
}
