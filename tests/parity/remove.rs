//! A configuration without one of its directives, arguments or variables.

use pcre2::bytes::Regex;

/// The configuration without what `name` names, unless it is not there: a directive, `$variable` (with
/// `_` at its end: each that starts so), or `directive/word`: this argument, or the one that begins with `word=`.
pub fn without(conf: &str, name: &str) -> Option<String> {
    let removed = if let Some(variable) = name.strip_prefix('$') {
        without_variable(conf, variable)
    } else {
        let (directive, word) = match name.split_once('/') {
            Some((directive, word)) => (directive, Some(word)),
            None => (name, None),
        };
        let mut removed = String::new();
        let mut rest = 0;
        for span in spans(conf, directive, word) {
            removed += &conf[rest..span.0];
            rest = span.1;
        }
        removed + &conf[rest..]
    };
    (removed != conf).then_some(removed)
}

fn without_variable(conf: &str, name: &str) -> String {
    let suffix = if name.ends_with('_') { r"\w+" } else { "" };
    let pattern = format!(r"\$\{{{name}{suffix}\}}|\${name}{suffix}(?!\w)");
    let pattern = Regex::new(&pattern).expect("a pattern");
    let mut removed = String::new();
    let mut rest = 0;
    for found in pattern.find_iter(conf.as_bytes()).flatten() {
        removed += &conf[rest..found.start()];
        rest = found.end();
    }
    removed + &conf[rest..]
}

/// The pieces to leave out.
fn spans(conf: &str, directive: &str, word: Option<&str>) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let mut open: Option<(usize, usize)> = None;
    let mut depth = 0;
    let mut words: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while let Some((start, end)) = token(conf, at) {
        at = end;
        let text = &conf[start..end];
        match text {
            "{" | ";" | "}" => {
                let named = words
                    .first()
                    .is_some_and(|&(from, to)| &conf[from..to] == directive);
                match (named && open.is_none(), word, text) {
                    (true, Some(word), _) => {
                        let is_it = |text: &str| {
                            text == word
                                || text
                                    .strip_prefix(word)
                                    .is_some_and(|rest| rest.starts_with('='))
                        };
                        spans.extend(
                            words[1..]
                                .iter()
                                .filter(|&&(from, to)| is_it(&conf[from..to])),
                        );
                    }
                    (true, None, ";") => spans.push((words[0].0, end)),
                    (true, None, "{") => open = Some((words[0].0, depth)),
                    _ => {}
                }
                depth += usize::from(text == "{");
                depth -= usize::from(text == "}");
                if text == "}"
                    && let Some((from, _)) = open.filter(|(_, outside)| *outside == depth)
                {
                    spans.push((from, end));
                    open = None;
                }
                words.clear();
            }
            _ => words.push((start, end)),
        }
    }
    spans
}

/// The next word, brace or semicolon.
fn token(conf: &str, from: usize) -> Option<(usize, usize)> {
    let bytes = conf.as_bytes();
    let mut at = from;
    loop {
        match bytes.get(at)? {
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            b'#' => at += conf[at..].find('\n')?,
            _ => break,
        }
    }
    let start = at;
    match bytes[start] {
        b'{' | b'}' | b';' => return Some((start, start + 1)),
        quote @ (b'"' | b'\'') => {
            at += 1;
            while *bytes.get(at)? != quote {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            return Some((start, at + 1));
        }
        _ => {}
    }
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            // A variable in braces is part of a word.
            b'{' if bytes[at - 1] == b'$' => at += conf[at..].find('}')? + 1,
            b' ' | b'\t' | b'\n' | b'\r' | b';' | b'{' => break,
            _ => at += 1,
        }
    }
    Some((start, at))
}

#[test]
fn a_directive_is_taken_out_with_its_block() {
    let conf = "a 1; b \"x;}\" ${v}y; # b 2;\nc { b 3; d { e; } } server h:1 weight=2 down;";
    assert_eq!(
        without(conf, "b").unwrap(),
        "a 1;  # b 2;\nc {  d { e; } } server h:1 weight=2 down;"
    );
    assert_eq!(
        without(conf, "c").unwrap(),
        "a 1; b \"x;}\" ${v}y; # b 2;\n server h:1 weight=2 down;"
    );
    assert_eq!(without(conf, "d").unwrap(), conf.replace("d { e; }", ""));
    assert_eq!(
        without(conf, "server/weight").unwrap(),
        conf.replace("weight=2", "")
    );
    assert_eq!(
        without(conf, "server/down").unwrap(),
        conf.replace("down", "")
    );
    assert_eq!(without(conf, "$v").unwrap(), conf.replace("${v}", ""));
    assert_eq!(without(conf, "nothing"), None);
}

#[test]
fn a_variable_is_taken_out_whole() {
    assert_eq!(
        without("$host$http_host ${host}", "$host").unwrap(),
        "$http_host "
    );
    assert_eq!(without("$host$http_a_b;", "$http_").unwrap(), "$host;");
}
