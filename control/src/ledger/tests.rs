//! The ledger against records as the engine would write them, and against crashes.

use super::*;
use market::ids::Asset;
use market::reason::ExitReason;
use market::record::{
    BookStateChange, Denial, Fill, InstrumentRecord, Intent, JournalRecord, OrderChange,
    PositionRecord, RECORD_BYTES_MAX, RECORD_VERSION, Record, TradeClosed, TradingStateChange,
    Trigger, TriggerKind,
};
use market::{
    BookReason, BookState, Certainty, ClientOrderId, DenialCode, ExchangeOrderId, IncomeKind,
    IncomeReport, InstrumentId, IntentId, Liquidity, Market, Mid, Money, MonoNs, NewOrder,
    OrderState, OrderType, PendingRequest, Price, Quantity, Side, StateReason, Step, StrategyId,
    Symbol, TimeInForce, TradeId, TradingState, UtcMs, UtcNs, Wire,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

mod history;
mod sums;
mod venues;
mod versions;

const HEADER: GenerationHeader = GenerationHeader {
    generation: 1,
    build_id: 2,
    config_hash: 3,
};

struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fulcrum-ledger-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.0.join("ledger.sqlite"), &paper()).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn paper() -> Identity {
    Identity {
        mode: "paper".to_string(),
        account: "default".to_string(),
    }
}

fn order(sequence: u64, side: Side) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId::compose("fu", 1, sequence),
        intent: IntentId(sequence),
        instrument: InstrumentId(0),
        strategy: StrategyId(0),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::PostOnly,
        price: Price(281_451),
        quantity: Quantity(3),
        reduce_only: false,
    }
}

fn intent(sequence: u64, side: Side) -> Record {
    Record::Intent(Intent {
        order: order(sequence, side),
        trigger: Trigger {
            kind: TriggerKind::Depth,
            id: 4711,
        },
        mid: Some(Mid(562_903)),
    })
}

fn fill(sequence: u64, side: Side, lots: i64, realized: i64) -> Record {
    Record::Fill(Fill {
        client_order_id: ClientOrderId::compose("fu", 1, sequence),
        instrument: InstrumentId(0),
        strategy: StrategyId(0),
        side,
        trade_id: TradeId(1000 + sequence),
        price: Price(281_451),
        quantity: Quantity(lots),
        fee: Money(1_688_706),
        realized: Money(realized),
        liquidity: Liquidity::Maker,
        transaction_time: UtcMs(1_700_000_000_000),
    })
}

fn position(lots: i64) -> Record {
    Record::Position(PositionRecord {
        instrument: InstrumentId(0),
        quantity: Quantity(lots),
        cost_tick_lots: i128::from(lots) * 281_451,
        realized: Money(0),
        fees: Money(0),
    })
}

fn unknown(sequence: u64) -> Record {
    Record::OrderChange(OrderChange {
        client_order_id: ClientOrderId::compose("fu", 1, sequence),
        instrument: InstrumentId(0),
        strategy: StrategyId(0),
        intent: IntentId(sequence),
        exchange_order_id: ExchangeOrderId(0),
        state: OrderState::Submitted,
        pending: PendingRequest::Place,
        certainty: Certainty::Unknown,
        cumulative_quantity: Quantity(0),
        request: None,
        error_code: -1006,
    })
}

fn story() -> Vec<Record> {
    vec![
        Record::Instrument(InstrumentRecord {
            instrument: InstrumentId(0),
            market: Market::UsdM,
            symbol: Symbol::new(b"BTCUSDT").unwrap(),
            tick: Step::from_text(b"0.10").unwrap(),
            lot: Step::from_text(b"0.001").unwrap(),
        }),
        position(-2),
        intent(1, Side::Buy),
        unknown(1),
        fill(1, Side::Buy, 3, 500_000_000),
        position(1),
        intent(2, Side::Sell),
        fill(2, Side::Sell, 1, -250_000_000),
        position(0),
        Record::Denial(Denial {
            order: order(0, Side::Buy),
            code: DenialCode::PriceCollar,
        }),
        Record::TradeClosed(TradeClosed {
            instrument: InstrumentId(0),
            strategy: StrategyId(0),
            side: Side::Buy,
            quantity: Quantity(3),
            realized: Money(250_000_000),
            fees: Money(3_377_412),
            held_ns: 5_000_000_000,
            reason: ExitReason::TakeProfit,
            legs: None,
        }),
    ]
}

