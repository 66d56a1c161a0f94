//! The demo's switchboard, below `/-/demo/`: a router that answers by itself, so that it works while
//! both backends are stopped.
//!
//! | request | does |
//! |---|---|
//! | `GET /-/demo/state` | says as JSON what runs |
//! | `POST /-/demo/stop/blue` | stops blue; also `orange`, `both` |
//! | `POST /-/demo/start/blue` | starts blue; also `orange`, `both` |

use super::backend::Backend;
use crate::{Route, RouteError, RouteRequest, Router};
use async_trait::async_trait;
use http::{Method, StatusCode};
use serde_json::json;
use std::sync::Arc;

/// The router of the demo.
pub(super) struct Control {
    backends: [Arc<Backend>; 2],
}

#[async_trait]
impl Router for Control {
    async fn route(&self, request: &RouteRequest<'_>) -> Result<Route, RouteError> {
        let path = request.path();
        let Some(order) = path.strip_prefix("/-/demo/") else {
            return Ok(Route::decline());
        };
        let (run, whom) = match order.split_once('/') {
            Some(("start", whom)) => (true, whom),
            Some(("stop", whom)) => (false, whom),
            None if order == "state" => return Ok(self.state(StatusCode::OK)),
            _ => {
                return Ok(refuse(
                    StatusCode::NOT_FOUND,
                    "expected state, start/… or stop/…",
                ));
            }
        };
        if request.method() != Method::POST {
            return Ok(refuse(StatusCode::METHOD_NOT_ALLOWED, "expected POST")
                .with_response_header("Allow", "POST"));
        }
        // A page of another site must not play with it.
        if request.header("sec-fetch-site") == Some("cross-site") {
            return Ok(refuse(StatusCode::FORBIDDEN, "not from another site"));
        }
        let mut found = false;
        for backend in &self.backends {
            if whom == "both" || whom == backend.colour.to_string() {
                found = true;
                if let Err(cause) = backend.set_running(run).await {
                    let text = format!("{} does not start: {cause}", backend.colour);
                    return Ok(refuse(StatusCode::CONFLICT, &text));
                }
            }
        }
        Ok(match found {
            false => refuse(StatusCode::NOT_FOUND, "expected blue, orange or both"),
            true if is_form(request) => self
                .state(StatusCode::SEE_OTHER)
                .with_response_header("Location", "/"),
            true => self.state(StatusCode::OK),
        })
    }
}

impl Control {
    pub(super) fn new(backends: [Arc<Backend>; 2]) -> Self {
        Self { backends }
    }

    fn state(&self, status: StatusCode) -> Route {
        let backends = self.backends.each_ref().map(|backend| {
            json!({
                "name": backend.colour.to_string(),
                "address": backend.address.to_string(),
                "weight": backend.colour.weight(),
                "running": backend.is_running(),
                "answered": backend.answered(),
            })
        });
        answer(status, &json!({ "backends": backends }))
    }
}

/// Whether a browser sent a form and wants to see a page again.
fn is_form(request: &RouteRequest<'_>) -> bool {
    request
        .header("accept")
        .is_some_and(|accept| accept.contains("text/html"))
}

fn refuse(status: StatusCode, why: &str) -> Route {
    answer(status, &json!({ "error": why }))
}

fn answer(status: StatusCode, value: &serde_json::Value) -> Route {
    Route::answer(status, "application/json", format!("{value}\n"))
        .with_response_header("Cache-Control", "no-store")
}
