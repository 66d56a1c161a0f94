//! Logs: where lines go, what they say, and which of them are written.

use super::Template;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One `access_log`.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLog {
    /// Where lines go.
    pub target: LogTarget,
    /// What a line says, without the line end.
    pub format: Template,
    /// How values are kept from looking like something else.
    pub escape: Escape,
    /// `if=`: a request whose value of this is empty or `0` is not logged.
    pub condition: Option<Template>,
    /// `buffer=` and its kin: lines are held back and written together.
    pub buffer: Option<LogBuffer>,
}

/// `escape=` of a `log_format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Escape {
    /// `"`, `\\` and all outside of printable ASCII is `\\xXX`; a value that is not there is `-`.
    #[default]
    Default,
    /// As in a JSON string; a value that is not there is empty.
    Json,
    /// As they are; a value that is not there is empty.
    None,
}

/// Lines that are written together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogBuffer {
    /// `buffer=`: how many bytes are held back.
    pub size: usize,
    /// `flush=`: how long they are.
    pub flush: Option<Duration>,
    /// `gzip=`: how hard they are compressed.
    pub gzip: Option<u32>,
}

/// One `error_log`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ErrorLog {
    /// Where lines go.
    pub target: LogTarget,
    /// The least severe lines that are written.
    pub level: Level,
}

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to.
    File(PathBuf),
    /// A syslog server.
    Syslog(Syslog),
    /// A file whose name each request says, looked for anew for its line.
    Named(Template),
}

impl LogTarget {
    /// The file of nginx's access log where none is written, as every distribution builds it.
    pub const NGINX_ACCESS: &str = "/var/log/nginx/access.log";
}

/// How severe an error log's line is. Severe ones are less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The process cannot go on.
    Emerg,
    /// A bug.
    Alert,
    /// The system refuses what it should not.
    Crit,
    /// A request failed.
    Error,
    /// Something that may be wrong.
    Warn,
    /// A change worth knowing.
    Notice,
    /// What clients do.
    Info,
    /// For finding errors.
    Debug,
}

impl Level {
    /// Every level with nginx's word.
    pub const WORDS: [(Self, &'static str); 8] = [
        (Self::Emerg, "emerg"),
        (Self::Alert, "alert"),
        (Self::Crit, "crit"),
        (Self::Error, "error"),
        (Self::Warn, "warn"),
        (Self::Notice, "notice"),
        (Self::Info, "info"),
        (Self::Debug, "debug"),
    ];

    /// The level of nginx's word.
    pub fn parse(word: &str) -> Option<Self> {
        let found = Self::WORDS.iter().find(|(_, known)| *known == word);
        found.map(|(level, _)| *level)
    }

    /// syslog's number for it.
    pub fn severity(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::WORDS[*self as usize].1)
    }
}

/// `syslog:server=…`: a syslog server and what its messages start with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Syslog {
    /// Where it listens.
    pub server: SyslogServer,
    /// The number of `facility=`, `local7` by default.
    pub facility: u8,
    /// `severity=`, `info` by default. Error logs use the line's own level.
    pub severity: Level,
    /// `tag=`: the program's name in messages.
    pub tag: String,
    /// `nohostname`: whether this machine's name is left out.
    pub without_hostname: bool,
}

/// Where a syslog server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SyslogServer {
    /// For UDP.
    Udp(SocketAddr),
    /// On a Unix datagram socket.
    Unix(PathBuf),
}

impl Syslog {
    /// syslog's facilities, by their numbers.
    pub const FACILITIES: [&'static str; 24] = [
        "kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock",
        "authpriv", "ftp", "ntp", "audit", "alert", "cron", "local0", "local1", "local2", "local3",
        "local4", "local5", "local6", "local7",
    ];
}
