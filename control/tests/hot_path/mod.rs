//! A hot path that is only a segment and a story: each trade is an intent, its acceptance, a fill
//! and the position after it, with market and other inputs in the input logs.

use super::running::{StateDir, now_ns};
use ipc::{
    Counter, Histogram, HotpathState, JournalProducer, LossyProducer, PageWriter, Segment,
    SegmentLayout,
};
use market::event::Level;
use market::page::{AccountPage, InstrumentPage, PAGE_BYTES_MAX};
use market::record::{
    Fill, InstrumentRecord, Intent, JournalRecord, OrderChange, PositionRecord, RECORD_BYTES_MAX,
    RECORD_VERSION, Record, Trigger, TriggerKind,
};
use market::{
    BookState, Certainty, ClientOrderId, ExchangeOrderId, InstrumentId, IntentId, Liquidity,
    Market, Money, MonoNs, NewOrder, OrderState, OrderType, PendingRequest, Price, Quantity, Rate,
    Side, Step, StrategyId, Symbol, TimeInForce, TradeId, TradingState, UpdateId, UtcMs, UtcNs,
    Wire,
};

const SYMBOL: &[u8] = b"BTCUSDT";

pub(crate) struct HotPath {
    segment: Segment,
    generation: u32,
    journal: JournalProducer,
    kept: JournalProducer,
    market: LossyProducer,
    account: PageWriter,
    instrument: PageWriter,
    tick_to_order: Histogram,
    journal_records: Counter,
    sequence: u64,
    inputs: u64,
    trades: u64,
}

impl HotPath {
    /// A start of the hot path: its segment exists, one position of 0 is adopted.
    pub(crate) fn start(state: &StateDir, generation: u32) -> Self {
        let path = state.segment(u64::from(generation));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let layout = SegmentLayout {
            identity: "paper binance default".to_string(),
            ..SegmentLayout::default()
        };
        let segment = Segment::create(&path, &layout, 1, 2, u64::from(generation)).unwrap();
        let counters = segment.counters();
        let messages = "ws_messages_total{market=\"usdm\",stream=\"market\"}";
        counters.register(messages).unwrap().add(77);
        let journal_records = counters.register("journal_records_total").unwrap();
        let foreign = "ws_messages_total{market=\"usdm\",stream=\"user\"}";
        counters.register(foreign).unwrap().add(5);
        counters
            .register("hot_allocations_total{thread=\"engine\"}")
            .unwrap();
        let name = "tick_to_order_seconds{market=\"usdm\",symbol=\"BTCUSDT\"}";
        let mut hot_path = Self {
            journal: segment.journal_producer().unwrap(),
            kept: segment.input_log_producer().unwrap(),
            market: segment.market_log_producer().unwrap(),
            account: segment.account_page_writer().unwrap(),
            instrument: segment.instrument_page_writer(0).unwrap(),
            tick_to_order: segment.histograms().register(name).unwrap(),
            segment,
            journal_records,
            generation,
            sequence: 0,
            inputs: 0,
            trades: 0,
        };
        hot_path.segment.set_hotpath_state(HotpathState::Running);
        hot_path.record(Record::Instrument(InstrumentRecord {
            instrument: InstrumentId(0),
            market: Market::UsdM,
            symbol: Symbol::new(SYMBOL).unwrap(),
            tick: Step::from_text(b"0.10").unwrap(),
            lot: Step::from_text(b"0.001").unwrap(),
        }));
        hot_path.position(0);
        hot_path.show();
        hot_path
    }

    /// The exchange's ids go on where an earlier start was.
    pub(crate) fn go_on_from(&mut self, trades: u64) {
        self.trades = trades;
    }

    /// Trades `count` times. Control may be dead: a full ring is waited for, as it would show.
    pub(crate) fn trade(&mut self, count: u64) {
        for _ in 0..count {
            self.trades += 1;
            self.input(true);
            self.input(false);
            self.one_trade();
        }
        self.show();
    }

    pub(crate) fn stop(&mut self) {
        self.show();
        self.segment.set_hotpath_state(HotpathState::StoppedCleanly);
    }

    pub(crate) fn records(&self) -> u64 {
        self.sequence
    }

    pub(crate) fn inputs(&self) -> u64 {
        self.inputs
    }

