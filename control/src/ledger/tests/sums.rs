//! The check of the sums: silent on what adds up, loud on every figure that is off by one.

use super::*;
use market::record::{EntryReason, TradeLegs};
use market::units::round_div;
use proptest::prelude::*;
use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

/// One strategy's trade in the making, in decimals.
#[derive(Clone, Debug, Default)]
struct Making {
    held: i64,
    side: i64,
    lots: i64,
    peak: i64,
    entry: i128,
    exit: i128,
    fees: Money,
    order: Option<ClientOrderId>,
}

const STRATEGIES: usize = 2;

/// Decimals of a tick times lot in 1e-8 USDT: a tick of 0.1, a lot of 0.001.
fn money(tick_lots: i128) -> i64 {
    let exact = Decimal::from_i128_with_scale(tick_lots, 0) * Decimal::from(10_000);
    let away = RoundingStrategy::MidpointAwayFromZero;
    exact.round_dp_with_strategy(0, away).to_i64().unwrap()
}

/// The records that random fills of two strategies make, as the engine would tell them.
struct Story {
    records: Vec<Record>,
    making: [Making; STRATEGIES],
    account: i64,
    cost: i128,
    realized: i128,
    fees: i64,
    number: u64,
}

impl Story {
    fn new() -> Self {
        Self {
            records: vec![story()[0]],
            making: Default::default(),
            account: 0,
            cost: 0,
            realized: 0,
            fees: 0,
            number: 0,
        }
    }

    fn add(&mut self, strategy: usize, side: Side, price: i64, lots: i64, fee: i64) {
        self.number += 1;
        let order = ClientOrderId::compose("fu", 1, self.number);
        let before = money(self.realized);
        self.book(side.sign() * lots, price);
        self.fees += fee;
        self.records.push(Record::Fill(Fill {
            client_order_id: order,
            instrument: InstrumentId(0),
            strategy: StrategyId(strategy as u8),
            side,
            trade_id: TradeId(self.number),
            price: Price(price),
            quantity: Quantity(lots),
            fee: Money(fee),
            realized: Money(money(self.realized) - before),
            liquidity: Liquidity::Taker,
            transaction_time: UtcMs(1_700_000_000_000 + self.number.cast_signed()),
        }));
        self.trade(strategy, side, (price, lots, fee), order);
        self.records.push(Record::Position(PositionRecord {
            instrument: InstrumentId(0),
            quantity: Quantity(self.account),
            cost_tick_lots: self.cost,
            realized: Money(money(self.realized)),
            fees: Money(self.fees),
        }));
    }

    /// The account's average cost.
    fn book(&mut self, signed: i64, price: i64) {
        let closing = match self.account.signum() == -signed.signum() {
            true => signed.abs().min(self.account.abs()),
            false => 0,
        };
        if closing > 0 {
            let share = self.cost * i128::from(closing) / i128::from(self.account.abs());
            let sign = i128::from(self.account.signum());
            self.realized += i128::from(price) * i128::from(closing) * sign - share;
            self.cost -= share;
        }
        let opening = signed.signum() * (signed.abs() - closing);
        self.cost += i128::from(price) * i128::from(opening);
        self.account += signed;
    }

    fn trade(
        &mut self,
        strategy: usize,
        side: Side,
        (price, lots, fee): (i64, i64, i64),
        order: ClientOrderId,
    ) {
        let making = &mut self.making[strategy];
        let closing = match making.held.signum() == -side.sign() {
            true => lots.min(making.held.abs()),
            false => 0,
        };
        let closing_fee = round_div(i128::from(fee) * i128::from(closing), i128::from(lots));
        if closing > 0 {
            making.exit += i128::from(price) * i128::from(closing);
            making.fees += Money(closing_fee);
            making.held += side.sign() * closing;
        }
        if closing > 0 && making.held == 0 {
            let apart = (making.exit - making.entry) * i128::from(making.side);
            self.records.push(Record::TradeClosed(TradeClosed {
                instrument: InstrumentId(0),
                strategy: StrategyId(strategy as u8),
                side: if making.side > 0 {
                    Side::Buy
                } else {
                    Side::Sell
                },
                quantity: Quantity(making.peak),
                realized: Money(money(apart)),
                fees: making.fees,
                held_ns: 1,
                reason: ExitReason::Time,
                legs: Some(TradeLegs {
                    lots: Quantity(making.lots),
                    entry_tick_lots: making.entry,
                    exit_tick_lots: making.exit,
                    entry_reason: EntryReason::Order,
                    entry_order: making.order.unwrap(),
                    exit_order: order,
                    opened: UtcMs(1),
                    closed: UtcMs(2),
                }),
            }));
            *making = Making::default();
        }
        let opening = lots - closing;
        if opening > 0 {
            making.side = side.sign();
            making.order.get_or_insert(order);
            making.lots += opening;
            making.entry += i128::from(price) * i128::from(opening);
            making.fees += Money(fee - closing_fee);
            making.held += side.sign() * opening;
            making.peak = making.peak.max(making.held.abs());
        }
    }
}

