//! Closing so that the client reads the answer: nginx's `lingering_close`.
//!
//! A socket that is closed while something of the client's is unread sends a reset, and the reset
//! takes the answer with it. So the sending side is closed first and the rest is read away, for a
//! limited time.

use super::connection::Leftover;
use crate::model::LingeringClose;
use pingora::prelude::timeout;
use pingora_core::protocols::Stream;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, ReadBuf};

/// Closes a connection that is not used again.
pub(super) async fn close(leftover: Leftover) {
    let Leftover {
        mut stream,
        unread,
        lingering,
    } = leftover;
    let is_wanted = match lingering.close {
        LingeringClose::Off => false,
        LingeringClose::Always => true,
        LingeringClose::On => unread || has_more(&mut stream).await,
    };
    if !is_wanted {
        return;
    }
    // What the kernel has no room for, and TLS's goodbye, wait for the client.
    if timeout(lingering.timeout, stream.shutdown()).await.is_err() {
        return;
    }
    let end = Instant::now() + lingering.time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let read = poll_fn(|cx| poll_discard(&mut stream, cx));
        match timeout(left.min(lingering.timeout), read).await {
            Ok(Ok(1..)) if !left.is_zero() => {}
            _ => return,
        }
    }
}

/// Whether something has arrived by now.
async fn has_more(stream: &mut Stream) -> bool {
    poll_fn(|cx| Poll::Ready(matches!(poll_discard(stream, cx), Poll::Ready(Ok(1..))))).await
}

/// The buffer is on the stack of the poll, so that it is no part of every connection's task.
fn poll_discard(stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    let mut space = [MaybeUninit::uninit(); 4096];
    let mut space = ReadBuf::uninit(&mut space);
    ready!(Pin::new(stream).poll_read(cx, &mut space))?;
    Poll::Ready(Ok(space.filled().len()))
}
