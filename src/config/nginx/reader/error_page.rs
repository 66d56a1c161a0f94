//! `error_page`.

use super::{Level, Reader};
use crate::config::draft::{ErrorPage, Short, Word};
use crate::config::nginx::parser::Directive;
use crate::config::path::Path;
use crate::config::problem::Problem;

/// `error_page CODE … [=[RESPONSE]] TARGET`.
pub(in crate::config::nginx) fn error_page(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Some((target, before)) = directive.arguments.split_last() else {
        return;
    };
    let (response, codes) = match before.split_last() {
        Some((last, codes)) if last.text.starts_with('=') => (Some(last), codes),
        _ => (None, before),
    };
    if codes.is_empty() {
        let word = response.unwrap_or(target);
        let problem = Problem::Syntax(format!("invalid value \"{}\"", word.text));
        return reader.error(directive, word, problem, "expected a status before it");
    }
    let response = match response {
        None => None,
        Some(word) => match &word.text[1..] {
            "" => Some("uri".to_owned()),
            code if super::number(code).is_some_and(|code| (100..=999).contains(&code)) => {
                Some(code.to_owned())
            }
            _ => {
                let problem = Problem::Syntax(format!("invalid value \"{}\"", word.text));
                return reader.error(directive, word, problem, "expected `=` or `=CODE`");
            }
        },
    };
    let mut statuses = Vec::with_capacity(codes.len());
    for word in codes {
        match super::number(&word.text) {
            // nginx's own statuses; 499 is never shown.
            Some(status @ 300..=599) if status != 499 => statuses.push(status.to_string()),
            Some(499) | None => {
                let problem = Problem::Syntax(format!("invalid value \"{}\"", word.text));
                reader.error(
                    directive,
                    word,
                    problem,
                    "expected a status from 300 to 599",
                );
                return;
            }
            Some(_) => {
                let text = &word.text;
                let problem =
                    Problem::Syntax(format!("value \"{text}\" must be between 300 and 599"));
                return reader.report(directive, word, problem, None);
            }
        }
    }
    let Some(common) = level.common() else { return };
    let pages = common.error_page.get_or_insert_default();
    let key = statuses.join(" ");
    let path = path.key("error_page");
    let at = path.key(&key);
    let (name, value) = (&directive.name, Some(target));
    reader.positions.record(&at, directive, name, value);
    reader
        .positions
        .record(&at.key("uri"), directive, name, value);
    // The first of equal ones is the one that counts.
    pages.entry(key).or_insert_with(|| {
        Short(ErrorPage {
            uri: Some(Word(target.text.clone())),
            response: response.map(Word),
            ..ErrorPage::default()
        })
    });
}
