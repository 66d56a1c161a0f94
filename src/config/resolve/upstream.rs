//! Upstreams: servers, weights, and the names of those that have none.

use super::super::draft::{self, OneOrMany, OrOff, Short, Word};
use super::super::nginx;
use super::super::path::Path;
use super::super::problem::Problem;
use super::super::source::Source;
use super::super::suggest;
use super::retries::percent;
use super::{Resolver, fit, invalid};
use crate::model::{self, EjectOutliers, Keepalive, Queue, Server, Upstream, UpstreamId};
use std::sync::Arc;
use std::time::Duration;

/// What an upstream is made of, wherever it is written.
pub(super) struct Written<'a> {
    pub(super) balance: Option<&'a str>,
    pub(super) servers: &'a [Short<draft::Server>],
    pub(super) sticky: Option<&'a draft::Sticky>,
    /// Their key: `servers` or `backends`.
    pub(super) servers_key: &'static str,
    pub(super) health_check: Option<&'a OrOff<draft::HealthCheck>>,
    pub(super) state: Option<&'a str>,
    pub(super) queue: Option<&'a draft::Queue>,
    pub(super) eject_outliers: Option<&'a draft::EjectOutliers>,
    pub(super) keepalive: Option<u64>,
    pub(super) keepalive_local: bool,
    pub(super) keepalive_requests: Option<u64>,
    pub(super) keepalive_time: Option<Duration>,
    pub(super) keepalive_timeout: Option<Duration>,
    pub(super) resolver: Option<&'a OneOrMany<Word>>,
    pub(super) resolver_timeout: Option<Duration>,
}

/// Who looks names of servers up, and for how long.
#[derive(Clone, Default)]
pub(super) struct LookUp {
    resolver: Option<Arc<model::Resolver>>,
    timeout: Option<Duration>,
}

/// The list of weights is as long as their sum.
pub(super) const MOST_WEIGHT: u64 = 65_535;

const MOST_KEEPALIVE: u64 = 65_535;

impl Resolver {
    pub(super) fn named_upstreams(&mut self, draft: &draft::Draft) {
        let before = self.findings.len();
        let resolver = draft.resolver.as_ref();
        let resolver = resolver.map(|words| self.resolver(words, &Path::Root.key("resolver")));
        // Its mistakes are reported with the other settings of the top.
        self.findings.truncate(before);
        self.look_up = LookUp {
            resolver: resolver.map(Arc::new),
            timeout: draft.resolver_timeout.map(|time| time.0),
        };
        let list = Path::Root.key("upstreams");
        for (name, upstream) in draft.upstreams.iter().flatten() {
            let path = list.key(name);
            let written = Written {
                balance: upstream.balance.as_deref(),
                servers: upstream.servers.as_deref().unwrap_or_default(),
                sticky: upstream.sticky.as_ref(),
                servers_key: "servers",
                health_check: upstream.health_check.as_ref(),
                state: upstream.state.as_deref(),
                queue: upstream.queue.as_ref(),
                eject_outliers: upstream.eject_outliers.as_ref(),
                keepalive: upstream.keepalive,
                keepalive_local: upstream.keepalive_local.is_some_and(|switch| switch.0),
                keepalive_requests: upstream.keepalive_requests,
                keepalive_time: upstream.keepalive_time.map(|time| time.0),
                keepalive_timeout: upstream.keepalive_timeout.map(|time| time.0),
                resolver: upstream.resolver.as_ref(),
                resolver_timeout: upstream.resolver_timeout.map(|time| time.0),
            };
            let id = self.upstream(name.clone(), &written, &path);
            self.taken_names.insert(name.clone());
            self.upstream_names.insert(name.clone(), id);
        }
    }

