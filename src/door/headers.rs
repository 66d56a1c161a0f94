//! Header lines: nginx's grammar for one, and the list of those of a request.

use super::class::Class;
use crate::word::{self, Word};
use std::cell::Cell;
use std::ops::Range;

/// The header lines of a request, as places in the buffer it was read into.
#[derive(Debug, Default)]
pub struct Headers {
    lines: Vec<HeaderLine>,
}

/// Where a header's name and value are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeaderLine {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

/// A line without its end, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    /// Offsets within the line.
    pub(super) line: HeaderLine,
    /// Whether nginx takes the name for valid.
    pub(super) valid: bool,
    /// Whether a header map holds it as it is.
    pub(super) plain: bool,
}

thread_local! {
    /// A list with room, for the next request of this thread.
    static SPARE: Cell<Headers> = const { Cell::new(Headers { lines: Vec::new() }) };
}

/// Room for how many lines is kept.
const MOST_SPARE: usize = 128;

impl Headers {
    /// A list to be cleared before it is used, and [given back](Self::give_back).
    pub(super) fn take() -> Self {
        SPARE.take()
    }

    pub(super) fn give_back(self) {
        if self.lines.capacity() <= MOST_SPARE {
            SPARE.set(self);
        }
    }

    pub(super) fn push(&mut self, line: HeaderLine) {
        self.lines.push(line);
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn lines(&self) -> &[HeaderLine] {
        &self.lines
    }

    /// The value of the first line of this name.
    pub(super) fn value<'a>(&self, buffer: &'a [u8], name: &str) -> Option<&'a [u8]> {
        self.named(buffer, name).map(|(_, value)| value)
    }

    /// The first line of this name: its name as it was written, and its value.
    pub(super) fn named<'a>(&self, buffer: &'a [u8], name: &str) -> Option<(&'a [u8], &'a [u8])> {
        let line = self
            .lines
            .iter()
            .find(|line| buffer[line.name.clone()].eq_ignore_ascii_case(name.as_bytes()))?;
        Some((&buffer[line.name.clone()], &buffer[line.value.clone()]))
    }
}

impl HeaderLine {
    pub(super) fn shift(self, by: usize) -> Self {
        Self {
            name: self.name.start + by..self.name.end + by,
            value: self.value.start + by..self.value.end + by,
        }
    }
}

/// A value as it may be passed on: control characters, which RFC 9110 forbids and nginx lets
/// through, become spaces.
pub(super) fn value_bytes(value: &[u8]) -> impl Iterator<Item = u8> {
    value
        .iter()
        .map(|&byte| if is_value_byte(byte) { byte } else { b' ' })
}

/// Reads one header line, given with its `\n`. The error is the offset of the byte at fault.
///
/// `underscores` is `underscores_in_headers`.
pub(super) fn parse(line: &[u8], underscores: bool) -> Result<Parsed, usize> {
    let mut end = line.len() - 1;
    while end > 0 && line[end - 1] == b'\r' {
        end -= 1;
    }
    let text = &line[..end];
    let (colon, valid) = match scan_name(text, underscores)? {
        Name::Until { colon, valid } => (colon, valid),
        // A name alone is a header with an empty value.
        Name::Unfinished { valid } => {
            return Ok(Parsed {
                line: HeaderLine {
                    name: 0..end,
                    value: end..end,
                },
                valid,
                plain: false,
            });
        }
    };
    let start = text[colon + 1..]
        .iter()
        .position(|&byte| byte != b' ')
        .map_or(end, |spaces| colon + 1 + spaces);
    let trailing = text[start..].iter().rev().take_while(|&&byte| byte == b' ');
    let value = start..end - trailing.count();
    let clean = is_clean(&text[value.clone()]);
    if !clean && let Some(at) = memchr::memchr2(0, b'\r', &text[value.clone()]) {
        return Err(value.start + at);
    }
    Ok(Parsed {
        line: HeaderLine {
            name: 0..colon,
            value,
        },
        valid,
        plain: clean && valid && end + 2 == line.len(),
    })
}

