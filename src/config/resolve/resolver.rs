//! `resolver`: the servers that names are looked up at, and what is asked of them.

use super::super::draft::{OneOrMany, Time, Word};
use super::super::path::Path;
use super::super::problem::Problem;
use super::{Resolver, address};
use crate::model;
use std::net::SocketAddr;

impl Resolver {
    /// The servers and parameters of a `resolver`.
    pub(super) fn resolver(
        &mut self,
        written: &OneOrMany<Word>,
        path: &Path<'_>,
    ) -> model::Resolver {
        let mut resolver = model::Resolver {
            servers: Vec::new(),
            valid: None,
            ipv4: true,
            ipv6: true,
        };
        let before = self.findings.len();
        for (index, word) in written.0.iter().enumerate() {
            let at = path.index(index);
            let known = match word.split_once('=') {
                Some(("valid", time)) => {
                    let time = time.parse::<Time>().ok();
                    resolver.valid = time.map(|time| time.0).or(resolver.valid);
                    time.is_some()
                }
                Some(("ipv4", value)) => set(&mut resolver.ipv4, value),
                Some(("ipv6", value)) => set(&mut resolver.ipv6, value),
                _ => {
                    self.name_server(word, &mut resolver.servers, &at);
                    true
                }
            };
            if !known {
                let problem = Problem::InvalidParameter(word.to_string());
                let label = "expected `valid=30s`, `ipv4=off` or `ipv6=off`";
                self.report(at.error(problem).label(label));
            }
        }
        // As in nginx `valid=0` is as if it were not there.
        resolver.valid = resolver.valid.filter(|time| !time.is_zero());
        if !resolver.ipv4 && !resolver.ipv6 {
            let words = "\"ipv4\" and \"ipv6\" cannot both be \"off\"";
            self.report(path.error(Problem::Syntax(words.into())));
        }
        if resolver.servers.is_empty() && self.findings.len() == before {
            let finding = path.error(Problem::Syntax("no name servers defined".into()));
            self.report(finding.label("expected the address of one, such as `10.0.0.2`"));
        }
        resolver
    }

    fn name_server(&mut self, word: &str, servers: &mut Vec<SocketAddr>, path: &Path<'_>) {
        match address::name_server(word, &mut self.names) {
            Ok(found) => servers.extend(found),
            Err(error) => {
                let problem = Problem::ResolverAddress {
                    what: error.what,
                    text: word.to_owned(),
                };
                self.report(path.error(problem).label(error.label));
            }
        }
    }
}

fn set(switch: &mut bool, value: &str) -> bool {
    match value {
        "on" => *switch = true,
        "off" => *switch = false,
        _ => return false,
    }
    true
}
