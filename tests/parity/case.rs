//! Case files.
//!
//! A case is a configuration and the requests that are sent to it:
//!
//! ```text
//! # What it shows.
//! covers: add_header, $host
//!
//! --- conf
//! server {
//!     listen LISTEN;
//!     location / { proxy_pass http://BACKEND; add_header X-Host $host; }
//! }
//!
//! --- requests
//! GET /a
//! POST /b | Host: other.test | X-Id: 7 | body: some text
//! ```
//!
//! `conf` is what stands in `http`, or the whole file when it has `events`. For the former, backends are
//! spoken to in HTTP/1.1 without `Connection` (Debian's nginx is older than that default), and the
//! access log is `combined`, unless the case has an `access_log` of its own.
//!
//! `LISTEN`, `LISTEN_2` … stand for addresses and `PORT`, `PORT_2` … for their ports; `BACKEND`,
//! `BACKEND_2` … for backends and `BACKPORT` … for their ports, `DNS` for a name server to which every name
//! but `missing.test` is 127.0.0.1, `REFUSED`, `REFUSED_2` … for addresses where nothing listens, and `DIR` for the folder of the
//! files.
//!
//! The other sections:
//! - `--- file PATH`: a file below `DIR`. It was last modified on 1 January 2024, 00:00:00 GMT.
//! - `--- answer [2] PATH [close] [stall] [raw]`: what a backend answers at a path (`*` stands before an end or behind
//!   a beginning).
//!   Without one it answers 200 and names itself and the request line. `close` ends the connection
//!   after it, `stall` keeps it silent after it, `raw` takes the text as [`unescape`] reads it.
//! - `--- requests [LISTEN_2]`: a line for each, on a connection of its own. `Host: example.test`,
//!   `Connection: close` and a `Content-Length` are added where they are missing; ` | no: Host` leaves one out.
//! - `--- raw [LISTEN_2] [answers N]`: bytes, see [`unescape`]; so many answers are read (one, unless said). A line
//!   `@pause 200ms` waits, `@shut` ends the sending, and `@end` waits for the server to close the connection.
//!
//! In front of the first section:
//! - `covers:` what the case is about: without it, its outcome must change.
//! - `mask: PATTERN`: what matches differs between two runs.
//! - `differs: KEY in log`: see below.
//! - `open: KEY`: the case may fail, for a reason in the list `open` of the differences.
//!
//! After a request, an indented line `differs KEY in FACET [= VALUE]` says that a difference of that
//! name shows there: in `status`, `header:NAME`, `body`, `connection` or `backend`; the value is Gapura's.

use pcre2::bytes::Regex;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file of `cases/`.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    /// Before placeholders were filled in.
    pub text: String,
    pub covers: Vec<String>,
    pub masks: Vec<Regex>,
    /// Of the access log.
    pub differs: Vec<Differs>,
    /// The reason why it may fail.
    pub open: Option<String>,
    pub conf: String,
    pub files: Vec<(String, String)>,
    pub answers: Vec<Answer>,
    pub exchanges: Vec<Exchange>,
}

/// What a backend answers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Which backend; 0 is each of them.
    pub backend: usize,
    pub path: String,
    pub bytes: Vec<u8>,
    pub then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Keep,
    Close,
    Stall,
}

/// What is sent on a connection, and how much is read.
#[derive(Debug)]
pub struct Exchange {
    /// What reports call it.
    pub label: String,
    /// The placeholder of the address, filled in: an address or `unix:` and a path.
    pub to: String,
    pub steps: Vec<Step>,
    pub answers: usize,
    pub differs: Vec<Differs>,
}

#[derive(Debug)]
pub enum Step {
    Send(Vec<u8>),
    Pause(Duration),
    /// No more is sent.
    Shut,
    /// Waits for the end of the connection.
    End,
}

/// A difference that is meant.
#[derive(Debug, Clone)]
pub struct Differs {
    pub key: String,
    pub facet: String,
    /// What Gapura has there.
    pub value: Option<String>,
}

/// The cases that `PARITY` asks for: all of them, unless it is set.
pub fn all() -> Vec<Case> {
    let wanted = std::env::var("PARITY").unwrap_or_default();
    let mut paths: Vec<PathBuf> = fs::read_dir(folder().join("cases"))
        .expect("a folder of the repository")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "case"))
        .collect();
    paths.sort();
    let texts = paths.into_iter().map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).expect("a case"))
    });
    texts
        .filter(|(name, _)| name.contains(&wanted))
        .map(|(name, text)| parse(&name, &text, &text))
        .collect()
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity")
}

