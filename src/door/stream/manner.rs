//! How a session behaves, as the phases of its request want it.

use super::DoorStream;
use pingora_core::protocols::http::ServerSession;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The error of a request whose server says nothing for too long.
pub const SILENT: &str = "the server says nothing";

/// How a session behaves, as the phases of its request want it.
#[derive(Debug, Clone, Copy)]
pub(in crate::door) struct Manner {
    /// The connection stays open.
    pub(in crate::door) keepalive: bool,
    /// Answers before the answer are left out.
    pub(in crate::door) hides_interim: bool,
    /// An answer that comes before the request's body is read ends the connection.
    pub(in crate::door) closes_when_early: bool,
    /// The request ends with a client that closes.
    pub(in crate::door) ends_with_client: bool,
    /// How long a server may say nothing, where that is for the session to watch.
    pub(in crate::door) silence: Option<Duration>,
    /// Lines of the answer's that nginx writes before the others where it made the answer itself.
    pub(in crate::door) placed: Placed,
}

/// What stands before the other lines of an answer, beside what always does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Placed {
    /// `Last-Modified`, of a file.
    pub last_modified: bool,
    /// `Location`, of a redirect to a path.
    pub location: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            keepalive: false,
            hides_interim: false,
            closes_when_early: true,
            ends_with_client: true,
            silence: None,
            placed: Placed::default(),
        }
    }
}

impl DoorStream {
    /// Whether the connection stays open after this request.
    pub fn is_kept_alive(session: &ServerSession) -> bool {
        Self::of(session).is_some_and(|stream| stream.manner.keepalive)
    }

    /// Says whether the connection stays open after this request.
    pub fn set_keepalive(session: &mut ServerSession, kept: bool) {
        if let Some(stream) = Self::of_mut(session) {
            stream.manner.keepalive = kept;
        }
    }

    /// Says whether answers before the answer are left out, but for a 101 and the 100 that a client waits for.
    pub fn hide_interim(session: &mut ServerSession, hidden: bool) {
        if let Some(stream) = Self::of_mut(session) {
            stream.manner.hides_interim = hidden;
        }
    }

    /// An answer may come before the request's body is read, and the connection stays open: what is left of
    /// the body is read away after it.
    pub fn allow_early_answer(session: &mut ServerSession) {
        if let Some(stream) = Self::of_mut(session) {
            stream.manner.closes_when_early = false;
        }
    }

    /// The answer is Gapura's own, and these of its lines have places of theirs.
    pub fn place(session: &mut ServerSession, placed: Placed) {
        if let Some(stream) = Self::of_mut(session) {
            stream.manner.placed = placed;
        }
    }

    /// The request goes to a server: whether it ends when its client closes, and after how long without a
    /// word of the server's it fails with [`SILENT`]. That is for requests without a body, which wait for
    /// nothing but the answer: one timer does for all of a connection's, where Pingora sets some for each.
    pub fn wait_for_server(
        session: &mut ServerSession,
        ends_with_client: bool,
        limit: Option<Duration>,
    ) {
        if let Some(stream) = Self::of_mut(session) {
            stream.manner.ends_with_client = ends_with_client;
            stream.manner.silence = limit;
            stream.manner.placed = Placed::default();
            stream.silent_since = None;
        }
    }

    /// Something has come from the server.
    pub(in crate::door) fn hear(&mut self) {
        self.silent_since = None;
    }

    /// Waits until the server has said nothing for too long.
    pub(in crate::door) fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = self.manner.silence else {
            return Poll::Pending;
        };
        let since = *self.silent_since.get_or_insert_with(Instant::now);
        self.alarm.poll(cx, since + limit)
    }
}
