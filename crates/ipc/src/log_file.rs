//! The input log on disk: a header and frames, one for each event that entered the engine.
//!
//! In: encoded events in order of their dense sequence (control). Out: the same events, for replay
//! (hot path). Never: a frame that fails its checksum, a jump in the sequence that is not named.
//!
//! ```text
//! 0   8   16         24            32           36        64
//! | magic | build id | config hash | generation | version | zeros |        little endian
//! then frames: | length u32 | CRC-32 u32 | payload |     payload: | sequence u64 | … |
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::RECORD_BYTES_MAX;

const MAGIC: [u8; 8] = *b"FULCLOG1";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 64;
const FRAME_HEAD_BYTES: usize = 8;

/// Whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHeader {
    /// The build that ran.
    pub build_id: u64,
    /// Hash of its configuration.
    pub config_hash: u64,
    /// Start of the hot path.
    pub generation: u64,
}

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// What the system says.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
    /// Not an input log, or of a later form.
    #[error("{path}: no input log of this build: {what}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// A frame in the middle is damaged.
    #[error("{path}: frame at byte {offset} is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the frame begins.
        offset: u64,
    },
}

/// What a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogExtent {
    /// Frames.
    pub frames: u64,
    /// Sequence of the first event.
    pub first: Option<u64>,
    /// Sequence of the last event.
    pub last: Option<u64>,
    /// Events that are missing between first and last.
    pub holes: u64,
}

impl LogExtent {
    fn add(&mut self, sequence: u64) {
        if let Some(last) = self.last {
            self.holes += sequence.saturating_sub(last).saturating_sub(1);
        }
        self.first.get_or_insert(sequence);
        self.last = Some(sequence);
        self.frames += 1;
    }
}

/// The sequence that every payload begins with; none when it is too short.
#[must_use]
pub fn sequence_of(payload: &[u8]) -> Option<u64> {
    let bytes = payload.get(..8)?;
    Some(u64::from_le_bytes(bytes.try_into().expect("8 bytes")))
}

/// Appends to a log.
pub struct LogWriter {
    path: PathBuf,
    file: BufWriter<File>,
    extent: LogExtent,
}

impl LogWriter {
    /// Makes the log, or goes on behind the last whole frame of the one that is there. A frame that
    /// was cut off by a crash is removed.
    ///
    /// # Errors
    /// [`LogError`] when the file is another generation's, or the system refuses.
    pub fn resume(path: &Path, header: LogHeader) -> Result<Self, LogError> {
        let failed = io_error(path);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(&failed)?;
        let length = file.metadata().map_err(&failed)?.len();
        let mut extent = LogExtent::default();
        if length < HEADER_BYTES as u64 {
            file.set_len(0).map_err(&failed)?;
            file.write_all(&encode_header(header)).map_err(&failed)?;
        } else {
            let mut reader = LogReader::open(path)?;
            if reader.header() != header {
                return Err(LogError::Foreign {
                    path: path.into(),
                    what: format!("it belongs to {:?}", reader.header()),
                });
            }
            let mut payload = Vec::new();
            while let Ok(Some(sequence)) = reader.read(&mut payload) {
                extent.add(sequence);
            }
            file.set_len(reader.offset).map_err(&failed)?;
        }
        file.seek(SeekFrom::End(0)).map_err(&failed)?;
        Ok(Self {
            path: path.into(),
            file: BufWriter::with_capacity(1 << 18, file),
            extent,
        })
    }

    /// What the log holds.
    #[must_use]
    pub const fn extent(&self) -> LogExtent {
        self.extent
    }

    /// Appends an encoded event. One that is not after the last is left out: it was delivered
    /// again after a crash. True when it was written.
    ///
    /// # Errors
    /// [`LogError`] when the system refuses, or the payload has no sequence or is too long.
    pub fn append(&mut self, payload: &[u8]) -> Result<bool, LogError> {
        let sequence = sequence_of(payload).filter(|_| payload.len() <= RECORD_BYTES_MAX);
        let Some(sequence) = sequence else {
            return Err(LogError::Foreign {
                path: self.path.clone(),
                what: format!("a payload of {} bytes", payload.len()),
            });
        };
        if self.extent.last.is_some_and(|last| sequence <= last) {
            return Ok(false);
        }
        let length = u32::try_from(payload.len()).expect("at most RECORD_BYTES_MAX");
        let mut head = [0; FRAME_HEAD_BYTES];
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..].copy_from_slice(&crc32(payload).to_le_bytes());
        self.file
            .write_all(&head)
            .and_then(|()| self.file.write_all(payload))
            .map_err(io_error(&self.path))?;
        self.extent.add(sequence);
        Ok(true)
    }

    /// Hands everything to the system, so that it survives the death of this process.
    ///
    /// # Errors
    /// [`LogError`] when the system refuses.
    pub fn flush(&mut self) -> Result<(), LogError> {
        self.file.flush().map_err(io_error(&self.path))
    }
}

