//! A check by a request and what is expected of its answer.

use super::expected::{CheckValues, Expected};
use super::{Line, host, reason};
use crate::model::{HttpCheck, HttpVersion};
use crate::runtime::{Defined, connection, render};
use http::{HeaderValue, Version, header};
use pingora::http::RequestHeader;
use pingora_core::Result;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::upstreams::peer::HttpPeer;
use std::sync::Arc;

/// A check by a request.
pub(super) struct HttpProbe {
    check: HttpCheck,
    line: Line,
    expected: Expected,
    defined: Option<Arc<Defined>>,
}

impl HttpProbe {
    /// Prepares a check.
    ///
    /// # Errors
    /// A pattern does not compile. `config` compiles every one before a Model exists.
    pub(super) fn new(
        check: &HttpCheck,
        line: Line,
        defined: Option<&Arc<Defined>>,
    ) -> Result<Self, pcre2::Error> {
        Ok(Self {
            check: check.clone(),
            line,
            expected: Expected::build(&check.expected)?,
            defined: defined.cloned(),
        })
    }

    /// Runs it once.
    pub(super) async fn run(&self, address: SocketAddr, server: &str) -> Result<(), String> {
        let text = super::super::discovery::address_text(&address);
        let peer = self.line.peer(address);
        let request = self
            .request(server, &text)
            .map_err(|error| reason(&error))?;
        let mut session = loop {
            let found = self.line.connector.get_http_session(&peer).await;
            let (mut session, reused) = found.map_err(|error| reason(&error))?;
            match ask(&mut session, &peer, &request).await {
                Ok(()) => break session,
                // The server had closed the connection that was kept: that says nothing about it.
                Err(_) if reused => {}
                Err(error) => return Err(reason(&error)),
            }
        };
        let Some(header) = session.response_header().cloned() else {
            return Err("no answer".to_owned());
        };
        let values = self.values(&text);
        self.expected.header(&header)?;
        let keeps = self.check.keepalive_time.is_some();
        let mut body = Vec::new();
        let mut is_whole = false;
        while self.expected.wants_body() || keeps {
            let chunk = session.read_response_body().await;
            let Some(chunk) = chunk.map_err(|error| reason(&error))? else {
                is_whole = true;
                break;
            };
            let room = MOST_BODY - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == MOST_BODY {
                break;
            }
        }
        self.expected.body(&body)?;
        self.expected.required(&values.answered(&header))?;
        if is_whole {
            self.release(session, &peer).await;
        }
        Ok(())
    }

    fn values<'a>(&'a self, address: &'a str) -> CheckValues<'a> {
        CheckValues::new(address, self.defined.as_deref())
    }

    fn request(&self, server: &str, address: &str) -> Result<RequestHeader> {
        let values = self.values(address);
        let mut request = RequestHeader::build("GET", self.check.target.as_bytes(), None)?;
        if self.check.http_version == HttpVersion::Http10 {
            request.set_version(Version::HTTP_10);
        }
        request.append_header(
            header::HOST,
            host(self.check.host.as_ref(), server, &values),
        )?;
        if self.check.keepalive_time.is_none() {
            request.insert_header(header::CONNECTION, "close")?;
        }
        for line in &self.check.headers {
            let mut value = Vec::new();
            render(&line.value, &values, &mut value);
            if value.is_empty() {
                continue;
            }
            let Ok(value) = HeaderValue::from_bytes(&value) else {
                continue;
            };
            let is_connection = line.name.eq_ignore_ascii_case("connection");
            if is_connection && self.check.keepalive_time.is_some() {
                continue;
            }
            match is_connection {
                true => request.insert_header(line.name.clone(), value)?,
                false => drop(request.append_header(line.name.clone(), value)?),
            }
        }
        Ok(request)
    }

    /// Keeps the connection for the next check, while it may be used.
    async fn release(&self, session: HttpSession, peer: &HttpPeer) {
        let Some(limit) = self.check.keepalive_time else {
            return;
        };
        let age = connection(session.digest()).map(|connection| connection.age());
        if age.is_some_and(|age| age < limit) {
            let idle = Some(limit);
            (self.line.connector)
                .release_http_session(session, peer, idle)
                .await;
        }
    }
}

async fn ask(session: &mut HttpSession, peer: &HttpPeer, request: &RequestHeader) -> Result<()> {
    session.set_write_timeout(peer.options.write_timeout);
    session.set_read_timeout(peer.options.read_timeout);
    session
        .write_request_header(Box::new(request.clone()))
        .await?;
    session.finish_request_body().await?;
    session.read_response_header().await?;
    if let HttpSession::H1(h1) = session {
        h1.respect_keepalive();
    }
    Ok(())
}

/// How much of a body is looked at: nginx's.
const MOST_BODY: usize = 256 << 10;
