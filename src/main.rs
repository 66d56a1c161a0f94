//! The `gapura` program: a thin user of the library.

use std::process::ExitCode;

/// Faster than the system's for many small, short-lived allocations on several threads.
#[global_allocator]
static ALLOCATOR: gapura::cli::Allocator = gapura::cli::Allocator;

/// `mi_option_purge_decommits` of mimalloc 2 and 3, for which the crate has no name.
const PURGE_DECOMMITS: libmimalloc_sys::mi_option_t = 5;

fn main() -> ExitCode {
    // Freed memory is marked as free for the kernel to take when it needs some (MADV_FREE), and not given
    // back at once: after the reload of a large configuration that held up every thread for up to 40 ms.
    // SAFETY: it sets a number.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DECOMMITS, 0) };
    gapura::cli::main()
}
