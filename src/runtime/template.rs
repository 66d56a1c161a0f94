//! Writing templates: headers and log lines from the values of a request.

use crate::model::{Escape, Part, Template, Variable, VariableId};
use crate::word::{self, Marks, Word};

/// Where a template's variables get their values from.
pub trait Values {
    /// Appends the variable's value, or gives `false` when it has none.
    fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool;

    /// The same for a variable that the configuration defines.
    fn write_defined(&self, variable: VariableId, out: &mut Vec<u8>) -> bool;

    /// The same for `$1` to `$9`.
    fn write_group(&self, number: u8, out: &mut Vec<u8>) -> bool;
}

/// Appends the value of a template's part. `false` when it is a variable without a value.
fn write_part(part: &Part, values: &(impl Values + ?Sized), out: &mut Vec<u8>) -> bool {
    match part {
        Part::Literal(text) => {
            out.extend_from_slice(text.as_bytes());
            true
        }
        Part::Variable(variable) => values.write(variable, out),
        Part::Defined(variable) => values.write_defined(*variable, out),
        Part::Group(number) => values.write_group(*number, out),
    }
}

/// Appends a template's text for this request. A variable without a value is empty.
pub fn render(template: &Template, values: &(impl Values + ?Sized), out: &mut Vec<u8>) {
    for part in template.parts() {
        write_part(part, values, out);
    }
}

/// Appends a log line without a line end. What a value must not look like, and what stands for one
/// that is not there, is nginx's `escape=`.
pub fn render_line(template: &Template, escape: Escape, values: &impl Values, out: &mut Vec<u8>) {
    for part in template.parts() {
        if let Part::Literal(text) = part {
            out.extend_from_slice(text.as_bytes());
            continue;
        }
        let start = out.len();
        match (write_part(part, values, out), escape) {
            (true, Escape::Default) => {
                escape_from(start, out, marked_in_log, is_plain_in_log, escape_for_log)
            }
            (true, Escape::Json) => escape_from(
                start,
                out,
                marked_in_json,
                is_plain_in_json,
                escape_for_json,
            ),
            (false, Escape::Default) => {
                out.truncate(start);
                out.push(b'-');
            }
            (false, Escape::Json) => out.truncate(start),
            (_, Escape::None) => {}
        }
    }
}

/// Escapes what was written from `start` on. Hardly ever is there anything to do.
fn escape_from(
    start: usize,
    out: &mut Vec<u8>,
    of_word: impl Fn(Word) -> Marks,
    is_plain: impl Fn(u8) -> bool,
    escape: fn(&[u8], &mut Vec<u8>),
) {
    if word::any(&out[start..], of_word, |byte| !is_plain(byte)) {
        let value = out.split_off(start);
        escape(&value, out);
    }
}

fn is_plain_in_json(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

/// What is not plain in JSON.
fn marked_in_json(word: Word) -> Marks {
    word.controls().or(word.are(b'"')).or(word.are(b'\\'))
}

fn is_plain_in_log(byte: u8) -> bool {
    (0x20..=0x7e).contains(&byte) && byte != b'"' && byte != b'\\'
}

/// What is not plain in a log.
fn marked_in_log(word: Word) -> Marks {
    let beyond = word.beyond_ascii().or(word.are(0x7f));
    marked_in_json(word).or(beyond)
}

/// As nginx escapes: bytes that are no UTF-8 are left as they are.
fn escape_for_json(value: &[u8], out: &mut Vec<u8>) {
    for &byte in value {
        let short = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            0x00..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
                continue;
            }
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

fn escape_for_log(value: &[u8], out: &mut Vec<u8>) {
    for &byte in value {
        if is_plain_in_log(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(b"\\x");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(&'static [u8]);

    impl Values for Fixed {
        fn write(&self, _: &Variable, out: &mut Vec<u8>) -> bool {
            out.extend_from_slice(self.0);
            true
        }

        fn write_defined(&self, _: VariableId, out: &mut Vec<u8>) -> bool {
            self.write(&Variable::Uri, out)
        }

        fn write_group(&self, _: u8, out: &mut Vec<u8>) -> bool {
            self.write(&Variable::Uri, out)
        }
    }

    #[test]
    fn a_log_line_cannot_be_forged_by_a_value() {
        let template = Template::parse("\"$uri\"").expect("valid");
        let mut line = Vec::new();
        render_line(
            &template,
            Escape::Default,
            &Fixed(b"a\"\\\n\xe9"),
            &mut line,
        );
        assert_eq!(line, br#""a\x22\x5C\x0A\xE9""#);
        line.clear();
        render_line(&template, Escape::Default, &Fixed(b""), &mut line);
        assert_eq!(line, b"\"\"", "empty is not missing");
        line.clear();
        render_line(
            &template,
            Escape::Json,
            &Fixed(b"a\"\\\n\x01\xe9"),
            &mut line,
        );
        assert_eq!(line, b"\"a\\\"\\\\\\n\\u0001\xe9\"");
        line.clear();
        render_line(&template, Escape::None, &Fixed(b"a\"\n"), &mut line);
        assert_eq!(line, b"\"a\"\n\"");
    }
}
