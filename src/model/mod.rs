//! The validated configuration: what is true.
//!
//! A `Model` is what the front ends' drafts become once every default is filled in and every
//! reference is resolved. No string in it means anything any more: a host is a [`HostPattern`],
//! a template is a [`Template`], an upstream is an [`UpstreamId`]. It knows no language and no
//! position in a file; two files that mean the same give equal models.

mod access;
mod answer;
mod buffering;
mod caching;
mod client;
mod compression;
mod defined;
mod files;
mod filters;
mod health;
mod listener;
mod location;
mod log;
mod own;
mod pass;
mod process;
mod resolver;
mod rewrite;
mod site;
mod sticky;
mod template;
mod upstream;
mod variable;

pub use access::{AccessRule, Clients, LimitExcept, RealIp};
pub use answer::{AnswerRewrites, CookieFlags, Found, Replacement};
pub use buffering::{AnswerBuffering, BodyInFile, BodyStore};
pub use caching::{Expires, Start};
pub use client::{Amount, ClientKeepalive, Lingering, LingeringClose, SendRate, parse_size};
pub use compression::{Compression, Proxied, ProxiedWhen, TypeSet};
pub use defined::{Definition, Geo, Map, Source, Split, VariableId, network_of};
pub use files::{
    Alias, Files, Folder, IfModifiedSince, Listing, ListingFormat, Symlinks, TriedFile, TryFiles,
    TryLast, Types,
};
pub use filters::{CHARSET_TYPES, Charset, Substitution, Substitutions};
pub use health::{
    AtFirst, CheckKind, CheckTimes, Expectation, Expected, ExpectedHeader, ExpectedStatus,
    GrpcCheck, HeaderTest, HealthCheck, HttpCheck,
};
pub use listener::{ListenAddress, Listener, SocketOptions, TcpKeepalive};
pub use location::{
    Action, AddHeader, ErrorPage, ErrorResponse, ErrorTarget, Limits, Location, LocationMatch,
    NextUpstream, Page, ProxyPass, Redirects, ReplacedUri, RetryCondition, SetHeader,
};
pub use log::{AccessLog, ErrorLog, Escape, Level, LogBuffer, LogTarget, Syslog, SyslogServer};
pub use own::{BuiltInPages, FULL_NAME, NAME, OwnAnswers, ServerTokens};
pub use pass::{ActedOn, HttpVersion, IgnoredHeaders, PassedBody};
pub use process::{Process, User, Validity};
pub use resolver::Resolver;
pub use rewrite::{Condition, FileTest, If, Regex, Return, Rewrite, Settable, Step, Test, Then};
pub use site::{ClientLimits, HeaderBuffers, HostPattern, Site};
pub use sticky::{CookieExpires, SAME_SITES, Sticky, StickyCookie, StickyLearn};
pub use template::{Part, Template, TemplateError};
pub use upstream::{
    Balance, EjectOutliers, Keepalive, Queue, Server, ServerAddress, Until, Upstream, Weight,
};
pub use variable::{Field, VARIABLES, Variable};

/// Everything a server needs to know, checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    /// The addresses to listen on, each with the sites it serves.
    pub listeners: Vec<Listener>,
    /// Every site of every listener.
    pub sites: Vec<Site>,
    /// Every upstream, named or implicit.
    pub upstreams: Vec<Upstream>,
    /// How many of them, from the first on, have a name that `proxy_pass` may say.
    pub named_upstreams: usize,
    /// What concerns the process as a whole.
    pub process: Process,
    /// Whether some template asks for a header of an upstream's answer, so that it has to be kept as it
    /// came.
    pub keeps_answers: bool,
    /// Whether something asks how many bytes went over connections to upstreams.
    pub counts_upstream_bytes: bool,
    /// Every variable that the configuration defines.
    pub variables: Vec<Definition>,
}

impl Model {
    /// The site behind an id of this model.
    pub fn site(&self, id: SiteId) -> &Site {
        &self.sites[id.0]
    }

    /// The upstream behind an id of this model.
    pub fn upstream(&self, id: UpstreamId) -> &Upstream {
        &self.upstreams[id.0]
    }
}

/// The place of a site in [`Model::sites`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SiteId(pub usize);

/// The place of an upstream in [`Model::upstreams`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UpstreamId(pub usize);
