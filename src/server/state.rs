//! What a server holds between reloads: where its configuration is, its sockets, its upstreams'
//! state, its logs, and the generation of now.

use super::StartError;
use super::bind::patiently;
use super::duties::Duties;
use super::parent::Handover;
use super::sockets::Sockets;
use super::upgrade::Bound;
use crate::config::{self, CommandLine, FileReader, Loaded, Watched, draft::Draft};
use crate::logs::{self, LogFiles};
use crate::model::{ListenAddress, Model, Process, Upstream};
use crate::runtime::upstream::Registry;
use crate::runtime::{Builder, ErrorLog, Generation, ListenerId, Live};
use log::warn;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How many idle connections to servers the process keeps at most, if the upstreams that it starts with
/// want no more: a reload may bring others.
const MOST_IDLE_CONNECTIONS: usize = 16_384;

/// Where a configuration comes from, at the start and at every reload.
pub(super) enum Source {
    /// A file, and what the command line says beside its name.
    File(PathBuf, CommandLine),
    Yaml(String),
    Draft(Box<Draft>),
    Model(Box<Model>),
}

/// A configuration that was read, with its error logs open, and its sockets when they were [bound](Self::bind).
/// There is no thread yet.
pub(super) struct Prepared {
    pub(super) source: Source,
    pub(super) model: Model,
    pub(super) sockets: Sockets,
    pub(super) log_files: Arc<LogFiles>,
    /// Its files, when a change of them is a reload.
    pub(super) watched: Option<Watched>,
}

/// What outlives every generation.
pub(super) struct State {
    source: Source,
    /// Its files, when a change of them is a reload that is this process's business.
    watched: Option<Mutex<Watched>>,
    sockets: Mutex<Sockets>,
    pub(super) registry: Arc<Registry>,
    pub(super) log_files: Arc<LogFiles>,
    pub(super) live: Arc<Live>,
    /// What the process was started with.
    pub(super) process: Process,
    /// `worker_shutdown_timeout`, of now.
    pub(super) shutdown_timeout: Mutex<Option<Duration>>,
    /// The process's error log, until it is [this server's own](Self::own_process).
    error_log: Arc<ErrorLog>,
    /// What the process is beside a server, when this server is all that it is for.
    pub(super) duties: Option<Duties>,
    /// The size of the pool of idle connections, as it was when the process started.
    pub(super) idle_connections: usize,
}

/// A generation that is ready to serve, and the sockets it serves on.
pub(super) struct Next {
    pub(super) generation: Generation,
    pub(super) listeners: Vec<(ListenAddress, ListenerId)>,
    /// How long connections may keep to the generation before.
    pub(super) shutdown_timeout: Option<Duration>,
    /// The process's own.
    error_log: Arc<ErrorLog>,
}

impl Prepared {
    /// Reads the configuration and opens its error logs. The sockets of `inherited` are bound already. Starts
    /// nothing.
    pub(super) fn load(
        source: Source,
        inherited: Vec<Bound>,
        watches: bool,
    ) -> Result<Self, StartError> {
        let reader = FileReader::default();
        let model = read(&source, &reader)?;
        let watched = watches.then(|| Watched::of(&reader));
        let log_files = Arc::new(LogFiles::default());
        // Before anything is bound: what cannot be logged is said first.
        log_files.error_logs(&model)?;
        let mut sockets = Sockets::default();
        sockets.offer(inherited);
        Ok(Self {
            source,
            model,
            sockets,
            log_files,
            watched,
        })
    }

    /// Binds the sockets that are not bound yet.
    pub(super) fn bind(&mut self) -> Result<(), StartError> {
        Ok(self.sockets.bind(&self.model.listeners)?)
    }

    /// Itself, in a process that was forked: what is left is of no use.
    pub(super) fn for_server(&mut self) -> Self {
        Self {
            source: std::mem::replace(&mut self.source, Source::Yaml(String::new())),
            model: std::mem::take(&mut self.model),
            sockets: std::mem::take(&mut self.sockets),
            log_files: Arc::clone(&self.log_files),
            watched: None,
        }
    }
}

impl State {
    /// Builds the generation of a configuration. Starts nothing.
    pub(super) fn build(prepared: Prepared) -> Result<Self, StartError> {
        let Prepared {
            source,
            model,
            mut sockets,
            log_files,
            watched,
        } = prepared;
        let registry = Arc::new(Registry::new());
        let threads = model.process.threads();
        registry.stand_for(threads);
        let next = build(&model, &mut sockets, &registry, &log_files)?;
        let connections = |upstream: &Upstream| upstream.keepalive.connections;
        let asked: usize = model.upstreams.iter().map(connections).sum();
        Ok(Self {
            source,
            watched: watched.map(Mutex::new),
            sockets: Mutex::new(sockets),
            registry,
            log_files,
            live: Arc::new(Live::new(next.generation)),
            shutdown_timeout: Mutex::new(model.process.shutdown_timeout),
            process: model.process,
            error_log: next.error_log,
            duties: None,
            idle_connections: asked.saturating_mul(threads).max(MOST_IDLE_CONNECTIONS),
        })
    }

