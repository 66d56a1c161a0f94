//! A request's body that is here whole, to be passed on as often as it takes: in memory, or in a
//! file when it is too long for that.

use crate::model::{BodyInFile, BodyStore};
use bytes::buf::Limit;
use bytes::{BufMut, Bytes, BytesMut};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A body that is stored, and how much of it was given on.
#[derive(Default)]
pub(super) struct StoredBody {
    /// What came so far, or nothing once there is a file.
    memory: BytesMut,
    /// All of it, once it is whole, or nothing when there is a file.
    whole: Bytes,
    file: Option<BodyFile>,
    length: u64,
    given: u64,
}

struct BodyFile {
    file: File,
    path: PathBuf,
    removed_at_end: bool,
}

impl StoredBody {
    /// Adds what came next.
    pub(super) fn put(&mut self, bytes: &[u8], store: &BodyStore) -> io::Result<()> {
        if self.file.is_none() && self.memory.len() + bytes.len() > store.memory {
            self.move_to_file(store)?;
        }
        match &self.file {
            Some(file) => file.file.write_all_at(bytes, self.length)?,
            None => self.memory.extend_from_slice(bytes),
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Where the rest of a body is to be read to, when it has begun to come and all of it will be in memory. What is
    /// read there is to be [counted](Self::count).
    pub(super) fn room(&mut self, left: u64, store: &BodyStore) -> Option<Limit<&mut BytesMut>> {
        let left = usize::try_from(left).ok()?;
        if self.memory.is_empty() || left > store.memory.saturating_sub(self.memory.len()) {
            return None;
        }
        self.memory.reserve(left);
        Some((&mut self.memory).limit(left))
    }

    /// So much has come into the [room](Self::room) for it.
    pub(super) fn count(&mut self, length: usize) {
        self.length += length as u64;
    }

    /// It is whole.
    pub(super) fn finish(&mut self, store: &BodyStore) -> io::Result<()> {
        if self.file.is_none() && store.in_file_only != BodyInFile::Needed {
            self.move_to_file(store)?;
        }
        self.whole = std::mem::take(&mut self.memory).freeze();
        Ok(())
    }

    fn move_to_file(&mut self, store: &BodyStore) -> io::Result<()> {
        let file = BodyFile::create(store)?;
        file.file.write_all_at(&self.memory, 0)?;
        self.memory = BytesMut::new();
        self.file = Some(file);
        Ok(())
    }

    /// What comes next; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.left() == 0 {
            return Ok(None);
        }
        let data = match &self.file {
            Some(file) => {
                let length = usize::try_from(self.left()).map_or(AT_ONCE, |left| left.min(AT_ONCE));
                let mut space = BytesMut::zeroed(length);
                file.file.read_exact_at(&mut space, self.given)?;
                space.freeze()
            }
            None => self.whole.clone(),
        };
        self.given += data.len() as u64;
        Ok(Some(data))
    }

    /// How much was not given on.
    pub(super) fn left(&self) -> u64 {
        self.length - self.given
    }

    /// Starts again at its first byte.
    pub(super) fn rewind(&mut self) {
        self.given = 0;
    }

    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// All of it, unless it is in a file.
    pub(super) fn in_memory(&self) -> Option<&[u8]> {
        self.file.is_none().then_some(&self.whole[..])
    }

    /// Its file.
    pub(super) fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }
}

impl BodyFile {
    /// A new file, named by a number as nginx names them.
    fn create(store: &BodyStore) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = hashed(&store.folder, &store.levels, &format!("{number:010}"));
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true).mode(0o600);
            let file = match options.open(&path) {
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                    let mut folders = DirBuilder::new();
                    folders.recursive(true).mode(0o700);
                    folders.create(path.parent().unwrap_or(&store.folder))?;
                    options.open(&path)
                }
                outcome => outcome,
            };
            match file {
                Ok(file) => {
                    if store.in_file_only == BodyInFile::Needed {
                        fs::remove_file(&path)?;
                    }
                    return Ok(Self {
                        file,
                        path,
                        removed_at_end: store.in_file_only == BodyInFile::UntilTheEnd,
                    });
                }
                // Another process counts in the same folder, or an earlier one has left something.
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(cause),
            }
        }
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        if self.removed_at_end
            && let Err(cause) = fs::remove_file(&self.path)
        {
            log::error!("unlink() \"{}\" failed: {cause}", self.path.display());
        }
    }
}

