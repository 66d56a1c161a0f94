//! The service that runs inside Pingora: listeners, reload, and the loops of the upstreams.
//!
//! One background service hosts every listener, so that all of them share one runtime. Each has a
//! shutdown watch of its own: that is how listeners come and go while the process serves.

use super::StartError;
use super::accept::{self, Acceptor, AtWork};
use super::parent::Handover;
use super::shutdown::without_program;
use super::state::{Next, State};
use crate::door::{Door, Lifelines};
use crate::logs::OpenLog;
use crate::model::ListenAddress;
use crate::proxy::{Gateway, Proxy};
use crate::runtime::ListenerId;
use async_trait::async_trait;
use log::{error, info};
use parking_lot::Mutex;
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_core::services::background::BackgroundService;
use pingora_proxy::http_proxy;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How long a start or a reload waits for names to resolve before it serves without them.
const NAMES_LIMIT: Duration = Duration::from_secs(2);

/// How often watched files are looked at. A change has been over for as long when it is read.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a running server can be told.
pub(super) enum Command {
    /// Read the configuration again; the reply says why nothing changed.
    Reload(Option<Reply>),
    /// Take the one that the parent hands over.
    Take(Handover, Reply),
    /// Write to these logs.
    Reopen(Vec<OpenLog>),
    /// Accept again on every address.
    Accept,
}

type Reply = std::sync::mpsc::Sender<Result<(), StartError>>;

type Ready = std::sync::mpsc::Sender<mpsc::UnboundedSender<Command>>;

/// The hosting service.
pub(super) struct Host {
    state: Arc<State>,
    proxy: Arc<Proxy>,
    commands: mpsc::UnboundedSender<Command>,
    inbox: Mutex<Option<mpsc::UnboundedReceiver<Command>>>,
    ready: Mutex<Option<Ready>>,
    listeners: Mutex<HashMap<ListenAddress, watch::Sender<bool>>>,
    at_work: Arc<AtWork>,
    lifelines: Arc<Lifelines>,
    /// No listener starts any more.
    quitting: AtomicBool,
}

impl Host {
    pub(super) fn new(
        state: Arc<State>,
        gateway: Gateway,
        conf: &Arc<ServerConf>,
        ready: Option<Ready>,
    ) -> Self {
        let proxy = Proxy::new(Arc::new(http_proxy(conf, gateway)), Arc::clone(&state.live));
        let (commands, inbox) = mpsc::unbounded_channel();
        Self {
            state,
            proxy: Arc::new(proxy),
            commands,
            inbox: Mutex::new(Some(inbox)),
            ready: Mutex::new(ready),
            listeners: Mutex::default(),
            at_work: Arc::default(),
            lifelines: Arc::default(),
            quitting: AtomicBool::new(false),
        }
    }

    /// Opens the logs again: after they were moved away.
    pub(super) fn reopen_logs(&self) {
        self.state.log_files.reopen();
    }

    /// Does what the parent says, in the service's runtime.
    pub(super) fn obey(&self, command: Command) -> Result<(), StartError> {
        let sent = self.commands.send(command);
        sent.map_err(|_| StartError::Thread("it has ended".into()))
    }

    /// Asks for a reload; its outcome goes to the log.
    pub(super) fn request_reload(&self) {
        // An error means that the service has ended: there is nothing to reload.
        let _ = self.commands.send(Command::Reload(None));
    }

    /// Stops accepting and waits until every connection is closed.
    pub(super) async fn drain(&self) {
        self.quitting.store(true, Ordering::Release);
        self.state.sockets().end();
        self.stop_listeners(|_| false);
        self.at_work.end().await;
    }

    /// Ends every connection: requests in flight are cut.
    pub(super) fn cut(&self) {
        self.lifelines.cut_all();
    }

    /// Stops accepting for as long as another binary does it. The sockets stay.
    pub(super) fn pause(&self) {
        for (_, stop) in self.listeners.lock().drain() {
            // An error means that it has ended already.
            let _ = stop.send(true);
        }
    }

    /// Accepts again.
    pub(super) fn go_on(&self) {
        // Sockets are opened in the service's runtime.
        let _ = self.commands.send(Command::Accept);
    }

