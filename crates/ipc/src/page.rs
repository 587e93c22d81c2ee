//! State pages: one value that one side keeps rewriting and the other looks at (a seqlock).
//!
//! In: bytes, up to [`PAGE_BYTES_MAX`]. Out: some whole version of them, the newest or nearly.
//! Never: a wait; a reader that meets a writer tries a bounded number of times.
//!
//! ```text
//! line 0    version (odd while it is written) | length in bytes
//! line 1+   the bytes
//! ```

use crate::atomic::{Ordering, fence};
use crate::memory::{LINE_BYTES, Line, Region, load_bytes, store_bytes};

/// Most bytes of one page.
pub const PAGE_BYTES_MAX: usize = 1024;

/// Lines of one page.
pub(crate) const PAGE_LINES: usize = 1 + PAGE_BYTES_MAX / LINE_BYTES;

const VERSION: usize = 0;
const LENGTH: usize = 1;
// Under loom each try is a branch of the search, and two show all there is to see.
const TRIES: usize = if cfg!(loom) { 2 } else { 64 };

/// Why a page could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The writer was at it in every try: try again later. If it lasts, the writer died in the
    /// middle of a write.
    #[error("page is being written")]
    Busy,
    /// The length is impossible.
    #[error("page damaged: {found} bytes, at most {bytes_max} fit")]
    Length {
        /// What the page says.
        found: u64,
        /// The bound.
        bytes_max: usize,
    },
    /// The caller's buffer is too small.
    #[error("page has {bytes} bytes, the buffer only {buffer_bytes}")]
    Buffer {
        /// The page's length.
        bytes: usize,
        /// The buffer's length.
        buffer_bytes: usize,
    },
}

/// A page between two threads.
#[must_use]
pub fn heap_page() -> (PageWriter, PageReader) {
    let region = Region::heap(PAGE_LINES);
    (PageWriter::new(region.clone()), PageReader::new(region))
}

/// The writing side; there is one.
pub struct PageWriter {
    region: Region,
    version: u64,
}

impl PageWriter {
    /// The writer of a page that nobody has written yet.
    pub(crate) fn new(region: Region) -> Self {
        Self { region, version: 0 }
    }

    /// Replaces the value.
    ///
    /// # Panics
    /// When `bytes` is longer than [`PAGE_BYTES_MAX`].
    pub fn write(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= PAGE_BYTES_MAX, "a page has a fixed size");
        let (head, body) = split(&self.region);
        // Relaxed, then a release fence: a reader that sees one of the new words below and then
        // fences also sees this odd version.
        head.0[VERSION].store(self.version + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        head.0[LENGTH].store(bytes.len() as u64, Ordering::Relaxed);
        for (line, chunk) in body.iter().zip(bytes.chunks(LINE_BYTES)) {
            store_bytes(&line.0, chunk);
        }
        self.version += 2;
        // Release: a reader that acquires this version sees all words of it.
        head.0[VERSION].store(self.version, Ordering::Release);
    }
}

/// The reading side.
#[derive(Clone)]
pub struct PageReader {
    region: Region,
}

impl PageReader {
    pub(crate) fn new(region: Region) -> Self {
        Self { region }
    }

    /// Copies the value into `buffer` and returns its length; none before the first write.
    ///
    /// # Errors
    /// [`PageError`] when the writer is at it, the buffer is too small or the page is damaged.
    pub fn read(&self, buffer: &mut [u8]) -> Result<Option<usize>, PageError> {
        let (head, body) = split(&self.region);
        for _ in 0..TRIES {
            // Acquire: pairs with the writer's release of the even version.
            let version = head.0[VERSION].load(Ordering::Acquire);
            if version == 0 {
                return Ok(None);
            }
            let found = head.0[LENGTH].load(Ordering::Relaxed);
            let length = usize::try_from(found).unwrap_or(usize::MAX);
            if let Some(target) = buffer.get_mut(..length.min(PAGE_BYTES_MAX)) {
                for (line, chunk) in body.iter().zip(target.chunks_mut(LINE_BYTES)) {
                    load_bytes(&line.0, chunk);
                }
            }
            // An acquire fence: pairs with the writer's fence. If one word above came from a
            // later write, the version below is later too.
            fence(Ordering::Acquire);
            let after = head.0[VERSION].load(Ordering::Relaxed);
            if version == after && version.is_multiple_of(2) {
                return accept(found, length, buffer.len()).map(Some);
            }
            std::hint::spin_loop();
        }
        Err(PageError::Busy)
    }

    /// Changes with every write; even when the page is whole.
    #[must_use]
    pub fn version(&self) -> u64 {
        split(&self.region).0.0[VERSION].load(Ordering::Acquire)
    }
}

fn accept(found: u64, length: usize, buffer_bytes: usize) -> Result<usize, PageError> {
    if length > PAGE_BYTES_MAX {
        return Err(PageError::Length {
            found,
            bytes_max: PAGE_BYTES_MAX,
        });
    }
    if length > buffer_bytes {
        return Err(PageError::Buffer {
            bytes: length,
            buffer_bytes,
        });
    }
    Ok(length)
}

fn split(region: &Region) -> (&Line, &[Line]) {
    region
        .lines()
        .split_first()
        .expect("a page has PAGE_LINES lines")
}
