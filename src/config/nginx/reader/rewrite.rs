//! The rewrite module: `set`, `rewrite`, `if`, `break` and `return` become steps, in their order.

use super::location::State;
use super::{Level, Reader};
use crate::config::draft::{self, Step, Switch, Word};
use crate::config::nginx::lexer;
use crate::config::nginx::parser::Directive;
use crate::config::nginx::positions::Piece;
use crate::config::nginx::table::{IF_LOCATION, IF_SERVER};
use crate::config::path::Path;
use crate::config::problem::Problem;

/// `set`.
pub(in crate::config::nginx) fn set(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let name = directive.text(0);
    let step = Step {
        set: Some(name.to_owned()),
        to: Some(Word(directive.text(1).to_owned())),
        ..Step::default()
    };
    reader.add_step(directive, step, &[("set", 0), ("to", 1)], level, path);
}

/// `rewrite`.
pub(in crate::config::nginx) fn rewrite(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let flag = directive.arguments.get(2);
    if let Some(word) = flag
        && !["last", "break", "redirect", "permanent"].contains(&word.text.as_str())
    {
        return reader.invalid_parameter(directive, word);
    }
    let step = Step {
        rewrite: Some(Word(directive.text(0).to_owned())),
        to: Some(Word(directive.text(1).to_owned())),
        flag: flag.map(|word| word.text.clone()),
        ..Step::default()
    };
    let parts = [("rewrite", 0), ("to", 1)];
    reader.add_step(directive, step, &parts, level, path);
}

/// `break`.
pub(in crate::config::nginx) fn break_(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let step = Step {
        r#break: Some(Switch(true)),
        ..Step::default()
    };
    reader.add_step(directive, step, &[], level, path);
}

/// `return`.
pub(in crate::config::nginx) fn return_(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let first = directive.text(0);
    let invalid = |reader: &mut Reader<'_>| {
        let problem = Problem::Syntax(format!("invalid return code \"{first}\""));
        reader.report(directive, &directive.arguments[0], problem, None);
    };
    let (status, text, parts) = match (super::number(first), directive.arguments.len()) {
        // A URL alone redirects.
        (None, 1) if is_url(first) => (302, Some(first), [("to", 0), ("to", 0)]),
        (Some(status @ 0..1000), 1) => (status, None, [("return", 0), ("return", 0)]),
        (Some(status @ 0..1000), _) => {
            (status, Some(directive.text(1)), [("return", 0), ("to", 1)])
        }
        _ => return invalid(reader),
    };
    let step = Step {
        r#return: Some(status),
        to: text.map(|text| Word(text.to_owned())),
        ..Step::default()
    };
    reader.add_step(directive, step, &parts, level, path);
}

fn is_url(text: &str) -> bool {
    ["http://", "https://", "$scheme"]
        .iter()
        .any(|start| text.starts_with(start))
}

/// `if`.
pub(in crate::config::nginx) fn if_(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Some((condition, pieces)) = reader.condition(directive) else {
        return;
    };
    let (context, mut state) = match level {
        Level::Location(outer) => (IF_LOCATION, State::in_if(outer)),
        _ => (IF_SERVER, State::default()),
    };
    let step = Step {
        r#if: Some(Word(condition)),
        ..Step::default()
    };
    // Its place first, so that what stands in the block can be found there.
    let steps = path.key("steps");
    let index = level.steps().map_or(0, |steps| steps.len());
    let at = steps.index(index);
    reader.record_step(directive, &at);
    let key = &directive.name;
    reader
        .positions
        .record_pieces(&at.key("if"), directive, key, || pieces);
    if let Some(steps) = level.steps() {
        steps.push(step);
    }
    reader.block(
        directive.children(),
        context,
        &mut Level::Location(&mut state),
        &at.key("then"),
    );
    if let Some(step) = level.steps().and_then(|steps| steps.get_mut(index)) {
        step.then = Some(Box::new(state.draft));
    }
}

impl Level<'_> {
    /// The steps of a server or a location.
    pub(super) fn steps(&mut self) -> Option<&mut Vec<Step>> {
        match self {
            Self::Server(server) => Some(server.site.steps.get_or_insert_default()),
            Self::Location(location) => Some(location.draft.steps.get_or_insert_default()),
            Self::Main(_) | Self::Http(_) | Self::Upstream(_) => None,
        }
    }
}

