//! `stub_status`: nginx's page of counters.

use super::context::RequestContext;
use super::{local, pass};
use crate::door::Counts;
use http::{HeaderValue, Method, StatusCode, header};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

/// Writes the page. Gives a status instead when the method is not for reading.
pub(super) async fn write(
    session: &mut Session,
    ctx: &mut RequestContext,
) -> Result<Option<StatusCode>> {
    if !matches!(*ctx.method(session), Method::GET | Method::HEAD) {
        return Ok(Some(StatusCode::METHOD_NOT_ALLOWED));
    }
    pass::send_continue(session, ctx).await?;
    let Counts {
        accepted,
        requests,
        active,
        reading,
        writing,
        waiting,
    } = Counts::now();
    // Every connection that is accepted is handled.
    let page = format!(
        "Active connections: {active} \n\
         server accepts handled requests\n {accepted} {accepted} {requests} \n\
         Reading: {reading} Writing: {writing} Waiting: {waiting} \n"
    );
    let mut response = ResponseHeader::build(StatusCode::OK, Some(8))?;
    let text = HeaderValue::from_static("text/plain");
    response.insert_header(header::CONTENT_TYPE, text)?;
    response.insert_header(header::CONTENT_LENGTH, page.len())?;
    local::write(session, ctx, response, page.into()).await?;
    Ok(None)
}
