//! A location: what is done with the requests of one part of a site.

use super::{
    AccessLog, AccessRule, ActedOn, AnswerBuffering, AnswerRewrites, BodyStore, Charset,
    ClientKeepalive, Compression, ErrorLog, Expires, Files, HttpVersion, IgnoredHeaders,
    LimitExcept, Lingering, OwnAnswers, PassedBody, RealIp, Resolver, SendRate, Step,
    Substitutions, Template, TryFiles, UpstreamId,
};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// One `location`, with every setting it inherits filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Location {
    /// Which paths it takes.
    pub matcher: LocationMatch,
    /// The location of the same site that it stands inside of, by its place.
    pub inside: Option<usize>,
    /// `internal`: whether only redirects inside of Gapura lead here; clients get a 404.
    pub internal: bool,
    /// `allow` and `deny`, in their order.
    pub access: Vec<AccessRule>,
    /// `set_real_ip_from` and its kin: whose word for the client's address is taken.
    pub real_ip: Arc<RealIp>,
    /// `limit_except`: what holds for other methods.
    pub limit_except: Option<Box<LimitExcept>>,
    /// What happens to a request before anything answers it: `rewrite`, `set`, `if` and their kin.
    pub steps: Vec<Step>,
    /// What it does with them.
    pub action: Action,
    /// How requests are passed on from here: by [`Action::Proxy`], or when a router sends one to an
    /// upstream.
    pub pass: ProxyPass,
    /// What becomes of headers of an upstream's answer.
    pub rewrites: AnswerRewrites,
    /// `early_hints`: 103 answers of an upstream are passed on when one of these is neither empty nor `0`.
    pub early_hints: Vec<Template>,
    /// Sizes and times of the client's side.
    pub limits: Limits,
    /// Headers added to answers: `add_header`.
    pub add_header: Vec<AddHeader>,
    /// Trailers added to answers: `add_trailer`.
    pub add_trailer: Vec<AddHeader>,
    /// Whether HTTP/1.1 answers of unknown length are in chunks: `chunked_transfer_encoding`. Without it
    /// they go to the connection's end.
    pub chunked: bool,
    /// How long answers may be kept: `expires`.
    pub expires: Expires,
    /// Which answers are compressed: `gzip`.
    pub compression: Arc<Compression>,
    /// What is replaced in answers: `sub_filter`.
    pub substitutions: Arc<Substitutions>,
    /// The charset of answers: `charset`.
    pub charset: Arc<Charset>,
    /// Pages shown in place of errors: `error_page`.
    pub error_pages: Vec<ErrorPage>,
    /// `recursive_error_pages`: whether what an error page leads to has error pages too.
    pub recursive_error_pages: bool,
    /// How Gapura's own answers look.
    pub own: OwnAnswers,
    /// `Retry-After` on the 502, 503 and 504 answers that Gapura makes itself.
    pub retry_after: Option<Duration>,
    /// What redirects to this server say of it.
    pub redirects: Redirects,
    /// Where its requests are logged.
    pub access_log: Vec<AccessLog>,
    /// How it answers from files.
    pub files: Arc<Files>,
    /// Where what goes wrong with its requests is said; none is where the process says everything.
    pub error_log: Vec<ErrorLog>,
    /// `stub_status`: whether it answers with nginx's page of counters, whatever else it does.
    pub stub_status: bool,
    /// `try_files`: files that are looked for first.
    pub try_files: Option<TryFiles>,
}

impl Location {
    /// A location for all paths, with nginx's defaults.
    pub fn new(action: Action) -> Self {
        Self {
            matcher: LocationMatch::Prefix("/".into()),
            inside: None,
            internal: false,
            access: Vec::new(),
            real_ip: Arc::default(),
            limit_except: None,
            steps: Vec::new(),
            action,
            pass: ProxyPass::default(),
            rewrites: AnswerRewrites::default(),
            early_hints: Vec::new(),
            limits: Limits::default(),
            add_header: Vec::new(),
            add_trailer: Vec::new(),
            chunked: true,
            expires: Expires::Off,
            compression: Arc::default(),
            substitutions: Arc::default(),
            charset: Arc::default(),
            error_pages: Vec::new(),
            recursive_error_pages: false,
            own: OwnAnswers::default(),
            retry_after: None,
            redirects: Redirects::default(),
            access_log: Vec::new(),
            files: Arc::default(),
            error_log: Vec::new(),
            stub_status: false,
            try_files: None,
        }
    }
}

/// What stands in the `Location` of redirects that Gapura makes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redirects {
    /// `absolute_redirect`: scheme and host stand before the path.
    pub absolute: bool,
    /// `server_name_in_redirect`: the host is the site's first, not the request's.
    pub server_name: bool,
    /// `port_in_redirect`: the port stands there when it is not the scheme's usual one.
    pub port: bool,
}

