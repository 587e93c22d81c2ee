//! One line of each event, as the log has it in JSON.
//!
//! In: journal records, a picture. Out: the lines of `log_events.jsonl`. Never: a line that changes
//! unnoticed; programs read them.

use control::log_events::{LogEvents, Streams, tell_status};
use control::view::View;
use market::record::{
    BreakerRecord, ConfiguredRecord, Denial, Fill, InstrumentRecord, Intent, JournalRecord,
    KillAct, KillStep, OrderChange, Reconciled, Record, TradeClosed, TradingStateChange, Trigger,
    TriggerKind,
};
use market::{
    Breaker, Certainty, ClientOrderId, DenialCode, ExchangeOrderId, ExitReason, InstrumentId,
    IntentId, Liquidity, Market, Money, MonoNs, NewOrder, OrderState, OrderType, PendingRequest,
    Price, Quantity, RequestKind, Side, StateReason, Step, StrategyId, Symbol, TimeInForce,
    TradeId, TradingState, UtcMs, UtcNs,
};
use service::events;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tracing_subscriber::layer::SubscriberExt;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("a test").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn order() -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId::new(b"fu1").expect("an id"),
        intent: IntentId(7),
        instrument: InstrumentId(0),
        strategy: StrategyId(1),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::PostOnly,
        price: Price(281_451),
        quantity: Quantity(12),
        reduce_only: false,
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "one record of each kind, one after the other"
)]
fn bodies() -> Vec<Record> {
    let step = |text: &[u8]| Step::from_text(text).expect("a step");
    let symbol = Symbol::new(b"BTCUSDT").expect("a symbol");
    let order = order();
    vec![
        Record::Instrument(InstrumentRecord {
            instrument: order.instrument,
            market: Market::UsdM,
            symbol,
            tick: step(b"0.10"),
            lot: step(b"0.001"),
        }),
        Record::Intent(Intent {
            order,
            trigger: Trigger {
                kind: TriggerKind::Depth,
                id: 99,
            },
            mid: None,
        }),
        Record::Denial(Denial {
            order: NewOrder {
                // The journal names no such instrument.
                instrument: InstrumentId(3),
                ..order
            },
            code: DenialCode::PriceCollar,
        }),
        Record::Fill(Fill {
            client_order_id: order.client_order_id,
            instrument: order.instrument,
            strategy: order.strategy,
            side: order.side,
            trade_id: TradeId(5),
            price: order.price,
            quantity: Quantity(4),
            fee: Money(2_251_608),
            realized: Money(0),
            liquidity: Liquidity::Maker,
            transaction_time: UtcMs(1),
        }),
        Record::OrderChange(OrderChange {
            client_order_id: order.client_order_id,
            instrument: order.instrument,
            strategy: order.strategy,
            intent: order.intent,
            exchange_order_id: ExchangeOrderId(8),
            state: OrderState::Canceled,
            pending: PendingRequest::None,
            certainty: Certainty::Known,
            cumulative_quantity: Quantity(4),
            request: Some(RequestKind::Cancel),
            error_code: 0,
        }),
        Record::TradeClosed(TradeClosed {
            instrument: order.instrument,
            strategy: order.strategy,
            side: order.side,
            quantity: Quantity(4),
            realized: Money(150_000_000),
            fees: Money(4_000_000),
            held_ns: 61_000_000_000,
            reason: ExitReason::TakeProfit,
            legs: None,
        }),
        Record::TradingState(TradingStateChange {
            from: TradingState::Active,
            to: TradingState::Reducing,
            reason: StateReason::Operator,
        }),
        Record::Breaker(BreakerRecord {
            breaker: Breaker::DailyLoss,
            instrument: None,
            strategy: None,
            value: 50_100_000_000,
            limit: 50_000_000_000,
            dry: false,
        }),
        Record::KillStep(KillStep {
            act: KillAct::OrdersCancelled,
            market: Market::UsdM,
            symbol,
            count: 3,
            error_code: 0,
        }),
        Record::Configured(ConfiguredRecord {
            version: 3,
            config_hash: 0x00ab,
            limits_changed: true,
            strategies_changed: 2,
        }),
        Record::Reconciled(Reconciled {
            adopted: 1,
            cancelled: 2,
            foreign: 0,
            position_differences: 0,
        }),
    ]
}

fn tell_all() {
    let mut told = LogEvents::default();
    for (place, body) in bodies().into_iter().enumerate() {
        told.tell(&JournalRecord {
            version: market::record::RECORD_VERSION,
            sequence: place as u64 + 1,
            input_sequence: 0,
            time: MonoNs(0),
            utc: UtcNs(1_700_000_000_000_000_000),
            config_hash: 0,
            body,
        });
    }
    let mut streams = Streams::default();
    for up in [0, 1, 1, 0] {
        let name = "ws_connected{market=\"usdm\",stream=\"market\"}";
        let gauges = [(name.to_string(), up)].into();
        streams.look(&View {
            gauges,
            ..View::default()
        });
    }
    tell_status(&View::default());
}

#[test]
fn each_event_reads_as_it_did() {
    let kept = Kept::default();
    let writer = kept.clone();
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .without_time()
        .with_target(false)
        .with_writer(move || writer.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), tell_all);
    let found = String::from_utf8(kept.0.lock().expect("a test").clone()).expect("text");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/log_events.jsonl");
    if std::env::var_os("FULCRUM_BLESS").is_some() {
        std::fs::write(&path, &found).expect("our own folder");
    }
    let expected = std::fs::read_to_string(&path).expect("control/tests/log_events.jsonl");
    assert_eq!(found, expected, "FULCRUM_BLESS=1 makes it anew");
    for event in events::ALL {
        let name = format!("\"event\":\"{}\"", event.name);
        assert!(found.contains(&name), "{} has no line", event.name);
    }
}
