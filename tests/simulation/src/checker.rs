//! Who watches: the invariants of the safety catalogue, by independent counts.
//!
//! In: journal records, frames at the last hop, the engine after each step, the exchange's own
//! books. Out: violations, coverage, the hash of a run. Never: a number that the engine computed,
//! where it can be counted again.

mod journal;
mod kill;
mod market_data;
mod money;
mod stops;
mod truth;
mod wire;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use engine::event::StreamKind;
use engine::hash::RollingHash;
use engine::{Engine, EngineConfig};
use market::{
    BookState, ClientOrderId, Instrument, InstrumentId, Money, NewOrder, OrderState, Quantity,
    TradeId, TradingState,
};

use market::record::{Fill, JournalRecord, TradingStateChange};

pub use kill::Moment;

use crate::birth::Birth;
use kill::Killed;
use market_data::{Continuity, Routes};
use money::Flat;
use stops::Stops;
use truth::{Statement, Truth};

/// One broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Number of the event after which it was seen.
    pub step: u64,
    /// Virtual time.
    pub now: u64,
    /// `I1` to `I32`, or `PHASE2`.
    pub invariant: &'static str,
    /// What was seen.
    pub text: String,
}

/// What is known of one order of ours, of whatever life.
#[derive(Clone, Debug)]
pub struct Shadow {
    /// As decided.
    pub order: NewOrder,
    /// In which life.
    pub life: u32,
    /// Newest state of the journal.
    pub state: OrderState,
    /// Sum of the fills that were booked, synthetic ones included.
    pub filled: i64,
    /// Largest quantity that it was told to have filled.
    pub told: i64,
    /// Its fate was not known when the journal spoke of it last.
    pub doubtful: bool,
    /// Its frame was written.
    pub written: bool,
    /// When it was decided.
    pub decided_at: u64,
    /// When it was asked for last, and by which life.
    pub asked: Option<(u32, u64)>,
    /// When the queries were sent that the exchange has answered with "not found".
    pub not_found: Vec<u64>,
    /// Most that it may fill: its quantity, or what an amendment has made of it (F32).
    pub quantity_most: i64,
    /// Somebody else has changed it (F32): it is what the exchange says.
    pub outside: bool,
    /// Amendments that were decided and are not written yet.
    pub amendments: VecDeque<NewOrder>,
}

/// Changes of the trading state that are kept.
pub(crate) const STATES_MAX: usize = 200;

/// Records that a failure shows.
const RECENT: usize = 24;

/// The checker of one run.
pub struct Checker {
    /// What was broken; the first one ends the run.
    pub violations: Vec<Violation>,
    /// Over everything that went in and out.
    pub hash: RollingHash,
    /// Number of the present event.
    pub step: u64,
    /// Orders of ours.
    pub orders: HashMap<ClientOrderId, Shadow>,
    /// Ids that the engine holds for never accepted: they must never live at the exchange.
    pub refused: HashSet<ClientOrderId>,
    /// Of those, not yet compared with the exchange.
    pub refused_fresh: Vec<ClientOrderId>,
    /// Orders written.
    pub orders_written: u64,
    /// Amendments written.
    pub amendments_written: u64,
    /// Trading state by the journal.
    pub state: TradingState,
    /// Position by instrument, from fills and adoptions.
    pub positions: Vec<i64>,
    /// The table.
    pub instruments: Vec<Instrument>,
    /// Pairs of the order table that were entered, over all lives.
    pub pairs: Vec<u64>,
    /// Denials by code.
    pub denials: BTreeMap<&'static str, u64>,
    /// The last records of the journal, for the story of a failure.
    pub recent: VecDeque<JournalRecord>,
    config: Option<EngineConfig>,
    life: u32,
    reconciled: bool,
    last_fill: Option<InstrumentId>,
    trades: HashSet<(InstrumentId, TradeId)>,
    intents: HashSet<u64>,
    journal_sequence: u64,
    fresh: bool,
    /// Records of this life may be missing.
    holed: bool,
    now: u64,
    continuity: Vec<Continuity>,
    routes: Routes,
    silence: HashMap<market::Market, u64>,
    sent_at: VecDeque<u64>,
    last_cursor: Option<ipc::journal::Cursor>,
    differs_since: Vec<Option<u64>>,
    /// Books by the journal.
    book_usable: Vec<bool>,
    /// When the box got the newest difference of each book.
    depth_at: Vec<u64>,
    /// Streams that the engine was told of as live, by market and kind.
    streams_up: HashMap<(market::Market, StreamKind), bool>,
    /// Queries under way, by their ids.
    queries: HashMap<String, (ClientOrderId, u64)>,
    /// The last clock sample, and when it was taken.
    clock: Option<(i64, u64)>,
    /// The samples did not agree: nothing is opened before.
    clock_doubted_until: u64,
    /// A kill that holds.
    kill: Option<Killed>,
    /// A sweep has called itself verified since the last look.
    verified_fresh: Option<market::Market>,
    /// Profit less fees of this life, by its fills.
    booked: Money,
    /// Funding as the engine showed it last.
    funding: Money,
    /// Fills not yet compared with the exchange's.
    fills_fresh: Vec<Fill>,
    /// What the exchange's positions were of late, by instrument.
    truths: Vec<VecDeque<Truth>>,
    /// The newest trade of futures that is in them.
    newest_trade: u64,
    /// The newest trade of each instrument that was booked.
    booked_to: Vec<u64>,
    /// When this life began.
    born_at: u64,
    /// Positions that were adopted since the last look.
    adopted: Vec<Statement>,
    /// The look at the account that is under way: which market, since when.
    look: Option<(market::Market, u64)>,
    /// One that has just ended in agreement.
    agreed: Option<(market::Market, u64)>,
    /// Where the comparison of profits began, by instrument.
    flats: Vec<Flat>,
    /// Protective stops.
    stops: Stops,
    /// Trading states, for people.
    pub states: Vec<(u64, TradingStateChange)>,
    /// Orders that are told to have filled more than was booked, since when.
    untold: BTreeMap<ClientOrderId, u64>,
}

