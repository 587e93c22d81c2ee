//! The allocator with a witness: mimalloc, counting what guarded threads take and give back.
//!
//! In: every allocation of the process. Out: counts of those made by a guarded thread, or an
//! abort where that is wanted; zeroed memory with every page touched. Never: a change of what
//! mimalloc returns.
#![allow(
    unsafe_code,
    reason = "an allocator is an unsafe trait; every method passes its arguments on unchanged, and \
              one touches the pages that it was given"
)]

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Smallest page of the machines that we know.
const PAGE_BYTES: usize = 4_096;

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
// other than a constant thread-local and three atomics, and the zeros written over zeros leave
// zeroed memory zeroed.
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
        let memory = unsafe { MiMalloc.alloc_zeroed(layout) };
        if !memory.is_null() {
            // Fresh zeroed pages exist on paper only: the first write to each would be a fault, and
            // for the books that write would come in the middle of a hot event.
            for offset in (0..layout.size()).step_by(PAGE_BYTES) {
                // SAFETY: the offset lies within the allocation that mimalloc has just handed
                // out and that nobody else knows yet; it holds a zero already.
                unsafe { memory.add(offset).write_volatile(0) };
            }
        }
        memory
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        witness(&ALLOCATIONS);
        // SAFETY: as above.
        unsafe { MiMalloc.realloc(pointer, layout, new_size) }
    }
}
