//! The system's errors in nginx's words: `98: Address already in use`.

use std::error::Error;
use std::fmt;
use std::io;

/// The system's error at the bottom of an error, if there is one: Pingora wraps it in others.
pub(crate) fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    match error.downcast_ref() {
        Some(found) => Some(found),
        None => find(error.source()?),
    }
}

/// Shows an error as nginx does: its number and the system's text, without Rust's "(os error N)".
pub(crate) struct OsError<'a>(pub(crate) &'a io::Error);

impl fmt::Display for OsError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let words = text
            .rsplit_once(" (os error")
            .map_or(text.as_str(), |(words, _)| words);
        write!(f, "{}: {words}", self.0.raw_os_error().unwrap_or_default())
    }
}
