//! Why there is no segment: what was found, what is wanted.
//!
//! In: what the checks found. Out: messages for the operator. Never: a guess.

use std::io;
use std::path::PathBuf;

use crate::layout::LayoutError;
use crate::ring::RingError;

/// What is wrong with a file that should be a segment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Not one of our files.
    #[error("not a Fulcrum segment: it begins with {found:#018x}")]
    Foreign {
        /// Its first word.
        found: u64,
    },
    /// Shorter than any segment, or of another length than it says.
    #[error("truncated or torn: {found} bytes, wanted {wanted}")]
    Truncated {
        /// Length of the file.
        found: u64,
        /// Length that it should have.
        wanted: u64,
    },
    /// A build with another memory layout made it.
    #[error(
        "made by a build with another memory layout: {found:#018x}, this build reads \
         {wanted:#018x}; drain it with the build that made it"
    )]
    OtherLayout {
        /// Its layout.
        found: u64,
        /// Ours.
        wanted: u64,
    },
    /// The header was changed or only written in part.
    #[error("header damaged: checksum {found:#018x}, wanted {wanted:#018x}")]
    Checksum {
        /// Checksum in the header.
        found: u64,
        /// Checksum of the header.
        wanted: u64,
    },
    /// The header holds sizes that cannot be.
    #[error("header damaged: {0}")]
    Layout(#[from] LayoutError),
}

/// Why there is no segment, or no such end of it.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The file is not a segment that this build can use.
    #[error("{path}: {damage}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The wanted sizes are no layout.
    #[error("{path}: {source}")]
    Layout {
        /// The file.
        path: PathBuf,
        /// Which size.
        source: LayoutError,
    },
    /// What the system says.
    #[error("{path}: {action}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The answer.
        source: io::Error,
    },
    /// Another process reads this segment.
    #[error("{path}: process {pid} reads this segment already")]
    ReaderAlive {
        /// The file.
        path: PathBuf,
        /// Its process id.
        pid: u64,
    },
    /// This end was handed out before.
    #[error("{path}: the {end} of this segment was handed out already")]
    Taken {
        /// The file.
        path: PathBuf,
        /// Which end.
        end: &'static str,
    },
    /// Only the process that made the segment has this end.
    #[error("{path}: the {end} belongs to the process that made the segment")]
    Maker {
        /// The file.
        path: PathBuf,
        /// Which end.
        end: &'static str,
    },
    /// A cursor or a record in the ring is impossible.
    #[error("{path}: {end}: {source}")]
    Ring {
        /// The file.
        path: PathBuf,
        /// Which end.
        end: &'static str,
        /// What is wrong.
        source: RingError,
    },
}

impl SegmentError {
    /// True when a build with another memory layout made the file: it may hold what only that
    /// build can read.
    #[must_use]
    pub const fn is_of_another_build(&self) -> bool {
        matches!(
            self,
            Self::Damaged {
                damage: Damage::OtherLayout { .. },
                ..
            }
        )
    }
}
