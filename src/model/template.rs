//! Text with `$variables`, parsed once.

use super::{Variable, VariableId};
use std::fmt;

/// Text in which variables stand, such as `"$scheme://$host"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template {
    parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part {
    /// Text taken as it is.
    Literal(String),
    /// The value of a variable.
    Variable(Variable),
    /// The value of a variable that the configuration defines.
    Defined(VariableId),
    /// `$1` to `$9`: a group of the last regular expression that matched.
    Group(u8),
}

impl Template {
    /// Parses nginx's syntax: `$name`, `${name}`; everything else stands for itself.
    ///
    /// # Errors
    /// An unknown variable, a `$` without a name, a `${` without its `}`. The offset is in bytes.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Self::parse_with(text, |_| None)
    }

    /// As [`parse`](Self::parse), with variables that a configuration defines: `defined` knows them by
    /// their names in lower case, and comes before nginx's own.
    ///
    /// # Errors
    /// As for `parse`.
    pub fn parse_with(
        text: &str,
        defined: impl Fn(&str) -> Option<VariableId>,
    ) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            literal.push_str(&rest[..at]);
            let offset = text.len() - rest.len() + at;
            let after = &rest[at + 1..];
            if let Some(group @ b'1'..=b'9') = after.bytes().next() {
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(Part::Group(group - b'0'));
                rest = &after[1..];
                continue;
            }
            let (name, length) = match after.strip_prefix('{') {
                Some(braced) => {
                    let end = braced.find('}').ok_or_else(|| TemplateError {
                        kind: TemplateErrorKind::Unclosed(braced[..name_length(braced)].into()),
                        offset,
                        length: rest.len() - at,
                    })?;
                    (&braced[..end], end + 2)
                }
                None => {
                    let end = name_length(after);
                    (&after[..end], end)
                }
            };
            if name.is_empty() {
                let kind = TemplateErrorKind::NoName;
                return Err(TemplateError {
                    kind,
                    offset,
                    length: length + 1,
                });
            }
            let part = match defined(&name.to_ascii_lowercase()) {
                Some(id) => Part::Defined(id),
                None => Part::Variable(Variable::parse(name).ok_or_else(|| TemplateError {
                    kind: TemplateErrorKind::Unknown(name.to_owned()),
                    offset,
                    length: length + 1,
                })?),
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part);
            rest = &after[length..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts })
    }

    /// A template of one variable.
    pub fn of(variable: Variable) -> Self {
        Self {
            parts: vec![Part::Variable(variable)],
        }
    }

    /// A template without variables.
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        let parts = if text.is_empty() {
            Vec::new()
        } else {
            vec![Part::Literal(text)]
        };
        Self { parts }
    }

    /// The same, with text in place of the variables that are known already.
    #[must_use]
    pub fn with_known(self, known: impl Fn(&Variable) -> Option<String>) -> Self {
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in self.parts {
            let text = match &part {
                Part::Literal(text) => Some(text.clone()),
                Part::Variable(variable) => known(variable),
                Part::Defined(_) | Part::Group(_) => None,
            };
            match (text, parts.last_mut()) {
                (Some(text), Some(Part::Literal(before))) => before.push_str(&text),
                (Some(text), _) if !text.is_empty() => parts.push(Part::Literal(text)),
                (Some(_), _) => {}
                (None, _) => parts.push(part),
            }
        }
        Self { parts }
    }

    /// The same, without this text at its beginning.
    #[must_use]
    pub fn without_prefix(mut self, prefix: &str) -> Self {
        if let Some(Part::Literal(text)) = self.parts.first_mut()
            && let Some(rest) = text.strip_prefix(prefix)
        {
            *text = rest.to_owned();
            if text.is_empty() {
                self.parts.remove(0);
            }
        }
        self
    }

    /// The same, without this character at its end.
    #[must_use]
    pub fn without_suffix(mut self, suffix: char) -> Self {
        if let Some(Part::Literal(text)) = self.parts.last_mut()
            && text.ends_with(suffix)
        {
            text.pop();
            if text.is_empty() {
                self.parts.pop();
            }
        }
        self
    }

    /// Its pieces, in order. None is an empty literal, and no two literals follow each other.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether it is always empty: in `proxy_set_header`, the way to remove a header.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// Why a template could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    kind: TemplateErrorKind,
    /// Where the variable starts, in bytes from the template's start.
    pub offset: usize,
    /// How long it is, in bytes.
    pub length: usize,
}

/// How much of a text is a variable's name.
fn name_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplateErrorKind {
    Unknown(String),
    NoName,
    Unclosed(String),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            TemplateErrorKind::Unknown(name) => write!(f, "unknown \"{name}\" variable"),
            TemplateErrorKind::NoName => f.write_str("invalid variable name"),
            TemplateErrorKind::Unclosed(name) => {
                write!(f, "the closing bracket in \"{name}\" variable is missing")
            }
        }
    }
}

impl std::error::Error for TemplateError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_braced_variables_and_text() {
        let template = Template::parse("a${scheme}b$host-c").expect("valid");
        assert_eq!(
            template.parts(),
            [
                Part::Literal("a".into()),
                Part::Variable(Variable::Scheme),
                Part::Literal("b".into()),
                Part::Variable(Variable::Host),
                Part::Literal("-c".into()),
            ]
        );
        let groups = Template::parse_with("$12$x", |name| (name == "x").then_some(VariableId(7)));
        assert_eq!(
            groups.expect("valid").parts(),
            [
                Part::Group(1),
                Part::Literal("2".into()),
                Part::Defined(VariableId(7)),
            ]
        );
    }

    #[test]
    fn errors_say_where() {
        let unknown = Template::parse("x-$nope-y").expect_err("no such variable");
        assert_eq!((unknown.offset, unknown.length), (2, 5));
        assert_eq!(unknown.to_string(), "unknown \"nope\" variable");
        let unclosed = Template::parse("${host").expect_err("no brace");
        assert_eq!(
            unclosed.to_string(),
            "the closing bracket in \"host\" variable is missing"
        );
        assert_eq!(
            Template::parse("100$").expect_err("no name").to_string(),
            "invalid variable name"
        );
    }
}
