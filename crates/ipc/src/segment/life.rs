//! What a segment says of the two processes: facts of its making, signs of life, the kill latch.
//!
//! In: words of the header. Out: the same, named. Never: a judgement; a process may have died since
//! it wrote a word.

use std::io;
use std::path::Path;

use super::Segment;
use crate::atomic::{AtomicU64, Ordering};
use crate::header::{Live, live};
use crate::layout::SegmentLayout;

/// What the hot path says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HotpathState {
    /// Not ready yet.
    Starting,
    /// Its loop runs, or it died in it.
    Running,
    /// It ended in order; nothing more will be written.
    StoppedCleanly,
    /// A word that no build writes.
    Unknown(u64),
}

impl Segment {
    /// Where the file lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The sizes and the identity.
    #[must_use]
    pub fn layout(&self) -> &SegmentLayout {
        &self.facts.layout
    }

    /// The build that made it.
    #[must_use]
    pub fn build_id(&self) -> u64 {
        self.facts.build_id
    }

    /// Hash of the configuration that it was started with.
    #[must_use]
    pub fn config_hash(&self) -> u64 {
        self.facts.config_hash
    }

    /// Number of the start.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.facts.generation
    }

    /// Length of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.facts.file_bytes
    }

    /// Pins the whole segment into memory.
    ///
    /// # Errors
    /// What the system says, mostly that the limit on locked memory is too low.
    pub fn lock_in_memory(&self) -> io::Result<()> {
        self.region.lock_in_memory()
    }

    pub(super) fn live(&self, word: Live) -> &AtomicU64 {
        live(self.region.lines(), word)
    }

    /// The hot path's process id.
    #[must_use]
    pub fn hotpath_pid(&self) -> u64 {
        self.live(Live::HotpathPid).load(Ordering::Relaxed)
    }

    /// The process id of the last control that attached; 0 before the first.
    #[must_use]
    pub fn control_pid(&self) -> u64 {
        self.live(Live::ControlPid).load(Ordering::Relaxed)
    }

    /// The hot path lives; `now_ns` is monotonic. Relaxed: a number that only has to arrive.
    pub fn beat_hotpath(&self, now_ns: u64) {
        self.live(Live::HotpathHeartbeat)
            .store(now_ns, Ordering::Relaxed);
    }

    /// When the hot path last said that it lives; 0 before the first time.
    #[must_use]
    pub fn hotpath_heartbeat_ns(&self) -> u64 {
        self.live(Live::HotpathHeartbeat).load(Ordering::Relaxed)
    }

    /// Control lives; `now_ns` is monotonic.
    pub fn beat_control(&self, now_ns: u64) {
        self.live(Live::ControlHeartbeat)
            .store(now_ns, Ordering::Relaxed);
    }

    /// When control last said that it lives; 0 before the first time.
    #[must_use]
    pub fn control_heartbeat_ns(&self) -> u64 {
        self.live(Live::ControlHeartbeat).load(Ordering::Relaxed)
    }

    /// The hot path says how far it is.
    pub fn set_hotpath_state(&self, state: HotpathState) {
        let word = match state {
            HotpathState::Starting => 0,
            HotpathState::Running => 1,
            HotpathState::StoppedCleanly => 2,
            HotpathState::Unknown(word) => word,
        };
        // Release: who sees "stopped" sees the last record before it.
        self.live(Live::HotpathState).store(word, Ordering::Release);
    }

    /// How far the hot path is, by its own word: it may have died since.
    #[must_use]
    pub fn hotpath_state(&self) -> HotpathState {
        // Acquire: pairs with the release above.
        match self.live(Live::HotpathState).load(Ordering::Acquire) {
            0 => HotpathState::Starting,
            1 => HotpathState::Running,
            2 => HotpathState::StoppedCleanly,
            word => HotpathState::Unknown(word),
        }
    }

    /// Latches KILLED here: it holds over the death of either process. Positions are to be closed.
    pub fn latch_kill(&self) {
        self.latch(LATCHED | CLOSES);
    }

    /// Latches KILLED with positions kept, unless a latch that closes them is there already.
    pub fn latch_kill_keeping_positions(&self) {
        self.latch(LATCHED);
    }

    /// True once latched; any word but 0 counts.
    #[must_use]
    pub fn kill_latched(&self) -> bool {
        self.kill_word() != 0
    }

    /// True when the latch says that positions are to be closed.
    #[must_use]
    pub fn kill_closes_positions(&self) -> bool {
        self.kill_word() & CLOSES != 0
    }

    /// The latch as it is: a later latch, a repeated one too, makes it another.
    #[must_use]
    pub fn kill_word(&self) -> u64 {
        self.live(Live::KillLatch).load(Ordering::Acquire)
    }

    /// Takes the latch back, if it still is `word`: a kill that came meanwhile stays. Only the
    /// reset of a local operator may call this.
    #[must_use]
    pub fn clear_kill(&self, word: u64) -> bool {
        let latch = self.live(Live::KillLatch);
        // Acquire and release: what led to the latch, and who looks for it next.
        latch
            .compare_exchange(word, 0, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    fn latch(&self, bits: u64) {
        let latch = self.live(Live::KillLatch);
        let mut word = latch.load(Ordering::Relaxed);
        loop {
            let next = word.wrapping_add(ONE_MORE) | bits;
            // Release: who sees the latch sees what led to it.
            match latch.compare_exchange(word, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(found) => word = found,
            }
        }
    }
}

/// The lowest bit of a latch.
const LATCHED: u64 = 1;

/// Positions are to be closed.
const CLOSES: u64 = 2;

/// How often it was latched stands above both bits.
const ONE_MORE: u64 = 4;
