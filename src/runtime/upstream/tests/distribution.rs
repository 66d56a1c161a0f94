//! How requests are spread, with all servers up, when one has failed and when one is `down`; and what
//! choosing costs with many servers. The figures of docs/upstreams.md are what these tests print.

use super::super::{Key, Selected};
use super::*;
use crate::model::{Template, Until};
use std::time::Instant;

const SERVERS: [(&str, u64); 4] = [
    ("127.0.0.1:3001", 5),
    ("127.0.0.1:3002", 3),
    ("127.0.0.1:3003", 1),
    ("127.0.0.1:3004", 1),
];

/// The one that is out.
const OUT: &str = SERVERS[1].0;

const THREADS: u32 = 4;

/// A million for the figures of `.ci/upstreams`; a tenth of it says the same with wider bounds.
fn selections() -> u32 {
    let written = std::env::var("GAPURA_SELECTIONS").ok();
    written
        .and_then(|number| number.parse().ok())
        .unwrap_or(100_000)
}

/// The methods whose shares are the weights'. `hash KEY consistent` is left out: its ring places servers
/// where nginx places them, which is only roughly by weight.
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
        ("least_time header", least_time(Until::Header, false)),
        (
            "least_time last_byte inflight",
            least_time(Until::LastByte, true),
        ),
        ("ip_hash", Balance::IpHash),
        ("hash", hash),
        ("random", Balance::Random),
        ("random two", Balance::RandomTwo),
        (
            "random two least_time=header",
            Balance::RandomTwoLeastTime(Until::Header),
        ),
        ("peak_ewma", Balance::PeakEwma),
    ]
}

/// Of idle servers that are as fast, nginx's `least_time` takes the one of most weight.
fn goes_by_time(balance: &Balance) -> bool {
    matches!(
        balance,
        Balance::LeastTime { .. } | Balance::RandomTwoLeastTime(_)
    )
}

/// Those that look at the requests that servers have see the ones of other threads.
fn is_the_same_on_every_thread(balance: &Balance) -> bool {
    matches!(
        balance,
        Balance::RoundRobin
            | Balance::SmoothRoundRobin
            | Balance::IpHash
            | Balance::Hash { .. }
            | Balance::Random
    )
}

/// A choice whose key, a client's address or any text, is another one for each number.
fn choose(upstream: &Upstream, number: u32) -> Selected {
    let selected = match upstream.key() {
        Key::None => upstream.choose(&[]),
        Key::Client => {
            let key = number.wrapping_mul(0x9e37_79b9).to_be_bytes();
            upstream.choose_by(&key[..3], &[])
        }
        Key::Of(_) => upstream.choose_by(number.to_string().as_bytes(), &[]),
    };
    selected.expect("usable")
}

/// How often each server is chosen; every choice of a thread ends before its next. Chance is the same each time.
fn shares(upstream: &Upstream, threads: u32) -> HashMap<String, u32> {
    let of_thread = |thread: u32| {
        let mut shares = HashMap::<String, u32>::new();
        fastrand::seed(thread.into());
        for number in (thread..selections()).step_by(threads as usize) {
            let selected = choose(upstream, number);
            match shares.get_mut(selected.text()) {
                Some(share) => *share += 1,
                None => drop(shares.insert(selected.text().to_owned(), 1)),
            }
        }
        shares
    };
    let mut shares = HashMap::new();
    std::thread::scope(|scope| {
        let of_thread = &of_thread;
        let threads: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || of_thread(thread)))
            .collect();
        for thread in threads {
            for (server, share) in thread.join().expect("no panic") {
                *shares.entry(server).or_default() += share;
            }
        }
    });
    shares
}

/// The largest part of its share by which a server is off.
fn worst(shares: &HashMap<String, u32>, servers: &[Server], is_up: impl Fn(&str) -> bool) -> f64 {
    let share = |server: &Server| f64::from(shares.get(&server.written).copied().unwrap_or(0));
    let up = servers.iter().filter(|server| is_up(&server.written));
    let weights: u64 = up.clone().map(|server| server.weight.get() as u64).sum();
    let off = up.map(|server| {
        let weight = f64::from(server.weight.get());
        let expected = f64::from(selections()) * weight / weights as f64;
        (share(server) - expected).abs() / expected
    });
    off.fold(0.0, f64::max)
}

