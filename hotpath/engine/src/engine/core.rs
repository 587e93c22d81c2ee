//! The state and the order of a step.
//!
//! In: events. Out: requests and records. Never: an allocation after `new`.

use super::assignment::Assignment;
use super::balances::Balances;
use super::emit::Emit;
use super::instrument::InstrumentState;
use super::links::{Link, ReconcileRun};
use super::markouts::Markouts;
use crate::config::{EngineConfig, INSTRUMENTS_MAX, STRATEGIES_MAX};
use crate::event::{Command, Event, Input};
use crate::hash::RollingHash;
use crate::orders::{FillWindow, NEVER, OrderCounters, OrderTable};
use crate::outbox::{Observer, Outbox, Stage};
use crate::planner::Plan;
use crate::risk::{Breakers, Throttle, Trading};
use crate::strategy::{DesiredOrders, Strategy};
use market::record::{
    InstrumentRecord, OutputHash, Record, TradingStateChange, Trigger, TriggerKind,
};
use market::{
    InstrumentId, Market, Money, MonoNs, StateReason, StrategyId, TradingState, UtcMs, UtcNs,
    wire_struct,
};

/// Who closes what no strategy claims.
pub const ACCOUNT_DESK: StrategyId = StrategyId(254);

/// Whose fills are those of orders that are not ours.
pub const FOREIGN: StrategyId = StrategyId(255);

/// Steps from one record of the hash to the next.
const HASH_RECORD_STEPS: u64 = 1 << 16;

/// The state machine.
#[derive(Debug)]
pub struct Engine {
    pub(super) config: EngineConfig,
    /// Of the configuration, for checkpoints.
    pub(super) fingerprint: u64,
    pub(super) instruments: Vec<InstrumentState>,
    /// Strategies on instruments, then one desk an instrument.
    pub(super) assignments: Vec<Assignment>,
    /// Indices into `assignments`, by instrument; the desk last.
    pub(super) by_instrument: Vec<Vec<u16>>,
    pub(super) orders: OrderTable,
    pub(super) trading: Trading,
    pub(super) throttle: Throttle,
    pub(super) breakers: Breakers,
    /// By market.
    pub(super) links: [Link; 2],
    pub(super) run: ReconcileRun,
    /// Ids of orders that are not the engine's and were shown: ordinary ones, conditional ones.
    pub(super) externals: [FillWindow; 2],
    pub(super) facts: EngineFacts,
    /// Instruments on which each strategy opens nothing, by bit.
    pub(super) off: [u64; STRATEGIES_MAX],
    pub(super) hash: RollingHash,
    pub(super) markouts: Markouts,
    pub(super) balances: Balances,
    /// Room for one strategy's wishes; empty between uses.
    pub(super) desired: DesiredOrders,
    /// What follows from them; likewise.
    pub(super) actions: Plan,
    /// Instruments to decide on in this step, by bit.
    pub(super) touched: u64,
    /// Instruments whose page is not written yet, by bit.
    pub(super) dirty: u64,
}

