//! A client's connection as the system has it.
//!
//! What is written is gathered until it is flushed or becomes too much, so that an answer's header goes
//! out together with its body: what does not fit is sent in one call with what was gathered. A
//! connection that is idle holds no memory for it.

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connection that was accepted.
pub struct Socket<S> {
    stream: S,
    /// The client's address, where it is one of the internet's.
    client: Option<std::net::SocketAddr>,
    /// Written and not sent.
    gathered: BytesMut,
}

/// Up to how many bytes are gathered: nginx's `postpone_output`.
const MOST_GATHERED: usize = 1460;

/// How many buffers are sent in one call, with what was gathered.
const BUFFERS: usize = 8;

impl Socket<TcpStream> {
    /// A connection over TCP, and its client's address. It sends without waiting for more to send.
    pub fn tcp(stream: TcpStream, client: std::net::SocketAddr) -> Self {
        // An error means that the client has gone, which the first read finds out.
        let _ = stream.set_nodelay(true);
        Self::new(stream, Some(client))
    }
}

impl Socket<UnixStream> {
    /// A connection over a Unix socket.
    pub fn unix(stream: UnixStream) -> Self {
        Self::new(stream, None)
    }
}

impl<S> Socket<S> {
    fn new(stream: S, client: Option<std::net::SocketAddr>) -> Self {
        Self {
            stream,
            client,
            gathered: BytesMut::new(),
        }
    }
}

impl<S: AsyncWrite + Unpin> Socket<S> {
    fn has_room(&self, length: usize) -> bool {
        self.gathered.len() + length <= MOST_GATHERED
    }

    fn gather(&mut self, bytes: &[u8]) {
        if self.gathered.capacity() == 0 {
            self.gathered.reserve(MOST_GATHERED);
        }
        self.gathered.extend_from_slice(bytes);
    }

    /// Sends what was gathered and then these. Gives how many bytes of these were sent.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let gathered = self.gathered.len();
        if gathered == 0 {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        }
        let mut all = [IoSlice::new(&[]); BUFFERS];
        let count = (buffers.len() + 1).min(BUFFERS);
        all[0] = IoSlice::new(&self.gathered);
        all[1..count].copy_from_slice(&buffers[..count - 1]);
        let sent = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &all[..count]))?;
        if sent < gathered {
            self.gathered.advance(sent);
            return match sent {
                0 => Poll::Ready(Err(ErrorKind::WriteZero.into())),
                // The system took what it had room for: it says so when it has room again.
                _ => self.poll_send(cx, buffers),
            };
        }
        self.gathered = BytesMut::new();
        match sent - gathered {
            0 => Pin::new(&mut self.stream).poll_write_vectored(cx, buffers),
            sent => Poll::Ready(Ok(sent)),
        }
    }

    fn poll_send_gathered(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.gathered))?;
            if sent == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.gathered.advance(sent);
        }
        self.gathered = BytesMut::new();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.has_room(bytes.len()) {
            self.gather(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        match self.gathered.is_empty() {
            true => Pin::new(&mut self.stream).poll_write(cx, bytes),
            false => self.poll_send(cx, &[IoSlice::new(bytes)]),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = buffers.iter().map(|buffer| buffer.len()).sum();
        if self.has_room(length) {
            for buffer in buffers {
                self.gather(buffer);
            }
            return Poll::Ready(Ok(length));
        }
        self.poll_send(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send_gathered(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send_gathered(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[async_trait]
impl<S: AsyncWrite + Unpin + Send> Shutdown for Socket<S> {
    async fn shutdown(&mut self) {
        // An error means that the client was first.
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl<S: AsRawFd> UniqueID for Socket<S> {
    fn id(&self) -> UniqueIDType {
        UniqueIDType::try_from(self.stream.as_raw_fd()).unwrap_or_default()
    }
}

impl<S> Ssl for Socket<S> {}

impl<S> GetTimingDigest for Socket<S> {
    /// The door has its own times.
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl<S> GetProxyDigest for Socket<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl<S: AsRawFd> GetSocketDigest for Socket<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        let digest = SocketDigest::from_raw_fd(self.stream.as_raw_fd());
        if let Some(client) = self.client {
            let _ = digest.peer_addr.set(Some(client.into()));
        }
        Some(Arc::new(digest))
    }
}

/// The door reads every header itself.
impl<S> Peek for Socket<S> {}

impl<S: AsRawFd> fmt::Debug for Socket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    async fn pair() -> (Socket<UnixStream>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        (Socket::unix(ours), theirs)
    }

    fn received(stream: &UnixStream) -> usize {
        stream.try_read(&mut [0; 4096]).unwrap_or_default()
    }

    #[tokio::test]
    async fn a_header_waits_for_what_follows_it() {
        let (mut ours, theirs) = pair().await;
        ours.write_all(b"header").await.expect("gathered");
        ours.write_all(b"body").await.expect("gathered");
        assert_eq!(received(&theirs), 0);
        ours.flush().await.expect("sent");
        theirs.readable().await.expect("open");
        assert_eq!(received(&theirs), 10);
        assert_eq!(ours.gathered.capacity(), 0, "nothing is held");
    }

    #[tokio::test]
    async fn what_is_too_much_goes_out_in_one_call_with_what_was_gathered() {
        let (mut ours, theirs) = pair().await;
        ours.write_all(b"header").await.expect("gathered");
        ours.write_all(&[b'x'; 2000]).await.expect("sent");
        theirs.readable().await.expect("open");
        assert_eq!(received(&theirs), 2006);
        assert_eq!(ours.gathered.capacity(), 0, "nothing is held");
    }

    /// The other end takes it in small pieces, so that the system has room for a part of it only.
    #[tokio::test]
    async fn bytes_keep_their_order_whatever_the_system_takes() {
        let (mut ours, mut theirs) = pair().await;
        let pieces: Vec<Vec<u8>> = (0..2000_usize)
            .map(|round| {
                let byte = u8::try_from(round % 251).expect("a byte");
                vec![byte; round * 7 % 5000]
            })
            .collect();
        let whole = pieces.concat();
        let writing = tokio::spawn(async move {
            for (round, piece) in pieces.iter().enumerate() {
                match round % 3 {
                    0 => ours.write_all(piece).await.expect("open"),
                    _ => {
                        let mut rest = &piece[..];
                        while !rest.is_empty() {
                            let (first, second) = rest.split_at(rest.len() / 2);
                            let both = [IoSlice::new(first), IoSlice::new(second)];
                            let sent = ours.write_vectored(&both).await.expect("open");
                            rest = &rest[sent..];
                        }
                    }
                }
                if round % 11 == 0 {
                    ours.flush().await.expect("open");
                }
            }
            AsyncWriteExt::shutdown(&mut ours).await.expect("open");
        });
        let (mut got, mut space) = (Vec::new(), [0; 777]);
        loop {
            match theirs.read(&mut space).await.expect("open") {
                0 => break,
                length => got.extend_from_slice(&space[..length]),
            }
        }
        writing.await.expect("it did not panic");
        assert!(got == whole, "{} and {} bytes", got.len(), whole.len());
    }
}
