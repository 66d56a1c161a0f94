//! A connection from its first byte to its last: one request after another.

use super::admission::{Admission, Arrival, Refusal};
use super::arriving::Arriving;
use super::canonical;
use super::counters::Counted;
use super::lifelines::Lifelines;
use super::resting::{Pause, Resting};
use super::session::DoorSession;
use super::{Application, Connection, DoorStream, Fault, Framing, Headers, linger};
use crate::runtime::ListenerId;
use bytes::BytesMut;
use pingora::prelude::timeout;
use pingora_core::protocols::Stream;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::server::ShutdownWatch;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

/// Serves the connections of one listener.
pub struct Door<A> {
    application: Arc<A>,
    listener: ListenerId,
    lifelines: Arc<Lifelines>,
}

impl<A> Door<A> {
    /// The door of a listener.
    pub fn new(application: Arc<A>, listener: ListenerId, lifelines: Arc<Lifelines>) -> Self {
        Self {
            application,
            listener,
            lifelines,
        }
    }
}

impl<A: Application> Door<A> {
    /// Serves a connection until it is closed.
    ///
    /// While it waits for a request it is what [`Resting`] has and this future. All that a request takes
    /// is made when its first byte is there, and given back behind its answer. One that waits looks at
    /// `shutdown` when it [has to end](Self::end).
    pub async fn serve(&self, stream: Stream, shutdown: &ShutdownWatch) {
        let connection = Arc::new(Connection::new(&*stream));
        let generation = self.application.live().pin().number();
        let _held = self.lifelines.hold(&connection, generation);
        let Some(limit) = self.before_first_request() else {
            return;
        };
        let mut resting = Resting::new(stream);
        let mut pause = Pause {
            until: Instant::now() + limit,
            least: None,
        };
        loop {
            let waiting = Counted::waiting();
            let came = resting.wait(&connection.lifeline, pause, shutdown).await;
            drop(waiting);
            let Some(input) = came else { return };
            let work = self.attend(resting, input, &connection, shutdown);
            let Some(next) = Box::pin(work).await else {
                return;
            };
            (resting, pause) = next;
        }
    }

    /// Ends the connections that wait for a request, and the others behind their next answer, which says so. To
    /// be called when the shutdown watch does.
    pub fn end(&self) {
        self.lifelines.end();
    }

    /// Serves requests until there is none any more, or the connection is closed.
    async fn attend(
        &self,
        resting: Resting,
        input: BytesMut,
        connection: &Arc<Connection>,
        shutdown: &ShutdownWatch,
    ) -> Option<(Resting, Pause)> {
        let _home = connection.home.until_dropped();
        let digest = resting.rise(input, connection);
        let conversation = pin!(self.converse(digest, connection, shutdown));
        let ended = connection.lifeline.until_cut(conversation).await;
        if let Some(next @ Some(_)) = ended {
            return next;
        }
        if ended.is_some()
            && let Some(leftover) = connection.take_leftover()
        {
            Box::pin(linger::close(leftover)).await;
        }
        None
    }

    /// Serves the requests that are there. `None` when the connection is to be closed.
    async fn converse(
        &self,
        mut digest: Arc<ProxyDigest>,
        connection: &Arc<Connection>,
        shutdown: &ShutdownWatch,
    ) -> Option<(Resting, Pause)> {
        let line = &connection.lifeline;
        let mut headers = Headers::take();
        let mut pipelined = false;
        loop {
            let stream = DoorStream::within(&mut digest)?;
            let reading = Counted::reading();
            // Only now, so that a connection that waits does not hold an old generation.
            let generation = self.application.live().pin();
            line.pinned(generation.number());
            let listener = Arc::clone(generation.listener(self.listener)?.at(|| {
                connection
                    .server()
                    .and_then(|address| address.as_inet())
                    .copied()
            }));
            connection.count_request();
            let arriving = Arriving {
                pipelined,
                started: Instant::now(),
                id: self.listener,
                generation,
                connection,
            };
            let received = match arriving.receive(&listener, stream, &mut headers) {
                Ok(received) => received,
                Err(arriving) => {
                    // Boxed, because it is rare and large: what is moved for each request is to be small.
                    let rest = arriving.receive_slowly(&listener, stream, &mut headers);
                    Box::pin(rest).await
                }
            };
            let mut admission = match received {
                Ok(admission) => admission,
                // Boxed for the same reason.
                Err(refused) => Box::pin(self.refuse(*refused, &headers, stream)).await?,
            };
            drop(reading);
            let _writing = Counted::writing();
            let site = Arc::clone(&admission.arrival.site);
            let header = admission.header.take()?;
            admission.keepalive &= !*shutdown.borrow();
            let upgrade = admission.upgrade;
            stream.admission = Some(admission);
            let session = Box::new(DoorSession::new(digest, connection, header, upgrade));
            self.application.serve(session, shutdown).await;
            digest = connection.home.take()?;
            let stream = DoorStream::within(&mut digest)?;
            if !stream.is_kept() || !stream.is_reusable() {
                return None;
            }
            let rules = stream.keepalive();
            let rules = rules.unwrap_or(&site.fallback().settings.limits.keepalive);
            let (limit, least) = (rules.timeout?, rules.least);
            if stream.input().is_empty() {
                let now = Instant::now();
                let pause = Pause {
                    until: now + limit,
                    least: Some(now + least),
                };
                headers.give_back();
                return Some((Resting::after(digest)?, pause));
            }
            stream.forget_body();
            pipelined = true;
        }
    }

    /// How long the first request may take to come.
    fn before_first_request(&self) -> Option<Duration> {
        let generation = self.application.live().pin();
        let site = generation.listener(self.listener)?.default_site();
        Some(site.client.header_timeout)
    }

    /// Answers a request that cannot be served. The connection is not used again. Gives what goes to
    /// Pingora when its error's page is one that has to be served.
    async fn refuse(
        &self,
        (fault, arrival): (Fault, Arrival),
        headers: &Headers,
        stream: &mut DoorStream,
    ) -> Option<Box<Admission>> {
        let buffer = stream.input().split();
        // What is written has nothing of the request before.
        stream.expect_body(Framing::None, arrival.started);
        let refusal = Refusal {
            fault,
            arrival,
            headers,
            buffer: &buffer,
        };
        let Some(answer) = self.application.refuse(&refusal) else {
            stream.forgo();
            let line = &refusal.arrival.line;
            let header = canonical::refused(line, headers.lines(), &buffer).ok()?;
            return Some(Box::new(Admission {
                framing: Framing::None,
                upgrade: false,
                expects: false,
                keepalive: false,
                fault: Some(refusal.fault),
                header: Some(header),
                arrival: refusal.arrival,
            }));
        };
        if refusal.fault.is_silent() {
            stream.abandon();
            return None;
        }
        let write = async {
            stream.write_all(&answer).await?;
            stream.flush().await
        };
        if !matches!(timeout(ANSWER_LIMIT, write).await, Ok(Ok(()))) {
            stream.abandon();
        }
        stream.break_off();
        None
    }
}

/// nginx's default `send_timeout`, for a refusal.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
