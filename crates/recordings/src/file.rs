//! Lines of one file, whatever its compression.
//!
//! In: a path. Out: lines with their numbers. Never: the whole file in memory.

use crate::error::RecordingError;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Longest line that is read: a snapshot of 5,000 levels a side is about 300 KB.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// The lines of one file.
pub(crate) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead>,
    line: u64,
}

/// The whole text of a file that is no recording but lies beside them, whatever its compression.
///
/// # Errors
/// [`RecordingError`] when the file is missing, damaged or longer than a recording's line may be.
pub fn read_whole(path: &Path) -> Result<Vec<u8>, RecordingError> {
    let mut lines = Lines::open(path)?;
    let mut text = Vec::new();
    let read = (&mut lines.reader)
        .take(LINE_BYTES_MAX + 1)
        .read_to_end(&mut text);
    let read = read.and_then(|length| match length as u64 <= LINE_BYTES_MAX {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "longer than {LINE_BYTES_MAX} bytes"
        ))),
    });
    read.map(|()| text)
        .map_err(|source| RecordingError::Damaged {
            file: path.to_owned(),
            line: 1,
            source,
        })
}

impl Lines {
    /// Opens a file and looks at its first bytes for the compression.
    pub(crate) fn open(path: &Path) -> Result<Self, RecordingError> {
        let open = || -> io::Result<Box<dyn BufRead>> {
            let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
            let head = file.fill_buf()?;
            if head.starts_with(&GZIP) {
                return Ok(Box::new(BufReader::with_capacity(
                    1 << 18,
                    MultiGzDecoder::new(file),
                )));
            }
            if head.starts_with(&ZSTD) {
                let decoder = zstd::stream::read::Decoder::with_buffer(file)?;
                return Ok(Box::new(BufReader::with_capacity(1 << 18, decoder)));
            }
            Ok(Box::new(file))
        };
        match open() {
            Ok(reader) => Ok(Self {
                path: path.to_owned(),
                reader,
                line: 0,
            }),
            Err(source) => Err(RecordingError::Open {
                file: path.to_owned(),
                source,
            }),
        }
    }

    /// Reads the next line into `text` without its end; false at the end of the file.
    pub(crate) fn next_into(&mut self, text: &mut Vec<u8>) -> Result<bool, RecordingError> {
        text.clear();
        self.line += 1;
        let read = (&mut self.reader)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', text);
        match read {
            Ok(0) => Ok(false),
            Ok(_) => {
                while matches!(text.last(), Some(b'\n' | b'\r')) {
                    text.pop();
                }
                Ok(true)
            }
            Err(source) => Err(RecordingError::Damaged {
                file: self.path.clone(),
                line: self.line,
                source,
            }),
        }
    }

    /// Number of the line read last, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// The error for the line read last.
    pub(crate) fn bad(&self, reason: impl Into<String>) -> RecordingError {
        RecordingError::BadLine {
            file: self.path.clone(),
            line: self.line,
            reason: reason.into(),
        }
    }
}
