//! `http`: what all servers share, and what is known only once all of it is read.

use super::{Level, Reader};
use crate::config::nginx::defaults;
use crate::config::nginx::parser::Directive;
use crate::config::nginx::table::HTTP;
use crate::config::path::Path;

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
    reader.choose_defaults(draft);
    let upstreams = draft.upstreams.get_or_insert_default();
    upstreams.extend(std::mem::take(&mut reader.implicit));
    defaults::apply(draft, reader.prefix.as_deref());
}