/// nginx's defaults.
impl Default for Redirects {
    fn default() -> Self {
        Self {
            absolute: true,
            server_name: false,
            port: true,
        }
    }
}

/// How a location matches a normalised path, with nginx's precedence.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LocationMatch {
    /// `location = /path`: this path only; ends the search.
    Exact(String),
    /// `location /path`: the longest prefix wins, unless a regular expression matches.
    Prefix(String),
    /// `location ^~ /path`: as a prefix, and if it is the longest no regular expression is tried.
    PrefixNoRegex(String),
    /// `location ~ pattern` and `location ~* pattern`: the first that matches wins.
    Regex {
        /// The pattern, in PCRE syntax.
        pattern: String,
        /// `~*`.
        ignore_case: bool,
    },
    /// `location @name`: no path leads here, only `error_page`, `try_files` and their kin.
    Named(String),
}

/// What a location does with a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Pass it to an upstream.
    Proxy(UpstreamId),
    /// Pass it to what this says: `proxy_pass` with variables.
    ProxyTo(Template),
    /// Answer from files.
    Files,
    /// Answer with a status and its page.
    Status(u16),
}

/// How requests are passed to an upstream: `proxy_pass` and its family.
#[derive(Debug, Clone, PartialEq)]
pub struct ProxyPass {
    /// `proxy_set_header`: the complete list, defaults of the language included. An empty value
    /// removes the header.
    pub set_headers: Vec<SetHeader>,
    /// `proxy_hide_header`: lower-case names of response headers that are not passed on.
    pub hide_headers: BTreeSet<String>,
    /// `proxy_http_version`.
    pub http_version: HttpVersion,
    /// `proxy_method`: what stands in place of the client's method.
    pub method: Option<Template>,
    /// `proxy_pass_request_body` and `proxy_set_body`.
    pub body: PassedBody,
    /// `proxy_pass_request_headers`: whether the client's headers go along.
    pub pass_request_headers: bool,
    /// Whether all that RFC 9110 calls hop-by-hop ends here: what `Connection` names, `Trailer` and
    /// their kin. Without it only what nginx takes away does.
    pub strip_hop_by_hop: bool,
    /// Whether `Connection: upgrade` requests are passed as such (websockets).
    pub pass_upgrade: bool,
    /// `proxy_bind`: the address that connections come from.
    pub bind: Option<Template>,
    /// `proxy_socket_keepalive`: whether TCP probes idle connections.
    pub socket_keepalive: bool,
    /// `proxy_ignore_headers`.
    pub ignored_headers: IgnoredHeaders,
    /// `proxy_ignore_client_abort`: whether a request goes on when its client is gone.
    pub ignore_client_abort: bool,
    /// `proxy_connect_timeout`.
    pub connect_timeout: Duration,
    /// `proxy_send_timeout`: between two writes.
    pub send_timeout: Duration,
    /// `proxy_read_timeout`: between two reads.
    pub read_timeout: Duration,
    /// `proxy_intercept_errors`: whether `error_page` replaces the upstream's own errors.
    pub intercept_errors: bool,
    /// `proxy_next_upstream` and its kin.
    pub next_upstream: NextUpstream,
    /// `proxy_request_buffering`: whether a request's body is read whole before a server is asked.
    pub request_buffering: bool,
    /// `proxy_buffering` and its kin.
    pub buffering: AnswerBuffering,
    /// `resolver`: who is asked for the addresses of a name that is known only at run time.
    pub resolver: Option<Arc<Resolver>>,
    /// `resolver_timeout`; `None` is no limit.
    pub resolver_timeout: Option<Duration>,
    /// What the location's path is replaced with; `None` passes the target on as the client sent it.
    pub uri: Option<ReplacedUri>,
}

impl ProxyPass {
    /// Whether `proxy_ignore_headers` names this header of an answer.
    pub fn ignores(&self, header: ActedOn) -> bool {
        self.ignored_headers.contains(header)
    }
}

/// The URI behind `proxy_pass`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplacedUri {
    /// How many bytes of the normalised path the location's own path takes.
    pub replaced: usize,
    /// What stands there instead.
    pub with: String,
}

