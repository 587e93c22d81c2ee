//! Save and load of a whole book, so that a replay continues exactly where it stood.
//!
//! In: bytes of a checkpoint. Out: the same book, bit for bit in everything that it will do.
//! Never: a length or a value from the bytes that is trusted without a check.

use super::ladder::Ladder;
use super::snapshot::{Incoming, Snapshot};
use super::{Book, BookStats};
use crate::bounds::{LOTS_MAX, TICKS_MAX};
use market::event::DepthHeader;
use market::{BookState, BookTicker, CodecError, DepthUpdate, Level, MonoNs, Reader, Wire};

const VERSION: u8 = 1;

impl Book {
    /// Appends everything that the book is.
    pub fn save(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        put(out, &self.state);
        put(out, &self.last);
        put(out, &self.changed_at);
        put(out, &self.top_changed_at);
        put(out, &self.overlay);
        put(out, &self.requested_at);
        put(out, &self.refreshed_at);
        put(out, &self.edge_hit);
        put(out, &self.half_refreshed);
        for room in self.room_min {
            put(out, &room);
        }
        put(out, &self.stats);
        save_snapshot(&self.snapshot, out);
        save_ladder(&self.bids, out);
        save_ladder(&self.asks, out);
        put(out, &self.hold.since());
        put(out, &(self.hold.len() as u64));
        for update in self.hold.iter() {
            put(out, &update.header);
            for levels in [update.bids, update.asks] {
                put(out, &(levels.len() as u64));
                levels.iter().for_each(|level| put(out, level));
            }
        }
    }

    /// Restores what [`Book::save`] wrote, into a book of the same configuration, and returns the
    /// number of bytes used. After an error the book is in no defined state and must be dropped.
    ///
    /// # Errors
    /// [`CodecError`] when the bytes are no saved book, or one that is too large for this one.
    pub fn load(&mut self, bytes: &[u8]) -> Result<usize, CodecError> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(CodecError::BadDiscriminant(version));
        }
        self.state = BookState::decode(&mut reader)?;
        self.last = DepthHeader::decode(&mut reader)?;
        self.changed_at = MonoNs::decode(&mut reader)?;
        self.top_changed_at = MonoNs::decode(&mut reader)?;
        self.overlay = Option::<BookTicker>::decode(&mut reader)?;
        self.requested_at = Option::<MonoNs>::decode(&mut reader)?;
        self.refreshed_at = MonoNs::decode(&mut reader)?;
        self.edge_hit = bool::decode(&mut reader)?;
        self.half_refreshed = bool::decode(&mut reader)?;
        for room in &mut self.room_min {
            *room = reader.i64()?;
        }
        self.stats = BookStats::decode(&mut reader)?;
        self.snapshot = load_snapshot(&mut reader)?;
        load_ladder(&mut self.bids, &mut reader)?;
        load_ladder(&mut self.asks, &mut reader)?;
        self.hold.restart(reader.u64()?);
        for _ in 0..reader.u64()? {
            self.load_held(&mut reader)?;
        }
        Ok(bytes.len() - reader.remaining())
    }

    fn load_held(&mut self, reader: &mut Reader<'_>) -> Result<(), CodecError> {
        let header = DepthHeader::decode(reader)?;
        let mut sides = [Vec::new(), Vec::new()];
        for levels in &mut sides {
            for _ in 0..reader.u64()? {
                levels.push(Level::decode(reader)?);
            }
        }
        let update = DepthUpdate {
            header,
            bids: &sides[0],
            asks: &sides[1],
        };
        match self.hold.push(&update) {
            0 => Ok(()),
            _ => Err(CodecError::TooLong),
        }
    }
}

fn put<T: Wire>(out: &mut Vec<u8>, value: &T) {
    let mut buffer = [0; 256];
    let length = value
        .to_bytes(&mut buffer)
        .expect("every word of a book is far shorter than the buffer");
    out.extend_from_slice(&buffer[..length]);
}

fn save_ladder(ladder: &Ladder, out: &mut Vec<u8>) {
    let (base, edge, lost, dropped) = ladder.bounds();
    for word in [base, edge, lost] {
        put(out, &word);
    }
    put(out, &dropped);
    ladder.save_levels(out);
}

fn load_ladder(ladder: &mut Ladder, reader: &mut Reader<'_>) -> Result<(), CodecError> {
    let bounds = (reader.i64()?, reader.i64()?, reader.i64()?, reader.u64()?);
    if !ladder.restore(bounds) {
        return Err(CodecError::TooLong);
    }
    for _ in 0..reader.u64()? {
        let (key, quantity) = (reader.i64()?, reader.i64()?);
        if !(1..=LOTS_MAX).contains(&quantity) || key.unsigned_abs() > TICKS_MAX.unsigned_abs() {
            return Err(CodecError::TooLong);
        }
        ladder.set(key, quantity);
    }
    ladder.tighten();
    if ladder.dropped == bounds.3 {
        Ok(())
    } else {
        Err(CodecError::TooLong)
    }
}

