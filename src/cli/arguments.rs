//! The arguments: nginx's flags, and the commands that nginx has not.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// What was asked for.
#[derive(Debug, Parser)]
#[command(name = "gapura", disable_help_flag = true, disable_version_flag = true)]
pub(super) struct Arguments {
    /// This help.
    #[arg(short = 'h', short_alias = '?', long)]
    pub(super) help: bool,
    /// The version.
    #[arg(short = 'v', long)]
    pub(super) version: bool,
    /// The version and how it was built.
    #[arg(short = 'V')]
    pub(super) build: bool,
    /// Test the configuration and exit.
    #[arg(short = 't')]
    pub(super) test: bool,
    /// Test the configuration, print it and exit.
    #[arg(short = 'T')]
    pub(super) dump: bool,
    /// Say only errors while testing.
    #[arg(short = 'q')]
    pub(super) quiet: bool,
    /// A signal for the process that serves.
    #[arg(short = 's', value_name = "signal")]
    pub(super) signal: Option<String>,
    /// The folder that relative paths of the command line are below.
    #[arg(short = 'p', value_name = "prefix")]
    pub(super) prefix: Option<PathBuf>,
    /// The error log.
    #[arg(short = 'e', value_name = "filename")]
    pub(super) error_log: Option<PathBuf>,
    /// Directives before those of the configuration.
    #[arg(short = 'g', value_name = "directives")]
    pub(super) directives: Option<String>,
    /// The configuration.
    #[arg(short = 'c', value_name = "filename")]
    pub(super) configuration: Option<PathBuf>,
    /// Reload when a file of the configuration has changed.
    #[arg(long)]
    pub(super) watch: bool,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// Gapura's own commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say what becomes of a configuration.
    Check(super::check::Options),
    /// Print an nginx.conf in YAML.
    Convert(super::convert::Options),
    /// Serve the sites of a configuration on free ports, to look at them.
    Try(super::trial::Options),
    /// Reload, and wait until it is done.
    Reload(super::reload::Options),
    /// Print the JSON Schema of the YAML configuration.
    Schema,
    /// Show balancing, failover and the all-down page on this machine.
    #[cfg(feature = "demo")]
    Demo(super::demo::Options),
}

/// `-h`, in nginx's form.
pub(super) const HELP: &str = "\
Usage: gapura [-?hvVtTq] [-s signal] [-p prefix]
              [-e filename] [-c filename] [-g directives] [--watch]
       gapura check file [--json]
       gapura convert file [-o filename]
       gapura reload [file]
       gapura try file [--against]
       gapura demo [--port port] [--backend-ports a,b]
       gapura schema

Options:
  -?,-h         : this help
  -v            : show version and exit
  -V            : show version, nginx's modules that there are, then exit
  -t            : test configuration and exit
  -T            : test configuration, print it and exit
  -q            : suppress non-error messages during configuration testing
  -s signal     : send signal to the process that serves: stop, quit, reopen, reload
  -p prefix     : set prefix path: relative paths of -c and -e are below it
  -e filename   : set error log file (default: standard error)
  -c filename   : set configuration file (default: /etc/gapura/gapura.yaml,
                  then /etc/nginx/nginx.conf)
  -g directives : set global directives out of an nginx.conf
  --watch       : reload when a file of the configuration has changed

Commands:
  check         : say what is applied, accepted and unsupported in a configuration
  convert       : print an nginx.conf in YAML
  reload        : as -s reload, but wait until it is done; status 1 and the reason
                  when nothing changed
  try           : serve the sites of a configuration on free ports, beside what
                  serves them now; --against compares the answers of both
  demo          : two backends and a proxy in front of them, to try things out
  schema        : print the JSON Schema of the YAML configuration
";
