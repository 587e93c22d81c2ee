//! What a history has beside orders and fills: funding of trades, markouts, equity, days.

use super::*;
use market::record::{BalanceRecord, EntryReason, Markout, MarkoutAfter, NoMid, TradeLegs};
use proptest::prelude::*;

const DAY_NS: i64 = 86_400_000_000_000;
const HOUR_MS: i64 = 3_600_000;

fn trade(opened: i64, closed: i64, strategy: u8) -> Record {
    Record::TradeClosed(TradeClosed {
        instrument: InstrumentId(0),
        strategy: StrategyId(strategy),
        side: Side::Buy,
        quantity: Quantity(3),
        realized: Money(100),
        fees: Money(10),
        held_ns: 5,
        reason: ExitReason::Time,
        legs: Some(TradeLegs {
            lots: Quantity(3),
            entry_tick_lots: 3 * 281_451 + 1,
            exit_tick_lots: 3 * 281_461,
            entry_reason: EntryReason::Order,
            entry_order: ClientOrderId::compose("fu", 1, 1),
            exit_order: ClientOrderId::compose("fu", 1, 2),
            opened: UtcMs(opened),
            closed: UtcMs(closed),
        }),
    })
}

fn funding(id: u64, time: i64, amount: i64) -> Record {
    let Record::Income(mut report) = income(IncomeKind::FundingFee, id, 0, amount) else {
        panic!("an income");
    };
    report.time = UtcMs(time);
    Record::Income(report)
}

fn fill_at(number: u64, side: Side, lots: i64, strategy: u8, time: i64) -> Record {
    let Record::Fill(mut one) = fill(number, side, lots, 0) else {
        panic!("a fill");
    };
    one.strategy = StrategyId(strategy);
    one.transaction_time = UtcMs(time);
    Record::Fill(one)
}

fn funded(records: &[Record]) -> Vec<i64> {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    ledger.ingest(&batch(1, records)).unwrap();
    let sql = "SELECT funding_e8 FROM trade_legs ORDER BY sequence";
    let mut statement = ledger.connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn funding_belongs_to_the_trade_that_was_open_whichever_is_told_first() {
    let one = trade(HOUR_MS, 3 * HOUR_MS, 0);
    let paid = [
        funding(1, HOUR_MS, -1),
        funding(2, 2 * HOUR_MS, -20),
        funding(3, 3 * HOUR_MS, -300),
        funding(4, 3 * HOUR_MS + 1, -4_000),
    ];
    let before: Vec<Record> = [story()[0]].into_iter().chain(paid).chain([one]).collect();
    let after: Vec<Record> = [story()[0], one].into_iter().chain(paid).collect();
    // What is charged at the moment of the entry was charged before it.
    assert_eq!(funded(&before), [-320]);
    assert_eq!(funded(&after), [-320]);
}

#[test]
fn strategies_that_share_a_position_share_its_funding_by_their_parts() {
    let records = [
        story()[0],
        fill_at(1, Side::Buy, 3, 0, HOUR_MS),
        fill_at(2, Side::Sell, 1, 1, HOUR_MS),
        trade(HOUR_MS, 3 * HOUR_MS, 0),
        funding(2, 2 * HOUR_MS, -20),
    ];
    // The account held 2 lots: 3 of the one and a short one of the other.
    assert_eq!(funded(&records), [-30]);
}

#[test]
fn markouts_decisions_trades_and_balances_read_as_decimal_text() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    let look = |after, mid: Option<i64>, none_because| {
        Record::Markout(Markout {
            instrument: InstrumentId(0),
            side: Side::Buy,
            trade_id: TradeId(9),
            after,
            mid: mid.map(Mid),
            none_because,
        })
    };
    let records = [
        story()[0],
        intent(1, Side::Buy),
        look(MarkoutAfter::Fill, Some(562_903), None),
        look(MarkoutAfter::S10, None, Some(NoMid::Stale)),
        trade(1, 2, 0),
        Record::Balance(BalanceRecord {
            asset: Asset::new(b"BNB").unwrap(),
            wallet: Money(150_000_000),
            event_time: UtcMs(3),
        }),
    ];
    ledger.ingest(&batch(1, &records)).unwrap();
    let looks = "SELECT group_concat(after || ' ' || coalesce(mid, none_because), ', ')
        FROM markouts_text";
    assert_eq!(text(&ledger, looks), "FILL 28145.15, 10S STALE");
    assert_eq!(text(&ledger, "SELECT mid FROM orders_text"), "28145.15");
    let ends = "SELECT entry_price || ' ' || exit_price || ' ' || quantity FROM trades_text";
    assert_eq!(text(&ledger, ends), "28145.13333333 28146.10000000 0.003");
    let balance = "SELECT asset || ' ' || wallet FROM balances_text";
    assert_eq!(text(&ledger, balance), "BNB 1.50000000");
}

