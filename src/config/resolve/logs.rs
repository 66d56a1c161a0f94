//! Logs: where lines go and what they say.

use super::super::draft::{
    AccessLog as DraftAccessLog, ErrorLog as DraftErrorLog, OneOrMany, OrOff, Short,
};
use super::super::path::Path;
use super::super::problem::Problem;
use super::super::suggest;
use super::{Resolver, fit};
use crate::model::{
    AccessLog, ErrorLog, Escape, Level, LogBuffer, LogTarget, Syslog, SyslogServer,
};
use std::net::{SocketAddr, ToSocketAddrs};

impl Resolver {
    pub(super) fn access_log(
        &mut self,
        written: &OrOff<OneOrMany<Short<DraftAccessLog>>>,
        path: &Path<'_>,
    ) -> Vec<AccessLog> {
        let mut logs = Vec::new();
        let list = written.on().map_or(&[][..], |list| &list.0);
        for (index, log) in list.iter().enumerate() {
            let at = path.index(index);
            let Some(target) = self.access_target(log.path.as_deref(), &at) else {
                continue;
            };
            let format = log.format.as_deref().unwrap_or("combined");
            let format = match format {
                "combined" => self.template(COMBINED, &at),
                name if !name.contains(['$', ' ']) => {
                    let label = "expected `combined`, or text with $variables";
                    let problem = Problem::UnknownLogFormat(name.into());
                    self.report(at.key("format").error(problem).label(label));
                    continue;
                }
                text => self.template(text, &at.key("format")),
            };
            let escape = self.escape(log.escape.as_deref(), &at);
            let condition = (log.r#if.as_deref()).map(|text| self.template(text, &at.key("if")));
            let buffer = self.log_buffer(log, &target, &at);
            logs.push(AccessLog {
                target,
                format,
                escape,
                condition,
                buffer,
            });
        }
        logs
    }

    fn escape(&mut self, written: Option<&str>, at: &Path<'_>) -> Escape {
        match written {
            None | Some("default") => Escape::Default,
            Some("json") => Escape::Json,
            Some("none") => Escape::None,
            Some(word) => {
                let problem = Problem::Syntax(format!("unknown log format escaping \"{word}\""));
                let label = "expected `default`, `json` or `none`";
                self.report(at.key("escape").error(problem).label(label));
                Escape::Default
            }
        }
    }

    fn log_buffer(
        &mut self,
        log: &DraftAccessLog,
        target: &LogTarget,
        at: &Path<'_>,
    ) -> Option<LogBuffer> {
        let gzip = log
            .gzip
            .map(|level| fit(self.number(level, 1, 9, &at.key("gzip"))));
        let size = match (log.buffer, gzip) {
            (Some(size), _) => size.0,
            (None, Some(_)) => GZIP_BUFFER,
            (None, None) => {
                if log.flush.is_some() {
                    let path = log.path.as_deref().unwrap_or_default();
                    let text = format!("no buffer is defined for access_log \"{path}\"");
                    let finding = at.key("flush").error(Problem::Syntax(text));
                    self.report(finding.label("expected `buffer` or `gzip` beside it"));
                }
                return None;
            }
        };
        let problem = match target {
            LogTarget::Syslog(_) => Some("logs to syslog cannot be buffered"),
            LogTarget::Named(_) => Some("buffered logs cannot have variables in name"),
            _ => None,
        };
        if let Some(text) = problem {
            self.report(at.key("path").error(Problem::Syntax(text.into())));
        }
        Some(LogBuffer {
            size: fit(self.number(size, 1, MOST_BUFFERED, &at.key("buffer"))),
            flush: log.flush.map(|time| time.0).filter(|time| !time.is_zero()),
            gzip,
        })
    }

    pub(super) fn error_log(
        &mut self,
        written: &OneOrMany<Short<DraftErrorLog>>,
        path: &Path<'_>,
    ) -> Vec<ErrorLog> {
        let mut logs = Vec::new();
        for (index, log) in written.0.iter().enumerate() {
            let at = path.index(index);
            let target = self.target(log.path.as_deref(), &at);
            let level = match log.level.as_deref() {
                None => Some(Level::Error),
                Some(word) => self.log_level(word, &at.key("level")),
            };
            logs.extend(
                target
                    .zip(level)
                    .map(|(target, level)| ErrorLog { target, level }),
            );
        }
        logs
    }

    /// Where requests are logged: a file's name may have variables.
    fn access_target(&mut self, written: Option<&str>, at: &Path<'_>) -> Option<LogTarget> {
        let target = self.target(written, at)?;
        let LogTarget::File(path) = &target else {
            return Some(target);
        };
        let text = path.display().to_string();
        if !text.contains('$') {
            return Some(target);
        }
        Some(LogTarget::Named(self.template(&text, &at.key("path"))))
    }

    fn target(&mut self, written: Option<&str>, at: &Path<'_>) -> Option<LogTarget> {
        Some(match written {
            Some("stdout") => LogTarget::Stdout,
            Some("stderr") => LogTarget::Stderr,
            Some(file) if file.starts_with("syslog:") => {
                LogTarget::Syslog(self.syslog(file, &at.key("path"))?)
            }
            Some(file) if !file.is_empty() => LogTarget::File(self.base.join(file)),
            _ => {
                let label = "expected `path: stdout`, `stderr` or a file";
                self.report(at.error(Problem::Missing("\"path\"")).label(label));
                return None;
            }
        })
    }

    fn log_level(&mut self, word: &str, path: &Path<'_>) -> Option<Level> {
        let level = Level::parse(word);
        if level.is_none() {
            let problem = Problem::Syntax(format!("invalid log level \"{word}\""));
            let words = Level::WORDS.map(|(_, word)| word);
            let label = suggest::did_you_mean_or_list(word, &words);
            self.report(path.error(problem).label(label));
        }
        level
    }

    /// `syslog:server=ADDRESS,facility=…,tag=…,severity=…,nohostname`.
    fn syslog(&mut self, text: &str, path: &Path<'_>) -> Option<Syslog> {
        let mut parameters = SyslogParameters::default();
        let mut offset = "syslog:".len();
        let mut is_right = true;
        for parameter in text[offset..].split(',') {
            if let Err(message) = parameters.read(parameter) {
                let finding = path.error(Problem::Syntax(message));
                self.report(finding.within(offset, parameter.len()));
                is_right = false;
            }
            offset += parameter.len() + 1;
        }
        let syslog = parameters.finish();
        if is_right && syslog.is_none() {
            let problem = Problem::Syntax("no syslog server specified".into());
            let label = "expected `syslog:server=ADDRESS`";
            self.report(path.error(problem).label(label));
        }
        syslog.filter(|_| is_right)
    }
}

#[derive(Default)]
struct SyslogParameters {
    server: Option<SyslogServer>,
    facility: Option<usize>,
    severity: Option<Level>,
    tag: Option<String>,
    without_hostname: bool,
}

impl SyslogParameters {
    /// Reads one of them, or says in nginx's words what is wrong with it.
    fn read(&mut self, parameter: &str) -> Result<(), String> {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name {
            "server" => once(&mut self.server, name, syslog_server(value)?),
            "facility" => {
                let known = Syslog::FACILITIES.iter().position(|word| *word == value);
                let known = known.ok_or_else(|| format!("unknown syslog facility \"{value}\""))?;
                once(&mut self.facility, name, known)
            }
            "severity" => {
                let known = Level::parse(value);
                let known = known.ok_or_else(|| format!("unknown syslog severity \"{value}\""))?;
                once(&mut self.severity, name, known)
            }
            "tag" if value.len() > LONGEST_TAG => Err("syslog tag length exceeds 32".into()),
            "tag" if value.bytes().any(|byte| !is_tag_byte(byte)) => {
                Err("syslog \"tag\" only allows alphanumeric characters and underscore".into())
            }
            "tag" => once(&mut self.tag, name, value.to_owned()),
            "nohostname" if parameter == name => {
                self.without_hostname = true;
                Ok(())
            }
            _ => Err(format!("unknown syslog parameter \"{parameter}\"")),
        }
    }

