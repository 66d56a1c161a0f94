//! Routes by tenant: a header, or the first part of the host, is looked up as in a database.
//! `cargo run --example tenant`.

mod support;

use async_trait::async_trait;
use gapura::http::StatusCode;
use gapura::{Config, Route, RouteError, RouteRequest, Router, Server, Site, Upstream};
use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

const TO_TRY: &str = "\
# By a header, or by the host.
curl -H 'X-Tenant: acme' URL/orders
curl -H 'Host: globex.localhost' URL/orders
# A tenant that nobody knows, and none at all.
curl -i -H 'X-Tenant: initech' URL/
curl -i URL/";

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::new()
        .listen("127.0.0.1:0")
        .access_log("off")
        .upstream(Upstream::new("shared").backend(support::backend("shared")?))
        .upstream(Upstream::new("dedicated").backend(support::backend("dedicated")?))
        .site(Site::new().upstream("shared"));
    let tenants = Tenants(HashMap::from([
        (
            "acme",
            Tenant {
                upstream: "dedicated",
                plan: "enterprise",
            },
        ),
        (
            "globex",
            Tenant {
                upstream: "shared",
                plan: "free",
            },
        ),
    ]));
    support::serve(
        Server::from_config(config).router(ByTenant(tenants)),
        TO_TRY,
    )
}

/// The router.
struct ByTenant(Tenants);

#[async_trait]
impl Router for ByTenant {
    async fn route(&self, request: &RouteRequest<'_>) -> Result<Route, RouteError> {
        let by_host = || request.host().strip_suffix(".localhost");
        let Some(name) = request.header("x-tenant").or_else(by_host) else {
            return Ok(refuse("name a tenant in X-Tenant"));
        };
        let Some(tenant) = self.0.find(name).await? else {
            return Ok(refuse("no such tenant"));
        };
        let path = format!("/{name}{}", request.path());
        Ok(Route::to(request.upstream(tenant.upstream)?)
            .with_path(path)
            .with_request_header("X-Plan", tenant.plan)
            .with_response_header("X-Served-By", tenant.upstream))
    }
}

fn refuse(why: &str) -> Route {
    let body = format!("{{\"error\": \"{why}\"}}\n");
    Route::answer(StatusCode::NOT_FOUND, "application/json", body)
}

/// Stands for a database: the answer takes its time, and may fail.
struct Tenants(HashMap<&'static str, Tenant>);

#[derive(Clone, Copy)]
struct Tenant {
    upstream: &'static str,
    plan: &'static str,
}

impl Tenants {
    async fn find(&self, name: &str) -> Result<Option<Tenant>, RouteError> {
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok(self.0.get(name).copied())
    }
}
