//! The door: reads every request header itself, before Pingora sees it.
//!
//! Pingora answers malformed requests on its own and unlogged, has no total time for a header and
//! accepts much that nginx refuses. So a [`Door`] stands in front of `ProxyHttp` on every
//! listener. It reads a header within the site's limits, answers what is malformed as nginx does,
//! and hands the rest over as a session of Pingora's, with an [`Admission`] that keeps what the client
//! really sent. A [`DoorStream`] below that session gives it the bytes of one body and keeps those of the
//! next request.
//!
//! What a request means, which backend takes it and what a page looks like is left to the
//! [`Application`] behind the door.

mod admission;
mod alarm;
mod arriving;
mod canonical;
mod chunked;
mod class;
mod connection;
mod counters;
mod fault;
mod headers;
mod home;
mod host;
mod lifelines;
mod linger;
mod path;
mod reader;
mod request_line;
mod resting;
mod serve;
mod session;
mod socket;
mod stream;

pub use admission::{Admission, Arrival, Framing, Refusal};
pub use chunked::MalformedBody;
pub use connection::Connection;
pub use counters::Counts;
pub use fault::Fault;
pub use headers::Headers;
pub use lifelines::Lifelines;
pub use request_line::RequestLine;
pub use serve::Door;
pub use socket::Socket;
pub use stream::{Collected, DoorStream, Placed, SILENT};

use crate::runtime::Live;
use bytes::Bytes;
use pingora_core::protocols::http::custom::server::Session;
use pingora_core::server::ShutdownWatch;
use std::sync::Arc;

/// What stands behind the doors of all listeners.
pub trait Application: Send + Sync + 'static {
    /// The generations. Each request pins one when its first byte is there.
    fn live(&self) -> &Live;

    /// Serves an admitted request: `HttpProxy::process_new_http` of a `ServerSession::new_custom`. The first
    /// phase of `ProxyHttp` takes its [`Admission`] with [`Admission::receive`], says with
    /// [`DoorStream::set_keepalive`] whether the connection [stays open](Admission::is_kept), and
    /// `persist_connection_context` calls [`DoorStream::keep`]: without both it is closed.
    fn serve(
        self: &Arc<Self>,
        session: Box<dyn Session>,
        shutdown: &ShutdownWatch,
    ) -> impl Future<Output = ()> + Send;

    /// Logs a request that was refused and gives the whole answer: status line, headers and body,
    /// or the body alone when [`Refusal::body_only`]. The connection closes after it, so the
    /// answer says `Connection: close`. Not written when [`Fault::is_silent`]. `None` when the answer
    /// takes more than that: then [`serve`](Self::serve) is called, with the fault in the [`Admission`].
    fn refuse(&self, refusal: &Refusal<'_>) -> Option<Bytes>;
}
