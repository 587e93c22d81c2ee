//! What each private frame tells, which ones end the stream, and what account answers say.
//!
//! In: frames and answers as the exchange's documents show them. Out: events in the order in which
//! they were told. Never: a frame that cannot be read and is passed over.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use binance::decode::DecodeError;
use binance::rest;
use binance::session::{CloseReason, LinkAction, PrivateStream, UserEvents};
use binance::user_data::{UserMessage, decode_user_message};
use market::{
    AccountConfigChange, BalanceReport, Filters, Instrument, InstrumentId, InstrumentStatus,
    Instruments, Market, Money, MonoNs, OrderUpdate, PositionReport, Quantity, Step, Symbol,
};

fn table() -> [Instrument; 1] {
    [Instrument {
        id: InstrumentId(0),
        market: Market::UsdM,
        symbol: Symbol::new(b"BTCUSDT").unwrap(),
        tick: Step::from_text(b"0.10").unwrap(),
        lot: Step::from_text(b"0.001").unwrap(),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    }]
}

/// What was told, as text.
#[derive(Default)]
struct Told(Vec<String>);

impl UserEvents for Told {
    fn order_update(&mut self, update: OrderUpdate) {
        self.0.push(format!("order {}", update.exchange_order_id.0));
    }
    fn position(&mut self, position: PositionReport) {
        self.0.push(format!("position {}", position.quantity.0));
    }
    fn balance(&mut self, balance: BalanceReport) {
        self.0.push(format!("balance {}", balance.wallet.0));
    }
    fn account_config(&mut self, change: AccountConfigChange) {
        let of = change
            .instrument
            .map_or("all".into(), |id| id.0.to_string());
        self.0.push(format!("setup of {of}"));
    }
    fn wallet_moved(&mut self, _: Market) {
        self.0.push("wallet moved".into());
    }
    fn stream(&mut self, _: Market, up: bool) {
        self.0.push(if up { "up" } else { "down" }.into());
    }
    fn parse_error(&mut self, error: DecodeError) {
        self.0.push(error.reason().into());
    }
}

/// What one frame tells on a stream that is up, and why the stream is closed after it.
fn told(frame: &str) -> (String, Option<CloseReason>) {
    let mut stream = PrivateStream::new(1);
    let mut events = Told::default();
    stream.poll(MonoNs(1), &mut events);
    stream.on_connected(MonoNs(1), &mut events);
    events.0.clear();
    let table = table();
    let action = stream.on_frame(
        frame.as_bytes(),
        MonoNs(2),
        &Instruments(&table),
        &mut events,
    );
    let reason = match action {
        Some(LinkAction::Close(reason)) => Some(reason),
        Some(other) => panic!("{other:?}"),
        None => None,
    };
    (events.0.join(", "), reason)
}

fn account_update(reason: &str) -> String {
    format!(
        r#"{{"e":"ACCOUNT_UPDATE","E":2,"T":1,"a":{{"m":"{reason}","B":[{{"a":"USDT","wb":"12.5","cw":"1","bc":"-0.5"}}],"P":[{{"s":"BTCUSDT","pa":"-0.010","ep":"9300.1","ps":"BOTH"}},{{"s":"OTHER","pa":"1","ep":"1","ps":"BOTH"}},{{"s":"BTCUSDT","pa":"0.001","ep":"1","ps":"LONG"}}]}}}}"#
    )
}

