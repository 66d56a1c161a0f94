//! `gapura man`: the manual page gapura(8). Its options and commands are the command line's own, so that
//! they cannot differ from it.

use super::{DEFAULT_FILES, arguments, completions};
use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use std::io;

/// The page, for man(1) to format.
pub(super) fn page() -> Vec<u8> {
    let mut text = Vec::new();
    write(&mut text).expect("a vector takes everything");
    text
}

fn write(text: &mut Vec<u8>) -> io::Result<()> {
    let mut command = completions::command();
    command.build();
    let man = Man::new(command.clone())
        .title("GAPURA")
        .section("8")
        .source(format!("Gapura {}", env!("CARGO_PKG_VERSION")))
        .manual("System Administration");
    man.render_title(text)?;
    man.render_name_section(text)?;
    before_options().to_writer(text)?;
    man.render_options_section(text)?;
    commands(&command).to_writer(text)?;
    after_commands().to_writer(text)
}

fn before_options() -> Roff {
    let mut roff = Roff::default();
    roff.control("SH", ["SYNOPSIS"]);
    roff.control("nf", []);
    for line in usage() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff.control("SH", ["DESCRIPTION"]);
    paragraphs(&mut roff, &DESCRIPTION);
    roff
}

/// The lines that `-h` begins with.
fn usage() -> impl Iterator<Item = &'static str> {
    let lines = arguments::HELP.lines().take_while(|line| !line.is_empty());
    lines.map(|line| &line["Usage: ".len()..])
}

/// Every command with all that it takes.
fn commands(command: &Command) -> Roff {
    let mut roff = Roff::default();
    roff.control("SH", ["COMMANDS"]);
    for command in command.get_subcommands() {
        if command.get_name() == "help" {
            continue;
        }
        roff.control("TP", []);
        let mut line = vec![bold(format!("gapura {}", command.get_name()))];
        for argument in command.get_positionals() {
            let (open, close) = match argument.is_required_set() {
                true => ("", ""),
                false => ("[", "]"),
            };
            line.extend([
                roman(format!(" {open}")),
                italic(value(argument)),
                roman(close),
            ]);
        }
        roff.text(line);
        roff.text([roman(help(command.get_about()))]);
        roff.control("RS", []);
        for argument in command.get_arguments() {
            roff.control("TP", []);
            roff.text(name(argument));
            let values = argument.get_possible_values();
            let values: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
            let words = match argument.get_action().takes_values() && !values.is_empty() {
                true => format!(" One of {}.", values.join(", ")),
                false => String::new(),
            };
            roff.text([roman(help(argument.get_help()) + &words)]);
        }
        roff.control("RE", []);
    }
    roff
}

fn name(argument: &Arg) -> Vec<Inline> {
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let flags: Vec<String> = short.into_iter().chain(long).collect();
    let mut name = vec![bold(flags.join(", "))];
    if argument.get_action().takes_values() {
        if !flags.is_empty() {
            name.push(roman(" "));
        }
        name.push(italic(value(argument)));
    }
    name
}

fn value(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    names.join(" ").to_lowercase()
}

/// A sentence: clap takes the full stop away.
fn help(text: Option<&clap::builder::StyledStr>) -> String {
    text.map_or_else(String::new, |text| format!("{text}."))
}

fn after_commands() -> Roff {
    let mut roff = Roff::default();
    roff.control("SH", ["SIGNALS"]);
    paragraphs(
        &mut roff,
        &["They are sent to the process that the pid file names."],
    );
    terms(&mut roff, &SIGNALS);
    roff.control("SH", ["FILES"]);
    let places = DEFAULT_FILES.map(|file| {
        (
            file,
            "The configuration, when -c names none: the first that there is.",
        )
    });
    terms(&mut roff, &places);
    terms(&mut roff, &FILES);
    roff.control("SH", ["ENVIRONMENT"]);
    terms(&mut roff, &ENVIRONMENT);
    roff.control("SH", ["EXIT STATUS"]);
    terms(&mut roff, &STATUS);
    roff.control("SH", ["EXAMPLES"]);
    for (what, command) in EXAMPLES {
        roff.control("PP", []);
        roff.text([roman(what)]);
        roff.control("RS", ["4"]);
        roff.control("nf", []);
        roff.text([bold(command)]);
        roff.control("fi", []);
        roff.control("RE", []);
    }
    roff.control("SH", ["SEE ALSO"]);
    paragraphs(&mut roff, &SEE_ALSO);
    roff
}

fn paragraphs(roff: &mut Roff, texts: &[&str]) {
    for text in texts {
        roff.control("PP", []);
        roff.text([roman(*text)]);
    }
}

fn terms(roff: &mut Roff, terms: &[(&str, &str)]) {
    for (term, text) in terms {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*text)]);
    }
}

const DESCRIPTION: [&str; 4] = [
    "Gapura serves web sites: it passes requests on to the servers of an application and shares them \
     out, notices when a server dies, and serves files. It runs the nginx.conf that you have, with \
     nginx's command line, signals and log files, or a shorter configuration in YAML.",
    "Without a command it serves until a signal ends it. An nginx.conf without \"daemon off;\" takes it \
     to the background: the program that was started ends when the server is there, with status 0, or \
     with status 1 and the reason.",
    "Started by root with a \"user\", it is two processes: one that stays root, reads the configuration, \
     binds addresses and opens logs, and one that serves as that user.",
    "Called by the name nginx, as the package gapura-as-nginx installs it, it is nginx for everything \
     that starts, asks or signals nginx.",
];