wire_struct! {
    /// Plain facts of the engine.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct EngineFacts {
        /// Last input stepped.
        pub sequence: u64,
        /// Engine time.
        pub now: MonoNs,
        /// Last clock sample; 0 before the first.
        pub utc: UtcNs,
        /// Engine time of it.
        pub utc_at: MonoNs,
        /// Nothing is due before.
        pub deadline: MonoNs,
        /// Last intent.
        pub intent: u64,
        /// The instruments stand in the journal.
        pub announced: bool,
        /// Orders are waiting for a cancel of their own.
        pub sweeping: bool,
        /// Realised profit less fees plus funding, since start.
        pub net_realized: Money,
        /// Funding in it.
        pub funding: Money,
        /// The first clock sample; 0 before it.
        pub began: UtcMs,
        /// Unrealised profit.
        pub unrealized: Money,
        /// Sum of the absolute values of all futures positions.
        pub gross_usdm: Money,
        /// The same of spot.
        pub gross_spot: Money,
        /// Sum of the values of all positions, signed.
        pub net_exposure: Money,
        /// Instruments with a position that had no price yet, by bit.
        pub unvalued: u64,
        /// Since when there is one.
        pub unvalued_since: MonoNs,
        /// Instruments with a futures position that no strategy claims, by bit.
        pub unclaimed: u64,
        /// Inputs that were refused because their numbers cannot be.
        pub absurd_inputs: u64,
        /// Orders of an earlier life that came long after it.
        pub late_orders: u8,
        /// Event times above this, in milliseconds of UTC, are looked at: they may be ahead.
        pub event_limit_ms: i64,
        /// Event times that were ahead of the exchange's clock (F13).
        pub events_ahead: u64,
        /// Clock samples that did not fit to the one before.
        pub clock_steps: u64,
        /// No entry before, after such a sample.
        pub clock_doubted_until: MonoNs,
        /// No earlier start knew this account.
        pub first_start: bool,
        /// Grows with what has to outlive the process.
        pub memory_version: u64,
        /// When orders of others were cancelled last.
        pub externals_cancelled_at: MonoNs,
        /// Version of the configuration; 0 before the first is told.
        pub config_version: u64,
        /// First eight bytes of its SHA-256.
        pub config_hash: u64,
        /// Strategies that were told other parameters since, by bit.
        pub strategies_changed: u32,
    }
}

impl EngineFacts {
    /// Nothing has happened.
    const fn before_anything() -> Self {
        Self {
            sequence: 0,
            now: MonoNs(0),
            utc: UtcNs(0),
            utc_at: MonoNs(0),
            deadline: NEVER,
            intent: 0,
            announced: false,
            sweeping: false,
            net_realized: Money::ZERO,
            funding: Money::ZERO,
            began: UtcMs(0),
            unrealized: Money::ZERO,
            gross_usdm: Money::ZERO,
            gross_spot: Money::ZERO,
            net_exposure: Money::ZERO,
            unvalued: 0,
            unvalued_since: MonoNs(0),
            unclaimed: 0,
            absurd_inputs: 0,
            late_orders: 0,
            event_limit_ms: i64::MAX,
            events_ahead: 0,
            clock_steps: 0,
            clock_doubted_until: MonoNs(0),
            first_start: false,
            memory_version: 0,
            externals_cancelled_at: MonoNs(0),
            config_version: 0,
            config_hash: 0,
            strategies_changed: 0,
        }
    }
}

