//! The listening sockets, which outlive every generation.

use super::bind::{self, BindError};
use super::socket_options;
use super::upgrade::Bound;
use crate::model::{ListenAddress, Listener, SocketOptions};
use crate::os_error::OsError;
use crate::runtime::ListenerId;
use log::error;
use socket2::{SockRef, Socket};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

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
        let (mut unbound, mut inherited, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for listener in listeners {
            let (address, options) = (&listener.address, &listener.socket);
            let mut others = listeners.iter().map(|other| &other.address);
            if !options.separate && others.any(|other| other.covers(address)) {
                continue;
            }
            let slot = self.slots.iter().position(|slot| slot.address == *address);
            match slot.filter(|slot| self.slots[*slot].socket.is_some()) {
                Some(slot) => kept.push((slot, options)),
                None if self.offered.iter().any(|(at, _)| at == address) => {
                    inherited.push((address, options));
                }
                None => unbound.push((address, options)),
            }
        }
        // What may be tried again comes first: what is offered is there for the next time.
        let mut new = bind::all(&unbound)?;
        for (address, options) in inherited {
            match self.take_offered(address, options) {
                Ok(socket) => new.push((address, options, socket)),
                Err(error) => {
                    unbound.iter().for_each(|(own, _)| bind::remove_file(own));
                    return Err(error);
                }
            }
        }
        // What nobody listens on any more is closed.
        self.offered.clear();
        for (slot, options) in kept {
            self.slots[slot].change(options);
        }
        for (address, options, socket) in new {
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
        let before = self.bound().into_iter().map(|(address, _)| address);
        let before: Vec<ListenAddress> = before.collect();
        self.bind(listeners)?;
        let new = self
            .slots
            .iter()
            .filter(|slot| !before.contains(&slot.address));
        let new = new.filter_map(|slot| Some((&slot.address, slot.socket.as_ref()?)));
        let copies =
            new.map(|(address, socket)| Ok((address.clone(), bind::copy(socket, address)?)));
        let copies = copies.collect::<Result<_, _>>();
        if copies.is_err() {
            self.retain(|address| before.contains(address));
        }
        copies
    }

    /// The socket that is offered for an address.
    fn take_offered(
        &mut self,
        address: &ListenAddress,
        options: &SocketOptions,
    ) -> Result<Socket, BindError> {
        let found = self.offered.iter().position(|(at, _)| at == address);
        let (_, socket) = self.offered.swap_remove(found.expect("it is offered"));
        bind::take_over(socket, address, options)
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

    /// Closes the socket. The file of a Unix socket goes with it, or nobody could bind it again.
    fn close(&mut self, leaves_file: bool) {
        if self.socket.take().is_some() && !leaves_file {
            bind::remove_file(&self.address);
        }
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SiteId;
    use crate::server::bind::patiently;

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
    fn what_is_offered_is_there_for_the_next_try() {
        let before = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("another");
        let at = |listener: &std::net::TcpListener| {
            ListenAddress::Inet(listener.local_addr().expect("bound"))
        };
        let copy = before.try_clone().expect("a copy");
        let mut sockets = Sockets::default();
        sockets.offer(vec![(at(&before), copy.into())]);
        let listeners = [plain(&at(&before)), plain(&at(&taken))];
        sockets.bind(&listeners).expect_err("in use");
        drop(taken);
        sockets.bind(&listeners).expect("one is free, one offered");
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
