//! `send_timeout`: how long a single write may wait for the client.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Runs while a write waits.
#[derive(Default)]
pub(super) struct Patience(Option<Pin<Box<tokio::time::Sleep>>>);

impl Patience {
    /// What comes of a write that may have to wait, for so long; without a limit for ever.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        limit: Option<Duration>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let Some(limit) = limit.filter(|_| outcome.is_pending()) else {
            self.0 = None;
            return outcome;
        };
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}