fn batch(first_sequence: u64, records: &[Record]) -> Batch {
    let mut batch = Batch::default();
    for (sequence, body) in (first_sequence..).zip(records) {
        let record = JournalRecord {
            version: RECORD_VERSION,
            sequence,
            input_sequence: sequence,
            time: MonoNs(sequence),
            utc: UtcNs(sequence.cast_signed()),
            config_hash: 3,
            body: *body,
        };
        let mut bytes = [0; RECORD_BYTES_MAX];
        let length = record.to_bytes(&mut bytes).unwrap();
        batch.push(&bytes[..length]);
    }
    batch
}

fn text(ledger: &Ledger, sql: &str) -> String {
    ledger
        .connection
        .query_row(sql, [], |row| row.get(0))
        .unwrap()
}

#[test]
fn crossed_books_and_the_reason_of_a_held_state_are_known() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    let book = |reason| {
        Record::BookState(BookStateChange {
            instrument: InstrumentId(0),
            from: BookState::Synced,
            to: BookState::Stale,
            reason,
        })
    };
    let state = |from, to, reason| Record::TradingState(TradingStateChange { from, to, reason });
    let (active, reducing) = (TradingState::Active, TradingState::Reducing);
    let records = [
        story()[0],
        book(BookReason::Crossed),
        book(BookReason::Gap),
        state(active, reducing, StateReason::DailyLoss),
    ];
    ledger.ingest(&batch(1, &records)).unwrap();
    let key = ["usdm", "BTCUSDT"].map(str::to_string);
    assert_eq!(ledger.totals().crossed, [(key, 1)].into());
    assert_eq!(ledger.totals().held_by.as_deref(), Some("DAILY_LOSS"));
    assert_eq!(*ledger.totals(), Totals::read(&ledger.connection).unwrap());
    // Free again, the engine names what held it before.
    let free = [state(reducing, active, StateReason::DailyLoss)];
    ledger.ingest(&batch(5, &free)).unwrap();
    assert_eq!(ledger.totals().held_by, None);
    assert_eq!(*ledger.totals(), Totals::read(&ledger.connection).unwrap());
    // A later start has not said anything yet.
    let held = [state(active, reducing, StateReason::ControlLost)];
    ledger.ingest(&batch(6, &held)).unwrap();
    let later = GenerationHeader {
        generation: HEADER.generation + 1,
        ..HEADER
    };
    ledger.turn_to(later).unwrap();
    assert_eq!(ledger.totals().held_by, None);
}

fn income(kind: IncomeKind, transaction_id: u64, trade_id: u64, amount: i64) -> Record {
    Record::Income(IncomeReport {
        kind,
        symbol: Symbol::new(b"BTCUSDT"),
        asset: Asset::new(b"USDT").unwrap(),
        amount: Money(amount),
        time: UtcMs(1_700_000_000_000),
        transaction_id,
        trade_id: TradeId(trade_id),
    })
}

