//! `health_check` and `match`.

use super::{Level, Reader, joined, number};
use crate::config::draft::{HealthCheck, Match, OneOrMany, OrOff, Switch, Time, Word as Text};
use crate::config::nginx::lexer::Word;
use crate::config::nginx::parser::Directive;
use crate::config::path::Path;
use crate::config::problem::Problem;
use std::time::Duration;

/// As in nginx.
const INTERVAL: Time = Time(Duration::from_secs(5));

/// `health_check`.
pub(in crate::config::nginx) fn health_check(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Location(location) = level else {
        return;
    };
    let path = path.key("health_check");
    reader
        .positions
        .record(&path, directive, &directive.name, None);
    let mut check = HealthCheck {
        r#type: Some("http".into()),
        interval: Some(INTERVAL),
        jitter: Some(Time(Duration::ZERO)),
        rise: Some(1),
        fall: Some(1),
        ..HealthCheck::default()
    };
    for word in reader.parameters(directive, 0) {
        reader.check_parameter(directive, word, &mut check, &path);
    }
    location.draft.health_check = Some(OrOff::On(check));
}

/// `match NAME { … }`.
pub(in crate::config::nginx) fn match_block(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Http(draft) = level else { return };
    let name = directive.text(0);
    let list = path.key("matches");
    let path = list.key(name);
    let matches = draft.matches.get_or_insert_default();
    if matches.contains_key(name) {
        let problem = Problem::Syntax(format!("duplicate match \"{name}\""));
        return reader.report(directive, &directive.arguments[0], problem, None);
    }
    let value = directive.arguments.first();
    reader
        .positions
        .record(&path, directive, &directive.name, value);
    let mut expected = Match::default();
    for test in directive.children() {
        reader.test(test, &mut expected, &path);
    }
    matches.insert(name.to_owned(), expected);
}

impl Reader<'_> {
    fn check_parameter(
        &mut self,
        directive: &Directive,
        word: &Word,
        check: &mut HealthCheck,
        path: &Path<'_>,
    ) {
        let (key, value) = match word.text.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (word.text.as_str(), None),
        };
        let time = |value: &str| value.parse::<Time>().ok();
        let positive = |value: &str| number(value).filter(|number| *number > 0);
        let text = |value: &str| Some(value.to_owned()).filter(|value| !value.is_empty());
        // The key of the Draft, when the value is one.
        let key = match (key, value) {
            ("interval", Some(value)) => {
                check.interval = time(value).filter(|time| !time.0.is_zero());
                check.interval.map(|_| "interval")
            }
            ("jitter", Some(value)) => {
                check.jitter = time(value);
                check.jitter.map(|_| "jitter")
            }
            ("fails", Some(value)) => {
                check.fall = positive(value);
                check.fall.map(|_| "fall")
            }
            ("passes", Some(value)) => {
                check.rise = positive(value);
                check.rise.map(|_| "rise")
            }
            ("uri", Some(value)) => {
                check.path = text(value);
                check.path.as_ref().map(|_| "path")
            }
            ("match", Some(value)) => {
                check.r#match = text(value).map(Text);
                check.r#match.as_ref().map(|_| "match")
            }
            ("port", Some(value)) => {
                check.port = positive(value).filter(|port| *port <= u16::MAX.into());
                check.port.map(|_| "port")
            }
            ("keepalive_time", Some(value)) => {
                check.keepalive_time = time(value).filter(|time| !time.0.is_zero());
                check.keepalive_time.map(|_| "keepalive_time")
            }
            ("type", Some(value @ ("grpc" | "http" | "tcp"))) => {
                check.r#type = Some(value.to_owned());
                Some("type")
            }
            ("grpc_service", Some(value)) => {
                check.grpc_service = text(value).map(Text);
                check.grpc_service.as_ref().map(|_| "grpc_service")
            }
            ("grpc_status", Some(value)) => {
                check.grpc_status = positive(value);
                check.grpc_status.map(|_| "grpc_status")
            }
            ("mandatory", None) => {
                check.mandatory = Some(Switch(true));
                Some("mandatory")
            }
            ("persistent", None) => {
                check.persistent = Some(Switch(true));
                Some("persistent")
            }
            _ => None,
        };
        match key {
            Some(key) => self.record_part(
                &path.key(key),
                directive,
                word,
                word.text.find('=').map_or(0, |at| at + 1),
            ),
            None => self.invalid_parameter(directive, word),
        }
    }

    /// One line of a `match`.
    fn test(&mut self, test: &Directive, expected: &mut Match, path: &Path<'_>) {
        let name = test.name.text.as_str();
        let list = match name {
            "status" => &mut expected.status,
            "header" => &mut expected.header,
            "body" => &mut expected.body,
            "require" => &mut expected.require,
            _ => {
                let problem = Problem::UnknownDirective(name.to_owned());
                let label = "expected `status`, `header`, `body` or `require`";
                return self.error(test, &test.name, problem, label);
            }
        };
        let counts = match name {
            "header" => 1..=3,
            "body" => 2..=2,
            _ => 1..=usize::MAX,
        };
        if test.block.is_some() || !counts.contains(&test.arguments.len()) {
            let problem = Problem::ArgumentCount(name.to_owned());
            return self.report(test, &test.name, problem, None);
        }
        if name == "status" && list.is_some() {
            let problem = Problem::DuplicateDirective(name.to_owned());
            return self.report(test, &test.name, problem, None);
        }
        let OneOrMany(list) = list.get_or_insert_with(|| OneOrMany(Vec::new()));
        let at = path.key(name);
        if name == "require" {
            for word in &test.arguments {
                if !word.text.starts_with('$') {
                    let problem =
                        Problem::Syntax(format!("invalid variable name \"{}\"", word.text));
                    self.report(test, word, problem, None);
                    continue;
                }
                self.record_part(&at.index(list.len()), test, word, 0);
                list.push(Text(word.text.clone()));
            }
            return;
        }
        let (text, pieces) = joined(&test.arguments);
        self.positions
            .record_pieces(&at.index(list.len()), test, &test.name, || pieces);
        list.push(text);
    }
}
