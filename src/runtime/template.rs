//! Writing templates: headers and log lines from the values of a request.

use crate::model::{Part, Template, Variable, VariableId};

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
fn write_part(part: &Part, values: &impl Values, out: &mut Vec<u8>) -> bool {
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
pub fn render(template: &Template, values: &impl Values, out: &mut Vec<u8>) {
    for part in template.parts() {
        write_part(part, values, out);
    }
}

/// Appends a log line without a line end: `"`, `\\` and all outside printable ASCII as `\\xXX`, and `-`
/// for no value, as nginx's `escape=default`.
pub fn render_line(template: &Template, values: &impl Values, out: &mut Vec<u8>) {
    let mut value = Vec::new();
    for part in template.parts() {
        match part {
            Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
            variable => {
                value.clear();
                if write_part(variable, values, &mut value) && !value.is_empty() {
                    escape_for_log(&value, out);
                } else {
                    out.push(b'-');
                }
            }
        }
    }
}

fn escape_for_log(value: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in value {
        if !(0x20..=0x7e).contains(&byte) || byte == b'"' || byte == b'\\' {
            out.extend_from_slice(b"\\x");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        } else {
            out.push(byte);
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
        render_line(&template, &Fixed(b"a\"\\\n\xe9"), &mut line);
        assert_eq!(line, br#""a\x22\x5C\x0A\xE9""#);
        line.clear();
        render_line(&template, &Fixed(b""), &mut line);
        assert_eq!(line, b"\"-\"");
    }
}