fn sample(time: i64, equity: i64) -> EquitySample {
    EquitySample {
        time: UtcNs(time),
        generation: 1,
        wallet: Money(equity),
        unrealized: Money(0),
        equity: Money(equity),
        gross: Money(0),
        net: Money(0),
        state: TradingState::Active,
    }
}

fn curve(ledger: &Ledger) -> Vec<statistics::EquitySample> {
    let sql = "SELECT time_ns, equity_e8 FROM equity ORDER BY 1";
    let mut statement = ledger.connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        Ok(statistics::EquitySample {
            time: UtcNs(row.get(0)?),
            equity: Money(row.get(1)?),
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

const SECOND: i64 = 1_000_000_000;
const THINNING: Thinning = Thinning {
    seconds_for_ns: 600 * SECOND,
    minutes_for_ns: 7_200 * SECOND,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn thinning_changes_no_maximum_drawdown_and_is_done_once(
        steps in prop::collection::vec(-1_000_000i64..1_000_000, 2_000..9_000),
        transfers in prop::collection::vec((1i64..9_000, -40_000_000i64..50_000_000), 0..4),
        every in 1i64..4,
    ) {
        let directory = Directory::new();
        let mut ledger = directory.open();
        ledger.turn_to(HEADER).unwrap();
        let mut flows = Vec::new();
        let records: Vec<Record> = (0..).zip(&transfers).map(|(id, (second, amount))| {
            let time = second * every * 1_000;
            flows.push(statistics::Flow { time: UtcNs(time * 1_000_000), amount: Money(*amount) });
            let Record::Income(mut one) = income(IncomeKind::Transfer, id, 0, *amount) else {
                panic!("an income");
            };
            one.time = UtcMs(time);
            Record::Income(one)
        }).collect();
        ledger.ingest(&batch(1, &records)).unwrap();
        let mut equity = 1_000_000_000i64;
        let transaction = ledger.connection.transaction().unwrap();
        for (second, step) in (1..).zip(&steps) {
            let time = second * every * SECOND;
            let before = time - every * SECOND;
            let moved: i64 = flows.iter()
                .filter(|flow| flow.time.0 > before && flow.time.0 <= time)
                .map(|flow| flow.amount.0).sum();
            equity += step + moved;
            Ledger::write_equity(&transaction, &sample(time, equity), Money(0)).unwrap();
        }
        transaction.commit().unwrap();
        let whole = curve(&ledger);
        let before = statistics::drawdown::drawdown(&whole, &flows).unwrap();
        let now = UtcNs(steps.len() as i64 * every * SECOND + 5_000 * SECOND);
        while ledger.thin_equity(now, &THINNING).unwrap() {}
        let thin = curve(&ledger);
        prop_assert!(thin.len() * 3 < whole.len(), "{} of {}", thin.len(), whole.len());
        let after = statistics::drawdown::drawdown(&thin, &flows).unwrap();
        prop_assert_eq!(after.absolute, before.absolute);
        let (after_ratio, before_ratio) = (after.ratio.unwrap(), before.ratio.unwrap());
        prop_assert!((after_ratio - before_ratio).abs() < 1e-12, "{after_ratio} {before_ratio}");
        prop_assert_eq!(thin.last(), whole.last());
        while ledger.thin_equity(now, &THINNING).unwrap() {}
        prop_assert_eq!(curve(&ledger), thin.clone());
        // A day later all of it is by the hour.
        let later = UtcNs(now.0 + DAY_NS);
        while ledger.thin_equity(later, &THINNING).unwrap() {}
        let hourly = curve(&ledger);
        let again = statistics::drawdown::drawdown(&hourly, &flows).unwrap();
        prop_assert_eq!(again.absolute, before.absolute);
        prop_assert!((again.ratio.unwrap() - before_ratio).abs() < 1e-12);
        let hours = steps.len() as i64 * every / 3_600 + 1;
        let bound = (hours + flows.len() as i64) * 8;
        prop_assert!((hourly.len() as i64) <= bound, "{} of at most {bound}", hourly.len());
    }
}

fn daily(ledger: &Ledger) -> String {
    let sql = "SELECT group_concat(day || ' ' || strategy || ' ' || symbol || ' ' || trades || ' '
        || won || ' ' || lost || ' ' || realized_e8 || ' ' || fees_e8 || ' ' || funding_e8 || ' '
        || coalesce(transfers_e8, '-') || ' ' || coalesce(equity_first_e8, '-') || ' '
        || coalesce(equity_last_e8, '-') || ' ' || coalesce(equity_min_e8, '-') || ' '
        || coalesce(equity_max_e8, '-') || ' ' || coalesce(active_ns, '-'), char(10))
        FROM (SELECT * FROM daily ORDER BY day, strategy)";
    text(ledger, sql)
}

/// Records at a time of UTC.
fn ingest_at(ledger: &mut Ledger, sequence: u64, utc: i64, body: Record) {
    let mut one = Batch::default();
    let record = JournalRecord {
        version: RECORD_VERSION,
        sequence,
        input_sequence: sequence,
        time: MonoNs(sequence),
        utc: UtcNs(utc),
        config_hash: 3,
        body,
    };
    let mut bytes = [0; RECORD_BYTES_MAX];
    let length = record.to_bytes(&mut bytes).unwrap();
    one.push(&bytes[..length]);
    ledger.ingest(&one).unwrap();
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "the facts of a whole day, and its row"
)]
fn a_day_is_summarised_once_it_is_over_and_the_same_however_often() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    let day = 20_000 * DAY_NS;
    let state = |from, to| {
        Record::TradingState(TradingStateChange {
            from,
            to,
            reason: StateReason::Reconciled,
        })
    };
    let (halted, active) = (TradingState::Halted, TradingState::Active);
    let hour = 3_600 * SECOND;
    ingest_at(&mut ledger, 1, day + 1, story()[0]);
    ingest_at(&mut ledger, 2, day + hour, state(halted, active));
    ingest_at(&mut ledger, 3, day + 2 * hour, fill(1, Side::Buy, 3, 0));
    ingest_at(&mut ledger, 4, day + 3 * hour, state(active, halted));
    ingest_at(&mut ledger, 5, day + 20 * hour, state(halted, active));
    let ms = day / 1_000_000;
    ingest_at(
        &mut ledger,
        6,
        day + DAY_NS,
        trade(ms, ms + 24 * HOUR_MS, 0),
    );
    ingest_at(
        &mut ledger,
        7,
        day + DAY_NS + 1,
        trade(ms, ms + 25 * HOUR_MS, 0),
    );
    ingest_at(
        &mut ledger,
        8,
        day + DAY_NS + 1,
        funding(1, ms + 8 * HOUR_MS, -95),
    );
    for (at, equity) in [
        (hour, 500),
        (2 * hour, 300),
        (3 * hour, 900),
        (DAY_NS, 700),
        (DAY_NS + hour, 1),
    ] {
        let one = sample(day + at, equity);
        ledger
            .write_samples((1, one.time), Some(&one), &[], &[])
            .unwrap();
    }
    assert!(
        !ledger
            .summarise_days(UtcNs(day + DAY_NS + 59 * SECOND))
            .unwrap()
    );
    assert_eq!(count_of(&ledger, "daily"), 0, "it is not over");
    while ledger
        .summarise_days(UtcNs(day + DAY_NS + 61 * SECOND))
        .unwrap()
    {}
    let fee = 1_688_706;
    let expected = format!(
        "2024-10-04 -1  1 0 1 0 {fee} -95 0 500 700 300 900 {active_ns}\n\
         2024-10-04 0 BTCUSDT 1 0 1 100 10 -95 - - - - - -",
        active_ns = 6 * hour
    );
    assert_eq!(daily(&ledger), expected);
    // Again, and a day later: the same, and the next day beside it.
    ledger.summarise_from(20_000, 20_001).unwrap();
    assert_eq!(daily(&ledger), expected);
    while ledger
        .summarise_days(UtcNs(day + 2 * DAY_NS + 61 * SECOND))
        .unwrap()
    {}
    assert!(
        daily(&ledger).contains("2024-10-05 -1  1 0 1 0 0 0 0 1 1 1 1"),
        "{}",
        daily(&ledger)
    );
    assert!(daily(&ledger).contains(&expected), "{}", daily(&ledger));
    // What the exchange lists late is in its day once the next one is over.
    ingest_at(
        &mut ledger,
        9,
        day + 2 * DAY_NS + 2,
        funding(2, ms + 16 * HOUR_MS, -1_000),
    );
    while ledger
        .summarise_days(UtcNs(day + 3 * DAY_NS + 61 * SECOND))
        .unwrap()
    {}
    assert!(
        daily(&ledger).contains("2024-10-04 0 BTCUSDT 1 0 1 100 10 -1095"),
        "{}",
        daily(&ledger)
    );
}

