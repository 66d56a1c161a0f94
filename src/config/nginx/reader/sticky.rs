//! `sticky`.

use super::{Level, Reader};
use crate::config::draft::{
    OneOrMany, Size, StickyCookie, StickyLearn, Switch, Time, Word as Text,
};
use crate::config::nginx::lexer::Word;
use crate::config::nginx::parser::Directive;
use crate::config::nginx::positions::Piece;
use crate::config::path::Path;
use crate::config::problem::Problem;

/// `sticky cookie|route|learn`.
pub(in crate::config::nginx) fn sticky(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Upstream(upstream) = level else {
        return;
    };
    if upstream.sticky.is_some() {
        let problem = Problem::Syntax("\"sticky\" directive is duplicate".into());
        return reader.report(directive, &directive.name, problem, None);
    }
    let path = path.key("sticky");
    reader
        .positions
        .record(&path, directive, &directive.name, None);
    let words = reader.parameters(directive, 1);
    let sticky = upstream.sticky.get_or_insert_default();
    match directive.text(0) {
        "cookie" => {
            sticky.cookie = Some(reader.sticky_cookie(directive, words, &path.key("cookie")));
        }
        "route" => {
            let mut route = Vec::new();
            let path = path.key("route");
            for word in words {
                if !word.text.starts_with('$') {
                    let problem =
                        Problem::Syntax(format!("invalid variable name \"{}\"", word.text));
                    reader.report(directive, word, problem, None);
                    continue;
                }
                reader.record_part(&path.index(route.len()), directive, word, 0);
                route.push(Text(word.text.clone()));
            }
            sticky.route = Some(OneOrMany(route));
        }
        "learn" => {
            sticky.learn = Some(reader.sticky_learn(directive, words, &path.key("learn")));
        }
        other => {
            let problem = Problem::Syntax(format!("unknown parameter \"{other}\""));
            let label = "expected `cookie`, `route` or `learn`";
            reader.error(directive, &directive.arguments[0], problem, label);
        }
    }
}

