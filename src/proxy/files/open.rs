//! Opening and looking at files. What is here waits for the disk: it is called off the threads that serve.

use std::ffi::{CStr, CString, OsStr};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// A file that is there.
pub(in crate::proxy) struct Found {
    /// To read from; folders and devices are not read.
    pub(in crate::proxy) file: Option<File>,
    pub(in crate::proxy) kind: Kind,
    pub(in crate::proxy) size: u64,
    /// When it was changed, in seconds since 1970.
    pub(in crate::proxy) modified: i64,
}

/// What stands behind a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Kind {
    File,
    Folder,
    /// A device, a socket, a pipe.
    Other,
}

/// Why a file cannot be opened, and what the system was asked, as nginx names it.
#[derive(Debug)]
pub(in crate::proxy) struct Failed {
    pub(in crate::proxy) call: &'static str,
    pub(in crate::proxy) error: io::Error,
}

/// `disable_symlinks` for one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Links {
    /// All are followed.
    Followed,
    /// None behind so many bytes of the name.
    Refused(usize),
    /// Only those of the owner of what they point to, behind so many bytes of the name.
    OfTheOwner(usize),
}

/// Opens a file to be read.
pub(in crate::proxy) fn open(name: &[u8], links: Links) -> Result<Found, Failed> {
    let file = match links {
        Links::Followed => {
            // A pipe must not stop anyone.
            let mut options = OpenOptions::new();
            let options = options.read(true).custom_flags(libc::O_NONBLOCK);
            let opened = options.open(Path::new(OsStr::from_bytes(name)));
            opened.map_err(failed("open()"))?
        }
        _ => walk(name, links)?,
    };
    let metadata = file.metadata().map_err(failed("fstat()"))?;
    let mut found = describe(&metadata);
    if found.kind == Kind::File {
        found.file = Some(file);
    }
    Ok(found)
}

/// Looks at a file without opening it.
pub(in crate::proxy) fn look(name: &[u8], links: Links) -> Result<Found, Failed> {
    let metadata = match links {
        Links::Followed => {
            let path = Path::new(OsStr::from_bytes(name));
            path.metadata().map_err(failed("stat()"))?
        }
        _ => walk(name, links)?.metadata().map_err(failed("fstat()"))?,
    };
    Ok(describe(&metadata))
}

fn describe(metadata: &Metadata) -> Found {
    let kind = match metadata.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Folder,
        _ => Kind::Other,
    };
    Found {
        file: None,
        kind,
        size: metadata.size(),
        modified: metadata.mtime(),
    }
}

fn failed(call: &'static str) -> impl Fn(io::Error) -> Failed {
    move |error| Failed { call, error }
}

/// Opens a file one step of its name at a time, so that no link is followed unseen.
fn walk(name: &[u8], links: Links) -> Result<File, Failed> {
    let (Links::Refused(followed) | Links::OfTheOwner(followed)) = links else {
        return Err(failed("openat()")(io::ErrorKind::Unsupported.into()));
    };
    let (start, rest) = name.split_at(followed.min(name.len()));
    let start = if start.is_empty() { b"/" } else { start };
    let mut folder = at(libc::AT_FDCWD, start, libc::O_PATH).map_err(failed("open()"))?;
    let mut steps = rest
        .split(|byte| *byte == b'/')
        .filter(|step| !step.is_empty());
    let ends_in_slash = rest.ends_with(b"/");
    let mut next = steps.next();
    while let Some(step) = next {
        next = steps.next();
        let is_last = next.is_none() && !ends_in_slash;
        let access = match is_last {
            true => libc::O_RDONLY,
            false => libc::O_PATH,
        };
        folder = enter(&folder, step, access, links).map_err(failed("openat()"))?;
        if next.is_none() && is_last {
            return Ok(folder);
        }
    }
    at(folder.as_raw_fd(), b".", libc::O_RDONLY).map_err(failed("openat()"))
}

/// One step of a name. A link in the way is ELOOP.
fn enter(folder: &File, step: &[u8], access: libc::c_int, links: Links) -> io::Result<File> {
    if matches!(links, Links::Refused(_)) {
        let entered = at(folder.as_raw_fd(), step, access | libc::O_NOFOLLOW)?;
        // O_PATH opens the link itself.
        if entered.metadata()?.file_type().is_symlink() {
            return Err(io::Error::from_raw_os_error(libc::ELOOP));
        }
        return Ok(entered);
    }
    let entered = at(folder.as_raw_fd(), step, access)?;
    let link = at(folder.as_raw_fd(), step, libc::O_PATH | libc::O_NOFOLLOW)?;
    if link.metadata()?.uid() != entered.metadata()?.uid() {
        return Err(io::Error::from_raw_os_error(libc::ELOOP));
    }
    Ok(entered)
}

fn at(folder: libc::c_int, name: &[u8], flags: libc::c_int) -> io::Result<File> {
    let name = CString::new(name).map_err(io::Error::from)?;
    openat(folder, &name, flags)
}

fn openat(folder: libc::c_int, name: &CStr, flags: libc::c_int) -> io::Result<File> {
    let flags = flags | libc::O_NONBLOCK | libc::O_CLOEXEC;
    // SAFETY: the name ends in a zero byte and outlives the call; the standard library has no openat.
    let descriptor = unsafe { libc::openat(folder, name.as_ptr(), flags) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just opened and nobody else has it.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("gapura-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("real/inner")).expect("a folder for the test");
        fs::write(folder.join("real/inner/file"), "text").expect("a file");
        symlink("real", folder.join("link")).expect("a link");
        symlink("file", folder.join("real/inner/link")).expect("a link");
        folder.canonicalize().expect("it was just made")
    }

    #[test]
    fn links_are_refused_wherever_they_stand() {
        let folder = folder("links");
        let opened = |name: &str, links| {
            let name = folder.join(name);
            open(name.as_os_str().as_bytes(), links).map_err(|failed| failed.error.raw_os_error())
        };
        let refused = Links::Refused(0);
        assert!(opened("link/inner/file", Links::Followed).is_ok());
        assert!(opened("real/inner/file", refused).is_ok_and(|found| found.size == 4));
        let is_loop = |found: Result<Found, Option<i32>>| match found {
            Err(error) => error == Some(libc::ELOOP),
            Ok(_) => false,
        };
        assert!(is_loop(opened("real/inner/link", refused)));
        assert!(is_loop(opened("link/inner/file", refused)));
        assert!(is_loop(opened("link/", refused)));
        let from = Links::Refused(folder.join("link").as_os_str().len());
        assert!(opened("link/inner/file", from).is_ok());
        assert!(is_loop(opened("link/inner/link", from)));
        // They are all of one owner.
        assert!(opened("link/inner/link", Links::OfTheOwner(0)).is_ok());
        assert!(opened("real/", refused).is_ok_and(|found| found.kind == Kind::Folder));
        assert!(opened("real/inner/file/", refused).is_err());
        fs::remove_dir_all(folder).expect("its own folder");
    }
}
