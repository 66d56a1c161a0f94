//! How headers of answers are changed: `proxy_redirect`, the `proxy_cookie_` settings, and which headers
//! stay behind.

use super::super::draft::{self, Common, OneOrMany, OrOff, Short, Word};
use super::super::path::Path;
use super::super::problem::Problem;
use super::{Resolver, settings};
use crate::model::{
    Action, AnswerRewrites, CookieFlags, Found, Location, LocationMatch, Regex, Replacement,
    Template,
};
use std::collections::BTreeSet;
use std::rc::Rc;

/// The settings in force at a level.
#[derive(Clone, Default)]
pub(super) struct Answers {
    redirects: Rc<Vec<Redirect>>,
    cookie_domains: Rc<Vec<Replacement>>,
    cookie_paths: Rc<Vec<Replacement>>,
    cookie_flags: Rc<Vec<CookieFlags>>,
    /// `proxy_pass_header`, in lower case.
    passed: Rc<BTreeSet<String>>,
}

/// One `proxy_redirect`.
#[derive(Clone)]
enum Redirect {
    /// What `proxy_pass` says becomes the location's own path.
    Default,
    Written(Replacement),
}

/// What is looked for, which decides how it is written.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// A URL or a path: `~` heeds the case of letters, `~*` does not.
    Path,
    /// A domain or a cookie's name: `~` does not.
    Name,
}

/// What is hidden unless `proxy_pass_header` names it: Gapura has its own.
const HIDDEN: [&str; 2] = ["server", "date"];

impl Resolver {
    /// Checks what was written at a level, and adds it to what is in force there.
    pub(super) fn answers(&mut self, written: Common<'_>, answers: &mut Answers, path: &Path<'_>) {
        if let Some(written) = written.proxy_redirect {
            answers.redirects = Rc::new(self.redirects(written, &path.key("proxy_redirect")));
        }
        if let Some(written) = written.proxy_cookie_domain {
            let path = path.key("proxy_cookie_domain");
            answers.cookie_domains = Rc::new(self.cookie_parts(written, Kind::Name, &path));
        }
        if let Some(written) = written.proxy_cookie_path {
            let path = path.key("proxy_cookie_path");
            answers.cookie_paths = Rc::new(self.cookie_parts(written, Kind::Path, &path));
        }
        if let Some(written) = written.proxy_cookie_flags {
            let path = path.key("proxy_cookie_flags");
            answers.cookie_flags = Rc::new(self.cookie_flags(written, &path));
        }
        if let Some(written) = written.proxy_pass_header {
            let path = path.key("proxy_pass_header");
            answers.passed = Rc::new(self.hide_headers(written, &path));
        }
    }

    fn redirects(
        &mut self,
        written: &OrOff<OneOrMany<Short<draft::Replacement>>>,
        path: &Path<'_>,
    ) -> Vec<Redirect> {
        let list = written.on().map_or(&[][..], |list| &list.0);
        let mut redirects = Vec::with_capacity(list.len());
        for (index, one) in list.iter().enumerate() {
            if one.to.is_none() && one.from.as_deref() == Some("default") {
                redirects.push(Redirect::Default);
                continue;
            }
            let replacement = self.replacement(one, Kind::Path, &path.index(index));
            redirects.extend(replacement.map(Redirect::Written));
        }
        redirects
    }

    fn cookie_parts(
        &mut self,
        written: &OrOff<OneOrMany<Short<draft::Replacement>>>,
        kind: Kind,
        path: &Path<'_>,
    ) -> Vec<Replacement> {
        let list = written.on().map_or(&[][..], |list| &list.0);
        let parts = list.iter().enumerate();
        parts
            .filter_map(|(index, one)| self.replacement(one, kind, &path.index(index)))
            .collect()
    }

    fn cookie_flags(
        &mut self,
        written: &OrOff<OneOrMany<Short<draft::CookieFlags>>>,
        path: &Path<'_>,
    ) -> Vec<CookieFlags> {
        let list = written.on().map_or(&[][..], |list| &list.0);
        let mut all = Vec::with_capacity(list.len());
        for (index, one) in list.iter().enumerate() {
            let at = path.index(index);
            let Some(cookie) = &one.cookie else {
                let problem = Problem::Missing("\"cookie\"");
                self.report(at.error(problem).label("expected `cookie: …`"));
                continue;
            };
            let cookie = self.found(cookie, Kind::Name, &at.key("cookie"));
            let list = at.key("flags");
            let flags = one.flags.iter().flat_map(|flags| &flags.0).enumerate();
            let flags = flags
                .map(|(index, flag)| self.template(flag, &list.index(index)))
                .collect();
            all.push(CookieFlags { cookie, flags });
        }
        all
    }

