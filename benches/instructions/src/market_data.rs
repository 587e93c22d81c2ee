//! Frames to decode, and a book with differences to apply.
//!
//! In: the generated stream. Out: counts that depend on every result, so that nothing is left out
//! by the compiler. Never: an error; the stream is sound.

use binance::decode::decode_stream_message_strictly;
use binance::{DecodeError, StreamMessage, decode_stream_message};
use engine::book::{Book, BookConfig};
use engine::event::{LEVELS_MAX, SnapshotBegin};
use generated::DepthStream;
use market::event::DepthHeader;
use market::{DepthUpdate, Instrument, Instruments, Level, Market, MonoNs, Side, UpdateId};
use std::hint::black_box;

/// Levels of each side in the sum.
const TOP_LEVELS: usize = 5;

/// Frames with a decoder's buffer.
pub struct Frames {
    table: [Instrument; 1],
    frames: Vec<Vec<u8>>,
    levels: Vec<Level>,
}

impl Frames {
    /// `frames`, none decoded yet.
    #[must_use]
    pub fn new(frames: Vec<Vec<u8>>) -> Self {
        Self {
            table: [generated::instrument()],
            frames,
            levels: vec![Level::default(); LEVELS_MAX],
        }
    }

    /// Decodes all frames; the number of those that are no event of a market.
    pub fn decode(&mut self) -> usize {
        self.decode_by(decode_stream_message)
    }

    /// The same on the scalar path: that of other machines, and of everything unexpected.
    pub fn decode_strictly(&mut self) -> usize {
        self.decode_by(decode_stream_message_strictly)
    }

    #[inline]
    fn decode_by(
        &mut self,
        decoder: impl for<'l> Fn(
            &[u8],
            &Instruments<'_>,
            Market,
            &'l mut [Level],
        ) -> Result<StreamMessage<'l>, DecodeError>,
    ) -> usize {
        let instruments = Instruments(&self.table);
        let mut refused = 0;
        for frame in &self.frames {
            let found = decoder(
                black_box(frame),
                &instruments,
                Market::UsdM,
                &mut self.levels,
            );
            refused += usize::from(black_box(found).is_err());
        }
        refused
    }
}

/// A difference with levels of its own.
pub(crate) struct OwnedUpdate {
    header: DepthHeader,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

impl OwnedUpdate {
    pub(crate) fn borrowed(&self) -> DepthUpdate<'_> {
        DepthUpdate {
            header: self.header,
            bids: &self.bids,
            asks: &self.asks,
        }
    }
}

/// All differences of a stream.
pub(crate) fn decoded(stream: &DepthStream) -> Vec<OwnedUpdate> {
    let table = [stream.instrument];
    let mut levels = vec![Level::default(); LEVELS_MAX];
    let one = |frame: &Vec<u8>| {
        let found = decode_stream_message(frame, &Instruments(&table), Market::UsdM, &mut levels);
        let Ok(StreamMessage::Depth(update)) = found else {
            panic!("the stream is sound: {found:?}");
        };
        OwnedUpdate {
            header: update.header,
            bids: update.bids.to_vec(),
            asks: update.asks.to_vec(),
        }
    };
    stream.frames.iter().map(one).collect()
}

/// A synced book and differences that continue it.
pub struct BookWorld {
    book: Book,
    updates: Vec<OwnedUpdate>,
}

impl BookWorld {
    /// The book before the first difference.
    #[must_use]
    pub fn new(stream: &DepthStream) -> Self {
        let instrument = &stream.instrument;
        let mut book = Book::new(&BookConfig::default(), instrument.id, instrument.market);
        let begin = SnapshotBegin {
            instrument: instrument.id,
            last_update_id: UpdateId(stream.start_update_id),
            complete: true,
        };
        book.snapshot_begin(&begin, MonoNs(1));
        book.snapshot_levels(Side::Buy, &stream.bids);
        book.snapshot_levels(Side::Sell, &stream.asks);
        book.snapshot_end(MonoNs(1));
        Self {
            book,
            updates: decoded(stream),
        }
    }

    /// Applies all differences, each followed by the sum of the top; the number of sums that the
    /// book would not give.
    pub fn apply(&mut self) -> usize {
        let mut missing = 0;
        for update in &self.updates {
            black_box(self.book.apply(black_box(&update.borrowed()), MonoNs(2)));
            missing += usize::from(black_box(self.book.imbalance(TOP_LEVELS)).is_err());
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_counted_succeeds() {
        let stream = generated::depth_stream(1, 50);
        assert_eq!(BookWorld::new(&stream).apply(), 0);
        assert_eq!(Frames::new(stream.frames.clone()).decode(), 0);
        assert_eq!(Frames::new(stream.frames).decode_strictly(), 0);
        assert_eq!(Frames::new(generated::book_tickers(1, 20)).decode(), 0);
        assert_eq!(Frames::new(generated::trades(1, 20)).decode(), 0);
        assert_eq!(Frames::new(generated::agg_trades(1, 20)).decode(), 0);
        assert_eq!(Frames::new(vec![b"{".to_vec()]).decode(), 1);
        assert_eq!(Frames::new(vec![b"{".to_vec()]).decode_strictly(), 1);
    }
}
