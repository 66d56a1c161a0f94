//! `gapura convert`: an nginx.conf in YAML.

use crate::config::{self, CommandLine, ConvertError, PROGRAM};
use crate::os_error::OsError;
use clap::Args;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// What is converted, and where to.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The nginx.conf.
    file: PathBuf,
    /// The file to write; without it, the text goes to standard output.
    #[arg(short = 'o', value_name = "filename")]
    output: Option<PathBuf>,
}

/// Prints or writes the YAML.
pub(super) fn run(options: &Options, given: &CommandLine) -> Result<ExitCode, String> {
    let converted = match config::convert(&options.file, given) {
        Ok(converted) => converted,
        Err(cause @ (ConvertError::Unusable(_) | ConvertError::IgnoredNames(_))) => {
            let file = options.file.display();
            return Err(format!("{cause}\ngapura: {file} cannot be converted"));
        }
        Err(cause) => {
            let file = options.file.display();
            return Err(format!("{PROGRAM}: {file} cannot be converted: {cause}"));
        }
    };
    for warning in &converted.warnings {
        eprintln!("{warning}");
    }
    let text = converted.yaml.as_bytes();
    match &options.output {
        Some(path) => fs::write(path, text).map_err(|cause| {
            let path = path.display();
            format!("{PROGRAM}: {path} cannot be written ({})", OsError(&cause))
        })?,
        None => match io::stdout().write_all(text) {
            // `gapura convert | head` is no error.
            Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
                return Err(cause.to_string());
            }
            _ => {}
        },
    }
    Ok(ExitCode::SUCCESS)
}
