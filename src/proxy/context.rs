//! What one request carries from phase to phase.

use super::compress::Gzip;
use super::failure::Failure;
use super::flow::{Entry, Flow};
use super::passage::{Destination, Passage, Try};
use super::substitute::Substitute;
use crate::door::{Admission, Arrival};
use crate::model;
use crate::runtime::{Assigned, GaveUp, Location};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::sync::Arc;

/// Pingora's `CTX`: the state of one request.
#[derive(Default)]
pub struct RequestContext {
    /// What the door knows: the pinned generation, the site, the request as it was sent. It is there
    /// before the first phase; only a subrequest of Pingora's own would be without it.
    pub(super) admission: Option<Box<Admission>>,
    /// The location that took the request.
    pub(super) location: Option<Arc<Location>>,
    /// The path it has now, and what redirects inside have made of it.
    pub(super) flow: Flow,
    /// Where the way goes on instead of to the upstream, once a try has ended so.
    pub(super) detour: Option<Entry>,
    /// The way to the upstream, when the request is passed on.
    pub(super) passage: Option<Passage>,
    /// Whether the answer was written where Pingora expects a server's name.
    pub(super) answered: bool,
    /// Whether the router was asked.
    pub(super) routed: bool,
    /// Headers that a router wants on the answer, and those that an intercepted answer leaves to
    /// the page in its place.
    pub(super) response_headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether the client waits for a 100 that has not been sent.
    pub(super) expects_continue: bool,
    /// Why Gapura answers itself, once that is known.
    pub(super) failure: Option<Failure>,
    /// The client did not get the whole answer.
    pub(super) cut: bool,
    /// The status that is logged when no answer was written.
    pub(super) logged_status: Option<StatusCode>,
    /// What is replaced in the answer, when something is.
    pub(super) substitute: Option<Substitute>,
    /// The answer's compression, when it is compressed.
    pub(super) gzip: Option<Gzip>,
    /// The header of an answer that gets trailers, and those it got.
    pub(super) expects_trailers: Option<Box<ResponseHeader>>,
    pub(super) trailers: Vec<(String, Vec<u8>)>,
    /// `$request_id`, made when it is first asked for.
    pub(super) request_id: std::sync::OnceLock<String>,
}

impl RequestContext {
    /// The path as it is now.
    pub(super) fn path(&self) -> &[u8] {
        match &self.flow.path {
            Some(path) => path,
            None => self.arrival().line.path(),
        }
    }

    /// The query as it is now.
    pub(super) fn query(&self) -> Option<&[u8]> {
        match &self.flow.query {
            Some(query) => query.as_deref(),
            None => self.arrival().line.query(),
        }
    }

    /// The method as it is now: an error page's is GET.
    pub(super) fn method<'a>(&'a self, session: &'a Session) -> &'a Method {
        let sent = &session.req_header().method;
        self.flow.method.as_ref().unwrap_or(sent)
    }

    /// Whether the request came from inside.
    pub(super) fn is_internal(&self) -> bool {
        self.flow.internal
    }

    /// The variables that the request writes.
    pub(super) fn assigned_mut(&mut self) -> &mut Assigned {
        &mut self.arrival_mut().assigned
    }

    /// The location of the path as it is now.
    ///
    /// # Errors
    /// A regular expression took too long.
    pub(super) fn find_location(&mut self) -> Result<Arc<Location>, GaveUp> {
        let admission = self.admission.as_deref_mut();
        let arrival = &mut admission.expect(ADMITTED).arrival;
        let path = match &self.flow.path {
            Some(path) => path,
            None => arrival.line.path(),
        };
        let found = arrival.site.location(path, &mut arrival.assigned);
        found.map(Arc::clone)
    }

    /// The request goes to an upstream. What was tried before at another stays in the log.
    pub(super) fn start_passage(&mut self, mut passage: Passage) {
        if let Some(mut before) = self.passage.take() {
            before.release();
            passage.tries = before.tries;
            if !passage.tries.is_empty() {
                passage.tries.push(Try::start(Destination::Redirected));
            }
        }
        self.failure = None;
        self.passage = Some(passage);
    }

    /// The client is this one, as a proxy says.
    pub(super) fn set_real_client(&mut self, client: std::net::SocketAddr) {
        self.arrival_mut().real_client = Some(client);
    }

    fn arrival_mut(&mut self) -> &mut Arrival {
        let admission = self.admission.as_deref_mut();
        &mut admission.expect(ADMITTED).arrival
    }

    /// Whether something asks how many bytes went over connections to upstreams.
    pub(super) fn counts_upstream_bytes(&self) -> bool {
        let generation = self.arrival().generation.as_ref();
        generation.is_some_and(|generation| generation.counts_upstream_bytes())
    }

    /// What the door handed over.
    pub(super) fn admission(&self) -> &Admission {
        self.admission.as_deref().expect(ADMITTED)
    }

    /// Where the request came in and its first line.
    pub(super) fn arrival(&self) -> &Arrival {
        &self.admission().arrival
    }

    /// The location's settings; the site's own before the location is known.
    pub(super) fn settings(&self) -> &model::Location {
        &self.place().settings
    }

    /// The location; what the site says for none before it is known.
    pub(super) fn place(&self) -> &Arc<Location> {
        self.location
            .as_ref()
            .unwrap_or_else(|| self.arrival().site.fallback())
    }
}

/// Why there is an admission.
const ADMITTED: &str = "the door admits every request before its first phase";
