//! Why a request is refused at the door, in nginx's words.

use std::fmt;

/// What is wrong with a request that never reaches `ProxyHttp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The method has other characters than upper-case letters, `_` and `-`.
    InvalidMethod,
    /// The request line is malformed.
    InvalidRequest,
    /// HTTP/2.0 or later in a request line.
    InvalidVersion,
    /// An HTTP/0.9 request other than GET.
    InvalidHttp09Method,
    /// The path does not decode or leaves the root.
    InvalidPath,
    /// The request line is longer than one buffer.
    UriTooLong,
    /// An absolute URI with an invalid host.
    InvalidHostInRequestLine,
    /// A header line is malformed: the line as far as it was understood.
    InvalidHeaderLine(Box<str>),
    /// A header line is longer than one buffer, or the buffers are used up: how it begins.
    HeaderTooLong(Box<str>),
    /// More header lines than `max_headers`.
    TooManyHeaders,
    /// A header that must be single came twice: its second line.
    DuplicateHeader(Box<str>),
    /// Host came twice: its second line.
    DuplicateHost(Box<str>),
    /// The Host header is not a host.
    InvalidHost,
    /// HTTP/1.1 without Host.
    MissingHost,
    /// `Content-Length` is not a number.
    InvalidContentLength,
    /// `Transfer-Encoding` in HTTP/1.0.
    TransferEncodingInHttp10,
    /// Both `Content-Length` and `Transfer-Encoding`.
    LengthAndTransferEncoding,
    /// A `Transfer-Encoding` other than `chunked`: its value.
    UnknownTransferEncoding(Box<str>),
    /// The CONNECT method.
    Connect,
    /// The TRACE method.
    Trace,
    /// The header did not arrive within `client_header_timeout`.
    TimedOut,
    /// The client closed before the header was complete.
    Closed,
}

impl Fault {
    /// The status of the answer and of `$status`.
    pub fn status(&self) -> u16 {
        match self {
            Self::UriTooLong => 414,
            Self::InvalidVersion => 505,
            Self::UnknownTransferEncoding(_) => 501,
            Self::Connect | Self::Trace => 405,
            Self::TimedOut => 408,
            _ => 400,
        }
    }

    /// The code that `error_page` looks for, where nginx has one of its own behind a 400.
    pub fn error_page_code(&self) -> u16 {
        match self {
            Self::HeaderTooLong(_) | Self::TooManyHeaders => 494,
            _ => self.status(),
        }
    }

    /// The title of nginx's page where it differs from the status and its reason.
    pub fn title(&self) -> Option<&'static str> {
        (self.error_page_code() == 494).then_some("Request Header Or Cookie Too Large")
    }

    /// Whether the connection closes without an answer: only the log line is written.
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::TimedOut | Self::Closed)
    }

    /// nginx's `while …` of the error log line.
    pub fn activity(&self) -> &'static str {
        match self {
            Self::InvalidMethod
            | Self::InvalidRequest
            | Self::InvalidVersion
            | Self::InvalidHttp09Method
            | Self::InvalidPath
            | Self::UriTooLong
            | Self::InvalidHostInRequestLine => "reading client request line",
            _ => "reading client request headers",
        }
    }
}

/// The error log's message, at nginx's level `info`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidMethod => "client sent invalid method",
            Self::InvalidRequest | Self::InvalidPath => "client sent invalid request",
            Self::InvalidVersion => "client sent invalid version",
            Self::InvalidHttp09Method => "client sent invalid method in HTTP/0.9 request",
            Self::UriTooLong => "client sent too long URI",
            Self::InvalidHostInRequestLine => "client sent invalid host in request line",
            Self::InvalidHeaderLine(line) => {
                return write!(f, "client sent invalid header line: \"{line}...\"");
            }
            Self::HeaderTooLong(line) if line.is_empty() => "client sent too large request",
            Self::HeaderTooLong(line) => {
                return write!(f, "client sent too long header line: \"{line}...\"");
            }
            Self::TooManyHeaders => "client sent too many header lines",
            Self::DuplicateHeader(line) => {
                return write!(f, "client sent duplicate header line: \"{line}\"");
            }
            Self::DuplicateHost(line) => {
                return write!(f, "client sent duplicate host header: \"{line}\"");
            }
            Self::InvalidHost => "client sent invalid host header",
            Self::MissingHost => "client sent HTTP/1.1 request without \"Host\" header",
            Self::InvalidContentLength => "client sent invalid \"Content-Length\" header",
            Self::TransferEncodingInHttp10 => {
                "client sent HTTP/1.0 request with \"Transfer-Encoding\" header"
            }
            Self::LengthAndTransferEncoding => {
                "client sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time"
            }
            Self::UnknownTransferEncoding(value) => {
                return write!(f, "client sent unknown \"Transfer-Encoding\": \"{value}\"");
            }
            Self::Connect => "client sent CONNECT method",
            Self::Trace => "client sent TRACE method",
            Self::TimedOut => "client timed out",
            Self::Closed => "client prematurely closed connection",
        })
    }
}
