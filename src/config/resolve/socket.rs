//! What stands behind the address of a `listen`: nginx's words for its socket.

use super::super::diagnostic::Severity;
use super::super::draft::{Size, Time};
use super::super::problem::Problem;
use super::fit;
use crate::model::{SocketOptions, TcpKeepalive};
use std::time::Duration;

/// What the words behind an address say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Words {
    /// `default_server`.
    pub(super) default_server: bool,
    /// What is asked of the socket, when something is.
    pub(super) socket: Option<SocketOptions>,
}

/// A word that means nothing, or something that is not done.
#[derive(Debug, PartialEq)]
pub(super) struct NotAWord {
    pub(super) severity: Severity,
    pub(super) problem: Problem,
    pub(super) label: Option<&'static str>,
}

impl Words {
    /// Takes one word in.
    pub(super) fn add(&mut self, word: &str) -> Result<(), NotAWord> {
        match word {
            "default_server" | "default" => {
                self.default_server = true;
                return Ok(());
            }
            "ssl" => {
                let label = "TLS listeners are not supported yet: terminate TLS in front of Gapura";
                return Err(unsupported(word, label));
            }
            "quic" => return Err(unsupported(word, "QUIC is not supported")),
            "proxy_protocol" => {
                return Err(unsupported(word, "the PROXY protocol is not supported yet"));
            }
            "http2" => {
                return Err(NotAWord {
                    severity: Severity::Warn,
                    problem: Problem::NotApplied(word.to_owned()),
                    label: Some("HTTP/2 is not offered; clients use HTTP/1.1"),
                });
            }
            _ => {}
        }
        if let Some(("accept_filter", _)) = word.split_once('=') {
            // nginx ignores it too where the system has none.
            return Err(NotAWord {
                severity: Severity::Warn,
                problem: Problem::AcceptFilter(word.to_owned()),
                label: None,
            });
        }
        let mut socket = self.socket.take().unwrap_or_default();
        socket.separate = true;
        let said = said_of(&mut socket, word);
        self.socket = Some(socket);
        said
    }
}

/// Takes in a word about a socket.
fn said_of(socket: &mut SocketOptions, word: &str) -> Result<(), NotAWord> {
    let Some((name, value)) = word.split_once('=') else {
        match word {
            "bind" => {}
            "deferred" => socket.deferred = true,
            "reuseport" => socket.reuse_port = true,
            "multipath" => socket.multipath = true,
            _ => return Err(invalid(Problem::InvalidParameter(word.to_owned()))),
        }
        return Ok(());
    };
    let wrong = |what| {
        let word = word.to_owned();
        move || invalid(Problem::InvalidListenParameter { what, word })
    };
    match name {
        "backlog" => {
            let number = number(value).filter(|number| *number > 0);
            socket.backlog = Some(number.ok_or_else(wrong("backlog"))?);
        }
        "fastopen" => socket.fast_open = Some(number(value).ok_or_else(wrong("fastopen"))?),
        "rcvbuf" => socket.receive_buffer = Some(size(value).ok_or_else(wrong("rcvbuf"))?),
        "sndbuf" => socket.send_buffer = Some(size(value).ok_or_else(wrong("sndbuf"))?),
        "ipv6only" => match value {
            "on" => socket.dual_stack = false,
            "off" => socket.dual_stack = true,
            _ if value.starts_with('o') => {
                return Err(invalid(Problem::InvalidListenParameter {
                    what: "ipv6only flags",
                    word: value.to_owned(),
                }));
            }
            _ => return Err(invalid(Problem::InvalidParameter(word.to_owned()))),
        },
        "so_keepalive" => {
            let wrong = || {
                invalid(Problem::InvalidListenParameter {
                    what: "so_keepalive value:",
                    word: value.to_owned(),
                })
            };
            socket.keepalive = Some(keepalive(value).ok_or_else(wrong)?);
        }
        _ => return Err(invalid(Problem::InvalidParameter(word.to_owned()))),
    }
    Ok(())
}

