//! The listening sockets, which outlive every generation.

use super::upgrade::Bound;
use super::{StartError, socket_options};
use crate::model::{ListenAddress, Listener, SocketOptions};
use crate::os_error::OsError;
use crate::runtime::ListenerId;
use log::{error, info};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::fmt;
use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

/// Every address that was ever bound, by its id. An id is never given to another address.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    slots: Vec<Slot>,
    /// Sockets that another process has bound, for addresses that are not bound here.
    offered: Vec<Bound>,
    /// The files of Unix sockets are another process's too.
    leaves_files: bool,
    /// The process ends: nothing is bound any more.
    ended: bool,
}

#[derive(Debug)]
struct Slot {
    address: ListenAddress,
    /// What was asked of the socket last.
    options: SocketOptions,
    socket: Option<OwnedFd>,
    bound: Option<SocketAddr>,
}

/// How often an address that is in use is tried, and how long after each: as nginx.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// Binds as a program does, again while an address is in use: whoever has it may be about to end.
pub(super) fn patiently<T>(
    mut bind: impl FnMut() -> Result<T, StartError>,
) -> Result<T, StartError> {
    for _ in 1..TRIES {
        match bind() {
            Err(StartError::Bind(error)) if error.is_in_use() => error!("{error}"),
            outcome => return outcome,
        }
        info!("try again to bind() after {}ms", PAUSE.as_millis());
        thread::sleep(PAUSE);
    }
    bind()
}

/// An address that cannot be listened on. Displays as nginx says it.
#[derive(Debug)]
pub struct BindError {
    address: ListenAddress,
    call: &'static str,
    cause: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = OsError(&self.cause);
        write!(
            f,
            "[emerg] {} to {} failed ({cause})",
            self.call, self.address
        )
    }
}

