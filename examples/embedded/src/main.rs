//! A proxy inside another program: a quota for each key, which outlives reloads, and a readiness
//! answer for whoever watches the program.
//!
//! ```text
//! cargo run --manifest-path examples/embedded/Cargo.toml
//! ```

mod backend;

use gapura::http::StatusCode;
use gapura::{Config, Route, RouteError, RouteRequest, Server, Site, Upstream};
use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::signal::unix::{SignalKind, signal};

/// Requests that each key may send in all.
const QUOTA: u32 = 5;

/// What the router keeps. It belongs to the program, so a reload does not touch it.
#[derive(Default)]
struct Gatekeeper {
    used: Mutex<HashMap<String, u32>>,
    ending: AtomicBool,
}

impl Gatekeeper {
    fn route(&self, request: &RouteRequest<'_>) -> Result<Route, RouteError> {
        if request.path() == "/readyz" {
            return Ok(self.readiness());
        }
        let Some(key) = request.header("x-api-key") else {
            return Ok(answer(
                StatusCode::UNAUTHORIZED,
                "send a key in X-Api-Key\n",
            ));
        };
        match self.spend(key) {
            Some(left) => {
                Ok(Route::decline().with_response_header("X-Quota-Left", left.to_string()))
            }
            None => Ok(answer(
                StatusCode::TOO_MANY_REQUESTS,
                "the quota is used up\n",
            )),
        }
    }

    /// Takes one request off a key's quota, and says what is left of it.
    fn spend(&self, key: &str) -> Option<u32> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let used = used.entry(key.to_owned()).or_default();
        let left = QUOTA.checked_sub(*used + 1)?;
        *used += 1;
        Some(left)
    }

    /// 503 while the program is about to end, so that no new visitors are sent here.
    fn readiness(&self) -> Route {
        match self.ending.load(Ordering::Relaxed) {
            false => answer(StatusCode::OK, "ready\n"),
            true => answer(StatusCode::SERVICE_UNAVAILABLE, "ending\n"),
        }
    }
}

fn answer(status: StatusCode, text: &'static str) -> Route {
    Route::answer(status, "text/plain; charset=utf-8", text)
}

fn main() -> Result<(), Box<dyn Error>> {
    let gatekeeper = Arc::new(Gatekeeper::default());
    let config = Config::new()
        .listen("127.0.0.1:0")
        .access_log("off")
        .upstream(Upstream::new("app").backend(backend::start()?))
        .site(Site::new().upstream("app"));
    let router = Arc::clone(&gatekeeper);
    let running = Server::from_config(config)
        .router(move |request: &RouteRequest<'_>| router.route(request))
        .start()?;

    let url = format!("http://{}", running.addresses()[0]);
    println!("{url}/\n\ncurl -i -H 'X-Api-Key: me' {url}/\ncurl -i {url}/readyz\n");
    println!("HUP reloads, USR1 says that the end is near, Ctrl-C ends it.");
    io::stdout().flush()?;

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut user = signal(SignalKind::user_defined1())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        loop {
            tokio::select! {
                _ = hangup.recv() => match running.reload() {
                    Ok(()) => println!("reloaded"),
                    Err(why) => eprintln!("{why}"),
                },
                _ = user.recv() => gatekeeper.ending.store(true, Ordering::Relaxed),
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
            }
        }
        io::Result::Ok(())
    })?;
    running.quit();
    Ok(())
}
