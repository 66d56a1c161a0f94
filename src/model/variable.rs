//! The variable table: one row for each of nginx's variables that Gapura knows.
//!
//! What a variable is worth for a request is said in `proxy/values`, which does not compile while a
//! row here is not named there.

use http::HeaderName;
use std::fmt;

macro_rules! variables {
    (
        plain { $($plain:ident = $name:literal, $help:literal;)* }
        named { $($named:ident = $prefix:literal, $named_help:literal;)* }
        headers { $($header:ident = $start:literal, $header_help:literal;)* }
    ) => {
        /// A variable of nginx's, such as `$host` or `$http_user_agent`.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Variable {
            $(#[doc = $help] $plain,)*
            $(#[doc = $named_help] $named(String),)*
            $(#[doc = $header_help] $header(Field),)*
        }

        /// Every variable, with one line of help; a name that ends in `_` takes any suffix.
        pub const VARIABLES: &[(&str, &str)] = &[
            $(($name, $help),)*
            $(($prefix, $named_help),)*
            $(($start, $header_help),)*
        ];

        impl Variable {
            /// The variable of this name (without the `$`), if there is one.
            pub fn parse(name: &str) -> Option<Self> {
                let name = name.to_ascii_lowercase();
                match name.as_str() {
                    $($name => return Some(Self::$plain),)*
                    _ => {}
                }
                $(
                    // As in nginx the name may be empty: then there is never a value.
                    if let Some(suffix) = name.strip_prefix($prefix) {
                        return Some(Self::$named(suffix.to_owned()));
                    }
                )*
                $(
                    if let Some(suffix) = name.strip_prefix($start) {
                        return Some(Self::$header(suffix.into()));
                    }
                )*
                None
            }
        }

        impl Variable {
            /// Whether it is one of a family, such as `$http_name`.
            pub fn is_prefixed(&self) -> bool {
                matches!(self, $(Self::$named(_))|* | $(Self::$header(_))|*)
            }
        }

        impl fmt::Display for Variable {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$plain => f.write_str($name),)*
                    $(Self::$named(suffix) => write!(f, concat!($prefix, "{}"), suffix),)*
                    $(Self::$header(field) => write!(f, concat!($start, "{}"), field.name()),)*
                }
            }
        }
    };
}

