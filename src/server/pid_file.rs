//! The file that holds the process's number, for service managers and scripts.

use super::StartError;
use std::path::{Path, PathBuf};

/// A file with this process's number, removed when dropped.
#[derive(Debug)]
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// Writes it, over what an earlier process left.
    pub(super) fn write(path: &Path) -> Result<Self, StartError> {
        let number = format!("{}\n", std::process::id());
        std::fs::write(path, number)
            .map_err(|cause| StartError::File("open()", path.to_owned(), cause))?;
        Ok(Self(path.to_owned()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // An error means that somebody has removed it already.
        let _ = std::fs::remove_file(&self.0);
    }
}