/// Reads a log from its beginning.
pub struct LogReader {
    path: PathBuf,
    file: BufReader<File>,
    header: LogHeader,
    offset: u64,
    length: u64,
    last: Option<u64>,
}

impl LogReader {
    /// Opens a log.
    ///
    /// # Errors
    /// [`LogError`] when it is none of ours.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let failed = io_error(path);
        let file = File::open(path).map_err(&failed)?;
        let length = file.metadata().map_err(&failed)?.len();
        let mut file = BufReader::with_capacity(1 << 18, file);
        let mut bytes = [0; HEADER_BYTES];
        file.read_exact(&mut bytes).map_err(&failed)?;
        let header = decode_header(&bytes).map_err(|what| LogError::Foreign {
            path: path.into(),
            what,
        })?;
        Ok(Self {
            path: path.into(),
            file,
            header,
            offset: HEADER_BYTES as u64,
            length,
            last: None,
        })
    }

    /// Whose log it is.
    #[must_use]
    pub const fn header(&self) -> LogHeader {
        self.header
    }

    /// Byte behind the last whole frame that was read.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Puts the next payload into `payload` and returns its sequence; none at the end. A last frame
    /// that was cut off counts as the end.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when a frame fails its checksum or does not follow in sequence.
    pub fn read(&mut self, payload: &mut Vec<u8>) -> Result<Option<u64>, LogError> {
        let left = self.length - self.offset;
        if left < FRAME_HEAD_BYTES as u64 {
            return Ok(None);
        }
        let mut head = [0; FRAME_HEAD_BYTES];
        self.fill(&mut head)?;
        let [a, b, c, d, e, f, g, h] = head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let checksum = u32::from_le_bytes([e, f, g, h]);
        if length > RECORD_BYTES_MAX {
            return Err(self.damaged());
        }
        let frame_bytes = (FRAME_HEAD_BYTES + length) as u64;
        if left < frame_bytes {
            return Ok(None);
        }
        payload.resize(length, 0);
        self.fill(payload)?;
        match sequence_of(payload) {
            Some(sequence)
                if crc32(payload) == checksum && self.last.is_none_or(|last| sequence > last) =>
            {
                self.offset += frame_bytes;
                self.last = Some(sequence);
                Ok(Some(sequence))
            }
            _ => Err(self.damaged()),
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), LogError> {
        self.file.read_exact(bytes).map_err(io_error(&self.path))
    }

    fn damaged(&self) -> LogError {
        LogError::Damaged {
            path: self.path.clone(),
            offset: self.offset,
        }
    }
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> LogError + use<> {
    let path = PathBuf::from(path);
    move |source| LogError::Io {
        path: path.clone(),
        source,
    }
}

fn encode_header(header: LogHeader) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&header.build_id.to_le_bytes());
    bytes[16..24].copy_from_slice(&header.config_hash.to_le_bytes());
    bytes[24..32].copy_from_slice(&header.generation.to_le_bytes());
    bytes[32..36].copy_from_slice(&VERSION.to_le_bytes());
    bytes
}