variables! {
    plain {
        Args = "args", "the query string";
        BinaryRemoteAddr = "binary_remote_addr", "the client's address, four or sixteen bytes";
        BodyBytesSent = "body_bytes_sent", "bytes of the answer's body sent to the client";
        BytesSent = "bytes_sent", "bytes sent to the client, header included";
        Connection = "connection", "the connection's serial number";
        ConnectionRequests = "connection_requests", "requests so far on this connection";
        ConnectionTime = "connection_time", "seconds since the connection was accepted, with milliseconds";
        ContentLength = "content_length", "the request's Content-Length";
        ContentType = "content_type", "the request's Content-Type";
        DocumentRoot = "document_root", "the folder that files come from: `root` or `alias`";
        DocumentUri = "document_uri", "the same as $uri";
        GzipRatio = "gzip_ratio", "how many times longer an answer was before it was compressed";
        Host = "host", "the host of the request line or the Host header, lower case, without port; else the site's name";
        Hostname = "hostname", "this machine's name";
        Http2 = "http2", "the version of HTTP/2 that was agreed on; empty, since HTTP/1.1 is spoken";
        Https = "https", "\"on\" on a TLS connection, else empty";
        IsArgs = "is_args", "\"?\" when there is a query string, else empty";
        IsRequestPort = "is_request_port", "\":\" when the request names a port, else empty";
        LimitRate = "limit_rate", "how fast the answer is sent, in bytes a second, where the request or its answer says so; else 0";
        Msec = "msec", "now, in seconds with milliseconds";
        NginxVersion = "nginx_version", "the nginx version whose behaviour is followed";
        Pid = "pid", "the process's number";
        Pipe = "pipe", "\"p\" when the request came before the one before it was answered, else \".\"";
        ProxyAddXForwardedFor = "proxy_add_x_forwarded_for", "the request's X-Forwarded-For with $remote_addr appended";
        ProxyHost = "proxy_host", "name and port of the upstream";
        ProxyPort = "proxy_port", "the upstream's port";
        QueryString = "query_string", "the same as $args";
        RealpathRoot = "realpath_root", "$document_root without symbolic links";
        RealipRemoteAddr = "realip_remote_addr", "the client's address as its connection has it";
        RealipRemotePort = "realip_remote_port", "the client's port as its connection has it";
        RemoteAddr = "remote_addr", "the client's address";
        RemotePort = "remote_port", "the client's port";
        RemoteUser = "remote_user", "the user name of Basic authentication";
        Request = "request", "the request line";
        RequestBody = "request_body", "the request's body, when it was read whole and is in memory";
        RequestBodyFile = "request_body_file", "the file of the request's body, when it was read whole and is in one";
        RequestCompletion = "request_completion", "\"OK\" when the answer was sent whole, else empty";
        RequestFilename = "request_filename", "the file behind the path";
        RequestId = "request_id", "16 random bytes in hexadecimal";
        RequestLength = "request_length", "bytes of the request: line, header and body";
        RequestMethod = "request_method", "the request's method";
        RequestPort = "request_port", "the port of the request line or the Host header, else empty";
        RequestTime = "request_time", "seconds since the request's first byte, with milliseconds";
        RequestUri = "request_uri", "the request's target as the client sent it";
        Scheme = "scheme", "http or https";
        ServerAddr = "server_addr", "the address that accepted the request";
        ServerName = "server_name", "the site's name";
        ServerPort = "server_port", "the port that accepted the request";
        ServerProtocol = "server_protocol", "HTTP/1.0, HTTP/1.1 or HTTP/2.0";
        SslCipher = "ssl_cipher", "the cipher of a TLS connection";
        SslProtocol = "ssl_protocol", "the protocol of a TLS connection";
        SslServerName = "ssl_server_name", "the name that a TLS client asked for";
        Status = "status", "the answer's status";
        TcpinfoRcvSpace = "tcpinfo_rcv_space", "the client connection's receive space";
        TcpinfoRtt = "tcpinfo_rtt", "the client connection's round-trip time, in microseconds";
        TcpinfoRttvar = "tcpinfo_rttvar", "how much that varies";
        TcpinfoSndCwnd = "tcpinfo_snd_cwnd", "the client connection's congestion window";
        TimeIso8601 = "time_iso8601", "local time in ISO 8601";
        TimeLocal = "time_local", "local time in the common log format";
        UpstreamAddr = "upstream_addr", "the addresses tried, separated by commas";
        UpstreamBytesReceived = "upstream_bytes_received", "bytes that the upstream sent, one for each try";
        UpstreamBytesSent = "upstream_bytes_sent", "bytes that were sent to the upstream, one for each try";
        UpstreamCacheStatus = "upstream_cache_status", "how a cache answered; there is none";
        UpstreamConnectTime = "upstream_connect_time", "seconds to connect, one for each try";
        UpstreamHeaderTime = "upstream_header_time", "seconds to the answer's header, one for each try";
        UpstreamQueueTime = "upstream_queue_time", "seconds in the upstream's queue, one for each try";
        UpstreamResponseLength = "upstream_response_length", "bytes of the upstream's body, one for each try";
        UpstreamResponseTime = "upstream_response_time", "seconds to the answer's end, one for each try";
        UpstreamStatus = "upstream_status", "the upstream's status, one for each try";
        Uri = "uri", "the normalised path";
    }
    named {
        Arg = "arg_", "an argument of the query string";
        Cookie = "cookie_", "a cookie of the request";
        SentTrailer = "sent_trailer_", "a trailer of the answer";
        UpstreamCookie = "upstream_cookie_", "a cookie that the upstream's answer sets";
    }
    headers {
        Http = "http_", "a header of the request, lower case, dashes as underscores";
        SentHttp = "sent_http_", "a header of the answer";
        UpstreamHttp = "upstream_http_", "a header of the upstream's answer";
    }
}

/// The header that a variable's name ends in: `user_agent` is `User-Agent`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    name: Box<str>,
    header: Option<HeaderName>,
}

impl Field {
    /// As it stands in the variable's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The header, if one can have that name.
    pub fn header(&self) -> Option<&HeaderName> {
        self.header.as_ref()
    }
}

impl From<&str> for Field {
    fn from(name: &str) -> Self {
        Self {
            name: name.into(),
            header: HeaderName::try_from(name.replace('_', "-")).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_parses_to_what_it_displays() {
        for (name, _) in VARIABLES {
            let full = if name.ends_with('_') {
                format!("{name}x_y")
            } else {
                (*name).to_owned()
            };
            let variable = Variable::parse(&full).expect("a row of the table");
            assert_eq!(variable.to_string(), full);
        }
    }

    #[test]
    fn a_prefix_takes_any_suffix_and_none() {
        assert_eq!(Variable::parse("http_"), Some(Variable::Http("".into())));
        assert_eq!(Variable::parse("http"), None);
        assert_eq!(
            Variable::parse("HTTP_Host"),
            Some(Variable::Http("host".into()))
        );
    }
}
