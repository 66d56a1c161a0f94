//! What two runs of one program differ in, made equal: times, request ids, the name on built-in pages.

use crate::case::Case;
use crate::run::Outcome;
use crate::talk::Answer;
use flate2::read::GzDecoder;
use pcre2::bytes::Regex;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::LazyLock;

/// What is compared of an exchange: facets by name.
pub type Facets = BTreeMap<String, String>;

/// An outcome, ready to be compared.
#[derive(Debug, PartialEq)]
pub struct Normal {
    pub exchanges: Vec<Facets>,
    pub log: Vec<String>,
}

pub fn normalise(case: &Case, outcome: &Outcome) -> Normal {
    let exchanges = outcome.exchanges.iter().map(|(heard, received)| {
        let mut facets = Facets::new();
        facets.insert("connection".into(), heard.end.clone());
        for (index, answer) in heard.answers.iter().enumerate() {
            let number = match index {
                0 => String::new(),
                _ => format!(" {}", index + 1),
            };
            for (facet, value) in of_answer(case, answer) {
                facets.insert(format!("{facet}{number}"), value);
            }
        }
        let received = received.iter().map(|received| {
            let mut headers: Vec<_> = received
                .headers
                .iter()
                .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
                .collect();
            headers.sort();
            let body = String::from_utf8_lossy(&received.body);
            let text = format!(
                "{}: {}\n{}\n\n{body}",
                received.backend,
                received.line,
                headers.join("\n")
            );
            mask(case, &text)
        });
        facets.insert(
            "backend".into(),
            received.collect::<Vec<_>>().join("\n--\n"),
        );
        facets
    });
    let answers = outcome
        .exchanges
        .iter()
        .flat_map(|(heard, _)| &heard.answers);
    let answers: Vec<&Answer> = answers.filter(|answer| !is_interim(answer)).collect();
    // One line for each answer, unless the case logs otherwise.
    let of_line = |index: usize| match outcome.log.len() == answers.len() {
        true => answers.get(index).copied(),
        false => None,
    };
    let lines = outcome.log.iter().enumerate();
    Normal {
        exchanges: exchanges.collect(),
        log: lines
            .map(|(index, line)| log_line(case, line, of_line(index), &answers))
            .collect(),
    }
}

fn is_interim(answer: &Answer) -> bool {
    answer
        .status
        .split(' ')
        .nth(1)
        .is_some_and(|code| code.starts_with('1') && code != "101")
}

fn of_answer(case: &Case, answer: &Answer) -> Facets {
    let mut facets = Facets::new();
    let gzip = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("content-encoding") && value == "gzip"
    };
    let decoded;
    let content = match answer.headers.iter().any(gzip) {
        true => {
            decoded = decode(&answer.body);
            &decoded
        }
        false => &answer.body,
    };
    let page = page(content);
    facets.insert("status".into(), answer.status.clone());
    let mut headers = BTreeMap::<String, Vec<(&str, &str)>>::new();
    for (name, value) in &answer.headers {
        headers
            .entry(name.to_ascii_lowercase())
            .or_default()
            .push((name, value));
    }
    for (name, lines) in headers {
        let value = match (name.as_str(), lines.as_slice()) {
            // What they say is not compared, but that they are there.
            ("date" | "server", lines) => format!("{} times", lines.len()),
            ("content-length", [(_, length)])
                if page.is_some() && *length == answer.body.len().to_string() =>
            {
                "that of the page".into()
            }
            // Names with their capitals: some clients look for those.
            (_, lines) => {
                let lines = lines.iter().map(|(name, value)| format!("{name}: {value}"));
                mask(case, &lines.collect::<Vec<_>>().join("\n"))
            }
        };
        facets.insert(format!("header:{name}"), value);
    }
    let body = page.unwrap_or_else(|| mask(case, &String::from_utf8_lossy(content)));
    let whole = if answer.whole { "" } else { " (cut off)" };
    facets.insert("body".into(), format!("{body}{whole}"));
    facets
}

/// What a compressed body says; libraries compress alike, but not the same.
fn decode(body: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let whole = GzDecoder::new(body).read_to_end(&mut text).is_ok();
    let mut decoded = if whole {
        b"gzip: ".to_vec()
    } else {
        b"broken gzip: ".to_vec()
    };
    decoded.extend_from_slice(&text);
    decoded
}

/// A built-in page without the program's name and version.
fn page(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let name = SIGNATURE.captures(body).ok()??.get(1)?;
    Some(format!(
        "{}NAME{}",
        &text[..name.start()],
        &text[name.end()..]
    ))
}

static SIGNATURE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"<hr><center>((?:nginx|gapura)(?:/[0-9.]+)?(?: \(\w+\))?)</center>")
        .expect("a pattern")
});

/// How many bytes were sent hangs on `Server` and on the name in pages.
fn log_line(case: &Case, line: &str, answer: Option<&Answer>, all: &[&Answer]) -> String {
    let line = mask(case, line);
    let is_page =
        |answer: &Answer, length| answer.body.len() == length && page(&answer.body).is_some();
    let name = |number: usize| match answer {
        Some(answer) if answer.status.contains(&format!(" {number}")) => None,
        Some(answer) if answer.bytes == number => Some("(all of the answer)"),
        Some(answer) => is_page(answer, number).then_some("(the page)"),
        None => all
            .iter()
            .any(|answer| is_page(answer, number))
            .then_some("(the page)"),
    };
    let mut replaced = String::with_capacity(line.len());
    let mut rest = 0;
    for found in NUMBER.find_iter(line.as_bytes()).flatten() {
        let number = line[found.start()..found.end()].parse().ok();
        if let Some(name) = number.and_then(name) {
            replaced += &line[rest..found.start()];
            replaced += name;
            rest = found.end();
        }
    }
    replaced + &line[rest..]
}

static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?<![\d.:/])[1-9]\d*(?![\d.:/])").expect("a pattern"));

fn mask(case: &Case, text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, name) in MASKS.iter() {
        text = replace(pattern, &text, name);
    }
    for pattern in &case.masks {
        text = replace(pattern, &text, "(masked)");
    }
    text
}

static MASKS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let masks = [
        (
            r"\b\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}",
            "(time)",
        ),
        (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", "(time)"),
        (r"\b[0-9a-f]{32}\b", "(id)"),
        (r"(?<![.\d])\d+\.\d{3}\b(?!\.)", "(seconds)"),
    ];
    masks
        .into_iter()
        .map(|(pattern, name)| (Regex::new(pattern).expect("a pattern"), name))
        .collect()
});

fn replace(pattern: &Regex, text: &str, with: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = 0;
    for found in pattern.find_iter(text.as_bytes()).flatten() {
        replaced += &text[rest..found.start()];
        replaced += with;
        rest = found.end();
    }
    replaced + &text[rest..]
}
