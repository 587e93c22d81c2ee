//! As many books as an engine can have, at once, while their markets jump.
//!
//! In: differences of 64 small exchanges, mixed by a seed, through one engine. Out: each book shows
//! its own exchange's truth at the version that it names. Never: a level in another's book.

use crate::exchange::{Exchange, Random};
use engine::config::{EngineConfig, INSTRUMENTS_MAX};
use engine::event::{SnapshotBegin, SnapshotLevels};
use engine::{Engine, Event, Input, NoObserver, Outbox, Request};
use market::{
    BookState, Filters, Instrument, InstrumentId, InstrumentStatus, Level, Market, MonoNs, Side,
    Step, Symbol, UpdateId,
};

const SEEDS: u64 = 2;
const ROUNDS: usize = 4_000;
const STEP_NS: u64 = 1_000_000;

struct Fleet {
    seed: u64,
    random: Random,
    exchanges: Vec<Exchange>,
    engine: Engine,
    outbox: Outbox<NoObserver>,
    sequence: u64,
    wanted: Vec<InstrumentId>,
}

#[test]
fn each_of_64_books_shows_its_own_market_wherever_that_jumps() {
    for seed in 0..SEEDS {
        let mut fleet = Fleet::new(seed);
        let mut judged = 0;
        for round in 0..ROUNDS {
            judged += u64::from(fleet.round(round));
        }
        assert!(
            judged > ROUNDS as u64 * 3 / 4,
            "seed {seed}: {judged} looks"
        );
    }
}

impl Fleet {
    fn new(seed: u64) -> Self {
        let instrument = |index: usize| Instrument {
            id: InstrumentId(index as u16),
            market: Market::UsdM,
            symbol: Symbol::new(format!("COIN{index}USDT").as_bytes()).expect("a short text"),
            tick: Step::from_text(b"0.1").expect("a decimal"),
            lot: Step::from_text(b"0.001").expect("a decimal"),
            price_decimals: 2,
            quantity_decimals: 3,
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        };
        let mut config = EngineConfig::new((0..INSTRUMENTS_MAX).map(instrument).collect());
        // A small window, so that jumps and drifts leave it.
        config.book.window_ticks = 1 << 12;
        Self {
            seed,
            random: Random(seed),
            exchanges: (0..INSTRUMENTS_MAX)
                .map(|_| Exchange::new(Market::UsdM))
                .collect(),
            engine: Engine::new(config),
            outbox: Outbox::new(NoObserver),
            sequence: 0,
            wanted: Vec::new(),
        }
    }

    /// A difference of one market; true when its book could be judged.
    fn round(&mut self, round: usize) -> bool {
        // Each market has a first difference, then they come in any order.
        let index = if round < INSTRUMENTS_MAX {
            round
        } else {
            self.random.below(INSTRUMENTS_MAX)
        };
        let id = InstrumentId(index as u16);
        if self.random.once_in(40) {
            self.exchanges[index].jump(&mut self.random);
        }
        for _ in 0..1 + self.random.below(4) {
            self.exchanges[index].change(&mut self.random);
        }
        let mut difference = self.exchanges[index].difference(&mut self.random);
        difference.header.instrument = id;
        if self.random.once_in(100) {
            // Lost: the next one finds the gap.
            return false;
        }
        self.send(Input::Depth(difference.update()));
        while let Some(wanted) = self.wanted.pop() {
            self.answer(wanted);
        }
        self.judge(id)
    }

    fn send(&mut self, input: Input<'_>) {
        self.sequence += 1;
        let event = Event {
            sequence: self.sequence,
            time: MonoNs(self.sequence * STEP_NS),
            input,
        };
        self.engine.step(&event, &mut self.outbox);
        for request in &self.outbox.requests {
            if let Request::Snapshot(id) = request {
                self.wanted.push(*id);
            }
        }
        self.outbox.requests.clear();
    }

    fn answer(&mut self, instrument: InstrumentId) {
        let exchange = &self.exchanges[usize::from(instrument.0)];
        let listing = exchange.listing(exchange.version(), 1_000);
        self.send(Input::SnapshotBegin(SnapshotBegin {
            instrument,
            last_update_id: UpdateId(listing.update_id),
            complete: listing.complete,
        }));
        for (side, levels) in [(Side::Buy, &listing.bids), (Side::Sell, &listing.asks)] {
            self.send(Input::SnapshotLevels(SnapshotLevels {
                instrument,
                side,
                levels,
            }));
        }
        self.send(Input::SnapshotEnd(instrument));
    }

    fn judge(&self, id: InstrumentId) -> bool {
        let book = self.engine.book(id).expect("there are 64");
        if book.state() != BookState::Synced {
            return false;
        }
        let exchange = &self.exchanges[usize::from(id.0)];
        for side in [Side::Buy, Side::Sell] {
            let expected = exchange.truth(book.update_id().0, side, book.edge(side));
            let found: Vec<Level> = book.levels(side).collect();
            assert_eq!(found, expected, "seed {} {id:?} {side}", self.seed);
        }
        true
    }
}
