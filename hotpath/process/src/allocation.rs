//! The allocator with a witness: mimalloc, counting what guarded threads take and give back.
//!
//! In: every allocation of the process. Out: counts of those made by a guarded thread, or an
//! abort where that is wanted. Never: a change of what mimalloc does.
#![allow(
    unsafe_code,
    reason = "an allocator is an unsafe trait; every method passes its arguments on unchanged"
)]

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// mimalloc with a guard.
pub struct GuardedAllocator;

thread_local! {
    /// Constant and without destructor, so that reading it allocates nothing.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static FREES: AtomicU64 = AtomicU64::new(0);
static ABORT: AtomicBool = AtomicBool::new(false);

/// From now on this thread's allocations and frees are counted.
pub fn guard_this_thread() {
    GUARDED.set(true);
}

/// This thread may allocate again.
pub fn release_this_thread() {
    GUARDED.set(false);
}

/// From now on an allocation of a guarded thread ends the process.
pub fn abort_on_allocation() {
    ABORT.store(true, Ordering::Relaxed);
}

/// Allocations and frees of guarded threads since start.
#[must_use]
pub fn guarded_counts() -> (u64, u64) {
    // Relaxed: figures for a display, nothing else hangs on their order.
    (
        ALLOCATIONS.load(Ordering::Relaxed),
        FREES.load(Ordering::Relaxed),
    )
}

#[inline]
fn witness(counter: &AtomicU64) {
    // A thread that is being torn down has no flag any more and is not guarded.
    if GUARDED.try_with(Cell::get).unwrap_or(false) {
        counter.fetch_add(1, Ordering::Relaxed);
        if ABORT.load(Ordering::Relaxed) {
            std::process::abort();
        }
    }
}

// SAFETY: every method hands its arguments unchanged to mimalloc and returns what it returned, so
// mimalloc's own guarantees hold; the counting before it neither allocates nor touches memory
// other than a constant thread-local and three atomics.
unsafe impl GlobalAlloc for GuardedAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        witness(&ALLOCATIONS);
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        witness(&FREES);
        // SAFETY: as above; `pointer` came from the same allocator.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        witness(&ALLOCATIONS);
        // SAFETY: as above.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        witness(&ALLOCATIONS);
        // SAFETY: as above.
        unsafe { MiMalloc.realloc(pointer, layout, new_size) }
    }
}