/// The largest part of its share by which a server may be off, with all servers up and with one out.
fn bounds(balance: &Balance) -> (f64, f64) {
    // A hundredth with a million; chance alone strays further with fewer.
    let chance = 0.01 * (1_000_000.0 / f64::from(selections())).sqrt();
    match balance {
        // What nginx makes of the keys of a server that is out: its hash of an address has 6,271 values, and
        // the answer to its second question of a text depends on the first's, for a CRC is linear.
        Balance::IpHash => (0.01, 0.01),
        Balance::Hash { .. } => (chance, 0.35),
        Balance::Random
        | Balance::RandomTwo
        | Balance::RandomTwoLeastTime(_)
        | Balance::PeakEwma => (chance, chance),
        _ => (0.001, 0.001),
    }
}

#[test]
fn shares_are_the_weights_also_with_one_server_out() {
    for (name, balance) in methods() {
        let bench = Bench::new();
        let even = goes_by_time(&balance);
        let servers =
            SERVERS.map(|(address, weight)| weighted(address, if even { 1 } else { weight }));
        let threads = match is_the_same_on_every_thread(&balance) {
            true => THREADS,
            false => 1,
        };
        let model = |servers: &[Server]| model::Upstream {
            balance: balance.clone(),
            ..model(servers, None)
        };
        let upstream = bench.registry.upstream(&model(&servers));
        let all = shares(&upstream, threads);
        let all_up = worst(&all, &servers, |_| true);

        let mut numbers = 0..;
        loop {
            let selected = choose(&upstream, numbers.next().expect("one more"));
            if selected.text() == OUT {
                selected.failed();
                break;
            }
        }
        let without = shares(&upstream, threads);
        assert_eq!(without.get(OUT), None, "{name}");
        let failed = worst(&without, &servers, |address| address != OUT);

        let mut servers = servers;
        servers[1].down = true;
        let bench = Bench::new();
        let upstream = bench.registry.upstream(&model(&servers));
        let without = shares(&upstream, threads);
        assert_eq!(without.get(OUT), None, "{name}");
        let down = worst(&without, &servers, |address| address != OUT);

        let percent = |off: f64| format!("{:.3}%", off * 100.0);
        println!(
            "{name}: {} off, one failed: {}, one down: {}",
            percent(all_up),
            percent(failed),
            percent(down)
        );
        let (bound, with_one_out) = bounds(&balance);
        assert!(all_up <= bound, "{name}: {all_up}");
        assert!(failed <= with_one_out, "{name}, one failed: {failed}");
        assert!(down <= with_one_out, "{name}, one down: {down}");
    }
}

/// So many servers, which have nothing to do or a request each, that are chosen from.
struct Course {
    upstream: Arc<Upstream>,
    /// What keeps them busy.
    _held: Vec<Selected>,
}

impl Course {
    fn new(balance: &Balance, count: u32, busy: bool) -> Self {
        let address = |number| format!("127.1.{}.{}:80", number / 250, number % 250 + 1);
        let servers: Vec<Server> = (0..count).map(|number| server(&address(number))).collect();
        let model = model::Upstream {
            balance: balance.clone(),
            ..model(&servers, None)
        };
        let upstream = Bench::new().registry.upstream(&model);
        let hold = |server: &Server| {
            let selected = upstream.choose_server(&server.written, &[]);
            selected.expect("it is there").expect("usable")
        };
        let held = servers.iter().filter(|_| busy).map(hold).collect();
        Self {
            upstream,
            _held: held,
        }
    }

    /// The time of a choice.
    fn run(&self) -> Duration {
        const CHOICES: u32 = 1000;
        let begin = Instant::now();
        for number in 0..CHOICES {
            drop(choose(&self.upstream, number));
        }
        begin.elapsed() / CHOICES
    }
}

#[test]
fn two_thousand_servers_cost_no_more_to_choose_from() {
    // The machine has other things to do, too: they take turns, and the best of many counts.
    const ROUNDS: u32 = 16;
    for (name, balance) in methods() {
        for busy in [false, true] {
            let courses = [2, 2000].map(|count| Course::new(&balance, count, busy));
            let mut best = [Duration::MAX; 2];
            for _ in 0..ROUNDS {
                for (best, course) in best.iter_mut().zip(&courses) {
                    *best = course.run().min(*best);
                }
            }
            let [few, many] = best;
            let times = many.as_secs_f64() / few.as_secs_f64();
            let state = if busy { "busy" } else { "idle" };
            println!(
                "{name}, {state}: {few:?} over 2 servers, {many:?} over 2,000: {times:.1} times"
            );
            assert!(times < 5.0, "{name}, {state}: {few:?} and {many:?}");
        }
    }
}
