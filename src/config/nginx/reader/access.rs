//! `allow`, `deny` and `limit_except`.

use super::location::State;
use super::{Level, Reader};
use crate::config::draft::{LimitExcept, OneOrMany, Word};
use crate::config::nginx::parser::Directive;
use crate::config::nginx::positions::Piece;
use crate::config::nginx::table::LIMIT_EXCEPT;
use crate::config::path::Path;
use crate::config::problem::Problem;

/// `allow` and `deny`.
pub(in crate::config::nginx) fn rule(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Some(common) = level.common() else { return };
    let OneOrMany(rules) = common.access.get_or_insert_with(|| OneOrMany(Vec::new()));
    let verb = &directive.name;
    let list = path.key("access");
    let at = list.index(rules.len());
    rules.push(Word(format!("{} {}", verb.text, directive.text(0))));
    let word = directive.arguments[0].clone();
    reader.positions.record_pieces(&at, directive, verb, || {
        vec![Piece {
            offset: verb.text.len() + 1,
            skipped: 0,
            word,
        }]
    });
}

/// `limit_except`.
pub(in crate::config::nginx) fn limit_except(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Location(outer) = level else {
        return;
    };
    let path = path.key("limit_except");
    let name = &directive.name;
    if outer.draft.limit_except.is_some() {
        let problem = Problem::DuplicateDirective("limit_except".into());
        return reader.report(directive, name, problem, None);
    }
    reader.positions.record(&path, directive, name, None);
    let list = path.key("methods");
    for (index, word) in directive.arguments.iter().enumerate() {
        let at = list.index(index);
        reader.positions.record(&at, directive, name, Some(word));
    }
    let mut state = State::in_if(outer);
    let block = directive.children();
    let inside = &mut Level::Location(&mut state);
    reader.block(block, LIMIT_EXCEPT, inside, &path.key("then"));
    let methods = directive.arguments.iter();
    let methods = methods.map(|word| Word(word.text.to_ascii_uppercase()));
    outer.draft.limit_except = Some(LimitExcept {
        methods: Some(OneOrMany(methods.collect())),
        then: Some(Box::new(state.draft)),
    });
}
