//! What is counted where.
//!
//! In: records and orders. Out: the cells that moved. Never: a name that nobody would find.

use super::*;
use ipc::SegmentLayout;
use market::record::OrderChange;
use market::record::{Intent, Trigger, TriggerKind};
use market::{
    Certainty, ClientOrderId, ExchangeOrderId, Filters, InstrumentId, InstrumentStatus, IntentId,
    ListingReport, PendingRequest, Price, Quantity, RequestKind, Step, StrategyId, Symbol,
    TimeInForce,
};

fn instrument(id: u16, market: Market, symbol: &[u8]) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        market,
        symbol: Symbol::new(symbol).unwrap(),
        tick: Step::from_text(b"0.1").unwrap(),
        lot: Step::from_text(b"0.001").unwrap(),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    }
}

fn order(instrument: u16) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId::EMPTY,
        intent: IntentId(1),
        instrument: InstrumentId(instrument),
        strategy: StrategyId(0),
        side: Side::Sell,
        order_type: OrderType::Market,
        time_in_force: TimeInForce::ImmediateOrCancel,
        price: Price(1),
        quantity: Quantity(1),
        reduce_only: false,
    }
}

fn rejected(instrument: u16, error_code: i64) -> Record {
    Record::OrderChange(OrderChange {
        client_order_id: ClientOrderId::EMPTY,
        instrument: InstrumentId(instrument),
        strategy: StrategyId(0),
        intent: IntentId(1),
        exchange_order_id: ExchangeOrderId(0),
        state: OrderState::Rejected,
        pending: PendingRequest::None,
        certainty: Certainty::Known,
        cumulative_quantity: Quantity(0),
        request: Some(RequestKind::Place),
        error_code,
    })
}

/// A segment whose file is gone already.
fn segment(name: &str) -> Segment {
    let path = std::env::temp_dir().join(format!("telemetry-{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let segment = Segment::create(&path, &SegmentLayout::default(), 1, 1, 1).unwrap();
    std::fs::remove_file(&path).unwrap();
    segment
}

/// Cells that count something; whether an instrument trades is a state.
fn moved(segment: &Segment) -> Vec<(String, u64)> {
    let mut cells: Vec<_> = segment.counters().iter().collect();
    cells.retain(|(name, value)| *value > 0 && !name.starts_with("instrument_tradable"));
    cells
}

#[test]
fn refusals_are_counted_by_market_and_code_of_the_exchange() {
    let segment = segment("rejected");
    let instruments = [
        instrument(0, Market::UsdM, b"BTCUSDT"),
        instrument(1, Market::Spot, b"BTCUSDT"),
        instrument(2, Market::UsdM, b"ETHUSDT"),
    ];
    let cells = EngineCells::new(Telemetry(&segment), &instruments, &[]).unwrap();
    // The last was refused here, not by the exchange.
    let refusals = [(0, -2019), (2, -2019), (1, -2010), (1, -987_654), (0, 1)];
    for (instrument, code) in refusals {
        cells.count(&rejected(instrument, code));
    }
    let name =
        |market, code| format!("orders_rejected_total{{market=\"{market}\",code=\"{code}\"}}");
    let mut expected = vec![
        (name("usdm", "-2019"), 2),
        (name("spot", "-2010"), 1),
        (name("spot", "other"), 1),
    ];
    let mut found = moved(&segment);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn an_intent_is_not_yet_an_order_that_was_sent() {
    let segment = segment("sent");
    let instruments = [instrument(0, Market::UsdM, b"BTCUSDT")];
    let telemetry = Telemetry(&segment);
    let cells = EngineCells::new(telemetry, &instruments, &["imbalance".to_string()]).unwrap();
    let sent = SentCells::new(telemetry, &instruments[0]).unwrap();
    let kind = TriggerKind::Depth;
    cells.count(&Record::Intent(Intent {
        order: order(0),
        trigger: Trigger { kind, id: 1 },
        mid: None,
    }));
    let intents = ("intents_total{strategy=\"imbalance\"}".to_string(), 1);
    let decided = ("orders_decided_total".to_string(), 1);
    let mut found = moved(&segment);
    found.sort();
    assert_eq!(found, [intents.clone(), decided.clone()]);
    sent.count(&order(0));
    let place = "market=\"usdm\",symbol=\"BTCUSDT\",side=\"SELL\",type=\"MARKET\"";
    let orders = (format!("orders_sent_total{{{place}}}"), 1);
    let mut found = moved(&segment);
    found.sort();
    assert_eq!(found, [intents, decided, orders]);
}

#[test]
fn an_instrument_is_tradable_as_the_exchange_lists_it_last() {
    let segment = segment("tradable");
    let halted = Instrument {
        status: InstrumentStatus::NotTrading,
        ..instrument(1, Market::UsdM, b"ETHUSDT")
    };
    let instruments = [instrument(0, Market::UsdM, b"BTCUSDT"), halted];
    let cells = EngineCells::new(Telemetry(&segment), &instruments, &[]).unwrap();
    let shown = || {
        let all = segment.counters().iter();
        let mut found: Vec<_> = all
            .filter(|(name, _)| name.starts_with("instrument_tradable"))
            .collect();
        found.sort();
        found.iter().map(|(_, value)| *value).collect::<Vec<_>>()
    };
    let listed = |id, status| {
        Record::Listing(ListingReport {
            instrument: InstrumentId(id),
            status,
            filters: Filters::NONE,
            fault: None,
        })
    };
    assert_eq!(shown(), [1, 0]);
    cells.count(&listed(0, InstrumentStatus::CancelOnly));
    cells.count(&listed(1, InstrumentStatus::Trading));
    assert_eq!(shown(), [0, 1]);
}
