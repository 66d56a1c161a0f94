//! How the files of a configuration are read: from the disk, or from what another process read there,
//! which may read more.

use super::watched::{Found, Stamp};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Reads files, and remembers what it read.
#[derive(Debug, Clone, Default)]
pub struct FileReader(Rc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// What is read instead of the disk.
    given: Option<FilesRead>,
    seen: RefCell<FilesRead>,
    /// What tells whether a file is still what was read.
    stamps: RefCell<BTreeMap<PathBuf, Option<Stamp>>>,
}

/// What the files of a configuration were when it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilesRead {
    /// The bytes of each, or the system's error.
    files: BTreeMap<PathBuf, Result<Vec<u8>, i32>>,
    /// What each pattern matched.
    patterns: BTreeMap<PathBuf, Vec<PathBuf>>,
}

impl FileReader {
    /// A reader of what was read before.
    pub fn of(given: FilesRead) -> Self {
        Self(Rc::new(Inner {
            given: Some(given),
            ..Inner::default()
        }))
    }

    /// Everything that was read so far.
    pub fn seen(&self) -> FilesRead {
        self.0.seen.borrow().clone()
    }

    /// Where it read, and what was there then.
    pub(super) fn found(&self) -> Found {
        Found {
            files: self.0.stamps.borrow().clone(),
            patterns: self.0.seen.borrow().patterns.clone(),
        }
    }

    /// A file's bytes.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if let Some(given) = &self.0.given {
            return match given.files.get(path) {
                Some(Ok(bytes)) => Ok(bytes.clone()),
                Some(Err(number)) => Err(io::Error::from_raw_os_error(*number)),
                None => Err(io::Error::from_raw_os_error(libc::ENOENT)),
            };
        }
        let (stamp, read) = read_with_stamp(path);
        let number = |error: &io::Error| error.raw_os_error().unwrap_or(libc::EIO);
        let seen = read.as_ref().map(Vec::clone).map_err(number);
        let mut record = self.0.seen.borrow_mut();
        record.files.insert(path.to_owned(), seen);
        (self.0.stamps.borrow_mut()).insert(path.to_owned(), stamp);
        read
    }

    /// glob(3).
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn matching(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        if let Some(given) = &self.0.given {
            return Ok(given.patterns.get(pattern).cloned().unwrap_or_default());
        }
        let found = glob(pattern)?;
        let mut record = self.0.seen.borrow_mut();
        record.patterns.insert(pattern.to_owned(), found.clone());
        Ok(found)
    }
}

/// A file's bytes, and its state before they were read: what is written meanwhile is a change.
fn read_with_stamp(path: &Path) -> (Option<Stamp>, io::Result<Vec<u8>>) {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(cause) => return (Stamp::of(path), Err(cause)),
    };
    let stamp = file.metadata().ok().map(|metadata| Stamp::new(&metadata));
    let mut bytes = Vec::new();
    let read = file.read_to_end(&mut bytes).map(|_| bytes);
    (stamp, read)
}

/// The paths that match a pattern, in order.
pub(super) fn glob(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let pattern = CString::new(pattern.as_os_str().as_bytes())?;
    // SAFETY: a glob_t of zeros is what glob(3) takes without GLOB_APPEND and GLOB_DOOFFS.
    let mut found: libc::glob_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pattern ends with a zero byte and `found` is ours; no function is called back.
    let result = unsafe { libc::glob(pattern.as_ptr(), 0, None, &raw mut found) };
    let mut paths = Vec::new();
    if result == 0 {
        for index in 0..found.gl_pathc {
            // SAFETY: glob(3) filled `gl_pathv` with `gl_pathc` strings, which live until globfree.
            let path = unsafe { CStr::from_ptr(*found.gl_pathv.add(index)) };
            paths.push(PathBuf::from(OsStr::from_bytes(path.to_bytes())));
        }
    }
    // SAFETY: `found` was initialised above and is not used again.
    unsafe { libc::globfree(&raw mut found) };
    match result {
        0 | libc::GLOB_NOMATCH => Ok(paths),
        libc::GLOB_NOSPACE => Err(io::ErrorKind::OutOfMemory.into()),
        _ => Err(io::Error::other("a folder cannot be read")),
    }
}

impl FilesRead {
    /// For another process.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_number(&mut bytes, self.files.len());
        for (path, read) in &self.files {
            put(&mut bytes, path.as_os_str().as_bytes());
            match read {
                Ok(text) => {
                    bytes.push(1);
                    put(&mut bytes, text);
                }
                Err(number) => {
                    bytes.push(0);
                    put(&mut bytes, &number.to_le_bytes());
                }
            }
        }
        put_number(&mut bytes, self.patterns.len());
        for (pattern, paths) in &self.patterns {
            put(&mut bytes, pattern.as_os_str().as_bytes());
            put_number(&mut bytes, paths.len());
            for path in paths {
                put(&mut bytes, path.as_os_str().as_bytes());
            }
        }
        bytes
    }

    /// From another process; `None` is not of [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut read = Self::default();
        for _ in 0..take_number(&mut bytes)? {
            let path = take_path(&mut bytes)?;
            let (kind, rest) = bytes.split_first()?;
            bytes = rest;
            let text = take(&mut bytes)?;
            let outcome = match kind {
                1 => Ok(text.to_vec()),
                _ => Err(i32::from_le_bytes(text.try_into().ok()?)),
            };
            read.files.insert(path, outcome);
        }
        for _ in 0..take_number(&mut bytes)? {
            let pattern = take_path(&mut bytes)?;
            let count = take_number(&mut bytes)?;
            let paths = (0..count)
                .map(|_| take_path(&mut bytes))
                .collect::<Option<_>>()?;
            read.patterns.insert(pattern, paths);
        }
        bytes.is_empty().then_some(read)
    }
}

fn put_number(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend_from_slice(&(number as u64).to_le_bytes());
}

fn put(bytes: &mut Vec<u8>, text: &[u8]) {
    put_number(bytes, text.len());
    bytes.extend_from_slice(text);
}

fn take_number(bytes: &mut &[u8]) -> Option<usize> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    usize::try_from(u64::from_le_bytes(*number)).ok()
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_number(bytes)?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(text)
}

fn take_path(bytes: &mut &[u8]) -> Option<PathBuf> {
    Some(OsStr::from_bytes(take(bytes)?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_process_read_another_reads_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, none) = (folder.path().join("one.conf"), folder.path().join("none"));
        std::fs::write(&one, b"some \xff text").expect("written");
        let pattern = folder.path().join("*.conf");
        let first = FileReader::default();
        let text = first.read(&one).expect("read");
        assert!(first.read(&none).is_err());
        let matched = first.matching(&pattern).expect("matched");
        let bytes = first.seen().to_bytes();
        std::fs::remove_file(&one).expect("removed");

        let handed = FilesRead::from_bytes(&bytes).expect("of to_bytes");
        assert_eq!(handed, first.seen());
        let second = FileReader::of(handed);
        assert_eq!(second.read(&one).expect("read"), text);
        assert_eq!(second.matching(&pattern).expect("matched"), matched);
        let error = second.read(&none).expect_err("it is not there");
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        for length in 0..bytes.len() {
            assert_eq!(FilesRead::from_bytes(&bytes[..length]), None);
        }
    }
}
