//! `server_tokens`.

use super::{Level, Reader};
use crate::config::draft::Word;
use crate::config::nginx::parser::Directive;
use crate::config::path::Path;
use crate::config::problem::Problem;

/// `server_tokens`.
pub(in crate::config::nginx) fn server_tokens(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let word = &directive.arguments[0];
    let text = word.text.to_ascii_lowercase();
    if !matches!(text.as_str(), "on" | "off" | "build") {
        let problem = Problem::InvalidWord(word.text.clone());
        return reader.error(directive, word, problem, "expected `on`, `off` or `build`");
    }
    let Some(common) = level.common() else { return };
    *common.server_tokens = Some(Word(text));
    reader.record_value(directive, path);
}
