//! The program's allocator: mimalloc, asked for an alignment only where it does not give it by itself.
//!
//! The `mimalloc` crate always asks, which takes another way through the allocator that costs five times as
//! much for most sizes. A request allocates about a hundred times.

use libmimalloc_sys::{
    mi_collect, mi_free, mi_malloc, mi_malloc_aligned, mi_option_set, mi_option_t, mi_realloc,
    mi_realloc_aligned, mi_zalloc, mi_zalloc_aligned,
};
use std::alloc::{GlobalAlloc, Layout};

/// mimalloc, for `#[global_allocator]`.
#[derive(Debug, Default)]
pub struct Allocator;

/// What mimalloc aligns blocks to that are as large (`MI_MAX_ALIGN_SIZE`), as C's `malloc` does.
const NATURAL: usize = 16;

/// `mi_option_purge_decommits` of mimalloc 2 and 3, for which the crate has no name.
const PURGE_DECOMMITS: mi_option_t = 5;

impl Allocator {
    /// Gives free memory back to the kernel. To be called before anything is served. What becomes free from
    /// then on is only marked for the kernel to take when it needs some (MADV_FREE): to give it back at once
    /// held up every thread for up to 40 ms, after the reload of a large configuration.
    pub(super) fn give_back() {
        // SAFETY: they set a number, and look at memory that is free.
        unsafe {
            mi_option_set(PURGE_DECOMMITS, 1);
            mi_collect(true);
            mi_option_set(PURGE_DECOMMITS, 0);
        }
    }
}

fn is_natural(align: usize, size: usize) -> bool {
    align <= NATURAL && align <= size
}

// SAFETY: mimalloc's functions allocate, move and free as `GlobalAlloc` asks for, and give null when they
// cannot; whatever they have allocated, `mi_free` and `mi_realloc` take. A block of `size` bytes from those
// without an alignment is aligned to the largest power of two that is at most `size` and `NATURAL`.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = match is_natural(layout.align(), layout.size()) {
            // SAFETY: it may be called with any size.
            true => unsafe { mi_malloc(layout.size()) },
            // SAFETY: a layout's alignment is a power of two.
            false => unsafe { mi_malloc_aligned(layout.size(), layout.align()) },
        };
        block.cast()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = match is_natural(layout.align(), layout.size()) {
            // SAFETY: it may be called with any size.
            true => unsafe { mi_zalloc(layout.size()) },
            // SAFETY: a layout's alignment is a power of two.
            false => unsafe { mi_zalloc_aligned(layout.size(), layout.align()) },
        };
        block.cast()
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller has it from one of the other functions.
        unsafe { mi_free(block.cast()) };
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let block = block.cast();
        let block = match is_natural(layout.align(), size) {
            // SAFETY: the caller has it from one of the other functions.
            true => unsafe { mi_realloc(block, size) },
            // SAFETY: the same, and a layout's alignment is a power of two.
            false => unsafe { mi_realloc_aligned(block, size, layout.align()) },
        };
        block.cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_aligned_and_keeps_what_is_in_it() {
        let allocator = Allocator;
        for align in [1, 2, 4, 8, 16, 32, 64, 4096] {
            for size in (1..130).chain([255, 256, 1000, 4095, 4096, 70_000]) {
                let layout = Layout::from_size_align(size, align).expect("a layout");
                // SAFETY: the size is not 0; each block is used within its size and freed once, with the
                // layout that it has.
                unsafe {
                    let block = allocator.alloc(layout);
                    assert!(block.addr().is_multiple_of(align), "{size} {align}");
                    block.write_bytes(7, size);
                    let larger = Layout::from_size_align(size * 2 + 1, align).expect("a layout");
                    let block = allocator.realloc(block, layout, larger.size());
                    assert!(block.addr().is_multiple_of(align), "{size} {align}");
                    assert!((0..size).all(|at| block.add(at).read() == 7));
                    allocator.dealloc(block, larger);
                    let block = allocator.alloc_zeroed(layout);
                    assert!(block.addr().is_multiple_of(align), "{size} {align}");
                    assert!((0..size).all(|at| block.add(at).read() == 0));
                    allocator.dealloc(block, layout);
                }
            }
        }
    }
}
