//! The request path: `impl ProxyHttp` and its phases.
//!
//! | phase | file |
//! |---|---|
//! | site's steps, location, its steps, what it does; error pages that lead elsewhere | `phases`, `flow` |
//! | `rewrite`, `set`, `if` and their kin | `rewrite` |
//! | the client's address, when a proxy says it | `real_ip` |
//! | router, body limit | `admit` |
//! | the request's body, where it is read first | `body` |
//! | choosing a backend | `pass` |
//! | waiting for one that is free | `queue` |
//! | the connection to it | `line` |
//! | sessions bound to backends | `sticky` |
//! | the request to it | `request` |
//! | the target when `proxy_pass` has a URI | `uri` |
//! | failed tries | `retry` |
//! | the answer | `answer`, `rewrite_answer`, `cookie`, `pace` |
//! | what went wrong, and its status | `failure` |
//! | answers made from files | `files/` |
//! | `stub_status` | `status_page` |
//! | headers added: `expires`, `add_header` | `added` |
//! | `charset` | `charset` |
//! | `sub_filter` | `substitute` |
//! | `gzip` | `compress` |
//! | the way out of Gapura's own answers | `local` |
//! | an error's page | `error_page`, `built_in`, `nginx_page` |
//! | the access log | `log_line` |
//!
//! Nothing here knows a configuration file; everything comes from the generation that the door has
//! pinned.

mod added;
mod admit;
mod answer;
mod body;
mod built_in;
mod charset;
mod compress;
mod context;
mod cookie;
mod error_log;
mod error_page;
mod evaluate;
mod failure;
mod files;
mod flow;
mod line;
mod local;
mod log_line;
mod names;
mod nginx_page;
mod pace;
mod pass;
mod passage;
mod phases;
mod queue;
mod real_ip;
mod redirect;
mod request;
mod retry;
mod rewrite;
mod rewrite_answer;
mod router;
mod status_page;
mod sticky;
mod substitute;
mod target;
mod uri;
mod values;

pub use context::RequestContext;
pub use router::{Route, RouteError, RouteRequest, Router, UnknownUpstream, UpstreamRef};

use crate::door::{Admission, Application, DoorStream, Refusal};
use crate::runtime::Live;
use async_trait::async_trait;
use bytes::Bytes;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::Digest;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::custom::server::Session as CustomSession;
use pingora_core::server::ShutdownWatch;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, HttpProxy, ProxyHttp, ProxyWarnLogContext, Session};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// The proxy: what every request of every listener runs through.
pub struct Gateway {
    /// The embedder's own logic, asked once for each request.
    pub router: Option<Arc<dyn Router>>,
    /// How long it may take.
    pub router_timeout: Duration,
}

/// The gateway inside Pingora's proxy, as the door calls it.
pub struct Proxy(Arc<HttpProxy<Gateway>>, Arc<Live>);

impl Default for Gateway {
    fn default() -> Self {
        Self {
            router: None,
            router_timeout: Duration::from_secs(10),
        }
    }
}

impl Proxy {
    /// Wraps Pingora's proxy around a gateway.
    pub fn new(proxy: Arc<HttpProxy<Gateway>>, live: Arc<Live>) -> Self {
        Self(proxy, live)
    }
}

impl Application for Proxy {
    fn live(&self) -> &Live {
        &self.1
    }

    async fn serve(self: &Arc<Self>, session: Box<dyn CustomSession>, shutdown: &ShutdownWatch) {
        // The connection comes home to the door, whatever Pingora makes of it.
        let session = ServerSession::new_custom(session);
        self.0.process_new_http(session, shutdown).await;
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Option<Bytes> {
        error_page::refuse(refusal)
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Box<RequestContext>;

    fn new_ctx(&self) -> Self::CTX {
        Box::default()
    }

    // No downstream modules: compression belongs to a later piece.
    fn init_downstream_modules(&self, _: &mut pingora_core::modules::http::HttpModules) {}

    async fn request_filter(&self, session: &mut Session, ctx: &mut Self::CTX) -> Result<bool> {
        ctx.admission = Admission::receive(session.as_downstream_mut());
        self.admit(session, ctx).await
    }

    async fn proxy_upstream_filter(
        &self,
        session: &mut Session,
        ctx: &mut Self::CTX,
    ) -> Result<bool> {
        self.choose_first(session, ctx).await
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        ctx: &mut Self::CTX,
    ) -> Result<Box<HttpPeer>> {
        self.peer(session, ctx).await
    }

    async fn connected_to_upstream(
        &self,
        session: &mut Session,
        _reused: bool,
        _peer: &HttpPeer,
        descriptor: std::os::unix::io::RawFd,
        digest: Option<&Digest>,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        let counts = ctx.counts_upstream_bytes();
        if let Some(passage) = &mut ctx.passage {
            passage.connected(descriptor, digest, counts)?;
        }
        pass::connected(session, ctx).await
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        request::shape(session, request, ctx)
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        admit::hold_body(session, ctx)?;
        request::replace_body(session, body, end, ctx);
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        answer::from_upstream(session, response, ctx)
    }

    fn upstream_response_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Self::CTX,
    ) -> Result<Option<Duration>> {
        answer::count_body(session, body.as_ref(), end, ctx);
        Ok(None)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        answer::shape(session, response, ctx)
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Self::CTX,
    ) -> Result<Option<Duration>> {
        substitute::take(session, ctx, body, end);
        if let Some(gzip) = &mut ctx.gzip {
            gzip.take(body, end)?;
        }
        if end {
            added::write_trailers(session, ctx);
        }
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Self::CTX,
        error: Box<Error>,
    ) -> Box<Error> {
        retry::after_connect_failure(session, ctx, error)
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut Self::CTX,
        client_reused: bool,
    ) -> Box<Error> {
        retry::after_failure(session, ctx, error, client_reused)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Self::CTX,
    ) -> FailToProxy {
        self.answer_failure(session, error, ctx).await
    }

    fn persist_connection_context(
        &self,
        session: &Session,
        _: &Self::CTX,
    ) -> Option<Box<dyn Any + Send + Sync>> {
        DoorStream::of(session.as_downstream())?.keep();
        None
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, ctx: &mut Self::CTX) {
        log_line::finish(session, ctx).await;
    }

    // Every failure is logged by `error_log`, in nginx's words.
    fn suppress_error_log(&self, _: &Session, _: &Self::CTX, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Self::CTX,
        _: &Error,
        _: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}
