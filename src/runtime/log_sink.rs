//! Where a location's access log lines go.

use std::fmt;

/// Takes finished access log lines. Called from the request path, so it must not block.
pub trait LogSink: fmt::Debug + Send + Sync {
    /// Takes one line, without its line end.
    fn write(&self, line: Vec<u8>);
}
