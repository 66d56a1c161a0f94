//! Where the requests of a site or of a location go.

use super::super::draft;
use super::super::path::Path;
use super::super::problem::Problem;
use super::upstream::Written;
use super::{Resolver, invalid};
use crate::model::{Action, LocationMatch, Part, ReplacedUri};

/// The keys that say where requests go, of a site or of a location.
pub(super) struct Target<'a> {
    pub(super) upstream: Option<&'a str>,
    pub(super) proxy_pass: Option<&'a str>,
    pub(super) written: Option<Written<'a>>,
    pub(super) files: bool,
    pub(super) status: Option<u64>,
    /// Keys that mean something only beside `backends`, and whether they are there.
    pub(super) beside_backends: [(&'static str, bool); 3],
}

macro_rules! target {
    ($level:expr, $proxy_pass:expr, $status:expr, $files:expr) => {
        Target {
            upstream: $level.upstream.as_deref(),
            proxy_pass: $proxy_pass,
            written: $level.backends.as_deref().map(|servers| Written {
                balance: $level.balance.as_deref(),
                servers,
                servers_key: "backends",
                health_check: $level.health_check.as_ref(),
                keepalive: $level.keepalive,
                sticky: None,
                queue: None,
                eject_outliers: None,
                state: None,
                keepalive_local: false,
                keepalive_requests: None,
                keepalive_time: None,
                keepalive_timeout: None,
                resolver: None,
                resolver_timeout: None,
            }),
            files: $files,
            status: $status,
            beside_backends: [
                ("balance", $level.balance.is_some()),
                ("health_check", $level.health_check.is_some()),
                ("keepalive", $level.keepalive.is_some()),
            ],
        }
    };
}

impl<'a> Target<'a> {
    /// What a site says itself; its locations may say more.
    pub(super) fn of_site(site: &'a draft::Site) -> Self {
        target!(site, None, None, false)
    }
}

impl Resolver {
    /// What a location says it does with requests.
    pub(super) fn own_action(
        &mut self,
        written: &draft::Location,
        name: &str,
        path: &Path<'_>,
    ) -> Option<Action> {
        let files = written.files.is_some_and(|switch| switch.0);
        // A `return` among the steps may be all that a location does.
        let ends = written
            .steps
            .iter()
            .flatten()
            .any(|step| step.r#return.is_some());
        let proxy_pass = written.proxy_pass.as_ref().map(|text| text.0.as_str());
        let target = target!(written, proxy_pass, written.r#return, files);
        let ends = ends || written.stub_status.is_some_and(|switch| switch.0);
        let is_silent = target.upstream.is_none()
            && target.proxy_pass.is_none()
            && target.written.is_none()
            && !files;
        if ends && is_silent && target.status.is_none() {
            self.check_beside(&target, path);
            return Some(Action::Status(404));
        }
        self.action(&target, name, path)
    }

    pub(super) fn action(
        &mut self,
        target: &Target<'_>,
        name: &str,
        path: &Path<'_>,
    ) -> Option<Action> {
        let given = [
            ("upstream", target.upstream.is_some()),
            ("proxy_pass", target.proxy_pass.is_some()),
            ("backends", target.written.is_some()),
            ("files", target.files),
            ("return", target.status.is_some()),
        ];
        let mut given = given
            .iter()
            .filter(|(_, given)| *given)
            .map(|(key, _)| *key);
        match (given.next(), given.next()) {
            (None, _) => {
                let label = "expected `upstream: NAME` or `backends:` with a list of addresses";
                self.report(
                    path.error(Problem::Missing("\"upstream\" and no \"backends\""))
                        .label(label),
                );
            }
            (Some(first), Some(second)) => {
                let problem = Problem::Exclusive(first, second);
                self.report(path.key(second).key_error(problem));
            }
            _ => {}
        }
        self.check_beside(target, path);
        if let Some(status) = target.status {
            return self.status(status, &path.key("return")).map(Action::Status);
        }
        if target.files {
            return Some(Action::Files);
        }
        if let Some(text) = target.proxy_pass {
            return Some(self.proxy_to(text, &path.key("proxy_pass")));
        }
        let upstream = match (target.upstream, &target.written) {
            (Some(name), _) => self.reference(name, &path.key("upstream"))?,
            (None, Some(written)) => self.implicit(name, written, path),
            (None, None) => return None,
        };
        Some(Action::Proxy(upstream))
    }

    /// `proxy_pass` with variables.
    fn proxy_to(&mut self, text: &str, path: &Path<'_>) -> Action {
        let template = self.template(text, path);
        if let [] | [Part::Literal(_)] = template.parts()
            && !text.contains('$')
        {
            let label = "use `upstream: NAME`, or `backends:` with a list of addresses: \
                         this is for `$variables`";
            self.report(invalid(path, text).label(label));
        }
        Action::ProxyTo(template)
    }

    /// What a location's path is replaced with.
    pub(super) fn uri(
        &mut self,
        uri: &str,
        matcher: &LocationMatch,
        action: Option<&Action>,
        path: &Path<'_>,
    ) -> Option<ReplacedUri> {
        let at = path.key("uri");
        if matches!(action, Some(Action::ProxyTo(_))) {
            let problem = Problem::Exclusive("uri", "proxy_pass");
            self.report(at.key_error(problem).label("write it behind the host"));
        }
        if matches!(action, Some(Action::Status(_))) {
            let problem = Problem::Exclusive("uri", "return");
            self.report(at.key_error(problem).label("no server is asked"));
        }
        let replaced = match matcher {
            LocationMatch::Exact(path)
            | LocationMatch::Prefix(path)
            | LocationMatch::PrefixNoRegex(path) => path.len(),
            LocationMatch::Regex { .. } | LocationMatch::Named(_) => {
                let label = "a regular expression has no path that could be replaced";
                self.report(invalid(&at, uri).label(label));
                return None;
            }
        };
        if !uri.starts_with('/') || !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.report(invalid(&at, uri).label("expected a path, such as `/`"));
        }
        let with = uri.to_owned();
        Some(ReplacedUri { replaced, with })
    }

    pub(super) fn check_beside(&mut self, target: &Target<'_>, path: &Path<'_>) {
        if target.written.is_some() {
            return;
        }
        for (key, written) in target.beside_backends {
            // A check of the servers of an upstream, from here.
            let is_check = key == "health_check" && target.upstream.is_some();
            if written && !is_check {
                let problem = Problem::Misplaced {
                    key,
                    beside: "backends",
                };
                let label = "an upstream has its own, below `upstreams`";
                self.report(path.key(key).key_error(problem).label(label));
            }
        }
    }

    fn status(&mut self, status: u64, path: &Path<'_>) -> Option<u16> {
        let valid = u16::try_from(status)
            .ok()
            .filter(|status| (200..=599).contains(status));
        if valid.is_none() {
            let finding = invalid(path, &status.to_string());
            self.report(finding.label("expected a status from 200 to 599"));
        }
        valid
    }
}
