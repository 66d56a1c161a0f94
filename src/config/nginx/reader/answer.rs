//! How headers of answers are changed: `proxy_redirect` and the `proxy_cookie_` directives, and the hidden
//! ones that are passed on all the same.

use super::{Level, Reader};
use crate::config::draft::{
    CommonMut, CookieFlags, OneOrMany, OrOff, Replacement, Short, Substitution, Word,
};
use crate::config::nginx::parser::Directive;
use crate::config::path::Path;
use crate::config::problem::Problem;

type List<T> = OrOff<OneOrMany<Short<T>>>;

/// `proxy_redirect`.
pub(in crate::config::nginx) fn proxy_redirect(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let is_default = directive.arguments.len() == 1 && directive.text(0) == "default";
    if is_default
        && matches!(level, Level::Location(location) if location.draft.proxy_pass.is_some())
    {
        let problem = Problem::Syntax(
            "\"proxy_redirect default\" cannot be used with \"proxy_pass\" directive with variables"
                .into(),
        );
        return reader.report(directive, &directive.arguments[0], problem, None);
    }
    if is_default
        && !matches!(level, Level::Location(location) if location.draft.upstream.is_some())
    {
        let problem = Problem::Syntax(
            "\"proxy_redirect default\" should be placed after the \"proxy_pass\" directive".into(),
        );
        let word = &directive.arguments[0];
        return reader.report(directive, word, problem, None);
    }
    replacement(reader, directive, level, path, is_default, |common| {
        common.proxy_redirect
    });
}

/// `proxy_cookie_domain`.
pub(in crate::config::nginx) fn proxy_cookie_domain(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    replacement(reader, directive, level, path, false, |common| {
        common.proxy_cookie_domain
    });
}

/// `proxy_cookie_path`.
pub(in crate::config::nginx) fn proxy_cookie_path(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    replacement(reader, directive, level, path, false, |common| {
        common.proxy_cookie_path
    });
}

/// `proxy_cookie_flags`.
pub(in crate::config::nginx) fn proxy_cookie_flags(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let flags = directive.arguments[1..].iter();
    let item = CookieFlags {
        cookie: Some(Word(directive.text(0).to_owned())),
        flags: Some(OneOrMany(
            flags.map(|word| Word(word.text.clone())).collect(),
        )),
    };
    let is_known = directive.arguments.len() > 1;
    let Some(at) = add(reader, directive, level, path, item, is_known, |common| {
        common.proxy_cookie_flags
    }) else {
        return;
    };
    let list = path.key(&directive.name.text);
    let at = list.index(at);
    let (cookie, all) = (at.key("cookie"), at.key("flags"));
    let name = directive.arguments.first();
    reader
        .positions
        .record(&cookie, directive, &directive.name, name);
    for (index, word) in directive.arguments[1..].iter().enumerate() {
        let flag = all.index(index);
        reader
            .positions
            .record(&flag, directive, &directive.name, Some(word));
    }
}

/// `sub_filter`.
pub(in crate::config::nginx) fn sub_filter(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Some(common) = level.common() else { return };
    let OneOrMany(list) = common.sub_filter.get_or_insert_default();
    let key = path.key("sub_filter");
    let at = key.index(list.len());
    for (key, word) in ["from", "to"].iter().zip(&directive.arguments) {
        let at = at.key(key);
        reader
            .positions
            .record(&at, directive, &directive.name, Some(word));
    }
    list.push(Substitution {
        from: Some(Word(directive.text(0).to_owned())),
        to: Some(Word(directive.text(1).to_owned())),
    });
}

/// `proxy_pass_header`.
pub(in crate::config::nginx) fn proxy_pass_header(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let word = &directive.arguments[0];
    let Some(common) = level.common() else { return };
    let names = common
        .proxy_pass_header
        .get_or_insert_with(|| OneOrMany(Vec::new()));
    let list = path.key("proxy_pass_header");
    let at = list.index(names.0.len());
    reader
        .positions
        .record(&at, directive, &directive.name, Some(word));
    names.0.push(Word(word.text.clone()));
}

/// A directive that looks for something and replaces it.
fn replacement(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
    is_default: bool,
    field: for<'a> fn(CommonMut<'a>) -> &'a mut Option<List<Replacement>>,
) {
    let word = |index: usize| {
        let word = directive.arguments.get(index);
        word.map(|word| Word(word.text.clone()))
    };
    let item = Replacement {
        from: word(0),
        to: word(1),
    };
    let is_known = is_default || directive.arguments.len() > 1;
    let Some(at) = add(reader, directive, level, path, item, is_known, field) else {
        return;
    };
    let list = path.key(&directive.name.text);
    let at = list.index(at);
    for (key, word) in ["from", "to"].iter().zip(&directive.arguments) {
        let key = at.key(key);
        reader
            .positions
            .record(&key, directive, &directive.name, Some(word));
    }
}

/// Adds to a list that may be `off`. `None` when that is what the directive says, or when it is wrong:
/// nginx takes `off` only alone.
fn add<T>(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
    item: T,
    is_known: bool,
    field: for<'a> fn(CommonMut<'a>) -> &'a mut Option<List<T>>,
) -> Option<usize> {
    let field = field(level.common()?);
    let says_off = directive.arguments.len() == 1 && directive.text(0) == "off";
    let is_duplicate = match field {
        None => false,
        Some(OrOff::Off) => true,
        Some(OrOff::On(_)) => says_off,
    };
    if is_duplicate {
        reader.invalid(directive, "is duplicate");
        return None;
    }
    if says_off {
        *field = Some(OrOff::Off);
        reader.record_value(directive, path);
        return None;
    }
    if !is_known {
        reader.invalid_parameter(directive, &directive.arguments[0]);
        return None;
    }
    let list = field.get_or_insert_with(|| OrOff::On(OneOrMany(Vec::new())));
    let OrOff::On(OneOrMany(list)) = list else {
        return None;
    };
    list.push(Short(item));
    if list.len() == 1 {
        reader.record_value(directive, path);
    }
    Some(list.len() - 1)
}
