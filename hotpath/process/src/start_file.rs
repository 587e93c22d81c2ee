//! What a replay needs beside the log: the configuration's text, the instruments, the epoch.
//!
//! In: what the start found. Out: two files beside the input log, and back. Never: a secret.

use crate::configuration::engine_config;
use crate::state_directory::{StateError, write_durably};
use engine::EngineConfig;
use market::{CodecError, Instrument, Reader, Wire, Writer};
use settings::{Settings, SettingsError};
use std::path::{Path, PathBuf};

const MAGIC: u64 = u64::from_le_bytes(*b"FULSTAR2");

/// Most bytes of one encoded instrument.
const INSTRUMENT_BYTES_MAX: usize = 256;

/// Why a start cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum StartFileError {
    /// The configuration beside the log.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The file is not there.
    #[error("{path}: {source}; is this the folder of a generation's input log?")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not one of ours.
    #[error("{path}: not a start file of this build: {source}")]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: CodecError,
    },
}

/// Writes both files into `folder`.
///
/// # Errors
/// [`StateError`].
pub fn write(
    folder: &Path,
    settings_text: &str,
    instruments: &[Instrument],
    epoch: u32,
    start_active: bool,
) -> Result<(), StateError> {
    let mut bytes = vec![0; 32 + instruments.len() * INSTRUMENT_BYTES_MAX];
    let mut writer = Writer::new(&mut bytes);
    let mut encode = || -> Result<usize, CodecError> {
        writer.u64(MAGIC)?;
        writer.u32(epoch)?;
        writer.u8(u8::from(start_active))?;
        writer.u16(u16::try_from(instruments.len()).map_err(|_| CodecError::TooLong)?)?;
        for instrument in instruments {
            instrument.encode(&mut writer)?;
        }
        Ok(writer.length())
    };
    let length = encode().expect("an instrument has at most INSTRUMENT_BYTES_MAX bytes");
    write_durably(&folder.join("start.bin"), &bytes[..length])?;
    write_durably(&folder.join("fulcrum.toml"), settings_text.as_bytes())
}

/// Reads both files of `folder` back into the engine's configuration.
///
/// # Errors
/// [`StartFileError`].
pub fn read(folder: &Path) -> Result<EngineConfig, StartFileError> {
    let mut settings = Settings::read(&folder.join("fulcrum.toml"))?;
    let path = folder.join("start.bin");
    let bytes = std::fs::read(&path).map_err(|source| StartFileError::Unreadable {
        path: path.clone(),
        source,
    })?;
    let (instruments, epoch, start_active) =
        decode(&bytes).map_err(|source| StartFileError::Foreign { path, source })?;
    settings.hot_path.start_active = start_active;
    Ok(engine_config(&settings, instruments, epoch))
}

fn decode(bytes: &[u8]) -> Result<(Vec<Instrument>, u32, bool), CodecError> {
    let mut reader = Reader::new(bytes);
    if reader.u64()? != MAGIC {
        return Err(CodecError::BadText);
    }
    let epoch = reader.u32()?;
    // A start of a crash loop waits, whatever the file says.
    let start_active = reader.u8()? != 0;
    let count = reader.u16()?;
    let instruments = (0..count).map(|_| Instrument::decode(&mut reader));
    let instruments = instruments.collect::<Result<Vec<_>, _>>()?;
    if reader.remaining() == 0 {
        Ok((instruments, epoch, start_active))
    } else {
        Err(CodecError::Trailing)
    }
}