fn save_snapshot(snapshot: &Snapshot, out: &mut Vec<u8>) {
    let (tag, incoming) = match snapshot {
        Snapshot::None => return out.push(0),
        Snapshot::Arriving(incoming) => (1, incoming),
        Snapshot::Loaded(incoming) => (2, incoming),
    };
    out.push(tag);
    put(out, &incoming.update_id);
    for flag in [incoming.complete, incoming.widens, incoming.broken] {
        put(out, &flag);
    }
    for key in incoming.reach {
        put(out, &key);
    }
}

fn load_snapshot(reader: &mut Reader<'_>) -> Result<Snapshot, CodecError> {
    let tag = reader.u8()?;
    if tag == 0 {
        return Ok(Snapshot::None);
    }
    let incoming = Incoming {
        update_id: reader.u64()?,
        complete: bool::decode(reader)?,
        widens: bool::decode(reader)?,
        broken: bool::decode(reader)?,
        reach: [reader.i64()?, reader.i64()?],
    };
    match tag {
        1 => Ok(Snapshot::Arriving(incoming)),
        2 => Ok(Snapshot::Loaded(incoming)),
        other => Err(CodecError::BadDiscriminant(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::BookConfig;
    use market::{InstrumentId, Market, Price, Quantity, UpdateId, UtcMs};

    const CONFIG: BookConfig = BookConfig {
        window_ticks: 256,
        far_levels_max: 4,
        held_updates_max: 2,
        held_levels_max: 8,
        fusion: true,
        snapshot_retry_ns: 1_000,
        refresh_interval_ns: 1_000,
    };

    fn book(config: BookConfig) -> Book {
        Book::new(&config, InstrumentId(0), Market::UsdM)
    }

    /// A book that waits for its snapshot and holds two differences of different lengths.
    fn waiting() -> Book {
        let mut book = book(CONFIG);
        for id in [10, 11] {
            let level = |price| Level {
                price: Price(price),
                quantity: Quantity(id),
            };
            let id = id as u64;
            let header = DepthHeader {
                instrument: InstrumentId(0),
                first_update_id: UpdateId(id),
                last_update_id: UpdateId(id),
                previous_update_id: UpdateId(id - 1),
                event_time: UtcMs(5),
                transaction_time: UtcMs(5),
            };
            let bids = [level(99), level(98)];
            let update = DepthUpdate {
                header,
                bids: &bids[..id as usize - 9],
                asks: &[level(101)],
            };
            book.apply(&update, MonoNs(id));
        }
        book
    }

    fn saved(book: &Book) -> Vec<u8> {
        let mut bytes = Vec::new();
        book.save(&mut bytes);
        bytes
    }

    #[test]
    fn a_book_that_waits_for_its_snapshot_is_loaded_with_what_it_holds() {
        let bytes = saved(&waiting());
        let mut loaded = book(CONFIG);
        assert_eq!(loaded.load(&bytes), Ok(bytes.len()));
        assert_eq!(loaded.hold.len(), 2);
        assert!(saved(&loaded) == bytes);
    }

    #[test]
    fn more_differences_than_this_book_can_hold_are_refused() {
        let bytes = saved(&waiting());
        let mut small = book(BookConfig {
            held_updates_max: 1,
            ..CONFIG
        });
        assert_eq!(small.load(&bytes), Err(CodecError::TooLong));
    }

    /// A ladder as saved, with one level.
    fn ladder_bytes(key: i64, quantity: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let empty = book(CONFIG);
        let (base, edge, lost, dropped) = empty.bids.bounds();
        for word in [base, edge, lost] {
            put(&mut bytes, &word);
        }
        put(&mut bytes, &dropped);
        put(&mut bytes, &1_u64);
        put(&mut bytes, &key);
        put(&mut bytes, &quantity);
        bytes
    }

    #[test]
    fn a_level_of_no_price_or_no_quantity_is_refused() {
        let load = |key, quantity| {
            let bytes = ladder_bytes(key, quantity);
            load_ladder(&mut book(CONFIG).bids, &mut Reader::new(&bytes))
        };
        for good in [(TICKS_MAX, 1), (-TICKS_MAX, LOTS_MAX), (5, 5)] {
            assert_eq!(load(good.0, good.1), Ok(()), "{good:?}");
        }
        for bad in [
            (TICKS_MAX + 1, 1),
            (-TICKS_MAX - 1, 1),
            (i64::MIN, 1),
            (5, 0),
            (5, -1),
            (5, LOTS_MAX + 1),
        ] {
            assert_eq!(load(bad.0, bad.1), Err(CodecError::TooLong), "{bad:?}");
        }
    }
}
