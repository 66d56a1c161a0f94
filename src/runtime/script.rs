//! The rewrite module's steps, compiled: patterns built, locations of `if` ready.

use super::{Location, Pattern};
use crate::model::{self, FileTest, Return, Settable, Template, Then, VariableId};
use std::sync::Arc;

/// One directive of the rewrite module.
#[derive(Debug)]
pub enum Step {
    /// `set`.
    Set {
        /// What is written.
        to: Settable,
        /// Its value.
        value: Template,
    },
    /// `if`.
    If(If),
    /// `rewrite`.
    Rewrite(Rewrite),
    /// `break`.
    Break,
    /// `return`.
    Return(Return),
}

/// `if`.
#[derive(Debug)]
pub struct If {
    /// When.
    pub condition: Condition,
    /// What is done then.
    pub steps: Box<[Step]>,
    /// What the request's location is from there on.
    pub location: Option<Arc<Location>>,
}

/// The condition of an `if`.
#[derive(Debug)]
pub struct Condition {
    /// What is asked.
    pub test: Test,
    /// Whether the answer is turned round.
    pub negated: bool,
}

/// What an `if` asks.
#[derive(Debug)]
pub enum Test {
    /// `$variable`: neither empty nor `0`.
    True(Template),
    /// `$variable = text`.
    Equal(Template, Template),
    /// `$variable ~ pattern`.
    Matches(Template, Pattern),
    /// `-f path` and its kin.
    File(FileTest, Template),
}

/// `rewrite`.
#[derive(Debug)]
pub struct Rewrite {
    /// What the path must match.
    pub pattern: Pattern,
    /// The path it becomes, or the URL to redirect to.
    pub replacement: Template,
    /// The new query.
    pub args: Option<Template>,
    /// Whether the request's query is put behind it.
    pub keep_args: bool,
    /// What happens then.
    pub then: Then,
}

/// Builds steps: `variable` names the variables of named groups, `location` builds those of `if`.
pub(super) fn build(
    steps: &[model::Step],
    variable: &impl Fn(&str) -> Option<VariableId>,
    location: &mut dyn FnMut(&model::Location) -> Result<Arc<Location>, pcre2::Error>,
) -> Result<Box<[Step]>, pcre2::Error> {
    let mut built = Vec::with_capacity(steps.len());
    for step in steps {
        built.push(match step {
            model::Step::Set { to, value } => Step::Set {
                to: *to,
                value: value.clone(),
            },
            model::Step::If(branch) => Step::If(If {
                condition: Condition {
                    test: test(&branch.condition.test, variable)?,
                    negated: branch.condition.negated,
                },
                steps: build(&branch.steps, variable, location)?,
                location: branch.location.as_ref().map(&mut *location).transpose()?,
            }),
            model::Step::Rewrite(rewrite) => Step::Rewrite(Rewrite {
                pattern: Pattern::build(&rewrite.regex, variable)?,
                replacement: rewrite.replacement.clone(),
                args: rewrite.args.clone(),
                keep_args: rewrite.keep_args,
                then: rewrite.then,
            }),
            model::Step::Break => Step::Break,
            model::Step::Return(answer) => Step::Return(answer.clone()),
        });
    }
    Ok(built.into())
}

fn test(
    test: &model::Test,
    variable: &impl Fn(&str) -> Option<VariableId>,
) -> Result<Test, pcre2::Error> {
    Ok(match test {
        model::Test::True(value) => Test::True(value.clone()),
        model::Test::Equal(value, other) => Test::Equal(value.clone(), other.clone()),
        model::Test::Matches(value, regex) => {
            Test::Matches(value.clone(), Pattern::build(regex, variable)?)
        }
        model::Test::File(what, path) => Test::File(*what, path.clone()),
    })
}