#[test]
fn income_counts_once_over_lives_and_what_differs_from_our_fills_is_counted() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    ledger.ingest(&batch(1, &story())).unwrap();
    let listed = [
        income(IncomeKind::Commission, 1_001, 1_001, -1_688_706),
        income(IncomeKind::RealizedPnl, 1_001, 1_001, 500_000_003),
        income(IncomeKind::Commission, 1_002, 1_002, -1_788_706),
        // No fill of ours: somebody else's trade from before our time.
        income(IncomeKind::Commission, 77, 77, -5),
        income(IncomeKind::FundingFee, 1_001, 0, -900),
        income(IncomeKind::FundingFee, 1_002, 0, 300),
    ];
    ledger.ingest(&batch(12, &listed)).unwrap();
    let expected = |totals: &Totals| {
        let incomes = &totals.incomes;
        let sum = |kind: &str| incomes.by_kind[kind];
        assert_eq!(sum("FUNDING_FEE"), Money(-600));
        assert_eq!(sum("COMMISSION"), Money(-1_688_706 - 1_788_706 - 5));
        // Three units are the exchange's rounding, 100,000 are not.
        assert_eq!(
            (incomes.differences, incomes.difference),
            (1, Money(3 - 100_000))
        );
    };
    expected(ledger.totals());
    assert_eq!(*ledger.totals(), Totals::read(&ledger.connection).unwrap());
    // The next life hears all of it again, and something new.
    let later = GenerationHeader {
        generation: HEADER.generation + 1,
        ..HEADER
    };
    ledger.turn_to(later).unwrap();
    ledger.ingest(&batch(1, &listed)).unwrap();
    expected(ledger.totals());
    let more = [income(IncomeKind::FundingFee, 1_003, 0, 600)];
    ledger.ingest(&batch(7, &more)).unwrap();
    assert_eq!(ledger.totals().incomes.by_kind["FUNDING_FEE"], Money(0));
    assert_eq!(*ledger.totals(), Totals::read(&ledger.connection).unwrap());
    let rows = text(&ledger, "SELECT cast(count(*) AS TEXT) FROM incomes");
    assert_eq!(rows, "7");
}

#[test]
fn the_story_adds_up_and_reads_as_decimal_text() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    ledger.ingest(&batch(1, &story())).unwrap();
    let totals = ledger.totals();
    assert_eq!((totals.records, totals.holes, totals.unread), (11, 0, 0));
    assert_eq!((totals.orders(), totals.fills()), (2, 2));
    assert_eq!(
        totals.realized() - totals.fees(),
        Money(250_000_000 - 3_377_412)
    );
    assert_eq!((totals.unknown_ever, totals.position_mismatches), (1, 0));
    assert_eq!(totals.denials["PRICE_COLLAR"], 1);
    assert_eq!(totals.by_strategy[&0].trades_won, 1);
    assert_eq!(*totals, Totals::read(&ledger.connection).unwrap());
    assert_eq!(
        text(
            &ledger,
            "SELECT price || ' ' || quantity || ' ' || fee || ' ' || realized
            FROM fills_text WHERE sequence = 8"
        ),
        "28145.1 0.001 0.01688706 -2.50000000"
    );
    assert_eq!(text(&ledger, "SELECT net FROM trades_text"), "2.46622588");
    assert_eq!(
        text(
            &ledger,
            "SELECT group_concat(event || ':' || certainty) FROM order_events
            WHERE client_order_id = 'fu00001000000001'"
        ),
        "INTENT:KNOWN,CHANGE:UNKNOWN"
    );
    let rows = intents(ledger.path(), (0, 0), 10).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (rows[0].trigger_kind.as_str(), rows[0].trigger_id),
        ("depth", 4711)
    );
    assert_eq!(rows[0].symbol, "BTCUSDT");
    assert_eq!(
        intents(ledger.path(), (1, rows[0].sequence), 10).unwrap(),
        rows[1..]
    );
}

#[test]
fn the_same_records_twice_are_taken_in_once() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    ledger.ingest(&batch(1, &story())).unwrap();
    let before = ledger.totals().clone();
    ledger.ingest(&batch(1, &story())).unwrap();
    ledger.ingest(&batch(6, &story()[5..])).unwrap();
    assert_eq!(*ledger.totals(), before);
}

