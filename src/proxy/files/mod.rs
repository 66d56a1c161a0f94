//! Answers made from files: nginx's static, index and autoindex modules.
//!
//! | what | file |
//! |---|---|
//! | from a path to a file's name | `path` |
//! | opening and looking, symbolic links | `open` |
//! | `If-Modified-Since` and its kin | `conditional` |
//! | `Range`, and several ranges in one answer | `ranges`, `multipart` |
//! | a file's bytes on their way | `body` |
//! | a folder's listing | `listing` |
//! | `try_files` | `tried` |
//!
//! Nothing here waits for the disk on a thread that serves.

pub(super) mod body;
pub(super) mod conditional;
mod listing;
mod multipart;
mod open;
pub(super) mod path;
mod ranges;
pub(super) mod tried;

use super::context::RequestContext;
use super::values::Exchange;
use super::{body as request_body, charset, error_log, local, pass, uri};
use crate::model::{Listing, Symlinks, Template};
use crate::os_error::OsError;
use crate::runtime::render;
use body::Body;
use conditional::Verdict;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use multipart::Multipart;
use open::{Failed, Found, Kind, Links};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use ranges::Ranges;
use std::io;
use std::sync::Arc;

/// What became of a request that files were to answer.
#[derive(Debug)]
pub(super) enum Served {
    /// The answer is written.
    Written,
    /// The answer is this status and its page.
    Status(StatusCode),
    /// Another path answers, with the same query.
    Redirect(Vec<u8>),
}

/// Answers from the location's files.
///
/// # Errors
/// The client is gone, or the file could not be read to its end.
pub(super) async fn serve(session: &mut Session, ctx: &mut RequestContext) -> Result<Served> {
    if !matches!(
        *ctx.method(session),
        Method::GET | Method::HEAD | Method::POST
    ) {
        return Ok(Served::Status(StatusCode::METHOD_NOT_ALLOWED));
    }
    match ctx.path().ends_with(b"/") {
        true => folder(session, ctx).await,
        false => file(session, ctx).await,
    }
}

/// A path without a slash at its end: the file of this name.
async fn file(session: &mut Session, ctx: &mut RequestContext) -> Result<Served> {
    let exchange = &Exchange::now(session, ctx);
    let Some(name) = path::file(exchange, ctx.path()) else {
        error_log::file(session, ctx, &ALIAS_REWRITTEN);
        return Ok(Served::Status(StatusCode::INTERNAL_SERVER_ERROR));
    };
    let links = links(exchange, &name);
    let (name, found) = blocking(name, move |name| open::open(name, links)).await?;
    let mut found = match found {
        Ok(found) => found,
        Err(failed) => return Ok(Served::Status(refuse(session, ctx, &name, &failed))),
    };
    let Some(opened) = found.file.take() else {
        if found.kind == Kind::Folder {
            return add_slash(ctx);
        }
        let message = format_args!("\"{}\" is not a regular file", shown(&name));
        error_log::file(session, ctx, &message);
        return Ok(Served::Status(StatusCode::NOT_FOUND));
    };
    if *ctx.method(session) == Method::POST {
        return Ok(Served::Status(StatusCode::METHOD_NOT_ALLOWED));
    }
    send(session, ctx, &found, opened).await
}

