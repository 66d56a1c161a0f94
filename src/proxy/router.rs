//! The extension trait: routing by the embedder's own logic.
//!
//! A router is asked once for each request, after its location is known and before a backend is
//! chosen. It belongs to the server, not to a generation, so its state survives reloads.

use crate::runtime::upstream::Upstream;
use crate::runtime::{Generation, Location};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode};
use std::net::IpAddr;
use std::sync::Arc;

/// Decides where a request goes.
///
/// Any `Fn(&RouteRequest<'_>) -> Result<Route, RouteError>` is a router. Implement the trait for a
/// decision that has to wait, such as a look-up in a database.
///
/// A router that returns an error, panics or takes longer than
/// [`Server::router_timeout`](crate::Server::router_timeout) costs its own request a 500 and a line in the
/// error log; every other request goes on. A closure must not block: it runs on a thread that
/// serves other connections too.
///
/// ```
/// use gapura::{Route, RouteError, RouteRequest, Router};
///
/// struct ByTenant;
///
/// #[async_trait::async_trait]
/// impl Router for ByTenant {
///     async fn route(&self, request: &RouteRequest<'_>) -> Result<Route, RouteError> {
///         let Some(tenant) = request.header("x-tenant") else { return Ok(Route::decline()) };
///         // The name comes from a client: an upstream that does not exist is an error value.
///         Ok(Route::to(request.upstream(tenant)?))
///     }
/// }
/// # let _: Box<dyn Router> = Box::new(ByTenant);
/// ```
#[async_trait]
pub trait Router: Send + Sync + 'static {
    /// Decides about one request.
    ///
    /// # Errors
    /// What keeps the router from deciding. The visitor gets a 500, the error log the error.
    async fn route(&self, request: &RouteRequest<'_>) -> Result<Route, RouteError>;
}

#[async_trait]
impl<F> Router for F
where
    F: Fn(&RouteRequest<'_>) -> Result<Route, RouteError> + Send + Sync + 'static,
{
    async fn route(&self, request: &RouteRequest<'_>) -> Result<Route, RouteError> {
        self(request)
    }
}

/// Why a router could not decide.
pub type RouteError = Box<dyn std::error::Error + Send + Sync>;

/// What a router sees of a request.
#[derive(Clone, Copy)]
pub struct RouteRequest<'a> {
    pub(super) method: &'a Method,
    pub(super) host: &'a str,
    pub(super) path: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) query: Option<&'a [u8]>,
    pub(super) headers: &'a HeaderMap,
    pub(super) client: Option<IpAddr>,
    pub(super) site: &'a str,
    pub(super) generation: &'a Generation,
    pub(super) location: &'a Location,
}

impl<'a> RouteRequest<'a> {
    /// The method.
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The host: lower case, without port, as `$host`.
    pub fn host(&self) -> &'a str {
        self.host
    }

    /// The path, percent-decoded and normalised, as `$uri`; bytes that are no UTF-8 are replaced.
    pub fn path(&self) -> std::borrow::Cow<'a, str> {
        String::from_utf8_lossy(self.path)
    }

    /// The target as the client sent it, encoded and with its query string, as `$request_uri`;
    /// bytes that are no UTF-8 are replaced.
    pub fn target(&self) -> std::borrow::Cow<'a, str> {
        String::from_utf8_lossy(self.target)
    }

    /// The query string without its `?`, if there is one.
    pub fn query(&self) -> Option<std::borrow::Cow<'a, str>> {
        self.query.map(String::from_utf8_lossy)
    }

    /// Every header.
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// The first header of this name whose value is text.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&'a str> {
        let lines = self.headers.get_all(http::header::COOKIE).into_iter();
        lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// The client's address; `None` on a Unix socket.
    pub fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// The name of the site that answers.
    pub fn site(&self) -> &'a str {
        self.site
    }

    /// The upstream the location passes to, if it does; none where `$variables` say where to.
    pub fn location_upstream(&self) -> Option<&'a str> {
        match &self.location.action {
            crate::runtime::Action::Proxy(pass) => match &pass.to {
                crate::runtime::Destination::Upstream(upstream) => Some(upstream.name()),
                crate::runtime::Destination::Written { .. } => None,
            },
            crate::runtime::Action::Files
            | crate::runtime::Action::Status(_)
            | crate::runtime::Action::AddSlash(_) => None,
        }
    }

    /// The upstream of this name in the configuration that serves this request.
    ///
    /// # Errors
    /// There is none.
    pub fn upstream(&self, name: &str) -> Result<UpstreamRef, UnknownUpstream> {
        match self.generation.upstream(name) {
            Some(upstream) => Ok(UpstreamRef(Arc::clone(upstream))),
            None => Err(UnknownUpstream(name.to_owned())),
        }
    }
}