#[test]
fn a_crash_between_commit_and_cursor_loses_and_doubles_nothing() {
    let directory = Directory::new();
    let story = story();
    for cut in 1..story.len() {
        let mut ledger = directory.open();
        let header = GenerationHeader {
            generation: cut as u64,
            ..HEADER
        };
        ledger.turn_to(header).unwrap();
        ledger.ingest(&batch(0, &story[..cut])).unwrap();
        // The process dies before it tells the ring; the ring delivers everything again.
        drop(ledger);
        let mut ledger = directory.open();
        assert_eq!(ledger.turn_to(header).unwrap(), Some(cut as u64 - 1));
        ledger.ingest(&batch(0, &story)).unwrap();
        assert_eq!(ledger.totals().records, (cut * story.len()) as u64);
        // The same two trades in each life: a trade of an earlier one is not counted again.
        assert_eq!(ledger.totals().fills(), 2);
        assert_eq!(ledger.totals().position_mismatches, 0, "cut after {cut}");
        assert_eq!(*ledger.totals(), Totals::read(&ledger.connection).unwrap());
    }
}

#[test]
fn a_refused_transaction_changes_nothing() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    ledger.ingest(&batch(1, &story()[..3])).unwrap();
    let before = ledger.totals().clone();
    ledger
        .connection
        .execute_batch("PRAGMA query_only = ON")
        .unwrap();
    assert!(ledger.ingest(&batch(4, &story()[3..])).is_err());
    assert_eq!(*ledger.totals(), before);
    ledger
        .connection
        .execute_batch("PRAGMA query_only = OFF")
        .unwrap();
    ledger.ingest(&batch(4, &story()[3..])).unwrap();
    assert_eq!(ledger.totals().records, 11);
}

#[test]
fn a_hole_is_counted_and_named() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    ledger.ingest(&batch(1, &story()[..4])).unwrap();
    ledger.ingest(&batch(8, &story()[7..])).unwrap();
    assert_eq!(ledger.totals().holes, 3);
    assert_eq!(
        text(
            &ledger,
            "SELECT first_sequence || '-' || last_sequence FROM journal_holes"
        ),
        "5-7"
    );
}

#[test]
fn a_position_that_is_not_the_sum_of_its_fills_is_counted() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    let records = [position(5), fill(1, Side::Sell, 2, 0), position(4)];
    ledger.ingest(&batch(1, &records)).unwrap();
    assert_eq!(ledger.totals().position_mismatches, 1);
}

#[test]
fn a_breaker_that_tripped_is_a_row() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    let record = Record::Breaker(market::record::BreakerRecord {
        breaker: market::Breaker::LossStreak,
        instrument: None,
        strategy: None,
        value: 20,
        limit: 20,
        dry: true,
    });
    ledger.ingest(&batch(1, &[record])).unwrap();
    assert_eq!(ledger.totals().unread, 0);
    let row: (String, Option<u16>, i64, bool) = ledger
        .connection
        .query_row(
            "SELECT breaker, instrument, allowed, dry FROM breakers",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap();
    assert_eq!(row, ("LOSS_STREAK".to_string(), None, 20, true));
}

#[test]
fn what_version_1_wrote_is_read() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    let record = JournalRecord {
        version: 1,
        sequence: 1,
        input_sequence: 1,
        time: MonoNs(1),
        utc: UtcNs(1),
        config_hash: 3,
        body: story()[0],
    };
    let mut bytes = [0; RECORD_BYTES_MAX];
    let length = record.to_bytes(&mut bytes).unwrap();
    let mut records = Batch::default();
    records.push(&bytes[..length]);
    ledger.ingest(&records).unwrap();
    assert_eq!((ledger.totals().records, ledger.totals().unread), (1, 0));
}

#[test]
fn a_record_of_an_unknown_version_is_kept_raw() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    let mut records = batch(1, &story()[..2]);
    let mut later = 77u16.to_le_bytes().to_vec();
    later.extend_from_slice(&3u64.to_le_bytes());
    later.extend_from_slice(b"of a later build");
    records.push(&later);
    let mut broken = RECORD_VERSION.to_le_bytes().to_vec();
    broken.extend_from_slice(&4u64.to_le_bytes());
    records.push(&broken);
    ledger.ingest(&records).unwrap();
    assert_eq!((ledger.totals().records, ledger.totals().unread), (4, 2));
    assert_eq!(ledger.totals().holes, 0);
    let (version, bytes): (u16, Vec<u8>) = ledger
        .connection
        .query_row(
            "SELECT version, bytes FROM unread_records WHERE sequence = 3",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!((version, bytes), (77, later));
}