    fn replacement(
        &mut self,
        written: &draft::Replacement,
        kind: Kind,
        path: &Path<'_>,
    ) -> Option<Replacement> {
        let (Some(from), Some(to)) = (&written.from, &written.to) else {
            let problem = Problem::Missing("\"from\" or no \"to\"");
            self.report(path.error(problem).label("expected `{ from: …, to: … }`"));
            return None;
        };
        let found = self.found(from, kind, &path.key("from"));
        let to = match (&found, kind) {
            // A domain is the same with a dot before it.
            (Found::Text(_), Kind::Name) => to.strip_prefix('.').unwrap_or(to),
            _ => to,
        };
        let with = self.template(to, &path.key("to"));
        Some(Replacement { found, with })
    }

    fn found(&mut self, word: &Word, kind: Kind, path: &Path<'_>) -> Found {
        let Some((pattern, ignore_case)) = pattern(word, kind) else {
            let text = match kind {
                Kind::Path => word,
                Kind::Name => word.strip_prefix('.').unwrap_or(word),
            };
            return Found::Text(self.template(text, path));
        };
        self.check_regex(pattern, ignore_case, word.len() - pattern.len(), path);
        Found::Regex(Regex {
            pattern: pattern.to_owned(),
            ignore_case,
        })
    }

    /// Defines the variables of named groups in what a level looks for.
    pub(super) fn define_in_answers(&mut self, written: Common<'_>) {
        let lists = [
            (written.proxy_redirect, Kind::Path),
            (written.proxy_cookie_domain, Kind::Name),
            (written.proxy_cookie_path, Kind::Path),
        ];
        for (list, kind) in lists {
            let list = list.and_then(OrOff::on).into_iter();
            for one in list.flat_map(|list| &list.0) {
                if let Some((pattern, _)) = one.from.as_ref().and_then(|word| pattern(word, kind)) {
                    self.define_groups(pattern);
                }
            }
        }
    }

    /// What a location does with headers of answers.
    pub(super) fn answer_rewrites(
        &self,
        location: &Location,
        level: &settings::Level<'_>,
    ) -> AnswerRewrites {
        let answers = &level.groups.answers;
        let redirects = answers.redirects.iter().filter_map(|one| match one {
            Redirect::Written(replacement) => Some(replacement.clone()),
            Redirect::Default => self.default_redirect(location),
        });
        AnswerRewrites {
            redirects: redirects.collect(),
            cookie_domains: answers.cookie_domains.as_ref().clone(),
            cookie_paths: answers.cookie_paths.as_ref().clone(),
            cookie_flags: answers.cookie_flags.as_ref().clone(),
        }
    }

    /// The server's own address, with the path that it is asked for, becomes the path that the location
    /// takes: the way of a request, backwards.
    fn default_redirect(&self, location: &Location) -> Option<Replacement> {
        let Action::Proxy(upstream) = location.action else {
            return None;
        };
        let server = &self.upstreams.get(upstream.0)?.name;
        let (asked, own) = match (&location.pass.uri, &location.matcher) {
            (
                Some(uri),
                LocationMatch::Exact(own)
                | LocationMatch::Prefix(own)
                | LocationMatch::PrefixNoRegex(own),
            ) => (uri.with.as_str(), own.as_str()),
            _ => ("/", "/"),
        };
        Some(Replacement {
            found: Found::Text(Template::literal(format!("http://{server}{asked}"))),
            with: Template::literal(own),
        })
    }
}

impl Answers {
    /// Adds the headers that stay behind though nothing says so.
    pub(super) fn hide(&self, hidden: &mut BTreeSet<String>) {
        let ours = HIDDEN.iter().filter(|name| !self.passed.contains(**name));
        hidden.extend(ours.map(|name| (*name).to_owned()));
    }
}

/// A regular expression behind `~`, and whether it ignores the case of letters.
fn pattern(word: &Word, kind: Kind) -> Option<(&str, bool)> {
    let pattern = word.strip_prefix('~')?;
    match kind {
        Kind::Name => Some((pattern, true)),
        Kind::Path => match pattern.strip_prefix('*') {
            Some(pattern) => Some((pattern, true)),
            None => Some((pattern, false)),
        },
    }
}