/// Reads a case; `filled` is its text with the placeholders filled in.
pub fn parse(name: &str, text: &str, filled: &str) -> Case {
    let mut case = Case {
        name: name.to_owned(),
        text: text.to_owned(),
        covers: Vec::new(),
        masks: Vec::new(),
        differs: Vec::new(),
        open: None,
        conf: String::new(),
        files: Vec::new(),
        answers: Vec::new(),
        exchanges: Vec::new(),
    };
    let wrong = |line: &str| -> ! { panic!("{name}: what is this? {line}") };
    let mut sections = split(filled).into_iter();
    let (_, _, head) = sections.next().expect("the text before the first section");
    for line in head
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        match line.split_once(':') {
            Some(("covers", list)) => {
                case.covers
                    .extend(list.split(',').map(|word| word.trim().to_owned()));
            }
            Some(("mask", pattern)) => {
                let pattern = Regex::new(pattern.trim()).expect("a pattern");
                case.masks.push(pattern);
            }
            Some(("open", key)) => case.open = Some(key.trim().to_owned()),
            Some(("differs", rest)) => case.differs.push(differs(rest)),
            _ => wrong(line),
        }
    }
    for (number, title, body) in sections {
        let words: Vec<&str> = title.split_whitespace().collect();
        match words.as_slice() {
            ["conf"] => case.conf = body,
            ["file", ..] => case.files.push((title["file ".len()..].to_owned(), body)),
            ["answer", words @ ..] => case.answers.push(answer(words, &body)),
            ["requests", to @ ..] => {
                let to = to.first().copied().unwrap_or_default();
                requests(&mut case.exchanges, number, to, &body);
            }
            ["raw", words @ ..] => case.exchanges.push(raw(number, words, &body)),
            _ => wrong(&title),
        }
    }
    assert!(!case.conf.is_empty(), "{name}: no conf");
    assert!(!case.exchanges.is_empty(), "{name}: no requests");
    case
}

/// The sections with the number of their first line and their title; the first has none.
fn split(text: &str) -> Vec<(usize, String, String)> {
    let mut sections = vec![(1, String::new(), String::new())];
    for (index, line) in text.lines().enumerate() {
        match line.strip_prefix("--- ") {
            Some(title) => sections.push((index + 2, title.to_owned(), String::new())),
            None => {
                let (_, _, body) = sections.last_mut().expect("the first section");
                *body += line;
                body.push('\n');
            }
        }
    }
    for (_, _, body) in &mut sections {
        // The empty line in front of the next section.
        while body.ends_with("\n\n") {
            body.pop();
        }
    }
    sections
}

fn differs(text: &str) -> Differs {
    let (place, value) = match text.split_once(" = ") {
        Some((place, value)) => (place, Some(value.trim().to_owned())),
        None => (text, None),
    };
    let (key, facet) = place.split_once(" in ").expect("KEY in FACET");
    Differs {
        key: key.trim().to_owned(),
        facet: facet.trim().to_owned(),
        value,
    }
}

fn answer(words: &[&str], body: &str) -> Answer {
    let (backend, words) = match words.first().and_then(|word| word.parse().ok()) {
        Some(number) => (number, &words[1..]),
        None => (0, words),
    };
    let has = |word: &str| words[1..].contains(&word);
    let then = match (has("close"), has("stall")) {
        (_, true) => Then::Stall,
        (true, _) => Then::Close,
        _ => Then::Keep,
    };
    let bytes = match has("raw") {
        true => unescape(body),
        false => message(body, then),
    };
    Answer {
        backend,
        path: words[0].to_owned(),
        bytes,
        then,
    }
}

/// A head whose lines end as lines of a file do, an empty line, and a body without the last line's end.
fn message(text: &str, then: Then) -> Vec<u8> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let body = body.strip_suffix('\n').unwrap_or(body);
    let mut bytes = String::new();
    for line in head.lines() {
        bytes += line;
        bytes += "\r\n";
    }
    let lower = head.to_ascii_lowercase();
    let framed = lower.contains("content-length:") || lower.contains("transfer-encoding:");
    let bodiless = [" 204 ", " 304 "].iter().any(|status| {
        head.lines()
            .next()
            .is_some_and(|line| line.contains(status))
    });
    if !framed && !bodiless && then == Then::Keep && !head.is_empty() {
        bytes += &format!("Content-Length: {}\r\n", body.len());
    }
    if !head.is_empty() {
        bytes += "\r\n";
    }
    bytes += body;
    bytes.into_bytes()
}