    /// What the server does beside serving.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    fn accept(&self) {
        for (address, _) in &self.state.addresses() {
            let id = self.state.sockets().id(address);
            self.listen(address, id);
        }
    }

    async fn obey_reload(&self, reply: Option<Reply>) {
        info!("reconfiguring");
        let outcome = self.reload(None).await;
        if outcome.is_ok() {
            // nginx opens the logs of each configuration anew. One that takes nothing holds no request up.
            let state = Arc::clone(&self.state);
            let _ = tokio::task::spawn_blocking(move || state.log_files.reopen()).await;
        }
        let text = outcome.as_ref().err().map(ToString::to_string);
        match &text {
            None => info!("reconfigured"),
            Some(text) => error!("{}", without_program(text)),
        }
        if let Some(duties) = &self.state.duties {
            duties.report(text.as_deref().map_or(Ok(()), Err));
        }
        if let Some(reply) = reply {
            let _ = reply.send(outcome);
        }
    }

    /// Reloads when the configuration's files have changed.
    async fn look_at_files(&self) {
        let state = Arc::clone(&self.state);
        let looked = tokio::task::spawn_blocking(move || state.files_have_changed());
        if looked.await.unwrap_or(false) {
            info!("the configuration's files have changed");
            self.obey_reload(None).await;
        }
    }

    async fn reload(&self, handed: Option<Handover>) -> Result<(), StartError> {
        // Reading files and compiling patterns would hold up the requests of this thread.
        let state = Arc::clone(&self.state);
        let next = tokio::task::spawn_blocking(move || {
            let next = state.next(handed);
            if let Some(duties) = &state.duties {
                (duties.give_back)();
            }
            next
        });
        let next = next.await;
        let Next {
            generation,
            listeners,
            shutdown_timeout,
            ..
        } = next.map_err(|cause| StartError::Thread(cause.to_string()))??;
        if self.quitting.load(Ordering::Acquire) {
            return Ok(());
        }
        self.state
            .registry
            .resolve_names(generation.upstreams(), NAMES_LIMIT)
            .await;
        self.state.live.swap(generation);
        if let Some(limit) = shutdown_timeout {
            let number = self.state.live.pin().number();
            let lifelines = Arc::clone(&self.lifelines);
            tokio::spawn(async move {
                sleep(limit).await;
                lifelines.cut_before(number);
            });
        }
        self.state
            .registry
            .retain(self.state.live.pin().upstreams());
        for (address, id) in &listeners {
            self.listen(address, *id);
        }
        self.stop_listeners(|address| listeners.iter().any(|(kept, _)| kept == address));
        Ok(())
    }

    /// Starts to accept on an address, unless it does already.
    fn listen(&self, address: &ListenAddress, id: ListenerId) {
        let mut listeners = self.listeners.lock();
        if listeners.contains_key(address) || self.quitting.load(Ordering::Acquire) {
            return;
        }
        let opened = self.state.sockets().duplicate(id);
        let opened = opened.and_then(|socket| {
            let listener = socket.map(|socket| accept::Listener::new(address, socket));
            listener.transpose()
        });
        let listener = match opened {
            Ok(Some(listener)) => listener,
            Ok(None) => return,
            Err(cause) => {
                error!("listening on {address} failed: {cause}");
                return;
            }
        };
        let door = Door::new(Arc::clone(&self.proxy), id, Arc::clone(&self.lifelines));
        let (stop, stopped) = watch::channel(false);
        listeners.insert(address.clone(), stop);
        tokio::spawn(Acceptor::new(door, &self.at_work, stopped).run(listener));
    }

    /// Stops accepting on the addresses that are not kept. Their open connections finish.
    fn stop_listeners(&self, keep: impl Fn(&ListenAddress) -> bool) {
        self.state.sockets().retain(&keep);
        self.listeners.lock().retain(|address, stop| {
            let kept = keep(address);
            if !kept {
                let _ = stop.send(true);
            }
            kept
        });
    }
}

#[async_trait]
impl BackgroundService for Host {
    async fn start(&self, shutdown: ShutdownWatch) {
        let Some(mut inbox) = self.inbox.lock().take() else {
            return;
        };
        // The generation is let go of with the statement: a reload frees it.
        self.state
            .registry
            .resolve_names(self.state.live.pin().upstreams(), NAMES_LIMIT)
            .await;
        let registry = Arc::clone(&self.state.registry);
        let loops_end = shutdown.clone();
        tokio::spawn(async move { registry.run(loops_end).await });
        self.accept();
        if let Some(ready) = self.ready.lock().take() {
            // An error means that whoever waited has gone; the server serves all the same.
            let _ = ready.send(self.commands.clone());
        }
        let mut shutdown = shutdown;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(Command::Reload(reply)) => self.obey_reload(reply).await,
                    Some(Command::Take(handed, reply)) => {
                        // An error means that the parent has gone.
                        let _ = reply.send(self.reload(Some(handed)).await);
                    }
                    Some(Command::Reopen(logs)) => {
                        self.state.log_files.take_over(logs);
                        self.state.log_files.reopen();
                    }
                    Some(Command::Accept) => self.accept(),
                    None => return,
                },
                _ = looks.tick(), if self.state.watches() => self.look_at_files().await,
                _ = shutdown.changed() => return,
            }
        }
    }
}