fn decode_header(bytes: &[u8; HEADER_BYTES]) -> Result<LogHeader, String> {
    if bytes[..8] != MAGIC {
        return Err("it does not begin with FULCLOG1".to_string());
    }
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    let version = u32::from_le_bytes(bytes[32..36].try_into().expect("4 bytes"));
    if version != VERSION {
        return Err(format!("form {version}, this build reads {VERSION}"));
    }
    Ok(LogHeader {
        build_id: word(8),
        config_hash: word(16),
        generation: word(24),
    })
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            let mask = 0_u32.wrapping_sub(value & 1);
            value = (value >> 1) ^ (0xedb8_8320 & mask);
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

/// CRC-32 (IEEE 802.3, reflected), as zip and Ethernet use it.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        CRC_TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: LogHeader = LogHeader {
        build_id: 1,
        config_hash: 2,
        generation: 3,
    };

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let file = format!("fulcrum-log-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(file);
            std::fs::remove_file(&path).ok();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_file(&self.0).ok();
        }
    }

    fn payload(sequence: u64) -> Vec<u8> {
        let mut bytes = sequence.to_le_bytes().to_vec();
        bytes.extend(std::iter::repeat_n(sequence as u8, sequence as usize % 50));
        bytes
    }

    fn sequences(path: &Path) -> Vec<u64> {
        let mut reader = LogReader::open(path).unwrap();
        let mut bytes = Vec::new();
        let mut found = Vec::new();
        while let Some(sequence) = reader.read(&mut bytes).unwrap() {
            assert_eq!(bytes, payload(sequence));
            found.push(sequence);
        }
        found
    }

    #[test]
    fn checksum_is_the_one_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_log_that_was_cut_anywhere_goes_on_behind_its_last_whole_frame() {
        let scratch = Scratch::new("cut");
        let mut writer = LogWriter::resume(&scratch.0, HEADER).unwrap();
        for sequence in 1..=3 {
            assert!(writer.append(&payload(sequence)).unwrap());
        }
        writer.flush().unwrap();
        drop(writer);
        let whole = std::fs::read(&scratch.0).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&scratch.0, &whole[..cut]).unwrap();
            let mut writer = LogWriter::resume(&scratch.0, HEADER).unwrap();
            for sequence in 1..=5 {
                writer.append(&payload(sequence)).unwrap();
            }
            writer.flush().unwrap();
            assert_eq!(writer.extent().holes, 0);
            assert_eq!(sequences(&scratch.0), [1, 2, 3, 4, 5], "cut at {cut}");
        }
    }

    #[test]
    fn a_jump_is_counted_as_holes_also_after_a_restart() {
        let scratch = Scratch::new("holes");
        for sequence in [4, 5, 9] {
            let mut writer = LogWriter::resume(&scratch.0, HEADER).unwrap();
            writer.append(&payload(sequence)).unwrap();
            writer.flush().unwrap();
        }
        let extent = LogWriter::resume(&scratch.0, HEADER).unwrap().extent();
        let expected = LogExtent {
            frames: 3,
            first: Some(4),
            last: Some(9),
            holes: 3,
        };
        assert_eq!(extent, expected);
    }

    #[test]
    fn every_flipped_byte_of_a_frame_is_noticed_and_a_foreign_log_refused() {
        let scratch = Scratch::new("flip");
        let mut writer = LogWriter::resume(&scratch.0, HEADER).unwrap();
        writer.append(&payload(60)).unwrap();
        writer.append(&payload(61)).unwrap();
        writer.flush().unwrap();
        let whole = std::fs::read(&scratch.0).unwrap();
        let first_frame = HEADER_BYTES..HEADER_BYTES + FRAME_HEAD_BYTES + payload(60).len();
        for at in first_frame {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            std::fs::write(&scratch.0, &bytes).unwrap();
            let mut reader = LogReader::open(&scratch.0).unwrap();
            assert!(!matches!(reader.read(&mut Vec::new()), Ok(Some(_))), "{at}");
        }
        std::fs::write(&scratch.0, &whole).unwrap();
        let other = LogHeader {
            generation: 4,
            ..HEADER
        };
        assert!(matches!(
            LogWriter::resume(&scratch.0, other),
            Err(LogError::Foreign { .. })
        ));
    }

    #[test]
    fn a_file_that_is_no_log_or_of_a_later_form_is_refused_and_left_as_it_is() {
        let scratch = Scratch::new("foreign");
        let whole = encode_header(HEADER);
        for (at, said) in [(0, "does not begin with FULCLOG1"), (32, "form 254")] {
            let mut bytes = whole;
            bytes[at] ^= 0xff;
            std::fs::write(&scratch.0, bytes).unwrap();
            let refused = LogReader::open(&scratch.0).err().unwrap().to_string();
            assert!(refused.contains(said), "{refused}");
            assert!(LogWriter::resume(&scratch.0, HEADER).is_err());
            assert_eq!(std::fs::read(&scratch.0).unwrap(), bytes);
        }
    }

    #[test]
    fn an_event_without_a_sequence_or_too_long_is_refused_and_leaves_no_byte() {
        let scratch = Scratch::new("payload");
        let mut writer = LogWriter::resume(&scratch.0, HEADER).unwrap();
        assert!(writer.append(&[0; 7]).is_err());
        assert!(writer.append(&[0; RECORD_BYTES_MAX + 1]).is_err());
        assert!(writer.append(&payload(1)).unwrap());
        writer.flush().unwrap();
        assert_eq!(sequences(&scratch.0), [1]);
    }
}