fn requests(exchanges: &mut Vec<Exchange>, first: usize, to: &str, body: &str) {
    for (index, line) in body.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(rest) = line.trim_start().strip_prefix("differs ") {
            let exchange = exchanges.last_mut().expect("a request before it");
            exchange.differs.push(differs(rest));
            continue;
        }
        exchanges.push(Exchange {
            label: format!("line {}: {line}", first + index),
            to: to.to_owned(),
            steps: vec![Step::Send(request(line)), Step::End],
            answers: 1,
            differs: Vec::new(),
        });
    }
}

/// `GET /path [HTTP/1.0] | Name: value | body: text`.
fn request(line: &str) -> Vec<u8> {
    let mut parts = line.split(" | ");
    let first = parts.next().unwrap_or_default();
    let old = first.ends_with(" HTTP/1.0");
    let mut head = match old || first.ends_with(" HTTP/1.1") {
        true => format!("{first}\r\n"),
        false => format!("{first} HTTP/1.1\r\n"),
    };
    let (mut names, mut lines, mut body) = (Vec::new(), String::new(), None);
    for part in parts {
        let (name, value) = part.split_once(':').unwrap_or((part, ""));
        match name {
            "no" => names.push(value.trim().to_ascii_lowercase()),
            "body" => body = Some(unescape(value.strip_prefix(' ').unwrap_or(value))),
            _ => {
                names.push(name.to_ascii_lowercase());
                lines += &format!("{part}\r\n");
            }
        }
    }
    let missing = |name: &str| !names.iter().any(|given| given == name);
    if missing("host") && !old {
        head += "Host: example.test\r\n";
    }
    if missing("connection") && !old {
        head += "Connection: close\r\n";
    }
    if let Some(body) = body
        .as_ref()
        .filter(|_| missing("content-length") && missing("transfer-encoding"))
    {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    let mut bytes = format!("{head}{lines}\r\n").into_bytes();
    bytes.extend(body.unwrap_or_default());
    bytes
}

fn raw(number: usize, words: &[&str], body: &str) -> Exchange {
    let mut exchange = Exchange {
        label: format!("line {number}: {}", body.lines().next().unwrap_or_default()),
        to: String::new(),
        steps: Vec::new(),
        answers: 1,
        differs: Vec::new(),
    };
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        match word {
            "answers" => exchange.answers = words.next().unwrap().parse().expect("a number"),
            _ => exchange.to = word.to_owned(),
        }
    }
    for line in body.lines() {
        let step = match line.split_once(' ').unwrap_or((line, "")) {
            ("@pause", time) => {
                let milliseconds = time.strip_suffix("ms").expect("milliseconds");
                Step::Pause(Duration::from_millis(milliseconds.parse().unwrap()))
            }
            ("@shut", "") => Step::Shut,
            ("@end", "") => Step::End,
            _ => match line.trim_start().strip_prefix("differs ") {
                Some(rest) => {
                    exchange.differs.push(differs(rest));
                    continue;
                }
                None => Step::Send(unescape(line)),
            },
        };
        exchange.steps.push(step);
    }
    exchange
}

/// Text to bytes: `\r`, `\n`, `\t`, `\\` and `\xHH` are what they are in Rust, `\{a*100}` is a text that is
/// repeated, and the ends of lines count for nothing.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        if character == '\n' {
            continue;
        }
        if character != '\\' {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let escape = rest.chars().next().expect("an escape");
        rest = &rest[escape.len_utf8()..];
        match escape {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            '\\' => bytes.push(b'\\'),
            'x' => {
                bytes.push(u8::from_str_radix(&rest[..2], 16).expect("two digits"));
                rest = &rest[2..];
            }
            '{' => {
                let (inside, after) = rest.split_once('}').expect("a closing brace");
                let (piece, times) = inside.rsplit_once('*').expect("a number of times");
                bytes.extend(unescape(piece).repeat(times.parse().expect("a number")));
                rest = after;
            }
            other => panic!("what is \\{other}?"),
        }
    }
    bytes
}
