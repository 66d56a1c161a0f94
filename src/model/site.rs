//! A site: nginx's `server` block.

use super::{Location, Step};
use std::fmt;
use std::time::Duration;

/// A set of hosts and what is served for them.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// The first host as written: `$server_name` and the `server:` of error log lines.
    pub name: String,
    /// The hosts it answers to.
    pub hosts: Vec<HostPattern>,
    /// What happens to every request before a location is looked for.
    pub steps: Vec<Step>,
    /// Its locations, in the order of the file.
    pub locations: Vec<Location>,
    /// What holds where no location does: a path that none takes (404), and answers made before a
    /// location is known. It carries the site's own settings.
    pub nowhere: Location,
    /// What applies to a connection and a request header before a location is known.
    pub client: ClientLimits,
}

impl Site {
    /// A site of this name alone, without locations and with nginx's defaults.
    pub fn new(name: &str, nowhere: Location) -> Self {
        Self {
            name: name.to_owned(),
            hosts: vec![HostPattern::Exact(name.to_owned())],
            steps: Vec::new(),
            locations: Vec::new(),
            nowhere,
            client: ClientLimits::default(),
        }
    }
}

/// A host a site answers to, in nginx's four forms. All text is lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `www.example.com`, compared whole. The empty name matches a request without a Host.
    Exact(String),
    /// `*.example.com`: every name below `example.com`. Holds `example.com`.
    LeadingWildcard(String),
    /// `www.example.*`: every name that starts with `www.example.`. Holds `www.example`.
    TrailingWildcard(String),
    /// `~^(?<user>.+)\.example\.com$`: a regular expression, case-insensitive.
    Regex(String),
}

/// As nginx writes it.
impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::LeadingWildcard(rest) => write!(f, "*.{rest}"),
            Self::TrailingWildcard(rest) => write!(f, "{rest}.*"),
            Self::Regex(pattern) => write!(f, "~{pattern}"),
        }
    }
}

/// The limits that apply while a request header is read, with nginx's names and defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientLimits {
    /// `client_header_timeout`: the time for one whole request header (60 s).
    pub header_timeout: Duration,
    /// `large_client_header_buffers`: how long a request line or a header line may be (4 × 8 kB).
    pub header_buffers: HeaderBuffers,
    /// `client_header_buffer_size`: room for lines before the first of those buffers is used (1 kB).
    pub first_header_buffer: usize,
    /// `merge_slashes`: whether `//` is `/` in a path (on).
    pub merge_slashes: bool,
    /// `max_headers`: how many header lines a request may have (1000).
    pub max_headers: usize,
    /// `ignore_invalid_headers`: drop header lines with invalid names instead of refusing them (on).
    pub ignore_invalid_headers: bool,
    /// `underscores_in_headers`: whether `_` is valid in a header's name (off).
    pub underscores_in_headers: bool,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(60),
            header_buffers: HeaderBuffers {
                number: 4,
                size: 8 * 1024,
            },
            first_header_buffer: 1024,
            merge_slashes: true,
            max_headers: 1000,
            ignore_invalid_headers: true,
            underscores_in_headers: false,
        }
    }
}

/// `large_client_header_buffers NUMBER SIZE`: a line longer than one buffer is refused (414 for the
/// request line, 400 for a header), and so is a header that does not fit all of them (400).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderBuffers {
    /// How many buffers.
    pub number: usize,
    /// Bytes in each.
    pub size: usize,
}
