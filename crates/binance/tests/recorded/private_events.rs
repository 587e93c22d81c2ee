//! Recorded user data events, and ours as the exchange would write them.

use crate::captures::folder;
use binance::decode::DecodeError;
use binance::user_data::{
    AccountReason, AccountUpdateDetail, BalanceDetail, OrderUpdateDetail, OrderWords,
    PositionDetail, UserMessage, decode_user_message, encode_account_update,
    encode_execution_report, encode_order_update, encode_trade_lite,
};
use market::ids::Asset;
use market::{
    Execution, Filters, Instrument, InstrumentId, InstrumentStatus, Instruments, Market, Money,
    OrderState, OrderUpdate, Price, Quantity, Step, Symbol, UtcMs,
};
use serde_json::Value;

const SYMBOLS: [(Market, &str, &str, &str, u8, u8); 11] = [
    (Market::UsdM, "SOLUSDT", "0.0001", "0.01", 4, 2),
    (Market::UsdM, "BTCUSDT", "0.10", "0.001", 2, 3),
    (Market::UsdM, "ADAUSDT", "0.00010", "1", 5, 0),
    (Market::UsdM, "SEIUSDT", "0.0001", "1", 7, 0),
    (Market::UsdM, "ETHUSDC", "0.01", "0.001", 2, 3),
    (Market::UsdM, "ACHUSDT", "0.000001", "1", 6, 0),
    (Market::UsdM, "SLXUSDT", "0.0001", "1", 4, 0),
    (Market::UsdM, "DOTUSDT", "0.0001", "0.1", 4, 1),
    (Market::Spot, "BTCUSDT", "0.01", "0.00001", 8, 8),
    (Market::Spot, "BNBUSDT", "0.01", "0.001", 8, 8),
    (Market::Spot, "ETHUSDT", "0.01", "0.0001", 8, 8),
];

fn table() -> Vec<Instrument> {
    let rows = SYMBOLS.iter().enumerate();
    rows.map(
        |(id, &(market, symbol, tick, lot, price_decimals, quantity_decimals))| Instrument {
            id: InstrumentId(id as u16),
            market,
            symbol: Symbol::new(symbol.as_bytes()).unwrap(),
            tick: Step::from_text(tick.as_bytes()).unwrap(),
            lot: Step::from_text(lot.as_bytes()).unwrap(),
            price_decimals,
            quantity_decimals,
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        },
    )
    .collect()
}

/// The recorded events, each with its decoded message.
fn events() -> Vec<(String, Market, UserMessage)> {
    let path = folder().join("user-data-events/binance_user_data_real.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no captures at {}", path.display());
        return Vec::new();
    };
    let table = table();
    let events = text.lines().map(|line| {
        let start = line.find("\"event\":").expect("a line has an event") + 8;
        let event = &line[start..line.len() - 1];
        let futures = event.contains("\"T\":") && !event.contains("executionReport");
        let spot = !futures || event.contains("balanceUpdate");
        let market = if spot { Market::Spot } else { Market::UsdM };
        let message = decode_user_message(event.as_bytes(), &Instruments(&table), market);
        (
            event.to_owned(),
            market,
            message.unwrap_or_else(|error| panic!("{error}: {event}")),
        )
    });
    events.collect()
}

#[test]
fn every_recorded_private_event_decodes_to_what_it_says() {
    let table = table();
    for (event, _, message) in events() {
        let value: Value = serde_json::from_str(&event).unwrap();
        match &message {
            UserMessage::Order(update) => {
                let order = if value["o"].is_object() {
                    &value["o"]
                } else {
                    &value
                };
                let instrument = &table[usize::from(update.instrument.0)];
                order_agrees(update, order, instrument);
            }
            UserMessage::Account(update) if value["e"] == "ACCOUNT_UPDATE" => {
                assert_eq!(
                    update.balances.len(),
                    value["a"]["B"].as_array().unwrap().len()
                );
                let one_way = value["a"]["P"].as_array().unwrap().iter();
                let one_way = one_way.filter(|position| position["ps"] == "BOTH").count();
                assert_eq!(update.positions.len(), one_way);
                assert_eq!(
                    (update.other_symbols, update.hedge_legs, update.left_out),
                    (0, 0, 0)
                );
                let funding = value["a"]["m"] == "FUNDING_FEE";
                assert_eq!(update.reason == AccountReason::FundingFee, funding);
                assert_eq!(update.funding.is_some(), funding);
            }
            UserMessage::Account(update) => assert_eq!(update.balances.len(), 2),
            UserMessage::TradeLite => assert_eq!(value["e"], "TRADE_LITE"),
            UserMessage::Algo => assert_eq!(value["e"], "ALGO_UPDATE"),
            UserMessage::Transfer => assert_eq!(value["e"], "balanceUpdate"),
            other => panic!("{other:?} from {event}"),
        }
    }
}