impl Engine {
    /// A halted engine. The only call that allocates.
    ///
    /// # Panics
    /// When the configuration breaks a bound of [`crate::config`]: it is checked before.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        assert!(config.instruments.len() <= INSTRUMENTS_MAX);
        assert!(config.strategies.len() <= STRATEGIES_MAX);
        let instruments = config
            .instruments
            .iter()
            .enumerate()
            .map(|(index, one)| {
                assert_eq!(usize::from(one.id.0), index, "ids are indices");
                InstrumentState::new(&config.book, one)
            })
            .collect();
        let assignments = assignments(&config);
        let by_instrument = (0..config.instruments.len())
            .map(|index| {
                let here = |one: &usize| usize::from(assignments[*one].instrument.0) == index;
                let all = (0..assignments.len()).filter(here);
                all.map(|one| one as u16).collect()
            })
            .collect();
        let has = |market| config.instruments.iter().any(|one| one.market == market);
        Self {
            fingerprint: config.fingerprint(),
            instruments,
            by_instrument,
            orders: OrderTable::new(&config.orders),
            trading: Trading::new(config.start_active),
            throttle: Throttle::new(&config.risk),
            breakers: Breakers::default(),
            links: [Market::UsdM, Market::Spot].map(|market| Link::new(market, has(market))),
            run: ReconcileRun::default(),
            externals: Default::default(),
            facts: EngineFacts::before_anything(),
            off: [0; STRATEGIES_MAX],
            hash: RollingHash::default(),
            markouts: Markouts::new(),
            balances: Balances::default(),
            desired: DesiredOrders::new(),
            actions: Plan::new(),
            touched: 0,
            dirty: 0,
            assignments,
            config,
        }
    }

    /// Takes one event; what follows from it goes to `outbox`.
    pub fn step<O: Observer>(&mut self, event: &Event<'_>, outbox: &mut Outbox<O>) {
        let mut emit = Emit::new(outbox, self.hash);
        emit.hash.word(event.sequence);
        self.facts.sequence = event.sequence;
        self.facts.now = self.facts.now.max(event.time);
        self.touched = 0;
        if !self.facts.announced {
            self.announce(&mut emit);
        }
        if self.facts.now >= self.markouts.due() {
            self.pass_markouts(&mut emit);
        }
        self.take_input(&event.input, &mut emit);
        emit.stage(Stage::Booked);
        if self.facts.now >= self.facts.deadline {
            self.pass_deadlines(&mut emit);
        }
        self.watch_limits(&mut emit);
        if self.facts.sweeping {
            self.sweep(&mut emit);
        }
        self.decide_touched(trigger_of(&event.input), &mut emit);
        emit.stage(Stage::Decided);
        self.facts.deadline = self.facts.deadline.min(self.orders.wake());
        if event.sequence.is_multiple_of(HASH_RECORD_STEPS) {
            let hash = emit.hash.value();
            emit.record(Record::OutputHash(OutputHash {
                input_sequence: event.sequence,
                hash,
            }));
        }
        if !emit.has_requested {
            self.settle_books();
        }
        self.hash = emit.hash;
        self.dirty |= self.touched;
    }

    /// When a `Time` event is wanted at the latest; `None` while nothing is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        (self.facts.deadline != NEVER).then_some(self.facts.deadline)
    }

    /// Rolling hash of all outputs.
    #[must_use]
    pub fn output_hash(&self) -> u64 {
        self.hash.value()
    }

    /// Instruments whose page may have changed since the last call, by bit.
    pub fn take_dirty(&mut self) -> u64 {
        std::mem::take(&mut self.dirty)
    }

    /// What the engine was told, with what it was told since.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Trading state and why.
    #[must_use]
    pub fn trading_state(&self) -> (TradingState, StateReason) {
        (self.trading.state, self.trading.reason)
    }

    /// True once every market agreed with the exchange in this life.
    #[must_use]
    pub const fn has_reconciled(&self) -> bool {
        self.trading.reconciled
    }

    /// True while a position differs from the exchange's and nothing has explained it.
    #[must_use]
    pub const fn has_mismatch(&self) -> bool {
        self.trading.mismatch
    }

    /// The order table, for a look.
    #[must_use]
    pub fn orders(&self) -> &OrderTable {
        &self.orders
    }

    /// What happened to orders since start.
    #[must_use]
    pub fn order_counters(&self) -> OrderCounters {
        self.orders.counters
    }

    /// Inputs that were refused because their numbers cannot be, since start (F9).
    #[must_use]
    pub fn absurd_inputs(&self) -> u64 {
        self.facts.absurd_inputs
    }

    /// The book of an instrument, for a look.
    #[must_use]
    pub fn book(&self, id: InstrumentId) -> Option<&crate::book::Book> {
        self.instruments.get(usize::from(id.0)).map(|one| &one.book)
    }

    fn announce<O: Observer>(&mut self, emit: &mut Emit<'_, O>) {
        self.facts.announced = true;
        for one in &self.config.instruments {
            emit.record(Record::Instrument(InstrumentRecord {
                instrument: one.id,
                market: one.market,
                symbol: one.symbol,
                tick: one.tick,
                lot: one.lot,
            }));
        }
    }

    fn take_input<O: Observer>(&mut self, input: &Input<'_>, emit: &mut Emit<'_, O>) {
        if self.refuses(input) {
            return;
        }
        match input {
            Input::Depth(_)
            | Input::BookTicker(_)
            | Input::SnapshotBegin(_)
            | Input::SnapshotLevels(_)
            | Input::SnapshotEnd(_)
            | Input::ParseFailure(_) => self.take_book(input, emit),
            Input::Trade(trade) => self.touch(trade.instrument),
            Input::AggTrade(trade) => self.touch(trade.instrument),
            Input::MarkPrice(mark) => self.take_mark(mark),
            Input::Stream(change) => self.take_stream(change, emit),
            Input::OrderReply(reply) => self.take_reply(reply, emit),
            Input::OrderUpdate(update) => self.take_update(update, emit),
            Input::Position(report) => self.take_position(report),
            Input::Balance(report) => self.take_balance(report, emit),
            Input::Command(command) => self.take_command(*command),
            Input::CancelInstrument(id) => self.want_cancels(|one| one.new.instrument == *id),
            Input::CancelOrder(id) => self.want_cancels(|one| one.new.client_order_id == *id),
            Input::KillStep(step) => emit.record(Record::KillStep(*step)),
            Input::Protection(step) => self.take_protection(step, emit),
            Input::Clock(utc) => self.take_clock(*utc, emit),
            Input::JournalLevel(permille) => self.trading.journal_level(*permille),
            Input::Time => {}
            Input::Breakers(memory) => self.remember(memory),
            Input::Cooldown(cooldown) => self.cool_down(*cooldown),
            Input::Margin(report) => self.take_margin(report, emit),
            Input::Liquidation(report) => self.take_liquidation(report),
            Input::Venue(report) => self.take_venue(report),
            Input::Strategy(change) => self.take_strategy(change),
            Input::Configure(one) => self.take_configuration(one, emit),
            _ => self.take_reconciliation(input, emit),
        }
    }

    /// What a look at the account brings, and what there was before the first.
    fn take_reconciliation<O: Observer>(&mut self, input: &Input<'_>, emit: &mut Emit<'_, O>) {
        match input {
            Input::ReconcileBegin => self.begin_reconcile(),
            Input::OpenOrder(report) => self.take_open_order(report, emit),
            Input::AlgoOrder(report) => self.take_algo_order(report, emit),
            Input::Elsewhere(report) => self.take_elsewhere(report),
            Input::ListedTrade(report) => self.take_listed_trade(report, emit),
            Input::TradesListed(id) => self.take_trades_listed(*id, emit),
            Input::ReconcileEnd => self.end_reconcile(emit),
            Input::FirstStart => self.facts.first_start = true,
            Input::Remember(memory) => self.remember_instrument(memory, emit),
            Input::Unseen(id) => self.note_unseen(*id),
            Input::Setup(report) => self.take_setup(report, emit),
            Input::AccountConfig(change) => self.take_account_config(change, emit),
            Input::Listing(report) => self.take_listing(report, emit),
            Input::Income(report) => self.take_income(report, emit),
            Input::InputsLost(_) => self.inputs_lost(emit),
            Input::WalletMoved(market) => self.wallet_moved(*market, emit),
            _ => {}
        }
    }

    /// Upkeep of the books that this step touched. Not in a step whose requests wait to be sent.
    fn settle_books(&mut self) {
        for index in bits(self.touched) {
            self.instruments[index].book.settle();
        }
    }

    fn take_command(&mut self, command: Command) {
        if command == Command::Rearm {
            self.rearm();
        }
        if self.trading.obey(command) {
            self.want_cancels(|_| true);
        }
        self.touch_all();
    }

    /// Values positions, asks the breakers, tells a new trading state.
    fn watch_limits<O: Observer>(&mut self, emit: &mut Emit<'_, O>) {
        for index in bits(self.touched) {
            if self.instruments[index].has_value() {
                self.value_position(index, emit);
            }
            // Nothing would close what no strategy claims: no more until a person has looked.
            let held = self.instruments[index].position.quantity;
            let futures = self.config.instruments[index].market == Market::UsdM;
            let unclaimed = futures && !held.is_zero() && held != self.claimed(index);
            self.facts.unclaimed &= !(1 << index);
            self.facts.unclaimed |= u64::from(unclaimed) << index;
        }
        self.trading.unclaimed = self.facts.unclaimed != 0;
        if self.breakers.judged != Some(self.profit()) {
            self.judge_profit(emit);
        }
        if let Some((from, to, reason)) = self.trading.change() {
            emit.record(Record::TradingState(TradingStateChange {
                from,
                to,
                reason,
            }));
            if to != TradingState::Active {
                self.cancel_what_may_add(None);
            }
            self.touch_all();
        }
    }

    /// Whatever rests and the exchange does not hold to the position may add to it (I19): what its
    /// strategy still wants is placed anew, and judged as things are now. Everywhere, or in one market.
    pub(super) fn cancel_what_may_add(&mut self, only: Option<Market>) {
        for index in 0..self.orders.live().len() {
            let slot = self.orders.live()[index];
            let order = self.orders.get(slot);
            let market = self.market_of(order);
            let here = only.is_none_or(|only| only == market);
            let adds = here && !order.new.only_reduces(market);
            self.orders.get_mut(slot).cancel_wanted |= adds;
        }
        self.facts.sweeping = true;
    }

    /// Profit since start: realised, unrealised, fees and funding.
    pub(super) fn profit(&self) -> Money {
        self.facts.net_realized + self.facts.unrealized
    }

    /// Marks an instrument for a decision in this step.
    pub(super) fn touch(&mut self, id: InstrumentId) {
        if usize::from(id.0) < self.instruments.len() {
            self.touched |= 1 << id.0;
        }
    }

    pub(super) fn touch_all(&mut self) {
        self.touched = match self.instruments.len() {
            INSTRUMENTS_MAX => u64::MAX,
            count => (1 << count) - 1,
        };
    }

    /// The engine is woken at `when` at the latest.
    pub(super) fn schedule(&mut self, when: MonoNs) {
        self.facts.deadline = self.facts.deadline.min(when);
    }

    pub(super) fn index_of(&self, id: InstrumentId) -> Option<usize> {
        let index = usize::from(id.0);
        (index < self.instruments.len()).then_some(index)
    }
}

