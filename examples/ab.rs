//! An A/B test: who comes without a cookie is given one, and stays with what it says.
//! `cargo run --example ab`.

mod support;

use gapura::{Config, Route, RouteError, RouteRequest, Server, Site, Upstream};
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

const TO_TRY: &str = "\
# Visitors are given a and b by turns; see Set-Cookie.
curl -i URL/
curl -i URL/
# With the cookie they stay where they are.
for i in 1 2 3 4; do curl -s -H 'Cookie: variant=b' URL/; done";

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::new()
        .listen("127.0.0.1:0")
        .access_log("off")
        .upstream(Upstream::new("a").backend(support::backend("a")?))
        .upstream(Upstream::new("b").backend(support::backend("b")?))
        .site(Site::new().upstream("a"));
    let visitors = AtomicU64::new(0);
    let server = Server::from_config(config).router(
        move |request: &RouteRequest<'_>| -> Result<Route, RouteError> {
            // The cookie comes from a client: only the two values that are known count.
            if let Some(variant @ ("a" | "b")) = request.cookie("variant") {
                return Ok(Route::to(request.upstream(variant)?));
            }
            let variant = match visitors.fetch_add(1, Ordering::Relaxed) % 2 {
                0 => "a",
                _ => "b",
            };
            let cookie = format!("variant={variant}; Path=/; Max-Age=2592000; SameSite=Lax");
            Ok(Route::to(request.upstream(variant)?).with_response_header("Set-Cookie", cookie))
        },
    );
    support::serve(server, TO_TRY)
}
