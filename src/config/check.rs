//! What would become of a configuration: everything that is wrong with it, and for an nginx.conf what
//! becomes of each directive.

use super::diagnostic::Diagnostics;
use super::file_reader::FileReader;
use super::nginx::{self, DirectiveUse};
use super::{CommandLine, Language, load_with};
use std::path::{Path, PathBuf};

/// What was found out about a configuration.
#[derive(Debug)]
pub struct Checked {
    /// What it is written in.
    pub language: Language,
    /// Whether a server would start with it.
    pub usable: bool,
    /// Errors and warnings, in the order of the files.
    pub diagnostics: Diagnostics,
    /// What becomes of each directive, in the order of reading. YAML has none.
    pub uses: Vec<DirectiveUse>,
    /// Every file that was read, the configuration first, as far as it can be read.
    pub files: Vec<PathBuf>,
}

/// Checks a configuration file; `given` is what the command line would say besides.
pub fn check(path: &Path, given: &CommandLine) -> Checked {
    let language = Language::of(path);
    let loaded = load_with(path, given);
    let usable = loaded.is_ok();
    let mut files = vec![path.to_owned()];
    let diagnostics = match loaded {
        Ok(loaded) => {
            files = loaded.files;
            Diagnostics::new(loaded.warnings)
        }
        Err(diagnostics) => diagnostics,
    };
    let source = match language {
        Language::Nginx => nginx::open(path, &FileReader::default()).ok(),
        Language::Yaml => None,
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let uses = source.map(|source| nginx::uses(&source, folder, given));
    Checked {
        language,
        usable,
        diagnostics,
        uses: uses.unwrap_or_default(),
        files,
    }
}