    fn one_trade(&mut self) {
        let id = ClientOrderId::compose("fu", self.generation, self.trades);
        self.record(Record::Intent(Intent {
            order: NewOrder {
                client_order_id: id,
                intent: IntentId(self.trades),
                instrument: InstrumentId(0),
                strategy: StrategyId(0),
                side: Side::Buy,
                order_type: OrderType::Limit,
                time_in_force: TimeInForce::ImmediateOrCancel,
                price: Price(281_451),
                quantity: Quantity(1),
                reduce_only: false,
            },
            trigger: Trigger {
                kind: TriggerKind::Depth,
                id: 100 + self.trades,
            },
            mid: None,
        }));
        self.record(Record::Fill(Fill {
            client_order_id: id,
            instrument: InstrumentId(0),
            strategy: StrategyId(0),
            side: Side::Buy,
            trade_id: TradeId(self.trades),
            price: Price(281_451),
            quantity: Quantity(1),
            fee: Money(1_000_000),
            realized: Money(0),
            liquidity: Liquidity::Taker,
            transaction_time: UtcMs(1),
        }));
        self.record(Record::OrderChange(OrderChange {
            client_order_id: id,
            instrument: InstrumentId(0),
            strategy: StrategyId(0),
            intent: IntentId(self.trades),
            exchange_order_id: ExchangeOrderId(self.trades),
            state: OrderState::Filled,
            pending: PendingRequest::None,
            certainty: Certainty::Known,
            cumulative_quantity: Quantity(1),
            request: None,
            error_code: 0,
        }));
        self.position(self.trades.cast_signed());
        self.tick_to_order.record(20_000 + self.trades);
    }

    fn position(&mut self, lots: i64) {
        self.record(Record::Position(PositionRecord {
            instrument: InstrumentId(0),
            quantity: Quantity(lots),
            cost_tick_lots: 0,
            realized: Money(0),
            fees: Money(0),
        }));
    }

    fn record(&mut self, body: Record) {
        self.sequence += 1;
        let record = JournalRecord {
            version: RECORD_VERSION,
            sequence: self.sequence,
            input_sequence: self.inputs,
            time: MonoNs(self.sequence),
            utc: UtcNs(1),
            config_hash: 2,
            body,
        };
        let mut bytes = [0; RECORD_BYTES_MAX];
        let length = record.to_bytes(&mut bytes).unwrap();
        self.journal.try_push(&bytes[..length]).unwrap();
        self.journal_records.add(1);
    }

    fn input(&mut self, is_market: bool) {
        self.inputs += 1;
        let mut bytes = self.inputs.to_le_bytes().to_vec();
        bytes.extend_from_slice(b"an event's other bytes, more than one slot of them, to be cut");
        if is_market {
            assert!(
                self.market.push(self.inputs, &bytes),
                "the market ring is large enough"
            );
        } else {
            self.kept.try_push(&bytes).unwrap();
        }
    }

    fn show(&mut self) {
        self.segment.beat_hotpath(now_ns());
        let mut buffer = [0; PAGE_BYTES_MAX];
        let length = account_page(self.inputs).to_bytes(&mut buffer).unwrap();
        self.account.write(&buffer[..length]);
        let lots = self.trades.cast_signed();
        let length = instrument_page(lots).to_bytes(&mut buffer).unwrap();
        self.instrument.write(&buffer[..length]);
    }
}

fn account_page(inputs: u64) -> AccountPage {
    AccountPage {
        trading_state: TradingState::Active,
        reason: market::StateReason::Reconciled,
        input_sequence: inputs,
        time: MonoNs(1),
        utc: UtcNs(1),
        output_hash: 0,
        wallet: Money::from_whole(10_000),
        equity: Money::from_whole(10_000),
        realized: Money(0),
        unrealized: Money(0),
        fees: Money(0),
        funding: Money(0),
        drawdown: Rate(0),
        unknown_ever: 0,
        unknown_now: 0,
        orders_open: 0,
        market_stream_up: true,
        user_stream_up: true,
        reconciled: true,
        gross_notional: Money(0),
        net_notional: Money(0),
        balances_untold: 0,
        orders_inherited: 0,
        strategies_latched: 0,
        config_version: 0,
        config_hash: 0,
    }
}

fn instrument_page(lots: i64) -> InstrumentPage {
    let level = Level {
        price: Price(281_451),
        quantity: Quantity(5),
    };
    InstrumentPage {
        instrument: InstrumentId(0),
        market: Market::UsdM,
        symbol: Symbol::new(SYMBOL).unwrap(),
        tick: Step::from_text(b"0.10").unwrap(),
        lot: Step::from_text(b"0.001").unwrap(),
        book_state: BookState::Synced,
        update_id: UpdateId(1),
        book_time: MonoNs(now_ns()),
        bid: level,
        ask: level,
        imbalance_ratio: 1.5,
        no_signal: None,
        mark: Price(281_451),
        position: Quantity(lots % 10),
        cost_tick_lots: 0,
        realized: Money(0),
        unrealized: Money(0),
        fees: Money(0),
        orders_open: 0,
        orders_unknown: 0,
        orders_sent: 0,
        fills: 0,
        trades_won: 0,
        trades_closed: 0,
        book_gaps: 0,
        book_resyncs: 0,
        protective_stop: Price(0),
        opening: Quantity(0),
        reconciled: true,
    }
}
