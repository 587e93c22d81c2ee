//! Why a recording cannot be read.
//!
//! In: what went wrong and where. Out: one sentence for the operator that names file and line.
//! Never: a panic.

use std::path::{Path, PathBuf};

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be opened.
    #[error("{}: cannot open the recording: {source}", file.display())]
    Open {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file ends or breaks inside its compression.
    #[error("{}: line {line}: the file breaks off or is damaged: {source}", file.display())]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// The line that could not be read whole, from 1.
        line: u64,
        /// What the decompressor says.
        source: std::io::Error,
    },
    /// A line is not what the format has.
    #[error("{}: line {line}: {reason}", file.display())]
    BadLine {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The content is no format that we know.
    #[error("{}: not a recording of a known format (hftbacktest or cryptofeed)", file.display())]
    UnknownFormat {
        /// Which file.
        file: PathBuf,
    },
    /// The files hold no depth message of any instrument.
    #[error("no book differences of any instrument in the recordings given")]
    NoSession,
}

impl RecordingError {
    /// The file that it is about.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Open { file, .. }
            | Self::Damaged { file, .. }
            | Self::BadLine { file, .. }
            | Self::UnknownFormat { file } => Some(file),
            Self::NoSession => None,
        }
    }
}
