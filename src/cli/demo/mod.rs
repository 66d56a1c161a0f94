//! `gapura demo`: two backends inside the process and the proxy in front of them, to see balancing,
//! failover and the all-down page. It is a user of the embedding API like any other.

mod backend;
mod control;

use super::ending::told_to_end;
use crate::config::PROGRAM;
use crate::os_error::OsError;
use crate::{Config, HealthCheck, Running, Server, Site, StartError, Upstream, init_logger};
use backend::{Backend, Colour};
use clap::Args;
use control::Control;
use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// What the demo can be told.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The proxy's port; 0 is any free one [default: 8080, or a free one].
    #[arg(long)]
    port: Option<u16>,
    /// The backends' ports; 0 is any free one [default: 3001,3002, or free ones].
    #[arg(long, value_name = "A,B", value_parser = two_ports)]
    backend_ports: Option<[u16; 2]>,
}

/// The ports of the tutorials, taken when they are free.
const PORT: u16 = 8080;
const BACKEND_PORTS: [u16; 2] = [3001, 3002];

/// The page for a 502.
const ALL_DOWN: &str = include_str!("all_down.html");

/// Runs the demo until Ctrl-C.
pub(super) fn run(options: &Options) -> Result<ExitCode, String> {
    init_logger(None).map_err(|cause| cause.to_string())?;
    let [first, second] = options.backend_ports.unwrap_or(BACKEND_PORTS);
    let open = |port| {
        let listener = match options.backend_ports {
            Some(_) => listen(port),
            None => or_free(port, listen, is_taken),
        };
        listener.map_err(|cause| bind_failed(port, &cause))
    };
    let (blue, blue_serves) = Backend::new(Colour::Blue, open(first)?).map_err(show)?;
    let (orange, orange_serves) = Backend::new(Colour::Orange, open(second)?).map_err(show)?;
    let backends = [blue, orange];
    let proxy = match options.port {
        Some(port) => start(port, &backends),
        None => or_free(
            PORT,
            |port| start(port, &backends),
            |error| matches!(error, StartError::Bind(_)),
        ),
    };
    let proxy = proxy.map_err(|error| super::with_name(PROGRAM, &error.to_string()))?;
    announce(&proxy, &backends);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(show)?;
    runtime.block_on(async {
        tokio::spawn(blue_serves);
        tokio::spawn(orange_serves);
        told_to_end().await.map_err(show)
    })?;
    proxy.stop();
    Ok(ExitCode::SUCCESS)
}

/// The proxy: everything on, with times short enough to watch.
fn start(port: u16, backends: &[Arc<Backend>; 2]) -> Result<Running, StartError> {
    let check = HealthCheck::tcp()
        .interval(Duration::from_millis(500))
        .timeout(Duration::from_millis(500));
    let mut upstream = Upstream::new("demo").health_check(check);
    for backend in backends {
        upstream = upstream.backend(
            crate::Backend::new(backend.address)
                .weight(backend.colour.weight())
                .max_fails(2)
                .fail_timeout(Duration::from_secs(2)),
        );
    }
    let config = Config::new()
        .listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        // The page asks four times a second: the log would bury what is printed.
        .access_log("off")
        .error_page(502, ALL_DOWN)
        .upstream(upstream)
        .site(Site::new().upstream("demo"));
    Server::from_config(config)
        .router(Control::new(backends.clone()))
        .start()
}

/// Says what to open and what to try. A closed standard output is no reason to end.
fn announce(proxy: &Running, backends: &[Arc<Backend>; 2]) {
    let Some(address) = proxy.addresses().first().copied() else {
        return;
    };
    let [blue, orange] = backends;
    let mut out = io::stdout().lock();
    let _ = write!(
        out,
        "http://{address}/\n\n\
         This is a proxy with two backends behind it. Open the address above, or try:\n\n\
         # Balancing: blue has weight {}, orange {}.\n\
         for i in 1 2 3 4 5 6 7 8; do curl -s http://{address}/; done\n\n\
         # Failover: stop one, and no request fails. The page has buttons for this too.\n\
         curl -X POST http://{address}/-/demo/stop/blue\n\n\
         # Stop both, and see what a visitor sees then.\n\
         curl -X POST http://{address}/-/demo/stop/both\n\
         curl -i http://{address}/\n\n\
         # Start them again: they are back as soon as two checks have passed.\n\
         curl -X POST http://{address}/-/demo/start/both\n\n\
         # It answers on any host.\n\
         curl -H 'Host: wayshub.localhost' http://{address}/\n\n\
         The backends themselves: blue http://{}/ and orange http://{}/\n\
         Ctrl-C ends the demo.\n",
        blue.colour.weight(),
        orange.colour.weight(),
        blue.address,
        orange.address,
    );
    let _ = out.flush();
}

fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

/// nginx's sentence for an address that cannot be listened on.
fn bind_failed(port: u16, cause: &io::Error) -> String {
    let cause = OsError(cause);
    format!("{PROGRAM}: [emerg] bind() to 127.0.0.1:{port} failed ({cause})")
}

fn is_taken(cause: &io::Error) -> bool {
    cause.kind() == ErrorKind::AddrInUse
}

/// Opens a port, or any free one when it is taken.
fn or_free<T, E>(
    port: u16,
    open: impl Fn(u16) -> Result<T, E>,
    taken: impl Fn(&E) -> bool,
) -> Result<T, E> {
    match open(port) {
        Err(error) if taken(&error) => open(0),
        outcome => outcome,
    }
}

fn two_ports(text: &str) -> Result<[u16; 2], String> {
    let ports: Option<Vec<u16>> = text
        .split(',')
        .map(|port| port.trim().parse().ok())
        .collect();
    ports
        .and_then(|ports| ports.try_into().ok())
        .ok_or_else(|| "expected two ports, such as 3001,3002".to_owned())
}

fn show(cause: io::Error) -> String {
    super::with_name(PROGRAM, &cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ports_are_two_numbers() {
        assert_eq!(two_ports("3001,3002"), Ok([3001, 3002]));
        assert_eq!(two_ports("3001, 0"), Ok([3001, 0]));
        for text in ["", "3001", "3001,", "1,2,3", "a,b", "1,70000"] {
            assert!(two_ports(text).is_err(), "{text}");
        }
    }
}
