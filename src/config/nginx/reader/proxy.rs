//! `proxy_pass` and what decides about the next server.

use super::{Level, Reader};
use crate::config::draft::{OneOrMany, Server, Short, Upstream, Word};
use crate::config::nginx::defaults::KEEPALIVE;
use crate::config::nginx::parser::Directive;
use crate::config::nginx::positions::Piece;
use crate::config::path::Path;
use crate::config::problem::Problem;
use crate::model::RetryCondition;

/// `proxy_pass`.
pub(in crate::config::nginx) fn proxy_pass(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Location(location) = level else {
        return;
    };
    let word = &directive.arguments[0];
    let url = word.text.as_str();
    if starts_with(url, "https://") {
        let problem = Problem::DirectiveValue {
            directive: "proxy_pass".to_owned(),
            what: "with TLS is not supported",
        };
        let label = "servers are spoken to without TLS yet: write `http://`";
        return reader.error(directive, word, problem, label);
    }
    if url.contains('$') {
        location.draft.proxy_pass = Some(Word(url.to_owned()));
        return reader.record_value(directive, path);
    }
    if !starts_with(url, SCHEME) {
        let problem = Problem::Syntax("invalid URL prefix".into());
        let label = "expected `http://` and a server or the name of an `upstream`";
        return reader.error(directive, word, problem, label);
    }
    let (address, uri) = split(&url[SCHEME.len()..]);
    if !uri.is_empty() {
        if location.has_no_path() {
            let problem = Problem::Syntax(URI_BEHIND_A_PATTERN.into());
            let label = format!("leave `{uri}` out");
            return reader.error(directive, word, problem, label);
        }
        let whole = path.key("uri");
        let skipped = url.len() - uri.len();
        reader
            .positions
            .record_pieces(&whole, directive, &directive.name, || {
                vec![Piece {
                    offset: 0,
                    skipped,
                    word: word.clone(),
                }]
            });
        location.draft.uri = Some(uri.to_owned());
    }
    if address.is_empty() {
        let problem = Problem::Syntax(format!("no host in upstream \"{address}\""));
        return reader.report(directive, word, problem, None);
    }
    let path = path.key("upstream");
    reader
        .positions
        .record(&path, directive, &directive.name, Some(word));
    location.draft.upstream = reader.destination(directive, address);
}

const SCHEME: &str = "http://";

/// nginx's sentence.
const URI_BEHIND_A_PATTERN: &str = "\"proxy_pass\" cannot have URI part in location given by \
     regular expression, or inside named location, or inside \"if\" statement, or inside \
     \"limit_except\" block";

fn starts_with(url: &str, scheme: &str) -> bool {
    url.get(..scheme.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// The server and the URI of what follows `http://`.
fn split(rest: &str) -> (&str, &str) {
    if let Some(socket) = rest.strip_prefix("unix:") {
        let end = socket.find(':').map_or(rest.len(), |at| at + "unix:".len());
        return (&rest[..end], rest[end..].trim_start_matches(':'));
    }
    rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()))
}

impl Reader<'_> {
    /// The upstream of this name, or one made of this address.
    fn destination(&mut self, directive: &Directive, address: &str) -> Option<String> {
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && !address.starts_with("unix:") => {
                (host, Some(port))
            }
            _ => (address, None),
        };
        if let Some(name) = self.upstream_names.get(&host.to_lowercase()) {
            let name = name.clone();
            let Some(port) = port else { return Some(name) };
            let problem = Problem::UpstreamPort {
                upstream: name,
                port: port.to_owned(),
            };
            let label = "each of its servers has a port of its own";
            self.error(directive, &directive.arguments[0], problem, label);
            return None;
        }
        // What $proxy_host says: the port only when it is not the usual one.
        let key = match port {
            Some("80") => host,
            _ => address,
        };
        let upstreams = Path::Root.key("upstreams");
        let path = upstreams.key(key);
        let servers = path.key("servers");
        let server = servers.index(0);
        if !self.implicit.contains_key(key) {
            let word = &directive.arguments[0];
            let name = &directive.name;
            self.positions
                .record_pieces(&server.key("address"), directive, name, || {
                    vec![Piece {
                        offset: 0,
                        skipped: SCHEME.len(),
                        word: word.clone(),
                    }]
                });
            let server = Server {
                address: Some(address.to_owned()),
                ..Server::default()
            };
            let upstream = Upstream {
                servers: Some(vec![Short(server)]),
                // For all locations that have this address.
                keepalive: Some(KEEPALIVE),
                ..Upstream::default()
            };
            self.implicit.insert(key.to_owned(), upstream);
        }
        Some(key.to_owned())
    }
}

/// `proxy_next_upstream`.
pub(in crate::config::nginx) fn proxy_next_upstream(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let mut words = Vec::with_capacity(directive.arguments.len());
    for word in reader.parameters(directive, 0) {
        if word.text != "off" && RetryCondition::parse(&word.text).is_none() {
            let problem = Problem::InvalidWord(word.text.clone());
            reader.report(directive, word, problem, None);
            continue;
        }
        words.push(Word(word.text.clone()));
    }
    let Some(common) = level.common() else { return };
    // nginx takes `off` beside others, and then it is the one that counts.
    if words.iter().any(|word| &**word == "off") {
        words = vec![Word("off".into())];
    }
    *common.proxy_next_upstream = Some(OneOrMany(words));
    let path = path.key("proxy_next_upstream");
    let value = directive.arguments.first();
    reader
        .positions
        .record(&path, directive, &directive.name, value);
}
