//! `http`: what all servers share, and what is known only once all of it is read.

use super::{Level, Reader};
use crate::config::draft::{Draft, OneOrMany, Word};
use crate::config::nginx::defaults;
use crate::config::nginx::parser::Directive;
use crate::config::nginx::table::HTTP;
use crate::config::path::Path;
use crate::config::problem::Problem;

/// `http`.
pub(in crate::config::nginx) fn http(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Main(draft) = level else { return };
    // Both may be used before they are written.
    reader.note_upstreams(directive.children());
    reader.note_formats(directive.children());
    reader.block(directive.children(), HTTP, &mut Level::Http(draft), path);
    let has_server = |inner: &Directive| inner.name.text == "server";
    if !directive.children().iter().any(has_server) {
        let problem = Problem::Missing("\"server\" block");
        let label = "expected `server { … }`";
        reader.error(directive, &directive.name, problem, label);
    }
    reader.choose_defaults(draft);
    let upstreams = draft.upstreams.get_or_insert_default();
    upstreams.extend(std::mem::take(&mut reader.implicit));
    defaults::apply(draft, reader.prefix.as_deref());
}

impl Reader<'_> {
    /// The first server of an address answers where no name matches, unless another says so.
    fn choose_defaults(&mut self, draft: &mut Draft) {
        let Some(sites) = &mut draft.sites else {
            return;
        };
        for listens in self.listens.values() {
            let said = listens.iter().filter(|listen| listen.default_server);
            let chosen: Vec<_> = match said.clone().next() {
                Some(_) => said.collect(),
                None => listens.iter().take(1).collect(),
            };
            for listen in chosen {
                let words = sites
                    .get_mut(listen.site)
                    .and_then(|site| site.listen.as_mut());
                let word = words.and_then(|OneOrMany(words)| words.get_mut(listen.index));
                if let Some(Word(text)) = word {
                    text.push_str(" default_server");
                }
            }
        }
    }
}
