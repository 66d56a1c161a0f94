//! A connection that waits for a request.

use super::alarm::Alarm;
use super::lifelines::Lifeline;
use super::stream::read_some;
use super::{Connection, DoorStream};
use bytes::BytesMut;
use pingora_core::protocols::Stream;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::server::ShutdownWatch;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// What is left of a connection between two requests. There may be tens of thousands of them.
pub(super) struct Resting {
    stream: Stream,
    alarm: Alarm,
}

/// How a connection waits for a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pause {
    /// `keepalive_timeout`, or `client_header_timeout` before the first request.
    pub(super) until: Instant,
    /// Until when a request may come although the server shuts down: `keepalive_min_timeout`. `None` before the
    /// first request, which may come for a moment after that.
    pub(super) least: Option<Instant>,
}

impl Resting {
    /// Before the first request.
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            alarm: Alarm::default(),
        }
    }

    /// Behind an answer, when everything of its request is read.
    pub(super) fn after(digest: Arc<ProxyDigest>) -> Option<Self> {
        let (stream, alarm) = DoorStream::put_down(digest)?;
        Some(Self { stream, alarm })
    }

    /// Waits until something is there. `None` when the connection is to be closed, which is at once: nothing
    /// of the client's is unread.
    pub(super) async fn wait(
        &mut self,
        line: &Lifeline,
        pause: Pause,
        shutdown: &ShutdownWatch,
    ) -> Option<BytesMut> {
        let Pause { mut until, least } = pause;
        let mut ends = false;
        poll_fn(|context| {
            // What has it woken is seen here, or wakes it again.
            line.register(context.waker());
            if line.is_cut() {
                return Poll::Ready(None);
            }
            let mut input = BytesMut::new();
            if let Poll::Ready(read) = read_some(&mut self.stream, &mut input, context) {
                // Nothing means that the client has closed.
                let came = read.is_ok_and(|length| length > 0);
                return Poll::Ready(came.then_some(input));
            }
            // A watch whose sender is gone says so too.
            if !ends && (*shutdown.borrow() || shutdown.has_changed().is_err()) {
                ends = true;
                until = until.min(least.unwrap_or_else(|| Instant::now() + FIRST_REQUEST_GRACE));
            }
            self.alarm.poll(context, until).map(|()| None)
        })
        .await
    }

    /// The stream of the requests that begin with this.
    pub(super) fn rise(self, input: BytesMut, connection: &Arc<Connection>) -> Arc<ProxyDigest> {
        let Self { stream, alarm } = self;
        DoorStream::take_up(stream, Arc::clone(connection), alarm, input)
    }
}

/// How long a connection may still bring its first request when the server shuts down: its client cannot
/// know yet.
const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::super::Lifelines;
    use super::*;
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::watch;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);

    struct House {
        lifelines: Lifelines,
        connection: Arc<Connection>,
        resting: Resting,
        client: DuplexStream,
        ending: watch::Sender<bool>,
        shutdown: ShutdownWatch,
    }

    impl House {
        fn new() -> Self {
            let (ours, client) = duplex(64);
            let (ending, shutdown) = watch::channel(false);
            Self {
                lifelines: Lifelines::default(),
                connection: Arc::new(Connection::new(&ours)),
                resting: Resting::new(Box::new(ours)),
                client,
                ending,
                shutdown,
            }
        }

        /// What comes while something happens beside it.
        async fn wait(
            &mut self,
            limit: Duration,
            least: Duration,
            beside: impl AsyncFnOnce(&mut DuplexStream, &watch::Sender<bool>, &Lifelines),
        ) -> Option<Vec<u8>> {
            let _held = self.lifelines.hold(&self.connection, 0);
            let now = Instant::now();
            let pause = Pause {
                until: now + limit,
                least: Some(now + least),
            };
            let line = &self.connection.lifeline;
            let wait = self.resting.wait(line, pause, &self.shutdown);
            let beside = async {
                tokio::task::yield_now().await;
                beside(&mut self.client, &self.ending, &self.lifelines).await;
            };
            let (came, ()) = tokio::join!(wait, beside);
            came.map(|input| input.to_vec())
        }
    }

    #[tokio::test]
    async fn what_a_client_sends_ends_the_wait_and_so_does_its_end() {
        let mut house = House::new();
        let came = house.wait(LONG, LONG, async |client, _, _| {
            client.write_all(b"GET").await.expect("open");
        });
        assert_eq!(came.await.as_deref(), Some(&b"GET"[..]));
        let came = house.wait(LONG, LONG, async |client, _, _| {
            client.shutdown().await.expect("open");
        });
        assert_eq!(came.await, None);
    }

    #[tokio::test]
    async fn it_ends_with_its_time() {
        let mut house = House::new();
        assert_eq!(house.wait(SHORT, LONG, async |_, _, _| {}).await, None);
    }

    #[tokio::test]
    async fn it_ends_when_it_is_cut() {
        let mut house = House::new();
        let came = house.wait(LONG, LONG, async |_, _, lifelines| lifelines.cut_all());
        assert_eq!(came.await, None);
    }

    #[tokio::test]
    async fn a_server_that_ends_waits_as_long_as_it_has_to_and_no_longer() {
        let mut house = House::new();
        let came = house.wait(LONG, LONG, async |client, ending, lifelines| {
            ending.send_replace(true);
            lifelines.end();
            tokio::task::yield_now().await;
            client.write_all(b"GET").await.expect("open");
        });
        assert_eq!(came.await.as_deref(), Some(&b"GET"[..]));
        assert_eq!(house.wait(LONG, SHORT, async |_, _, _| {}).await, None);
        assert_eq!(
            house.wait(LONG, Duration::ZERO, async |_, _, _| {}).await,
            None
        );
    }
}
