//! The parent: what stays root when another user serves, as nginx's master does.
//!
//! It has one thread and no runtime. It reads configurations, binds sockets, opens logs and owns the pid
//! file, and hands files to the process that serves, whose rights are the user's alone: that one cannot
//! ask for anything. When it dies another one takes its place, on the same sockets.

mod channel;
mod privileges;
mod signals;

pub(super) use channel::{Channel, Handover, Message, ReceiveError};

use super::bind::patiently;
use super::daemon::Detached;
use super::duties::Duties;
use super::host::LOOK_EVERY;
use super::limits;
use super::notify;
use super::shutdown::{self, Shutdown};
use super::state::{Prepared, State};
use super::{StartError, serve};
use crate::config::{FileReader, Watched};
use crate::logs;
use crate::model::{Model, User};
use crate::os_error::OsError;
use crate::proxy::Gateway;
use log::{error, info};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What runs the process that serves.
pub(super) struct Parent {
    /// The newest configuration that was good, its sockets and its logs.
    prepared: Prepared,
    gateway: Gateway,
    duties: Duties,
    user: User,
    /// Who waits for the first process to serve, and where errors go then.
    detached: Option<(Detached, Option<PathBuf>)>,
    worker: Option<Worker>,
    /// The process that serves lets nobody in: WINCH.
    is_paused: bool,
}

/// The process that serves.
struct Worker {
    pid: Pid,
    channel: Channel,
    since: Instant,
}

/// How long a process may take to take a configuration.
const RELOAD_LIMIT: Duration = Duration::from_secs(60);

/// How long a process may take for a fast stop before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// A process that lives shorter than this is not replaced at once.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// The status of a process that cannot serve: another would end as it did.
const CANNOT_SERVE: i32 = 2;

impl Parent {
    pub(super) fn new(
        prepared: Prepared,
        gateway: Gateway,
        duties: Duties,
        user: User,
        detached: Option<(Detached, Option<PathBuf>)>,
    ) -> Self {
        Self {
            prepared,
            gateway,
            duties,
            user,
            detached,
            worker: None,
            is_paused: false,
        }
    }

    /// Starts the process that serves and does what signals say until one ends both.
    pub(super) fn run(mut self) -> Result<(), StartError> {
        // It holds every log open, for itself and for the process that serves.
        limits::raise_to_the_most();
        let Prepared {
            model, log_files, ..
        } = &self.prepared;
        // The parent's own, until a reload names another.
        logs::process::replace(log_files.error_log(&model.process.error_log)?);
        log_files.keep(model);
        self.start_worker()?;
        let worker = self.worker.as_ref().expect("it was just started");
        match worker.channel.outcome(RELOAD_LIMIT) {
            Ok(Ok(())) => {}
            Ok(Err(said)) => return Err(StartError::Thread(said)),
            Err(cause) => return Err(StartError::Thread(cause.to_string())),
        }
        if let Some((detached, log)) = self.detached.take() {
            detached.serves(log.as_deref())?;
        }
        // From here on the files of Unix sockets are this process's, as long as it is alone.
        self.prepared.sockets.leave_files(false);
        notify::ready();
        let outcome = self.obey();
        if outcome.is_err() {
            self.prepared
                .sockets
                .leave_files(self.duties.shares_sockets());
        }
        outcome
    }

    fn obey(&mut self) -> Result<(), StartError> {
        loop {
            let look_in = self.prepared.watched.as_ref().map(|_| LOOK_EVERY);
            let Some(received) = signals::wait(look_in) else {
                self.look_at_files();
                continue;
            };
            let said = received.describe();
            match received.number {
                libc::SIGTERM | libc::SIGINT => {
                    info!("{said}, exiting");
                    self.end(Signal::SIGTERM);
                    return Ok(());
                }
                libc::SIGQUIT => {
                    info!("{said}, shutting down");
                    self.end(Signal::SIGQUIT);
                    return Ok(());
                }
                libc::SIGHUP => {
                    info!("{said}, reconfiguring");
                    self.hang_up();
                }
                libc::SIGUSR1 => {
                    info!("{said}, reopening logs");
                    self.reopen_logs(Some(self.user.id));
                }
                libc::SIGUSR2 => {
                    info!("{said}, changing binary");
                    let sockets = self.prepared.sockets.descriptors();
                    self.duties.change_binary(&sockets);
                }
                libc::SIGWINCH if self.duties.is_daemon => {
                    info!("{said}, stop accepting connections");
                    self.is_paused = true;
                    self.signal(Signal::SIGWINCH);
                }
                libc::SIGCHLD => self.reap()?,
                _ => {}
            }
        }
    }

