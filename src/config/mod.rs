//! Configuration: from a file to a [`Model`], with every mistake reported where it stands.
//!
//! A front end (`yaml`, `nginx`) reads text into a [`draft::Draft`] and knows where each
//! part was written ([`path::Locate`]); `resolve` turns the Draft into the Model and knows no
//! language. What a key is called and where it may stand: `draft`. What it means: `resolve`.

mod builder;
mod check;
mod convert;
pub mod diagnostic;
pub mod draft;
mod file_reader;
mod nginx;
pub mod path;
pub mod problem;
pub mod resolve;
pub mod source;
mod suggest;
mod watched;
mod yaml;

pub use builder::{Backend, Config, HealthCheck, Location, Site, Upstream};
pub use check::{Checked, check};
pub use convert::{ConvertError, Converted, convert, convert_str};
#[cfg(feature = "cli")]
pub(crate) use diagnostic::PROGRAM;
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub(crate) use file_reader::{FileReader, FilesRead};
pub use nginx::{DirectiveHelp, DirectiveUse, Treatment, configure_arguments, directives};
pub(crate) use watched::Watched;

use crate::model::Model;
use problem::Problem;
use source::Source;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A configuration that can be used.
#[derive(Debug)]
pub struct Loaded {
    /// What it means.
    pub model: Model,
    /// What is probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// Every file that was read, the configuration first.
    pub files: Vec<PathBuf>,
    /// The text of the configuration and of every file it includes, in the order of reading.
    pub sources: Vec<Arc<Source>>,
}

/// Reads a configuration file.
///
/// # Errors
/// Everything that is wrong with it, or that it cannot be read.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    load_with(path, &CommandLine::default())
}

/// What nginx's command line says beside the configuration's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// `-p`: the folder that an nginx.conf's relative log files are below.
    pub prefix: Option<PathBuf>,
    /// `-g`: directives of nginx's outermost level, read before those of the file.
    pub directives: Option<String>,
}

/// Reads a configuration file together with what the command line says.
///
/// # Errors
/// As [`load`].
pub fn load_with(path: &Path, given: &CommandLine) -> Result<Loaded, Diagnostics> {
    load_through(&FileReader::default(), path, given)
}

/// As [`load_with`], with files that are read this way.
pub(crate) fn load_through(
    reader: &FileReader,
    path: &Path,
    given: &CommandLine,
) -> Result<Loaded, Diagnostics> {
    let base = path.parent().unwrap_or(Path::new(""));
    match Language::of(path) {
        Language::Yaml => {
            if given.directives.is_some() {
                let label = "write its meaning as a key of the file";
                let problem = Problem::Syntax("\"-g\" takes directives of an nginx.conf".into());
                return Err(Diagnostic::emerg(problem, None, Some(label.into())).into());
            }
            let text = read(path, reader)?;
            let name = path.display().to_string();
            let mut loaded = load_yaml_through(reader, &text, &name, base)?;
            loaded.files.insert(0, path.to_owned());
            Ok(loaded)
        }
        Language::Nginx => load_nginx(&nginx::open(path, reader)?, base, given, reader),
    }
}

/// Reads a configuration from text. Its language is that of the name's end, as of a file; relative
/// files, such as error pages, are looked for in `base`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_str(text: &str, name: &str, base: &Path) -> Result<Loaded, Diagnostics> {
    match Language::of(Path::new(name)) {
        Language::Yaml => load_yaml(text, name, base),
        Language::Nginx => load_nginx(
            &Source::new(name, text),
            base,
            &CommandLine::default(),
            &FileReader::default(),
        ),
    }
}

/// What a configuration is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Gapura's own keys.
    Yaml,
    /// nginx's directives.
    Nginx,
}

impl Language {
    /// By the end of a file's name: `.yaml` and `.yml` are YAML, everything else is nginx's language.
    pub fn of(path: &Path) -> Self {
        match path.extension().and_then(|end| end.to_str()) {
            Some("yaml" | "yml") => Self::Yaml,
            _ => Self::Nginx,
        }
    }