#[test]
fn each_private_frame_tells_what_it_changes_and_nothing_else() {
    let moved = "position -10, balance 1250000000, wallet moved";
    for reason in [
        "FUNDING_FEE",
        "DEPOSIT",
        "COIN_SWAP_WITHDRAW",
        "A_NEW_REASON",
    ] {
        assert_eq!(
            told(&account_update(reason)),
            (moved.into(), None),
            "{reason}"
        );
    }
    let traded = "position -10, balance 1250000000";
    assert_eq!(told(&account_update("ORDER")), (traded.into(), None));
    let cases = [
        (
            r#"{"e":"ACCOUNT_CONFIG_UPDATE","E":1,"T":1,"ac":{"s":"BTCUSDT","l":25}}"#,
            "setup of 0",
        ),
        (
            r#"{"e":"ACCOUNT_CONFIG_UPDATE","E":1,"T":1,"ac":{"s":"OTHER","l":25}}"#,
            "",
        ),
        (
            r#"{"e":"ACCOUNT_CONFIG_UPDATE","E":1,"T":1,"ai":{"j":true,"new":1}}"#,
            "setup of all",
        ),
        (
            r#"{"e":"ACCOUNT_CONFIG_UPDATE","E":1,"T":1,"ac":{"new":{},"s":"BTCUSDT","l":25}}"#,
            "setup of 0",
        ),
        (
            r#"{"new":[1],"e":"ACCOUNT_UPDATE","E":2,"T":1,"a":{"new":{},"m":"ORDER","P":[{"s":"BTCUSDT","pa":"2","ep":"1.123456789","ps":"BOTH","new":0}]}}"#,
            "position 2000",
        ),
        (
            r#"{"e":"balanceUpdate","E":1,"a":"BTC","d":"1","T":1}"#,
            "wallet moved",
        ),
        (r#"{"e":"MARGIN_CALL","E":1}"#, ""),
        (r#"{"e":"ALGO_UPDATE","E":1}"#, ""),
        (r#"{"e":"TRADE_LITE","E":1}"#, ""),
        (r#"{"e":"A_NEW_EVENT","E":1}"#, ""),
        (r#"{"result":null,"id":3}"#, ""),
    ];
    for (frame, expected) in cases {
        assert_eq!(told(frame), (expected.into(), None), "{frame}");
    }
}

#[test]
fn a_frame_that_may_hide_a_fill_ends_the_stream_and_a_foreign_symbol_does_not() {
    let unreadable = [
        (
            r#"{"e":"ORDER_TRADE_UPDATE","E":1,"o":[]}"#,
            "wrong_type, down",
        ),
        (r#"{"e":"ORDER_TRADE_UPDATE","E":1}"#, "missing_field, down"),
        (
            r#"{"e":"ACCOUNT_UPDATE","E":1,"T":1,"a":[]}"#,
            "wrong_type, down",
        ),
        (
            r#"{"e":"ACCOUNT_UPDATE","E":1,"T":1,"a":{"B":{}}}"#,
            "wrong_type, down",
        ),
        (
            r#"{"e":"ACCOUNT_UPDATE","E":1,"T":1,"a":{"B":[7]}}"#,
            "wrong_type, down",
        ),
        (
            r#"{"e":"ACCOUNT_UPDATE","E":1,"T":1,"a":{},"a":{}}"#,
            "duplicate_field, down",
        ),
        (
            r#"{"e":"ACCOUNT_CONFIG_UPDATE","E":1,"T":1}"#,
            "missing_field, down",
        ),
        (
            r#"{"e":"ACCOUNT_UPDATE","E":1,"T":1,"a":{"P":[{"s":"BTCUSDT","pa":"2","ep":"1.123456789x","ps":"BOTH"}]}}"#,
            "number, down",
        ),
        (r#"{"E":1}"#, "missing_field, down"),
        ("{", "syntax, down"),
    ];
    for (frame, expected) in unreadable {
        let ended = Some(CloseReason::Unreadable);
        assert_eq!(told(frame), (expected.into(), ended), "{frame}");
    }
    let over = r#"{"stream":"x","data":{"e":"eventStreamTerminated","E":1}}"#;
    assert_eq!(
        told(over),
        ("down".into(), Some(CloseReason::ServerShutdown))
    );
    let expired = r#"{"e":"listenKeyExpired","E":1,"listenKey":"a"}"#;
    assert_eq!(
        told(expired),
        ("down".into(), Some(CloseReason::KeyExpired))
    );
    let foreign = r#"{"e":"ORDER_TRADE_UPDATE","E":1,"T":1,"o":{"s":"OTHER","c":"x","S":"BUY","o":"LIMIT","f":"GTC","q":"1","p":"1","X":"NEW","x":"NEW","i":1,"z":"0","T":1}}"#;
    assert_eq!(told(foreign), ("unknown_symbol".into(), None));
}

#[test]
fn every_reason_of_a_refusal_is_in_the_list_that_counters_are_made_of() {
    let all = [
        DecodeError::Syntax,
        DecodeError::TooDeep,
        DecodeError::Missing("x"),
        DecodeError::Duplicate("x"),
        DecodeError::WrongType("x"),
        DecodeError::Number("x"),
        DecodeError::OffGrid("x"),
        DecodeError::Value("x"),
        DecodeError::UnknownSymbol,
        DecodeError::OtherMarket,
        DecodeError::TooManyLevels,
        DecodeError::OtherEvent,
    ];
    assert_eq!(all.map(DecodeError::reason), DecodeError::REASONS);
}

#[test]
fn a_spot_wallet_is_what_is_free_and_what_is_locked() {
    let table = table();
    let account = |locked: &str| {
        let body = format!(
            r#"{{"updateTime":7,"balances":[{{"asset":"BTC","free":"1.5","locked":"{locked}"}}]}}"#
        );
        rest::parse_account(body.as_bytes(), &Instruments(&table), Market::Spot)
    };
    let state = account("0.25").unwrap();
    assert_eq!(state.balances.balances[0].wallet, Money(175_000_000));
    assert_eq!(state.balances.balances[0].event_time.0, 7);
    let margin = &state.balances.margins[0];
    let free = (margin.available, margin.balance);
    assert_eq!(free, (Money(150_000_000), Money(175_000_000)));
    for refused in ["92233720368.54775807", "x", ""] {
        assert!(account(refused).is_err(), "{refused:?}");
    }
}

#[test]
fn a_futures_account_tells_wallets_positions_margin_and_where_it_is_liquidated() {
    let table = table();
    let body = r#"{"availableBalance":"90.5","assets":[{"asset":"USDT","walletBalance":"100","updateTime":3}],
        "positions":[{"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"0.010","entryPrice":"9300.1","maintMargin":"0.4","liquidationPrice":"8000.123456789","updateTime":1},
                     {"symbol":"OTHER","positionSide":"BOTH","positionAmt":"-3","maintMargin":"0.6"},
                     {"symbol":"OTHER","positionSide":"BOTH","positionAmt":"0.000"}]}"#;
    let state = rest::parse_account(body.as_bytes(), &Instruments(&table), Market::UsdM).unwrap();
    assert_eq!(state.available, Money(9_050_000_000));
    assert_eq!(state.balances.balances[0].wallet, Money(10_000_000_000));
    let positions = &state.positions;
    assert_eq!(positions.positions[0].quantity, Quantity(10));
    // Of symbols that nobody trades here the margin counts too.
    assert_eq!(
        (positions.other_symbols, positions.maintenance),
        (1, Money(100_000_000))
    );
    assert_eq!(positions.liquidations[0].price_e8, 800_012_345_678);

    let balances =
        r#"[{"asset":"USDT","balance":"100","crossUnPnl":"-2.5","availableBalance":"90"}]"#;
    let balances = rest::parse_balances(balances.as_bytes()).unwrap();
    let margin = &balances.margins[0];
    let told = (margin.available, margin.balance);
    assert_eq!(told, (Money(9_000_000_000), Money(9_750_000_000)));
}

/// An order event of futures with this execution.
fn execution(word: &str) -> String {
    format!(
        r#"{{"e":"ORDER_TRADE_UPDATE","E":1,"T":1,"o":{{"s":"BTCUSDT","c":"x","S":"BUY","o":"LIMIT","f":"GTC","q":"1","p":"1","x":"{word}","X":"REJECTED","i":9,"l":"0","z":"0","L":"0","t":0,"T":1,"m":false,"R":false}}}}"#
    )
}

#[test]
fn a_refusal_that_comes_as_an_event_is_told_and_an_execution_of_a_new_kind_ends_the_stream() {
    assert_eq!(told(&execution("REJECTED")), ("order 9".into(), None));
    let ended = Some(CloseReason::Unreadable);
    let unknown = told(&execution("TELEPORTED"));
    assert_eq!(unknown, ("value, down".into(), ended));
}

#[test]
fn a_spot_wallet_of_an_event_is_what_is_free_and_what_is_locked() {
    let table = table();
    let read = |locked: &str| {
        let frame = format!(
            r#"{{"e":"outboundAccountPosition","E":2,"u":1,"new":1,"B":[{{"a":"BTC","f":"1.5","l":"{locked}","new":1}}]}}"#
        );
        decode_user_message(frame.as_bytes(), &Instruments(&table), Market::Spot)
    };
    let Ok(UserMessage::Account(update)) = read("0.25") else {
        panic!("it is one");
    };
    assert_eq!(update.balances[0].wallet, Money(175_000_000));
    assert_eq!(update.balances[0].event_time.0, 2);
    let most = "92233720368.54775807";
    assert_eq!(read(most), Err(DecodeError::Number("l")));
}

/// An event with so many balances and so many positions.
fn crowded(balances: usize, positions: usize) -> String {
    let balance = |number| format!(r#"{{"a":"A{number}","wb":"1","cw":"1","bc":"0"}}"#);
    let position = |_| r#"{"s":"BTCUSDT","pa":"1","ep":"1","ps":"BOTH"}"#.to_string();
    let balances: Vec<String> = (0..balances).map(balance).collect();
    let positions: Vec<String> = (0..positions).map(position).collect();
    format!(
        r#"{{"e":"ACCOUNT_UPDATE","E":2,"T":1,"a":{{"m":"ORDER","B":[{}],"P":[{}]}}}}"#,
        balances.join(","),
        positions.join(",")
    )
}

#[test]
fn what_finds_no_room_in_an_account_event_is_counted() {
    let table = table();
    for (balances, positions, left_out) in [(32, 64, 0), (33, 64, 1), (32, 66, 2)] {
        let frame = crowded(balances, positions);
        let read = decode_user_message(frame.as_bytes(), &Instruments(&table), Market::UsdM);
        let Ok(UserMessage::Account(update)) = read else {
            panic!("{read:?}");
        };
        assert_eq!(update.left_out, left_out);
        assert_eq!((update.balances.len(), update.positions.len()), (32, 64));
    }
}

/// What is not told has to be asked for.
#[test]
fn an_account_event_with_more_than_there_is_room_for_has_the_account_asked_for() {
    for (balances, positions, asked) in [(32, 64, false), (33, 64, true), (32, 65, true)] {
        let (told, ended) = told(&crowded(balances, positions));
        assert_eq!(
            told.contains("wallet moved"),
            asked,
            "{balances} {positions}"
        );
        assert_eq!(ended, None);
    }
}
