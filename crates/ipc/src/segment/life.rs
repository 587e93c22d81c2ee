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

    /// Latches KILLED here: it holds over the death of either process. Nothing here takes it back.
    pub fn latch_kill(&self) {
        // Release: who sees the latch sees what led to it.
        self.live(Live::KillLatch).store(1, Ordering::Release);
    }

    /// True once latched; any word but 0 counts.
    #[must_use]
    pub fn kill_latched(&self) -> bool {
        self.live(Live::KillLatch).load(Ordering::Acquire) != 0
    }
}
