//! Becoming somebody who may less, for good.

use crate::model::User;
use crate::server::StartError;
use nix::unistd::{Gid, Uid, initgroups, setgid, setuid};
use std::ffi::CString;
use std::io;

/// Goes on as this user, in its groups. To be called while there is one thread.
pub(super) fn become_user(user: &User) -> Result<(), StartError> {
    let failed = |call| move |cause: nix::Error| StartError::Call(call, cause.into());
    let (uid, gid) = (Uid::from_raw(user.id), Gid::from_raw(user.group));
    let name = CString::new(user.name.as_str())
        .map_err(|_| StartError::Call("initgroups()", io::ErrorKind::InvalidInput.into()))?;
    setgid(gid).map_err(failed("setgid()"))?;
    initgroups(&name, gid).map_err(failed("initgroups()"))?;
    setuid(uid).map_err(failed("setuid()"))?;
    Ok(())
}
