//! When the server ends: nginx's signals, or a call.

use super::StartError;
use super::duties::Duties;
use super::host::{Command, Host};
use super::parent::{Channel, Message, ReceiveError};
use super::state::State;
use async_trait::async_trait;
use log::{error, info};
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use std::io;
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
    Signals(Option<Arc<Channel>>),
    Requests(mpsc::UnboundedReceiver<Stop>),
}

impl Shutdown {
    /// Waits for signals. From now on none of them ends the process before it can be obeyed: they
    /// are held back until the server is up. To be called before there are other threads.
    pub(super) fn on_signals() -> Self {
        early::hold_back();
        Self::Signals(None)
    }

    /// Waits for signals and for what a parent says.
    pub(super) fn on_signals_and(parent: Arc<Channel>) -> Self {
        Self::Signals(Some(parent))
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
            Shutdown::Signals(parent) => match Signals::new() {
                Ok(signals) => {
                    if let Some(parent) = parent.take() {
                        listen_to(parent, Arc::clone(&self.host));
                    }
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

/// Does what the parent says, on a thread of its own. When the parent has gone the process ends as at
/// QUIT: there is nobody who could start it again, and another server may want its addresses.
fn listen_to(parent: Arc<Channel>, host: Arc<Host>) {
    let body = move || {
        loop {
            let done = match parent.receive() {
                Ok(Message::Reload(handed)) => {
                    let (reply, answer) = std::sync::mpsc::channel();
                    let outcome = host.obey(Command::Take(handed, reply)).and_then(|()| {
                        let ended = |_| StartError::Thread("it has ended".into());
                        answer.recv().map_err(ended)?
                    });
                    parent.answer(outcome.map_err(|cause| cause.to_string()))
                }
                Ok(Message::Reopen(logs)) => {
                    // An error means that the service has ended.
                    let _ = host.obey(Command::Reopen(logs));
                    Ok(())
                }
                Ok(Message::Accept) => {
                    host.go_on();
                    Ok(())
                }
                Err(ReceiveError::Incomplete { is_reload }) => {
                    let cause = io::Error::from_raw_os_error(libc::EMFILE);
                    let refused = StartError::Call("recvmsg()", cause);
                    match is_reload {
                        true => parent.answer(Err(refused.to_string())),
                        false => {
                            error!("{refused}");
                            Ok(())
                        }
                    }
                }
                Err(ReceiveError::Channel) => break,
            };
            if done.is_err() {
                break;
            }
        }
        // SAFETY: kill(2) touches no memory.
        unsafe { libc::kill(libc::getpid(), libc::SIGQUIT) };
    };
    if let Err(cause) = std::thread::Builder::new()
        .name("parent".into())
        .spawn(body)
    {
        error!("[alert] there is no thread for the parent's words: {cause}");
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

/// How long requests that were cut may take to be logged.
const CUT_LIMIT: Duration = Duration::from_secs(1);

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
                Some(limit) => {
                    if timeout(limit, host.drain()).await.is_err() {
                        host.cut();
                        drop(timeout(CUT_LIMIT, host.drain()).await);
                    }
                }
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
            self.state().sockets().leave_files(duties.shares_sockets());
        }
    }

    /// HUP: the configuration again; or, when a new binary is there, this one takes over again. A
    /// parent's business, where there is one.
    fn reload(&self) {
        if self.duties().is_some_and(|duties| duties.has_parent) {
            return;
        }
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
        if !duties.has_parent {
            let sockets = self.state().sockets().descriptors();
            duties.change_binary(&sockets);
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
        if self.duties().is_some_and(Duties::reap_binary)
            && self.is_paused.swap(false, Ordering::Relaxed)
        {
            self.host.go_on();
        }
    }
}

/// What a configuration's error says, without the program's name in front, for a log.
pub(super) fn without_program(text: &str) -> &str {
    let bare = text.strip_prefix("gapura: ");
    bare.or_else(|| text.strip_prefix("nginx: "))
        .unwrap_or(text)
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
            libc::SIGCHLD,
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