#[test]
fn a_trade_applied_twice_and_an_id_used_twice_are_counted() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    let records = [
        intent(1, Side::Buy),
        intent(1, Side::Buy),
        fill(1, Side::Buy, 1, 0),
        fill(1, Side::Buy, 1, 0),
    ];
    ledger.ingest(&batch(1, &records)).unwrap();
    assert_eq!(ledger.totals().fill_duplicates, 1);
    assert_eq!(ledger.totals().order_id_reuses, 1);
    assert_eq!(ledger.totals().orders(), 1);
}

#[test]
fn another_accounts_ledger_and_a_later_builds_are_refused() {
    let directory = Directory::new();
    let ledger = directory.open();
    let path = ledger.path().to_path_buf();
    let live = Identity {
        mode: "live".to_string(),
        ..paper()
    };
    assert!(matches!(
        Ledger::open(&path, &live),
        Err(LedgerError::Foreign(_))
    ));
    ledger
        .connection
        .execute(
            "UPDATE meta SET value = '99' WHERE key = 'min_reader_version'",
            [],
        )
        .unwrap();
    assert!(matches!(
        Ledger::open(&path, &paper()),
        Err(LedgerError::TooNew { .. })
    ));
}

#[test]
fn a_reused_generation_number_is_refused() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    let other = GenerationHeader {
        config_hash: 9,
        ..HEADER
    };
    assert!(matches!(
        ledger.turn_to(other),
        Err(LedgerError::GenerationReused(1))
    ));
}

#[test]
fn figures_of_the_other_generations_add_up() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    let histogram = StoredHistogram {
        count: 2,
        sum_ns: 30,
        max_ns: 20,
        cells: vec![1, 1],
    };
    let histograms = BTreeMap::from([("tick_to_order_seconds".to_string(), histogram)]);
    for generation in 1..=3 {
        let name = "non_actions_total{reason=\"COOLDOWN\"}".to_string();
        let figures = BTreeMap::from([(name, generation)]);
        ledger
            .save_figures(generation, &figures, &histograms)
            .unwrap();
        ledger
            .save_figures(generation, &figures, &histograms)
            .unwrap();
    }
    let sums = ledger.figures_without(Some(3)).unwrap();
    assert_eq!(
        sums_by_label(&sums, "non_actions_total", "reason")["COOLDOWN"],
        3
    );
    let merged = &ledger.histograms_without(Some(1)).unwrap()["tick_to_order_seconds"];
    assert_eq!(
        (merged.count, merged.max_ns, &merged.cells[..]),
        (4, 20, &[2, 2][..])
    );
}

#[test]
fn only_orders_that_existed_at_the_exchange_are_confirmed() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    let change = |sequence, state, error_code| {
        let Record::OrderChange(change) = unknown(sequence) else {
            unreachable!("unknown makes an order change");
        };
        Record::OrderChange(OrderChange {
            state,
            error_code,
            certainty: Certainty::Known,
            ..change
        })
    };
    let records = [
        story()[0],
        intent(1, Side::Buy),
        change(1, OrderState::Accepted, 0),
        change(1, OrderState::Filled, 0),
        intent(2, Side::Buy),
        change(2, OrderState::Rejected, -2019),
        intent(3, Side::Sell),
    ];
    ledger.ingest(&batch(1, &records)).unwrap();
    let totals = ledger.totals();
    assert_eq!((totals.orders(), totals.confirmed), (3, 1));
    assert_eq!(totals.rejections[&("usdm".to_string(), -2019)], 1);
    let buys = ["usdm", "BTCUSDT", "BUY", "LIMIT"].map(str::to_string);
    assert_eq!(totals.sent[&buys], 2);
    assert_eq!(*totals, Totals::read(&ledger.connection).unwrap());
}
