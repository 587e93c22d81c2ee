//! The whole state as bytes, and back.
//!
//! In: an engine, or bytes with a configuration. Out: bytes, or an engine that goes on with the
//! same outputs. Never: a checkpoint of another configuration, a damaged one, another version.
//!
//! ```text
//! magic 8 | version u16 | fingerprint u64 | length u64 | body | checksum u64
//! ```

use super::balances::Balances;
use super::core::Engine;
use super::markouts::Markouts;
use crate::config::EngineConfig;
use crate::hash::RollingHash;
use crate::risk::Throttle;
use market::{CodecError, Reader, StrategyId, Wire, Writer};

const MAGIC: [u8; 8] = *b"FULCRCKP";
const VERSION: u16 = 16;
const HEADER_BYTES: usize = 8 + 2 + 8 + 8;
/// Room for everything but books and orders, which come with their own lengths.
const PART_BYTES_MAX: usize = 16_384;
/// Most bytes of one saved order.
const ORDER_BYTES_MAX: usize = 256;

/// Why a checkpoint cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointError {
    /// The bytes do not begin like a checkpoint.
    NotACheckpoint,
    /// Another build wrote it.
    Version(u16),
    /// It was made under other settings or instruments.
    OtherConfiguration,
    /// It ends early, or bytes follow it.
    Length,
    /// Some of its bytes have changed.
    Checksum,
    /// A part cannot be read although the checksum holds.
    Content(CodecError),
}

impl std::fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotACheckpoint => f.write_str("this is not a checkpoint of the engine"),
            Self::Version(found) => write!(
                f,
                "the checkpoint has version {found}, this build reads version {VERSION}"
            ),
            Self::OtherConfiguration => f.write_str(
                "the checkpoint was made under another configuration; use the settings and \
                 instruments of its own start",
            ),
            Self::Length => f.write_str("the checkpoint is truncated or has bytes after its end"),
            Self::Checksum => f.write_str("the checkpoint is damaged: its checksum does not hold"),
            Self::Content(error) => write!(f, "the checkpoint cannot be read: {error}"),
        }
    }
}

impl std::error::Error for CheckpointError {}

impl From<CodecError> for CheckpointError {
    fn from(error: CodecError) -> Self {
        Self::Content(error)
    }
}

impl Engine {
    /// Appends the whole state to `out`. Allocates only where `out` has no room: the pinned thread
    /// does it now and then, with a buffer that has.
    pub fn save(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.fingerprint.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        let body = out.len();
        self.save_body(out);
        let length = (out.len() - body) as u64;
        out[body - 8..body].copy_from_slice(&length.to_le_bytes());
        let checksum = checksum(&out[start..]);
        out.extend_from_slice(&checksum.to_le_bytes());
    }

    /// An engine of `config` that goes on where the saved one stood.
    ///
    /// # Errors
    /// [`CheckpointError`] says why the bytes cannot be used.
    pub fn load(config: EngineConfig, bytes: &[u8]) -> Result<Self, CheckpointError> {
        let header = bytes
            .get(..HEADER_BYTES)
            .ok_or(CheckpointError::NotACheckpoint)?;
        let mut reader = Reader::new(header);
        if reader.bytes(8)? != MAGIC {
            return Err(CheckpointError::NotACheckpoint);
        }
        let version = reader.u16()?;
        if version != VERSION {
            return Err(CheckpointError::Version(version));
        }
        if reader.u64()? != config.fingerprint() {
            return Err(CheckpointError::OtherConfiguration);
        }
        let length = usize::try_from(reader.u64()?).map_err(|_| CheckpointError::Length)?;
        let whole = HEADER_BYTES
            .checked_add(length)
            .and_then(|sum| sum.checked_add(8));
        if whole != Some(bytes.len()) {
            return Err(CheckpointError::Length);
        }
        let (content, stored) = bytes.split_at(bytes.len() - 8);
        if checksum(content).to_le_bytes() != *stored {
            return Err(CheckpointError::Checksum);
        }
        let mut engine = Self::new(config);
        engine.load_body(&content[HEADER_BYTES..])?;
        Ok(engine)
    }

