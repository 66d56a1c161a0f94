//! `listen`: an address and what nginx lets one say about its socket.

use super::{Level, Reader, number};
use crate::config::draft::{OneOrMany, Site, Size, Word};
use crate::config::nginx::lexer::Word as Written;
use crate::config::nginx::parser::Directive;
use crate::config::path::Path;
use crate::config::problem::Problem;
use crate::config::resolve::{default_listen, parse_listen};

/// One `listen` of one server.
pub(in crate::config::nginx) struct Listen {
    pub(super) site: usize,
    /// Its place among the server's.
    pub(super) index: usize,
    pub(super) default_server: bool,
}

/// `listen`.
pub(in crate::config::nginx) fn listen(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Server(server) = level else { return };
    let mut default_server = false;
    for word in reader.parameters(directive, 1) {
        default_server |= reader.parameter(directive, word);
    }
    let address = &directive.arguments[0];
    let list = server
        .site
        .listen
        .get_or_insert_with(|| OneOrMany(Vec::new()));
    let index = list.0.len();
    let path = path.key("listen");
    reader.positions.record(
        &path.index(index),
        directive,
        &directive.name,
        Some(address),
    );
    list.0.push(Word(address.text.clone()));
    // What is no address is `resolve`'s to report.
    if let Some(parsed) = parse_listen(&address.text) {
        let listen = Listen {
            site: reader.site,
            index,
            default_server,
        };
        reader.listens.entry(parsed).or_default().push(listen);
    }
}

/// A server without `listen` listens on port 80, or 8000 when Gapura is not root's.
pub(super) fn default(reader: &mut Reader<'_>, site: &mut Site) {
    let address = default_listen();
    site.listen = Some(OneOrMany(vec![Word(address.to_string())]));
    let listen = Listen {
        site: reader.site,
        index: 0,
        default_server: false,
    };
    reader.listens.entry(address).or_default().push(listen);
}

impl Reader<'_> {
    /// Checks a parameter, and says whether it is `default_server`.
    fn parameter(&mut self, directive: &Directive, word: &Written) -> bool {
        let (name, value) = match word.text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.text.as_str(), None),
        };
        match (name, value) {
            ("default_server" | "default", None) => return true,
            ("ssl", None) => {
                let label = "TLS listeners are not supported yet: terminate TLS in front of Gapura";
                self.unsupported_parameter(directive, word, label);
            }
            ("quic", None) => {
                self.unsupported_parameter(directive, word, "QUIC is not supported");
            }
            ("proxy_protocol", None) => {
                let label = "the PROXY protocol is not supported yet";
                self.unsupported_parameter(directive, word, label);
            }
            ("ipv6only", Some("off")) => {
                let label = "an IPv6 socket takes IPv6 only: add a `listen` for IPv4";
                self.unsupported_parameter(directive, word, label);
            }
            ("http2", None) => {
                let problem = Problem::NotApplied("http2".into());
                let label = "HTTP/2 is not offered; clients use HTTP/1.1";
                self.warn(directive, word, problem, label);
            }
            ("so_keepalive", Some(value)) => {
                if value != "off" {
                    let problem = Problem::NotApplied("so_keepalive".into());
                    let label = "the system's settings hold";
                    self.warn(directive, word, problem, label);
                }
            }
            // They are about speed: no client can tell.
            ("bind" | "deferred" | "reuseport" | "multipath", None) => {}
            ("ipv6only", Some("on")) => {}
            ("accept_filter", Some(_)) => {}
            ("backlog" | "setfib" | "fastopen", Some(value)) if number(value).is_some() => {}
            ("backlog" | "setfib", Some(value)) if value.starts_with('-') => {}
            ("rcvbuf" | "sndbuf", Some(value)) if value.parse::<Size>().is_ok() => {}
            _ => self.invalid_parameter(directive, word),
        }
        false
    }
}
