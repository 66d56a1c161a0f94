//! The connection that a request for another protocol goes out on.
//!
//! Pingora waits at once for the end of the request's body and for the answer. When a 101 is taken
//! first, the end of the body that was due before it is taken for the end of the tunnel, and the
//! tunnel is closed as soon as it is open (0.9.1, `proxy_handle_upstream`; seen for one websocket
//! in nine whose backend answers at once). So on such a connection the first look for an answer
//! finds nothing yet: by the second the end of the body has been dealt with.

use crate::runtime::{bind_to, tcp, unix};
use async_trait::async_trait;
use pingora_core::connectors::L4Connect;
use pingora_core::connectors::l4::BindTo;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora_core::upstreams::peer::PeerOptions;
use pingora_core::{Error, ErrorType, Result};
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::net;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// Has the connection of a request for another protocol made here, from an address of this machine if there is a
/// choice. Gives the group that keeps it apart from every other in the pool: it must be a new one, and nobody may use
/// it after.
pub(super) fn prepare(options: &mut PeerOptions, from: Option<net::SocketAddr>) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    options.custom_l4 = Some(Arc::new(Connector {
        limit: options.connection_timeout,
        from: bind_to(from),
    }));
    options.idle_timeout = Some(Duration::from_millis(1));
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[derive(Debug)]
struct Connector {
    /// `proxy_connect_timeout`.
    limit: Option<Duration>,
    /// `proxy_bind`.
    from: Option<BindTo>,
}

#[async_trait]
impl L4Connect for Connector {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let Some(limit) = self.limit else {
            return self.open(address).await;
        };
        match tokio::time::timeout(limit, self.open(address)).await {
            Ok(connected) => connected,
            Err(_) => Error::e_explain(
                ErrorType::ConnectTimedout,
                format!("connecting to {address} for {limit:?}"),
            ),
        }
    }
}

impl Connector {
    async fn open(&self, address: &SocketAddr) -> Result<Stream> {
        let socket: Box<dyn VirtualSocket> = match address {
            SocketAddr::Inet(inet) => Box::new(Tunnel::new(tcp(inet, self.from.as_ref()).await?)),
            SocketAddr::Unix(to) => Box::new(Tunnel::new(unix(to).await?)),
        };
        Ok(Stream::from(VirtualSocketStream::new(socket)))
    }
}

/// A socket whose first read has to be tried twice.
#[derive(Debug)]
struct Tunnel<S> {
    socket: S,
    looked: bool,
}

impl<S> Tunnel<S> {
    fn new(socket: S) -> Self {
        Self {
            socket,
            looked: false,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tunnel<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.looked {
            self.looked = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tunnel<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

impl VirtualSocket for Tunnel<TcpStream> {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.socket.set_nodelay(true),
            VirtualSockOpt::KeepAlive(keepalive) => {
                let wanted = socket2::TcpKeepalive::new()
                    .with_time(keepalive.idle)
                    .with_interval(keepalive.interval);
                SockRef::from(&self.socket).set_tcp_keepalive(&wanted)
            }
            _ => Ok(()),
        }
    }
}

impl VirtualSocket for Tunnel<UnixStream> {
    fn set_socket_option(&self, _: VirtualSockOpt) -> io::Result<()> {
        Ok(())
    }
}
