//! A request whose header is being read.

use super::admission::{Admission, Arrival};
use super::canonical;
use super::reader::{Head, Reader};
use super::{Connection, DoorStream, Fault, Headers, RequestLine};
use crate::runtime::{Generation, Listener, ListenerId};
use bytes::{Buf, BytesMut};
use http::Version;
use pingora::prelude::timeout;
use pingora_http::RequestHeader;
use std::sync::Arc;
use std::time::Instant;

/// What is known of a request before it is read.
pub(super) struct Arriving<'a> {
    pub(super) generation: Arc<Generation>,
    pub(super) id: ListenerId,
    pub(super) connection: &'a Arc<Connection>,
    pub(super) pipelined: bool,
    pub(super) started: Instant,
}

/// What goes to Pingora, or why the request is refused.
pub(super) type Received = Result<Box<Admission>, Box<(Fault, Arrival)>>;

impl<'a> Arriving<'a> {
    /// Reads a header that is here. Gives itself back when the rest of it is still to come.
    pub(super) fn receive(
        self,
        listener: &Listener,
        stream: &mut DoorStream,
        headers: &mut Headers,
    ) -> Result<Received, Self> {
        if !begins(stream.input()) {
            return Err(self);
        }
        let mut reader = Reader::new(listener, headers);
        match reader.advance(stream.input()) {
            Ok(None) => Err(self),
            Ok(Some(head)) => Ok(self.received(reader, Ok(head), stream)),
            Err(fault) => Ok(self.received(reader, Err(fault), stream)),
        }
    }

    /// Reads a header from its beginning, and waits for what is not here.
    pub(super) async fn receive_slowly(
        self,
        listener: &Listener,
        stream: &mut DoorStream,
        headers: &mut Headers,
    ) -> Received {
        // The first header's time began when the connection was accepted.
        let counted_from = match self.connection.requests() {
            1 => self.connection.started,
            _ => self.started,
        };
        let deadline = counted_from + listener.default_site().client.header_timeout;
        let mut reader = Reader::new(listener, headers);
        let head = read_header(&mut reader, stream, deadline).await;
        self.received(reader, head, stream)
    }

    fn received(
        self,
        mut reader: Reader<'_>,
        head: Result<Head, Fault>,
        stream: &mut DoorStream,
    ) -> Received {
        match head {
            Ok(head) => {
                let mut admission = self.admitted(&mut reader, &head, stream);
                let line = &admission.arrival.line;
                match take_header(line, &head, reader.headers, stream.input()) {
                    Ok(header) => admission.header = Some(header),
                    Err(fault) => return Err(Box::new((fault, admission.arrival))),
                }
                Ok(admission)
            }
            Err(fault) => {
                let arrival = self.refused(&mut reader, stream.input(), &fault);
                Err(Box::new((fault, arrival)))
            }
        }
    }

    fn admitted(
        self,
        reader: &mut Reader<'_>,
        head: &Head,
        stream: &mut DoorStream,
    ) -> Box<Admission> {
        let line = std::mem::take(&mut reader.line);
        stream.expect_body(head.framing, self.started);
        if line.version() == Version::HTTP_09 {
            stream.drop_header();
        }
        let arrival = self.arrival(reader, line, head.length);
        Box::new(Admission {
            framing: head.framing,
            upgrade: head.upgrade,
            expects: head.expects,
            keepalive: head.keepalive,
            fault: None,
            header: None,
            arrival,
        })
    }

    fn refused(self, reader: &mut Reader<'_>, input: &[u8], fault: &Fault) -> Arrival {
        let line = reader.give_up(input, fault);
        let length = reader.consumed(input);
        self.arrival(reader, line, length)
    }

    fn arrival(self, reader: &mut Reader<'_>, line: RequestLine, header_length: usize) -> Arrival {
        let (sent_before, received_before) = (self.connection.sent(), self.connection.received());
        self.connection.count_received(header_length);
        let site = Arc::clone(reader.site);
        let host = reader.host.take();
        Arrival {
            generation: Some(self.generation),
            listener: self.id,
            connection: Arc::clone(self.connection),
            real_client: None,
            names_host: host.is_some(),
            host: host.unwrap_or_else(|| (&*site.name).into()),
            site,
            line,
            assigned: std::mem::take(&mut reader.assigned),
            started: self.started,
            pipelined: self.pipelined,
            header_length,
            sent_before,
            received_before,
        }
    }
}

/// Reads until the header is complete or found faulty.
async fn read_header(
    reader: &mut Reader<'_>,
    stream: &mut DoorStream,
    deadline: Instant,
) -> Result<Head, Fault> {
    let (mut begun, mut is_late) = (false, false);
    loop {
        begun = begun || begins(stream.input());
        if let Some(head) = reader.advance(stream.input())? {
            return Ok(head);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        // Blank lines could go on for ever.
        if is_late {
            return Err(Fault::TimedOut);
        }
        is_late = left.is_zero();
        match timeout(left, stream.fill()).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) => return Err(Fault::Closed),
            Err(_) => return Err(Fault::TimedOut),
        }
    }
}

/// Takes blank lines off the input. Whether something else is there.
fn begins(input: &mut BytesMut) -> bool {
    let blank = input
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'));
    input.advance(blank.count());
    !input.is_empty()
}

/// Takes the header off the input, unless it is refused.
fn take_header(
    line: &RequestLine,
    head: &Head,
    headers: &Headers,
    input: &mut BytesMut,
) -> Result<RequestHeader, Fault> {
    let received = match input.len() == head.length {
        true => std::mem::take(input),
        false => input.split_to(head.length),
    };
    let received = received.freeze();
    canonical::header(line, head, headers.lines(), &received).inspect_err(|_| {
        // A refusal reads the header where it was.
        let rest = std::mem::replace(input, BytesMut::from(&received[..]));
        input.unsplit(rest);
    })
}