    /// The name in front of what is said about such a file.
    pub fn program(self) -> &'static str {
        match self {
            Self::Yaml => diagnostic::PROGRAM,
            Self::Nginx => diagnostic::NGINX,
        }
    }
}

/// Where nginx says what goes wrong when nothing names a file, with this prefix.
pub(crate) fn default_error_log(prefix: Option<&Path>) -> PathBuf {
    nginx::default_error_log(prefix)
}

fn load_nginx(
    source: &Arc<Source>,
    folder: &Path,
    given: &CommandLine,
    reader: &FileReader,
) -> Result<Loaded, Diagnostics> {
    let parsed = nginx::parse(source, folder, given, reader);
    let mut loaded = finish(
        parsed.outcome.model,
        parsed.outcome.files,
        parsed.diagnostics,
    )?;
    let sources = parsed.sources;
    let paths = sources.iter().map(|source| PathBuf::from(source.name()));
    loaded.files.splice(0..0, paths);
    loaded.sources = sources;
    Ok(loaded)
}

/// Reads YAML that is no file: its name is only shown. Relative files are looked for in `base`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_yaml(text: &str, name: &str, base: &Path) -> Result<Loaded, Diagnostics> {
    load_yaml_through(&FileReader::default(), text, name, base)
}

/// As [`load_yaml`], with files that are read this way.
pub(crate) fn load_yaml_through(
    reader: &FileReader,
    text: &str,
    name: &str,
    base: &Path,
) -> Result<Loaded, Diagnostics> {
    let source = Source::new(name, text);
    let parsed = yaml::parse(&source)?;
    let outcome = resolve::resolve_through(&parsed.draft, base, reader);
    let mut diagnostics = parsed.diagnostics.clone();
    for finding in outcome.findings {
        if !parsed.follows_from_a_cut(&finding) {
            diagnostics.push(finding.locate(&parsed.positions));
        }
    }
    let mut loaded = finish(outcome.model, outcome.files, Diagnostics::new(diagnostics))?;
    loaded.sources.push(source);
    Ok(loaded)
}

/// Checks a Draft that was made in code, with YAML's defaults. Relative files are looked for in
/// `base`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_draft(draft: draft::Draft, base: &Path) -> Result<Loaded, Diagnostics> {
    load_draft_through(&FileReader::default(), draft, base)
}

/// As [`load_draft`], with files that are read this way.
pub(crate) fn load_draft_through(
    reader: &FileReader,
    mut draft: draft::Draft,
    base: &Path,
) -> Result<Loaded, Diagnostics> {
    if draft.sites.as_ref().is_none_or(Vec::is_empty) {
        let label = "a configuration has at least one site";
        return Err(Diagnostic::emerg(Problem::NoSites, None, Some(label.into())).into());
    }
    yaml::apply_defaults(&mut draft);
    let outcome = resolve::resolve_through(&draft, base, reader);
    let findings = outcome.findings.into_iter();
    let diagnostics = findings.map(path::Finding::without_place).collect();
    finish(outcome.model, outcome.files, Diagnostics::new(diagnostics))
}

fn finish(
    model: Model,
    files: Vec<PathBuf>,
    diagnostics: Diagnostics,
) -> Result<Loaded, Diagnostics> {
    if diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Emerg)
    {
        return Err(diagnostics);
    }
    Ok(Loaded {
        model,
        warnings: diagnostics.into_iter().collect(),
        files,
        sources: Vec::new(),
    })
}

fn read(path: &Path, reader: &FileReader) -> Result<String, Diagnostics> {
    let refused = |problem| Diagnostics::from(Diagnostic::emerg(problem, None, None));
    let bytes = (reader.read(path)).map_err(|error| refused(Problem::open(path, &error)))?;
    let path = path.display().to_string();
    String::from_utf8(bytes).map_err(|_| refused(Problem::NotUtf8 { path }))
}

/// The JSON Schema of a YAML configuration, for editors to complete and check it.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(draft::Draft).to_value()
}
