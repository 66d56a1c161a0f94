//! When the server ends: nginx's signals, or a call.

use super::host::Host;
use super::pid_file::PidFile;
use super::state::{Duties, State};
use crate::os_error::OsError;
use async_trait::async_trait;
use log::{error, info};
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

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
                Err(cause) => error!("signals cannot be caught: {cause}"),
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
    child: Signal,
}

/// How long a fast stop waits for requests whose answers are out already: their lines are not in the
/// access log yet, and nginx would have written them.
const ANSWERED_LIMIT: Duration = Duration::from_millis(100);

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
            child: signal(SignalKind::child())?,
        })
    }

    /// Does what signals say; returns when the process is to end.
    async fn serve(mut self, host: &Host) {
        let duties = Obeying::new(host);
        loop {
            tokio::select! {
                _ = self.terminate.recv() => {
                    info!("signal 15 (SIGTERM) received, exiting");
                    return duties.stop().await;
                }
                _ = self.interrupt.recv() => {
                    info!("signal 2 (SIGINT) received, exiting");
                    return duties.stop().await;
                }
                _ = self.hangup.recv() => {
                    info!("signal 1 (SIGHUP) received, reconfiguring");
                    duties.reload();
                }
                _ = self.reopen.recv() => {
                    info!("signal 10 (SIGUSR1) received, reopening logs");
                    host.reopen_logs();
                }
                _ = self.upgrade.recv() => duties.upgrade(),
                _ = self.winch.recv() => duties.pause(),
                _ = self.child.recv() => duties.reap(),
                _ = self.quit.recv() => break,
            }
        }
        info!("signal 3 (SIGQUIT) received, shutting down");
        info!("gracefully shutting down");
        let limit = *duties.state().shutdown_timeout.lock();
        duties.share_sockets();
        let drained = async {
            match limit {
                None => host.drain().await,
                // What is not done by then is cut.
                Some(limit) => drop(timeout(limit, host.drain()).await),
            }
        };
        tokio::select! {
            () = drained => info!("exit"),
            _ = self.terminate.recv() => info!("signal 15 (SIGTERM) received, exiting"),
            _ = self.interrupt.recv() => info!("signal 2 (SIGINT) received, exiting"),
        }
    }
}

/// What signals ask for beside an end.
struct Obeying<'a> {
    host: &'a Host,
    /// Nobody is let in, because of WINCH.
    is_paused: AtomicBool,
}

impl<'a> Obeying<'a> {
    fn new(host: &'a Host) -> Self {
        Self {
            host,
            is_paused: AtomicBool::new(false),
        }
    }

    fn state(&self) -> &State {
        self.host.state()
    }

    fn duties(&self) -> Option<&Duties> {
        self.state().duties.as_ref()
    }

    /// TERM and INT.
    async fn stop(&self) {
        self.share_sockets();
        // Requests that take longer are cut.
        drop(timeout(ANSWERED_LIMIT, self.host.drain()).await);
        info!("exit");
    }

    /// Leaves the files of Unix sockets to the other binary, when there is one.
    fn share_sockets(&self) {
        if let Some(duties) = self.duties() {
            let shared = duties.upgrade.lock().shares_sockets();
            self.state().sockets().leave_files(shared);
        }
    }

    /// HUP: the configuration again; or, when a new binary is there, this one takes over again.
    fn reload(&self) {
        let has_successor = |duties: &Duties| duties.upgrade.lock().has_successor();
        if self.is_paused.swap(false, Ordering::Relaxed) && self.duties().is_some_and(has_successor)
        {
            return self.host.go_on();
        }
        self.host.request_reload();
    }

    /// USR2.
    fn upgrade(&self) {
        info!("signal 12 (SIGUSR2) received, changing binary");
        let Some(duties) = self.duties() else { return };
        let mut upgrade = duties.upgrade.lock();
        let mut pid_file = duties.pid_file.lock();
        let sockets = self.state().sockets().descriptors();
        if !upgrade.shares_sockets()
            && let Some(file) = pid_file.as_mut()
            && let Err(cause) = file.step_aside()
        {
            let cause = OsError(&cause);
            return error!(
                "[alert] rename() of the pid file failed before changing binary ({cause})"
            );
        }
        match upgrade.start(&sockets) {
            None => {}
            Some(Ok(id)) => info!("changing binary: start new binary process {id}"),
            Some(Err(cause)) => {
                error!(
                    "[alert] execve() failed while changing binary ({})",
                    OsError(&cause)
                );
                restore(pid_file.as_mut());
            }
        }
    }

    /// WINCH: nobody new is let in. In the foreground it says that a window has another size.
    fn pause(&self) {
        if self.duties().is_some_and(|duties| duties.is_daemon) {
            info!("signal 28 (SIGWINCH) received, stop accepting connections");
            self.is_paused.store(true, Ordering::Relaxed);
            self.host.pause();
        }
    }

    /// CHLD: the new binary has ended.
    fn reap(&self) {
        let Some(duties) = self.duties() else { return };
        let Some((id, status)) = duties.upgrade.lock().ended() else {
            return;
        };
        match (status.signal(), status.code()) {
            (Some(signal), _) => {
                error!("[alert] new binary process {id} exited on signal {signal}")
            }
            (None, code) => {
                info!(
                    "new binary process {id} exited with code {}",
                    code.unwrap_or(0)
                );
            }
        }
        restore(duties.pid_file.lock().as_mut());
        if self.is_paused.swap(false, Ordering::Relaxed) {
            self.host.go_on();
        }
    }
}

/// The pid file's name is this process's again.
fn restore(pid_file: Option<&mut PidFile>) {
    if let Some(file) = pid_file
        && let Err(cause) = file.step_back()
    {
        error!(
            "[alert] rename() of the pid file back failed ({})",
            OsError(&cause)
        );
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
