//! Locations: which paths they take, and what holds there.

use super::super::draft;
use super::super::path::{Finding, Path};
use super::super::problem::Problem;
use super::action::Target;
use super::settings::Level;
use super::steps::Place;
use super::{Resolver, invalid};
use crate::model::{Action, AnswerRewrites, Files, Location, LocationMatch};
use std::collections::HashMap;
use std::sync::Arc;

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
        let target = Target::of_site(site);
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
        // Locations by their paths as written, and the one before with those around it, outermost first.
        let mut outers: HashMap<&str, usize> = HashMap::new();
        let mut chain: Vec<(&str, usize)> = Vec::new();
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
            let outer = inside.and_then(|outer| self.outer_location(outer, &chain, &outers, &at));
            let around = chain.iter().position(|(_, place)| Some(*place) == outer);
            chain.truncate(around.map_or(0, |around| around + 1));
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
            } else if let Some(outer) = outer {
                inherit_alias(&mut location, written, &locations[outer]);
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
                chain.push((text, locations.len()));
            }
            locations.push(location);
        }
        locations
    }

    /// The place of the location that another one stands inside of. Of several with one path it is the outermost
    /// that is around the location before, else the last.
    fn outer_location(
        &mut self,
        outer: &str,
        chain: &[(&str, usize)],
        known: &HashMap<&str, usize>,
        path: &Path<'_>,
    ) -> Option<usize> {
        let around = chain.iter().find(|(path, _)| *path == outer);
        let place = around.map(|(_, place)| *place);
        let place = place.or_else(|| known.get(outer).copied());
        if place.is_none() {
            let label = "expected the `path` of a location above this one";
            self.report(invalid(&path.key("inside"), outer).label(label));
        }
        place
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
        inherit_alias(&mut location, written, outer);
        location
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

/// An `alias` around a location holds in it, unless it has a folder of its own.
fn inherit_alias(location: &mut Location, written: &draft::Location, outer: &Location) {
    if written.root.is_none() && outer.files.folder.alias.is_some() {
        let mut files = Files::clone(&location.files);
        files.folder = outer.files.folder.clone();
        location.files = Arc::new(files);
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