    /// The upstream of this name.
    pub(super) fn reference(&mut self, name: &str, path: &Path<'_>) -> Option<UpstreamId> {
        let id = self.upstream_names.get(name).copied();
        if id.is_none() {
            let names = self.upstream_names.keys().map(String::as_str);
            let label = suggest::did_you_mean(name, names)
                .unwrap_or_else(|| "it is not among `upstreams`".into());
            self.report(
                path.error(Problem::UnknownUpstream(name.into()))
                    .label(label),
            );
        }
        id
    }

    /// An upstream that is written where it is used, named after its place.
    pub(super) fn implicit(
        &mut self,
        name: &str,
        written: &Written<'_>,
        path: &Path<'_>,
    ) -> UpstreamId {
        let mut unique = name.to_owned();
        let mut number = 2;
        while !self.taken_names.insert(unique.clone()) {
            unique = format!("{name}#{number}");
            number += 1;
        }
        self.upstream(unique, written, path)
    }

    fn upstream(&mut self, name: String, written: &Written<'_>, path: &Path<'_>) -> UpstreamId {
        let list = path.key(written.servers_key);
        let kept = written.state.map(|file| self.state(file, path));
        if kept.is_some() && !written.servers.is_empty() {
            let finding = list.key_error(Problem::Exclusive("state", written.servers_key));
            self.report(finding.label("the servers are in the file or here"));
        }
        let servers: Vec<Server> = match &kept {
            Some(kept) => {
                let at = path.key("state");
                kept.iter().map(|server| self.server(server, &at)).collect()
            }
            None => (written.servers.iter().enumerate())
                .map(|(index, server)| self.server(server, &list.index(index)))
                .collect(),
        };
        if kept.is_some() && servers.is_empty() {
            // Requests are answered with a 502 until there are some.
        } else if servers.is_empty() {
            let label = format!(
                "expected `{}` with at least one address",
                written.servers_key
            );
            self.report(path.key_error(Problem::NoServers).label(label));
        } else if servers.iter().all(|server| server.backup) {
            let label = "every server is a `backup`; at least one must not be";
            self.report(
                path.key_error(Problem::NoPrimaryServers(name.clone()))
                    .label(label),
            );
        }
        for backup in [false, true] {
            let weights = servers
                .iter()
                .filter(|server| server.backup == backup && !server.down);
            let weights: Vec<u64> = weights.map(|server| server.weight.get().into()).collect();
            let divisor = weights
                .iter()
                .copied()
                .fold(0, greatest_common_divisor)
                .max(1);
            if weights.iter().sum::<u64>() / divisor > MOST_WEIGHT {
                let problem = Problem::WeightsTooLarge(name.clone());
                let label = format!(
                    "their sum is more than {MOST_WEIGHT}; smaller weights can say the same"
                );
                self.report(list.key_error(problem).label(label));
            }
        }
        let check_path = path.key("health_check");
        let health_check = (written.health_check.and_then(OrOff::on))
            .map(|check| self.health_check(check, None, &check_path));
        let queue = written.queue;
        let queue = queue.map(|queue| self.queue(queue, &path.key("queue")));
        let outliers = path.key("eject_outliers");
        let eject_outliers = written
            .eject_outliers
            .map(|settings| self.eject_outliers(settings, &outliers));
        let keepalive = self.keepalive(written, path);
        let balance = self.balance(written.balance, &path.key("balance"));
        for (index, server) in servers.iter().enumerate() {
            if server.slow_start.is_some() && !balance.starts_slowly() {
                let problem = Problem::NotForThisBalance("slow_start".into());
                self.report(list.index(index).key("slow_start").error(problem));
            }
        }
        let sticky = self.sticky(written.sticky, &path.key("sticky"));
        let own = written.resolver;
        let own = own.map(|words| Arc::new(self.resolver(words, &path.key("resolver"))));
        let is_asked = servers.iter().any(|server| server.resolve);
        let resolver = own.or_else(|| self.look_up.resolver.clone());
        let resolver = resolver.filter(|_| is_asked);
        let timeout = written.resolver_timeout.or(self.look_up.timeout);
        self.upstreams.push(Upstream {
            name,
            balance,
            servers,
            sticky,
            health_checks: health_check.into_iter().collect(),
            queue,
            eject_outliers,
            keepalive,
            resolver_timeout: match &resolver {
                Some(_) => timeout.or(Some(RESOLVER_TIMEOUT)),
                None => None,
            }
            .filter(|timeout| !timeout.is_zero()),
            resolver,
        });
        UpstreamId(self.upstreams.len() - 1)
    }

