//! How requests are put into words for servers: `proxy_http_version`, `proxy_bind`, and the headers
//! of answers that are not acted on.

use super::{Level, Reader};
use crate::config::draft::{OneOrMany, Word};
use crate::config::nginx::parser::Directive;
use crate::config::path::Path;
use crate::config::problem::Problem;
use crate::model::ActedOn;

/// `proxy_http_version`.
pub(in crate::config::nginx) fn proxy_http_version(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let word = &directive.arguments[0];
    match word.text.as_str() {
        "1.0" | "1.1" => {}
        "2" => {
            let label = "servers are spoken to in HTTP/1.1 or HTTP/1.0";
            return reader.unsupported_parameter(directive, word, label);
        }
        other => {
            let problem = Problem::InvalidWord(other.to_owned());
            return reader.error(directive, word, problem, "expected `1.1` or `1.0`");
        }
    }
    let Some(common) = level.common() else { return };
    *common.proxy_http_version = Some(Word(word.text.clone()));
    reader.record_value(directive, path);
}

/// `proxy_bind`.
pub(in crate::config::nginx) fn proxy_bind(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let word = &directive.arguments[0];
    match directive.arguments.get(1) {
        _ if word.text == "off" => {}
        None => {}
        Some(second) if second.text == "transparent" => {
            let label = "connections cannot come from addresses of others";
            return reader.unsupported_parameter(directive, second, label);
        }
        Some(second) => return reader.invalid_parameter(directive, second),
    }
    let Some(common) = level.common() else { return };
    *common.proxy_bind = Some(Word(word.text.clone()));
    reader.record_value(directive, path);
}

/// `proxy_ignore_headers`.
pub(in crate::config::nginx) fn proxy_ignore_headers(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Some(common) = level.common() else { return };
    let list = path.key("proxy_ignore_headers");
    let names = common
        .proxy_ignore_headers
        .get_or_insert_with(|| OneOrMany(Vec::new()));
    for word in reader.parameters(directive, 0) {
        if ActedOn::parse(&word.text).is_none() {
            let problem = Problem::InvalidWord(word.text.clone());
            reader.report(directive, word, problem, None);
            continue;
        }
        let at = list.index(names.0.len());
        reader
            .positions
            .record(&at, directive, &directive.name, Some(word));
        names.0.push(Word(word.text.clone()));
    }
}

impl Reader<'_> {
    /// Remembers where a directive with one value stands.
    pub(super) fn record_value(&mut self, directive: &Directive, path: &Path<'_>) {
        let name = &directive.name;
        let value = directive.arguments.first();
        self.positions
            .record(&path.key(&name.text), directive, name, value);
    }
}
