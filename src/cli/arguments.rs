//! The arguments: nginx's flags, and the commands that nginx has not.

use clap::{Parser, Subcommand, ValueHint};
use std::path::PathBuf;

/// What was asked for.
#[derive(Debug, Parser)]
#[command(
    name = "gapura",
    about = "HTTP reverse proxy and load balancer that reads nginx.conf and YAML",
    disable_help_flag = true,
    disable_version_flag = true
)]
pub(super) struct Arguments {
    /// Print the command line in short, and exit.
    #[arg(short = 'h', short_alias = '?', long)]
    pub(super) help: bool,
    /// Print the version, and exit.
    ///
    /// The first line is that of the nginx whose behaviour is followed, for programs that ask.
    #[arg(short = 'v', long)]
    pub(super) version: bool,
    /// Print the version, how it was built and which of nginx's modules there are, and exit.
    #[arg(short = 'V')]
    pub(super) build: bool,
    /// Test the configuration, and exit.
    ///
    /// Files that it names are read, logs are opened; no address is bound and nothing that serves is
    /// touched. Every mistake is shown where it stands.
    #[arg(short = 't')]
    pub(super) test: bool,
    /// As -t, and print every file of the configuration to standard output.
    #[arg(short = 'T')]
    pub(super) dump: bool,
    /// Say only what is wrong while testing.
    #[arg(short = 'q')]
    pub(super) quiet: bool,
    /// Send a signal to the process that serves, which the configuration's pid file names.
    #[arg(short = 's', value_name = "signal")]
    pub(super) signal: Option<String>,
    /// The folder that relative paths of the command line and of the configuration are below.
    #[arg(short = 'p', value_name = "prefix", value_hint = ValueHint::DirPath)]
    pub(super) prefix: Option<PathBuf>,
    /// The error log until the configuration's own is open; "stderr" is standard error, the default.
    #[arg(short = 'e', value_name = "filename", value_hint = ValueHint::FilePath)]
    pub(super) error_log: Option<PathBuf>,
    /// Directives of nginx.conf's outermost level, as "daemon off;", read before the configuration.
    #[arg(short = 'g', value_name = "directives", value_hint = ValueHint::Other)]
    pub(super) directives: Option<String>,
    /// The configuration.
    ///
    /// A file that ends in .yaml or .yml is YAML, every other one is an nginx.conf.
    #[arg(short = 'c', value_name = "filename", value_hint = ValueHint::FilePath)]
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
    /// Print the manual page.
    Man,
    /// Print what completes the command line in a shell.
    Completions(super::completions::Options),
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
       gapura man
       gapura completions shell

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
                  then /etc/nginx/nginx.conf; the latter alone when the program
                  is called nginx)
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
  man           : print the manual page, gapura(8)
  completions   : print the completions of bash, zsh, fish and other shells
";
