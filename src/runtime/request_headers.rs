//! The header lines that an upstream gets besides the client's own, prepared from `proxy_set_header`
//! and the rules that nginx has for it.

use crate::model::{self, Part, Template, Variable};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};

/// What stands in the request header for an upstream, besides what the client sent.
#[derive(Debug)]
pub struct RequestHeaders {
    /// `Host`; without one it is `$proxy_host`.
    pub host: Option<LineValue>,
    /// The other lines, in the order of the configuration. Those of one name follow each other on the
    /// wire.
    pub lines: Vec<Line>,
    /// What is not taken from the client: headers that are set (to nothing, too), and those that nginx
    /// writes itself or keeps to itself.
    replaced: Vec<HeaderName>,
    /// A bit for each of these: where it is not set, a name is none of them.
    marks: u64,
    written: Written,
}

/// A request header set for the upstream.
#[derive(Debug)]
pub struct Line {
    /// The name as it is to be written.
    pub name: Bytes,
    /// Its value; an empty one writes no line.
    pub value: LineValue,
}

/// The value of a header line.
#[derive(Debug)]
pub enum LineValue {
    /// The same for every request.
    Fixed(HeaderValue),
    /// To be rendered.
    Rendered(Template),
}

/// The headers that Gapura would write by itself, and that the configuration writes.
#[derive(Debug, Default)]
struct Written {
    connection: bool,
    framing: bool,
}

/// What never goes along as the client sent it, as in nginx.
const REPLACED: [HeaderName; 9] = [
    header::HOST,
    header::CONNECTION,
    HeaderName::from_static("proxy-connection"),
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    HeaderName::from_static("keep-alive"),
    header::EXPECT,
    header::UPGRADE,
];

/// What else RFC 9110, 7.6.1, and 9113 keep to one connection.
const HOP_BY_HOP: [HeaderName; 2] = [header::TRAILER, HeaderName::from_static("http2-settings")];

impl RequestHeaders {
    /// Prepares a Model's. Names and values that are none were refused by `config`; in a Model built by
    /// hand they are left out.
    pub(super) fn new(settings: &model::ProxyPass) -> Self {
        let mut headers = Self {
            host: None,
            lines: Vec::with_capacity(settings.set_headers.len()),
            replaced: Vec::with_capacity(REPLACED.len() + settings.set_headers.len()),
            marks: 0,
            written: Written::default(),
        };
        for name in REPLACED {
            headers.replace(name);
        }
        if settings.strip_hop_by_hop {
            for name in HOP_BY_HOP {
                headers.replace(name);
            }
        }
        for set in &settings.set_headers {
            let Ok(name) = HeaderName::from_bytes(set.name.as_bytes()) else {
                continue;
            };
            headers.add(name, set);
        }
        headers
    }

    fn add(&mut self, name: HeaderName, set: &model::SetHeader) {
        let value = LineValue::new(&set.value);
        if name == header::HOST {
            let is_usual = *set.value.parts() == [Part::Variable(Variable::ProxyHost)];
            self.host = value.filter(|_| !is_usual);
            return;
        }
        self.written.connection |= name == header::CONNECTION;
        self.written.framing |= name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING;
        if let Some(value) = value.filter(|_| !set.value.is_empty()) {
            self.lines.push(Line {
                name: Bytes::from(set.name.clone()),
                value,
            });
        }
        self.replace(name);
    }

    fn replace(&mut self, name: HeaderName) {
        self.marks |= mark(&name);
        if !self.replaced.contains(&name) {
            self.replaced.push(name);
        }
    }

    /// Whether a header of the client's stays behind.
    pub fn replaces(&self, name: &HeaderName) -> bool {
        self.marks & mark(name) != 0 && self.replaced.contains(name)
    }

    /// Whether nothing stands before what the client sent, but `Host`.
    pub fn passes_all(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether the configuration says what stands in `Connection`.
    pub fn writes_connection(&self) -> bool {
        self.written.connection
    }

    /// Whether the configuration says how the body is delimited.
    pub fn writes_framing(&self) -> bool {
        self.written.framing
    }
}

/// One bit of a number for a name, which few of the usual ones have in common.
fn mark(name: &HeaderName) -> u64 {
    let name = name.as_str().as_bytes();
    let first = name.first().copied().unwrap_or(0);
    1 << ((usize::from(first) * 7 + name.len()) % 64)
}

impl LineValue {
    /// `None` for fixed text that no header can have.
    fn new(template: &Template) -> Option<Self> {
        match template.parts() {
            [] => Some(Self::Fixed(HeaderValue::from_static(""))),
            [Part::Literal(text)] => HeaderValue::from_str(text).ok().map(Self::Fixed),
            _ => Some(Self::Rendered(template.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(set: &[(&str, &str)]) -> RequestHeaders {
        let set_headers = set.iter().map(|(name, value)| model::SetHeader {
            name: (*name).to_owned(),
            value: Template::parse(value).expect("a template"),
        });
        RequestHeaders::new(&model::ProxyPass {
            set_headers: set_headers.collect(),
            ..model::ProxyPass::default()
        })
    }

    #[test]
    fn what_is_set_to_nothing_is_neither_sent_nor_passed_on() {
        let headers = prepared(&[("Accept-Encoding", ""), ("X-One", "1"), ("X-One", "2")]);
        assert_eq!(headers.lines.len(), 2);
        assert!(headers.replaces(&header::ACCEPT_ENCODING));
        assert!(headers.replaces(&HeaderName::from_static("x-one")));
        assert!(headers.replaces(&header::EXPECT) && !headers.replaces(&header::TRAILER));
    }

    #[test]
    fn the_last_host_counts() {
        let headers = prepared(&[("host", "a"), ("Host", "$host")]);
        assert!(matches!(headers.host, Some(LineValue::Rendered(_))));
        let headers = prepared(&[("Host", "$host"), ("host", "")]);
        assert!(matches!(headers.host, Some(LineValue::Fixed(empty)) if empty.is_empty()));
        assert!(prepared(&[]).host.is_none());
        assert!(headers.lines.is_empty());
    }
}