fn order_agrees(update: &OrderUpdate, order: &Value, instrument: &Instrument) {
    let text = |name: &str| order[name].as_str().unwrap().to_owned();
    assert_eq!(update.client_order_id.as_str(), text("c"));
    assert_eq!(update.exchange_order_id.0, order["i"].as_u64().unwrap());
    assert_eq!(update.side.as_str(), text("S"));
    let quantity = |name: &str| {
        instrument
            .quantity_from_text(text(name).as_bytes())
            .unwrap()
    };
    let price = |name: &str| instrument.price_from_text(text(name).as_bytes()).unwrap();
    assert_eq!(update.quantity, quantity("q"));
    assert_eq!(update.cumulative_quantity, quantity("z"));
    assert_eq!(update.last_quantity, quantity("l"));
    assert_eq!(update.price, price("p"));
    assert_eq!(update.last_price, price("L"));
    let state = match text("X").as_str() {
        "NEW" => OrderState::Accepted,
        "FILLED" => OrderState::Filled,
        "CANCELED" => OrderState::Canceled,
        other => panic!("{other} is not in the recording"),
    };
    assert_eq!(update.state, state);
    if update.execution == Execution::Trade {
        assert_eq!(update.trade_id.0, order["t"].as_u64().unwrap());
    }
}

#[test]
fn encoded_private_events_read_like_the_recorded_ones() {
    let table = table();
    let mut compared = 0;
    for (event, market, message) in events() {
        // Before 2026 the exchange kept trailing zeros.
        if market == Market::Spot || !event.contains("\"er\":\"0\"") {
            continue;
        }
        let UserMessage::Order(update) = message else {
            continue;
        };
        let order: Value = serde_json::from_str(&event).unwrap();
        let decimal = |name: &str| {
            let text = order["o"][name].as_str().unwrap();
            market::parse_signed_decimal(text.as_bytes(), 8).unwrap()
        };
        let detail = OrderUpdateDetail {
            update: &update,
            average_price_e8: decimal("ap"),
            bids_notional: Money(decimal("b")),
            asks_notional: Money(decimal("a")),
            expiry_reason: 0,
            words: OrderWords::default(),
        };
        let mut out = Vec::new();
        encode_order_update(&mut out, &table[usize::from(update.instrument.0)], &detail);
        assert_eq!(core::str::from_utf8(&out).unwrap(), event);
        compared += 1;
    }
    println!("{compared} order events came back byte for byte");
}

#[test]
fn an_encoded_account_update_and_trade_lite_decode_again() {
    let table = table();
    let usdt = Asset::new(b"USDT").unwrap();
    let balances = [BalanceDetail {
        asset: usdt,
        wallet: Money(1_523_742_937_172),
        cross_wallet: Money(1_523_742_937_172),
        change: Money(-85_067),
    }];
    let positions = [PositionDetail {
        instrument: &table[1],
        quantity: Quantity(-100),
        entry_price_e8: 8_414_650_000_000,
        break_even_e8: 8_418_015_860_000,
        realized: Money(-177_340_000),
        unrealized: Money(40_867_555),
        margin_asset: usdt,
        position_side: "BOTH",
        margin_type: "cross",
        isolated_wallet: Money(0),
    }];
    let detail = AccountUpdateDetail {
        reason: "FUNDING_FEE",
        balances: &balances,
        positions: &positions,
        transaction_time: UtcMs(1),
        event_time: UtcMs(2),
    };
    let mut out = Vec::new();
    encode_account_update(&mut out, &detail);
    let message = decode_user_message(&out, &Instruments(&table), Market::UsdM);
    let Ok(UserMessage::Account(update)) = message else {
        panic!("{message:?}")
    };
    assert_eq!(update.balances[0].wallet, balances[0].wallet);
    assert_eq!(update.positions[0].quantity, Quantity(-100));
    assert_eq!(
        update.positions[0].entry_price_e8,
        positions[0].entry_price_e8
    );
    assert_eq!(
        update.funding.map(|funding| funding.amount),
        Some(Money(-85_067))
    );

    for (_, _, message) in events() {
        let UserMessage::Order(update) = message else {
            continue;
        };
        out.clear();
        encode_trade_lite(&mut out, &table[usize::from(update.instrument.0)], &update);
        let message = decode_user_message(&out, &Instruments(&table), Market::UsdM);
        assert_eq!(message, Ok(UserMessage::TradeLite));
    }
}

