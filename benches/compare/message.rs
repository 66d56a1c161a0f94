//! The head of a request or an answer: no more of HTTP than both ends of a measurement need.

/// A head that is there whole.
pub(crate) struct Head {
    /// Its first line.
    line: String,
    /// Its bytes, the empty line included.
    pub(crate) length: usize,
    /// The bytes of the body, by `Content-Length`.
    pub(crate) body: usize,
    /// The connection ends with this message.
    pub(crate) closes: bool,
}

impl Head {
    /// The head that these bytes begin with, once it is whole.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = memchr::memmem::find(bytes, b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let mut head = Self {
            closes: line.ends_with(" HTTP/1.0"),
            line,
            length: end + 4,
            body: 0,
        };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.body = value.parse().unwrap_or(0);
            } else if name.eq_ignore_ascii_case("connection") {
                head.closes = value.eq_ignore_ascii_case("close");
            }
        }
        Some(head)
    }

    /// Where a request goes.
    pub(crate) fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// Whether an answer says 200.
    pub(crate) fn is_success(&self) -> bool {
        self.line.split(' ').nth(1) == Some("200")
    }
}
