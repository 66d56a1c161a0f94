//! `upstream` and its servers.

use super::{Level, Reader, number};
use crate::config::draft::{EjectOutliers, Queue, Server, Short, Switch, Upstream, Word as Text};
use crate::config::nginx::defaults;
use crate::config::nginx::lexer::Word;
use crate::config::nginx::parser::Directive;
use crate::config::nginx::table::UPSTREAM;
use crate::config::path::Path;
use crate::config::problem::Problem;

/// `upstream`.
pub(in crate::config::nginx) fn upstream(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Http(draft) = level else { return };
    let name = directive.text(0);
    let list = path.key("upstreams");
    let path = list.key(name);
    let value = directive.arguments.first();
    let upstreams = draft.upstreams.get_or_insert_default();
    if upstreams.keys().any(|key| key.eq_ignore_ascii_case(name)) {
        let problem = Problem::DuplicateUpstream(name.to_owned());
        let word = &directive.arguments[0];
        return reader.report(directive, word, problem, None);
    }
    reader
        .positions
        .record(&path, directive, &directive.name, value);
    let mut upstream = Upstream::default();
    reader.block(
        directive.children(),
        UPSTREAM,
        &mut Level::Upstream(&mut upstream),
        &path,
    );
    let is_server = |inner: &Directive| matches!(inner.name.text.as_str(), "server" | "state");
    if !directive.children().iter().any(is_server) {
        let label = "expected `server ADDRESS;` in it";
        reader.error(directive, &directive.name, Problem::NoServers, label);
    }
    upstreams.insert(name.to_owned(), upstream);
}

/// `server` in `upstream`.
pub(in crate::config::nginx) fn server(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Upstream(upstream) = level else {
        return;
    };
    let servers = upstream.servers.get_or_insert_default();
    let list = path.key("servers");
    let path = list.index(servers.len());
    let address = &directive.arguments[0];
    let name = &directive.name;
    reader
        .positions
        .record(&path, directive, name, Some(address));
    reader
        .positions
        .record(&path.key("address"), directive, name, Some(address));
    let mut server = Server {
        address: Some(address.text.clone()),
        ..Server::default()
    };
    // Those that come before their `server` say what it may be.
    let takes_backups = upstream
        .balance
        .as_deref()
        .is_none_or(|balance| balance.starts_with("least_"));
    for word in reader.parameters(directive, 1) {
        if word.text == "backup" && !takes_backups {
            let problem = Problem::NotForThisBalance(word.text.clone());
            reader.report(directive, word, problem, None);
            continue;
        }
        reader.server_parameter(directive, word, &mut server, &path);
    }
    servers.push(Short(server));
}

/// `keepalive`.
pub(in crate::config::nginx) fn keepalive(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Upstream(upstream) = level else {
        return;
    };
    let text = directive.text(0);
    let Some(connections) = number(text) else {
        let problem = Problem::DirectiveValue {
            directive: "keepalive".into(),
            what: "invalid value",
        };
        return reader.report(directive, &directive.arguments[0], problem, None);
    };
    if let Some(word) = directive.arguments.get(1)
        && word.text != "local"
    {
        return reader.invalid_parameter(directive, word);
    }
    upstream.keepalive = Some(connections);
    upstream.keepalive_local = (directive.arguments.len() > 1).then_some(Switch(true));
    reader.record_value(directive, path);
}

/// `state`: a file below the prefix.
pub(in crate::config::nginx) fn state(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Upstream(upstream) = level else {
        return;
    };
    let file = defaults::in_prefix(reader.prefix.as_deref(), directive.text(0));
    upstream.state = Some(file);
    reader.record_value(directive, path);
}

/// `queue NUMBER [timeout=TIME]`.
pub(in crate::config::nginx) fn queue(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Upstream(upstream) = level else {
        return;
    };
    let Some(requests) = number(directive.text(0)).filter(|requests| *requests > 0) else {
        let problem = Problem::DirectiveValue {
            directive: "queue".into(),
            what: "invalid value",
        };
        return reader.report(directive, &directive.arguments[0], problem, None);
    };
    let path = path.key("queue");
    let mut queue = Queue {
        requests: Some(requests),
        ..Queue::default()
    };
    if let Some(word) = directive.arguments.get(1) {
        let time = word.text.strip_prefix("timeout=");
        match time.and_then(|time| time.parse().ok()) {
            Some(time) => queue.timeout = Some(time),
            None => return reader.invalid_parameter(directive, word),
        }
        let at = path.key("timeout");
        (reader.positions).record(&at, directive, &directive.name, Some(word));
    }
    let at = path.key("requests");
    let requests = directive.arguments.first();
    (reader.positions).record(&at, directive, &directive.name, requests);
    upstream.queue = Some(queue);
}

