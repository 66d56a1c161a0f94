//! What a server holds between reloads: where its configuration is, its sockets, its upstreams'
//! state, its logs, and the generation of now.

use super::StartError;
use super::sockets::Sockets;
use crate::access_log::LogFiles;
use crate::config::{self, draft::Draft};
use crate::model::{ListenAddress, Model};
use crate::runtime::upstream::Registry;
use crate::runtime::{Builder, Generation, ListenerId, Live};
use log::warn;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Idle upstream connections kept by the whole process when upstreams ask for fewer.
const MIN_IDLE_CONNECTIONS: usize = 128;

/// Where a configuration comes from, at the start and at every reload.
pub(super) enum Source {
    /// A file, and the folder that an nginx.conf's relative log files are below.
    File(PathBuf, Option<PathBuf>),
    Yaml(String),
    Draft(Box<Draft>),
}

/// What outlives every generation.
pub(super) struct State {
    source: Source,
    sockets: Mutex<Sockets>,
    pub(super) registry: Arc<Registry>,
    pub(super) log_files: Arc<LogFiles>,
    pub(super) live: Arc<Live>,
    /// `worker_processes`, as it was when the process started.
    pub(super) worker_threads: Option<NonZeroUsize>,
    /// The size of the pool of idle connections, as it was when the process started.
    pub(super) idle_connections: usize,
}

/// A generation that is ready to serve, and the sockets it serves on.
pub(super) struct Next {
    pub(super) generation: Generation,
    pub(super) listeners: Vec<(ListenAddress, ListenerId)>,
}

impl State {
    /// Reads the configuration, binds its sockets and builds its generation. Starts nothing.
    pub(super) fn load(source: Source) -> Result<Self, StartError> {
        let model = read(&source)?;
        let registry = Arc::new(Registry::new());
        let log_files = Arc::new(LogFiles::default());
        let mut sockets = Sockets::default();
        let next = build(&model, &mut sockets, &registry, &log_files)?;
        let asked: usize = model
            .upstreams
            .iter()
            .map(|upstream| upstream.keepalive.connections)
            .sum();
        Ok(Self {
            source,
            sockets: Mutex::new(sockets),
            registry,
            log_files,
            live: Arc::new(Live::new(next.generation)),
            worker_threads: model.worker_processes,
            idle_connections: asked.max(MIN_IDLE_CONNECTIONS),
        })
    }

    /// The next generation of the same source. Nothing has changed when it fails; new sockets are
    /// bound when it succeeds.
    pub(super) fn next(&self) -> Result<Next, StartError> {
        let model = read(&self.source)?;
        build(
            &model,
            &mut self.sockets.lock(),
            &self.registry,
            &self.log_files,
        )
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

fn read(source: &Source) -> Result<Model, StartError> {
    let loaded = match source {
        Source::File(path, prefix) => config::load_below(path, prefix.as_deref())?,
        Source::Yaml(text) => config::load_yaml(text, "configuration", Path::new(""))?,
        Source::Draft(draft) => config::load_draft(Draft::clone(draft), Path::new(""))?,
    };
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    Ok(loaded.model)
}

fn build(
    model: &Model,
    sockets: &mut Sockets,
    registry: &Registry,
    log_files: &LogFiles,
) -> Result<Next, StartError> {
    let addresses: Vec<_> = model
        .listeners
        .iter()
        .map(|listener| &listener.address)
        .collect();
    sockets.bind(&addresses)?;
    let listeners = model
        .listeners
        .iter()
        .map(|listener| (listener.address.clone(), sockets.id(&listener.address)))
        .collect();
    let generation = Builder {
        registry,
        listener_id: &mut |address| sockets.id(address),
        log_sink: &mut |target| log_files.sink(target),
    }
    .build(model)?;
    Ok(Next {
        generation,
        listeners,
    })
}
