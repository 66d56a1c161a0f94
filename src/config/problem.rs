//! What can be wrong with a configuration. The kind is data; the sentence is `Display`, in nginx's
//! words where nginx has some. What was expected instead stands beside the caret, not here.

use crate::os_error::OsError;
use std::fmt;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its sentence, below")]
pub enum Problem {
    // Reading files.
    Open {
        path: String,
        reason: String,
    },
    NotUtf8 {
        path: String,
    },
    Syntax(String),

    // The shape.
    UnknownKey(String),
    DuplicateKey(String),
    InvalidValue {
        found: String,
        key: String,
    },
    CannotBe {
        found: String,
        key: String,
    },
    InvalidShape(String),
    TooManyErrors(usize),
    NoSites,

    // References and contradictions.
    Missing(&'static str),
    Exclusive(&'static str, &'static str),
    Misplaced {
        key: &'static str,
        beside: &'static str,
    },
    UnknownUpstream(String),
    NoServers,
    NoPrimaryServers(String),
    WeightsTooLarge(String),
    DuplicateListen(String),
    DuplicateListenOptions(String),
    AcceptFilter(String),
    InvalidListenParameter {
        what: &'static str,
        word: String,
    },
    DuplicateDefaultServer(String),
    ConflictingServerName {
        name: String,
        listen: String,
    },
    DuplicateLocation(String),
    DuplicateHeader(String),

    // Values.
    ListenAddress {
        what: &'static str,
        text: String,
    },
    UpstreamAddress {
        what: &'static str,
        text: String,
    },
    ResolverAddress {
        what: &'static str,
        text: String,
    },
    InvalidServerName(String),
    OddServerName(String),
    SuspiciousServerName(String),
    InvalidLocation(String),
    Regex {
        reason: String,
        pattern: String,
        rest: String,
    },
    Template(String),
    InvalidHeaderName(String),
    InvalidHeaderValue(String),
    UnknownLogFormat(String),
    ErrorPageCode(String),
    PageType(String),
    Zero(String),
    TooLarge(String),
    Buffers(&'static str),
    UnknownBalance(String),
    BalanceRedefined,
    UserIgnored,
    UnknownUser(String),
    UnknownGroup(String),
    NotForThisBalance(String),
    UnknownHealthCheck(String),

    // nginx's language.
    Glob {
        pattern: String,
        reason: String,
    },
    Read {
        path: String,
    },
    UnknownDirective(String),
    NotAllowedHere(String),
    NotTerminated(String),
    NoOpening(String),
    ArgumentCount(String),
    DuplicateDirective(String),
    DirectiveValue {
        directive: String,
        what: &'static str,
    },
    NotASwitch {
        found: String,
        directive: String,
    },
    InvalidWord(String),
    InvalidAddress(String),
    InvalidParameter(String),
    UnsupportedDirective(String),
    UnsupportedParameter(String),
    NotApplied(String),
    IncludesItself(String),
    IgnoredServerName {
        name: String,
        listen: String,
    },
    UpstreamPort {
        upstream: String,
        port: String,
    },
    DuplicateUpstream(String),
    DuplicateExtension {
        extension: String,
        content_type: String,
        previous: String,
    },
    DuplicateMimeType(String),
    ServesFiles(String),
    OutsideLocation {
        inner: String,
        outer: String,
    },
    InsideLocation {
        inner: String,
        outer: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, reason } => write!(f, "open() \"{path}\" failed ({reason})"),
            Self::NotUtf8 { path } => write!(f, "\"{path}\" is not UTF-8 text"),
            Self::Syntax(message) | Self::InvalidShape(message) => f.write_str(message),

            Self::UnknownKey(key) => write!(f, "unknown key \"{key}\""),
            Self::DuplicateKey(key) => write!(f, "\"{key}\" is duplicate"),
            Self::InvalidValue { found, key } => write!(f, "invalid value {found} in \"{key}\""),
            Self::CannotBe { found, key } => write!(f, "\"{key}\" cannot be {found}"),
            Self::TooManyErrors(shown) => {
                write!(f, "more than {shown} errors, the rest is not shown")
            }
            Self::NoSites => f.write_str("no \"sites\" in configuration"),

            Self::Missing(what) => write!(f, "no {what}"),
            Self::Exclusive(a, b) => write!(f, "\"{a}\" and \"{b}\" exclude each other"),
            Self::Misplaced { key, beside } => {
                write!(f, "\"{key}\" needs \"{beside}\" beside it")
            }
            Self::UnknownUpstream(name) => write!(f, "unknown upstream \"{name}\""),
            Self::NoServers => f.write_str("no servers are inside upstream"),
            Self::NoPrimaryServers(name) => write!(f, "no servers in upstream \"{name}\""),
            Self::WeightsTooLarge(name) => write!(f, "too large weights in upstream \"{name}\""),
            Self::DuplicateListen(listen) => write!(f, "a duplicate listen {listen}"),
            Self::DuplicateListenOptions(listen) => {
                write!(f, "duplicate listen options for {listen}")
            }
            Self::AcceptFilter(word) => write!(
                f,
                "accept filters \"{word}\" are not supported on this platform, ignored"
            ),
            Self::InvalidListenParameter { what, word } => write!(f, "invalid {what} \"{word}\""),
            Self::DuplicateDefaultServer(listen) => {
                write!(f, "a duplicate default server for {listen}")
            }
            Self::ConflictingServerName { name, listen } => {
                write!(f, "conflicting server name \"{name}\" on {listen}")
            }
            Self::DuplicateLocation(path) => write!(f, "duplicate location \"{path}\""),
            Self::DuplicateHeader(name) => write!(f, "duplicate header \"{name}\""),

            Self::ListenAddress { what, text } => {
                write!(f, "{what} in \"{text}\" of the \"listen\" directive")
            }
            Self::ResolverAddress { what, text } => write!(f, "{what} in resolver \"{text}\""),
            Self::UpstreamAddress { what, text } => write!(f, "{what} in upstream \"{text}\""),
            Self::InvalidServerName(name) | Self::OddServerName(name) => {
                write!(f, "invalid server name or wildcard \"{name}\"")
            }
            Self::SuspiciousServerName(name) => {
                write!(f, "server name \"{name}\" has suspicious symbols")
            }
            Self::InvalidLocation(path) => write!(f, "invalid location \"{path}\""),
            Self::Regex {
                reason,
                pattern,
                rest,
            } => {
                write!(f, "pcre2_compile() failed: {reason} in \"{pattern}\"")?;
                if rest.is_empty() {
                    return Ok(());
                }
                write!(f, " at \"{rest}\"")
            }
            Self::Template(message) => f.write_str(message),
            Self::InvalidHeaderName(name) => write!(f, "invalid header name \"{name}\""),
            Self::InvalidHeaderValue(name) => write!(f, "invalid value of header \"{name}\""),
            Self::UnknownLogFormat(name) => write!(f, "unknown log format \"{name}\""),
            Self::ErrorPageCode(code) => {
                write!(f, "value \"{code}\" must be between 300 and 599")
            }
            Self::PageType(path) => write!(f, "unknown type of page \"{path}\""),
            Self::Zero(key) => write!(f, "\"{key}\" cannot be 0"),
            Self::TooLarge(key) => write!(f, "\"{key}\" is too large"),
            Self::Buffers(rule) => f.write_str(rule),
            Self::UnknownBalance(name) => write!(f, "unknown balance \"{name}\""),
            Self::BalanceRedefined => f.write_str("load balancing method redefined"),
            Self::UserIgnored => f.write_str(
                "the \"user\" directive makes sense only if the master process runs with \
                 super-user privileges, ignored",
            ),
            Self::UnknownUser(name) => write!(f, "getpwnam(\"{name}\") failed"),
            Self::UnknownGroup(name) => write!(f, "getgrnam(\"{name}\") failed"),
            Self::NotForThisBalance(word) => {
                write!(f, "balancing method does not support parameter \"{word}\"")
            }
            Self::UnknownHealthCheck(name) => write!(f, "unknown type of health check \"{name}\""),

            Self::Glob { pattern, reason } => write!(f, "glob() \"{pattern}\" failed ({reason})"),
            Self::Read { path } => write!(f, "pread() \"{path}\" failed (21: Is a directory)"),
            Self::UnknownDirective(name) => write!(f, "unknown directive \"{name}\""),
            Self::NotAllowedHere(name) => write!(f, "\"{name}\" directive is not allowed here"),
            Self::NotTerminated(name) => {
                write!(f, "directive \"{name}\" is not terminated by \";\"")
            }
            Self::NoOpening(name) => write!(f, "directive \"{name}\" has no opening \"{{\""),
            Self::ArgumentCount(name) => {
                write!(f, "invalid number of arguments in \"{name}\" directive")
            }
            Self::DuplicateDirective(name) => write!(f, "\"{name}\" directive is duplicate"),
            Self::DirectiveValue { directive, what } => {
                write!(f, "\"{directive}\" directive {what}")
            }
            Self::NotASwitch { found, directive } => write!(
                f,
                "invalid value \"{found}\" in \"{directive}\" directive, it must be \"on\" or \"off\""
            ),
            Self::InvalidAddress(text) => write!(f, "invalid address \"{text}\""),
            Self::InvalidWord(word) => write!(f, "invalid value \"{word}\""),
            Self::InvalidParameter(word) => write!(f, "invalid parameter \"{word}\""),
            Self::UnsupportedDirective(name) => {
                write!(f, "\"{name}\" directive is not supported")
            }
            Self::UnsupportedParameter(word) => {
                write!(f, "the \"{word}\" parameter is not supported")
            }
            Self::NotApplied(name) => write!(f, "\"{name}\" directive is not applied"),
            Self::IncludesItself(path) => write!(f, "\"{path}\" includes itself"),
            Self::IgnoredServerName { name, listen } => {
                write!(f, "conflicting server name \"{name}\" on {listen}, ignored")
            }
            Self::UpstreamPort { upstream, port } => {
                write!(f, "upstream \"{upstream}\" may not have port {port}")
            }
            Self::DuplicateUpstream(name) => write!(f, "duplicate upstream \"{name}\""),
            Self::DuplicateExtension {
                extension,
                content_type,
                previous,
            } => write!(
                f,
                "duplicate extension \"{extension}\", content type: \"{content_type}\", \
                 previous content type: \"{previous}\""
            ),
            Self::DuplicateMimeType(name) => write!(f, "duplicate MIME type \"{name}\""),
            Self::ServesFiles(name) => {
                write!(f, "{name} serves files, which is not supported")
            }
            Self::OutsideLocation { inner, outer } => {
                write!(f, "location \"{inner}\" is outside location \"{outer}\"")
            }
            Self::InsideLocation { inner, outer } => {
                write!(
                    f,
                    "location \"{inner}\" cannot be inside location \"{outer}\""
                )
            }
        }
    }
}

impl Problem {
    /// nginx's sentence for a file that cannot be read.
    pub fn open(path: &std::path::Path, error: &std::io::Error) -> Self {
        let path = path.display().to_string();
        let reason = match error.raw_os_error() {
            Some(_) => OsError(error).to_string(),
            None => error.to_string(),
        };
        Self::Open { path, reason }
    }
}
