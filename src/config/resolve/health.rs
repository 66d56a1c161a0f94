//! Active checks of servers.

use super::super::draft::{self, OrOff};
use super::super::path::Path;
use super::super::problem::Problem;
use super::super::suggest;
use super::{Resolver, fit, invalid};
use crate::model::{
    Action, AtFirst, CheckKind, CheckTimes, Expected, ExpectedStatus, GrpcCheck, HealthCheck,
    HttpCheck, HttpVersion, Location, ProxyPass, SetHeader, Template, Variable,
};
use std::time::Duration;

/// Where a check is asked for in a location: what requests from there are like.
pub(super) struct Asked<'a> {
    pass: &'a ProxyPass,
    /// The site's name, which `$host` is without a client.
    site: &'a str,
    /// The upstream's name, which `$proxy_host` is.
    upstream: String,
}

impl Resolver {
    /// The check that a location asks for of the upstream it names.
    pub(super) fn location_check(
        &mut self,
        written: Option<&OrOff<draft::HealthCheck>>,
        location: &Location,
        site: &str,
        path: &Path<'_>,
    ) {
        let Some(check) = written.and_then(OrOff::on) else {
            return;
        };
        let Action::Proxy(id) = location.action else {
            return;
        };
        let asked = Asked {
            pass: &location.pass,
            site,
            upstream: self.upstreams[id.0].name.clone(),
        };
        let check = self.health_check(check, Some(&asked), &path.key("health_check"));
        let checks = &mut self.upstreams[id.0].health_checks;
        // However many locations ask for it, it is one check.
        if !checks.contains(&check) {
            checks.push(check);
        }
    }

    pub(super) fn health_check(
        &mut self,
        check: &draft::HealthCheck,
        asked: Option<&Asked<'_>>,
        path: &Path<'_>,
    ) -> HealthCheck {
        let kind = check.r#type.as_deref().unwrap_or("tcp");
        let kind = match kind {
            "http" => CheckKind::Http(Box::new(self.http_check(check, asked, path))),
            "grpc" => CheckKind::Grpc(self.grpc_check(check, asked, path)),
            other => {
                if other != "tcp" {
                    let label = suggest::did_you_mean_or_list(other, &["tcp", "http", "grpc"]);
                    let problem = Problem::UnknownHealthCheck(other.into());
                    self.report(path.key("type").error(problem).label(label));
                }
                CheckKind::Tcp
            }
        };
        self.check_kind_of_keys(check, &kind, path);
        let interval = check.interval.map_or(CHECK_INTERVAL, |time| time.0);
        let timeout = check.timeout.map(|time| time.0);
        self.time(Some(interval), &path.key("interval"));
        self.time(timeout, &path.key("timeout"));
        self.time(
            check.keepalive_time.map(|time| time.0),
            &path.key("keepalive_time"),
        );
        let mandatory = check.mandatory.is_some_and(|switch| switch.0);
        let persistent = check.persistent.is_some_and(|switch| switch.0);
        if persistent && !mandatory {
            let problem = Problem::Misplaced {
                key: "persistent",
                beside: "mandatory",
            };
            self.report(path.key("persistent").key_error(problem));
        }
        let port =
            (check.port).map(|port| fit(self.number(port, 1, u16::MAX.into(), &path.key("port"))));
        let most = MOST_CHECKS;
        HealthCheck {
            timeout: timeout.or(match (asked, &kind) {
                (None, _) => Some(CHECK_TIMEOUT),
                (Some(asked), CheckKind::Tcp) => Some(asked.pass.connect_timeout),
                (Some(_), _) => None,
            }),
            kind,
            interval,
            jitter: check.jitter.map_or(interval / 10, |time| time.0),
            rise: fit(self.number(check.rise.unwrap_or(RISE), 1, most, &path.key("rise"))),
            fall: fit(self.number(check.fall.unwrap_or(FALL), 1, most, &path.key("fall"))),
            port,
            at_first: match (mandatory, persistent) {
                (false, _) => AtFirst::Healthy,
                (true, false) => AtFirst::Unknown,
                (true, true) => AtFirst::UnknownOnce,
            },
        }
    }

