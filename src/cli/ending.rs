//! How commands that stay know that they are to end.

use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// Returns at Ctrl-C, or when the process is told to terminate.
pub(super) async fn told_to_end() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