fn count_of(ledger: &Ledger, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    ledger
        .connection
        .query_row(&sql, [], |row| row.get(0))
        .unwrap()
}

#[test]
fn samples_of_a_moment_are_written_together_and_state_outlives_a_restart() {
    let directory = Directory::new();
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    ledger.ingest(&batch(1, &story()[..1])).unwrap();
    let signal = |ratio, no_signal| SignalSample {
        instrument: 0,
        imbalance_ratio: ratio,
        no_signal,
        book_state: BookState::Synced,
        bid: Price(281_451),
        ask: Price(281_452),
    };
    let none = NonActionSample {
        reason: "SIGNAL_STALE".to_string(),
        count: 7,
    };
    let signals = [signal(Some(3.5), None)];
    ledger
        .write_samples((1, UtcNs(5)), None, &signals, &[none])
        .unwrap();
    let signals = [signal(None, Some(market::NonAction::SignalStale))];
    ledger
        .write_samples((1, UtcNs(6)), None, &signals, &[])
        .unwrap();
    let rows = "SELECT group_concat(coalesce(imbalance_ratio, no_signal) || ' ' || bid, ', ')
        FROM signals_text";
    assert_eq!(text(&ledger, rows), "3.5 28145.1, SIGNAL_STALE 28145.1");
    assert_eq!(count_of(&ledger, "non_action_samples"), 1);
    ledger.set_state("phase", "paper", 9).unwrap();
    ledger.set_state("phase", "live", 10).unwrap();
    drop(ledger);
    let ledger = directory.open();
    assert_eq!(ledger.state("phase").unwrap().as_deref(), Some("live"));
    assert_eq!(ledger.state("other").unwrap(), None);
}
