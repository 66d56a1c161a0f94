//! The command line: nginx's, and Gapura's own commands beside it.

mod allocator;
mod arguments;
mod check;
mod completions;
mod convert;
#[cfg(feature = "demo")]
mod demo;
mod ending;
mod manual;
mod reload;
mod signal;
mod trial;

pub use allocator::Allocator;

use crate::config::{self, CommandLine, PROGRAM, source::Source};
use crate::os_error::OsError;
use crate::server::Server;
use arguments::{Arguments, Command};
use clap::Parser;
use clap::error::ErrorKind;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Where a configuration is looked for when `-c` does not say.
const DEFAULT_FILES: [&str; 2] = ["/etc/gapura/gapura.yaml", NGINX_FILE];

/// Where nginx's is, and that of a program which is called by nginx's name.
const NGINX_FILE: &str = "/etc/nginx/nginx.conf";

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(message) => {
            // Standard error may be closed; there is nowhere else to say it.
            let _ = writeln!(io::stderr(), "{message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return Ok(refuse(&error)),
    };
    if arguments.help {
        eprint!("{}", version_lines());
        eprint!("{}", arguments::HELP);
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.version || arguments.build {
        eprint!("{}", version_lines());
        if arguments.build {
            eprint!("{}", build_lines());
        }
        if !arguments.test && !arguments.dump {
            return Ok(ExitCode::SUCCESS);
        }
    }
    match &arguments.command {
        Some(Command::Check(options)) => check::run(options, &command_line(&arguments)),
        Some(Command::Convert(options)) => convert::run(options, &command_line(&arguments)),
        Some(Command::Try(options)) => trial::run(options, &command_line(&arguments)),
        Some(Command::Reload(options)) => reload::run(options, &arguments),
        Some(Command::Schema) => print_schema(),
        #[cfg(feature = "demo")]
        Some(Command::Demo(options)) => demo::run(options),
        Some(Command::Man) => print(&manual::page()),
        Some(Command::Completions(options)) => print(&completions::of(options)),
        None if arguments.test || arguments.dump => test(&arguments),
        None if let Some(word) = &arguments.signal => signal::send(word, &arguments),
        None => serve(&arguments),
    }
}

/// Serves until a signal ends it.
fn serve(arguments: &Arguments) -> Result<ExitCode, String> {
    let file = configuration(arguments)?;
    let name = config::Language::of(&file).program();
    let log = arguments
        .error_log
        .as_deref()
        .filter(|path| *path != Path::new("stderr"))
        .map(|path| in_prefix(arguments, path));
    crate::init_logger(log.as_deref())
        .map_err(|cause| open_failed(name, log.as_deref(), &cause))?;
    let mut server = Server::from_file(file);
    if let Some(prefix) = &arguments.prefix {
        server = server.prefix(prefix);
    }
    if let Some(directives) = &arguments.directives {
        server = server.directives(directives);
    }
    if arguments.watch {
        server = server.watch();
    }
    server
        .run_as_program(arguments.error_log.clone(), Allocator::give_back)
        .map_err(|error| with_name(name, &error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

/// `-t`: reads the configuration and says nginx's two lines.
fn test(arguments: &Arguments) -> Result<ExitCode, String> {
    let file = configuration(arguments)?;
    let name = config::Language::of(&file).program();
    let shown = file.display();
    match config::load_with(&file, &command_line(arguments)) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                eprintln!("{warning}");
            }
            if !arguments.quiet {
                eprintln!("{name}: the configuration file {shown} syntax is ok");
            }
            if let Err(error) = crate::server::test(&loaded.model) {
                eprintln!("{name}: {error}");
                eprintln!("{name}: configuration file {shown} test failed");
                return Ok(ExitCode::FAILURE);
            }
            if !arguments.quiet {
                eprintln!("{name}: configuration file {shown} test is successful");
            }
            if arguments.dump {
                return dump(&loaded.sources);
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(errors) => {
            eprintln!("{errors}");
            eprintln!("{name}: configuration file {shown} test failed");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What the command line says besides the file.
fn command_line(arguments: &Arguments) -> CommandLine {
    CommandLine {
        prefix: arguments.prefix.clone(),
        directives: arguments.directives.clone(),
    }
}

/// `-T`: every file of the configuration, as nginx prints them.
fn dump(sources: &[Arc<Source>]) -> Result<ExitCode, String> {
    let mut out = io::stdout().lock();
    for source in sources {
        let (name, text) = (source.name(), source.text());
        match writeln!(out, "# configuration file {name}:\n{text}") {
            Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
                return Err(cause.to_string());
            }
            _ => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_schema() -> Result<ExitCode, String> {
    let text =
        serde_json::to_string_pretty(&config::schema()).map_err(|cause| cause.to_string())?;
    print(format!("{text}\n").as_bytes())
}

/// Prints what somebody else reads.
fn print(text: &[u8]) -> Result<ExitCode, String> {
    match io::stdout().write_all(text) {
        // `gapura schema | head` is no error.
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => Err(cause.to_string()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// The configuration file: `-c`, else the first of the usual places that is there.
fn configuration(arguments: &Arguments) -> Result<PathBuf, String> {
    if let Some(file) = &arguments.configuration {
        return Ok(in_prefix(arguments, file));
    }
    let called = std::env::args_os().next().unwrap_or_default();
    default_file(Path::new(&called), Path::exists).ok_or_else(|| {
        let places = DEFAULT_FILES.join(" nor ");
        format!("{PROGRAM}: [emerg] there is neither {places}: name a file with -c")
    })
}

/// The configuration that nobody has named. Called by nginx's name the program stands in for nginx, and
/// nothing of Gapura's own decides what it serves.
fn default_file(called: &Path, exists: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    if called.file_name() == Some("nginx".as_ref()) {
        return Some(PathBuf::from(NGINX_FILE));
    }
    let mut places = DEFAULT_FILES.iter().map(Path::new);
    places.find(|path| exists(path)).map(Path::to_path_buf)
}

/// A path as nginx reads it: relative ones are below the prefix, when there is one.
fn in_prefix(arguments: &Arguments, path: &Path) -> PathBuf {
    match &arguments.prefix {
        Some(prefix) => prefix.join(path),
        None => path.to_path_buf(),
    }
}

/// An error with the program's name before it, which those of a configuration have already.
fn with_name(name: &str, message: &str) -> String {
    if message.starts_with('[') {
        format!("{name}: {message}")
    } else {
        message.to_owned()
    }
}

fn open_failed(name: &str, path: Option<&Path>, cause: &io::Error) -> String {
    let shown = path.unwrap_or(Path::new("stderr")).display();
    format!(
        "{name}: [emerg] open() \"{shown}\" failed ({})",
        OsError(cause)
    )
}

/// What clap found wrong, as nginx says it: on standard error, with exit status 1.
fn refuse(error: &clap::Error) -> ExitCode {
    if error.kind() == ErrorKind::DisplayHelp {
        print!("{error}");
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    eprintln!(
        "{PROGRAM}: {}",
        text.trim_start_matches("error: ").trim_end()
    );
    ExitCode::FAILURE
}

/// nginx's line says whose behaviour is followed, for scripts that ask; the second who it really is.
fn version_lines() -> String {
    format!(
        "nginx version: nginx/{}\ngapura version: gapura/{}\n",
        crate::NGINX_VERSION,
        env!("CARGO_PKG_VERSION")
    )
}

fn build_lines() -> String {
    let mut features = Vec::new();
    if cfg!(feature = "demo") {
        features.push("demo");
    }
    format!(
        "built on Pingora 0.9 with rustls, for {} {}\nfeatures: {}\nconfigure arguments: {}\n",
        std::env::consts::ARCH,
        std::env::consts::OS,
        features.join(" "),
        config::configure_arguments().join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn called_nginx_it_serves_nginx_s_configuration_and_no_other() {
        let [own, nginx] = DEFAULT_FILES.map(PathBuf::from);
        let all = |_: &Path| true;
        let none = |_: &Path| false;
        let gapura = Path::new("/usr/bin/gapura");
        assert_eq!(default_file(gapura, all), Some(own.clone()));
        assert_eq!(
            default_file(gapura, |path| path != own),
            Some(nginx.clone())
        );
        assert_eq!(default_file(gapura, none), None);
        for called in ["/usr/sbin/nginx", "nginx"].map(Path::new) {
            assert_eq!(default_file(called, all), Some(nginx.clone()));
            assert_eq!(default_file(called, none), Some(nginx.clone()));
        }
    }
}
