//! The book of the product, with its checks: continuity of ids, crossing, the known range.
//!
//! In: differences in ticks and lots. Out: the imbalance as strategies get it. Never: a shortcut
//! past the calls of the product.

use super::{Contender, Decoded};
use crate::decoders::OURS;
use crate::input::Input;
use crate::reference::TOP_LEVELS;
use engine::book::{Book, BookConfig, Imbalance};
use engine::event::SnapshotBegin;
use market::{MonoNs, Side, UpdateId};
use std::hint::black_box;

pub(super) struct Ours<'a> {
    input: &'a Input,
    decoded: &'a Decoded,
    book: Book,
    last: Option<Imbalance>,
}

impl<'a> Ours<'a> {
    pub(super) fn new(input: &'a Input, decoded: &'a Decoded) -> Self {
        Self {
            input,
            decoded,
            book: begin(input),
            last: None,
        }
    }
}

/// A book that the first difference of `input` joins.
pub(crate) fn begin(input: &Input) -> Book {
    let instrument = &input.instrument;
    let mut book = Book::new(&BookConfig::default(), instrument.id, instrument.market);
    let start = SnapshotBegin {
        instrument: instrument.id,
        last_update_id: UpdateId(input.start_update_id),
        complete: true,
    };
    book.snapshot_begin(&start, MonoNs(1));
    book.snapshot_levels(Side::Buy, &input.bids);
    book.snapshot_levels(Side::Sell, &input.asks);
    book.snapshot_end(MonoNs(1));
    book
}

/// Lots of the top of both sides; zeros where the book gives none.
pub(crate) fn top(imbalance: Option<Imbalance>) -> [i64; 2] {
    imbalance.map_or([0; 2], |one| [one.bid.0, one.ask.0])
}

impl Contender for Ours<'_> {
    fn name(&self) -> &'static str {
        OURS
    }

    fn reset(&mut self) {
        self.book = begin(self.input);
    }

    fn message(&mut self, index: usize) {
        let update = self.decoded.update(index);
        let now = MonoNs(1_000 * index as u64);
        black_box(self.book.apply(black_box(&update), now));
        self.last = black_box(self.book.imbalance(TOP_LEVELS).ok());
    }

    fn top(&mut self) -> [i64; 2] {
        top(self.last)
    }
}