#[test]
fn an_encoded_execution_report_decodes_again() {
    let table = table();
    for (_, market, message) in events() {
        let UserMessage::Order(mut update) = message else {
            continue;
        };
        if market != Market::Spot {
            continue;
        }
        for (execution, state) in [
            (Execution::New, OrderState::Accepted),
            (Execution::Trade, OrderState::Filled),
            (Execution::Canceled, OrderState::Canceled),
        ] {
            (update.execution, update.state) = (execution, state);
            if execution == Execution::Trade {
                update.cumulative_quantity = update.quantity;
                (update.last_quantity, update.last_price) = (update.quantity, update.price);
                update.trade_id = market::TradeId(7);
            } else {
                (update.last_quantity, update.last_price) = (Quantity(0), Price(0));
                update.trade_id = market::TradeId(0);
            }
            let instrument = &table[usize::from(update.instrument.0)];
            let detail = OrderUpdateDetail {
                update: &update,
                average_price_e8: 8_602_248_000_000,
                bids_notional: Money(0),
                asks_notional: Money(0),
                expiry_reason: 0,
                words: OrderWords::default(),
            };
            let mut out = Vec::new();
            encode_execution_report(&mut out, instrument, &detail);
            let message = decode_user_message(&out, &Instruments(&table), Market::Spot);
            assert_eq!(message, Ok(UserMessage::Order(update)));
        }
    }
}

#[test]
fn orders_that_the_exchange_makes_may_lie_between_ticks_and_ours_may_not() {
    let table = table();
    let event = |client_id: &str, price: &str| {
        format!(
            r#"{{"e":"ORDER_TRADE_UPDATE","E":2,"T":1,"o":{{"s":"BTCUSDT","c":"{client_id}","S":"SELL","o":"LIMIT","f":"IOC","q":"1","p":"{price}","x":"CALCULATED","X":"FILLED","i":5,"l":"1","z":"1","L":"{price}","n":null,"T":1,"t":9,"m":false,"R":false}}}}"#
        )
    };
    let decode =
        |text: &str| decode_user_message(text.as_bytes(), &Instruments(&table), Market::UsdM);
    let Ok(UserMessage::Order(update)) = decode(&event("autoclose-17", "100.37")) else {
        panic!()
    };
    assert_eq!(update.last_price, Price(1004));
    let ours = event("fu00001000000001", "100.37").replace("CALCULATED", "TRADE");
    assert_eq!(decode(&ours), Err(DecodeError::OffGrid("L")));
}

#[test]
fn notices_are_told_apart() {
    let table = table();
    let cases = [
        (
            r#"{"e":"listenKeyExpired","E":1,"listenKey":"x"}"#,
            UserMessage::ListenKeyExpired,
        ),
        (
            r#"{"stream":"k","data":{"e":"listenKeyExpired","E":1}}"#,
            UserMessage::ListenKeyExpired,
        ),
        (
            r#"{"e":"MARGIN_CALL","E":1,"cw":"3.16","p":[]}"#,
            UserMessage::MarginCall,
        ),
        (
            r#"{"e":"ACCOUNT_CONFIG_UPDATE","E":1,"T":1,"ac":{"s":"BTCUSDT","l":25}}"#,
            UserMessage::Leverage {
                instrument: Some(InstrumentId(1)),
                leverage: 25,
            },
        ),
        (
            r#"{"e":"ACCOUNT_CONFIG_UPDATE","E":1,"T":1,"ai":{"j":true}}"#,
            UserMessage::MultiAssetMode(true),
        ),
        (
            r#"{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1}}"#,
            UserMessage::Terminated,
        ),
        (r#"{"result":null,"id":1}"#, UserMessage::Control),
        (
            r#"{"e":"CONDITIONAL_ORDER_TRIGGER_REJECT","E":1}"#,
            UserMessage::Other,
        ),
    ];
    for (text, expected) in cases {
        let message = decode_user_message(text.as_bytes(), &Instruments(&table), Market::UsdM);
        assert_eq!(message, Ok(expected), "{text}");
    }
}
