//! What a request touches: one immutable generation of the configuration, built from a `Model`.
//!
//! A generation is a tree of `Arc`s behind the only `ArcSwap` of ours ([`Live`]). A request pins
//! one generation and works on it to its end, so that no request sees half a reload. Hosts and
//! locations are hash tables and sorted lists, templates and patterns are compiled, pages are in
//! memory: nothing here looks anything up by the name the configuration used.

mod answer_rewrites;
mod assigned;
mod common;
mod compression;
mod connector;
mod defined;
mod destinations;
pub mod dns;
mod extras;
mod generation;
mod hidden;
mod hostname;
mod hosts;
mod live;
mod locations;
mod log_sink;
mod pass;
mod pattern;
mod request_headers;
mod script;
mod seen;
mod template;
pub mod upstream;

pub use answer_rewrites::{AnswerRewrites, CookieFlags, Found, Replacement};
pub use assigned::Assigned;
pub use common::{AccessLog, Common, LogOutlet};
pub use compression::Compression;
pub use connector::connection;
pub use defined::Defined;
pub use destinations::Destinations;
pub use extras::Extras;
pub use generation::{
    Action, Builder, Generation, Kind, LimitExcept, Listener, ListenerId, Location, Site,
};
pub use hostname::hostname;
pub use live::Live;
pub use log_sink::{ErrorLog, ErrorSink, LogSink, NamedLogSink};
pub use pass::{Bind, Destination, Passing, ProxyPass};
pub use pattern::{GaveUp, Pattern};
pub use request_headers::{LineValue, RequestHeaders};
pub use script::{Condition, If, Rewrite, Step, Test};
pub use seen::Seen;
pub use template::{Values, render, render_line};