    fn save_body(&self, out: &mut Vec<u8>) {
        put(out, PART_BYTES_MAX, |writer| {
            self.facts.encode(writer)?;
            self.hash.value().encode(writer)?;
            self.config.risk.encode(writer)?;
            self.off.encode(writer)?;
            self.trading.encode(writer)?;
            self.breakers.encode(writer)?;
            self.run.encode(writer)?;
            self.links.iter().try_for_each(|link| link.encode(writer))?;
            self.throttle.save(writer)
        });
        put(out, 2 * PART_BYTES_MAX, |writer| {
            let mut windows = self.externals.iter();
            windows.try_for_each(|one| one.encode(writer))
        });
        put(out, PART_BYTES_MAX, |writer| {
            let mut strategies = self.config.strategies.iter();
            strategies.try_for_each(|one| one.parameters.encode(writer))
        });
        for one in &self.instruments {
            put(out, PART_BYTES_MAX, |writer| {
                one.facts.encode(writer)?;
                one.position.encode(writer)?;
                one.flow.encode(writer)?;
                one.fills.encode(writer)
            });
            one.book.save(out);
        }
        for one in &self.assignments {
            put(out, PART_BYTES_MAX, |writer| {
                one.position.encode(writer)?;
                one.pauses.encode(writer)?;
                one.executions.encode(writer)?;
                one.opening.encode(writer)?;
                one.brain
                    .as_ref()
                    .map_or(Ok(()), |brain| brain.save(writer))
            });
        }
        let room = PART_BYTES_MAX + self.config.orders.capacity * (ORDER_BYTES_MAX + 2);
        put(out, room, |writer| self.orders.save(writer));
        put(out, Markouts::BYTES_MAX, |writer| {
            self.markouts.save(writer)
        });
        put(out, Balances::BYTES_MAX, |writer| {
            self.balances.save(writer)
        });
    }

    fn load_body(&mut self, body: &[u8]) -> Result<(), CheckpointError> {
        let mut at = 0;
        let mut reader = Reader::new(body);
        self.facts = Wire::decode(&mut reader)?;
        self.hash = RollingHash::resume(reader.u64()?);
        self.config.risk = Wire::decode(&mut reader)?;
        self.throttle = Throttle::new(&self.config.risk);
        self.off = Wire::decode(&mut reader)?;
        self.trading = Wire::decode(&mut reader)?;
        self.breakers = Wire::decode(&mut reader)?;
        self.run = Wire::decode(&mut reader)?;
        for link in &mut self.links {
            *link = Wire::decode(&mut reader)?;
        }
        self.throttle.load(&mut reader)?;
        for window in &mut self.externals {
            *window = Wire::decode(&mut reader)?;
        }
        self.load_strategies(&mut reader)?;
        at += body.len() - reader.remaining();
        for one in &mut self.instruments {
            let mut reader = Reader::new(&body[at..]);
            one.facts = Wire::decode(&mut reader)?;
            one.position = Wire::decode(&mut reader)?;
            one.flow = Wire::decode(&mut reader)?;
            one.fills = Wire::decode(&mut reader)?;
            at = body.len() - reader.remaining();
            at += one.book.load(&body[at..])?;
        }
        let rest = body.get(at..).ok_or(CheckpointError::Length)?;
        let mut reader = Reader::new(rest);
        for one in &mut self.assignments {
            one.position = Wire::decode(&mut reader)?;
            one.pauses = Wire::decode(&mut reader)?;
            one.executions = Wire::decode(&mut reader)?;
            one.opening = Wire::decode(&mut reader)?;
            if let Some(brain) = &mut one.brain {
                brain.load(&mut reader)?;
            }
        }
        self.orders.load(&mut reader)?;
        self.markouts.load(&mut reader)?;
        self.balances.load(&mut reader)?;
        if reader.remaining() != 0 {
            return Err(CheckpointError::Content(CodecError::Trailing));
        }
        self.dirty = u64::MAX;
        Ok(())
    }
}

impl Engine {
    /// Their parameters as they were told last; the configuration of the start says of which kind.
    fn load_strategies(&mut self, reader: &mut Reader<'_>) -> Result<(), CheckpointError> {
        for index in 0..self.config.strategies.len() {
            let parameters = Wire::decode(reader)?;
            let strategy = StrategyId(index as u8);
            let mut places = self.assignments.iter_mut();
            let same_kind = places
                .by_ref()
                .filter(|one| one.strategy == strategy)
                .all(|one| match &mut one.brain {
                    Some(brain) => brain.set_parameters(&parameters),
                    None => false,
                });
            if !same_kind {
                return Err(CheckpointError::OtherConfiguration);
            }
            self.config.strategies[index].parameters = parameters;
        }
        Ok(())
    }
}

/// Appends what `write` writes, at most `room` bytes.
fn put(
    out: &mut Vec<u8>,
    room: usize,
    write: impl FnOnce(&mut Writer<'_>) -> Result<(), CodecError>,
) {
    let start = out.len();
    out.resize(start + room, 0);
    let mut writer = Writer::new(&mut out[start..]);
    write(&mut writer).expect("the room is computed from the capacities");
    let length = writer.length();
    out.truncate(start + length);
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hash = RollingHash::default();
    hash.bytes(bytes);
    hash.value()
}
