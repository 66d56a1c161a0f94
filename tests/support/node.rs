//! The demo's Node application as a backend: a process of its own, so that it can be killed.

use super::{Addressed, Backend, free_port, respond, wait_until};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

/// `docker/app/server.js` run by `node`; a backend inside the test where there is no `node`.
pub enum NodeBackend {
    Process { child: Child, address: SocketAddr },
    InProcess(Backend),
}

impl NodeBackend {
    pub fn start(name: &str) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let spawned = Command::new("node")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/docker/app/server.js"))
            .env("PORT", address.port().to_string())
            .env("APP_NAME", name)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        match spawned {
            Ok(child) => {
                wait_until("the Node backend listens", || {
                    TcpStream::connect(address).is_ok()
                });
                Self::Process { child, address }
            }
            Err(error) => {
                let required = std::env::var("GAPURA_REQUIRE").unwrap_or_default();
                assert!(
                    !required.split(',').any(|tool| tool == "node"),
                    "node is required: {error}"
                );
                println!("no node here ({error}): a backend inside the test stands in for it");
                let header = format!("X-App: {name}\r\n");
                let name = name.to_owned();
                Self::InProcess(Backend::start(move |_, stream| {
                    respond(stream, 200, &header, &name)
                }))
            }
        }
    }

    /// SIGKILL: no connection is closed in good order, no request is finished.
    pub fn kill(&mut self) {
        match self {
            Self::Process { child, .. } => {
                child.kill().expect("kill node");
                child.wait().expect("reap node");
            }
            Self::InProcess(backend) => backend.stop(),
        }
    }
}

impl Addressed for NodeBackend {
    fn address(&self) -> SocketAddr {
        match self {
            Self::Process { address, .. } => *address,
            Self::InProcess(backend) => backend.address(),
        }
    }
}

impl Drop for NodeBackend {
    fn drop(&mut self) {
        if let Self::Process { child, .. } = self {
            // It may have been killed already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}