impl BindError {
    fn is_in_use(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AddrInUse
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl Sockets {
    /// Takes sockets that another process has bound, for those of the next [`bind`](Self::bind) that
    /// listen there.
    pub(super) fn offer(&mut self, sockets: Vec<Bound>) {
        self.offered = sockets;
    }

    /// Says whose the files of Unix sockets are: not only this process's, or its own.
    pub(super) fn leave_files(&mut self, leaves: bool) {
        self.leaves_files = leaves;
    }

    /// Binds those of these addresses that are not bound yet. On an error none of them stays.
    /// Addresses that a wildcard among them covers get no socket of their own, unless they ask for
    /// one. Sockets that stay get what is asked of them now. Binds nothing after [`end`](Self::end).
    pub(super) fn bind(&mut self, listeners: &[Listener]) -> Result<(), BindError> {
        if self.ended {
            self.offered.clear();
            return Ok(());
        }
        let mut new = Vec::new();
        let mut kept = Vec::new();
        let mut outcome = Ok(());
        for listener in listeners {
            let (address, options) = (&listener.address, &listener.socket);
            let mut others = listeners.iter().map(|other| &other.address);
            if !options.separate && others.any(|other| other.covers(address)) {
                continue;
            }
            let slot = self.slots.iter().position(|slot| slot.address == *address);
            match slot.filter(|slot| self.slots[*slot].socket.is_some()) {
                Some(slot) => kept.push((slot, options)),
                None => match self.obtain(address, options) {
                    Ok((socket, is_ours)) => new.push((address, options, socket, is_ours)),
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                },
            }
        }
        if outcome.is_err() {
            let made = new.iter().filter(|(_, _, _, is_ours)| *is_ours);
            made.for_each(|(address, ..)| remove_file(address));
            return outcome;
        }
        // What nobody listens on any more is closed.
        self.offered.clear();
        for (slot, options) in kept {
            self.slots[slot].change(options);
        }
        for (address, options, socket, _) in new {
            let bound = socket.local_addr().ok().and_then(|local| local.as_socket());
            let slot = Slot {
                address: address.clone(),
                options: options.clone(),
                socket: Some(socket.into()),
                bound,
            };
            match self.slots.iter_mut().find(|slot| slot.address == *address) {
                Some(old) => *old = slot,
                None => self.slots.push(slot),
            }
        }
        Ok(())
    }

    /// As [`bind`](Self::bind), for another process: gives the sockets that are new.
    pub(super) fn bind_for_another(
        &mut self,
        listeners: &[Listener],
    ) -> Result<Vec<Bound>, BindError> {
        let is_open = |slot: &&Slot| slot.socket.is_some();
        let before = self.slots.iter().filter(is_open);
        let before: Vec<ListenAddress> = before.map(|slot| slot.address.clone()).collect();
        self.bind(listeners)?;
        let new = self.slots.iter().filter(is_open);
        let new = new.filter(|slot| !before.contains(&slot.address));
        let copies = new.map(|slot| slot.copy()).collect::<Result<_, _>>();
        if copies.is_err() {
            self.retain(|address| before.contains(address));
        }
        copies
    }

    /// A socket for an address: one that is there already, or a new one, which it says.
    fn obtain(
        &mut self,
        address: &ListenAddress,
        options: &SocketOptions,
    ) -> Result<(Socket, bool), BindError> {
        let found = self.offered.iter().position(|(at, _)| at == address);
        let Some(found) = found else {
            return Ok((bind(address, options)?, true));
        };
        let socket = Socket::from(self.offered.swap_remove(found).1);
        let failed = |call, cause| BindError {
            address: address.clone(),
            call,
            cause,
        };
        socket_options::apply(&SockRef::from(&socket), address, options)
            .map_err(|(call, cause)| failed(call, cause))?;
        socket
            .listen(socket_options::backlog(options))
            .map_err(|cause| failed("listen()", cause))?;
        socket
            .set_nonblocking(true)
            .map_err(|cause| failed("ioctl(FIONBIO)", cause))?;
        Ok((socket, false))
    }

    /// The id of an address, known from now on.
    pub(super) fn id(&mut self, address: &ListenAddress) -> ListenerId {
        let known = self.slots.iter().position(|slot| slot.address == *address);
        ListenerId(known.unwrap_or_else(|| {
            self.slots.push(Slot {
                address: address.clone(),
                options: SocketOptions::default(),
                socket: None,
                bound: None,
            });
            self.slots.len() - 1
        }))
    }

    /// A descriptor of the socket for whoever accepts on it.
    pub(super) fn duplicate(&self, id: ListenerId) -> io::Result<Option<OwnedFd>> {
        let slot = self.slots.get(id.0);
        let socket = slot.and_then(|slot| slot.socket.as_ref());
        socket.map(OwnedFd::try_clone).transpose()
    }

    /// Closes the sockets that are not among these.
    pub(super) fn retain(&mut self, keep: impl Fn(&ListenAddress) -> bool) {
        for slot in &mut self.slots {
            if !keep(&slot.address) {
                slot.close(self.leaves_files);
            }
        }
    }

    /// Closes all of them for good: a reload that is under way opens none again.
    pub(super) fn end(&mut self) {
        self.ended = true;
        self.retain(|_| false);
    }

    /// The descriptors of all that are bound.
    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        let sockets = self.slots.iter().filter_map(|slot| slot.socket.as_ref());
        sockets.map(AsRawFd::as_raw_fd).collect()
    }

    /// Every bound address, with the port it really has.
    pub(super) fn bound(&self) -> Vec<(ListenAddress, Option<SocketAddr>)> {
        let open = self.slots.iter().filter(|slot| slot.socket.is_some());
        open.map(|slot| (slot.address.clone(), slot.bound))
            .collect()
    }
}

impl Slot {
    /// Asks something else of a socket that is in use: what can be changed, changes now.
    fn change(&mut self, options: &SocketOptions) {
        if self.options == *options {
            return;
        }
        self.options = options.clone();
        let Some(socket) = &self.socket else { return };
        let socket = SockRef::from(socket);
        let changed = socket_options::apply(&socket, &self.address, options);
        if let Err((call, cause)) = changed {
            let (address, cause) = (&self.address, OsError(&cause));
            error!("{call} for {address} failed ({cause}), ignored");
        }
        if let Err(cause) = socket.listen(socket_options::backlog(options)) {
            let (address, cause) = (&self.address, OsError(&cause));
            error!("listen() for {address} failed ({cause}), ignored");
        }
    }

    /// Another descriptor of the socket, which is open.
    fn copy(&self) -> Result<Bound, BindError> {
        let failed = |cause| BindError {
            address: self.address.clone(),
            call: "dup()",
            cause,
        };
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected);
        let copy = socket.map_err(io::Error::from).and_then(OwnedFd::try_clone);
        Ok((self.address.clone(), copy.map_err(failed)?))
    }

    /// Closes the socket. The file of a Unix socket goes with it, or nobody could bind it again.
    fn close(&mut self, leaves_file: bool) {
        if self.socket.take().is_some() && !leaves_file {
            remove_file(&self.address);
        }
    }
}

/// Removes the file of a Unix socket.
fn remove_file(address: &ListenAddress) {
    if let ListenAddress::Unix(path) = address {
        // An error means that somebody has removed it already.
        let _ = std::fs::remove_file(path);
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.end();
    }
}

