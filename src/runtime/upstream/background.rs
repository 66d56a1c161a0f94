//! The loops: one for each upstream, which checks its servers, and one for each name.
//!
//! A loop belongs to the registry, never to a generation. It ends by itself when nobody uses its
//! upstream or name any more, and all end with the future of [`run`].

use super::health::{Check, Finding};
use super::names::Name;
use super::registry::{Shared, State};
use crate::model::{AtFirst, HealthCheck};
use pingora_core::protocols::l4::socket::SocketAddr;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Starts a loop for whatever has none, now and whenever something new comes. Never returns.
pub(super) async fn run(shared: &Arc<Shared>) {
    let mut loops = JoinSet::new();
    loop {
        for state in shared.start() {
            loops.spawn(check_servers(Arc::clone(shared), state));
        }
        for name in shared.names.start() {
            loops.spawn(look_up(Arc::clone(shared), name));
        }
        tokio::select! {
            () = shared.changed.notified() => {}
            Some(ended) = loops.join_next() => if let Err(error) = ended {
                log::error!("an upstream's background task ended: {error}");
            }
        }
    }
}

/// Checks the servers of one upstream name, as its newest generation wants it.
async fn check_servers(shared: Arc<Shared>, state: Arc<State>) {
    let mut rounds: Vec<Round> = Vec::new();
    let mut running = Running::default();
    loop {
        // It must not be what keeps the upstream alive.
        let checks = match state.current() {
            Some(upstream) => state.check.follow(&upstream),
            None if shared.forget_unused(&state) => return,
            None => continue,
        };
        rounds = checks
            .into_iter()
            .map(|check| Round::of(check, &rounds))
            .collect();
        // What checks have said before may no longer count.
        state.health.run_health_check(false).await;
        for round in &rounds {
            if round.check.settings.at_first != AtFirst::Healthy {
                running.start(&state, &round.check, true);
            }
        }
        loop {
            let now = Instant::now();
            for round in rounds.iter_mut().filter(|round| round.due <= now) {
                running.start(&state, &round.check, false);
                round.due = now + round.check.settings.interval;
            }
            let due = rounds.iter().map(|round| round.due).min();
            let due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = state.wake.notified() => break,
                changed = running.finish(&state) => if changed {
                    state.health.run_health_check(false).await;
                }
            }
        }
    }
}

/// A check, and when it is run next.
struct Round {
    check: Arc<Check>,
    due: Instant,
}

impl Round {
    /// A reload that leaves a check as it was does not hasten it.
    fn of(check: Arc<Check>, before: &[Self]) -> Self {
        let mut same = before.iter();
        let same = same.find(|before| before.check.settings == check.settings);
        Self {
            due: same.map_or_else(|| first_round(&check.settings), |same| same.due),
            check,
        }
    }
}

/// The checks that are under way: one that takes long delays no other.
#[derive(Default)]
struct Running {
    tasks: JoinSet<Finding>,
    /// Which, by the place of the check in memory.
    which: HashSet<(usize, SocketAddr)>,
}

impl Running {
    /// Runs a check against each of its servers, or those it knows nothing of, where it does not run yet.
    fn start(&mut self, state: &State, check: &Arc<Check>, unknown: bool) {
        for (address, server) in state.check.addresses(check, unknown) {
            if self.which.insert((place(check), address.clone())) {
                let active = Arc::clone(&state.check);
                self.tasks
                    .spawn(active.run(Arc::clone(check), address, server));
            }
        }
    }

    /// Waits until one has ended. Gives whether the health of a server has changed.
    async fn finish(&mut self, state: &State) -> bool {
        let Some(first) = self.tasks.join_next().await else {
            return std::future::pending().await;
        };
        let mut changed = false;
        let mut next = Some(first);
        while let Some(ended) = next {
            match ended {
                Ok(finding) => {
                    self.which
                        .remove(&(place(&finding.check), finding.address.clone()));
                    changed |= state.check.record(finding);
                }
                Err(error) => {
                    log::error!("a health check ended: {error}");
                    self.tasks.abort_all();
                    self.which.clear();
                }
            }
            next = self.tasks.try_join_next();
        }
        changed
    }
}

fn place(check: &Arc<Check>) -> usize {
    Arc::as_ptr(check) as usize
}

/// All upstreams of a new generation begin together: they are spread over a little time.
fn first_round(check: &HealthCheck) -> Instant {
    match check.at_first {
        AtFirst::Healthy => Instant::now() + jitter(check.interval).min(LONGEST_FIRST_PAUSE),
        // Nobody is served before.
        AtFirst::Unknown | AtFirst::UnknownOnce => Instant::now(),
    }
}

/// Looks one name up again and again.
async fn look_up(shared: Arc<Shared>, name: Arc<Name>) {
    let environment = &shared.environment;
    let mut pause = name.look_up_first(environment).await;
    loop {
        if pause > environment.lookup_interval {
            // Valid answers are not asked for early, but a name that nobody uses is forgotten soon.
            tokio::time::sleep(environment.lookup_interval).await;
            pause -= environment.lookup_interval;
            if shared.names.forget_unused(&name) {
                return;
            }
            continue;
        }
        // Before its time an answer would only be the one before.
        let early = match name.is_of_system() {
            true => jitter(pause),
            false => Duration::ZERO,
        };
        tokio::time::sleep(pause - early).await;
        if shared.names.forget_unused(&name) {
            return;
        }
        pause = name.look_up(environment).await;
    }
}

/// Up to a tenth of the interval, at random.
fn jitter(interval: Duration) -> Duration {
    interval.mul_f64(fastrand::f64() / 10.0)
}

/// The first check of a server waits no longer than this.
const LONGEST_FIRST_PAUSE: Duration = Duration::from_millis(200);
