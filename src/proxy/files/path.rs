//! From a path of the site to the name of a file: `root` and `alias`, and the variables that say them.

use super::super::values::Exchange;
use crate::model::{Alias, Files};
use crate::runtime::render;
use std::cell::Cell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The file behind a path. `None` for an alias that stands for more than there is of the path: something
/// has rewritten it.
pub(in crate::proxy) fn file(exchange: &Exchange<'_>, path: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(64 + path.len());
    if !root(exchange, &mut name) {
        return None;
    }
    name.extend_from_slice(below(exchange, path)?);
    Some(name)
}

/// What of a path goes behind the folder.
fn below<'p>(exchange: &Exchange<'_>, path: &'p [u8]) -> Option<&'p [u8]> {
    match files(exchange).folder.alias {
        None => Some(path),
        Some(Alias::Prefix(_)) if exchange.ctx.flow.left_location => None,
        Some(Alias::Prefix(length)) => path.get(length..),
        Some(Alias::Whole) if exchange.ctx.flow.behind_alias => Some(path),
        Some(Alias::Whole) => Some(b""),
    }
}

/// `$document_root`.
pub(in crate::proxy) fn root(exchange: &Exchange<'_>, out: &mut Vec<u8>) -> bool {
    thread_local! {
        /// Folders that are being written: a variable in one may be made of another.
        static DEPTH: Cell<u8> = const { Cell::new(0) };
    }
    const DEEPEST: u8 = 4;
    if DEPTH.get() == DEEPEST {
        return false;
    }
    DEPTH.set(DEPTH.get() + 1);
    let folder = &files(exchange).folder;
    let start = out.len();
    render(&folder.template, exchange, out);
    DEPTH.set(DEPTH.get() - 1);
    if let Some(base) = &folder.base
        && out.get(start) != Some(&b'/')
    {
        let mut absolute = base.as_os_str().as_bytes().to_vec();
        if !absolute.ends_with(b"/") {
            absolute.push(b'/');
        }
        out.splice(start..start, absolute);
    }
    true
}

/// `$realpath_root`.
pub(in crate::proxy) fn real_root(exchange: &Exchange<'_>, out: &mut Vec<u8>) -> bool {
    let mut name = Vec::new();
    root(exchange, &mut name);
    match Path::new(OsStr::from_bytes(&name)).canonicalize() {
        Ok(real) => {
            out.extend_from_slice(real.as_os_str().as_bytes());
            true
        }
        Err(_) => false,
    }
}

/// `$request_filename`.
pub(in crate::proxy) fn filename(exchange: &Exchange<'_>, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let path = exchange.ctx.path();
    if !root(exchange, out) {
        return false;
    }
    match below(exchange, path) {
        Some(rest) => {
            out.extend_from_slice(rest);
            true
        }
        None => {
            out.truncate(start);
            false
        }
    }
}

fn files<'a>(exchange: &Exchange<'a>) -> &'a Files {
    &exchange.ctx.settings().files
}
