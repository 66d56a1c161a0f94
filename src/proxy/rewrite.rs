//! The rewrite module at work: `set`, `if`, `rewrite`, `break` and `return`, in the order of the file.

use super::context::RequestContext;
use super::error_log;
use super::uri;
use super::values::Exchange;
use crate::door::DoorStream;
use crate::model::{FileTest, Return, Settable, Template, Then, parse_size};
use crate::runtime::{Condition, GaveUp, Pattern, Rewrite, Step, Test, render};
use http::StatusCode;
use pingora_proxy::Session;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How steps ended.
#[derive(Debug)]
pub(super) enum End<'a> {
    /// The next one follows.
    Through,
    /// `break`, or a `rewrite` with a flag.
    Broken,
    /// `return`.
    Return(&'a Return),
    /// A `rewrite` that sends the client elsewhere.
    Redirect(StatusCode, Vec<u8>),
    /// Something went wrong.
    Failed(StatusCode),
}

/// Runs steps. What they change is in the context.
pub(super) async fn run<'a>(
    steps: &'a [Step],
    session: &Session,
    ctx: &mut RequestContext,
) -> End<'a> {
    // The blocks of `if`s that are under way; their number is bounded by the file's nesting.
    let mut rest = vec![steps.iter()];
    while let Some(block) = rest.last_mut() {
        let Some(step) = block.next() else {
            rest.pop();
            continue;
        };
        match step {
            Step::Set { to, value } => set(*to, value, session, ctx),
            Step::If(branch) => match holds(&branch.condition, session, ctx).await {
                Ok(false) => {}
                Ok(true) => {
                    if let Some(location) = &branch.location {
                        ctx.location = Some(location.clone());
                    }
                    rest.push(branch.steps.iter());
                }
                Err(cause) => return gave_up(session, ctx, &cause),
            },
            Step::Rewrite(rewrite) => match apply(rewrite, session, ctx) {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(cause) => return gave_up(session, ctx, &cause),
            },
            Step::Break => {
                let flow = &mut ctx.flow;
                flow.left_location |= std::mem::take(&mut flow.changed);
                return End::Broken;
            }
            Step::Return(answer) => return End::Return(answer),
        }
    }
    End::Through
}

fn gave_up<'a>(session: &Session, ctx: &RequestContext, cause: &GaveUp) -> End<'a> {
    error_log::gave_up(session, ctx, cause);
    End::Failed(StatusCode::INTERNAL_SERVER_ERROR)
}

fn set(to: Settable, value: &Template, session: &Session, ctx: &mut RequestContext) {
    let value = Exchange::now(session, ctx).rendered(value);
    match to {
        Settable::Variable(variable) => ctx.assigned_mut().set(variable, &value),
        Settable::Args => {
            ctx.flow.query = Some(Some(value));
            ctx.flow.rewritten = true;
        }
        Settable::LimitRate => {
            // As nginx: what is no size changes nothing.
            let rate = std::str::from_utf8(&value).ok().and_then(parse_size);
            let stream = DoorStream::of(session.as_downstream());
            if let (Some(rate), Some(stream)) = (rate, stream) {
                stream.set_rate(rate);
            }
        }
    }
}

async fn holds(
    condition: &Condition,
    session: &Session,
    ctx: &mut RequestContext,
) -> Result<bool, GaveUp> {
    let holds = match &condition.test {
        Test::True(value) => {
            let value = Exchange::now(session, ctx).rendered(value);
            !value.is_empty() && value != b"0"
        }
        Test::Equal(value, other) => {
            Exchange::now(session, ctx).rendered(value)
                == Exchange::now(session, ctx).rendered(other)
        }
        Test::Matches(value, pattern) => {
            let value = Exchange::now(session, ctx).rendered(value);
            find(pattern, &value, ctx)?
        }
        Test::File(test, path) => {
            let path = Exchange::now(session, ctx).rendered(path);
            is_such(*test, &path).await
        }
    };
    Ok(holds != condition.negated)
}

/// Whether a pattern matches; if not, there are no groups any more.
fn find(pattern: &Pattern, subject: &[u8], ctx: &mut RequestContext) -> Result<bool, GaveUp> {
    let found = pattern.find(subject, ctx.assigned_mut())?;
    if !found {
        ctx.assigned_mut().forget_groups();
    }
    Ok(found)
}

async fn is_such(test: FileTest, path: &[u8]) -> bool {
    let path = Path::new(std::ffi::OsStr::from_bytes(path)).to_owned();
    let look = move || match test {
        FileTest::Exists => path.symlink_metadata().is_ok(),
        FileTest::File => path.metadata().is_ok_and(|found| found.is_file()),
        FileTest::Directory => path.metadata().is_ok_and(|found| found.is_dir()),
        FileTest::Executable => {
            use std::os::unix::fs::PermissionsExt;
            let executable = |found: std::fs::Metadata| found.permissions().mode() & 0o100 != 0;
            path.metadata().is_ok_and(executable)
        }
    };
    tokio::task::spawn_blocking(look).await.unwrap_or(false)
}

/// Carries a `rewrite` out. `None` when the next step follows.
fn apply<'a>(
    rewrite: &Rewrite,
    session: &Session,
    ctx: &mut RequestContext,
) -> Result<Option<End<'a>>, GaveUp> {
    let path = ctx.path().to_vec();
    if !find(&rewrite.pattern, &path, ctx)? {
        return Ok(None);
    }
    let values = Exchange::now(session, ctx);
    // Groups of a path that came escaped are escaped again in a query and in a URL.
    let escaped = uri::EscapedGroups {
        values: &values,
        escape: uri::was_escaped(ctx.arrival().line.target()),
    };
    if let Then::Redirect(status) = rewrite.then {
        let mut url = Vec::new();
        render(&rewrite.replacement, &escaped, &mut url);
        let mut url = uri::unescape_for_redirect(&url);
        if rewrite.keep_args
            && let Some(query) = ctx.query().filter(|query| !query.is_empty())
        {
            let separator = if url.contains(&b'?') { b'&' } else { b'?' };
            url.push(separator);
            url.extend_from_slice(query);
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND);
        return Ok(Some(End::Redirect(status, url)));
    }
    let mut new_path = Vec::new();
    render(&rewrite.replacement, &values, &mut new_path);
    let query = match &rewrite.args {
        Some(args) => {
            let mut query = Vec::new();
            render(args, &escaped, &mut query);
            if rewrite.keep_args
                && let Some(old) = ctx.query().filter(|old| !old.is_empty())
            {
                query.push(b'&');
                query.extend_from_slice(old);
            }
            Some(Some(query))
        }
        None if rewrite.keep_args => None,
        None => Some(None),
    };
    if new_path.is_empty() {
        error_log::empty_rewrite(session, ctx);
        return Ok(Some(End::Failed(StatusCode::INTERNAL_SERVER_ERROR)));
    }
    let flow = &mut ctx.flow;
    flow.path = Some(new_path);
    if let Some(query) = query {
        flow.query = Some(query);
    }
    flow.internal = true;
    flow.rewritten = true;
    flow.changed = rewrite.then != Then::Break;
    flow.left_location |= rewrite.then == Then::Break;
    Ok(match rewrite.then {
        Then::Last | Then::Break => Some(End::Broken),
        Then::Continue | Then::Redirect(_) => None,
    })
}
