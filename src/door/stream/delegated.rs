//! What else Pingora asks of a stream: the connection below answers.

use super::DoorStream;
use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[async_trait]
impl Shutdown for DoorStream {
    async fn shutdown(&mut self) {
        let silent = self.is_silent();
        if let Some(inner) = &mut self.inner
            && !silent
        {
            inner.shutdown().await;
        }
    }
}

impl UniqueID for DoorStream {
    fn id(&self) -> UniqueIDType {
        self.inner_ref().id()
    }
}

impl Ssl for DoorStream {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner_ref().get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner_ref().selected_alpn_proto()
    }
}

impl GetTimingDigest for DoorStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner_ref().get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.inner_ref().get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.inner_ref().get_write_pending_time()
    }
}

impl GetProxyDigest for DoorStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner_ref().get_proxy_digest()
    }
}

impl GetSocketDigest for DoorStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner_ref().get_socket_digest()
    }
}

/// Nothing is peeked at: the header has been read.
impl Peek for DoorStream {}

impl fmt::Debug for DoorStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DoorStream({:?})", self.connection)
    }
}
