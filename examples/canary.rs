//! Sends a tenth of the requests to a new version, and to those who ask for it by a cookie, all of
//! theirs: `cargo run --example canary`.

mod support;

use gapura::{Config, Route, RouteError, RouteRequest, Server, Site, Upstream};
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many of a hundred requests see the new version.
const PERCENT: u64 = 10;

const TO_TRY: &str = "\
# Without a cookie, two of twenty requests see the new version.
for i in $(seq 20); do curl -s URL/; done
# With the cookie it is yours to say.
curl -H 'Cookie: canary=yes' URL/
curl -H 'Cookie: canary=no' URL/";

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::new()
        .listen("127.0.0.1:0")
        .access_log("off")
        .upstream(Upstream::new("stable").backend(support::backend("stable")?))
        .upstream(Upstream::new("canary").backend(support::backend("canary")?))
        .site(Site::new().upstream("stable"));
    let requests = AtomicU64::new(0);
    let server = Server::from_config(config).router(
        move |request: &RouteRequest<'_>| -> Result<Route, RouteError> {
            let canary = match request.cookie("canary") {
                Some("yes") => true,
                Some("no") => false,
                _ => is_chosen(requests.fetch_add(1, Ordering::Relaxed)),
            };
            match canary {
                true => Ok(Route::to(request.upstream("canary")?)),
                // Where the site sends it.
                false => Ok(Route::decline()),
            }
        },
    );
    support::serve(server, TO_TRY)
}

/// Whether the request of this number is one of the `PERCENT`, which are spread evenly.
fn is_chosen(number: u64) -> bool {
    let chosen_before = |number: u64| number * PERCENT / 100;
    chosen_before(number + 1) > chosen_before(number)
}
