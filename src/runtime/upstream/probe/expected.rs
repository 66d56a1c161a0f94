//! `match`: holding an answer against what is expected of it.

use crate::model::{self, ExpectedStatus, Template, Variable, VariableId};
use crate::runtime::{Assigned, Defined, Pattern, Values, hostname, render};
use pingora_http::ResponseHeader;
use std::ops::RangeInclusive;

/// What an answer must be like, patterns compiled.
pub(super) struct Expected {
    status: Option<ExpectedStatus>,
    headers: Vec<(String, Test)>,
    body: Vec<Matching>,
    require: Vec<Template>,
}

enum Test {
    Present,
    Absent,
    Is(String),
    IsNot(String),
    Matches(Matching),
}

struct Matching {
    negated: bool,
    pattern: Pattern,
}

impl Expected {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// One does not compile.
    pub(super) fn build(expected: &model::Expected) -> Result<Self, pcre2::Error> {
        let header = |header: &model::ExpectedHeader| {
            let test = match &header.test {
                model::HeaderTest::Present => Test::Present,
                model::HeaderTest::Absent => Test::Absent,
                model::HeaderTest::Is(text) => Test::Is(text.clone()),
                model::HeaderTest::IsNot(text) => Test::IsNot(text.clone()),
                model::HeaderTest::Matches(one) => Test::Matches(Matching::build(one)?),
            };
            Ok::<_, pcre2::Error>((header.name.clone(), test))
        };
        Ok(Self {
            status: expected.status.clone(),
            headers: expected
                .headers
                .iter()
                .map(header)
                .collect::<Result<_, _>>()?,
            body: (expected.body.iter().map(Matching::build)).collect::<Result<_, _>>()?,
            require: expected.require.clone(),
        })
    }

    /// Whether the body matters.
    pub(super) fn wants_body(&self) -> bool {
        !self.body.is_empty()
    }

    /// Looks at the status and the headers.
    ///
    /// # Errors
    /// What is not as expected.
    pub(super) fn header(&self, answer: &ResponseHeader) -> Result<(), String> {
        let status = answer.status.as_u16();
        if let Some(expected) = &self.status {
            let is_one = expected.ranges.iter().any(|range| range.contains(&status));
            if is_one == expected.negated {
                let ranges: Vec<_> = expected.ranges.iter().map(range_text).collect();
                let other = if expected.negated { "other than " } else { "" };
                return Err(format!(
                    "answered {status}, expected {other}{}",
                    ranges.join(", ")
                ));
            }
        }
        for (name, test) in &self.headers {
            test_header(name, test, answer)?;
        }
        Ok(())
    }

    /// Looks at the body.
    ///
    /// # Errors
    /// What is not as expected.
    pub(super) fn body(&self, body: &[u8]) -> Result<(), String> {
        for matching in &self.body {
            matching
                .test(body)
                .map_err(|what| format!("its body {what}"))?;
        }
        Ok(())
    }

    /// Looks at what variables say.
    ///
    /// # Errors
    /// What is not as expected.
    pub(super) fn required(&self, values: &CheckValues<'_>) -> Result<(), String> {
        let mut text = Vec::new();
        for (place, template) in self.require.iter().enumerate() {
            text.clear();
            render(template, values, &mut text);
            if text.is_empty() || text == b"0" {
                return Err(match template.parts() {
                    [model::Part::Variable(variable)] => format!("\"${variable}\" is required"),
                    _ => format!("its variable {} is required", place + 1),
                });
            }
        }
        Ok(())
    }
}

impl Matching {
    fn build(one: &model::Expectation) -> Result<Self, pcre2::Error> {
        Ok(Self {
            negated: one.negated,
            pattern: Pattern::build(&one.regex, |_| None)?,
        })
    }