    /// Ends the process that serves, then this one.
    fn end(&mut self, how: Signal) {
        self.prepared
            .sockets
            .leave_files(self.duties.shares_sockets());
        // The sockets go now: whoever comes is not to wait for nobody.
        self.prepared.sockets.retain(|_| false);
        self.signal(how);
        let mut how = how;
        let mut deadline = (how == Signal::SIGTERM).then(|| Instant::now() + STOP_LIMIT);
        while self.is_worker_there() {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match signals::wait(left) {
                None if deadline.is_some() => self.signal(Signal::SIGKILL),
                Some(received) if matches!(received.number, libc::SIGTERM | libc::SIGINT) => {
                    info!("{}, exiting", received.describe());
                    how = Signal::SIGTERM;
                    self.signal(how);
                    deadline = Some(Instant::now() + STOP_LIMIT);
                }
                _ => {}
            }
        }
        info!("exit");
        self.duties.pid_file.lock().take();
    }

    fn is_worker_there(&self) -> bool {
        let Some(worker) = &self.worker else {
            return false;
        };
        matches!(
            waitpid(worker.pid, Some(WaitPidFlag::WNOHANG)),
            Ok(WaitStatus::StillAlive)
        )
    }

    /// HUP: another configuration; or, while a new binary serves, this one's serving again.
    fn hang_up(&mut self) {
        let has_successor = self.duties.upgrade.lock().has_successor();
        if std::mem::take(&mut self.is_paused) && has_successor {
            return self.tell(Message::Accept);
        }
        self.reload_and_say();
    }

    fn reload_and_say(&mut self) {
        info!("reconfiguring");
        let outcome = self.reload();
        (self.duties.give_back)();
        match &outcome {
            Ok(()) => info!("reconfigured"),
            Err(said) => error!("{}", shutdown::without_program(said)),
        }
        self.duties
            .report(outcome.as_ref().copied().map_err(String::as_str));
    }

    /// Reloads when the configuration's files have changed, unless a new binary serves, which looks at
    /// them too.
    fn look_at_files(&mut self) {
        let has_successor = self.duties.upgrade.lock().has_successor();
        let watched = self.prepared.watched.as_mut();
        if !has_successor && watched.is_some_and(Watched::has_changed) {
            info!("the configuration's files have changed");
            self.reload_and_say();
        }
    }

    fn reload(&mut self) -> Result<(), String> {
        let prepared = &mut self.prepared;
        let reader = FileReader::default();
        let read = prepared.source.read(&reader);
        if let Some(watched) = &mut prepared.watched {
            watched.read_again(&reader, read.is_ok());
        }
        let loaded = read.map_err(|cause| cause.to_string())?;
        for warning in &loaded.warnings {
            log::warn!("{warning:#}");
        }
        let model = loaded.model;
        let error_logs = (prepared.log_files.error_logs(&model)).map_err(|e| e.to_string())?;
        let sockets = patiently(|| {
            let bound = prepared.sockets.bind_for_another(&model.listeners);
            bound.map_err(StartError::from)
        });
        let sockets = sockets.map_err(|cause| cause.to_string())?;
        let handover = Handover {
            files: reader.seen(),
            sockets,
            logs: prepared.log_files.keep(&model),
        };
        let moved = self.duties.move_pid_file(model.process.pid.as_deref());
        let outcome = match moved {
            Ok(()) => hand_over(self.worker.as_ref(), handover),
            Err(cause) => Err(cause.to_string()),
        };
        let prepared = &mut self.prepared;
        if outcome.is_ok() {
            logs::process::replace(error_logs.of(&model.process.error_log));
            prepared.model = model;
        } else if let Err(cause) =
            (self.duties).move_pid_file(prepared.model.process.pid.as_deref())
        {
            error!("{}", shutdown::without_program(&cause.to_string()));
        }
        // Those of the other configuration are closed.
        let Model { listeners, .. } = &prepared.model;
        (prepared.sockets).retain(|address| {
            listeners
                .iter()
                .any(|listener| listener.address == *address)
        });
        prepared.log_files.forget_others(&prepared.model);
        if outcome.is_ok() {
            self.reopen_logs(None);
        }
        outcome
    }

    /// Opens the logs again, for the process that serves; and has this user own them.
    fn reopen_logs(&self, user: Option<u32>) {
        let logs = self.prepared.log_files.reopen_kept(user);
        self.tell(Message::Reopen(logs));
    }