fn bind(address: &ListenAddress, options: &SocketOptions) -> Result<Socket, BindError> {
    let failed = |call: &'static str| {
        move |cause| BindError {
            address: address.clone(),
            call,
            cause,
        }
    };
    let (domain, target) = match address {
        ListenAddress::Inet(inet) => (Domain::for_address(*inet), SockAddr::from(*inet)),
        ListenAddress::Unix(path) => (
            Domain::UNIX,
            SockAddr::unix(path).map_err(failed("bind()"))?,
        ),
    };
    let protocol = (options.multipath && domain != Domain::UNIX).then_some(Protocol::MPTCP);
    let socket = Socket::new(domain, Type::STREAM, protocol).map_err(failed("socket()"))?;
    if domain != Domain::UNIX {
        socket
            .set_reuse_address(true)
            .map_err(failed("setsockopt(SO_REUSEADDR)"))?;
    }
    if options.reuse_port && domain != Domain::UNIX {
        socket
            .set_reuse_port(true)
            .map_err(failed("setsockopt(SO_REUSEPORT)"))?;
    }
    if domain == Domain::IPV6 {
        socket
            .set_only_v6(!options.dual_stack)
            .map_err(failed("setsockopt(IPV6_V6ONLY)"))?;
    }
    socket.bind(&target).map_err(failed("bind()"))?;
    if let ListenAddress::Unix(path) = address {
        let everybody = Permissions::from_mode(0o666);
        std::fs::set_permissions(path, everybody).map_err(failed("chmod()"))?;
    }
    socket_options::apply(&SockRef::from(&socket), address, options)
        .map_err(|(call, cause)| failed(call)(cause))?;
    socket
        .listen(socket_options::backlog(options))
        .map_err(failed("listen()"))?;
    socket
        .set_nonblocking(true)
        .map_err(failed("ioctl(FIONBIO)"))?;
    debug_assert!(socket.as_raw_fd() >= 0);
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SiteId;

    fn plain(address: &ListenAddress) -> Listener {
        Listener {
            address: address.clone(),
            socket: SocketOptions::default(),
            default_site: SiteId(0),
            sites: vec![SiteId(0)],
        }
    }

    #[test]
    fn an_address_beside_its_wildcard_gets_no_socket() {
        let free = std::net::TcpListener::bind("0.0.0.0:0").expect("a free port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let wildcard = ListenAddress::Inet(([0, 0, 0, 0], port).into());
        let single = ListenAddress::Inet(([127, 0, 0, 1], port).into());
        let mut sockets = Sockets::default();
        sockets
            .bind(&[plain(&single), plain(&wildcard)])
            .expect("one socket");
        assert_eq!(sockets.bound().len(), 1);
        assert_eq!(sockets.bound()[0].0, wildcard);
    }

    #[test]
    fn the_file_of_a_unix_socket_goes_with_it() {
        let path = std::env::temp_dir().join(format!("gapura-{}.sock", std::process::id()));
        let address = ListenAddress::Unix(path.clone());
        let mut sockets = Sockets::default();
        sockets.bind(&[plain(&address)]).expect("bound");
        assert!(path.exists());
        sockets.retain(|_| false);
        assert!(!path.exists());
        sockets.bind(&[plain(&address)]).expect("bound again");
    }

    #[test]
    fn a_reload_of_a_process_that_ends_binds_nothing() {
        let address = ListenAddress::Inet(([127, 0, 0, 1], 0).into());
        let mut sockets = Sockets::default();
        sockets.bind(&[plain(&address)]).expect("bound");
        sockets.end();
        sockets.bind(&[plain(&address)]).expect("not an error");
        assert!(sockets.bound().is_empty());
    }

    #[test]
    fn a_port_in_use_is_said_in_nginx_words() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = taken.local_addr().expect("bound");
        let mut sockets = Sockets::default();
        let error = sockets
            .bind(&[plain(&ListenAddress::Inet(address))])
            .expect_err("in use");
        assert_eq!(
            error.to_string(),
            format!("[emerg] bind() to {address} failed (98: Address already in use)")
        );
        assert!(sockets.bound().is_empty());
    }

    #[test]
    fn an_address_that_is_in_use_for_a_moment_is_waited_for() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = ListenAddress::Inet(taken.local_addr().expect("bound"));
        let mut taken = Some(taken);
        let mut sockets = Sockets::default();
        patiently(|| {
            let bound = sockets.bind(&[plain(&address)]);
            // Whoever has it ends after the first try.
            taken.take();
            Ok(bound?)
        })
        .expect("bound in the end");
        assert_eq!(sockets.bound()[0].0, address);
    }

    #[test]
    fn what_cannot_be_bound_leaves_no_file_of_another_socket() {
        let folder = tempfile::tempdir().expect("a folder");
        let unix = ListenAddress::Unix(folder.path().join("site.sock"));
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = ListenAddress::Inet(taken.local_addr().expect("bound"));
        let mut sockets = Sockets::default();
        let listeners = [plain(&unix), plain(&address)];
        sockets.bind(&listeners).expect_err("in use");
        drop(taken);
        sockets.bind(&listeners).expect("both are free");
    }

    #[test]
    fn the_backlog_is_the_one_that_was_asked_for() {
        let waiting = |sockets: &Sockets| {
            let socket = sockets.slots[0].socket.as_ref().expect("bound");
            socket_options::tests::backlog_of(socket)
        };
        let mut listener = plain(&ListenAddress::Inet(([127, 0, 0, 1], 0).into()));
        let mut sockets = Sockets::default();
        sockets.bind(&[listener.clone()]).expect("bound");
        assert_eq!(waiting(&sockets), 511);
        listener.socket.backlog = Some(7);
        sockets.bind(&[listener]).expect("still bound");
        assert_eq!(waiting(&sockets), 7, "a reload changes it");
    }
}
