//! `try_files`: the first of several files that is there becomes the request's path; when none is, the
//! last word says what happens.

use super::open::{self, Kind};
use super::{blocking, links, path, shown};
use crate::model::{Alias, Part, Template, TryFiles, TryLast};
use crate::proxy::context::RequestContext;
use crate::proxy::flow::{self, Entry};
use crate::proxy::values::Exchange;
use crate::proxy::{error_log, phases};
use crate::runtime::render;
use http::StatusCode;
use pingora_core::Result;
use pingora_proxy::Session;

/// Looks for the files of a location. `None` goes on in it, with the path of what was found.
///
/// # Errors
/// Only for want of threads to ask the disk with.
pub(in crate::proxy) async fn look(
    session: &Session,
    ctx: &mut RequestContext,
    tried: &TryFiles,
) -> Result<Option<Entry>> {
    let mut root = Vec::new();
    path::root(&Exchange::now(session, ctx), &mut root);
    for file in &tried.files {
        let text = below_alias(&file.path, session, ctx);
        let name = [root.as_slice(), &text].concat();
        let links = links(&Exchange::now(session, ctx), &name);
        let (name, found) = blocking(name, move |name| open::look(name, links)).await?;
        match found {
            Ok(found) if (found.kind == Kind::Folder) == file.is_folder => {
                take(ctx, text, file.is_folder);
                return Ok(None);
            }
            Ok(_) => {}
            Err(failed) => match failed.error.raw_os_error() {
                None | Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG) => {}
                Some(_) => {
                    error_log::file_failed(session, ctx, failed.call, &shown(&name), &failed.error);
                }
            },
        }
    }
    Ok(Some(match &tried.last {
        TryLast::Status(code) => {
            Entry::Failed(StatusCode::from_u16(*code).unwrap_or(StatusCode::NOT_FOUND))
        }
        TryLast::Named(name) => phases::named(ctx, name.as_bytes()),
        TryLast::Uri(uri) => {
            let (path, query) = flow::split(below_alias(uri, session, ctx));
            Entry::Redirect(path, query)
        }
    }))
}

/// What stands behind the folder. As in nginx, an alias takes the place of the location's own path in
/// what variables wrote.
fn below_alias(template: &Template, session: &Session, ctx: &RequestContext) -> Vec<u8> {
    let mut text = Vec::new();
    render(template, &Exchange::now(session, ctx), &mut text);
    let is_literal = |part: &Part| matches!(part, Part::Literal(_));
    if let Some(Alias::Prefix(length)) = ctx.settings().files.folder.alias
        && !template.parts().iter().all(is_literal)
        && let Some(location) = ctx.path().get(..length)
        && text.starts_with(location)
    {
        text.drain(..length);
    }
    text
}

/// What was found is what is asked for from here on.
fn take(ctx: &mut RequestContext, text: Vec<u8>, is_folder: bool) {
    ctx.flow.path = Some(match ctx.settings().files.folder.alias {
        None => text,
        Some(Alias::Prefix(length)) => {
            let location = ctx.path().get(..length).unwrap_or_default();
            [location, &text].concat()
        }
        Some(Alias::Whole) if is_folder => return,
        Some(Alias::Whole) => {
            ctx.flow.behind_alias = true;
            text
        }
    });
}
