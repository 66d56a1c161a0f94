//! Which bytes stand where in a request, looked up and not compared: most of what a client sends is runs of these.

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class(u8);

impl Class {
    /// No byte at all.
    pub(super) const NONE: Self = Self(0);
    /// What goes on with a method, in nginx's grammar.
    pub(super) const METHOD: Self = Self(1);
    /// What goes on with a path that needs no second look: no start of a segment, no escape.
    pub(super) const PATH: Self = Self(1 << 1);
    /// What goes on with a query.
    pub(super) const QUERY: Self = Self(1 << 2);
    /// What a header's name is made of, in nginx's grammar.
    pub(super) const NAME: Self = Self(1 << 3);
    /// What a label of a host is made of, by nginx's rules: RFC 3986's `reg-name`, without escapes.
    pub(super) const LABEL: Self = Self(1 << 4);

    /// How many bytes of the text are in it before one is not.
    pub(super) fn run(self, text: &[u8]) -> usize {
        let end = text.iter().position(|&byte| !self.has(byte));
        end.unwrap_or(text.len())
    }

    fn has(self, byte: u8) -> bool {
        CLASSES[usize::from(byte)] & self.0 != 0
    }
}

/// For each byte the classes that it is in.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = u8::MAX;
    loop {
        classes[byte as usize] = classes_of(byte);
        if byte == 0 {
            break classes;
        }
        byte -= 1;
    }
};

const fn classes_of(byte: u8) -> u8 {
    let mut classes = 0;
    if matches!(byte, b'A'..=b'Z' | b'_' | b'-') {
        classes |= Class::METHOD.0;
    }
    if !matches!(byte, 0..=0x20 | 0x7f | b'#' | b'/' | b'%' | b'?') {
        classes |= Class::PATH.0;
    }
    if !matches!(byte, 0..=0x20 | 0x7f | b'#') {
        classes |= Class::QUERY.0;
    }
    if matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-') {
        classes |= Class::NAME.0;
    }
    if matches!(
        byte,
        b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'~'
            | b'!'
            | b'$'
            | b'&'..=b','
            | b';'
            | b'='
    ) {
        classes |= Class::LABEL.0;
    }
    classes
}
