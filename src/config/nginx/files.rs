//! The files of a configuration: found by the patterns of `include`, each read once, and bounded in
//! all.

use crate::config::file_reader::FileReader;
use crate::config::problem::Problem;
use crate::config::source::Source;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files read so far.
pub(super) struct Files {
    reader: FileReader,
    /// What relative patterns are below: the folder of the first file.
    folder: PathBuf,
    read: HashMap<PathBuf, Arc<Source>>,
    /// In the order in which they were first read.
    order: Vec<Arc<Source>>,
    inclusions: usize,
    bytes: usize,
}

/// Why a file is not read.
pub(super) enum Refused {
    Because(Problem),
    /// The bounds of all files together are met.
    TooMuch,
}

/// How often files may be included, and how much text that may be: far above what anyone has, and
/// a bound on files that include each other twice each.
const MOST_INCLUSIONS: usize = 100_000;
const MOST_BYTES: usize = 256 << 20;

impl Files {
    /// Files around a first one, relative to `folder`.
    pub(super) fn new(first: &Arc<Source>, folder: &Path, reader: &FileReader) -> Self {
        Self {
            reader: reader.clone(),
            folder: folder.to_owned(),
            read: HashMap::new(),
            order: vec![Arc::clone(first)],
            inclusions: 0,
            bytes: first.text().len(),
        }
    }

    /// Every file, in the order of reading.
    pub(super) fn into_sources(self) -> Vec<Arc<Source>> {
        self.order
    }

    /// The files that an `include` means: one, or those that match a pattern, sorted as glob(3)
    /// sorts them. A pattern that nothing matches means none.
    pub(super) fn matching(&self, pattern: &str) -> Result<Vec<PathBuf>, Problem> {
        let path = self.folder.join(pattern);
        if !pattern.contains(['*', '?', '[']) {
            return Ok(vec![path]);
        }
        self.reader.matching(&path).map_err(|error| Problem::Glob {
            pattern: path.display().to_string(),
            reason: error.to_string(),
        })
    }

    /// Reads a file, once.
    pub(super) fn read(&mut self, path: &Path) -> Result<Arc<Source>, Refused> {
        self.inclusions += 1;
        let source = match self.read.get(path) {
            Some(source) => Arc::clone(source),
            None => {
                let source = open(path, &self.reader).map_err(Refused::Because)?;
                self.read.insert(path.to_owned(), Arc::clone(&source));
                self.order.push(Arc::clone(&source));
                source
            }
        };
        self.bytes = self.bytes.saturating_add(source.text().len());
        if self.inclusions > MOST_INCLUSIONS || self.bytes > MOST_BYTES {
            return Err(Refused::TooMuch);
        }
        Ok(source)
    }
}

/// Reads a file. nginx knows no encodings: what is not UTF-8, as old comments are, is shown as U+FFFD.
pub(super) fn open(path: &Path, reader: &FileReader) -> Result<Arc<Source>, Problem> {
    let bytes = reader.read(path).map_err(|error| match error.kind() {
        // nginx opens a folder and fails to read it.
        io::ErrorKind::IsADirectory => Problem::Read {
            path: path.display().to_string(),
        },
        _ => Problem::open(path, &error),
    })?;
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok(Source::new(path.display().to_string(), text))
}
