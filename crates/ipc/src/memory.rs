//! Memory that two sides share: cache lines of atomic words, on the heap or in a mapped file.
//!
//! In: a number of lines, or a file. Out: [`Region`]s, checked parts of it. Never: a plain
//! reference to bytes that somebody else may write. All access goes through atomic words, so the
//! other side can make a value wrong, but it cannot make the program undefined.
//!
//! This is the only module of the crate with unsafe code.
#![allow(
    unsafe_code,
    reason = "a mapped file becomes a slice of atomics here and nowhere else"
)]

use crate::atomic::{Arc, AtomicU64, Ordering};
#[cfg(not(loom))]
use std::{fs::File, io};

/// Words of one line.
pub(crate) const LINE_WORDS: usize = 8;
/// Bytes of one line: what two cores pass between them as a whole.
pub(crate) const LINE_BYTES: usize = 64;

/// One cache line.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [AtomicU64; LINE_WORDS]);

#[cfg(not(loom))]
const _: () = assert!(size_of::<Line>() == LINE_BYTES && align_of::<Line>() == LINE_BYTES);

/// What keeps the lines alive.
enum Owner {
    Heap(Box<[Line]>),
    #[cfg(not(loom))]
    Mapping {
        map: memmap2::MmapRaw,
        // Kept open for the locks that its owner holds on it.
        file: File,
    },
}

/// A run of lines that stays valid for as long as the value lives.
#[derive(Clone)]
pub(crate) struct Region {
    first: *const Line,
    count: usize,
    owner: Arc<Owner>,
}

// SAFETY: `first` points into memory that `owner` keeps alive and in place (a boxed slice or a
// mapping, neither moves with the value); the only access is through `lines`, which gives shared
// references to atomics, and those may be used from any thread. Owner is Send and Sync by itself.
unsafe impl Send for Region {}
// SAFETY: as above; `Region` has no interior state besides the atomics.
unsafe impl Sync for Region {}

impl Region {
    /// `count` zeroed lines on the heap.
    pub(crate) fn heap(count: usize) -> Self {
        let lines: Box<[Line]> = (0..count).map(|_| Line::default()).collect();
        let owner = Arc::new(Owner::Heap(lines));
        // Taken after the box has come to rest: moving a box would end the pointer's rights.
        let Owner::Heap(lines) = &*owner else {
            unreachable!("made as a heap owner two lines above")
        };
        let first = lines.as_ptr();
        Self {
            first,
            count,
            owner,
        }
    }

    /// The whole of `file`, shared with every process that maps it, faulted in.
    ///
    /// # Errors
    /// What the system says when it cannot map.
    #[cfg(not(loom))]
    pub(crate) fn map(file: File, bytes: usize) -> io::Result<Self> {
        let map = memmap2::MmapOptions::new()
            .len(bytes)
            .populate()
            .map_raw(&file)?;
        let first = map.as_ptr().cast::<Line>();
        assert!(first.is_aligned(), "a mapping starts at a page");
        let count = map.len() / LINE_BYTES;
        Ok(Self {
            first,
            count,
            owner: Arc::new(Owner::Mapping { map, file }),
        })
    }

    /// The lines.
    #[inline]
    pub(crate) fn lines(&self) -> &[Line] {
        // SAFETY: `first` and `count` describe memory inside of the boxed slice or the mapping
        // (set in `heap` and `map`, narrowed only by `part`, which checks), aligned to 64 bytes
        // (Line's alignment, or a page), initialised (zeroed heap, file content) and alive while
        // `self.owner` is. Line is made of atomics: every bit pattern is valid, and writes by
        // other threads and processes during the borrow are allowed. A file that somebody
        // truncates under us raises SIGBUS, which ends the process and is not undefined.
        unsafe { std::slice::from_raw_parts(self.first, self.count) }
    }

    /// `count` lines from line `first` on.
    pub(crate) fn part(&self, first: usize, count: usize) -> Self {
        let lines = &self.lines()[first..][..count];
        Self {
            first: lines.as_ptr(),
            count,
            owner: Arc::clone(&self.owner),
        }
    }

    /// Writes one word of each page, so that a later write finds the page present and writable.
    #[cfg(not(loom))]
    pub(crate) fn touch_pages(&self) {
        const PAGE_LINES: usize = 4096 / LINE_BYTES;
        for page in self.lines().chunks(PAGE_LINES) {
            // Relaxed: nobody else knows the file yet.
            let word = &page[0].0[0];
            word.store(word.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// The mapped file; none for the heap.
    #[cfg(not(loom))]
    pub(crate) fn file(&self) -> Option<&File> {
        match &*self.owner {
            Owner::Heap(_) => None,
            Owner::Mapping { file, .. } => Some(file),
        }
    }

    /// Pins the mapping into memory.
    ///
    /// # Errors
    /// What the system says, mostly that the limit on locked memory is too low.
    #[cfg(not(loom))]
    pub(crate) fn lock_in_memory(&self) -> io::Result<()> {
        match &*self.owner {
            Owner::Heap(_) => Ok(()),
            Owner::Mapping { map, .. } => map.lock(),
        }
    }
}

/// Stores bytes into words, little-endian, the last word padded with zeros. Relaxed: the caller
/// publishes afterwards.
#[inline]
pub(crate) fn store_bytes(words: &[AtomicU64], bytes: &[u8]) {
    let (whole, rest) = bytes.as_chunks::<8>();
    for (word, chunk) in words.iter().zip(whole) {
        word.store(u64::from_le_bytes(*chunk), Ordering::Relaxed);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        words[whole.len()].store(u64::from_le_bytes(last), Ordering::Relaxed);
    }
}

/// Loads words into bytes, the reverse of [`store_bytes`]. Relaxed: the caller has acquired.
#[inline]
pub(crate) fn load_bytes(words: &[AtomicU64], bytes: &mut [u8]) {
    let (whole, rest) = bytes.as_chunks_mut::<8>();
    let whole_count = whole.len();
    for (word, chunk) in words.iter().zip(whole) {
        *chunk = word.load(Ordering::Relaxed).to_le_bytes();
    }
    if !rest.is_empty() {
        let last = words[whole_count].load(Ordering::Relaxed).to_le_bytes();
        rest.copy_from_slice(&last[..rest.len()]);
    }
}
