//! From nginx.conf to YAML: one language is read, the other written, and the meaning stays, which is
//! made sure of before the text is given out.

use super::diagnostic::{Diagnostic, Diagnostics};
use super::draft::Draft;
use super::file_reader::FileReader;
use super::problem::Problem;
use super::source::Source;
use super::{CommandLine, Language, load_nginx, load_yaml, nginx, resolve, yaml};
use crate::model::Model;
use std::path::Path;
use std::sync::Arc;

/// A configuration in YAML.
#[derive(Debug)]
pub struct Converted {
    /// The text.
    pub yaml: String,
    /// What the nginx.conf is warned about: it is not in the text.
    pub warnings: Vec<Diagnostic>,
}

/// Why a configuration cannot be converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// It is YAML already.
    #[error("it is YAML already")]
    Yaml,
    /// It cannot be used.
    #[error(transparent)]
    Unusable(#[from] Diagnostics),
    /// nginx ignores some of its server names, which are errors in YAML.
    #[error("{0}\ntake the server names away that are ignored")]
    IgnoredNames(Diagnostics),
    /// YAML has no words for what it means, which is a mistake of Gapura's.
    #[error("YAML cannot say what it means: {0}")]
    Unequal(String),
}

/// Converts an nginx.conf; `given` is what the command line would say besides.
///
/// # Errors
/// It is no nginx.conf, or one that cannot be used.
pub fn convert(path: &Path, given: &CommandLine) -> Result<Converted, ConvertError> {
    if Language::of(path) == Language::Yaml {
        return Err(ConvertError::Yaml);
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    convert_source(&nginx::open(path, &FileReader::default())?, folder, given)
}

/// Converts the text of an nginx.conf; what it includes is looked for in `folder`.
///
/// # Errors
/// As [`convert`].
pub fn convert_str(text: &str, name: &str, folder: &Path) -> Result<Converted, ConvertError> {
    convert_source(&Source::new(name, text), folder, &CommandLine::default())
}

fn convert_source(
    source: &Arc<Source>,
    folder: &Path,
    given: &CommandLine,
) -> Result<Converted, ConvertError> {
    let loaded = load_nginx(source, folder, given, &FileReader::default())?;
    let is_ignored =
        |found: &&Diagnostic| matches!(found.problem, Problem::IgnoredServerName { .. });
    let ignored: Vec<_> = loaded.warnings.iter().filter(is_ignored).cloned().collect();
    if !ignored.is_empty() {
        return Err(ConvertError::IgnoredNames(Diagnostics::new(ignored)));
    }
    let mut written = nginx::draft(source, folder, given);
    yaml::without_defaults(&mut written.draft);
    let is_same = |draft: &Draft| means(draft, &loaded.model, folder);
    let yaml = yaml::write(&written.draft, &written.head, &written.comments, is_same)
        .map_err(|cause| ConvertError::Unequal(cause.to_string()))?;
    match load_yaml(&yaml, "converted.yaml", folder) {
        Ok(again) if again.model == loaded.model => Ok(Converted {
            yaml,
            warnings: loaded.warnings,
        }),
        Ok(_) => Err(ConvertError::Unequal("it would mean something else".into())),
        Err(errors) => Err(ConvertError::Unequal(errors.to_string())),
    }
}

/// Whether a Draft means this, with YAML's defaults.
fn means(draft: &Draft, model: &Model, folder: &Path) -> bool {
    let mut draft = draft.clone();
    yaml::apply_defaults(&mut draft);
    let outcome = resolve::resolve(&draft, folder);
    outcome.findings.is_empty() && outcome.model == *model
}
