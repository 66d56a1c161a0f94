//! Messages to a syslog server, in nginx's form (RFC 3164): one datagram for each line.

use crate::model::{Level, Syslog, SyslogServer};
use crate::os_error::OsError;
use crate::runtime::{ErrorSink, LogSink, hostname};
use log::{error, info};
use std::fmt;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};

/// A syslog server. Sending never waits: what the server does not take is lost, as with nginx.
pub(super) struct SyslogSink {
    syslog: Syslog,
    /// Not connected, so that a server that starts again is found again.
    socket: io::Result<Socket>,
    /// The last message could not be sent, which was said.
    failed: AtomicBool,
}

enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl SyslogSink {
    pub(super) fn new(syslog: &Syslog) -> Self {
        Self {
            syslog: syslog.clone(),
            socket: Socket::open(&syslog.server),
            failed: AtomicBool::new(false),
        }
    }

    fn send(&self, severity: Level, line: &[u8]) {
        let mut message = self.header(severity);
        message.extend_from_slice(line);
        let sent = match (&self.socket, &self.syslog.server) {
            (Ok(Socket::Udp(socket)), SyslogServer::Udp(to)) => socket.send_to(&message, to),
            (Ok(Socket::Unix(socket)), SyslogServer::Unix(to)) => socket.send_to(&message, to),
            (Err(cause), _) => Err(cause.kind().into()),
            (Ok(_), _) => unreachable!("the socket was made for this server"),
        };
        // Said once: this line may go to the same server.
        match sent {
            Ok(_) if self.failed.swap(false, Ordering::Relaxed) => {
                info!("syslog server {self:?} is reached again");
            }
            Ok(_) => {}
            Err(cause) => {
                if !self.failed.swap(true, Ordering::Relaxed) {
                    error!(
                        "send() to syslog server {self:?} failed ({})",
                        OsError(&cause)
                    );
                }
            }
        }
    }

    /// `<190>Nov 21 19:00:00 host nginx: `.
    fn header(&self, severity: Level) -> Vec<u8> {
        let syslog = &self.syslog;
        let priority = u16::from(syslog.facility) * 8 + u16::from(severity.severity());
        let now = jiff::Zoned::now();
        let time = now.strftime("%b %e %H:%M:%S");
        let mut header = Vec::with_capacity(256);
        // Writing to a Vec cannot fail.
        let _ = write!(header, "<{priority}>{time} ");
        if !syslog.without_hostname {
            let _ = write!(header, "{} ", hostname());
        }
        let _ = write!(header, "{}: ", syslog.tag);
        header
    }
}

impl Socket {
    fn open(server: &SyslogServer) -> io::Result<Self> {
        Ok(match server {
            SyslogServer::Udp(to) => {
                let socket = match to.is_ipv4() {
                    true => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
                    false => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?,
                };
                socket.set_nonblocking(true)?;
                Self::Udp(socket)
            }
            SyslogServer::Unix(_) => {
                let socket = UnixDatagram::unbound()?;
                socket.set_nonblocking(true)?;
                Self::Unix(socket)
            }
        })
    }
}

impl LogSink for SyslogSink {
    fn write(&self, line: &[u8]) {
        self.send(self.syslog.severity, line);
    }
}

impl ErrorSink for SyslogSink {
    fn write(&self, level: Level, line: &str) {
        self.send(level, line.as_bytes());
    }
}

impl fmt::Debug for SyslogSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.syslog.server {
            SyslogServer::Udp(address) => write!(f, "{address}"),
            SyslogServer::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_datagram_in_nginx_s_form() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let syslog = Syslog {
            server: SyslogServer::Udp(server.local_addr().expect("bound")),
            facility: 23,
            severity: Level::Info,
            tag: "seven".into(),
            without_hostname: true,
        };
        let received = || {
            let mut buffer = [0; 256];
            let length = server.recv(&mut buffer).expect("a datagram");
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        let sink = SyslogSink::new(&syslog);
        LogSink::write(&sink, b"a line");
        let message = received();
        let (header, line) = message.split_at(message.len() - "seven: a line".len());
        assert_eq!(line, "seven: a line");
        assert!(header.starts_with("<190>"), "{header}");
        assert_eq!(header.len(), "<190>Nov 21 19:00:00 ".len(), "{header}");
        ErrorSink::write(&sink, Level::Error, "an error");
        assert!(received().starts_with("<187>"));
    }
}