    /// The servers of a state file.
    fn state(&mut self, file: &str, path: &Path<'_>) -> Vec<Short<draft::Server>> {
        let at = path.key("state");
        let full = self.base.join(file);
        let text = match self.pages.read(full.clone(), "") {
            Ok(page) => String::from_utf8_lossy(&page.body).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.report(at.error(Problem::open(&full, &error)));
                return Vec::new();
            }
        };
        let source = Source::new(full.display().to_string(), text);
        let servers = nginx::state::servers(&source, self.pages.reader());
        servers.unwrap_or_else(|mistake| {
            self.report(at.error(Problem::Syntax(format!("{mistake} in {}", full.display()))));
            Vec::new()
        })
    }

    fn queue(&mut self, queue: &draft::Queue, path: &Path<'_>) -> Queue {
        if queue.requests.is_none() {
            let missing = path.error(Problem::Missing("\"requests\""));
            self.report(missing.label("expected `requests: 100`: how many may wait"));
        }
        let requests = queue.requests.unwrap_or(1);
        let timeout = queue.timeout.map_or(QUEUE_TIMEOUT, |time| time.0);
        self.time(Some(timeout), &path.key("timeout"));
        Queue {
            requests: fit(self.number(requests, 1, MOST_WAITING, &path.key("requests"))),
            timeout,
        }
    }

    fn eject_outliers(&mut self, written: &draft::EjectOutliers, path: &Path<'_>) -> EjectOutliers {
        let default = EjectOutliers::default();
        let mut share = |word: Option<&Word>, key, default| {
            let Some(word) = word else { return default };
            let share = percent(word);
            if share.is_none() {
                let label = "expected a share from `1%` to `100%`";
                self.report(invalid(&path.key(key), word).label(label));
            }
            share.unwrap_or(default)
        };
        let failures = share(written.failures.as_ref(), "failures", default.failures);
        let most = share(written.most.as_ref(), "most", default.most);
        let requests = written.requests.unwrap_or(default.requests.into());
        let requests = self.number(requests, 1, MOST_COUNTED, &path.key("requests"));
        let mut time = |time: Option<draft::Time>, key, default| {
            let time = time.map(|time| time.0);
            self.time(time, &path.key(key));
            time.unwrap_or(default)
        };
        EjectOutliers {
            failures,
            requests: fit(requests),
            window: time(written.window, "window", default.window),
            time: time(written.time, "time", default.time),
            most,
        }
    }

    fn keepalive(&mut self, written: &Written<'_>, path: &Path<'_>) -> Keepalive {
        let default = Keepalive::default();
        let connections = written.keepalive.unwrap_or(0);
        let connections = self.number(connections, 0, MOST_KEEPALIVE, &path.key("keepalive"));
        let requests = written.keepalive_requests.unwrap_or(default.requests);
        let most = u32::MAX.into();
        let requests = self.number(requests, 0, most, &path.key("keepalive_requests"));
        self.time(written.keepalive_timeout, &path.key("keepalive_timeout"));
        Keepalive {
            connections: fit(connections),
            local: written.keepalive_local,
            requests,
            time: written.keepalive_time.unwrap_or(default.time),
            timeout: written.keepalive_timeout.unwrap_or(default.timeout),
        }
    }
}

/// As in nginx.
const RESOLVER_TIMEOUT: Duration = Duration::from_secs(30);

/// As in nginx Plus.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(60);
const MOST_WAITING: u64 = 1_000_000;

const MOST_COUNTED: u64 = 1_000_000;

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}