    fn finish(self) -> Option<Syslog> {
        let facility = self.facility.unwrap_or(LOCAL7);
        Some(Syslog {
            server: self.server?,
            facility: u8::try_from(facility).ok()?,
            severity: self.severity.unwrap_or(Level::Info),
            tag: self.tag.unwrap_or_else(|| "nginx".into()),
            without_hostname: self.without_hostname,
        })
    }
}

/// What `gzip` holds back when nothing else is said.
const GZIP_BUFFER: u64 = 64 << 10;

const MOST_BUFFERED: u64 = 1 << 30;

/// RFC 3164, 4.1.3.
const LONGEST_TAG: usize = 32;

/// The number of `local7`.
const LOCAL7: usize = 23;

const SYSLOG_PORT: u16 = 514;

fn is_tag_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), String> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("duplicate syslog \"{name}\"")),
    }
}

/// A Unix socket, or an address whose name is looked up once, as by nginx.
fn syslog_server(text: &str) -> Result<SyslogServer, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match path {
            "" => Err(format!(
                "no path in the unix domain socket in syslog server \"{text}\""
            )),
            path => Ok(SyslogServer::Unix(path.into())),
        };
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(SyslogServer::Udp(address));
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let found = match text.rsplit_once(':') {
        Some((_, port)) if bare == text && port.parse::<u16>().is_ok_and(|port| port > 0) => {
            text.to_socket_addrs()
        }
        Some(_) if bare == text => {
            return Err(format!("invalid port in syslog server \"{text}\""));
        }
        _ => (bare, SYSLOG_PORT).to_socket_addrs(),
    };
    let address = found.ok().and_then(|mut addresses| addresses.next());
    let address = address.ok_or_else(|| format!("host not found in syslog server \"{text}\""))?;
    Ok(SyslogServer::Udp(address))
}

/// nginx's `combined`.
const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status \
     $body_bytes_sent \"$http_referer\" \"$http_user_agent\"";
