//! How the servers of an `upstream` are chosen.

use super::{Level, Reader};
use crate::config::nginx::parser::Directive;
use crate::config::nginx::positions::Piece;
use crate::config::path::Path;
use crate::config::problem::Problem;

/// `least_conn`, `ip_hash` and `peak_ewma`: the directive is the balance's own word.
pub(in crate::config::nginx) fn by_its_name(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    reader.balance(directive.name.text.clone(), directive, level, path);
}

/// `least_time header|last_byte [inflight]`.
pub(in crate::config::nginx) fn least_time(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let until = directive.text(0);
    if let Some(word) = directive.arguments.get(1)
        && word.text != "inflight"
    {
        return reader.invalid_parameter(directive, word);
    }
    if !matches!(until, "header" | "last_byte") {
        let label = "expected `header` or `last_byte`";
        let problem = Problem::InvalidWord(until.to_owned());
        return reader.error(directive, &directive.arguments[0], problem, label);
    }
    let words = directive.arguments.iter().map(|word| word.text.as_str());
    let words: Vec<_> = ["least_time"].into_iter().chain(words).collect();
    reader.balance(words.join(" "), directive, level, path);
}

/// `hash KEY [consistent]`.
pub(in crate::config::nginx) fn hash(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let mut text = format!("hash {}", directive.text(0));
    match directive.arguments.get(1) {
        None => {}
        Some(word) if word.text == "consistent" => text.push_str(" consistent"),
        Some(word) => return reader.invalid_parameter(directive, word),
    }
    reader.balance(text, directive, level, path);
}

/// `random [two [least_conn|least_time=header|least_time=last_byte]]`.
pub(in crate::config::nginx) fn random(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    match directive.arguments.as_slice() {
        [] => reader.balance("random".to_owned(), directive, level, path),
        [two] if two.text == "two" => {
            reader.balance("random two".to_owned(), directive, level, path);
        }
        [two, method] if two.text == "two" && method.text == "least_conn" => {
            reader.balance("random two".to_owned(), directive, level, path);
        }
        [two, method]
            if two.text == "two"
                && matches!(
                    method.text.as_str(),
                    "least_time=header" | "least_time=last_byte"
                ) =>
        {
            reader.balance(
                format!("random two {}", method.text),
                directive,
                level,
                path,
            );
        }
        [two, word] if two.text == "two" => reader.invalid_parameter(directive, word),
        [word, ..] => reader.invalid_parameter(directive, word),
    }
}

impl Reader<'_> {
    /// How the servers of an upstream are chosen.
    fn balance(
        &mut self,
        text: String,
        directive: &Directive,
        level: &mut Level<'_>,
        path: &Path<'_>,
    ) {
        let Level::Upstream(upstream) = level else {
            return;
        };
        if upstream.balance.is_some() {
            let problem = Problem::BalanceRedefined;
            self.warn(directive, &directive.name, problem, "this one holds");
        }
        upstream.balance = Some(text);
        let key = directive.arguments.first().cloned().into_iter();
        let pieces = || {
            key.map(|word| Piece {
                offset: "hash ".len(),
                skipped: 0,
                word,
            })
            .collect()
        };
        self.positions
            .record_pieces(&path.key("balance"), directive, &directive.name, pieces);
    }
}
