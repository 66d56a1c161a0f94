//! Sessions that are bound to servers.

use super::super::draft;
use super::super::path::Path;
use super::super::problem::Problem;
use super::super::suggest;
use super::{Resolver, invalid};
use crate::model::{
    CookieExpires, Part, SAME_SITES, Sticky, StickyCookie, StickyLearn, Template, Variable,
};
use std::time::Duration;

/// As in nginx.
const TIMEOUT: Duration = Duration::from_secs(600);

/// nginx's: eight pages.
const LEAST_SIZE: u64 = 32 << 10;

const SIZE: u64 = 1 << 20;
const MOST_SIZE: u64 = 1 << 30;

/// The longest name of a server.
const LONGEST_ROUTE: usize = 32;

impl Resolver {
    pub(super) fn sticky(
        &mut self,
        written: Option<&draft::Sticky>,
        path: &Path<'_>,
    ) -> Option<Sticky> {
        let sticky = written?;
        match (&sticky.cookie, &sticky.route, &sticky.learn) {
            (Some(cookie), None, None) => {
                Some(Sticky::Cookie(self.cookie(cookie, &path.key("cookie"))))
            }
            (None, Some(route), None) => {
                let path = path.key("route");
                Some(Sticky::Route(self.templates(&route.0, &path)))
            }
            (None, None, Some(learn)) => Some(Sticky::Learn(self.learn(learn, &path.key("learn")))),
            (None, None, None) => {
                let problem = Problem::Missing("\"cookie\", no \"route\" and no \"learn\"");
                let label = "expected `cookie`, `route` or `learn`";
                self.report(path.error(problem).label(label));
                None
            }
            _ => {
                let problem = Problem::InvalidShape("more than one way to bind sessions".into());
                let label = "expected one of `cookie`, `route` and `learn`";
                self.report(path.error(problem).label(label));
                None
            }
        }
    }

    fn cookie(&mut self, cookie: &draft::StickyCookie, path: &Path<'_>) -> StickyCookie {
        let name = cookie.name.as_deref().unwrap_or_default();
        let is_token =
            |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            let at = path.key("name");
            self.report(invalid(&at, name).label("expected the cookie's name"));
        }
        let expires = cookie.expires.as_deref().and_then(|text| match text {
            "max" => Some(CookieExpires::Max),
            text => match text.parse::<draft::Time>() {
                Ok(time) => Some(CookieExpires::After(time.0)),
                Err(_) => {
                    let at = path.key("expires");
                    self.report(invalid(&at, text).label("expected a time such as `1h`, or `max`"));
                    None
                }
            },
        });
        let domain =
            (cookie.domain.as_deref()).map(|domain| self.template(domain, &path.key("domain")));
        let samesite = cookie.samesite.as_deref().map(|text| {
            let at = path.key("samesite");
            let template = self.template(text, &at);
            let is_known = |text: &str| SAME_SITES.iter().any(|one| one.eq_ignore_ascii_case(text));
            if let [Part::Literal(text)] = template.parts()
                && !is_known(text)
            {
                let label = suggest::did_you_mean_or_list(text, &SAME_SITES);
                self.report(invalid(&at, text).label(label));
            }
            template
        });
        if let Some(text) = cookie.path.as_deref()
            && (text.is_empty() || text.contains(|c: char| c.is_control() || c == ';'))
        {
            self.report(invalid(&path.key("path"), text).label("expected a path such as `/`"));
        }
        StickyCookie {
            lookup: Template::of(Variable::Cookie(name.to_ascii_lowercase())),
            name: name.to_owned(),
            expires,
            domain,
            httponly: cookie.httponly.is_some_and(|switch| switch.0),
            secure: cookie.secure.is_some_and(|switch| switch.0),
            samesite,
            path: cookie.path.as_deref().map(ToOwned::to_owned),
        }
    }

    fn learn(&mut self, learn: &draft::StickyLearn, path: &Path<'_>) -> StickyLearn {
        let mut list = |written: Option<&draft::OneOrMany<draft::Word>>, key: &'static str| {
            let path = path.key(key);
            let words = written.map_or(&[][..], |list| &list.0);
            if words.is_empty() {
                let problem = Problem::Missing(match key {
                    "create" => "\"create\"",
                    _ => "\"lookup\"",
                });
                let label = "expected a variable such as `$cookie_session`";
                self.report(path.error(problem).label(label));
            }
            self.templates(words, &path)
        };
        let create = list(learn.create.as_ref(), "create");
        let lookup = list(learn.lookup.as_ref(), "lookup");
        let size = learn.size.map_or(SIZE, |size| size.0);
        let size = self.number(size, LEAST_SIZE, MOST_SIZE, &path.key("size"));
        let timeout = learn.timeout.map_or(TIMEOUT, |time| time.0);
        self.time(Some(timeout), &path.key("timeout"));
        StickyLearn {
            create,
            lookup,
            size: usize::try_from(size).unwrap_or(usize::MAX),
            timeout,
            header: learn.header.is_some_and(|switch| switch.0),
        }
    }

    fn templates(&mut self, words: &[draft::Word], path: &Path<'_>) -> Vec<Template> {
        let words = words.iter().enumerate();
        words
            .map(|(index, word)| self.template(word, &path.index(index)))
            .collect()
    }

    /// A server's name for sessions.
    pub(super) fn route(&mut self, written: Option<&str>, path: &Path<'_>) -> Option<String> {
        let route = written?;
        let problem = match route.len() {
            0 => "route is empty".to_owned(),
            1..=LONGEST_ROUTE => return Some(route.to_owned()),
            _ => format!("route is longer than {LONGEST_ROUTE}"),
        };
        let finding = path.error(Problem::InvalidShape(problem));
        self.report(finding.label("expected a name of one to 32 characters"));
        None
    }
}
