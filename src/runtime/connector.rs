//! Opening connections to servers as Pingora does, with what is remembered of each attached.

use super::upstream::Connection;
use async_trait::async_trait;
use pingora_core::connectors::L4Connect;
use pingora_core::connectors::l4::BindTo;
use pingora_core::protocols::l4::ext;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{Digest, GetProxyDigest};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use std::sync::Arc;
use tokio::net::{TcpStream, UnixStream};

/// Opens connections from one address, or from where the system chooses.
#[derive(Debug, Default)]
pub struct Connector(Option<BindTo>);

impl Connector {
    /// A connector for connections that come from this address.
    pub fn from(address: Option<std::net::SocketAddr>) -> Arc<Self> {
        Arc::new(Self(address.map(|address| {
            let mut bind = BindTo::default();
            bind.addr = Some(address);
            bind
        })))
    }
}

/// Opens a connection. That this machine has no socket for it is an error of its own.
async fn tcp(to: &std::net::SocketAddr, from: Option<&BindTo>) -> Result<TcpStream> {
    ext::connect(to, from).await.map_err(ours)
}

/// Opens a connection to a Unix socket, which must have a path.
async fn unix(to: &std::os::unix::net::SocketAddr) -> Result<UnixStream> {
    match to.as_pathname() {
        Some(path) => ext::connect_uds(path).await.map_err(ours),
        None => Error::e_explain(ErrorType::InternalError, "a Unix socket without a path"),
    }
}

/// As Pingora has it: nothing is wrong with the server.
fn ours(error: Box<Error>) -> Box<Error> {
    match error.etype() {
        ErrorType::SocketError | ErrorType::BindError => {
            Error::because(ErrorType::InternalError, "no socket", error)
        }
        _ => error,
    }
}

/// What is remembered of a connection, unless it was not opened here.
pub fn connection(digest: Option<&Digest>) -> Option<&Arc<Connection>> {
    let attached = digest?.proxy_digest.as_ref()?.user_data.as_ref()?;
    attached.downcast_ref()
}

#[async_trait]
impl L4Connect for Connector {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let opened = match address {
            SocketAddr::Inet(inet) => tcp(inet, self.0.as_ref()).await.map(Stream::from),
            SocketAddr::Unix(to) => unix(to).await.map(Stream::from),
        };
        let mut stream = opened?;
        // Pingora hands a connection's digest to the phases of every request it carries; the proxy's
        // part of it is the one with room for something of ours.
        let nothing = Box::new(ResponseHeader::build(200, Some(0))?);
        let connection = Connection::new(&stream);
        stream.set_proxy_digest(ProxyDigest::new(nothing, Some(Box::new(connection))));
        Ok(stream)
    }
}
