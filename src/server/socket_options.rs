//! What `listen` asks of a socket, told to the kernel.

use crate::model::{ListenAddress, SocketOptions, TcpKeepalive};
use socket2::SockRef;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Connections that may wait to be accepted: nginx's default.
const BACKLOG: i32 = 511;

/// How many connections may wait to be accepted.
pub(super) fn backlog(options: &SocketOptions) -> i32 {
    options.backlog.unwrap_or(BACKLOG)
}

/// Asks for what is said and leaves the rest as it is. The error comes with the call that failed.
pub(super) fn apply(
    socket: &SockRef<'_>,
    address: &ListenAddress,
    options: &SocketOptions,
) -> Result<(), (&'static str, io::Error)> {
    if let Some(size) = options.receive_buffer {
        let call = "setsockopt(SO_RCVBUF)";
        socket
            .set_recv_buffer_size(size)
            .map_err(|cause| (call, cause))?;
    }
    if let Some(size) = options.send_buffer {
        let call = "setsockopt(SO_SNDBUF)";
        socket
            .set_send_buffer_size(size)
            .map_err(|cause| (call, cause))?;
    }
    if matches!(address, ListenAddress::Unix(_)) {
        return Ok(());
    }
    match options.keepalive {
        None => {}
        Some(TcpKeepalive::Off) => socket
            .set_keepalive(false)
            .map_err(|cause| ("setsockopt(SO_KEEPALIVE)", cause))?,
        Some(TcpKeepalive::On {
            idle,
            interval,
            probes,
        }) => {
            socket
                .set_keepalive(true)
                .map_err(|cause| ("setsockopt(SO_KEEPALIVE)", cause))?;
            set_seconds(socket, libc::TCP_KEEPIDLE, idle, "setsockopt(TCP_KEEPIDLE)")?;
            let call = "setsockopt(TCP_KEEPINTVL)";
            set_seconds(socket, libc::TCP_KEEPINTVL, interval, call)?;
            if let Some(probes) = probes {
                let probes = i32::try_from(probes).unwrap_or(i32::MAX);
                set(socket, libc::TCP_KEEPCNT, probes, "setsockopt(TCP_KEEPCNT)")?;
            }
        }
    }
    if let Some(waiting) = options.fast_open {
        set(
            socket,
            libc::TCP_FASTOPEN,
            waiting,
            "setsockopt(TCP_FASTOPEN)",
        )?;
    }
    if options.deferred {
        set(
            socket,
            libc::TCP_DEFER_ACCEPT,
            1,
            "setsockopt(TCP_DEFER_ACCEPT)",
        )?;
    }
    Ok(())
}

fn set_seconds(
    socket: &SockRef<'_>,
    name: libc::c_int,
    time: Option<Duration>,
    call: &'static str,
) -> Result<(), (&'static str, io::Error)> {
    let Some(time) = time else { return Ok(()) };
    let seconds = i32::try_from(time.as_secs()).unwrap_or(i32::MAX);
    set(socket, name, seconds, call)
}

/// Sets one of TCP's options.
fn set(
    socket: &SockRef<'_>,
    name: libc::c_int,
    value: libc::c_int,
    call: &'static str,
) -> Result<(), (&'static str, io::Error)> {
    let size = libc::socklen_t::try_from(size_of::<libc::c_int>()).expect("four bytes");
    // SAFETY: the descriptor is open while it is borrowed, and the value is an int of that size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            name,
            std::ptr::from_ref(&value).cast(),
            size,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err((call, io::Error::last_os_error())),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};

    /// One of TCP's options of a socket.
    fn option(socket: &impl AsRawFd, name: libc::c_int) -> libc::c_int {
        let mut value: libc::c_int = 0;
        let mut size = libc::socklen_t::try_from(size_of::<libc::c_int>()).expect("four bytes");
        // SAFETY: the value is an int, and its size is said.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                name,
                std::ptr::from_mut(&mut value).cast(),
                &raw mut size,
            )
        };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
        value
    }

    /// How many connections may wait at a listening socket, as the kernel says it.
    pub(in crate::server) fn backlog_of(socket: &impl AsRawFd) -> u32 {
        // SAFETY: a tcp_info of zeros is one.
        let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
        let mut size = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).expect("small");
        // SAFETY: the value is a tcp_info, and its size is said.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                std::ptr::from_mut(&mut info).cast(),
                &raw mut size,
            )
        };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
        // Of a listening socket it is the length of its queue.
        info.tcpi_sacked
    }

    #[test]
    fn the_kernel_knows_what_was_asked() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let options = SocketOptions {
            receive_buffer: Some(64 * 1024),
            send_buffer: Some(32 * 1024),
            keepalive: Some(TcpKeepalive::On {
                idle: Some(Duration::from_secs(77)),
                interval: Some(Duration::from_secs(11)),
                probes: Some(5),
            }),
            deferred: true,
            fast_open: Some(9),
            ..SocketOptions::default()
        };
        let address = ListenAddress::Inet(([127, 0, 0, 1], 0).into());
        let applied = apply(&SockRef::from(&socket), &address, &options);
        assert!(applied.is_ok(), "{applied:?}");
        // The kernel doubles buffers, for its own use.
        assert_eq!(socket.recv_buffer_size().ok(), Some(128 * 1024));
        assert_eq!(socket.send_buffer_size().ok(), Some(64 * 1024));
        assert_eq!(socket.keepalive().ok(), Some(true));
        for (name, value) in [
            (libc::TCP_KEEPIDLE, 77),
            (libc::TCP_KEEPINTVL, 11),
            (libc::TCP_KEEPCNT, 5),
            (libc::TCP_FASTOPEN, 9),
        ] {
            assert_eq!(option(&socket, name), value);
        }
        assert!(option(&socket, libc::TCP_DEFER_ACCEPT) > 0);
    }
}