/// The place of a file below its folder: with levels 1 and 2, `7/45/0000000457`.
fn hashed(folder: &Path, levels: &[usize], name: &str) -> PathBuf {
    let mut path = folder.to_owned();
    let mut end = name.len();
    for level in levels {
        let start = end.saturating_sub(*level);
        path.push(&name[start..end]);
        end = start;
    }
    path.push(name);
    path
}

/// How much of a file is read at once.
const AT_ONCE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &mut StoredBody) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(part) = body.next().expect("readable") {
            all.extend_from_slice(&part);
        }
        all
    }

    fn store(folder: &Path, memory: usize, in_file_only: BodyInFile) -> BodyStore {
        BodyStore {
            memory,
            in_file_only,
            folder: folder.join("new"),
            levels: vec![1, 2],
        }
    }

    #[test]
    fn a_body_is_given_on_again_and_again_from_memory_and_from_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        for memory in [0, 10_000, 1_000_000] {
            let store = store(folder.path(), memory, BodyInFile::Needed);
            let mut body = StoredBody::default();
            let bytes: Vec<u8> = (0..=255).cycle().take(2 * AT_ONCE + 100).collect();
            for part in bytes.chunks(1000) {
                body.put(part, &store).expect("stored");
            }
            body.finish(&store).expect("stored");
            assert_eq!(body.in_memory().is_some(), memory == 1_000_000);
            assert_eq!(body.len(), bytes.len() as u64);
            for _ in 0..3 {
                assert_eq!(read(&mut body), bytes);
                body.rewind();
            }
            assert!(body.path().is_none_or(|path| !path.exists()), "has no name");
        }
    }

    #[test]
    fn there_is_room_for_the_rest_of_what_will_be_in_memory() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(folder.path(), 100, BodyInFile::Needed);
        let mut body = StoredBody::default();
        assert!(body.room(100, &store).is_none(), "nothing has come");
        body.put(&[1; 40], &store).expect("stored");
        assert!(body.room(61, &store).is_none(), "it will be in a file");
        for part in [[2; 30], [3; 30]] {
            let left = 100 - body.len();
            let mut room = body.room(left, &store).expect("room");
            assert_eq!(room.remaining_mut() as u64, left);
            room.put_slice(&part);
            body.count(part.len());
        }
        body.finish(&store).expect("stored");
        assert_eq!(read(&mut body), [&[1; 40][..], &[2; 30], &[3; 30]].concat());

        let mut body = StoredBody::default();
        body.put(&[1; 101], &store).expect("stored");
        assert!(body.room(1, &store).is_none(), "it is in a file");
    }

    #[test]
    fn a_file_goes_with_its_request_or_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        for (wish, stays) in [(BodyInFile::UntilTheEnd, false), (BodyInFile::Kept, true)] {
            let store = store(folder.path(), 1000, wish);
            let mut body = StoredBody::default();
            body.put(b"short", &store).expect("stored");
            body.finish(&store).expect("stored");
            let path = body.path().expect("a file").to_owned();
            assert_eq!(fs::read(&path).expect("a file"), b"short");
            drop(body);
            assert_eq!(path.exists(), stays);
        }
    }

    #[test]
    fn levels_are_the_last_digits_of_the_name() {
        let at = |levels: &[usize]| hashed("/spool".as_ref(), levels, "0000123457");
        assert_eq!(at(&[]), Path::new("/spool/0000123457"));
        assert_eq!(at(&[1, 2]), Path::new("/spool/7/45/0000123457"));
        assert_eq!(at(&[2, 2, 2]), Path::new("/spool/57/34/12/0000123457"));
    }
}
