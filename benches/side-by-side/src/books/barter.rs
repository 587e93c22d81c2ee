//! barter-data's book: sorted vectors of decimals.
//!
//! In: its own events, made from its own types. Out: sums of the first five levels of its sides.
//! Never: its manager's lock; only the book is compared.

use super::Contender;
use super::maps::lots;
use crate::decoders::{BarterUpdate, barter_update};
use crate::input::Input;
use crate::reference::TOP_LEVELS;
use barter_data::books::{Level as BarterLevel, OrderBook};
use barter_data::subscription::book::OrderBookEvent;
use market::Level;
use rust_decimal::Decimal;
use std::hint::black_box;

pub(super) struct Barter<'a> {
    input: &'a Input,
    events: Vec<OrderBookEvent>,
    book: OrderBook,
    last: [Decimal; 2],
}

impl<'a> Barter<'a> {
    pub(super) fn new(input: &'a Input) -> Self {
        let event = |frame: &[u8]| {
            barter_event(barter_update(frame).expect("the decoders were checked before"))
        };
        Self {
            input,
            events: input.frames().map(event).collect(),
            book: OrderBook::default(),
            last: [Decimal::ZERO; 2],
        }
    }
}

/// As barter-data's transformer turns an update into the event that its books take.
pub(crate) fn barter_event(update: BarterUpdate) -> OrderBookEvent {
    OrderBookEvent::Update(OrderBook::new(
        update.last_update_id,
        Some(update.time_engine),
        update.bids,
        update.asks,
    ))
}

/// Its book before the first message.
pub(crate) fn barter_book(input: &Input) -> OrderBook {
    let side = |levels: &[Level]| {
        let levels = levels.iter().map(|one| {
            let (price, amount) = super::maps::decimals(&input.instrument, one);
            BarterLevel { price, amount }
        });
        levels.collect::<Vec<_>>()
    };
    OrderBook::new(
        input.start_update_id,
        None,
        side(&input.bids),
        side(&input.asks),
    )
}

/// Sums of the first five amounts of both sides.
pub(crate) fn barter_top(book: &OrderBook) -> [Decimal; 2] {
    let sum = |levels: &[BarterLevel]| levels.iter().take(TOP_LEVELS).map(|one| one.amount).sum();
    [sum(book.bids().levels()), sum(book.asks().levels())]
}

impl Contender for Barter<'_> {
    fn name(&self) -> &'static str {
        "barter-data OrderBook"
    }

    fn reset(&mut self) {
        self.book = barter_book(self.input);
    }

    fn message(&mut self, index: usize) {
        self.book.update(&self.events[index]);
        self.last = black_box(barter_top(&self.book));
    }

    fn top(&mut self) -> [i64; 2] {
        self.last.map(|sum| lots(&self.input.instrument, sum))
    }
}
