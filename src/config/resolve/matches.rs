//! `matches`: what the answers to checks must be like.

use super::super::draft::{self, OneOrMany, Word};
use super::super::path::Path;
use super::super::problem::Problem;
use super::super::suggest;
use super::{Resolver, invalid};
use crate::model::{Expectation, Expected, ExpectedHeader, ExpectedStatus, HeaderTest, Regex};
use std::ops::RangeInclusive;

impl Resolver {
    /// Reads `matches`.
    pub(super) fn matches(&mut self, draft: &draft::Draft) {
        let list = Path::Root.key("matches");
        for (name, written) in draft.matches.iter().flatten() {
            let path = list.key(name);
            let expected = self.expected(written, &path);
            self.matches.insert(name.clone(), expected);
        }
    }

    pub(super) fn named_match(&mut self, name: &str, path: &Path<'_>) -> Expected {
        let known = self.matches.get(name).cloned();
        known.unwrap_or_else(|| {
            let names = self.matches.keys().map(String::as_str);
            let label = suggest::did_you_mean(name, names)
                .unwrap_or_else(|| "it is not among `matches`".into());
            let problem = Problem::Syntax(format!("match \"{name}\" not found"));
            self.report(path.error(problem).label(label));
            Expected::default()
        })
    }

    fn expected(&mut self, written: &draft::Match, path: &Path<'_>) -> Expected {
        let words = |list: &Option<OneOrMany<Word>>| match list {
            Some(OneOrMany(words)) => words.clone(),
            None => Vec::new(),
        };
        let status = written.status.as_ref();
        let status = status.map(|words| self.statuses(words, &path.key("status")));
        let at = path.key("header");
        let headers = words(&written.header);
        let headers = headers.iter().enumerate();
        let headers = headers.filter_map(|(index, text)| self.header(text, &at.index(index)));
        let headers = headers.collect();
        let at = path.key("body");
        let body = words(&written.body);
        let body = body.iter().enumerate();
        let body = body.filter_map(|(index, text)| self.body(text, &at.index(index)));
        let body = body.collect();
        let at = path.key("require");
        let require = words(&written.require);
        let require = require.iter().enumerate();
        let require = require.map(|(index, text)| self.template(text, &at.index(index)));
        Expected {
            status,
            headers,
            body,
            require: require.collect(),
        }
    }

    /// `200 301-303`, or behind `!` those that must not be.
    pub(super) fn statuses(&mut self, words: &OneOrMany<Word>, path: &Path<'_>) -> ExpectedStatus {
        let mut statuses = ExpectedStatus {
            negated: false,
            ranges: Vec::new(),
        };
        for (index, text) in words.0.iter().enumerate() {
            let mut rest: &str = text;
            if index == 0
                && let Some(negated) = rest.strip_prefix('!')
            {
                statuses.negated = true;
                rest = negated;
            }
            let before = statuses.ranges.len();
            for word in rest.split_whitespace() {
                match range_of(word) {
                    Some(range) => statuses.ranges.push(range),
                    None => {
                        let label = "expected a status or a range: `200`, `200-399`";
                        let offset = word.as_ptr() as usize - text.as_ptr() as usize;
                        let finding = invalid(&path.index(index), word);
                        self.report(finding.within(offset, word.len()).label(label));
                        statuses.ranges.push(200..=399);
                    }
                }
            }
            let only_not = index == 0 && statuses.negated && words.0.len() > 1;
            if statuses.ranges.len() == before && !only_not {
                let label = "expected a status or a range: `200`, `200-399`";
                self.report(invalid(&path.index(index), text).label(label));
            }
        }
        if words.0.is_empty() {
            let label = "expected a status or a range: `200`, `200-399`";
            self.report(invalid(path, "").label(label));
        }
        statuses
    }

    /// `Name`, `! Name`, or `Name = text` and its kin.
    fn header(&mut self, text: &str, path: &Path<'_>) -> Option<ExpectedHeader> {
        let (name, rest) = match text.strip_prefix('!') {
            Some(name) => (name.trim(), None),
            None => match text.split_once(char::is_whitespace) {
                Some((name, rest)) => (name, Some(rest.trim_start())),
                None => (text, None),
            },
        };
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            let problem = Problem::InvalidHeaderName(name.to_owned());
            self.report(path.error(problem));
            return None;
        }
        let test = match rest {
            None if text.starts_with('!') => HeaderTest::Absent,
            None => HeaderTest::Present,
            Some(rest) => {
                let (operator, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                let value = value.trim_start();
                match operator {
                    "=" => HeaderTest::Is(value.to_owned()),
                    "!=" => HeaderTest::IsNot(value.to_owned()),
                    _ => HeaderTest::Matches(self.expectation(text, rest, path)?),
                }
            }
        };
        Some(ExpectedHeader {
            name: name.to_ascii_lowercase(),
            test,
        })
    }

    /// `~ regex` or `!~ regex`.
    fn body(&mut self, text: &str, path: &Path<'_>) -> Option<Expectation> {
        self.expectation(text, text, path)
    }

    fn expectation(&mut self, text: &str, rest: &str, path: &Path<'_>) -> Option<Expectation> {
        let (operator, pattern) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let pattern = pattern.trim_start();
        let (negated, ignore_case) = match operator {
            "~" => (false, false),
            "~*" => (false, true),
            "!~" => (true, false),
            "!~*" => (true, true),
            _ => {
                let label = "expected `~ regex` or `!~ regex`";
                self.report(invalid(path, text).label(label));
                return None;
            }
        };
        let offset = pattern.as_ptr() as usize - text.as_ptr() as usize;
        self.check_regex(pattern, ignore_case, offset, path);
        Some(Expectation {
            negated,
            regex: Regex {
                pattern: pattern.to_owned(),
                ignore_case,
            },
        })
    }
}

fn range_of(word: &str) -> Option<RangeInclusive<u16>> {
    let status = |text: &str| {
        let three = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>()
            .ok()
            .filter(|status| three && (100..=599).contains(status))
    };
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let range = status(first)?..=status(last)?;
    (!range.is_empty()).then_some(range)
}
