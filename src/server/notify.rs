//! What a service manager wants to hear, in systemd's words (sd_notify(3)).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The server is there, and this is the process to be asked for: after a start, and when the binary that
/// was to follow it has ended.
pub(super) fn ready() {
    let Some(place) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let text = format!("READY=1\nMAINPID={}\n", std::process::id());
    if let Err(cause) = tell(&place, &text) {
        log::warn!("the service manager is not reached: {cause}");
    }
}

fn tell(place: &OsStr, text: &str) -> io::Result<()> {
    let address = match place.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.send_to_addr(text.as_bytes(), &address)?;
    Ok(())
}
