//! Choosing a server allocates nothing beyond what Pingora's own selection does.

use gapura::model::{Balance, Keepalive, Server, ServerAddress, Upstream, Weight};
use gapura::runtime::upstream::Registry;
use pingora_load_balancing::discovery::Static;
use pingora_load_balancing::selection::algorithms::RoundRobin;
use pingora_load_balancing::selection::weighted::Weighted;
use pingora_load_balancing::{Backend, Backends, LoadBalancer};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn choosing_allocates_what_pingora_does_and_no_more() {
    let addresses = ["127.0.0.1:3001", "127.0.0.1:3002", "127.0.0.1:3003"];
    let upstream = Registry::new().upstream(&Upstream {
        name: "app".to_owned(),
        balance: Balance::RoundRobin,
        servers: addresses.map(server).to_vec(),
        sticky: None,
        queue: None,
        eject_outliers: None,
        health_checks: Vec::new(),
        resolver: None,
        resolver_timeout: None,
        keepalive: Keepalive {
            connections: 32,
            ..Keepalive::default()
        },
    });
    let backends: BTreeSet<_> = addresses.iter().map(|address| backend(address)).collect();
    let balancer: LoadBalancer<Weighted<RoundRobin>> =
        LoadBalancer::from_backends(Backends::new(Static::new(backends)));
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let updated = runtime.expect("a runtime").block_on(balancer.update());
    updated.expect("a static list");

    let pingora = allocations(|| {
        black_box(balancer.select_with(b"", 256, |_, healthy| healthy)).expect("usable");
    });
    let ours = allocations(|| drop(black_box(upstream.choose(&[])).expect("usable")));
    assert_eq!(ours, pingora);
}

/// How often a thousand calls allocate.
fn allocations(call: impl Fn()) -> usize {
    let before = COUNT.get();
    for _ in 0..1000 {
        call();
    }
    COUNT.get() - before
}

fn server(address: &str) -> Server {
    Server {
        address: ServerAddress::Inet(address.parse().expect("an address")),
        written: address.to_owned(),
        max_conns: None,
        slow_start: Some(Duration::from_secs(30)),
        weight: Weight::ONE,
        max_fails: 1,
        fail_timeout: Duration::from_secs(10),
        backup: false,
        down: false,
        drain: false,
        route: None,
        resolve: false,
        service: None,
    }
}

/// A backend that carries one `Arc`, as ours do.
fn backend(address: &str) -> Backend {
    let mut backend = Backend::new(address).expect("an address");
    backend.ext.insert(Arc::new(address.to_owned()));
    backend
}

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
