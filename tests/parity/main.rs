//! nginx is the oracle: Debian's nginx and Gapura run on the same nginx.conf, before the same
//! backends, get the same bytes, and must do the same.
//!
//! The cases are the files of `cases/`; [`case`] says how one is written. nginx runs first, then
//! Gapura in the same folder on the same ports, so that nothing has to be translated; what two runs of one
//! program differ in (times, request ids) is masked, see [`normal`]. Compared are status line,
//! headers but for `Date` and `Server`, body, what became of the connection, what the backends
//! received, and the access log.
//!
//! A difference that is meant is in `differences`, with its reason, and in docs/nginx.md; a case says
//! where it shows, and it must show. `excuses` has what has no case, and the directives that a case
//! needs although nothing changes when they are missing.
//!
//! `PARITY=part-of-a-name` runs some of the cases; `PARITY_OPEN=1` fails for what is open, too.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a panic is how a test fails, and nothing here is anyone's API"
)]

#[allow(dead_code, unused_imports, reason = "shared with other tests")]
#[path = "../support/mod.rs"]
mod support;

mod backends;
mod case;
mod compare;
mod coverage;
mod documents;
mod lists;
mod normal;
mod process;
mod program;
mod remove;
mod run;
mod talk;

use case::Case;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

#[test]
fn gapura_answers_as_nginx_does() {
    let cases = case::all();
    let requests: usize = cases.iter().map(|case| case.exchanges.len()).sum();
    let Some(nginx) = program::nginx() else {
        println!(
            "nginx is not installed: {requests} requests of {} cases were not compared",
            cases.len()
        );
        return;
    };
    let known = lists::differences();
    let failures = for_each(&cases, |case| {
        let (theirs, ours) = run::both(case, &nginx);
        let theirs = theirs?;
        let outcome = ours.and_then(|ours| compare::differences(case, &theirs, &ours, &known));
        match &case.open {
            None => outcome,
            Some(key) if !known.contains_key(key) => Err(format!("{key} is not in the list")),
            Some(_) if std::env::var_os("PARITY_OPEN").is_some() => outcome,
            Some(key) => {
                let state = if outcome.is_ok() {
                    "is not open any more"
                } else {
                    "is open"
                };
                println!("{}: {key} {state}", case.name);
                Ok(())
            }
        }
    });
    println!("{requests} requests of {} cases were compared", cases.len());
    assert!(failures.is_empty(), "{}", report(&failures));
}

/// What a case says it covers is what its outcome hangs on.
#[test]
fn a_case_changes_without_what_it_covers() {
    let cases = case::all();
    let excuses = lists::excuses();
    let failures = for_each(&cases, |case| coverage::needless(case, &excuses));
    assert!(failures.is_empty(), "{}", report(&failures));
}

/// Runs on a few cases at a time, and gives what went wrong in each.
fn for_each(
    cases: &[Case],
    check: impl Fn(&Case) -> Result<(), String> + Sync,
) -> Vec<(String, String)> {
    let next = AtomicUsize::new(0);
    // Most of the time is waiting for sockets.
    let threads = 2 * thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let work = || {
            let mut failures = Vec::new();
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(failure) = check(case) {
                    failures.push((case.name.clone(), failure));
                }
            }
            failures
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let results = workers.into_iter().map(|worker| worker.join().unwrap());
        let mut failures: Vec<_> = results.flatten().collect();
        failures.sort();
        failures
    })
}

fn report(failures: &[(String, String)]) -> String {
    let mut text = format!("{} cases fail\n", failures.len());
    for (name, failure) in failures {
        text += &format!("\n==== {name}\n{failure}\n");
    }
    text
}