/// Sends a file, or what of it the request's conditions and ranges leave.
async fn send(
    session: &mut Session,
    ctx: &mut RequestContext,
    found: &Found,
    opened: std::fs::File,
) -> Result<Served> {
    if request_body::is_malformed(session) {
        return Ok(Served::Status(StatusCode::BAD_REQUEST));
    }
    pass::send_continue(session, ctx).await?;
    let location = Arc::clone(ctx.place());
    let files = &location.settings.files;
    let mut response = ResponseHeader::build(StatusCode::OK, Some(8))?;
    let content_type = files.types.of(ctx.path());
    if !content_type.is_empty() {
        response.insert_header(header::CONTENT_TYPE, content_type)?;
    }
    response.insert_header(header::CONTENT_LENGTH, found.size)?;
    let is_error = ctx.flow.is_error();
    if !is_error {
        let modified = conditional::format_time(found.modified);
        response.insert_header("Last-Modified", modified)?;
    }
    let etag = files
        .etag
        .then(|| format!("\"{:x}-{:x}\"", found.modified, found.size));
    if let Some(etag) = &etag {
        response.insert_header("ETag", etag.as_str())?;
    }
    let etag = etag.as_ref().map(String::as_bytes);
    let request = &session.req_header().headers;
    if is_error {
        let answer = local::shape(session, ctx, response)?;
        answer
            .send(session, ctx, Body::whole(opened, found.size))
            .await?;
        return Ok(Served::Written);
    }
    match conditional::check(request, etag, found.modified, files.if_modified_since) {
        Verdict::Failed => return Ok(Served::Status(StatusCode::PRECONDITION_FAILED)),
        Verdict::NotModified => {
            response.set_status(StatusCode::NOT_MODIFIED)?;
            response.remove_header(&header::CONTENT_TYPE);
            response.remove_header(&header::CONTENT_LENGTH);
            let answer = local::shape(session, ctx, response)?;
            answer.send(session, ctx, Body::empty()).await?;
            return Ok(Served::Written);
        }
        Verdict::Send => {}
    }
    let mut answer = local::shape(session, ctx, response)?;
    if answer.is_changed || files.max_ranges == Some(0) {
        answer
            .send(session, ctx, Body::whole(opened, found.size))
            .await?;
        return Ok(Served::Written);
    }
    let request = &session.req_header().headers;
    let asked = request
        .get(header::RANGE)
        .filter(|_| conditional::range_holds(request, answer.etag(), answer.last_modified()))
        .map_or(Ranges::Whole, |range| {
            ranges::parse(range.as_bytes(), found.size, files.max_ranges)
        });
    let body = match asked {
        Ranges::Whole => {
            let bytes = HeaderValue::from_static("bytes");
            answer
                .response
                .insert_header(header::ACCEPT_RANGES, bytes)?;
            Body::whole(opened, found.size)
        }
        Ranges::Unsatisfiable => {
            // nginx finds out when the headers of the file are there already; those stay that were
            // added to them.
            let added = answer.response.headers.iter();
            let added = added.filter(|(name, _)| !OF_FILES.contains(name));
            let added = added.map(|(name, value)| (name.clone(), value.clone()));
            ctx.response_headers.extend(added);
            let range = HeaderValue::from_str(&format!("bytes */{}", found.size));
            let range = range.map(|range| (header::CONTENT_RANGE, range));
            ctx.response_headers.extend(range);
            return Ok(Served::Status(StatusCode::RANGE_NOT_SATISFIABLE));
        }
        Ranges::Pieces(pieces) => pieces_of(&mut answer.response, opened, pieces, found.size)?,
    };
    answer.send(session, ctx, body).await?;
    Ok(Served::Written)
}

/// The headers that every file has: an error's page has others.
const OF_FILES: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::LAST_MODIFIED,
    header::ETAG,
    header::SERVER,
];

/// A 206.
fn pieces_of(
    response: &mut ResponseHeader,
    opened: std::fs::File,
    mut pieces: Vec<std::ops::Range<u64>>,
    size: u64,
) -> Result<Body> {
    response.set_status(StatusCode::PARTIAL_CONTENT)?;
    if pieces.len() == 1
        && let Some(piece) = pieces.pop()
    {
        let range = format!("bytes {}-{}/{size}", piece.start, piece.end - 1);
        response.insert_header("Content-Range", range)?;
        response.insert_header(header::CONTENT_LENGTH, piece.end - piece.start)?;
        return Ok(Body::of_file(opened, [body::Part::Piece(piece)]));
    }
    let content_type = response.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.map_or(&b""[..], HeaderValue::as_bytes);
    let multipart = Multipart::new(pieces, content_type, size);
    charset::set_type(response, multipart.content_type)?;
    response.insert_header(header::CONTENT_LENGTH, multipart.length)?;
    Ok(Body::of_file(opened, multipart.parts))
}