    fn tell(&self, message: Message) {
        if let Some(worker) = &self.worker
            && let Err(cause) = worker.channel.send(message)
        {
            // It is about to be replaced.
            error!(
                "worker process {} is not reached ({})",
                worker.pid,
                OsError(&cause)
            );
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(worker) = &self.worker {
            // An error means that it has ended, which SIGCHLD says.
            let _ = kill(worker.pid, signal);
        }
    }

    /// CHLD. An error when nobody serves any more.
    fn reap(&mut self) -> Result<(), StartError> {
        if self.duties.reap_binary() && std::mem::take(&mut self.is_paused) {
            self.tell(Message::Accept);
        }
        let Some(worker) = &self.worker else {
            return Ok(());
        };
        let (pid, since) = (worker.pid, worker.since);
        let code = match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => {
                info!("worker process {pid} exited with code {code}");
                code
            }
            Ok(WaitStatus::Signaled(_, signal, core)) => {
                let core = if core { " (core dumped)" } else { "" };
                error!(
                    "[alert] worker process {pid} exited on signal {}{core}",
                    signal as i32
                );
                0
            }
            _ => return Ok(()),
        };
        self.worker = None;
        if code == CANNOT_SERVE {
            error!("[alert] worker process {pid} exited with fatal code 2 and cannot be respawned");
            self.duties.pid_file.lock().take();
            return Err(StartError::Ended);
        }
        if since.elapsed() < SHORT_LIFE {
            std::thread::sleep(SHORT_LIFE);
        }
        if let Err(cause) = self.start_worker() {
            error!("[alert] could not respawn worker process {pid}");
            self.duties.pid_file.lock().take();
            return Err(cause);
        }
        if let Some(worker) = &self.worker
            && let Ok(Err(said)) | Err(said) =
                (worker.channel.outcome(RELOAD_LIMIT)).map_err(|cause| cause.to_string())
        {
            error!("the new worker process: {said}");
        }
        Ok(())
    }

    /// Forks the process that serves. In that one it does not return.
    fn start_worker(&mut self) -> Result<(), StartError> {
        let failed = |call| move |cause: io::Error| StartError::Call(call, cause);
        let (ours, theirs) = Channel::pair().map_err(failed("socketpair()"))?;
        // SAFETY: there is one thread, so that the child finds every lock free.
        let forked = unsafe { fork() };
        match forked.map_err(|cause| failed("fork()")(cause.into()))? {
            ForkResult::Parent { child } => {
                info!("start worker process {child}");
                self.worker = Some(Worker {
                    pid: child,
                    channel: ours,
                    since: Instant::now(),
                });
                Ok(())
            }
            ForkResult::Child => {
                drop(ours);
                std::process::exit(self.serve(theirs));
            }
        }
    }

    /// The life of the process that serves.
    fn serve(&mut self, channel: Channel) -> i32 {
        let channel = Arc::new(channel);
        match self.become_server(&channel) {
            Ok(state) => {
                let gateway = std::mem::take(&mut self.gateway);
                serve(state, gateway, Shutdown::on_signals_and(channel), None);
                0
            }
            Err(cause) => {
                // An error means that the parent has gone.
                let _ = channel.answer(Err(cause.to_string()));
                error!("{}", shutdown::without_program(&cause.to_string()));
                CANNOT_SERVE
            }
        }
    }

    fn become_server(&mut self, channel: &Channel) -> Result<State, StartError> {
        limits::apply(&self.prepared.model.process);
        privileges::become_user(&self.user)?;
        let mut state = State::build(self.prepared.for_server())?;
        (self.duties.give_back)();
        state.own_process(Duties::of_worker(&self.duties))?;
        if let Some((detached, log)) = self.detached.take() {
            detached.let_go(log.as_deref())?;
        }
        let said = channel.answer(Ok(()));
        said.map_err(|cause| StartError::Call("write()", cause))?;
        Ok(state)
    }
}

/// What the process that serves says to another configuration.
fn hand_over(worker: Option<&Worker>, handover: Handover) -> Result<(), String> {
    let Some(worker) = worker else {
        return Err("there is no worker process".into());
    };
    let sent = worker.channel.send(Message::Reload(handover));
    let answered = sent.and_then(|()| worker.channel.outcome(RELOAD_LIMIT));
    answered.unwrap_or_else(|cause| {
        let pid = worker.pid;
        Err(format!(
            "worker process {pid} is not reached ({})",
            OsError(&cause)
        ))
    })
}
