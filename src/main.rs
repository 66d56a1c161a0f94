//! The `gapura` program: a thin user of the library.

use std::process::ExitCode;

/// Faster than the system's for many small, short-lived allocations on several threads.
#[global_allocator]
static ALLOCATOR: gapura::cli::Allocator = gapura::cli::Allocator;

fn main() -> ExitCode {
    gapura::cli::main()
}