impl Reader<'_> {
    fn add_step(
        &mut self,
        directive: &Directive,
        step: Step,
        parts: &[(&'static str, usize)],
        level: &mut Level<'_>,
        path: &Path<'_>,
    ) {
        let Some(steps) = level.steps() else { return };
        let list = path.key("steps");
        let at = list.index(steps.len());
        steps.push(step);
        self.record_step(directive, &at);
        for &(key, argument) in parts {
            let value = directive.arguments.get(argument);
            self.positions
                .record(&at.key(key), directive, &directive.name, value);
        }
    }

    fn record_step(&mut self, directive: &Directive, at: &Path<'_>) {
        self.positions.record(at, directive, &directive.name, None);
    }

    /// The condition of an `if` without its parentheses, its words one space apart.
    fn condition(&mut self, directive: &Directive) -> Option<(String, Vec<Piece>)> {
        let mut words: Vec<(&lexer::Word, usize, &str)> = directive
            .arguments
            .iter()
            .map(|word| (word, 0, word.text.as_str()))
            .collect();
        let first = words.first_mut()?;
        let (word, text) = (first.0, first.2);
        let Some(rest) = text.strip_prefix('(') else {
            self.invalid_condition(directive, word);
            return None;
        };
        (first.1, first.2) = (1, rest);
        let last = words.last_mut()?;
        let word = last.0;
        let Some(rest) = last.2.strip_suffix(')') else {
            self.invalid_condition(directive, word);
            return None;
        };
        last.2 = rest;
        // A parenthesis may stand alone.
        if words.len() > 1 && words[0].2.is_empty() {
            words.remove(0);
        }
        if words.len() > 1
            && words[words.len() - 1].2.is_empty()
            && words[words.len() - 1].0.text == ")"
        {
            words.pop();
        }
        let (word, _, text) = words[0];
        let is_variable = text.len() > 1 && text.starts_with('$');
        let is_file = text.starts_with('-') || text.starts_with("!-");
        let fits = match words.len() {
            1 => is_variable,
            2 => is_file,
            3 => is_variable,
            _ => false,
        };
        if !fits {
            self.invalid_condition(directive, word);
            return None;
        }
        if let [_, (word, _, operator), _] = words[..]
            && !["=", "!=", "~", "~*", "!~", "!~*"].contains(&operator)
        {
            let problem = Problem::Syntax(format!("unexpected \"{operator}\" in condition"));
            let label = "expected `=`, `!=`, `~`, `~*`, `!~` or `!~*`";
            self.error(directive, word, problem, label);
            return None;
        }
        let mut condition = String::new();
        let mut pieces = Vec::with_capacity(words.len());
        for (word, skipped, text) in words {
            if !condition.is_empty() {
                condition.push(' ');
            }
            pieces.push(Piece {
                offset: condition.len(),
                skipped,
                word: word.clone(),
            });
            condition.push_str(text);
        }
        Some((condition, pieces))
    }

    fn invalid_condition(&mut self, directive: &Directive, word: &lexer::Word) {
        let text = word.text.strip_prefix('(').unwrap_or(&word.text);
        let text = text.strip_suffix(')').unwrap_or(text);
        let problem = Problem::Syntax(format!("invalid condition \"{text}\""));
        let label = "expected `($name)`, `($name = text)`, `($name ~ regex)` or `(-f path)`";
        self.error(directive, word, problem, label);
    }
}

/// Whether steps always end in an answer: then nothing after them is reached.
pub(super) fn always_answers(steps: Option<&[draft::Step]>) -> bool {
    for step in steps.unwrap_or_default() {
        if step.r#return.is_some() {
            return true;
        }
        if may_stop(step) {
            return false;
        }
    }
    false
}

/// Whether the steps behind this one may be left out: a `break`, alone or of a `rewrite`, maybe in an `if`.
fn may_stop(step: &Step) -> bool {
    let then = step.then.as_deref();
    let mut inside = then
        .and_then(|then| then.steps.as_deref())
        .into_iter()
        .flatten();
    step.r#break.is_some() || step.flag.as_deref() == Some("break") || inside.any(may_stop)
}
