//! `gapura completions`: what completes the command line in a shell.

use super::arguments::Arguments;
use super::signal::SIGNALS;
use clap::builder::PossibleValuesParser;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

/// Whose completions are printed.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The shell.
    shell: Shell,
}

/// The text that the shell reads.
pub(super) fn of(options: &Options) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(options.shell, &mut command(), "gapura", &mut text);
    text
}

/// The command line with the words of `-s`, which is parsed without them: a wrong one is an error in
/// nginx's words.
pub(super) fn command() -> Command {
    Arguments::command().mut_arg("signal", |signal| {
        signal.value_parser(PossibleValuesParser::new(SIGNALS.map(|(word, _)| word)))
    })
}