impl Checker {
    /// Before anything happened.
    #[must_use]
    pub fn new() -> Self {
        Self {
            violations: Vec::new(),
            hash: RollingHash::default(),
            step: 0,
            orders: HashMap::new(),
            refused: HashSet::new(),
            refused_fresh: Vec::new(),
            orders_written: 0,
            amendments_written: 0,
            state: TradingState::Halted,
            positions: Vec::new(),
            instruments: Vec::new(),
            pairs: vec![0; 72],
            denials: BTreeMap::new(),
            recent: VecDeque::with_capacity(RECENT),
            config: None,
            life: 0,
            reconciled: false,
            last_fill: None,
            trades: HashSet::new(),
            intents: HashSet::new(),
            journal_sequence: 0,
            fresh: false,
            holed: false,
            now: 0,
            continuity: Vec::new(),
            routes: Routes::default(),
            silence: HashMap::new(),
            sent_at: VecDeque::new(),
            last_cursor: None,
            differs_since: Vec::new(),
            book_usable: Vec::new(),
            depth_at: Vec::new(),
            streams_up: HashMap::new(),
            queries: HashMap::new(),
            clock: None,
            clock_doubted_until: 0,
            kill: None,
            verified_fresh: None,
            booked: Money::ZERO,
            funding: Money::ZERO,
            fills_fresh: Vec::new(),
            truths: Vec::new(),
            newest_trade: 0,
            booked_to: Vec::new(),
            born_at: 0,
            adopted: Vec::new(),
            look: None,
            agreed: None,
            flats: Vec::new(),
            stops: Stops::default(),
            states: Vec::new(),
            untold: BTreeMap::new(),
        }
    }

    /// A life begins: nothing of the engine's memory is left.
    pub fn on_birth(&mut self, birth: &Birth, config: &EngineConfig) {
        let count = birth.instruments.len();
        self.instruments.clone_from(&birth.instruments);
        self.config = Some(config.clone());
        self.life = birth.life;
        self.reconciled = false;
        self.state = TradingState::Halted;
        self.positions = vec![0; count];
        self.trades.clear();
        self.intents.clear();
        self.journal_sequence = 0;
        self.holed = false;
        self.last_cursor = None;
        self.last_fill = None;
        self.differs_since = vec![None; count];
        self.book_usable = vec![false; count];
        self.continuity = vec![Continuity::default(); count];
        self.routes.on_birth(count);
        self.depth_at = vec![0; count];
        self.streams_up.clear();
        self.queries.clear();
        (self.clock, self.clock_doubted_until) = (None, 0);
        self.verified_fresh = None;
        self.booked = Money::ZERO;
        self.fills_fresh.clear();
        self.adopted.clear();
        (self.look, self.agreed) = (None, None);
        self.born_at = birth.now;
        self.truths.resize(count, VecDeque::new());
        self.booked_to = vec![0; count];
        // What is held at a start was opened by another life.
        let unclear = Flat {
            unclear: true,
            ..Flat::default()
        };
        self.flats = vec![unclear; count];
        let settings = crate::protection::stop_settings(birth.seed, birth.life);
        self.stops.on_birth(settings, count);
        self.untold.clear();
        self.keep_silences(birth);
        self.hash.word(u64::from(birth.life));
    }