/// `on`, `off`, or `idle:interval:probes`, each of which may be left out.
fn keepalive(value: &str) -> Option<TcpKeepalive> {
    match value {
        "on" => {
            return Some(TcpKeepalive::On {
                idle: None,
                interval: None,
                probes: None,
            });
        }
        "off" => return Some(TcpKeepalive::Off),
        _ => {}
    }
    let mut parts = value.splitn(3, ':');
    let idle = seconds(parts.next()?)?;
    let interval = seconds(parts.next().unwrap_or_default())?;
    let probes = match parts.next().unwrap_or_default() {
        "" => None,
        text => Some(u32::try_from(number(text)?).ok()?).filter(|probes| *probes > 0),
    };
    let said = idle.is_some() || interval.is_some() || probes.is_some();
    said.then_some(TcpKeepalive::On {
        idle,
        interval,
        probes,
    })
}

/// Whole seconds; none when nothing or zero is written.
fn seconds(text: &str) -> Option<Option<Duration>> {
    if text.is_empty() {
        return Some(None);
    }
    let Time(time) = text.parse().ok()?;
    (time.subsec_nanos() == 0).then_some((!time.is_zero()).then_some(time))
}

fn number(text: &str) -> Option<i32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn size(text: &str) -> Option<usize> {
    let Size(size) = text.parse().ok()?;
    (size <= LARGEST_BUFFER).then(|| fit(size))
}

/// What the system's call takes.
const LARGEST_BUFFER: u64 = 0x7fff_ffff;

fn invalid(problem: Problem) -> NotAWord {
    NotAWord {
        severity: Severity::Emerg,
        problem,
        label: None,
    }
}

fn unsupported(word: &str, label: &'static str) -> NotAWord {
    NotAWord {
        severity: Severity::Emerg,
        problem: Problem::UnsupportedParameter(word.to_owned()),
        label: Some(label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Words, NotAWord> {
        let mut words = Words::default();
        for word in text.split(' ') {
            words.add(word)?;
        }
        Ok(words)
    }

    #[test]
    fn what_is_said_of_a_socket_binds_it() {
        let said = words("default_server").expect("valid");
        assert_eq!((said.default_server, said.socket), (true, None));
        let said = words("backlog=1024 rcvbuf=8k deferred ipv6only=off").expect("valid");
        let socket = SocketOptions {
            separate: true,
            backlog: Some(1024),
            receive_buffer: Some(8192),
            deferred: true,
            dual_stack: true,
            ..SocketOptions::default()
        };
        assert_eq!(said.socket, Some(socket));
    }

    #[test]
    fn keepalive_in_nginx_s_forms() {
        let on = |idle: u64, interval: u64, probes| {
            let time = |seconds| (seconds > 0).then(|| Duration::from_secs(seconds));
            Some(TcpKeepalive::On {
                idle: time(idle),
                interval: time(interval),
                probes,
            })
        };
        assert_eq!(keepalive("on"), on(0, 0, None));
        assert_eq!(keepalive("off"), Some(TcpKeepalive::Off));
        assert_eq!(keepalive("30m::10"), on(1800, 0, Some(10)));
        assert_eq!(keepalive("30"), on(30, 0, None));
        assert_eq!(keepalive("1:2:3"), on(1, 2, Some(3)));
        assert_eq!(keepalive(":5s"), on(0, 5, None));
        for wrong in ["", "::", "x", "1:y", "1:2:z", "1ms", "0"] {
            assert_eq!(keepalive(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_other_word_is_wrong() {
        for wrong in [
            "backlog=0",
            "backlog=-1",
            "fastopen=x",
            "sndbuf=1t",
            "ipv6only=maybe",
            "setfib=1",
            "bind=1",
            "ssl",
            "nonsense",
        ] {
            assert!(words(wrong).is_err(), "{wrong}");
        }
    }
}
