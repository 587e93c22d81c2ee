//! One instrument's session: its files, its facts, its messages.
//!
//! In: what the catalogue found. Out: messages in order of arrival, the instrument as the
//! recording shows it. Never: a message of another instrument.

use crate::catalog::Options;
use crate::error::RecordingError;
use crate::format::{FileMessages, Format};
use crate::grid::Grids;
use crate::message::{Message, MessageKind};
use market::{Filters, Instrument, InstrumentId, InstrumentStatus, Market, Step, Symbol};
use std::path::{Path, PathBuf};

/// One instrument, recorded in one file or in several that continue each other.
#[derive(Clone, Debug)]
pub struct Session {
    /// Futures have `pu`, spot has none.
    pub market: Market,
    /// As the exchange writes it.
    pub symbol: String,
    /// What the messages showed.
    pub facts: SessionFacts,
    pub(crate) parts: Vec<Part>,
    pub(crate) grids: Grids,
    pub(crate) options: Options,
}

/// What the messages of a session showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// All messages.
    pub messages: u64,
    /// Book differences.
    pub depths: u64,
    /// Best bid and ask.
    pub tickers: u64,
    /// Trades and aggregate trades.
    pub trades: u64,
    /// Mark prices.
    pub marks: u64,
    /// REST snapshots.
    pub snapshots: u64,
    /// Places where a difference does not continue the one before.
    pub gaps: u64,
    /// Receive time of the first message.
    pub first_ns: i64,
    /// Receive time of the last message.
    pub last_ns: i64,
    /// Bad lines left out (`skip_bad`) in the files of this session.
    pub skipped_lines: u64,
}

/// One file of a session.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    /// The only instrument of its file: a snapshot without a name is its own.
    pub(crate) alone: bool,
}

impl Session {
    /// The session's files in order.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().map(|part| part.path.as_path())
    }

    /// Price of one tick.
    #[must_use]
    pub fn tick(&self) -> Step {
        self.grids.price.step()
    }

    /// Quantity of one lot.
    #[must_use]
    pub fn lot(&self) -> Step {
        self.grids.quantity.step()
    }

    /// The instrument as the recording shows it: no filters, trading. None when the symbol is
    /// longer than the longest that the exchange has.
    #[must_use]
    pub fn instrument(&self, id: InstrumentId) -> Option<Instrument> {
        Some(Instrument {
            id,
            market: self.market,
            symbol: Symbol::new(self.symbol.as_bytes())?,
            tick: self.tick(),
            lot: self.lot(),
            price_decimals: self.grids.price.decimals(),
            quantity_decimals: self.grids.quantity.decimals(),
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        })
    }

    /// The messages in order of arrival, read as they are asked for. After an error there is no
    /// further message.
    #[must_use]
    pub fn messages(&self) -> Messages {
        Messages {
            session: self.clone(),
            next_part: 0,
            file: None,
        }
    }
}

/// The messages of one session.
pub struct Messages {
    session: Session,
    next_part: usize,
    file: Option<FileMessages>,
}

impl Iterator for Messages {
    type Item = Result<Message, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(file) = &mut self.file {
                let alone = self.session.parts[self.next_part - 1].alone;
                match file.next() {
                    None => self.file = None,
                    Some(Err(error)) => {
                        self.next_part = self.session.parts.len();
                        self.file = None;
                        return Some(Err(error));
                    }
                    Some(Ok(mut message)) => {
                        let unnamed = message.symbol.is_empty();
                        let is_snapshot = matches!(message.kind, MessageKind::Snapshot { .. });
                        if unnamed && alone && is_snapshot {
                            message.symbol.clone_from(&self.session.symbol);
                        }
                        if message.symbol == self.session.symbol {
                            return Some(Ok(message));
                        }
                    }
                }
                continue;
            }
            let part = self.session.parts.get(self.next_part)?;
            self.next_part += 1;
            match FileMessages::open(&part.path, part.format, self.session.options) {
                Ok(file) => self.file = Some(file),
                Err(error) => {
                    self.next_part = self.session.parts.len();
                    return Some(Err(error));
                }
            }
        }
    }
}