fn ledger_of(directory: &Directory, records: &[Record]) -> Ledger {
    let mut ledger = directory.open();
    ledger.turn_to(HEADER).unwrap();
    ledger.ingest(&batch(1, records)).unwrap();
    ledger
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn random_histories_of_two_strategies_add_up_and_one_unit_more_is_found(
        fills in prop::collection::vec(
            (0..STRATEGIES, any::<bool>(), 1i64..1_000_000, 1i64..50, 0i64..90_000), 2..60),
        which in any::<prop::sample::Index>(),
    ) {
        let mut history = Story::new();
        for (strategy, buys, price, lots, fee) in fills {
            let side = if buys { Side::Buy } else { Side::Sell };
            history.add(strategy, side, price, lots, fee);
        }
        let directory = Directory::new();
        let ledger = ledger_of(&directory, &history.records);
        let report = check_sums(&ledger.connection).unwrap();
        prop_assert!(report.holds(), "{report:?}");
        let trades = history.records.iter().filter(|one| matches!(one, Record::TradeClosed(_)));
        prop_assert_eq!(report.lines[2].compared as usize, trades.count());
        prop_assert_eq!(report.lines[2].left_out, 0);
        // Whatever is changed by one unit shows.
        let changes = [
            "UPDATE fills SET quantity_lots = quantity_lots + 1 WHERE sequence = ",
            "UPDATE fills SET fee_e8 = fee_e8 + 1 WHERE sequence = ",
            "UPDATE positions SET realized_e8 = realized_e8 + 1 WHERE sequence = ",
            "UPDATE positions SET quantity_lots = quantity_lots - 1 WHERE sequence = ",
            "UPDATE trades SET realized_e8 = realized_e8 + 1 WHERE sequence = ",
            "UPDATE trades SET fees_e8 = fees_e8 + 1 WHERE sequence = ",
            "UPDATE trade_legs SET lots = lots + 1 WHERE sequence = ",
            "UPDATE trade_legs SET exit_tick_lots = '7' WHERE sequence = ",
            "DELETE FROM fills WHERE sequence = ",
        ];
        for change in changes {
            let table = change.split_whitespace().find(|word| {
                ["fills", "positions", "trades", "trade_legs"].contains(word)
            }).unwrap();
            let list = format!("SELECT sequence FROM {table} ORDER BY 1");
            let mut statement = ledger.connection.prepare(&list).unwrap();
            let places: Vec<i64> = statement.query_map([], |row| row.get(0)).unwrap()
                .map(Result::unwrap).collect();
            if places.is_empty() {
                continue;
            }
            let sql = format!("{change}{}", places[which.index(places.len())]);
            ledger.connection.execute_batch("BEGIN").unwrap();
            ledger.connection.execute(&sql, []).unwrap();
            ledger.connection.execute_batch("COMMIT").unwrap();
            let broken = check_sums(&ledger.connection).unwrap();
            prop_assert!(!broken.holds(), "{sql}");
            // Back to what it was.
            drop(statement);
            restore(&ledger, &history.records);
        }
    }
}

/// Writes everything anew.
fn restore(ledger: &Ledger, records: &[Record]) {
    let tables = [
        "fills",
        "positions",
        "trades",
        "trade_legs",
        "generations",
        "order_events",
    ];
    for table in tables {
        ledger
            .connection
            .execute(&format!("DELETE FROM {table}"), [])
            .unwrap();
    }
    let mut other = Ledger::open(ledger.path(), &paper()).unwrap();
    other.turn_to(HEADER).unwrap();
    other.ingest(&batch(1, records)).unwrap();
    let report = check_sums(&ledger.connection).unwrap();
    assert!(report.holds(), "{report:?}");
}

fn wallet(amount: i64, time: i64) -> Record {
    Record::Wallet(market::record::WalletRecord {
        wallet: Money(amount),
        event_time: UtcMs(time),
    })
}

#[test]
fn the_wallet_moves_by_profit_fees_funding_and_transfers() {
    let start = 1_700_000_000_000;
    let records = |last: i64| {
        let mut history = Story::new();
        history.records.push(wallet(1_000_000, start - 10_000));
        history.add(0, Side::Buy, 1_000, 2, 500);
        history.add(0, Side::Sell, 1_010, 2, 600);
        let mut moved = [
            income(IncomeKind::FundingFee, 1, 0, -70),
            income(IncomeKind::Transfer, 2, 0, 9_000),
        ];
        for one in &mut moved {
            if let Record::Income(income) = one {
                income.time = UtcMs(start + 100);
            }
        }
        history.records.extend(moved);
        history.records.push(wallet(last, start + 60_000));
        history.records
    };
    // 20 tick lots of 0.0001 USDT each.
    let whole = 1_000_000 + 200_000 - 1_100 - 70 + 9_000;
    let check = |last| {
        let directory = Directory::new();
        let ledger = ledger_of(&directory, &records(last));
        check_sums(&ledger.connection).unwrap().lines[4].clone()
    };
    let line = check(whole);
    assert_eq!((line.compared, line.broken), (1, 0), "{line:?}");
    // Two fills allow twice the exchange's rounding, and no more.
    assert_eq!(check(whole + 20_000).broken, 0);
    assert_eq!(check(whole + 20_001).broken, 1);
}