impl Reader<'_> {
    fn sticky_cookie(
        &mut self,
        directive: &Directive,
        words: &[Word],
        path: &Path<'_>,
    ) -> StickyCookie {
        let mut cookie = StickyCookie::default();
        let Some((name, words)) = words.split_first() else {
            return cookie;
        };
        self.record_part(&path.key("name"), directive, name, 0);
        if name.text.is_empty() {
            self.sticky_problem(directive, name, "empty cookie name");
        }
        // An error once said is not said again.
        let said = || "-".to_owned();
        let name = Some(name.text.clone()).filter(|name| !name.is_empty());
        cookie.name = Some(Text(name.unwrap_or_else(said)));
        for word in words {
            let (key, value) = split(word);
            let text = || Some(Text(value.unwrap_or_default().to_owned()));
            let twice = match (key, value) {
                ("domain", Some(_)) => replaced(&mut cookie.domain, text()),
                ("path", Some(_)) => replaced(&mut cookie.path, text()),
                ("expires", Some(_)) => replaced(&mut cookie.expires, text()),
                ("samesite", Some(_)) => replaced(&mut cookie.samesite, text()),
                ("httponly", None) => replaced(&mut cookie.httponly, Some(Switch(true))),
                ("secure", None) => replaced(&mut cookie.secure, Some(Switch(true))),
                _ => {
                    self.unknown(directive, word);
                    continue;
                }
            };
            if twice {
                let what = format!("parameter \"{key}\" is duplicate");
                self.sticky_problem(directive, word, &what);
            } else if value == Some("") && matches!(key, "domain" | "path") {
                let what = format!("no value for \"{key}\"");
                self.sticky_problem(directive, word, &what);
            } else if let Some(value) = value {
                let is_time = value == "max" || value.parse::<Time>().is_ok();
                if key == "expires" && !is_time {
                    cookie.expires = None;
                    self.sticky_problem(directive, word, "invalid \"expires\" parameter value");
                }
            }
            self.record_part(&path.key(key), directive, word, key.len() + 1);
        }
        cookie
    }

    fn sticky_learn(
        &mut self,
        directive: &Directive,
        words: &[Word],
        path: &Path<'_>,
    ) -> StickyLearn {
        let mut learn = StickyLearn::default();
        for word in words {
            let (key, value) = split(word);
            let value = match (key, value) {
                ("header", None) => {
                    learn.header = Some(Switch(true));
                    continue;
                }
                ("zone" | "timeout" | "create" | "lookup", Some(value)) => value,
                _ => {
                    self.unknown(directive, word);
                    continue;
                }
            };
            match key {
                "zone" => match self.zone(directive, word, value, learn.size) {
                    Some(size) => learn.size = Some(size),
                    None => continue,
                },
                "timeout" => {
                    let time = value.parse::<Time>().ok();
                    let time = time.filter(|time| !time.0.is_zero());
                    if learn.timeout.is_some() {
                        self.sticky_problem(directive, word, "duplicate timeout");
                    } else if time.is_none() {
                        self.sticky_problem(directive, word, "invalid timeout");
                    }
                    learn.timeout = time;
                }
                _ => {
                    if !value.starts_with('$') {
                        let what = format!("missing variable in the \"{key}\" parameter");
                        self.sticky_problem(directive, word, &what);
                        continue;
                    }
                    let list = match key {
                        "create" => &mut learn.create,
                        _ => &mut learn.lookup,
                    };
                    let OneOrMany(list) = list.get_or_insert_with(|| OneOrMany(Vec::new()));
                    let at = path.key(key);
                    self.record_part(&at.index(list.len()), directive, word, key.len() + 1);
                    list.push(Text(value.to_owned()));
                    continue;
                }
            }
            let key = if key == "zone" { "size" } else { key };
            self.record_part(&path.key(key), directive, word, 0);
        }
        let missing = [
            ("lookup", learn.lookup.is_none()),
            ("create", learn.create.is_none()),
            ("zone", learn.size.is_none()),
        ];
        if let Some((key, _)) = missing.iter().find(|(_, missing)| *missing) {
            let what = format!("\"{key}\" parameter is not specified");
            self.sticky_problem(directive, &directive.name, &what);
            let nothing = || OneOrMany(vec![Text("-".into())]);
            learn.lookup.get_or_insert_with(nothing);
            learn.create.get_or_insert_with(nothing);
        }
        learn
    }

    /// `zone=NAME:SIZE`: one process needs no name for it.
    fn zone(
        &mut self,
        directive: &Directive,
        word: &Word,
        value: &str,
        before: Option<Size>,
    ) -> Option<Size> {
        let what = match value.split_once(':') {
            _ if before.is_some() => "duplicate zone",
            None => "zone size is not specified",
            Some(("", _)) => "zone name is not specified",
            Some((_, size)) => match size.parse::<Size>() {
                Err(_) => "invalid zone size",
                Ok(size) if size.0 < LEAST_ZONE => "zone is too small",
                Ok(size) => return Some(size),
            },
        };
        self.sticky_problem(directive, word, what);
        // The rest is read as if there were one.
        before.or(Some(Size(LEAST_ZONE)))
    }

    fn sticky_problem(&mut self, directive: &Directive, word: &Word, what: &str) {
        let problem = Problem::Syntax(format!("\"sticky\" directive {what}"));
        self.report(directive, word, problem, None);
    }

    fn unknown(&mut self, directive: &Directive, word: &Word) {
        let problem = Problem::Syntax(format!("unknown parameter \"{}\"", word.text));
        self.report(directive, word, problem, None);
    }

    /// A text that begins within a word.
    pub(super) fn record_part(
        &mut self,
        path: &Path<'_>,
        directive: &Directive,
        word: &Word,
        skipped: usize,
    ) {
        self.positions
            .record_pieces(path, directive, &directive.name, || {
                vec![Piece {
                    offset: 0,
                    skipped,
                    word: word.clone(),
                }]
            });
    }
}

fn split(word: &Word) -> (&str, Option<&str>) {
    match word.text.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (&word.text, None),
    }
}

/// Writes a value. Gives whether there was one.
fn replaced<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    std::mem::replace(field, value).is_some()
}

/// nginx's: eight pages.
const LEAST_ZONE: u64 = 32 << 10;
