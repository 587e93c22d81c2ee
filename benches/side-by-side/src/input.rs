//! What every contender is given: frames, and the book before the first of them.
//!
//! In: recordings, or a seed. Out: the busiest run of differences of a session, bare
//! `depthUpdate` objects as they came off the wire. Never: a frame that was changed, a frame
//! without the book that it continues.

use crate::reference::Reference;
use binance::StreamMessage;
use market::{Instrument, InstrumentId, Instruments, Level, Market};
use recordings::{Catalog, MessageKind, Options, Session};
use std::path::Path;

/// Frames of one run of differences.
pub(crate) struct Input {
    /// Short name in tables: R, R2023, E, S.
    pub(crate) name: &'static str,
    /// One line for the page.
    pub(crate) what: String,
    /// Whose book.
    pub(crate) instrument: Instrument,
    /// Version of the book before the first frame.
    pub(crate) start_update_id: u64,
    /// Bids before the first frame, best first.
    pub(crate) bids: Vec<Level>,
    /// Asks before the first frame, best first.
    pub(crate) asks: Vec<Level>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Level changes of all frames.
    pub(crate) changes: usize,
}

/// One of the recorded inputs.
struct Wanted {
    name: &'static str,
    symbol: &'static str,
    market: Market,
    /// Seconds since the epoch that the session must contain.
    at_s: i64,
    year: &'static str,
}

const WANTED: [Wanted; 3] = [
    Wanted {
        name: "R",
        symbol: "BTCUSDT",
        market: Market::UsdM,
        at_s: 1_721_347_202,
        year: "2024",
    },
    Wanted {
        name: "R2023",
        symbol: "BTCUSDT",
        market: Market::UsdM,
        at_s: 1_680_652_802,
        year: "2023",
    },
    Wanted {
        name: "E",
        symbol: "ETHUSDT",
        market: Market::UsdM,
        at_s: 1_721_347_202,
        year: "2024",
    },
];

/// Readable bytes after the last frame.
const PADDING: usize = 64;

impl Input {
    /// Number of frames.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// One frame.
    pub(crate) fn frame(&self, index: usize) -> &[u8] {
        let from = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[from..self.ends[index]]
    }

    /// All frames in order.
    pub(crate) fn frames(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.frame(index))
    }

    /// Bytes of an average frame.
    pub(crate) fn bytes_each(&self) -> f64 {
        self.ends.last().copied().unwrap_or(0) as f64 / self.len() as f64
    }

    /// Level changes of an average frame.
    pub(crate) fn changes_each(&self) -> f64 {
        self.changes as f64 / self.len() as f64
    }

    /// The same input with at most its first `count` frames.
    pub(crate) fn first(&self, count: usize) -> Self {
        let ends = self.ends[..count.min(self.ends.len())].to_vec();
        Self {
            name: self.name,
            what: self.what.clone(),
            instrument: self.instrument,
            start_update_id: self.start_update_id,
            bids: self.bids.clone(),
            asks: self.asks.clone(),
            bytes: self.bytes.clone(),
            changes: self.changes * ends.len() / self.ends.len().max(1),
            ends,
        }
    }

    fn new(
        name: &'static str,
        what: String,
        instrument: Instrument,
        start: &Reference,
        frames: &[Vec<u8>],
    ) -> Result<Self, String> {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        let mut changes = 0;
        for frame in frames {
            bytes.extend_from_slice(frame);
            ends.push(bytes.len());
            changes += count_changes(frame, &instrument)?;
        }
        bytes.extend([0; PADDING]);
        Ok(Self {
            name,
            what,
            instrument,
            start_update_id: start.update_id,
            bids: start.bids(),
            asks: start.asks(),
            bytes,
            ends,
            changes,
        })
    }
}

/// The recorded inputs, busiest `count` differences each; an empty list where there are none.
pub(crate) fn recorded(captures: &Path, count: usize) -> Result<Vec<Input>, String> {
    let folder = captures.join("hftbacktest/usdm");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let catalog =
        Catalog::discover(&folder, Options::default()).map_err(|error| error.to_string())?;
    let mut inputs = Vec::new();
    for wanted in &WANTED {
        let session = catalog.sessions.iter().find(|session| {
            let at_ns = wanted.at_s * 1_000_000_000;
            session.market == wanted.market
                && session.symbol == wanted.symbol
                && (session.facts.first_ns..=session.facts.last_ns).contains(&at_ns)
        });
        if let Some(session) = session {
            eprintln!(
                "input {}: reading {} {}",
                wanted.name, wanted.symbol, wanted.year
            );
            inputs.push(busiest(wanted, session, count)?);
        }
    }
    Ok(inputs)
}

/// The generated input.
pub(crate) fn generated_input(count: usize) -> Result<Input, String> {
    let stream = generated::depth_stream(1, count);
    let start = Reference::new(stream.start_update_id, &stream.bids, &stream.asks);
    Input::new(
        "S",
        format!("generated, seed 1, {count} differences near the touch"),
        stream.instrument,
        &start,
        &stream.frames,
    )
}

/// The run of `count` differences with the most bytes, and the book before it.
fn busiest(wanted: &Wanted, session: &Session, count: usize) -> Result<Input, String> {
    let instrument = session
        .instrument(InstrumentId(0))
        .ok_or("a symbol too long for an instrument")?;
    let mut frames = Vec::new();
    let mut snapshot = None;
    for message in session.messages() {
        let message = message.map_err(|error| error.to_string())?;
        match message.kind {
            MessageKind::Depth { .. } => frames.push(message.payload),
            MessageKind::Snapshot { .. } if snapshot.is_none() => snapshot = Some(message.payload),
            _ => {}
        }
    }
    let snapshot = snapshot.ok_or("a recording without a snapshot")?;
    let count = count.min(frames.len() / 2);
    let sizes: Vec<usize> = frames.iter().map(Vec::len).collect();
    let mut best = (0, 0);
    // The first tenth is left out: the book must be of the snapshot, and as full as it gets.
    for from in frames.len() / 10..frames.len() - count {
        let bytes: usize = sizes[from..from + count].iter().sum();
        best = best.max((bytes, from));
    }
    let from = best.1;
    let mut book = Reference::of_snapshot(&snapshot, &instrument)?;
    for frame in &frames[..from] {
        book.apply_frame(frame, &instrument)?;
    }
    let what = format!(
        "{} USD-M {}, the busiest {count} differences in a row",
        wanted.symbol, wanted.year
    );
    Input::new(
        wanted.name,
        what,
        instrument,
        &book,
        &frames[from..from + count],
    )
}

fn count_changes(frame: &[u8], instrument: &Instrument) -> Result<usize, String> {
    let mut levels = vec![Level::default(); engine::event::LEVELS_MAX];
    let table = [*instrument];
    let message =
        binance::decode_stream_message(frame, &Instruments(&table), instrument.market, &mut levels);
    match message {
        Ok(StreamMessage::Depth(update)) => Ok(update.bids.len() + update.asks.len()),
        other => Err(format!("no difference: {other:?}")),
    }
}
