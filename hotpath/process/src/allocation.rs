//! The allocator with a witness: mimalloc, counting what guarded threads take and give back.
//!
//! In: every allocation of the process. Out: counts of those made by a guarded thread, or an
//! abort where that is wanted; apart from them, counts of those that rustls made on its behalf;
//! zeroed memory with every page touched. Never: a change of what mimalloc returns.
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

/// Whose an allocation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// A thread that may allocate.
    Anyone,
    /// Ours, on a guarded thread.
    Ours,
    /// rustls', on a guarded thread.
    Tls,
}

thread_local! {
    /// Constant and without destructor, so that reading it allocates nothing.
    static OWNER: Cell<Owner> = const { Cell::new(Owner::Anyone) };
}

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static FREES: AtomicU64 = AtomicU64::new(0);
static TLS_ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static TLS_FREES: AtomicU64 = AtomicU64::new(0);
static ABORT: AtomicBool = AtomicBool::new(false);

/// From now on this thread's allocations and frees are counted.
pub fn guard_this_thread() {
    OWNER.set(Owner::Ours);
}

/// This thread may allocate again.
pub fn release_this_thread() {
    OWNER.set(Owner::Anyone);
}

/// Runs `act`, and lets what a guarded thread allocates and frees meanwhile count as rustls': it
/// makes one allocation a record each way, which is not ours to avoid.
#[inline]
pub fn tls_scope<T>(act: impl FnOnce() -> T) -> T {
    /// Puts the owner back, also when `act` panics.
    struct Restore(Owner);
    impl Drop for Restore {
        fn drop(&mut self) {
            OWNER.set(self.0);
        }
    }
    let before = OWNER.get();
    if before == Owner::Anyone {
        return act();
    }
    OWNER.set(Owner::Tls);
    let _restore = Restore(before);
    act()
}

/// From now on an allocation of our own on a guarded thread ends the process.
pub fn abort_on_allocation() {
    ABORT.store(true, Ordering::Relaxed);
}

/// Our own allocations and frees on guarded threads since start.
#[must_use]
pub fn guarded_counts() -> (u64, u64) {
    // Relaxed: figures for a display, nothing else hangs on their order.
    (
        ALLOCATIONS.load(Ordering::Relaxed),
        FREES.load(Ordering::Relaxed),
    )
}

/// Allocations and frees of rustls on guarded threads since start.
#[must_use]
pub fn tls_counts() -> (u64, u64) {
    // Relaxed: as above.
    (
        TLS_ALLOCATIONS.load(Ordering::Relaxed),
        TLS_FREES.load(Ordering::Relaxed),
    )
}

#[inline]
fn witness(ours: &AtomicU64, tls: &AtomicU64) {
    // A thread that is being torn down has no owner any more and is not guarded.
    match OWNER.try_with(Cell::get).unwrap_or(Owner::Anyone) {
        Owner::Anyone => {}
        Owner::Tls => {
            tls.fetch_add(1, Ordering::Relaxed);
        }
        Owner::Ours => {
            ours.fetch_add(1, Ordering::Relaxed);
            if ABORT.load(Ordering::Relaxed) {
                std::process::abort();
            }
        }
    }
}

// SAFETY: every method hands its arguments unchanged to mimalloc and returns what it returned, so
// mimalloc's own guarantees hold; the counting before it neither allocates nor touches memory
// other than a constant thread-local and five atomics, and the zeros written over zeros leave
// zeroed memory zeroed.
unsafe impl GlobalAlloc for GuardedAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        witness(&ALLOCATIONS, &TLS_ALLOCATIONS);
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        witness(&FREES, &TLS_FREES);
        // SAFETY: as above; `pointer` came from the same allocator.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        witness(&ALLOCATIONS, &TLS_ALLOCATIONS);
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
        witness(&ALLOCATIONS, &TLS_ALLOCATIONS);
        // SAFETY: as above.
        unsafe { MiMalloc.realloc(pointer, layout, new_size) }
    }
}
