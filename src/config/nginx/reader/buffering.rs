//! How bodies are held: sizes in pairs, and folders for temporary files.

use super::{Level, Reader, number};
use crate::config::draft::{Size, Word};
use crate::config::nginx::defaults;
use crate::config::nginx::parser::Directive;
use crate::config::path::Path;
use crate::config::problem::Problem;

/// `proxy_buffers`.
pub(in crate::config::nginx) fn proxy_buffers(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let (count, size) = (directive.text(0), directive.text(1));
    let is_none = |number: Option<u64>| number.is_none_or(|number| number == 0);
    if is_none(number(count)) || is_none(size.parse::<Size>().ok().map(|size| size.0)) {
        return reader.invalid(directive, "invalid value");
    }
    let Some(common) = level.common() else { return };
    *common.proxy_buffers = Some(Word(format!("{count} {size}")));
    let value = directive.arguments.first();
    reader.positions.record(
        &path.key("proxy_buffers"),
        directive,
        &directive.name,
        value,
    );
}

/// `proxy_temp_path`.
pub(in crate::config::nginx) fn proxy_temp_path(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Some(folder) = temp_path(reader, directive) else {
        return;
    };
    let Some(common) = level.common() else { return };
    *common.proxy_temp_path = Some(folder);
    let value = directive.arguments.first();
    reader.positions.record(
        &path.key("proxy_temp_path"),
        directive,
        &directive.name,
        value,
    );
}

/// `client_body_temp_path`.
pub(in crate::config::nginx) fn client_body_temp_path(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Some(Word(mut folder)) = temp_path(reader, directive) else {
        return;
    };
    let Some(common) = level.common() else { return };
    for level in directive.arguments.iter().skip(1) {
        folder.push(' ');
        folder.push_str(&level.text);
    }
    *common.client_body_temp_path = Some(Word(folder));
    let value = directive.arguments.first();
    reader.positions.record(
        &path.key("client_body_temp_path"),
        directive,
        &directive.name,
        value,
    );
}

/// `client_body_in_file_only`.
pub(in crate::config::nginx) fn client_body_in_file_only(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let word = directive.text(0).to_ascii_lowercase();
    if !matches!(word.as_str(), "on" | "clean" | "off") {
        let problem = Problem::InvalidWord(directive.text(0).to_owned());
        let value = directive.arguments.first().unwrap_or(&directive.name);
        return reader.report(directive, value, problem, None);
    }
    let Some(common) = level.common() else { return };
    *common.client_body_in_file_only = Some(Word(word));
    let value = directive.arguments.first();
    reader.positions.record(
        &path.key("client_body_in_file_only"),
        directive,
        &directive.name,
        value,
    );
}

/// A folder, and how many letters the names of the folders in it have: those are nginx's way to
/// keep folders small, and make no difference where files are gone as soon as they are used.
fn temp_path(reader: &mut Reader<'_>, directive: &Directive) -> Option<Word> {
    let levels = directive.arguments.iter().skip(1);
    for level in levels {
        if number(&level.text).is_none_or(|level| level == 0) {
            reader.invalid_parameter(directive, level);
            return None;
        }
    }
    let folder = defaults::in_prefix(reader.prefix.as_deref(), directive.text(0));
    Some(Word(folder))
}
