//! Who opens log files: the process itself, or another one that may, and hands them over.

use crate::model::{LogTarget, Model};
use crate::os_error::OsError;
use log::error;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Who may do what with a log that is made: nobody but the owner writes, whatever the process's mask is. An
/// nginx that this process has taken over from leaves it none.
pub(super) const NEW_FILE: u32 = 0o644;

/// Log files that are open for a process that may not open them itself.
#[derive(Debug, Default)]
pub struct Opener {
    kept: Mutex<HashMap<PathBuf, File>>,
}

/// A log file of another process, by its path.
pub type OpenLog = (PathBuf, OwnedFd);

impl Opener {
    /// Opens a log file as nginx does: appended to, made when it is not there.
    pub(super) fn append(&self, path: &Path) -> io::Result<File> {
        match self.kept.lock().get(&absolute(path)) {
            Some(file) => file.try_clone(),
            None => append(path),
        }
    }

    /// Opens the logs of a model, beside these files, that are not open yet, for the process that will
    /// write them, and gives those. What cannot be opened is that process's to complain of.
    pub(super) fn keep(&self, model: &Model, beside: Option<PathBuf>) -> Vec<OpenLog> {
        let mut kept = self.kept.lock();
        let mut new = Vec::new();
        for path in files(model).chain(beside) {
            if kept.contains_key(&path) {
                continue;
            }
            if let Ok(file) = append(&path)
                && let Ok(copy) = file.try_clone()
            {
                new.push((path.clone(), copy.into()));
                kept.insert(path, file);
            }
        }
        new
    }

    /// Closes what is kept beside the logs of this model and these files.
    pub(super) fn forget_others(&self, model: &Model, beside: Vec<PathBuf>) {
        let wanted: HashSet<PathBuf> = files(model).chain(beside).collect();
        let mut kept = self.kept.lock();
        kept.retain(|path, _| wanted.contains(path));
    }

    /// Opens what is kept again, after it was moved away; and has this user own it.
    pub(super) fn reopen(&self, user: Option<u32>) -> Vec<OpenLog> {
        let mut opened = Vec::new();
        for (path, file) in self.kept.lock().iter_mut() {
            // When it cannot be opened, the file that was moved away is better than none.
            let again = match append(path) {
                Ok(again) => again,
                Err(cause) => {
                    cannot_reopen(path, &cause);
                    continue;
                }
            };
            if let Some(user) = user {
                give_to(&again, user);
            }
            if let Ok(copy) = again.try_clone() {
                opened.push((path.clone(), copy.into()));
                *file = again;
            }
        }
        opened
    }

    /// Takes files that another process has opened.
    pub(super) fn take_over(&self, files: Vec<OpenLog>) {
        let files = files.into_iter();
        let files = files.map(|(path, descriptor)| (path, File::from(descriptor)));
        self.kept.lock().extend(files);
    }
}

/// Says so in nginx's words.
pub(super) fn cannot_reopen(path: &Path, cause: &io::Error) {
    let (path, cause) = (path.display(), OsError(cause));
    error!("[emerg] open() \"{path}\" failed ({cause})");
}

/// The same path wherever the process goes.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The user can read and write it.
fn give_to(file: &File, user: u32) {
    let Ok(about) = file.metadata() else { return };
    // An error leaves the file root's: the process that serves writes to it all the same.
    if about.uid() != user {
        let _ = fchown(file, Some(user), None);
    }
    let mode = about.permissions().mode();
    if mode & 0o600 != 0o600 {
        let _ = file.set_permissions(Permissions::from_mode(mode | 0o600));
    }
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(NEW_FILE);
    options.open(path)
}

/// The files of a model's logs, wherever the process goes.
fn files(model: &Model) -> impl Iterator<Item = PathBuf> {
    let sites = model.sites.iter();
    let locations = sites.flat_map(|site| site.locations.iter().chain([&site.nowhere]));
    let of_locations = locations.flat_map(|location| {
        let accesses = location.access_log.iter().map(|log| &log.target);
        let errors = location.error_log.iter().map(|log| &log.target);
        accesses.chain(errors)
    });
    let of_process = model.process.error_log.iter().map(|log| &log.target);
    of_locations
        .chain(of_process)
        .filter_map(|target| match target {
            LogTarget::File(path) => Some(absolute(path)),
            _ => None,
        })
}
