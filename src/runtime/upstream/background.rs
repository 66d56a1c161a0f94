//! The loops: one for each upstream, which checks its servers, and one for each name.
//!
//! A loop belongs to the registry, never to a generation. It ends by itself when nobody uses its
//! upstream or name any more, and all end with the future of [`run`].

use super::Upstream;
use super::names::Name;
use super::registry::{Shared, State};
use crate::model::HealthCheck;
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
    let mut schedule: Option<(HealthCheck, Instant)> = None;
    loop {
        let Some(upstream) = state.current() else {
            if shared.forget_unused(&state) {
                return;
            }
            continue;
        };
        let Some(check) = upstream.health_check.clone() else {
            // What checks have said before no longer counts.
            schedule = None;
            pass(&state, upstream).await;
            state.wake.notified().await;
            continue;
        };
        // A reload that leaves the check as it was does not hasten it.
        let kept = schedule.take().filter(|(before, _)| *before == check);
        let due = kept.map_or_else(|| first_pass(&check), |(_, due)| due);
        if Instant::now() < due {
            drop(upstream);
            schedule = Some((check, due));
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = state.wake.notified() => {}
            }
            continue;
        }
        pass(&state, upstream).await;
        let due = Instant::now() + check.interval + jitter(check.interval);
        schedule = Some((check, due));
    }
}

async fn pass(state: &State, upstream: Arc<Upstream>) {
    state.check.follow(&upstream);
    // The loop must not be what keeps it alive.
    drop(upstream);
    state.health.run_health_check(true).await;
}

/// All upstreams of a new generation begin together: they are spread over a little time.
fn first_pass(check: &HealthCheck) -> Instant {
    Instant::now() + jitter(check.interval).min(LONGEST_FIRST_PAUSE)
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
