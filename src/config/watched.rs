//! Whether the files of a configuration are still what they were when it was read.
//!
//! They are looked at, not listened to: the kernel tells nobody of changes on a network's disk, or on the
//! other side of some containers' mounts, and a file that an editor or Kubernetes replaces is another one.

use super::file_reader::{self, FileReader};
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The files and patterns that a configuration was read from.
#[derive(Debug)]
pub struct Watched {
    read: Found,
    /// What was there at the last look, when that was something else.
    changed: Option<Found>,
}

/// What was found where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// `None` is no file.
    pub(super) files: BTreeMap<PathBuf, Option<Stamp>>,
    pub(super) patterns: BTreeMap<PathBuf, Vec<PathBuf>>,
}

/// Tells two states of a file apart without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn new(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Of what a path leads to.
    pub(super) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|found| Self::new(&found))
    }
}

impl Watched {
    /// Everything that this reader read.
    pub fn of(reader: &FileReader) -> Self {
        Self {
            read: reader.found(),
            changed: None,
        }
    }

    /// Everything that this reader read. An attempt that failed did not come to all that matters:
    /// then what was read before is looked at still.
    pub fn read_again(&mut self, reader: &FileReader, is_whole: bool) {
        let mut found = reader.found();
        if !is_whole {
            let before = std::mem::take(&mut self.read).now();
            for (path, stamp) in before.files {
                found.files.entry(path).or_insert(stamp);
            }
            for (pattern, paths) in before.patterns {
                found.patterns.entry(pattern).or_insert(paths);
            }
        }
        self.read = found;
        self.changed = None;
    }

    /// Looks at all of them. True when something has changed and nothing since the last look, so
    /// that a file is not read while somebody writes it.
    pub fn has_changed(&mut self) -> bool {
        let now = self.read.now();
        if now == self.read {
            self.changed = None;
            return false;
        }
        if self.changed.as_ref() != Some(&now) {
            self.changed = Some(now);
            return false;
        }
        self.read = now;
        self.changed = None;
        true
    }
}

impl Found {
    /// What is there now.
    fn now(&self) -> Self {
        let files = self.files.keys();
        let patterns = self.patterns.iter();
        Self {
            files: files.map(|path| (path.clone(), Stamp::of(path))).collect(),
            patterns: patterns
                .map(|(pattern, before)| {
                    // A folder that cannot be read for a moment has not lost its files.
                    let found = file_reader::glob(pattern).unwrap_or_else(|_| before.clone());
                    (pattern.clone(), found)
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with two files, read by their names and by a pattern.
    fn read() -> (tempfile::TempDir, Watched) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("one.conf"), "one").expect("written");
        let watched = Watched::of(&read_through(folder.path()));
        (folder, watched)
    }

    fn read_through(folder: &Path) -> FileReader {
        let reader = FileReader::default();
        reader.matching(&folder.join("*.conf")).expect("matched");
        reader.read(&folder.join("one.conf")).expect("read");
        let _ = reader.read(&folder.join("page.html"));
        reader
    }

    #[test]
    fn nothing_has_changed_by_itself() {
        let (_folder, mut watched) = read();
        assert!(!watched.has_changed());
        assert!(!watched.has_changed());
    }

    #[test]
    fn a_change_is_said_once_when_it_is_over() {
        for change in [
            |folder: &Path| fs::write(folder.join("one.conf"), "other").expect("written"),
            |folder: &Path| fs::write(folder.join("two.conf"), "").expect("written"),
            |folder: &Path| fs::write(folder.join("page.html"), "").expect("written"),
            |folder: &Path| fs::remove_file(folder.join("one.conf")).expect("removed"),
            |folder: &Path| {
                fs::write(folder.join("new"), "one").expect("written");
                fs::rename(folder.join("new"), folder.join("one.conf")).expect("renamed");
            },
        ] {
            let (folder, mut watched) = read();
            change(folder.path());
            assert!(!watched.has_changed(), "it may go on");
            assert!(watched.has_changed());
            assert!(!watched.has_changed());
        }
    }

    #[test]
    fn what_goes_on_changing_is_waited_for() {
        let (folder, mut watched) = read();
        for length in 5..9 {
            fs::write(folder.path().join("one.conf"), "x".repeat(length)).expect("written");
            assert!(!watched.has_changed());
        }
        assert!(watched.has_changed());
    }

    #[test]
    fn an_attempt_that_failed_forgets_no_file() {
        let (folder, mut watched) = read();
        let first_only = FileReader::default();
        first_only
            .read(&folder.path().join("one.conf"))
            .expect("read");
        watched.read_again(&first_only, false);
        fs::write(folder.path().join("page.html"), "").expect("written");
        assert!(!watched.has_changed());
        assert!(watched.has_changed());
        watched.read_again(&first_only, true);
        fs::write(folder.path().join("page.html"), "other").expect("written");
        assert!(!watched.has_changed());
        assert!(!watched.has_changed(), "it is not a file of this one");
    }
}
