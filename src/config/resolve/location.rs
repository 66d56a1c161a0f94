//! Locations: which paths they take, and where their requests go.

use super::super::draft;
use super::super::path::{Finding, Path};
use super::super::problem::Problem;
use super::settings::Level;
use super::steps::Place;
use super::upstream::Written;
use super::{Resolver, invalid};
use crate::model::{Action, AnswerRewrites, Files, Location, LocationMatch, Part, ReplacedUri};
use std::collections::HashMap;
use std::sync::Arc;

/// The keys that say where requests go, of a site or of a location.
struct Target<'a> {
    upstream: Option<&'a str>,
    proxy_pass: Option<&'a str>,
    written: Option<Written<'a>>,
    files: bool,
    status: Option<u64>,
    /// Keys that mean something only beside `backends`, and whether they are there.
    beside_backends: [(&'static str, bool); 3],
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

impl Resolver {
    /// A site's locations; a site that names an upstream itself has one, for all paths.
    pub(super) fn locations<'a>(
        &mut self,
        site: &'a draft::Site,
        name: &str,
        host: &str,
        level: &Level<'a>,
        path: &Path<'_>,
    ) -> Vec<Location> {
        let target = target!(site, None, None, false);
        let Some(written) = &site.locations else {
            let matcher = LocationMatch::Prefix("/".into());
            let action = self.action(&target, name, path);
            return action
                .map(|action| {
                    let mut location = location(matcher, action, level);
                    location.rewrites = self.answer_rewrites(&location, level);
                    if target.upstream.is_some() {
                        let check = site.health_check.as_ref();
                        self.location_check(check, &location, host, path);
                    }
                    location
                })
                .into_iter()
                .collect();
        };
        for (key, is_written) in [
            ("upstream", target.upstream.is_some()),
            ("backends", target.written.is_some()),
        ] {
            if is_written {
                let problem = Problem::Exclusive(key, "locations");
                let label = "write it in a location, such as `- path: /`";
                self.report(path.key(key).key_error(problem).label(label));
            }
        }
        self.check_beside(&target, path);
        if written.is_empty() && site.files.is_none() {
            let problem = Problem::Missing("locations");
            self.report(
                path.key("locations")
                    .key_error(problem)
                    .label("expected `- path: /`"),
            );
        }
        let list = path.key("locations");
        let mut seen = HashMap::new();
        let mut locations = Vec::with_capacity(written.len());
        // Locations by their paths as written.
        let mut outers: HashMap<&str, usize> = HashMap::new();
        for (index, written) in written.iter().enumerate() {
            let at = list.index(index);
            let level = self.level(written.common(), level, &at);
            let matcher = match written.path.as_deref() {
                Some(text) => self.matcher(text, &at.key("path")),
                None => {
                    let problem = Problem::Missing("\"path\"");
                    self.report(at.error(problem).label("expected `path: /`"));
                    None
                }
            };
            let name = format!("{name}{}", written.path.as_deref().unwrap_or_default());
            let action = self.own_action(written, &name, &at);
            let Some(matcher) = matcher else { continue };
            let inside = written.inside.as_deref();
            let outer = inside.and_then(|outer| self.outer_location(outer, &outers, &at));
            if let Some(key) = search_key(&matcher) {
                let first = *seen.entry((outer, key)).or_insert(index);
                if first != index {
                    let text = written.path.clone().unwrap_or_default();
                    let finding = at.key("path").error(Problem::DuplicateLocation(text));
                    let earlier = list.index(first).key("path").to_owned();
                    self.report(finding.label("already given").earlier(earlier));
                }
            }
            let uri = written.uri.as_deref();
            let uri = uri.and_then(|uri| self.uri(uri, &matcher, action.as_ref(), &at));
            let Some(action) = action else { continue };
            let mut location = location(matcher, action, &level);
            location.inside = outer;
            location.pass.uri = uri;
            location.rewrites = self.answer_rewrites(&location, &level);
            if let Some(alias) = &written.alias {
                let (matcher, files) = (&location.matcher, &location.files);
                location.files = self.alias(alias, matcher, files, &at);
            }
            if written.upstream.is_some() {
                let check = written.health_check.as_ref();
                self.location_check(check, &location, host, &at);
            }
            let tried = written.try_files.as_ref();
            location.try_files = tried.map(|words| self.try_files(words, &at.key("try_files")));
            location.internal = written.internal.is_some_and(|switch| switch.0);
            location.stub_status = written.stub_status.is_some_and(|switch| switch.0);
            let place = Place {
                level: &level,
                location: Some(&location),
                name: &name,
            };
            let steps = self.steps(written.steps.as_deref(), place, &at);
            let limited = written.limit_except.as_ref().map(|limit| {
                let at = at.key("limit_except");
                Box::new(self.limit_except(limit, place, &location, &at))
            });
            location.steps = steps;
            location.limit_except = limited;
            if let Some(text) = written.path.as_deref() {
                outers.insert(text, locations.len());
            }
            locations.push(location);
        }
        locations
    }

    /// The place of the location that another one stands inside of.
    fn outer_location(
        &mut self,
        outer: &str,
        known: &HashMap<&str, usize>,
        path: &Path<'_>,
    ) -> Option<usize> {
        let place = known.get(outer).copied();
        if place.is_none() {
            let label = "expected the `path` of a location above this one";
            self.report(invalid(&path.key("inside"), outer).label(label));
        }
        place
    }

    /// What a location says it does with requests.
    fn own_action(
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

    /// The location inside of another one that an `if` or a `limit_except` makes: what it does not say
    /// itself is as around it.
    pub(super) fn location_in(
        &mut self,
        written: &draft::Location,
        outer: &Location,
        level: &Level<'_>,
        name: &str,
        path: &Path<'_>,
    ) -> Location {
        for (key, is_written) in [
            ("path", written.path.is_some()),
            ("internal", written.internal.is_some()),
            ("stub_status", written.stub_status.is_some()),
            ("limit_except", written.limit_except.is_some()),
            ("uri", written.uri.is_some()),
            (
                "health_check",
                written.health_check.is_some() && written.upstream.is_some(),
            ),
        ] {
            if is_written {
                let problem = Problem::Misplaced {
                    key,
                    beside: "locations",
                };
                self.report(path.key(key).key_error(problem));
            }
        }
        let says_nothing = written.upstream.is_none()
            && written.proxy_pass.is_none()
            && written.backends.is_none()
            && written.files.is_none()
            && written.r#return.is_none();
        let (action, uri) = match says_nothing {
            true => (outer.action.clone(), outer.pass.uri.clone()),
            false => {
                let own = self.own_action(written, name, path);
                (own.unwrap_or_else(|| outer.action.clone()), None)
            }
        };
        let mut location = location(outer.matcher.clone(), action, level);
        location.pass.uri = uri;
        location.rewrites = self.answer_rewrites(&location, level);
        if written.root.is_none() && outer.files.folder.alias.is_some() {
            let mut files = Files::clone(&location.files);
            files.folder = outer.files.folder.clone();
            location.files = Arc::new(files);
        }
        location
    }

    fn action(&mut self, target: &Target<'_>, name: &str, path: &Path<'_>) -> Option<Action> {
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
    fn uri(
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

    fn check_beside(&mut self, target: &Target<'_>, path: &Path<'_>) {
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

    fn matcher(&mut self, text: &str, path: &Path<'_>) -> Option<LocationMatch> {
        // nginx takes `=/x` and `= /x` alike.
        let modifier = ["=", "^~", "~*", "~"]
            .iter()
            .find(|modifier| text.starts_with(**modifier));
        let modifier = modifier.copied().unwrap_or_default();
        let pattern = text[modifier.len()..].trim_start();
        let matcher = match modifier {
            "~" | "~*" if !pattern.is_empty() => {
                let ignore_case = modifier == "~*";
                self.check_regex(pattern, ignore_case, text.len() - pattern.len(), path);
                let pattern = pattern.to_owned();
                Ok(LocationMatch::Regex {
                    pattern,
                    ignore_case,
                })
            }
            "~" | "~*" => Err("expected a regular expression"),
            "" if pattern.len() > 1 && pattern.starts_with('@') => {
                Ok(LocationMatch::Named(pattern[1..].to_owned()))
            }
            _ if !pattern.starts_with('/') => Err("a path starts with `/`"),
            "=" => Ok(LocationMatch::Exact(pattern.to_owned())),
            "^~" => Ok(LocationMatch::PrefixNoRegex(pattern.to_owned())),
            _ => Ok(LocationMatch::Prefix(pattern.to_owned())),
        };
        matcher
            .map_err(|label| {
                let finding: Finding = path.error(Problem::InvalidLocation(text.to_owned()));
                self.report(finding.label(label));
            })
            .ok()
    }
}

impl Level<'_> {
    /// What holds where no location does.
    pub(super) fn nowhere(&self, files: bool) -> Location {
        let action = match files {
            true => Action::Files,
            false => Action::Status(404),
        };
        location(LocationMatch::Prefix("/".into()), action, self)
    }
}

fn location(matcher: LocationMatch, action: Action, level: &Level<'_>) -> Location {
    Location {
        matcher,
        inside: None,
        internal: false,
        access: level.access(),
        real_ip: level.real_ip(),
        limit_except: None,
        steps: Vec::new(),
        action,
        pass: level.proxy_pass(),
        rewrites: AnswerRewrites::default(),
        early_hints: level.early_hints(),
        limits: level.limits(),
        add_header: level.add_header(),
        add_trailer: level.add_trailer(),
        chunked: level.chunked(),
        expires: level.groups.expires.clone(),
        compression: Arc::clone(&level.groups.compression),
        substitutions: Arc::clone(&level.groups.substitutions),
        charset: Arc::clone(&level.groups.charset),
        error_pages: level.error_pages(),
        recursive_error_pages: level.recursive_error_pages(),
        own: level.own_answers(),
        retry_after: level.retry_after(),
        redirects: level.redirects(),
        access_log: level.access_log(),
        files: Arc::clone(&level.groups.files),
        error_log: level.error_log(),
        stub_status: false,
        try_files: None,
    }
}

/// What may come once in a site: nginx looks `/x` and `^~ /x` up in one table. Regular expressions
/// are tried in order, so that a second equal one is only useless.
fn search_key(matcher: &LocationMatch) -> Option<(bool, String)> {
    match matcher {
        LocationMatch::Named(name) => Some((false, format!("@{name}"))),
        LocationMatch::Exact(path) => Some((true, path.clone())),
        LocationMatch::Prefix(path) | LocationMatch::PrefixNoRegex(path) => {
            Some((false, path.clone()))
        }
        LocationMatch::Regex { .. } => None,
    }
}
