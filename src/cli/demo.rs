//! `gapura demo`.
use std::process::ExitCode;
/// Options.
#[derive(Debug, clap::Args)]
pub(super) struct Options {}
pub(super) fn run(_: &Options) -> Result<ExitCode, String> {
    Err("gapura: the demo is being built".into())
}