    /// Notes a broken invariant.
    pub fn broken(&mut self, invariant: &'static str, text: String) {
        self.violations.push(Violation {
            step: self.step,
            now: self.now,
            invariant,
            text,
        });
    }

    /// True while nothing is broken.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.violations.is_empty()
    }

    /// The cursor of the last record that control could make durable.
    #[must_use]
    pub const fn journal_cursor(&self) -> Option<ipc::journal::Cursor> {
        self.last_cursor
    }

    /// What holds after every step. `full` says that the journal may have lost records: a hole is
    /// counted by its writer, and from then on this life is judged by the engine and the exchange.
    pub fn after_step(&mut self, engine: &Engine, full: bool, now: u64) {
        self.now = now;
        self.holed |= full;
        if self.holed {
            return self.follow(engine);
        }
        if std::mem::take(&mut self.fresh) {
            self.compare_with_engine(engine);
        }
        self.check_books(engine);
    }

    /// Takes the engine's word for what the journal does not say any more.
    fn follow(&mut self, engine: &Engine) {
        self.fresh = false;
        self.state = engine.trading_state().0;
        for index in 0..self.positions.len() {
            let id = self.instruments[index].id;
            self.positions[index] = engine.instrument_page(id).position.0;
            let book = engine.book(id);
            let synced = book.is_some_and(|book| book.state() == BookState::Synced);
            self.book_usable[index] = synced;
        }
    }

    /// The engine's own figures against ours (I5, I6, I11).
    fn compare_with_engine(&mut self, engine: &Engine) {
        for index in 0..self.positions.len() {
            let id = self.instruments[index].id;
            let theirs = engine.instrument_page(id).position.0;
            let ours = self.positions[index];
            if self.instruments[index].market == market::Market::UsdM && theirs != ours {
                let text = format!("instrument {index}: engine {theirs}, fills say {ours}");
                self.broken("I11", text);
            }
        }
        let mut intents: Vec<u64> = engine
            .orders()
            .live_orders()
            .map(|order| order.new.intent.0)
            .collect();
        let count = intents.len();
        intents.sort_unstable();
        intents.dedup();
        if intents.len() != count {
            self.broken("I1", "two live orders of one intent".to_owned());
        }
        for order in engine.orders().live_orders() {
            if order.filled > order.new.quantity {
                let text = format!("{:?} filled {}", order.new, order.filled.0);
                self.broken("I6", text);
            }
            if self.refused.contains(&order.new.client_order_id) && !order.state.is_final() {
                let text = format!("{} lives again", order.new.client_order_id.as_str());
                self.broken("I5", text);
            }
        }
        self.check_profit(engine);
        let state = engine.trading_state().0;
        if state != self.state {
            let text = format!("engine is {state}, the journal says {}", self.state);
            self.broken("I25", text);
        }
    }

    /// An engine that was loaded from a checkpoint and saved again gives the same bytes, or not.
    pub fn check_checkpoint(&mut self, same: bool) {
        if !same {
            self.broken(
                "REPLAY",
                "a checkpoint does not come back as it was".to_owned(),
            );
        }
    }

    /// Somebody else changes an order of ours at the exchange (F32).
    pub fn on_amended(&mut self, id: &ClientOrderId, quantity: Quantity) {
        if let Some(shadow) = self.orders.get_mut(id) {
            shadow.quantity_most = shadow.quantity_most.max(quantity.0);
            shadow.outside = true;
        }
    }

    fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(usize::from(id.0))
    }
}

impl Default for Checker {
    fn default() -> Self {
        Self::new()
    }
}

/// Signed lots.
const fn signed(side: market::Side, quantity: Quantity) -> i64 {
    side.sign() * quantity.0
}