/// Set bits, lowest first.
pub(super) fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let index = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        (index < 64).then_some(index as usize)
    })
}

fn assignments(config: &EngineConfig) -> Vec<Assignment> {
    let mut all = Vec::new();
    for (index, strategy) in config.strategies.iter().enumerate() {
        for instrument in &strategy.instruments {
            assert!(usize::from(instrument.0) < config.instruments.len());
            let brain = Strategy::new(&strategy.parameters);
            all.push(Assignment::new(
                StrategyId(index as u8),
                *instrument,
                Some(brain),
            ));
        }
    }
    for instrument in &config.instruments {
        all.push(Assignment::new(ACCOUNT_DESK, instrument.id, None));
    }
    all
}

/// The input that a decision of this step is due to.
fn trigger_of(input: &Input<'_>) -> Trigger {
    let (kind, id) = match input {
        Input::Depth(depth) => (TriggerKind::Depth, depth.header.last_update_id.0),
        Input::BookTicker(ticker) => (TriggerKind::BookTicker, ticker.update_id.0),
        Input::Trade(trade) => (TriggerKind::Trade, trade.trade_id.0),
        Input::MarkPrice(_) => (TriggerKind::MarkPrice, 0),
        _ => (TriggerKind::Other, 0),
    };
    Trigger { kind, id }
}
