//! `allow`, `deny`, `limit_except`, and whose word for the client's address is taken.

use super::super::draft::{self, OneOrMany, Word};
use super::super::path::Path;
use super::super::problem::Problem;
use super::settings::Level;
use super::steps::Place;
use super::{Resolver, invalid};
use crate::model::{AccessRule, Clients, LimitExcept, Location, RealIp};
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;

impl Resolver {
    /// The rules of a level.
    pub(super) fn access(&mut self, written: &OneOrMany<Word>, path: &Path<'_>) -> Vec<AccessRule> {
        let mut rules = Vec::with_capacity(written.0.len());
        for (index, word) in written.0.iter().enumerate() {
            let at = path.index(index);
            let Some((verb, text)) = word.split_once(' ') else {
                self.report(invalid(&at, word).label(EXPECTED));
                continue;
            };
            let allow = match verb {
                "allow" => true,
                "deny" => false,
                _ => {
                    self.report(invalid(&at, word).label(EXPECTED));
                    continue;
                }
            };
            let offset = word.len() - text.len();
            match clients(text) {
                Some(clients) => rules.push(AccessRule { allow, clients }),
                None => {
                    let problem = Problem::Syntax(format!("invalid parameter \"{text}\""));
                    let finding = at.error(problem).within(offset, text.len());
                    self.report(finding.label("expected an address, a network, `unix:` or `all`"));
                }
            }
        }
        rules
    }

    /// The proxies that are believed.
    pub(super) fn real_ip_from(
        &mut self,
        written: &OneOrMany<Word>,
        path: &Path<'_>,
    ) -> Vec<Clients> {
        let mut proxies = Vec::with_capacity(written.0.len());
        for (index, word) in written.0.iter().enumerate() {
            match clients(word).filter(|_| &**word != "all") {
                Some(clients) => proxies.push(clients),
                None => {
                    let text = format!("host not found in set_real_ip_from \"{}\"", &**word);
                    let finding = path.index(index).error(Problem::Syntax(text));
                    let label =
                        "expected an address, a network or `unix:`; names are not looked up here";
                    self.report(finding.label(label));
                }
            }
        }
        proxies
    }

    /// `limit_except` of a location.
    pub(super) fn limit_except<'d>(
        &mut self,
        written: &'d draft::LimitExcept,
        place: Place<'_, 'd>,
        outer: &Location,
        path: &Path<'_>,
    ) -> LimitExcept {
        let methods = written.methods.iter().flat_map(|methods| &methods.0);
        let list = path.key("methods");
        let mut known = Vec::new();
        for (index, method) in methods.enumerate() {
            match METHODS.contains(&&**method) {
                true => known.push(method.0.clone()),
                false => {
                    let problem = Problem::Syntax(format!("invalid method \"{}\"", &**method));
                    self.report(list.index(index).error(problem));
                }
            }
        }
        if written.methods.is_none() {
            let problem = Problem::Missing("\"methods\"");
            self.report(path.error(problem).label("expected `methods: GET`"));
        }
        let at = path.key("then");
        let default = draft::Location::default();
        let then = written.then.as_deref();
        let level = self.level(then.unwrap_or(&default).common(), place.level, &at);
        let then = then.unwrap_or(&default);
        let location = self.location_in(then, outer, &level, place.name, &at);
        LimitExcept {
            methods: known,
            location,
        }
    }
}

const EXPECTED: &str = "expected `allow` or `deny` and an address, a network, `unix:` or `all`";

/// The methods that nginx knows.
const METHODS: [&str; 14] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "MKCOL",
    "COPY",
    "MOVE",
    "OPTIONS",
    "PROPFIND",
    "PROPPATCH",
    "LOCK",
    "UNLOCK",
    "PATCH",
];

fn clients(text: &str) -> Option<Clients> {
    match text {
        "all" => Some(Clients::All),
        "unix:" => Some(Clients::Unix),
        _ => {
            let address = text.parse::<IpAddr>().map(IpNet::from);
            let network = address.or_else(|_| text.parse::<IpNet>()).ok()?;
            Some(Clients::Network(network.trunc()))
        }
    }
}

impl Level<'_> {
    pub(super) fn access(&self) -> Vec<AccessRule> {
        self.groups.access.as_ref().clone()
    }

    pub(super) fn real_ip(&self) -> Arc<RealIp> {
        let header = self.scalars.real_ip_header.map_or("x-real-ip", |word| word);
        // Nobody can speak the PROXY protocol to a listener yet, so that it says nothing.
        if self.groups.real_ip_from.is_empty() || header == "proxy_protocol" {
            return Arc::default();
        }
        let recursive = self.scalars.real_ip_recursive;
        Arc::new(RealIp {
            from: self.groups.real_ip_from.as_ref().clone(),
            header: header.to_ascii_lowercase().into(),
            recursive: recursive.is_some_and(|switch| switch.0),
        })
    }
}