    fn test(&self, subject: &[u8]) -> Result<(), String> {
        let text = self.pattern.text();
        match (self.pattern.is_match(subject), self.negated) {
            (Ok(true), false) | (Ok(false), true) => Ok(()),
            (Ok(false), false) => Err(format!("does not match \"{text}\"")),
            (Ok(true), true) => Err(format!("matches \"{text}\"")),
            (Err(_), _) => Err(format!("takes too long to match \"{text}\"")),
        }
    }
}

fn test_header(name: &str, test: &Test, answer: &ResponseHeader) -> Result<(), String> {
    let mut values = answer.headers.get_all(name).iter();
    let first = values.next();
    let is_one = |text: &str| {
        let mut all = answer.headers.get_all(name).iter();
        all.any(|value| value.as_bytes() == text.as_bytes())
    };
    let fails = |what: &str| Err(format!("its header \"{name}\" {what}"));
    match test {
        Test::Present | Test::Is(_) if first.is_none() => fails("is missing"),
        Test::Present => Ok(()),
        Test::Absent if first.is_some() => fails("is there"),
        Test::Absent => Ok(()),
        Test::Is(text) if !is_one(text) => fails(&format!("is not \"{text}\"")),
        Test::IsNot(text) if is_one(text) => fails(&format!("is \"{text}\"")),
        Test::Is(_) | Test::IsNot(_) => Ok(()),
        Test::Matches(matching) => {
            let mut all = answer.headers.get_all(name).iter();
            let test = |value: &[u8]| matching.test(value);
            let matched = match (first, matching.negated) {
                (None, _) => test(b""),
                (Some(_), true) => all.try_for_each(|value| test(value.as_bytes())),
                (Some(first), false) => match all.any(|value| test(value.as_bytes()).is_ok()) {
                    true => Ok(()),
                    false => test(first.as_bytes()),
                },
            };
            matched.or_else(|what| fails(&what))
        }
    }
}

fn range_text(range: &RangeInclusive<u16>) -> String {
    let (first, last) = range.clone().into_inner();
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

/// What variables say in a check: there is no client, so that most say nothing.
pub(super) struct CheckValues<'a> {
    address: &'a str,
    defined: Option<&'a Defined>,
    answer: Option<&'a ResponseHeader>,
    assigned: Assigned,
}

impl<'a> CheckValues<'a> {
    /// Before an answer.
    pub(super) fn new(address: &'a str, defined: Option<&'a Defined>) -> Self {
        Self {
            address,
            defined,
            answer: None,
            assigned: Assigned::default(),
        }
    }

    /// With an answer.
    pub(super) fn answered(self, answer: &'a ResponseHeader) -> Self {
        Self {
            answer: Some(answer),
            ..self
        }
    }
}

impl Values for CheckValues<'_> {
    fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        match (variable, self.answer) {
            (Variable::Hostname, _) => out.extend_from_slice(hostname().as_bytes()),
            (Variable::UpstreamAddr, _) => out.extend_from_slice(self.address.as_bytes()),
            (Variable::RequestMethod, _) => out.extend_from_slice(b"GET"),
            (Variable::Pid, _) => out.extend_from_slice(std::process::id().to_string().as_bytes()),
            (Variable::Status | Variable::UpstreamStatus, Some(answer)) => {
                out.extend_from_slice(answer.status.as_str().as_bytes());
            }
            (Variable::UpstreamHttp(field), Some(answer)) => {
                let is_it = |written: &str| {
                    let written = written
                        .bytes()
                        .map(|byte| if byte == b'-' { b'_' } else { byte });
                    written.eq(field.name().bytes())
                };
                let mut all = answer.headers.iter();
                let Some((_, value)) = all.find(|(written, _)| is_it(written.as_str())) else {
                    return false;
                };
                out.extend_from_slice(value.as_bytes());
            }
            _ => return false,
        }
        true
    }

    fn write_defined(&self, variable: VariableId, out: &mut Vec<u8>) -> bool {
        let Some(defined) = self.defined else {
            return false;
        };
        defined.write(variable, &self.assigned, self, out)
    }

    fn write_group(&self, _: u8, _: &mut Vec<u8>) -> bool {
        false
    }
}
