//! When the server ends: nginx's signals, or a call.

use super::host::Host;
use async_trait::async_trait;
use log::{info, warn};
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use std::io;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, mpsc};

/// How a server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Requests in flight are cut.
    Now,
    /// Requests in flight are finished first.
    WhenIdle,
}

/// Where the word to stop comes from.
pub(super) enum Shutdown {
    Signals,
    Requests(mpsc::UnboundedReceiver<Stop>),
}

impl Shutdown {
    /// Waits for signals. From now on none of them ends the process before it can be obeyed: they
    /// are held back until the server is up. To be called before there are other threads.
    pub(super) fn on_signals() -> Self {
        early::hold_back();
        Self::Signals
    }

    pub(super) fn on_request() -> (Self, mpsc::UnboundedSender<Stop>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self::Requests(receiver), sender)
    }

    /// Ties it to the host that it stops.
    pub(super) fn watching(self, host: Arc<Host>) -> Watch {
        Watch {
            shutdown: Mutex::new(self),
            host,
        }
    }
}

/// What Pingora waits for.
pub(super) struct Watch {
    shutdown: Mutex<Shutdown>,
    host: Arc<Host>,
}

#[async_trait]
impl ShutdownSignalWatch for Watch {
    async fn recv(&self) -> ShutdownSignal {
        match &mut *self.shutdown.lock().await {
            Shutdown::Signals => match Signals::new() {
                Ok(signals) => {
                    early::release();
                    signals.serve(&self.host).await;
                }
                Err(cause) => log::error!("signals cannot be caught: {cause}"),
            },
            Shutdown::Requests(requests) => {
                // A second word, or nobody left to give one, ends the waiting.
                if requests.recv().await == Some(Stop::WhenIdle) {
                    tokio::select! {
                        () = self.host.drain() => {}
                        _ = requests.recv() => {}
                    }
                }
            }
        }
        // Pingora's graceful variants sleep a fixed time: the draining above is ours.
        ShutdownSignal::FastShutdown
    }
}

/// nginx's signals.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    reopen: Signal,
    upgrade: Signal,
    winch: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            upgrade: signal(SignalKind::user_defined2())?,
            winch: signal(SignalKind::window_change())?,
        })
    }

    /// Reloads at HUP; returns when the process is to end.
    async fn serve(mut self, host: &Host) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => {
                    info!("signal 15 (SIGTERM) received, exiting");
                    return;
                }
                _ = self.interrupt.recv() => {
                    info!("signal 2 (SIGINT) received, exiting");
                    return;
                }
                _ = self.hangup.recv() => {
                    info!("signal 1 (SIGHUP) received, reconfiguring");
                    host.request_reload();
                }
                _ = self.reopen.recv() => {
                    info!("signal 10 (SIGUSR1) received, reopening logs");
                    host.reopen_logs();
                }
                _ = self.upgrade.recv() => warn!("signal 12 (SIGUSR2) received: upgrading in place is not supported yet"),
                // nginx ends its workers at this one when a new binary has taken over.
                _ = self.winch.recv() => {}
                _ = self.quit.recv() => break,
            }
        }
        info!("signal 3 (SIGQUIT) received, gracefully shutting down");
        tokio::select! {
            () = host.drain() => info!("exit"),
            _ = self.terminate.recv() => info!("signal 15 (SIGTERM) received, exiting"),
            _ = self.interrupt.recv() => info!("signal 2 (SIGINT) received, exiting"),
        }
    }
}

/// Signals that come before the server can obey them.
mod early {
    use std::mem::MaybeUninit;

    /// Blocks nginx's signals on this thread and on those it will make.
    pub(super) fn hold_back() {
        mask(libc::SIG_BLOCK);
    }

    /// Lets them through on this thread, which is enough for the process to get them.
    pub(super) fn release() {
        mask(libc::SIG_UNBLOCK);
    }

    fn mask(how: libc::c_int) {
        let signals = [
            libc::SIGHUP,
            libc::SIGINT,
            libc::SIGQUIT,
            libc::SIGTERM,
            libc::SIGUSR1,
            libc::SIGUSR2,
            libc::SIGWINCH,
        ];
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigemptyset makes the set valid before it is used; the signal numbers are valid.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in signals {
                libc::sigaddset(set.as_mut_ptr(), signal);
            }
            libc::pthread_sigmask(how, set.as_ptr(), std::ptr::null_mut());
        }
    }
}
