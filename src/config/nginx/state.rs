//! The file of `state`: the servers of an upstream, a `server` directive for each.

use super::parser::Directive;
use super::reader::{self, Level};
use super::{files, parser, table};
use crate::config::draft;
use crate::config::file_reader::FileReader;
use crate::config::source::Source;
use std::path::Path;
use std::sync::Arc;

/// The servers that a state file lists.
///
/// # Errors
/// The first thing that is wrong with it.
pub(in crate::config) fn servers(
    source: &Arc<Source>,
    reader: &FileReader,
) -> Result<Vec<draft::Short<draft::Server>>, String> {
    let folder = Path::new(source.name()).parent();
    let mut files = files::Files::new(source, folder.unwrap_or(Path::new("/")), reader);
    let tree = parser::parse(source, &mut files);
    let is_other = |directive: &&Directive| directive.name.text != "server";
    if let Some(other) = tree.directives.iter().find(is_other) {
        return Err(format!("\"{}\" is not allowed here", other.name.text));
    }
    let mut upstream = draft::Upstream::default();
    let table = table::Table::new();
    let level = &mut Level::Upstream(&mut upstream);
    let read = reader::read_block(&tree.directives, &table, table::UPSTREAM, level);
    match tree.diagnostics.into_iter().chain(read).next() {
        Some(mistake) => Err(mistake.problem.to_string()),
        None => Ok(upstream.servers.unwrap_or_default()),
    }
}
