//! The rewrite module: `set`, `rewrite`, `if`, `break` and `return`.

use super::super::draft;
use super::super::path::Path;
use super::super::problem::Problem;
use super::settings::Level;
use super::{Resolver, invalid};
use crate::model::{
    self, FileTest, If, Location, Regex, Return, Rewrite, Settable, Step, Test, Then, Variable,
};

/// Where steps stand.
#[derive(Clone, Copy)]
pub(super) struct Place<'a, 'd> {
    /// The settings in force there.
    pub(super) level: &'a Level<'d>,
    /// The location, when it is one: what an `if` in it starts from.
    pub(super) location: Option<&'a Location>,
    /// What upstreams of its own are named after.
    pub(super) name: &'a str,
}

impl Resolver {
    /// The steps of a site or a location.
    pub(super) fn steps<'d>(
        &mut self,
        written: Option<&'d [draft::Step]>,
        place: Place<'_, 'd>,
        path: &Path<'_>,
    ) -> Vec<Step> {
        let list = path.key("steps");
        let mut steps = Vec::new();
        for (index, step) in written.unwrap_or_default().iter().enumerate() {
            steps.extend(self.step(step, place, &list.index(index)));
        }
        steps
    }

    fn step<'d>(
        &mut self,
        step: &'d draft::Step,
        place: Place<'_, 'd>,
        path: &Path<'_>,
    ) -> Option<Step> {
        let given = [
            ("set", step.set.is_some()),
            ("rewrite", step.rewrite.is_some()),
            ("if", step.r#if.is_some()),
            ("break", step.r#break.is_some()),
            ("return", step.r#return.is_some()),
        ];
        let mut given = given.iter().filter(|(_, given)| *given);
        match (given.next(), given.next()) {
            (Some(_), None) => {}
            (Some((first, _)), Some((second, _))) => {
                let problem = Problem::Exclusive(first, second);
                self.report(path.key(second).key_error(problem));
                return None;
            }
            (None, _) => {
                let label = "expected `set`, `rewrite`, `if`, `break` or `return`";
                self.report(path.error(Problem::Missing("step")).label(label));
                return None;
            }
        }
        self.check_companions(step, path);
        if let Some(name) = &step.set {
            return self.set(name, step, path);
        }
        if let Some(pattern) = &step.rewrite {
            return self.rewrite(pattern, step, path).map(Step::Rewrite);
        }
        if let Some(text) = &step.r#if {
            return self.branch(text, step, place, path);
        }
        if let Some(status) = step.r#return {
            return self.return_(status, step, path).map(Step::Return);
        }
        step.r#break.as_ref()?.0.then_some(Step::Break)
    }

    /// `to`, `flag` and `then` mean something only beside some steps.
    fn check_companions(&mut self, step: &draft::Step, path: &Path<'_>) {
        let pairs = [
            (
                "to",
                step.to.is_some(),
                step.set.is_some() || step.rewrite.is_some() || step.r#return.is_some(),
                "set",
            ),
            (
                "flag",
                step.flag.is_some(),
                step.rewrite.is_some(),
                "rewrite",
            ),
            ("then", step.then.is_some(), step.r#if.is_some(), "if"),
        ];
        for (key, is_given, fits, beside) in pairs {
            if is_given && !fits {
                let problem = Problem::Misplaced { key, beside };
                self.report(path.key(key).key_error(problem));
            }
        }
    }

    fn set(&mut self, name: &str, step: &draft::Step, path: &Path<'_>) -> Option<Step> {
        let value = self.template(step.to.as_deref().unwrap_or_default(), &path.key("to"));
        let at = path.key("set");
        let Some(bare) = name.strip_prefix('$').filter(|bare| is_name(bare)) else {
            let problem = Problem::Syntax(format!("invalid variable name \"{name}\""));
            self.report(at.error(problem).label("expected a name such as `$name`"));
            return None;
        };
        let bare = bare.to_ascii_lowercase();
        let to = match bare.as_str() {
            "args" => Settable::Args,
            "limit_rate" => Settable::LimitRate,
            _ => {
                // A prefix such as `http_` is not a variable of its own.
                let known = Variable::parse(&bare);
                if known.is_some_and(|known| !known.is_prefixed()) {
                    let problem = Problem::Syntax(format!("the duplicate \"{bare}\" variable"));
                    self.report(at.error(problem).label("its value is nginx's own"));
                    return None;
                }
                Settable::Variable(self.variable(&bare)?)
            }
        };
        Some(Step::Set { to, value })
    }

    fn rewrite(&mut self, pattern: &str, step: &draft::Step, path: &Path<'_>) -> Option<Rewrite> {
        self.check_regex(pattern, false, 0, &path.key("rewrite"));
        let at = path.key("to");
        let written = step.to.as_deref().unwrap_or_default();
        if written.is_empty() {
            let problem = Problem::Syntax("empty replacement".into());
            self.report(at.error(problem).label("expected a path or a URL"));
            return None;
        }
        let (text, keep_args) = match written.strip_suffix('?') {
            Some(text) => (text, false),
            None => (written, true),
        };
        let is_url = ["http://", "https://", "$scheme"]
            .iter()
            .any(|start| written.starts_with(start));
        let then = match step.flag.as_deref() {
            Some("permanent") => Then::Redirect(301),
            Some("redirect") => Then::Redirect(302),
            Some("last" | "break") | None if is_url => Then::Redirect(302),
            Some("last") => Then::Last,
            Some("break") => Then::Break,
            None => Then::Continue,
            Some(flag) => {
                let label = "expected `last`, `break`, `redirect` or `permanent`";
                self.report(invalid(&path.key("flag"), flag).label(label));
                return None;
            }
        };
        let split = match then {
            Then::Redirect(_) => None,
            _ => text.split_once('?'),
        };
        let (replacement, args) = match split {
            Some((uri, args)) => (uri, Some(self.template(args, &at))),
            None => (text, None),
        };
        Some(Rewrite {
            regex: Regex {
                pattern: pattern.to_owned(),
                ignore_case: false,
            },
            replacement: self.template(replacement, &at),
            args,
            keep_args,
            then,
        })
    }

    fn return_(&mut self, status: u64, step: &draft::Step, path: &Path<'_>) -> Option<Return> {
        let text = step.to.as_deref();
        let text = text.map(|text| self.template(text, &path.key("to")));
        let valid = u16::try_from(status).ok().filter(|status| *status < 1000);
        if valid.is_none() {
            let problem = Problem::Syntax(format!("invalid return code \"{status}\""));
            let label = "expected a status, or 444 to close the connection";
            self.report(path.key("return").error(problem).label(label));
        }
        let status = valid?;
        Some(Return { status, text })
    }

    fn branch<'d>(
        &mut self,
        text: &'d str,
        step: &'d draft::Step,
        place: Place<'_, 'd>,
        path: &Path<'_>,
    ) -> Option<Step> {
        let condition = self.condition(text, &path.key("if"));
        let at = path.key("then");
        let Some(then) = step.then.as_deref() else {
            let problem = Problem::Missing("\"then\"");
            self.report(
                path.error(problem)
                    .label("expected `then:` with what holds"),
            );
            return None;
        };
        let level = self.level(then.common(), place.level, &at);
        let location = place.location.map(|outer| {
            let mut location = self.location_in(then, outer, &level, place.name, &at);
            location.matcher = outer.matcher.clone();
            location.internal = outer.internal;
            location
        });
        let inner = Place {
            level: &level,
            location: location.as_ref(),
            name: place.name,
        };
        let steps = self.steps(then.steps.as_deref(), inner, &at);
        Some(Step::If(Box::new(If {
            condition: condition?,
            steps,
            location,
        })))
    }

    fn condition(&mut self, text: &str, path: &Path<'_>) -> Option<model::Condition> {
        let Some(condition) = Condition::parse(text) else {
            let problem = Problem::Syntax(format!("invalid condition \"{text}\""));
            let label = "expected `$name`, `$name = text`, `$name ~ regex`, `-f path` or their kin";
            self.report(path.error(problem).label(label));
            return None;
        };
        let (test, negated) = match condition {
            Condition::True(variable) => (Test::True(self.template(variable, path)), false),
            Condition::Equal {
                variable,
                text,
                negated,
            } => {
                let (value, text) = (self.template(variable, path), self.template(text, path));
                (Test::Equal(value, text), negated)
            }
            Condition::Matches {
                variable,
                pattern,
                ignore_case,
                negated,
            } => {
                let offset = text.len() - pattern.len();
                self.check_regex(pattern, ignore_case, offset, path);
                let regex = Regex {
                    pattern: pattern.to_owned(),
                    ignore_case,
                };
                (Test::Matches(self.template(variable, path), regex), negated)
            }
            Condition::File {
                test,
                path: file,
                negated,
            } => (Test::File(test, self.template(file, path)), negated),
        };
        Some(model::Condition { test, negated })
    }
}