    /// Reports keys that mean nothing for a check of this kind.
    fn check_kind_of_keys(
        &mut self,
        check: &draft::HealthCheck,
        kind: &CheckKind,
        path: &Path<'_>,
    ) {
        let http = ("type: http", "a TCP check only connects");
        let grpc = ("type: grpc", "only gRPC has services");
        let keys = [
            ("path", check.path.is_some(), http),
            ("host", check.host.is_some(), http),
            ("status", check.status.is_some(), http),
            ("match", check.r#match.is_some(), http),
            ("keepalive_time", check.keepalive_time.is_some(), http),
            ("grpc_service", check.grpc_service.is_some(), grpc),
            ("grpc_status", check.grpc_status.is_some(), grpc),
        ];
        for (key, written, (beside, label)) in keys {
            let fits = match kind {
                CheckKind::Http(_) => beside == http.0,
                CheckKind::Grpc(_) => beside == grpc.0 || key == "host",
                // One whose type is unknown has been reported.
                CheckKind::Tcp => !matches!(check.r#type.as_deref(), None | Some("tcp")),
            };
            if written && !fits {
                let problem = Problem::Misplaced { key, beside };
                let finding = path.key(key).key_error(problem);
                let label = match kind {
                    CheckKind::Grpc(_) => "the protocol says what is asked and answered",
                    _ => label,
                };
                self.report(finding.label(label));
            }
        }
    }

    fn http_check(
        &mut self,
        check: &draft::HealthCheck,
        asked: Option<&Asked<'_>>,
        path: &Path<'_>,
    ) -> HttpCheck {
        let target = check.path.as_deref().unwrap_or("/");
        let at = path.key("path");
        if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.report(invalid(&at, target).label("expected a path such as `/healthz`"));
        }
        let expected = match (&check.r#match, &check.status) {
            (Some(_), Some(_)) => {
                let problem = Problem::Exclusive("status", "match");
                self.report(path.key("match").key_error(problem));
                Expected::default()
            }
            (Some(name), None) => self.named_match(name, &path.key("match")),
            (None, status) => Expected {
                status: Some(match status {
                    Some(words) => self.statuses(words, &path.key("status")),
                    None => ExpectedStatus {
                        negated: false,
                        ranges: vec![200..=399],
                    },
                }),
                ..Expected::default()
            },
        };
        let user_agent = || SetHeader {
            name: "User-Agent".into(),
            value: Template::literal(USER_AGENT),
        };
        HttpCheck {
            target: target.to_owned(),
            host: self.check_host(check, asked, path),
            headers: match asked {
                Some(asked) => asked.headers(),
                None => vec![user_agent()],
            },
            http_version: asked.map_or(HttpVersion::Http11, |asked| asked.pass.http_version),
            times: asked.map(Asked::times).unwrap_or_default(),
            keepalive_time: check.keepalive_time.map(|time| time.0),
            expected,
        }
    }

    fn grpc_check(
        &mut self,
        check: &draft::HealthCheck,
        asked: Option<&Asked<'_>>,
        path: &Path<'_>,
    ) -> GrpcCheck {
        let status = check.grpc_status;
        let status =
            status.map(|code| fit(self.number(code, 1, u16::MAX.into(), &path.key("grpc_status"))));
        if let Some(service) = check.grpc_service.as_deref()
            && service.len() > LONGEST_SERVICE
        {
            let label = format!("expected a name of up to {LONGEST_SERVICE} bytes");
            self.report(invalid(&path.key("grpc_service"), service).label(label));
        }
        GrpcCheck {
            service: check.grpc_service.as_deref().unwrap_or_default().to_owned(),
            status,
            host: self.check_host(check, asked, path),
            times: asked.map(Asked::times).unwrap_or_default(),
        }
    }

    fn check_host(
        &mut self,
        check: &draft::HealthCheck,
        asked: Option<&Asked<'_>>,
        path: &Path<'_>,
    ) -> Option<Template> {
        let Some(host) = check.host.as_deref() else {
            return asked.map(Asked::host);
        };
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.report(invalid(&path.key("host"), host).label("expected a host"));
        }
        Some(Template::literal(host))
    }
}

impl Asked<'_> {
    /// What a text says where no request is: the site and the upstream are known all the same.
    fn without_request(&self, template: &Template) -> Template {
        let known = |variable: &Variable| match variable {
            Variable::Host | Variable::ServerName => Some(self.site.to_owned()),
            Variable::ProxyHost => Some(self.upstream.clone()),
            Variable::ProxyPort => Some("80".to_owned()),
            Variable::Scheme => Some("http".to_owned()),
            _ => None,
        };
        template.clone().with_known(known)
    }

    fn headers(&self) -> Vec<SetHeader> {
        let headers = self.pass.set_headers.iter();
        let others = headers.filter(|header| !header.name.eq_ignore_ascii_case("host"));
        let others = others.map(|header| SetHeader {
            name: header.name.clone(),
            value: self.without_request(&header.value),
        });
        others.collect()
    }

    fn host(&self) -> Template {
        let headers = self.pass.set_headers.iter().rev();
        let mut hosts = headers.filter(|header| header.name.eq_ignore_ascii_case("host"));
        let written = hosts
            .next()
            .map(|header| self.without_request(&header.value));
        // Nothing can be asked without one.
        let written = written.filter(|host| !host.is_empty());
        written.unwrap_or_else(|| Template::literal(self.upstream.as_str()))
    }

    fn times(&self) -> CheckTimes {
        CheckTimes {
            connect: Some(self.pass.connect_timeout),
            send: Some(self.pass.send_timeout),
            read: Some(self.pass.read_timeout),
        }
    }
}

const CHECK_INTERVAL: Duration = Duration::from_secs(2);
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
const RISE: u64 = 2;
const FALL: u64 = 2;
const MOST_CHECKS: u64 = 1000;
const LONGEST_SERVICE: usize = 1024;
const USER_AGENT: &str = concat!("gapura/", env!("CARGO_PKG_VERSION"), " (health check)");