/// `eject_outliers [failures=PERCENT] [requests=NUMBER] [window=TIME] [time=TIME] [most=PERCENT]`.
pub(in crate::config::nginx) fn eject_outliers(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Upstream(upstream) = level else {
        return;
    };
    let path = path.key("eject_outliers");
    let name = &directive.name;
    reader.positions.record(&path, directive, name, None);
    let mut settings = EjectOutliers::default();
    for word in reader.parameters(directive, 0) {
        let share = |value: &str| Some(Text(value.to_owned()));
        let (key, value) = word.text.split_once('=').unwrap_or((&word.text, ""));
        let is_known = match key {
            "failures" => {
                settings.failures = share(value);
                true
            }
            "most" => {
                settings.most = share(value);
                true
            }
            "requests" => {
                settings.requests = number(value);
                settings.requests.is_some()
            }
            "window" => {
                settings.window = value.parse().ok();
                settings.window.is_some()
            }
            "time" => {
                settings.time = value.parse().ok();
                settings.time.is_some()
            }
            _ => false,
        };
        match is_known {
            true => (reader.positions).record(&path.key(key), directive, name, Some(word)),
            false => return reader.invalid_parameter(directive, word),
        }
    }
    upstream.eject_outliers = Some(settings);
}

impl Reader<'_> {
    /// Finds out which names are upstreams: they may be used before their block.
    pub(super) fn note_upstreams(&mut self, directives: &[Directive]) {
        for directive in directives {
            if directive.name.text == "upstream" {
                let name = directive.text(0);
                let first = self.upstream_names.entry(name.to_lowercase());
                first.or_insert_with(|| name.to_owned());
            }
        }
    }

    fn server_parameter(
        &mut self,
        directive: &Directive,
        word: &Word,
        server: &mut Server,
        path: &Path<'_>,
    ) {
        let (name, value) = match word.text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.text.as_str(), None),
        };
        let key = match (name, value) {
            ("weight", Some(value)) => {
                server.weight = number(value).filter(|weight| *weight > 0);
                server.weight.map(|_| "weight")
            }
            ("max_fails", Some(value)) => {
                server.max_fails = number(value);
                server.max_fails.map(|_| "max_fails")
            }
            ("fail_timeout", Some(value)) => {
                server.fail_timeout = value.parse().ok();
                server.fail_timeout.map(|_| "fail_timeout")
            }
            ("backup", None) => {
                server.backup = Some(Switch(true));
                Some("backup")
            }
            ("down", None) => {
                server.down = Some(Switch(true));
                Some("down")
            }
            ("max_conns", Some(value)) => {
                server.max_conns = number(value);
                server.max_conns.map(|_| "max_conns")
            }
            ("resolve", None) => {
                server.resolve = Some(Switch(true));
                Some("resolve")
            }
            ("service", Some(value)) => {
                server.service = Some(Text(value.to_owned()));
                Some("service")
            }
            ("drain", None) => {
                server.drain = Some(Switch(true));
                Some("drain")
            }
            ("route", Some(value)) => {
                if value.is_empty() || value.len() > LONGEST_ROUTE {
                    let problem = match value {
                        "" => "route is empty".to_owned(),
                        _ => format!("route is longer than {LONGEST_ROUTE}"),
                    };
                    return self.report(directive, word, Problem::Syntax(problem), None);
                }
                server.route = Some(Text(value.to_owned()));
                Some("route")
            }
            ("slow_start", Some(value)) => {
                server.slow_start = value.parse().ok();
                server.slow_start.map(|_| "slow_start")
            }
            _ => None,
        };
        match key {
            Some(key) => self
                .positions
                .record(&path.key(key), directive, word, Some(word)),
            None => self.invalid_parameter(directive, word),
        }
    }
}

/// The longest name of a server.
const LONGEST_ROUTE: usize = 32;
