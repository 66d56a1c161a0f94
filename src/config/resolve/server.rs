//! The servers of an upstream: their addresses, weights and limits.

use super::super::draft;
use super::super::path::Path;
use super::super::problem::Problem;
use super::upstream::MOST_WEIGHT;
use super::{Resolver, address, fit};
use crate::model::{Server, ServerAddress, Weight};
use std::num::NonZeroU32;
use std::time::Duration;

impl Resolver {
    pub(super) fn server(&mut self, server: &draft::Server, path: &Path<'_>) -> Server {
        let address = match server.address.as_deref() {
            Some(text) => address::server(text).map_err(|error| {
                let problem = Problem::UpstreamAddress {
                    what: error.what,
                    text: text.into(),
                };
                path.key("address").error(problem).label(error.label)
            }),
            None => Err(path
                .error(Problem::Missing("\"address\""))
                .label("expected `address: host:port`")),
        };
        let address = address.unwrap_or_else(|finding| {
            self.report(finding);
            ServerAddress::Unix(String::new())
        });
        let resolve = server.resolve.is_some_and(|switch| switch.0);
        let is_name = matches!(address, ServerAddress::Name { .. });
        let service = server.service.as_ref().map(|word| word.0.clone());
        if let Some(service) = &service {
            self.service(server, service, resolve, is_name, path);
        }
        let weight = server.weight.unwrap_or(1);
        let weight = self.number(weight, 1, MOST_WEIGHT, &path.key("weight"));
        let max_fails = server.max_fails.unwrap_or(1);
        let max_fails = self.number(max_fails, 0, u32::MAX.into(), &path.key("max_fails"));
        let max_conns = server.max_conns.unwrap_or(0);
        let max_conns = self.number(max_conns, 0, u32::MAX.into(), &path.key("max_conns"));
        Server {
            address,
            written: server.address.clone().unwrap_or_default(),
            max_conns: NonZeroU32::new(fit(max_conns)),
            weight: Weight::new(weight).unwrap_or(Weight::ONE),
            max_fails: fit(max_fails),
            fail_timeout: server.fail_timeout.map_or(FAIL_TIMEOUT, |time| time.0),
            backup: server.backup.is_some_and(|switch| switch.0),
            down: server.down.is_some_and(|switch| switch.0),
            drain: server.drain.is_some_and(|switch| switch.0),
            slow_start: (server.slow_start.map(|time| time.0)).filter(|time| !time.is_zero()),
            route: self.route(server.route.as_deref(), &path.key("route")),
            resolve: resolve && is_name,
            service,
        }
    }

    /// What a server with a `service` must be, in nginx's words.
    fn service(
        &mut self,
        server: &draft::Server,
        service: &str,
        resolve: bool,
        is_name: bool,
        path: &Path<'_>,
    ) {
        let text = server.address.as_deref().unwrap_or_default();
        let said = |what: &str| Problem::Syntax(format!("service upstream \"{text}\" {what}"));
        if service.is_empty() {
            let problem = Problem::Syntax("service is empty".into());
            self.report(path.key("service").error(problem));
        } else if !resolve {
            let finding = path
                .key("service")
                .error(said("requires \"resolve\" parameter"));
            self.report(finding);
        } else if is_name && text.contains(':') {
            self.report(path.key("address").error(said("may not have port")));
        } else if !is_name && !text.is_empty() {
            self.report(path.key("address").error(said("requires domain name")));
        }
    }
}

/// As in nginx.
const FAIL_TIMEOUT: Duration = Duration::from_secs(10);