/// Whether a line that has not ended yet is malformed already, so that garbage is answered at
/// once. The error is the offset of the byte at fault.
pub(super) fn check_unfinished(text: &[u8]) -> Result<(), usize> {
    match text.first() {
        None | Some(b'\r') => Ok(()),
        Some(_) => scan_name(
            memchr::memchr(b'\r', text).map_or(text, |end| &text[..end]),
            true,
        )
        .map(drop),
    }
}

enum Name {
    Until { colon: usize, valid: bool },
    Unfinished { valid: bool },
}

fn scan_name(text: &[u8], underscores: bool) -> Result<Name, usize> {
    let usual = Class::NAME.run(text);
    if usual > 0 && text.get(usual) == Some(&b':') {
        return Ok(Name::Until {
            colon: usual,
            valid: true,
        });
    }
    let mut valid = true;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => {}
            b':' if at > 0 => return Ok(Name::Until { colon: at, valid }),
            0..=0x20 | 0x7f | b':' => return Err(at),
            b'_' if underscores => {}
            _ => valid = false,
        }
    }
    Ok(Name::Unfinished { valid })
}

/// Whether a value may be passed on as it is.
fn is_clean(value: &[u8]) -> bool {
    let of_word = |word: Word| word.controls().or(word.are(0x7f));
    // A tab is a control character as well.
    !word::any(value, of_word, |byte| !is_value_byte(byte))
        || value.iter().all(|&byte| is_value_byte(byte))
}

fn is_value_byte(byte: u8) -> bool {
    ((byte >= 0x20) & (byte != 0x7f)) | (byte == b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str, underscores: bool) -> Result<(&str, &str, bool, bool), usize> {
        let parsed = parse(line.as_bytes(), underscores)?;
        Ok((
            &line[parsed.line.name],
            &line[parsed.line.value],
            parsed.valid,
            parsed.plain,
        ))
    }

    #[test]
    fn header_lines_are_read_as_nginx_reads_them() {
        for (line, name, value, valid, plain) in [
            ("Host: a\r\n", "Host", "a", true, true),
            ("Host:a\r\n", "Host", "a", true, true),
            ("Host:   a b  \r\n", "Host", "a b", true, true),
            ("X:\r\n", "X", "", true, true),
            ("X:   \r\n", "X", "", true, true),
            ("X: a\tb\u{e9}\r\n", "X", "a\tb\u{e9}", true, true),
            ("X: a\n", "X", "a", true, false),
            ("X: a\r\r\n", "X", "a", true, false),
            ("X: a\u{1}b\r\n", "X", "a\u{1}b", true, false),
            ("X\r\n", "X", "", true, false),
            ("X_Y: a\r\n", "X_Y", "a", false, false),
            ("X.Y: a\r\n", "X.Y", "a", false, false),
            ("\u{e9}: a\r\n", "\u{e9}", "a", false, false),
            ("X: a:b\r\n", "X", "a:b", true, true),
        ] {
            assert_eq!(
                read(line, false),
                Ok((name, value, valid, plain)),
                "{line:?}"
            );
        }
        assert_eq!(read("X_Y: a\r\n", true), Ok(("X_Y", "a", true, true)));
    }

    #[test]
    fn malformed_header_lines_are_refused_where_they_go_wrong() {
        for (line, at) in [
            (" folded\r\n", 0),
            ("\tfolded\r\n", 0),
            (":value\r\n", 0),
            ("X : a\r\n", 1),
            ("X\u{7f}: a\r\n", 1),
            ("X: a\0b\r\n", 4),
            ("X: a\rb\r\n", 4),
            ("X\ry: b\r\n", 1),
        ] {
            assert_eq!(read(line, false), Err(at), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn a_value_is_clean_when_each_of_its_bytes_is(
            value in proptest::collection::vec(prop_oneof![9 => 0x20u8..=0xff, 1 => any::<u8>()], 0..40),
        ) {
            prop_assert_eq!(is_clean(&value), value.iter().all(|&byte| is_value_byte(byte)));
        }

        #[test]
        fn what_is_refused_unfinished_is_refused_finished(text in proptest::collection::vec(0u8..=255, 0..24)) {
            if !text.contains(&b'\n') && check_unfinished(&text).is_err() {
                let mut line = text;
                line.extend_from_slice(b": a\r\n");
                prop_assert!(parse(&line, true).is_err());
            }
        }
    }
}