/// An upstream of the configuration that serves a request.
#[derive(Debug, Clone)]
pub struct UpstreamRef(pub(super) Arc<Upstream>);

/// There is no upstream of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no upstream is called {0:?}")]
pub struct UnknownUpstream(String);

/// What a router decided.
#[derive(Debug, Default)]
pub struct Route {
    pub(super) target: Target,
    pub(super) path: Option<String>,
    pub(super) request_headers: Vec<(String, String)>,
    pub(super) response_headers: Vec<(String, String)>,
}

/// Where a route goes.
#[derive(Debug, Default)]
pub(super) enum Target {
    #[default]
    Location,
    Upstream(UpstreamRef),
    Backend(UpstreamRef, String),
    Answer(StatusCode, String, Bytes),
}

impl Route {
    /// Leaves the request to its location. Headers and a path can still be set.
    pub fn decline() -> Self {
        Self::default()
    }

    /// Passes the request to this upstream.
    pub fn to(upstream: UpstreamRef) -> Self {
        Self {
            target: Target::Upstream(upstream),
            ..Self::default()
        }
    }

    /// Passes the request to one server of an upstream, named by its address as the configuration
    /// has it. When it cannot be used the visitor gets the all-down page; an address the upstream
    /// does not have is a 500 and a line in the error log.
    pub fn to_backend(upstream: UpstreamRef, address: impl Into<String>) -> Self {
        Self {
            target: Target::Backend(upstream, address.into()),
            ..Self::default()
        }
    }

    /// Answers at once, with a final status (200 and above).
    pub fn answer(
        status: StatusCode,
        content_type: impl Into<String>,
        body: impl Into<Bytes>,
    ) -> Self {
        let target = Target::Answer(status, content_type.into(), body.into());
        Self {
            target,
            ..Self::default()
        }
    }

    /// Asks the upstream for another path (with its query string, if it has one), instead of the
    /// target the client sent. It is sent as it is: make it from [`RouteRequest::target`], which is
    /// still encoded, rather than from the decoded path. One that cannot stand in a request line costs
    /// the request a 500.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Sets a header of the request to the upstream; an empty value removes it. Comes after
    /// `proxy_set_header`. A name or a value that HTTP does not allow costs the request a 500.
    #[must_use]
    pub fn with_request_header(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.request_headers.push((name.into(), value.into()));
        self
    }

    /// What of it cannot be sent, in words. The names and values may come from anywhere, a client's
    /// header included, and nothing of them may end a line.
    pub(super) fn problem(&self) -> Option<String> {
        let headers = self.request_headers.iter().chain(&self.response_headers);
        for (name, value) in headers {
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Some(format!("{name:?} is no header name"));
            }
            if HeaderValue::from_str(value).is_err() {
                return Some(format!("{value:?} is no value for {name:?}"));
            }
        }
        if let Some(path) = &self.path
            && (!path.starts_with('/') || path.parse::<PathAndQuery>().is_err())
        {
            return Some(format!("{path:?} is no path"));
        }
        if let Target::Answer(status, content_type, _) = &self.target {
            if status.is_informational() {
                return Some(format!("{status} is no final status"));
            }
            if HeaderValue::from_str(content_type).is_err() {
                return Some(format!("{content_type:?} is no content type"));
            }
        }
        None
    }

    /// Adds a header to the answer, whatever its status. A name or a value that HTTP does not allow
    /// costs the request a 500. Not what says where the answer ends: `Content-Length`, `Transfer-Encoding`.
    #[must_use]
    pub fn with_response_header(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.response_headers.push((name.into(), value.into()));
        self
    }
}
