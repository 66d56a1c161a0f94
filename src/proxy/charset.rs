//! `charset`: what `Content-Type` says of an answer's characters.

use super::context::RequestContext;
use super::values::Exchange;
use http::{HeaderValue, StatusCode, header};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

/// Names the charset of an answer that names none, where the location wants that.
pub(super) fn name(
    session: &Session,
    response: &mut ResponseHeader,
    ctx: &RequestContext,
) -> Result<()> {
    let settings = &ctx.settings().charset;
    let (Some(charset), Some(content_type)) =
        (&settings.name, response.headers.get(header::CONTENT_TYPE))
    else {
        return Ok(());
    };
    // As nginx, for browsers that took it for the next page's.
    let is_redirect = matches!(
        response.status,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND
    );
    let content_type = content_type.as_bytes();
    if is_redirect
        || content_type.is_empty()
        || has_one(content_type)
        || !settings.types.contains(content_type)
    {
        return Ok(());
    }
    let exchange = Exchange {
        session,
        ctx,
        response: Some(response),
    };
    let charset = exchange.rendered(charset);
    let value = [content_type, b"; charset=", &charset].concat();
    match HeaderValue::try_from(value) {
        Ok(value) if !charset.is_empty() => set_type(response, value),
        _ => Ok(()),
    }
}

/// Gives an answer another type of its own. What `add_header` says beside it stays.
pub(super) fn set_type<V>(response: &mut ResponseHeader, value: V) -> Result<()>
where
    V: TryInto<HeaderValue, Error: Into<http::Error>>,
{
    let lines = response.headers.get_all(header::CONTENT_TYPE).iter();
    let added: Vec<_> = lines.skip(1).cloned().collect();
    response.insert_header(header::CONTENT_TYPE, value)?;
    for line in added {
        response.append_header(header::CONTENT_TYPE, line)?;
    }
    Ok(())
}

/// Whether a type names its charset.
pub(super) fn has_one(content_type: &[u8]) -> bool {
    let lower = content_type.to_ascii_lowercase();
    memchr::memmem::find(&lower, b"charset=").is_some()
}