/// A folder without a slash behind it: the client is told to add one.
fn add_slash(ctx: &mut RequestContext) -> Result<Served> {
    let mut target = Vec::with_capacity(ctx.path().len() + 16);
    uri::escape(ctx.path(), &mut target);
    target.push(b'/');
    if let Some(query) = ctx.query().filter(|query| !query.is_empty()) {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    ctx.flow.location = Some(target);
    Ok(Served::Status(StatusCode::MOVED_PERMANENTLY))
}

/// A path with a slash at its end: an index file, a listing, or nothing.
async fn folder(session: &mut Session, ctx: &mut RequestContext) -> Result<Served> {
    let location = Arc::clone(ctx.place());
    let files = &location.settings.files;
    let Some(folder) = path::file(&Exchange::now(session, ctx), ctx.path()) else {
        error_log::file(session, ctx, &ALIAS_REWRITTEN);
        return Ok(Served::Status(StatusCode::INTERNAL_SERVER_ERROR));
    };
    let mut is_there = false;
    for index in &files.index {
        let exchange = &Exchange::now(session, ctx);
        let mut end = Vec::new();
        render(index, exchange, &mut end);
        if end.starts_with(b"/") {
            return Ok(Served::Redirect(end));
        }
        let mut name = folder.clone();
        name.extend_from_slice(&end);
        let links = links(exchange, &name);
        let (name, found) = blocking(name, move |name| open::look(name, links)).await?;
        let Err(failed) = found else {
            let mut path = ctx.path().to_vec();
            path.extend_from_slice(&end);
            return Ok(Served::Redirect(path));
        };
        match failed.error.raw_os_error() {
            Some(libc::ELOOP) => return Ok(Served::Status(StatusCode::FORBIDDEN)),
            Some(code @ (libc::ENOTDIR | libc::ENAMETOOLONG | libc::EACCES)) => {
                return Ok(Served::Status(index_missing(session, ctx, &name, code)));
            }
            _ => {}
        }
        if !is_there {
            if let Err(status) = look_at_folder(session, ctx, &folder, &name).await? {
                return Ok(Served::Status(status));
            }
            is_there = true;
        }
        if failed.error.raw_os_error() != Some(libc::ENOENT) {
            error_log::file_failed(session, ctx, failed.call, &shown(&name), &failed.error);
            return Ok(Served::Status(StatusCode::INTERNAL_SERVER_ERROR));
        }
    }
    match files.autoindex {
        Some(listing) if *ctx.method(session) != Method::POST => {
            list(session, ctx, folder, listing).await
        }
        _ => {
            let message = format_args!("directory index of \"{}\" is forbidden", shown(&folder));
            error_log::file(session, ctx, &message);
            Ok(Served::Status(StatusCode::FORBIDDEN))
        }
    }
}

/// Whether the folder of a missing index file is there itself; the status if not.
async fn look_at_folder(
    session: &Session,
    ctx: &RequestContext,
    folder: &[u8],
    index: &[u8],
) -> Result<Result<(), StatusCode>> {
    // An alias may have no slash at its end.
    let name = folder.strip_suffix(b"/").unwrap_or(folder);
    let name = if name.is_empty() { folder } else { name };
    let links = links(&Exchange::now(session, ctx), name);
    let (name, found) = blocking(name.to_vec(), move |name| open::look(name, links)).await?;
    let status = match found {
        Ok(found) if found.kind == Kind::Folder => return Ok(Ok(())),
        Ok(_) => {
            let message = format_args!("\"{}\" is not a directory", shown(&name));
            error_log::file(session, ctx, &message);
            StatusCode::INTERNAL_SERVER_ERROR
        }
        Err(failed) => match failed.error.raw_os_error() {
            // The file could be looked for, so that searching the folder is allowed.
            Some(libc::EACCES) => return Ok(Ok(())),
            Some(libc::ELOOP) => StatusCode::FORBIDDEN,
            Some(libc::ENOENT) => index_missing(session, ctx, index, libc::ENOENT),
            _ => {
                error_log::file_failed(session, ctx, failed.call, &shown(&name), &failed.error);
                StatusCode::INTERNAL_SERVER_ERROR
            }
        },
    };
    Ok(Err(status))
}

/// Logs that an index file cannot be had.
fn index_missing(session: &Session, ctx: &RequestContext, name: &[u8], code: i32) -> StatusCode {
    let error = io::Error::from_raw_os_error(code);
    let (name, error) = (shown(name), OsError(&error));
    if code == libc::EACCES {
        let message = format_args!("\"{name}\" is forbidden ({error})");
        error_log::file(session, ctx, &message);
        return StatusCode::FORBIDDEN;
    }
    if ctx.settings().files.log_not_found {
        let message = format_args!("\"{name}\" is not found ({error})");
        error_log::file(session, ctx, &message);
    }
    StatusCode::NOT_FOUND
}

/// `autoindex`.
async fn list(
    session: &mut Session,
    ctx: &mut RequestContext,
    folder: Vec<u8>,
    how: Listing,
) -> Result<Served> {
    let Some(form) = listing::Form::new(how, ctx.query()) else {
        return Ok(Served::Status(StatusCode::BAD_REQUEST));
    };
    let path = ctx.path().to_vec();
    let (folder, listed) = blocking(folder, listing::read).await?;
    let entries = match listed {
        Ok(entries) => entries,
        Err(failed) => return Ok(Served::Status(refuse(session, ctx, &folder, &failed))),
    };
    let mut response = ResponseHeader::build(StatusCode::OK, Some(4))?;
    response.insert_header(header::CONTENT_TYPE, form.content_type())?;
    let body = form.write(&path, &entries);
    local::frame(session, ctx, &mut response)?;
    let answer = local::shape(session, ctx, response)?;
    answer.send(session, ctx, Body::text(body)).await?;
    Ok(Served::Written)
}

/// Logs why a file cannot be opened, and says with what status that is answered.
fn refuse(session: &Session, ctx: &RequestContext, name: &[u8], failed: &Failed) -> StatusCode {
    let status = match failed.error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG) => StatusCode::NOT_FOUND,
        Some(libc::EACCES | libc::ELOOP) => StatusCode::FORBIDDEN,
        // A zero byte, which no name has.
        None if failed.error.kind() == io::ErrorKind::InvalidInput => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    if status != StatusCode::NOT_FOUND || ctx.settings().files.log_not_found {
        error_log::file_failed(session, ctx, failed.call, &shown(name), &failed.error);
    }
    status
}

