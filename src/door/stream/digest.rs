//! Where a stream is while a session has it: in the session's digest. Stream and digest are used again by
//! the next request of the thread, whoever's it is.

use super::{Client, DoorStream};
use crate::door::Connection;
use crate::door::alarm::Alarm;
use bytes::BytesMut;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{Digest, Stream};
use pingora_http::ResponseHeader;
use std::cell::RefCell;
use std::sync::Arc;

thread_local! {
    /// Streams of nobody in their digests, for the next requests of this thread.
    static VACANT: RefCell<Vec<Arc<ProxyDigest>>> = const { RefCell::new(Vec::new()) };
}

/// How many there are at most.
const MOST_VACANT: usize = 64;

impl DoorStream {
    /// A stream that goes on with what was read, and with an alarm that may be set. It is where Pingora's
    /// sessions have room for something of ours: in what a CONNECT proxy left, which is never met on the
    /// client's side.
    pub(in crate::door) fn take_up(
        stream: Stream,
        connection: Arc<Connection>,
        alarm: Alarm,
        input: BytesMut,
    ) -> Arc<ProxyDigest> {
        let mut digest = VACANT.with_borrow_mut(Vec::pop).unwrap_or_else(|| {
            let nothing = ResponseHeader::build_no_case(200, Some(0)).expect("a status");
            let vacant = Box::new(Self::vacant());
            Arc::new(ProxyDigest::new(Box::new(nothing), Some(vacant)))
        });
        let own = Self::within(&mut digest).expect("nobody else has a vacant one");
        own.client = Some(Client { stream, connection });
        own.alarm = alarm;
        own.input = input;
        digest
    }

    /// What is left of one when it has nothing to do and is [reusable](Self::is_reusable): the connection and
    /// its alarm. The rest is kept for another one.
    pub(in crate::door) fn put_down(mut digest: Arc<ProxyDigest>) -> Option<(Stream, Alarm)> {
        let own = Self::within(&mut digest)?;
        let Client { stream, .. } = own.client.take()?;
        let alarm = std::mem::take(&mut own.alarm);
        own.rules.clear();
        own.forget_body();
        VACANT.with_borrow_mut(|vacant| {
            if vacant.len() < MOST_VACANT {
                vacant.push(digest);
            }
        });
        Some((stream, alarm))
    }

    /// The stream in a digest of the door's.
    pub(in crate::door) fn within(digest: &mut Arc<ProxyDigest>) -> Option<&mut Self> {
        let digest = Arc::get_mut(digest)?;
        digest.user_data.as_mut()?.downcast_mut()
    }

    /// The same, to be looked at.
    pub(in crate::door) fn in_digest_of(digest: &Digest) -> Option<&Self> {
        let digest = digest.proxy_digest.as_ref()?;
        digest.user_data.as_ref()?.downcast_ref()
    }

    /// The door's stream below a session. `None` for a session that came another way: HTTP/2, a
    /// subrequest.
    pub fn of(session: &ServerSession) -> Option<&Self> {
        Self::in_digest_of(session.digest()?)
    }

    /// The same, to be changed.
    pub fn of_mut(session: &mut ServerSession) -> Option<&mut Self> {
        Self::within(session.digest_mut()?.proxy_digest.as_mut()?)
    }
}