    /// Makes the process this server's own: its current folder, its error log.
    pub(super) fn own_process(&mut self, duties: Duties) -> Result<(), StartError> {
        if let Some(folder) = &self.process.working_directory {
            self.source.make_absolute()?;
            let failed = |cause| StartError::File("chdir()", folder.clone(), cause);
            std::env::set_current_dir(folder).map_err(failed)?;
        }
        self.sockets.get_mut().leave_files(duties.has_parent);
        self.duties = Some(duties);
        // Nobody else holds it open when a reload names another.
        logs::process::replace(std::mem::take(&mut self.error_log));
        Ok(())
    }

    /// The next generation of the same source. Nothing has changed when it fails; new sockets are
    /// bound when it succeeds.
    pub(super) fn next(&self, handed: Option<Handover>) -> Result<Next, StartError> {
        let before = self.addresses();
        let next = (self.read_next(handed)).and_then(|model| self.build_next(&model));
        if next.is_err() {
            let mut sockets = self.sockets.lock();
            sockets.offer(Vec::new());
            sockets.retain(|address| before.iter().any(|(bound, _)| bound == address));
        }
        next
    }

    fn read_next(&self, handed: Option<Handover>) -> Result<Model, StartError> {
        let Some(handed) = handed else {
            let reader = FileReader::default();
            let read = read(&self.source, &reader);
            if let Some(watched) = &self.watched {
                watched.lock().read_again(&reader, read.is_ok());
            }
            return read;
        };
        self.sockets.lock().offer(handed.sockets);
        self.log_files.take_over(handed.logs);
        // Warnings are the parent's to say.
        Ok(self.source.read(&FileReader::of(handed.files))?.model)
    }

    fn build_next(&self, model: &Model) -> Result<Next, StartError> {
        let build = || {
            let sockets = &mut self.sockets.lock();
            build(model, sockets, &self.registry, &self.log_files)
        };
        let next = match &self.duties {
            Some(_) => patiently(build),
            None => build(),
        }?;
        if let Some(duties) = &self.duties {
            duties.move_pid_file(model.process.pid.as_deref())?;
            logs::process::replace(Arc::clone(&next.error_log));
            if duties.has_parent {
                self.log_files.forget_others(model);
            }
        }
        *self.shutdown_timeout.lock() = next.shutdown_timeout;
        Ok(next)
    }

    /// Whether files are looked at.
    pub(super) fn watches(&self) -> bool {
        self.watched.is_some()
    }

    /// Whether the configuration's files ask for a reload. Not while another binary serves: it looks at
    /// them too.
    pub(super) fn files_have_changed(&self) -> bool {
        let has_successor = |duties: &Duties| duties.upgrade.lock().has_successor();
        let is_successor_s = self.duties.as_ref().is_some_and(has_successor);
        let watched = self.watched.as_ref().filter(|_| !is_successor_s);
        watched.is_some_and(|watched| watched.lock().has_changed())
    }

    /// The bound addresses, with their real ports.
    pub(super) fn addresses(&self) -> Vec<(ListenAddress, Option<SocketAddr>)> {
        self.sockets.lock().bound()
    }

    /// The sockets.
    pub(super) fn sockets(&self) -> parking_lot::MutexGuard<'_, Sockets> {
        self.sockets.lock()
    }
}

impl Source {
    /// Reads it, with files that are read this way.
    pub(super) fn read(&self, reader: &FileReader) -> Result<Loaded, StartError> {
        let nowhere = Path::new("");
        Ok(match self {
            Source::Model(model) => Loaded {
                model: Model::clone(model),
                warnings: Vec::new(),
                files: Vec::new(),
                sources: Vec::new(),
            },
            Source::File(path, given) => config::load_through(reader, path, given)?,
            Source::Yaml(text) => {
                config::load_yaml_through(reader, text, "configuration", nowhere)?
            }
            Source::Draft(draft) => {
                config::load_draft_through(reader, Draft::clone(draft), nowhere)?
            }
        })
    }

    /// Finds its files wherever the process goes.
    pub(super) fn make_absolute(&mut self) -> Result<(), StartError> {
        let Self::File(file, given) = self else {
            return Ok(());
        };
        for path in [Some(file), given.prefix.as_mut()].into_iter().flatten() {
            let failed = |cause| StartError::File("getcwd()", path.clone(), cause);
            *path = std::path::absolute(&*path).map_err(failed)?;
        }
        Ok(())
    }
}

fn read(source: &Source, reader: &FileReader) -> Result<Model, StartError> {
    let loaded = source.read(reader)?;
    for warning in &loaded.warnings {
        warn!("{warning:#}");
    }
    Ok(loaded.model)
}

fn build(
    model: &Model,
    sockets: &mut Sockets,
    registry: &Registry,
    log_files: &LogFiles,
) -> Result<Next, StartError> {
    // Before anything changes: what follows does not fail by what a user writes.
    let error_logs = log_files.error_logs(model)?;
    sockets.bind(&model.listeners)?;
    let listeners = model
        .listeners
        .iter()
        .map(|listener| (listener.address.clone(), sockets.id(&listener.address)))
        .collect();
    let generation = Builder {
        registry,
        listener_id: &mut |address| sockets.id(address),
        log_sink: &mut |target, buffer| log_files.sink(target, buffer),
        named_logs: log_files.named(),
        error_log: &mut |logs| error_logs.of(logs),
    }
    .build(model)?;
    Ok(Next {
        generation,
        listeners,
        shutdown_timeout: model.process.shutdown_timeout,
        error_log: error_logs.of(&model.process.error_log),
    })
}