const SIGNALS: [(&str, &str); 6] = [
    (
        "TERM, INT",
        "The end, at once: requests in flight are cut. As -s stop.",
    ),
    (
        "QUIT",
        "Nobody new is let in, requests in flight are finished, for worker_shutdown_timeout at most; \
         then the end. As -s quit.",
    ),
    (
        "HUP",
        "The configuration is read again and replaces the one before at once; no connection is closed. \
         When it is wrong the error log says why, and nothing changes. As -s reload.",
    ),
    (
        "USR1",
        "Log files are opened again, after they were moved away. As -s reopen.",
    ),
    (
        "USR2",
        "The binary that is on the disk now is started beside this process, with its listening \
         sockets. The pid file is the new one's, the old number is in the file with .oldbin behind its \
         name. QUIT to the old one completes the upgrade; HUP to the old one and QUIT to the new one \
         takes it back.",
    ),
    (
        "WINCH",
        "In the background: nobody new is let in and requests in flight are finished, but the process \
         stays, and HUP has it serve again.",
    ),
];

const FILES: [(&str, &str); 6] = [
    (
        "/run/nginx.pid",
        "The number of the process, when an nginx.conf does not say another \"pid\"; with -p, \
         logs/nginx.pid below the prefix. In YAML there is none unless \"pid\" names it.",
    ),
    (
        "/run/nginx.pid.oldbin",
        "The old process's number during an upgrade.",
    ),
    (
        "/run/nginx.pid.reload",
        "The socket at which gapura reload waits for the outcome.",
    ),
    (
        "/etc/default/gapura",
        "Debian: GAPURA_OPTIONS, the command line of gapura.service.",
    ),
    (
        "/usr/lib/gapura/upgrade-in-place",
        "Debian: has the installed program take over from a unit's running one.",
    ),
    (
        "/usr/share/doc/gapura",
        "Debian: the documentation, and examples of configurations.",
    ),
];

const ENVIRONMENT: [(&str, &str); 2] = [
    (
        "NOTIFY_SOCKET",
        "Where systemd is told that the server is there, and which process it is (Type=notify).",
    ),
    (
        "NGINX",
        "Descriptors of listening sockets, from the binary before to the next.",
    ),
];

const STATUS: [(&str, &str); 2] = [
    (
        "0",
        "What was asked for is done: the configuration is good, the signal is sent, the server is in the \
         background or was told to end.",
    ),
    ("1", "It is not; standard error says why."),
];

const EXAMPLES: [(&str, &str); 6] = [
    (
        "Test a configuration and serve it:",
        "gapura -t -c /etc/nginx/nginx.conf && gapura -c /etc/nginx/nginx.conf",
    ),
    (
        "See what becomes of each directive of an nginx.conf:",
        "gapura check /etc/nginx/nginx.conf",
    ),
    (
        "Serve its sites on free ports, and compare the answers with those of what serves them now:",
        "gapura try /etc/nginx/nginx.conf --against",
    ),
    (
        "Reload, and see the reason when it fails:",
        "gapura -c /etc/nginx/nginx.conf reload",
    ),
    (
        "After the log files were moved:",
        "gapura -c /etc/nginx/nginx.conf -s reopen",
    ),
    (
        "Completions for this shell alone:",
        ". <(gapura completions bash)",
    ),
];

const SEE_ALSO: [&str; 2] = [
    "nginx(8), systemctl(1), logrotate(8)",
    "The documentation: /usr/share/doc/gapura, and docs in the source. nginx's directives: \
     https://nginx.org/en/docs/",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_the_short_help_have_every_option_and_command() {
        let page = String::from_utf8(page()).expect("UTF-8");
        let command = completions::command();
        for argument in command.get_arguments() {
            let short = argument.get_short().map(|flag| format!("-{flag}"));
            let long = argument.get_long().map(|flag| format!("--{flag}"));
            // Where there is a short one, nginx's, -h needs no other.
            let flag = short.or(long).expect("an option");
            let lines = arguments::HELP.lines();
            let mut words = lines.flat_map(|line| line.split([',', ' ', '[', ']']));
            assert!(words.any(|word| word == flag), "{flag} in -h");
            let flag = flag.replace('-', "\\-");
            assert!(page.contains(&format!("{flag}\\fR")), "{flag} in {page}");
        }
        for command in command.get_subcommands() {
            let name = command.get_name();
            assert!(
                page.contains(&format!("\\fBgapura {name}\\fR")),
                "{name} in {page}"
            );
            assert!(
                arguments::HELP.contains(&format!("\n       gapura {name}")),
                "{name} in -h"
            );
            assert!(
                arguments::HELP.contains(&format!("\n  {name} ")),
                "{name} in -h"
            );
            for option in command.get_arguments().filter_map(Arg::get_long) {
                let option = option.replace('-', "\\-");
                assert!(
                    page.contains(&format!("\\-\\-{option}\\fR")),
                    "{option} in {page}"
                );
            }
        }
    }

    #[test]
    fn the_page_tells_of_the_signals_of_s() {
        for (word, signal) in super::super::signal::SIGNALS {
            let name = signal.as_str().trim_start_matches("SIG");
            let told = SIGNALS
                .iter()
                .find(|(names, _)| names.split(", ").any(|told| told == name));
            let (_, text) = told.expect("a signal of the page");
            assert!(text.contains(&format!("As -s {word}.")), "{word}: {text}");
        }
    }
}
