//! `server` in `http`: a site.

use super::{Level, Reader, listen, number};
use crate::config::draft::{self, OneOrMany, OrOff, Short, Switch, Word};
use crate::config::nginx::parser::Directive;
use crate::config::nginx::table::SERVER;
use crate::config::path::Path;
use crate::config::problem::Problem;

/// A server while it is read.
#[derive(Default)]
pub(in crate::config::nginx) struct State {
    pub(super) site: draft::Site,
}

/// `server` in `http`.
pub(in crate::config::nginx) fn server(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Http(draft) = level else { return };
    let sites = draft.sites.get_or_insert_default();
    reader.site = sites.len();
    let list = path.key("sites");
    let path = list.index(reader.site);
    reader
        .positions
        .record(&path, directive, &directive.name, None);
    let mut state = State::default();
    reader.block(
        directive.children(),
        SERVER,
        &mut Level::Server(&mut state),
        &path,
    );
    let State { mut site } = state;
    if site.listen.is_none() {
        listen::default(reader, &mut site);
    }
    // Without a name it answers to requests without a host, beside those that no name matches.
    let names = site.host.get_or_insert_with(|| OneOrMany(Vec::new()));
    if names.0.is_empty() {
        names.0.push(Word(String::new()));
    }
    site.locations = Some(std::mem::take(&mut reader.locations));
    // Paths that no location takes are looked for among the files.
    site.files = Some(Switch(true));
    sites.push(site);
}

/// `server_name`.
pub(in crate::config::nginx) fn server_name(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Server(server) = level else { return };
    let names = server
        .site
        .host
        .get_or_insert_with(|| OneOrMany(Vec::new()));
    let path = path.key("host");
    for word in &directive.arguments {
        let at = path.index(names.0.len());
        reader
            .positions
            .record(&at, directive, &directive.name, Some(word));
        names.0.push(Word(match word.text.as_str() {
            "$hostname" => hostname(),
            name => name.to_owned(),
        }));
    }
}

/// `keepalive_timeout` of clients.
pub(in crate::config::nginx) fn keepalive_timeout(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Ok(time) = directive.text(0).parse() else {
        return reader.invalid(directive, "invalid value");
    };
    let announced = match directive.arguments.get(1).map(|word| word.text.parse()) {
        None => None,
        Some(Ok(time)) => Some(time),
        Some(Err(_)) => return reader.invalid(directive, "invalid value"),
    };
    let Some(common) = level.common() else { return };
    *common.keepalive_timeout = Some(OrOff::On(time));
    *common.keepalive_header = Some(announced.unwrap_or_default());
    let path = path.key("keepalive_timeout");
    let value = directive.arguments.first();
    reader
        .positions
        .record(&path, directive, &directive.name, value);
}

/// `keepalive_disable`.
pub(in crate::config::nginx) fn keepalive_disable(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    for word in &directive.arguments {
        if !matches!(word.text.as_str(), "none" | "msie6" | "safari") {
            let problem = Problem::InvalidWord(word.text.clone());
            return reader.report(directive, word, problem, None);
        }
    }
    let words = directive.arguments.iter();
    let words = words.map(|word| Word(word.text.clone())).collect();
    let Some(common) = level.common() else { return };
    *common.keepalive_disable = Some(OneOrMany(words));
    let path = path.key("keepalive_disable");
    let value = directive.arguments.first();
    reader
        .positions
        .record(&path, directive, &directive.name, value);
}

/// `large_client_header_buffers`.
pub(in crate::config::nginx) fn large_client_header_buffers(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let (count, size) = (directive.text(0), directive.text(1));
    if number(count).is_none_or(|count| count == 0) || size.parse::<draft::Size>().is_err() {
        return reader.invalid(directive, "invalid value");
    }
    let Some(client) = level.client() else { return };
    *client.large_client_header_buffers = Some(Word(format!("{count} {size}")));
    let path = path.key("large_client_header_buffers");
    let value = directive.arguments.first();
    reader
        .positions
        .record(&path, directive, &directive.name, value);
}

impl Level<'_> {
    /// Adds to the list of a level's logs.
    pub(super) fn add_log(&mut self, log: Option<draft::AccessLog>) {
        let Some(common) = self.common() else { return };
        match (log, common.access_log) {
            (None, logs) => *logs = Some(OrOff::Off),
            (Some(_), Some(OrOff::Off)) => {}
            (Some(log), Some(OrOff::On(OneOrMany(logs)))) => logs.push(Short(log)),
            (Some(log), logs) => *logs = Some(OrOff::On(OneOrMany(vec![Short(log)]))),
        }
    }
}

/// This machine's name, as the kernel has it.
fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_ascii_lowercase()
}
