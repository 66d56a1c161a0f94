//! Where a request is on its way through a configuration: the path it has now, and what redirects
//! inside of Gapura have made of it.

use http::{HeaderName, HeaderValue, Method, StatusCode};
use std::sync::Arc;

use crate::runtime::Location;

/// The state that redirects and rewrites change.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// The path, once it is not the one that was sent.
    pub(super) path: Option<Vec<u8>>,
    /// The query, once it is not the one that was sent; `None` inside is no query.
    pub(super) query: Option<Option<Vec<u8>>>,
    /// The method, once an error's page is asked for instead.
    pub(super) method: Option<Method>,
    /// The status of the answer, whatever makes it: an error page's.
    pub(super) status: Option<StatusCode>,
    /// The status of a `return` whose text is being written.
    pub(super) returning: Option<StatusCode>,
    /// `Location` of the answer.
    pub(super) location: Option<Vec<u8>>,
    /// Headers of an upstream's answer that are kept for the one in its place.
    pub(super) kept_headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether an error page was asked for; it has none of its own unless `recursive_error_pages`.
    pub(super) shows_error: bool,
    /// Whether the request came from inside, which `internal` is about.
    pub(super) internal: bool,
    /// Whether the target that the client sent no longer says what is asked for.
    pub(super) rewritten: bool,
    /// Whether `rewrite … break` changed the path: the location's own path is not in it any more.
    pub(super) left_location: bool,
    /// Whether the path goes behind an `alias` that is made of captures: `try_files` found it there.
    pub(super) behind_alias: bool,
    /// Whether a location has to be looked for again.
    pub(super) changed: bool,
    /// How often that happened.
    pub(super) changes: u8,
}

/// Where the way through a configuration goes on.
#[derive(Debug)]
pub(super) enum Entry {
    /// At the site's own steps.
    Site,
    /// At the location of the current path.
    Location,
    /// At a path and a query: a redirect inside.
    Redirect(Vec<u8>, Option<Vec<u8>>),
    /// In a location `@name`.
    Named(Arc<Location>),
    /// At a location `@name` that there is not.
    Nowhere(Vec<u8>),
    /// With an error, to be shown.
    Failed(StatusCode),
}

impl Flow {
    /// Counts a change of the path. `false` when it is one too many.
    pub(super) fn count_change(&mut self) -> bool {
        self.changes += 1;
        self.changes <= MOST_CHANGES
    }

    /// Whether the answer is an error's page, with the error's status: then it is sent whole and as it is.
    pub(super) fn is_error(&self) -> bool {
        self.status.is_some_and(|status| status != StatusCode::OK)
    }

    /// Whether no further change is allowed: then an error has no page of the configuration's own.
    pub(super) fn is_exhausted(&self) -> bool {
        self.changes > MOST_CHANGES
    }
}

/// nginx's bound on rewrites and redirects inside.
const MOST_CHANGES: u8 = 10;

/// A path and its query, as a redirect inside names them: `/path?query`.
pub(super) fn split(mut target: Vec<u8>) -> (Vec<u8>, Option<Vec<u8>>) {
    match memchr::memchr(b'?', &target) {
        Some(at) => {
            let query = target.split_off(at + 1);
            target.pop();
            (target, Some(query))
        }
        None => (target, None),
    }
}
