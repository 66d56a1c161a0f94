//! One listening socket: how it comes to be, and what is said when it cannot.

use super::{StartError, socket_options};
use crate::model::{ListenAddress, SocketOptions};
use crate::os_error::OsError;
use log::{error, info};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::fmt;
use std::fs::Permissions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

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

/// Binds a socket for each of these addresses and listens; for all of them, or for none.
pub(super) fn all<'a>(
    addresses: &[(&'a ListenAddress, &'a SocketOptions)],
) -> Result<Vec<(&'a ListenAddress, &'a SocketOptions, Socket)>, BindError> {
    let mut sockets = Vec::with_capacity(addresses.len());
    for &(address, options) in addresses {
        match bind(address, options) {
            Ok(socket) => sockets.push((address, options, socket)),
            Err(error) => {
                sockets.iter().for_each(|(made, ..)| remove_file(made));
                return Err(error);
            }
        }
    }
    Ok(sockets)
}

/// Whether the machine has an address. It may be in use, and may want other rights than this process has.
#[cfg(feature = "cli")]
pub(super) fn test(address: &ListenAddress) -> Result<(), BindError> {
    let ListenAddress::Inet(inet) = address else {
        return Ok(());
    };
    let failed = |call| failed(address, call);
    let socket = Socket::new(Domain::for_address(*inet), Type::STREAM, None);
    let socket = socket.map_err(failed("socket()"))?;
    match socket.bind(&SockAddr::from(*inet)) {
        Err(cause)
            if !matches!(
                cause.kind(),
                io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
            ) =>
        {
            Err(failed("bind()")(cause))
        }
        _ => Ok(()),
    }
}

fn bind(address: &ListenAddress, options: &SocketOptions) -> Result<Socket, BindError> {
    let failed = |call| failed(address, call);
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
    listen(socket, address, options)
}

/// Listens on a socket that is bound already, by another process.
pub(super) fn take_over(
    bound: OwnedFd,
    address: &ListenAddress,
    options: &SocketOptions,
) -> Result<Socket, BindError> {
    listen(Socket::from(bound), address, options)
}

fn listen(
    socket: Socket,
    address: &ListenAddress,
    options: &SocketOptions,
) -> Result<Socket, BindError> {
    socket_options::apply(&SockRef::from(&socket), address, options)
        .map_err(|(call, cause)| failed(address, call)(cause))?;
    socket
        .listen(socket_options::backlog(options))
        .map_err(failed(address, "listen()"))?;
    socket
        .set_nonblocking(true)
        .map_err(failed(address, "ioctl(FIONBIO)"))?;
    Ok(socket)
}

/// Another descriptor of a socket.
pub(super) fn copy(socket: &OwnedFd, address: &ListenAddress) -> Result<OwnedFd, BindError> {
    socket.try_clone().map_err(failed(address, "dup()"))
}

fn failed(address: &ListenAddress, call: &'static str) -> impl FnOnce(io::Error) -> BindError {
    let address = address.clone();
    move |cause| BindError {
        address,
        call,
        cause,
    }
}

/// Removes the file of a Unix socket.
pub(super) fn remove_file(address: &ListenAddress) {
    if let ListenAddress::Unix(path) = address {
        // An error means that somebody has removed it already.
        let _ = std::fs::remove_file(path);
    }
}
