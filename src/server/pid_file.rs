//! The file that holds the process's number, for service managers, scripts and `-s`.

use super::StartError;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// A file with this process's number, removed when dropped.
#[derive(Debug)]
pub(super) struct PidFile {
    path: PathBuf,
    /// It is another binary's turn to have the path: this one's number is beside it.
    is_old: bool,
}

/// nginx's end of the name while a new binary has the file.
const OLD: &str = ".oldbin";

impl PidFile {
    /// Writes it, over what an earlier process left.
    pub(super) fn write(path: &Path) -> Result<Self, StartError> {
        let failed = |cause| StartError::File("open()", path.to_owned(), cause);
        // The process may go to another folder.
        let path = std::path::absolute(path).map_err(failed)?;
        let number = format!("{}\n", std::process::id());
        // Whoever may write to it says whom the next signal hits, so that the process's mask, which may be
        // none, is not asked.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o644);
        let written = options.open(&path);
        let written = written.and_then(|mut file| file.write_all(number.as_bytes()));
        written.map_err(failed)?;
        Ok(Self {
            path,
            is_old: false,
        })
    }

    /// Whether it could be written. Nothing is left of that.
    #[cfg(feature = "cli")]
    pub(super) fn test(path: &Path) -> Result<(), StartError> {
        let failed = |cause| StartError::File("open()", path.to_owned(), cause);
        let is_there = path.exists();
        let mut options = OpenOptions::new();
        options.write(true).create(true).mode(0o644);
        options.open(path).map_err(failed)?;
        match is_there {
            true => Ok(()),
            false => std::fs::remove_file(path).map_err(failed),
        }
    }

    /// Whether it is the one that a configuration asks for.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.path == path || std::path::absolute(path).is_ok_and(|path| path == self.path)
    }

    /// Tells whoever waits for it what became of a reload.
    pub(super) fn report(&self, outcome: Result<(), &str>) {
        let place = waiting_place(&self.path);
        if !place.exists() {
            return;
        }
        let text = match outcome {
            Ok(()) => "",
            // A datagram has an end.
            Err(text) => &text[..text.floor_char_boundary(MOST_TEXT)],
        };
        // An error means that nobody waits any more.
        let _ = UnixDatagram::unbound()
            .and_then(|socket| socket.send_to(text.as_bytes(), &place).map(drop));
    }

    /// Makes room for a new binary's.
    pub(super) fn step_aside(&mut self) -> io::Result<()> {
        std::fs::rename(&self.path, old(&self.path))?;
        self.is_old = true;
        Ok(())
    }

    /// Takes the path back: the new binary has ended, or was never there.
    pub(super) fn step_back(&mut self) -> io::Result<()> {
        if self.is_old {
            std::fs::rename(old(&self.path), &self.path)?;
            self.is_old = false;
        }
        Ok(())
    }
}

/// As much as is told of what is wrong.
const MOST_TEXT: usize = 60_000;

/// The socket beside a pid file at which `gapura reload` waits. Who can make it there may know what
/// became of a reload.
pub fn waiting_place(pid_file: &Path) -> PathBuf {
    let mut name = pid_file.as_os_str().to_owned();
    name.push(".reload");
    name.into()
}

fn old(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(OLD);
    name.into()
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let path = match self.is_old {
            true => old(&self.path),
            false => self.path.clone(),
        };
        // An error means that somebody has removed it already.
        let _ = std::fs::remove_file(path);
    }
}