/// What `disable_symlinks` says for this name.
fn links(exchange: &Exchange<'_>, name: &[u8]) -> Links {
    let followed = |from: &Option<Template>| {
        let mut text = Vec::new();
        if let Some(from) = from {
            render(from, exchange, &mut text);
        }
        // A folder's name, with or without its slash.
        let end = text.strip_suffix(b"/").unwrap_or(&text);
        match name.strip_prefix(end) {
            Some([]) => None,
            Some([b'/', ..]) => Some(end.len()),
            _ => Some(0),
        }
    };
    match &exchange.ctx.settings().files.symlinks {
        Symlinks::Followed => Links::Followed,
        Symlinks::Refused { from } => followed(from).map_or(Links::Followed, Links::Refused),
        Symlinks::OfTheOwner { from } => followed(from).map_or(Links::Followed, Links::OfTheOwner),
    }
}

/// Asks the disk, off the threads that serve. Gives the name back, for the log.
async fn blocking<T: Send + 'static>(
    name: Vec<u8>,
    ask: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> Result<(Vec<u8>, T)> {
    let asked = tokio::task::spawn_blocking(move || {
        let answer = ask(&name);
        (name, answer)
    });
    asked
        .await
        .map_err(|panic| Error::because(ErrorType::InternalError, "looking for a file", panic))
}

fn shown(name: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(name)
}

const ALIAS_REWRITTEN: &str = "\"alias\" cannot be used in a location where the path was rewritten";
