//! What packages install beside the binary is made by the binary.

use super::support::run;
use std::io::Write;
use std::process::{Command, Stdio};

#[test]
fn man_prints_a_page_that_formats_without_a_warning() {
    let printed = run("", &["man"]);
    assert_eq!(
        (printed.status.code(), printed.stderr.as_str()),
        (Some(0), "")
    );
    let page = &printed.stdout;
    assert!(page.contains(".TH GAPURA 8 "), "{page}");
    for section in [
        "NAME",
        "SYNOPSIS",
        "OPTIONS",
        "COMMANDS",
        "SIGNALS",
        "FILES",
        "\"EXIT STATUS\"",
    ] {
        assert!(
            page.contains(&format!("\n.SH {section}\n")),
            "{section} in {page}"
        );
    }
    let Some(said) = said_by("groff", &["-man", "-Tutf8", "-ww", "-z"], page) else {
        return;
    };
    assert_eq!(said, (true, String::new()));
}

#[test]
fn completions_are_programs_of_their_shells() {
    for (shell, word) in [
        ("bash", "--json"),
        ("zsh", "#compdef gapura"),
        ("fish", "complete -c gapura"),
    ] {
        let printed = run("", &["completions", shell]);
        assert_eq!(
            (printed.status.code(), printed.stderr.as_str()),
            (Some(0), "")
        );
        let text = &printed.stdout;
        for part in [word, "reload", "reopen", "check"] {
            assert!(text.contains(part), "{part} for {shell} in {text}");
        }
        if let Some(said) = said_by(shell, &["-n"], text) {
            assert_eq!(said, (true, String::new()), "{shell}");
        }
    }
    let unknown = run("", &["completions", "csh"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        unknown.stderr.contains("invalid value 'csh'"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn bash_completes_words_of_s_and_commands() {
    let printed = run("", &["completions", "bash"]);
    let ask = "complete_at() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); \
               _gapura gapura \"${@: -1}\" \"${@: -2:1}\"; echo \"${COMPREPLY[@]}\"; }\n\
               complete_at gapura -s re\ncomplete_at gapura ch\n";
    let script = format!("{}\n{ask}", printed.stdout);
    let output = Command::new("bash").args(["-c", &script]).output();
    let output = output.expect("bash, as every Debian has it");
    let answers = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        answers,
        "reopen reload\ncheck\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Whether a program is content with a text, and what it says. `None` when it is not here.
fn said_by(program: &str, arguments: &[&str], text: &str) -> Option<(bool, String)> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        println!("no {program} here");
        return None;
    };
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(text.as_bytes()).expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("ended");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Some((output.status.success(), said))
}