/// The condition of an `if` as it is written.
pub(super) enum Condition<'a> {
    True(&'a str),
    Equal {
        variable: &'a str,
        text: &'a str,
        negated: bool,
    },
    Matches {
        variable: &'a str,
        pattern: &'a str,
        ignore_case: bool,
        negated: bool,
    },
    File {
        test: FileTest,
        path: &'a str,
        negated: bool,
    },
}

impl<'a> Condition<'a> {
    /// The condition that the text says, if it is one.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (first, rest) = match text.split_once(' ') {
            Some((first, rest)) => (first, Some(rest)),
            None => (text, None),
        };
        if let Some(name) = first.strip_prefix('$') {
            if name.is_empty() {
                return None;
            }
            let Some(rest) = rest else {
                return Some(Self::True(first));
            };
            let (operator, operand) = rest.split_once(' ').unwrap_or((rest, ""));
            return Some(match operator {
                "=" | "!=" => Self::Equal {
                    variable: first,
                    text: operand,
                    negated: operator == "!=",
                },
                "~" | "~*" | "!~" | "!~*" => Self::Matches {
                    variable: first,
                    pattern: operand,
                    ignore_case: operator.ends_with('*'),
                    negated: operator.starts_with('!'),
                },
                _ => return None,
            });
        }
        let (letter, negated) = match first.strip_prefix('!') {
            Some(test) => (test.strip_prefix('-')?, true),
            None => (first.strip_prefix('-')?, false),
        };
        let test = match letter {
            "f" => FileTest::File,
            "d" => FileTest::Directory,
            "e" => FileTest::Exists,
            "x" => FileTest::Executable,
            _ => return None,
        };
        let path = rest?;
        Some(Self::File {
            test,
            path,
            negated,
        })
    }

    /// The regular expression in it.
    pub(super) fn pattern(self) -> Option<&'a str> {
        match self {
            Self::Matches { pattern, .. } => Some(pattern),
            _ => None,
        }
    }
}

/// nginx's own variables that `set` may write.
pub(super) fn is_settable(name: &str) -> bool {
    ["args", "limit_rate"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

fn is_name(text: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.bytes().all(valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_nginx_reads_them() {
        assert!(matches!(
            Condition::parse("$a"),
            Some(Condition::True("$a"))
        ));
        assert!(matches!(
            Condition::parse("$a = b c"),
            Some(Condition::Equal {
                text: "b c",
                negated: false,
                ..
            })
        ));
        assert!(matches!(
            Condition::parse("$a !~* ^x"),
            Some(Condition::Matches {
                pattern: "^x",
                ignore_case: true,
                negated: true,
                ..
            })
        ));
        assert!(matches!(
            Condition::parse("!-d /x"),
            Some(Condition::File {
                test: FileTest::Directory,
                negated: true,
                ..
            })
        ));
        for wrong in ["", "$", "a", "$a b", "$a b c", "-f", "-q /x", "!f x"] {
            assert!(Condition::parse(wrong).is_none(), "{wrong}");
        }
    }
}