/// nginx's defaults.
impl Default for ProxyPass {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            set_headers: Vec::new(),
            hide_headers: BTreeSet::new(),
            http_version: HttpVersion::default(),
            method: None,
            body: PassedBody::default(),
            pass_request_headers: true,
            strip_hop_by_hop: false,
            pass_upgrade: false,
            bind: None,
            socket_keepalive: false,
            ignored_headers: IgnoredHeaders::default(),
            ignore_client_abort: false,
            connect_timeout: minute,
            send_timeout: minute,
            read_timeout: minute,
            intercept_errors: false,
            next_upstream: NextUpstream {
                conditions: BTreeSet::from([RetryCondition::Error, RetryCondition::Timeout]),
                tries: None,
                timeout: None,
                budget: None,
            },
            request_buffering: true,
            buffering: AnswerBuffering::default(),
            resolver: None,
            resolver_timeout: Some(Duration::from_secs(30)),
            uri: None,
        }
    }
}

/// A request header set for the upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct SetHeader {
    /// The name, as it is to be written.
    pub name: String,
    /// Its value.
    pub value: Template,
}

/// A response header added: `add_header NAME VALUE [always]`.
#[derive(Debug, Clone, PartialEq)]
pub struct AddHeader {
    /// The name, as it is to be written.
    pub name: String,
    /// Its value; an empty one adds nothing.
    pub value: Template,
    /// Whether errors get it too. Without it only 200, 201, 204, 206, 301, 302, 303, 304, 307 and
    /// 308 do, as in nginx.
    pub always: bool,
}

/// When a failed try goes to the next server.
#[derive(Debug, Clone, PartialEq)]
pub struct NextUpstream {
    /// `proxy_next_upstream`: the failures that count.
    pub conditions: BTreeSet<RetryCondition>,
    /// `proxy_next_upstream_tries`: how many tries at most; `None` is as many as there are servers.
    pub tries: Option<u32>,
    /// `proxy_next_upstream_timeout`: how long tries may take in all; `None` is no limit.
    pub timeout: Option<Duration>,
    /// How many of an upstream's requests may be sent again, in percent; `None` is no limit.
    pub budget: Option<u8>,
}

/// One word of `proxy_next_upstream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RetryCondition {
    /// `error`: connecting, sending or reading the answer's header failed.
    Error,
    /// `timeout`: one of these took too long.
    Timeout,
    /// `invalid_header`: the answer was empty or no HTTP.
    InvalidHeader,
    /// `http_500` and its kin: the answer had this status.
    Http(u16),
    /// `non_idempotent`: POST, LOCK and PATCH may be sent again too.
    NonIdempotent,
}

impl RetryCondition {
    /// The condition behind nginx's word, if it is one. `off` is the empty set, not a word.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "error" => Self::Error,
            "timeout" => Self::Timeout,
            "invalid_header" => Self::InvalidHeader,
            "non_idempotent" => Self::NonIdempotent,
            "http_403" => Self::Http(403),
            "http_404" => Self::Http(404),
            "http_429" => Self::Http(429),
            "http_500" => Self::Http(500),
            "http_502" => Self::Http(502),
            "http_503" => Self::Http(503),
            "http_504" => Self::Http(504),
            _ => return None,
        })
    }
}

/// Sizes and times of the client's side of an exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// `client_max_body_size`; `None` is no limit (nginx's 0).
    pub client_max_body_size: Option<u64>,
    /// `client_body_buffer_size` and its kin.
    pub body: BodyStore,
    /// `client_body_timeout`: between two reads of the request's body.
    pub client_body_timeout: Duration,
    /// `send_timeout`: between two writes of the answer.
    pub send_timeout: Duration,
    /// `limit_rate` and `limit_rate_after`.
    pub rate: SendRate,
    /// `keepalive_timeout` and its kin.
    pub keepalive: ClientKeepalive,
    /// `lingering_close` and its kin.
    pub lingering: Lingering,
}

/// nginx's defaults.
impl Default for Limits {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            client_max_body_size: Some(1 << 20),
            body: BodyStore::default(),
            client_body_timeout: minute,
            send_timeout: minute,
            rate: SendRate::default(),
            keepalive: ClientKeepalive::default(),
            lingering: Lingering::default(),
        }
    }
}

/// `error_page CODE … [=[RESPONSE]] TARGET`.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorPage {
    /// The statuses it stands for.
    pub codes: Vec<u16>,
    /// What the visitor sees.
    pub target: ErrorTarget,
    /// The status that is sent with it.
    pub response: ErrorResponse,
}

/// What is shown for an error.
#[derive(Debug, Clone, PartialEq)]
pub enum ErrorTarget {
    /// A page in memory.
    Page(Page),
    /// What a path answers, or a location such as `@fallback`; the client is sent to anything else.
    Uri(Template),
}

/// The status of an answer to an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorResponse {
    /// The error's own.
    Error,
    /// `=`: what the target answers with.
    Target,
    /// `=CODE`.
    Code(u16),
}

/// A page read when the configuration was loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The `Content-Type` it is sent with.
    pub content_type: String,
    /// Its bytes.
    pub body: Bytes,
}
