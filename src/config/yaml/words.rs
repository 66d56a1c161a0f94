//! serde's messages in this program's words: what was found, what was expected, and the key that
//! was probably meant. serde has the parts only as text; this is the one place that takes it apart.

use crate::config::path::{Part, Segment};
use crate::config::problem::Problem;
use crate::config::suggest;

/// A mistake as it is shown.
pub(super) struct Mistake {
    pub(super) problem: Problem,
    pub(super) label: Option<String>,
    pub(super) part: Part,
    /// The key that nobody knows, if that is the mistake.
    pub(super) unknown_key: Option<String>,
}

impl Mistake {
    /// The path of what is wrong, from the path at which serde stopped.
    pub(super) fn path(&self, at: &[Segment]) -> Vec<Segment> {
        let mut path = at.to_vec();
        if let Some(key) = &self.unknown_key
            && path.last() != Some(&Segment::Key(key.clone()))
        {
            path.push(Segment::Key(key.clone()));
        }
        path
    }
}

/// What serde's message says about the value at a path.
pub(super) fn explain(message: &str, path: &[Segment]) -> Mistake {
    if let Some(rest) = message.strip_prefix("unknown field `")
        && let Some((key, known)) = rest.split_once("`, expected ")
    {
        return unknown_key(key, known);
    }
    let plain = |problem, label| Mistake {
        problem,
        label,
        part: Part::Value,
        unknown_key: None,
    };
    let invalid = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix))
        .and_then(|rest| rest.rsplit_once(", expected "));
    let Some((found, expected)) = invalid else {
        return plain(Problem::InvalidShape(message.to_owned()), None);
    };
    let key = path.iter().rev().find_map(|segment| match segment {
        Segment::Key(key) => Some(key.clone()),
        Segment::Index(_) => None,
    });
    let key = key.unwrap_or_else(|| "configuration".into());
    let label = match (found, expected) {
        ("unit value", "text") => "expected text; nothing is written `\"\"`".to_owned(),
        _ => format!("expected {}", in_words(expected)),
    };
    let label = Some(label);
    let problem = match found {
        "map" => Problem::CannotBe {
            found: "a mapping".into(),
            key,
        },
        "sequence" => Problem::CannotBe {
            found: "a list".into(),
            key,
        },
        "unit value" | "null" | "Option value" => Problem::CannotBe {
            found: "empty".into(),
            key,
        },
        scalar => Problem::InvalidValue {
            found: value(scalar),
            key,
        },
    };
    plain(problem, label)
}

fn unknown_key(key: &str, known: &str) -> Mistake {
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let label = hint(key, &known)
        .map(str::to_owned)
        .or_else(|| suggest::did_you_mean(key, known.iter().copied()))
        .unwrap_or_else(|| match known.len() {
            0..=MOST_LISTED => format!("expected {}", suggest::one_of(&known)),
            _ => "no such key here; docs/configuration.md lists them".into(),
        });
    Mistake {
        problem: Problem::UnknownKey(key.to_owned()),
        label: Some(label),
        part: Part::Key,
        unknown_key: Some(key.to_owned()),
    }
}

/// A longer list of keys helps nobody.
const MOST_LISTED: usize = 10;

/// What nginx's words are called here, and other keys that people try.
fn hint(key: &str, known: &[&str]) -> Option<&'static str> {
    let (_, needs, hint) = HINTS
        .iter()
        .find(|(word, needs, _)| *word == key && (needs.is_empty() || known.contains(needs)))?;
    debug_assert!(needs.is_empty() || known.contains(needs));
    Some(hint)
}

/// A key, a key that must be valid beside it for the hint to hold, and the hint.
const HINTS: &[(&str, &str, &str)] = &[
    (
        "server_name",
        "host",
        "nginx's `server_name` is `host` here",
    ),
    ("hosts", "host", "did you mean `host`? It takes a list too"),
    ("server", "address", "did you mean `address`?"),
    (
        "server",
        "servers",
        "did you mean `servers`? It is a list: `- address: host:port`",
    ),
    (
        "server",
        "sites",
        "nginx's `server` block is an entry of `sites` here",
    ),
    ("servers", "backends", "did you mean `backends`?"),
    (
        "servers",
        "sites",
        "nginx's `server` blocks are the entries of `sites` here",
    ),
    ("backends", "servers", "did you mean `servers`?"),
    (
        "http",
        "sites",
        "there is no `http` block here: its settings stand at the top",
    ),
    ("upstream", "upstreams", "did you mean `upstreams`?"),
    (
        "location",
        "locations",
        "did you mean `locations`? It is a list: `- path: /`",
    ),
    ("location", "path", "did you mean `path`?"),
    (
        "proxy_pass",
        "upstream",
        "use `upstream: NAME`, or `backends:` with a list of addresses",
    ),
    ("root", "path", "files are not served yet, only upstreams"),
    (
        "root",
        "locations",
        "files are not served yet, only upstreams",
    ),
    (
        "<<",
        "",
        "merge keys are not supported: settings are inherited from the enclosing level",
    ),
];

/// serde's name of a type, for people.
fn in_words(expected: &str) -> &str {
    match expected {
        "u64" => "a whole number",
        "a string" => "text",
        "a sequence" => "a list (lines that start with `- `)",
        "a map" => "a mapping (lines of `key: value`)",
        other => other,
    }
}

/// serde's description of a scalar, as it was written.
fn value(found: &str) -> String {
    if let Some(text) = found.strip_prefix("string ") {
        return text.to_owned();
    }
    let scalar = found.split('`').nth(1).unwrap_or(found);
    format!("\"{scalar}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(message: &str) -> (String, Option<String>) {
        let mistake = explain(message, &[Segment::Key("weight".into()), Segment::Index(0)]);
        (mistake.problem.to_string(), mistake.label)
    }

    #[test]
    fn messages_are_taken_apart() {
        let (problem, label) = said("invalid type: string \"a, expected b\", expected u64");
        assert_eq!(problem, "invalid value \"a, expected b\" in \"weight\"");
        assert_eq!(label.as_deref(), Some("expected a whole number"));
        let (problem, _) = said("invalid type: sequence, expected u64");
        assert_eq!(problem, "\"weight\" cannot be a list");
        let (problem, _) = said("invalid value: integer `-1`, expected u64");
        assert_eq!(problem, "invalid value \"-1\" in \"weight\"");
        let (problem, label) = said("something else");
        assert_eq!((problem.as_str(), label), ("something else", None));
    }

    #[test]
    fn unknown_keys_are_answered_with_what_was_meant() {
        let (_, label) = said("unknown field `wieght`, expected one of `weight`, `backup`");
        assert_eq!(label.as_deref(), Some("did you mean `weight`?"));
        let (_, label) = said("unknown field `server_name`, expected one of `host`, `listen`");
        assert_eq!(
            label.as_deref(),
            Some("nginx's `server_name` is `host` here")
        );
    }
}
