//! Composition: from a configuration to a serving process.
//!
//! The order is nginx's: read the configuration, bind every socket, and only then start threads
//! and Pingora's runtime. Everything before that happens on the calling thread, so that a later
//! fork or change of user finds a process without threads.

mod accept;
mod bind;
mod daemon;
mod duties;
mod host;
mod limits;
mod notify;
mod parent;
mod pid_file;
mod program;
mod shutdown;
mod socket_options;
mod sockets;
mod state;
mod upgrade;

pub use bind::BindError;
#[cfg(feature = "cli")]
pub(crate) use pid_file::waiting_place;

use crate::config::{CommandLine, Diagnostics};
use crate::logs::OpenError;
use crate::model::ListenAddress;
use crate::os_error::OsError;
use crate::proxy::{Gateway, Router};
use host::{Command, Host};
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{RunArgs, Server as PingoraServer};
use pingora_core::services::background::GenBackgroundService;
use shutdown::{Shutdown, Stop};
use state::{Prepared, Source, State};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::mpsc;

/// A server that has not been started.
///
/// ```no_run
/// use gapura::{Route, RouteError, RouteRequest, Server};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     Server::from_file("conf/gapura.yaml")
///         .router(|request: &RouteRequest<'_>| -> Result<Route, RouteError> {
///             match request.cookie("canary") {
///                 Some("yes") => Ok(Route::to(request.upstream("canary")?)),
///                 _ => Ok(Route::decline()),
///             }
///         })
///         .run()?;
///     Ok(())
/// }
/// ```
pub struct Server {
    source: Source,
    gateway: Gateway,
    watches: bool,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is wrong: every error of it, with positions.
    #[error(transparent)]
    Configuration(#[from] Diagnostics),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A pattern of a model built by hand does not compile.
    #[error("[emerg] {0}")]
    Pattern(#[from] pcre2::Error),
    /// A file or a folder cannot be used: what was called for it, and why it failed.
    #[error("[emerg] {0} \"{path}\" failed ({cause})", path = .1.display(), cause = OsError(.2))]
    File(&'static str, PathBuf, #[source] io::Error),
    /// A log file cannot be opened.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The system refused something.
    #[error("[emerg] {0} failed ({cause})", cause = OsError(.1))]
    Call(&'static str, #[source] io::Error),
    /// The server's thread could not be made, or ended before it served.
    #[error("[emerg] the server did not start: {0}")]
    Thread(String),
    /// The process that served has ended, and no other one can take its place.
    #[error("[alert] the worker process cannot be respawned")]
    Ended,
}

/// Why a reload changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The new configuration cannot be used; the old one goes on serving.
    #[error(transparent)]
    Refused(#[from] StartError),
    /// The server has stopped.
    #[error("the server has stopped")]
    Stopped,
}

impl Server {
    /// A server of this configuration file, which is read when the server starts and again at
    /// every reload. `.yaml` and `.yml` are YAML, everything else is nginx's language.
    pub fn from_file(path: impl AsRef<Path>) -> Self {
        let path = PathBuf::from(path.as_ref());
        Self::from_source(Source::File(path, CommandLine::default()))
    }

    /// A server of this YAML. Paths in it are relative to the current folder.
    pub fn from_yaml(text: impl Into<String>) -> Self {
        Self::from_source(Source::Yaml(text.into()))
    }

    /// A server of a configuration made in code. A reload reads its pages again.
    pub fn from_config(config: crate::Config) -> Self {
        Self::from_source(Source::Draft(Box::new(config.into_draft())))
    }

    /// A server of a configuration that was read already, and changed perhaps: on other addresses, say.
    pub fn from_model(model: crate::model::Model) -> Self {
        Self::from_source(Source::Model(Box::new(model)))
    }

    fn from_source(source: Source) -> Self {
        Self {
            source,
            gateway: Gateway::default(),
            watches: false,
        }
    }

    /// The folder that relative log files of an nginx.conf are below, nginx's `-p`. Without it they
    /// are below `/usr/share/nginx`, and requests are logged to `/var/log/nginx/access.log` where
    /// nothing else is written. YAML's files are relative to the configuration.
    #[must_use]
    pub fn prefix(mut self, folder: impl AsRef<Path>) -> Self {
        if let Source::File(_, given) = &mut self.source {
            given.prefix = Some(PathBuf::from(folder.as_ref()));
        }
        self
    }

    /// Directives of nginx's outermost level that are read before those of an nginx.conf: nginx's
    /// `-g`. With YAML they are an error.
    #[must_use]
    pub fn directives(mut self, text: impl Into<String>) -> Self {
        if let Source::File(_, given) = &mut self.source {
            given.directives = Some(text.into());
        }
        self
    }

    /// Reloads by itself when a file that the configuration was read from has changed: included files,
    /// what the pattern of an `include` matches, and pages too. Files are looked at twice a second, and a
    /// change is waited for until it is over.
    #[must_use]
    pub fn watch(mut self) -> Self {
        self.watches = true;
        self
    }

    /// Routes by the embedder's own logic: see [`Router`].
    #[must_use]
    pub fn router(mut self, router: impl Router) -> Self {
        self.gateway.router = Some(Arc::new(router));
        self
    }

    /// How long a router may take for one request before that request gets a 500 (10 s).
    #[must_use]
    pub fn router_timeout(mut self, limit: Duration) -> Self {
        self.gateway.router_timeout = limit;
        self
    }

    /// Serves until the process gets a signal, nginx's: TERM and INT stop at once, QUIT finishes
    /// the requests in flight first, HUP reloads, USR1 opens the logs again, USR2 starts another
    /// binary on the same sockets. The process is this server's: its number is written to the file of
    /// `pid`, its current folder is `working_directory`. It stays in the foreground.
    ///
    /// # Errors
    /// The configuration is wrong, or an address cannot be listened on; nothing was served.
    ///
    /// # Panics
    /// Inside of a tokio runtime: it has runtimes of its own. See [`start`](Self::start).
    pub fn run(self) -> Result<(), StartError> {
        program::run(self, program::Place::Foreground)
    }

    /// As [`run`](Self::run), in the background when the configuration says so (`daemon`). Errors go to
    /// `error_log` there when the configuration names no file, or to nginx's own. `give_back` is called when the
    /// configuration has been read: at the start before anything is served, and at each reload.
    #[cfg(feature = "cli")]
    pub(crate) fn run_as_program(
        self,
        error_log: Option<PathBuf>,
        give_back: fn(),
    ) -> Result<(), StartError> {
        let place = program::Place::AsConfigured {
            error_log,
            give_back,
        };
        program::run(self, place)
    }

    /// Serves on threads of its own until [`Running::stop`] or [`Running::quit`]. Signals are left
    /// to the caller.
    ///
    /// # Errors
    /// The configuration is wrong, or an address cannot be listened on; nothing was served.
    pub fn start(self) -> Result<Running, StartError> {
        let mut prepared = Prepared::load(self.source, Vec::new(), self.watches)?;
        prepared.bind()?;
        let state = State::build(prepared)?;
        let addresses = state.addresses();
        let (shutdown, stop) = Shutdown::on_request();
        let (ready, wait) = std::sync::mpsc::channel();
        let spawned = thread::Builder::new()
            .name("gapura".into())
            .spawn(move || serve(state, self.gateway, shutdown, Some(ready)));
        let thread = spawned.map_err(|cause| StartError::Thread(cause.to_string()))?;
        let commands = wait
            .recv()
            .map_err(|_| StartError::Thread("its thread ended early".into()))?;
        Ok(Running {
            addresses,
            commands,
            stop,
            thread: Some(thread),
        })
    }
}

/// A server at work. Dropping it stops it at once.
pub struct Running {
    addresses: Vec<(ListenAddress, Option<SocketAddr>)>,
    commands: mpsc::UnboundedSender<Command>,
    stop: mpsc::UnboundedSender<Stop>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// The addresses it was started on, with the real port where the configuration says 0.
    /// Unix sockets are left out.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses
            .iter()
            .filter_map(|(_, bound)| *bound)
            .collect()
    }

    /// Reads the configuration again and serves it, without losing a request or a connection.
    ///
    /// # Errors
    /// The new configuration cannot be used. The old one goes on serving, nothing has changed.
    ///
    /// # Panics
    /// On a thread of a tokio runtime, which it would block: use `spawn_blocking` there.
    pub fn reload(&self) -> Result<(), ReloadError> {
        // A standard channel: waiting on it is allowed on a thread of a runtime too.
        let (reply, answer) = std::sync::mpsc::channel();
        self.commands
            .send(Command::Reload(Some(reply)))
            .map_err(|_| ReloadError::Stopped)?;
        Ok(answer.recv().map_err(|_| ReloadError::Stopped)??)
    }

    /// Stops at once: requests in flight are cut.
    pub fn stop(mut self) {
        self.end(Stop::Now);
    }

    /// Stops accepting, finishes the requests in flight, and returns when the last one is done.
    pub fn quit(mut self) {
        self.end(Stop::WhenIdle);
    }

    fn end(&mut self, how: Stop) {
        // An error means that it has ended already.
        let _ = self.stop.send(how);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(Stop::Now);
    }
}

/// Tries what a start needs besides a configuration that can be read: its log files, its addresses, its pid file.
///
/// # Errors
/// A file cannot be opened, or there is no such address. One that is in use is the server's that runs already.
#[cfg(feature = "cli")]
pub fn test(model: &crate::model::Model) -> Result<(), StartError> {
    crate::logs::LogFiles::default().error_logs(model)?;
    for listener in &model.listeners {
        bind::test(&listener.address)?;
    }
    program::test_pid_file(&model.process)
}

/// Runs Pingora on this thread until `shutdown` says so.
fn serve(
    state: State,
    gateway: Gateway,
    shutdown: Shutdown,
    ready: Option<std::sync::mpsc::Sender<mpsc::UnboundedSender<Command>>>,
) {
    let threads = state.process.threads();
    let mut conf = ServerConf {
        threads,
        ..ServerConf::default()
    };
    // Tries are bounded by the configuration and by `retry`; this is only Pingora's own guard.
    conf.max_retries = 1024;
    conf.upstream_keepalive_pool_size = state.idle_connections;
    let mut server = PingoraServer::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    // The generation holds the logs open until the last lines are written.
    let state = Arc::new(state);
    let host = Host::new(Arc::clone(&state), gateway, &server.configuration, ready);
    let host = Arc::new(host);
    let mut service = GenBackgroundService::new("gapura".into(), Arc::clone(&host));
    service.threads = Some(threads);
    server.add_service(service);
    let shutdown_signal = Box::new(shutdown.watching(host));
    server.run(RunArgs { shutdown_signal });
    state.log_files.flush();
    // What Pingora's threads still hold keeps neither the sockets nor files.
    state.sockets().end();
    if let Some(duties) = &state.duties {
        duties.pid_file.lock().take();
    }
}
