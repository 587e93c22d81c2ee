//! Requests as the exchange's documents want them, and what replies prove.
//!
//! In: orders, replies. Out: frames checked by a JSON parser and a signature made anew. Never:
//! the encoder's own idea of what it signs.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use binance::orders::{
    ErrorClass, RequestEncoder, RequestId, Stamp, WireRequest, classify_code, decode_reply,
    outcome_of,
};
use binance::rest;
use binance::sign::{Credentials, Signer};
use market::{
    CancelOrder, ClientOrderId, ExchangeOrderId, Filters, Instrument, InstrumentId,
    InstrumentStatus, Instruments, IntentId, Market, Money, NewOrder, OrderState, OrderType, Price,
    Quantity, ReplyOutcome, RequestKind, Side, Step, StrategyId, Symbol, TimeInForce, UtcMs,
};
use serde_json::Value;

const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
const STAMP: Stamp = Stamp {
    timestamp: UtcMs(1_645_423_376_532),
    recv_window_ms: 1000,
};

fn instrument(market: Market) -> Instrument {
    Instrument {
        id: InstrumentId(0),
        market,
        symbol: Symbol::new(b"BTCUSDT").unwrap(),
        tick: Step::from_text(b"0.10").unwrap(),
        lot: Step::from_text(b"0.001").unwrap(),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    }
}

fn order(order_type: OrderType, time_in_force: TimeInForce) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId::compose("fu", 1, 1),
        intent: IntentId(1),
        instrument: InstrumentId(0),
        strategy: StrategyId(0),
        side: Side::Sell,
        order_type,
        time_in_force,
        price: Price(520_000),
        quantity: Quantity(10),
        reduce_only: true,
    }
}

fn credentials() -> Credentials {
    Credentials {
        api_key: "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A".into(),
        signer: Signer::hmac(SECRET.as_bytes()),
    }
}

fn placed(market: Market, order: &NewOrder, logged_on: bool) -> Value {
    let mut requests = RequestEncoder::new(credentials());
    requests.set_logged_on(logged_on);
    let mut frame = Vec::new();
    requests.place(&mut frame, 7, &instrument(market), order, STAMP);
    serde_json::from_slice(&frame).unwrap()
}

/// Sorted `k=v&k=v` of everything but the signature, from the parsed frame.
fn signed_text(params: &Value) -> String {
    let mut pairs: Vec<String> = params
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| *name != "signature")
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        })
        .collect();
    pairs.sort();
    pairs.join("&")
}

#[test]
fn the_documented_websocket_signature_comes_out() {
    let text = "apiKey=vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A\
                &newOrderRespType=ACK&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL\
                &symbol=BTCUSDT&timeInForce=GTC&timestamp=1645423376532&type=LIMIT";
    let expected = "cc15477742bd704c29492d96c7ead9414dfd8e0ec4a00f947bb5bb454ddbd08a";
    assert_eq!(
        Signer::hmac(SECRET.as_bytes()).sign(text.as_bytes()),
        expected.as_bytes()
    );
}

#[test]
fn ed25519_signs_as_its_standard_says() {
    // RFC 8032, section 7.1, test 2.
    let seed = [
        0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3, 0x46, 0xec, 0x11, 0x4e,
        0x0f, 0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab, 0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8,
        0xa6, 0xfb,
    ];
    let signature = Signer::ed25519(&seed).sign(&[0x72]);
    let expected = "kqAJqfDUyrhyDoILX2QlQKKye1QWUD+Ps3YiI+vbadoIWsHkPhWZbkWPNhPQ\
                    8R2MOHsurrQwKu6wDSkWErsMAA==";
    assert_eq!(signature, expected.as_bytes());
    assert!(Signer::ed25519(&seed).verify(&[0x72], &signature));
}

#[test]
fn a_signed_order_carries_the_signature_of_its_sorted_parameters() {
    let frame = placed(
        Market::UsdM,
        &order(OrderType::Limit, TimeInForce::PostOnly),
        false,
    );
    let params = &frame["params"];
    let signer = Signer::hmac(SECRET.as_bytes());
    let signature = params["signature"].as_str().unwrap();
    assert!(signer.verify(signed_text(params).as_bytes(), signature.as_bytes()));
    assert_eq!(frame["id"], "p7");
    assert_eq!(frame["method"], "order.place");
    for (name, expected) in [
        ("symbol", "BTCUSDT"),
        ("side", "SELL"),
        ("type", "LIMIT"),
        ("timeInForce", "GTX"),
        ("price", "52000.00"),
        ("quantity", "0.010"),
        ("reduceOnly", "true"),
        ("newClientOrderId", "fu00001000000001"),
        ("newOrderRespType", "ACK"),
    ] {
        assert_eq!(params[name], expected, "{name}");
    }
    assert_eq!(params["timestamp"], 1_645_423_376_532_u64);
}

#[test]
fn a_logged_on_session_sends_neither_key_nor_signature() {
    let order = order(OrderType::Market, TimeInForce::GoodTillCancel);
    let params = placed(Market::UsdM, &order, true)["params"].clone();
    for absent in ["apiKey", "signature", "price", "timeInForce"] {
        assert!(params[absent].is_null(), "{absent}");
    }
    assert_eq!(params["type"], "MARKET");
}

#[test]
fn spot_writes_maker_only_as_a_type_and_knows_no_reduce_only() {
    let order = order(OrderType::Limit, TimeInForce::PostOnly);
    let params = placed(Market::Spot, &order, false)["params"].clone();
    assert_eq!(params["type"], "LIMIT_MAKER");
    assert!(params["timeInForce"].is_null() && params["reduceOnly"].is_null());
}

#[test]
fn rest_calls_are_signed_over_the_very_query() {
    let named = CancelOrder {
        client_order_id: ClientOrderId::compose("fu", 1, 1),
        instrument: InstrumentId(0),
        exchange_order_id: ExchangeOrderId(0),
    };
    let instrument = instrument(Market::UsdM);
    let call = rest::cancel_order(&instrument, &named, &credentials(), STAMP);
    let (signed, signature) = call.query.split_once("&signature=").unwrap();
    assert!(
        credentials()
            .signer
            .verify(signed.as_bytes(), signature.as_bytes())
    );
    assert_eq!(
        signed,
        "origClientOrderId=fu00001000000001&recvWindow=1000&symbol=BTCUSDT&timestamp=1645423376532"
    );
    assert_eq!(
        (call.method, call.path, call.weight),
        (rest::Method::Delete, "/fapi/v1/order", 1)
    );
    assert_eq!(rest::depth(&instrument, 1000).weight, 20);
    assert_eq!(
        rest::depth(&instrument, 1000).target(),
        "/fapi/v1/depth?limit=1000&symbol=BTCUSDT"
    );
}

#[test]
fn an_outcome_is_final_only_where_the_reply_proves_it() {
    use ReplyOutcome::{Confirmed, Rejected, Unresolved};
    let cases: [(u16, i64, &str, ReplyOutcome); 16] = [
        (200, 0, "", Confirmed),
        (400, -2019, "Margin is insufficient.", Rejected),
        (400, -5022, "", Rejected),
        (400, -2011, "Unknown order sent.", Rejected),
        (400, -1021, "", Rejected),
        (400, -4116, "clientOrderId is duplicated", Unresolved),
        (400, -2010, "Duplicate order sent.", Unresolved),
        (
            400,
            -2010,
            "Account has insufficient balance for requested action.",
            Rejected,
        ),
        (400, -1007, "", Unresolved),
        (408, 0, "", Unresolved),
        (429, -1003, "", Rejected),
        (418, -1003, "", Rejected),
        (503, -1008, "", Rejected),
        (503, 0, "Service Unavailable.", Rejected),
        (
            503,
            -1000,
            "Unknown error, please check your request or try again later.",
            Unresolved,
        ),
        (502, 0, "<html>", Unresolved),
    ];
    for (status, code, message, expected) in cases {
        assert_eq!(
            outcome_of(status, code, message.as_bytes()),
            expected,
            "{status} {code}"
        );
    }
    assert_eq!(classify_code(-4120), ErrorClass::Program);
    assert_eq!(classify_code(7), ErrorClass::Other);
}

#[test]
fn replies_become_order_replies_and_doubtful_ones_stay_unresolved() {
    let id = ClientOrderId::compose("fu", 1, 1);
    let ok = r#"{"id":"p7","status":200,"result":{"orderId":5,"status":"PARTIALLY_FILLED","clientOrderId":"fu00001000000001","executedQty":"0.004"},"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":300,"count":2}]}"#;
    let instrument = instrument(Market::UsdM);
    let reply = decode_reply(ok.as_bytes()).unwrap();
    let ours = RequestId {
        kind: WireRequest::Place,
        sequence: 7,
    };
    assert_eq!(reply.id, binance::orders::ReplyId::Ours(ours));
    assert_eq!(
        (reply.rate_limits[0].window_s, reply.rate_limits[0].count),
        (10, 2)
    );
    let order = reply.order_reply(RequestKind::Place, id, &instrument);
    assert_eq!(order.outcome, ReplyOutcome::Confirmed);
    assert_eq!(order.state, OrderState::PartiallyFilled);
    assert_eq!(order.cumulative_quantity, Quantity(4));
    for doubtful in [
        ok.replace("fu00001000000001", "fu00001000000002"),
        ok.replace("\"orderId\":5,", ""),
        r#"{"id":"p7","status":200,"result":null}"#.to_owned(),
        r#"{"id":"p7","status":503,"error":{"code":-1000,"msg":"Unknown error"}}"#.to_owned(),
        r#"{"id":"p7","status":200,"error":{"code":-9999,"msg":"?"}}"#.to_owned(),
        ok.replace(
            "\"rateLimits\"",
            r#""error":{"code":0,"msg":"?","new":[1]},"rateLimits""#,
        ),
    ] {
        let reply = decode_reply(doubtful.as_bytes()).unwrap();
        let order = reply.order_reply(RequestKind::Place, id, &instrument);
        assert_eq!(order.outcome, ReplyOutcome::Unresolved, "{doubtful}");
    }
    let banned = r#"{"id":null,"status":418,"error":{"code":-1003,"msg":"banned","data":{"serverTime":1,"retryAfter":1659146400000}}}"#;
    let reply = decode_reply(banned.as_bytes()).unwrap();
    assert_eq!(reply.error.unwrap().retry_after_ms, Some(1_659_146_400_000));
}

#[test]
fn a_confirmed_answer_without_a_state_proves_a_place_or_a_cancel_and_nothing_else() {
    use OrderState::{Accepted, Canceled, Expired, Rejected, Submitted};
    use ReplyOutcome::{Confirmed, Unresolved};
    let name = r#""orderId":5,"clientOrderId":"fu00001000000001""#;
    let terms = r#""price":"52000.00","origQty":"0.010","updateTime":9"#;
    let cases = [
        (RequestKind::Place, String::new(), Confirmed, Accepted),
        (RequestKind::Cancel, String::new(), Confirmed, Canceled),
        (RequestKind::Query, String::new(), Unresolved, Submitted),
        (RequestKind::Amend, terms.into(), Unresolved, Submitted),
        (
            RequestKind::Amend,
            r#""status":"NEW""#.into(),
            Unresolved,
            Submitted,
        ),
        (
            RequestKind::Amend,
            format!(r#""status":"NEW",{terms}"#),
            Confirmed,
            Accepted,
        ),
        (
            RequestKind::Query,
            r#""status":"REJECTED""#.into(),
            Confirmed,
            Rejected,
        ),
        (
            RequestKind::Query,
            r#""status":"EXPIRED_IN_MATCH""#.into(),
            Confirmed,
            Expired,
        ),
        (
            RequestKind::Query,
            r#""status":"PENDING_CANCEL""#.into(),
            Confirmed,
            Accepted,
        ),
        (
            RequestKind::Query,
            r#""status":"A_NEW_STATE""#.into(),
            Unresolved,
            Submitted,
        ),
    ];
    for (request, more, outcome, state) in cases {
        let comma = if more.is_empty() { "" } else { "," };
        let frame = format!(r#"{{"id":"p7","status":200,"result":{{{name}{comma}{more}}}}}"#);
        let reply = decode_reply(frame.as_bytes()).unwrap();
        let id = ClientOrderId::compose("fu", 1, 1);
        let order = reply.order_reply(request, id, &instrument(Market::UsdM));
        assert_eq!(
            (order.outcome, order.state),
            (outcome, state),
            "{request:?} {more}"
        );
        let quantity = order.terms.map(|terms| terms.quantity);
        let told = request == RequestKind::Amend && outcome == Confirmed;
        assert_eq!(quantity, told.then_some(Quantity(10)), "{request:?} {more}");
    }
}

#[test]
fn windows_of_rate_limits_are_seconds_and_a_list_of_another_form_is_refused() {
    let reply = |limits: &str| format!(r#"{{"id":7,"status":200,"rateLimits":{limits}}}"#);
    let windows = [
        ("SECOND", 3),
        ("MINUTE", 180),
        ("HOUR", 10_800),
        ("DAY", 259_200),
        ("AGE", 0),
    ];
    for (interval, seconds) in windows {
        let one = format!(
            r#"[{{"rateLimitType":"REQUEST_WEIGHT","interval":"{interval}","intervalNum":3,"limit":300,"count":2,"new":1}}]"#
        );
        let frame = reply(&one);
        let read = decode_reply(frame.as_bytes()).unwrap();
        assert_eq!(read.id, binance::orders::ReplyId::Foreign);
        let limit = read.rate_limits[0];
        assert_eq!(
            (limit.orders, limit.window_s),
            (false, seconds),
            "{interval}"
        );
    }
    for refused in ["{}", "[7]", r#"[{"count":4294967296}]"#] {
        assert!(
            decode_reply(reply(refused).as_bytes()).is_err(),
            "{refused}"
        );
    }
}

#[test]
fn what_is_printed_of_credentials_holds_neither_key_nor_secret() {
    let credentials = credentials();
    let printed = format!("{credentials:?} {:?}", credentials.signer);
    assert!(
        !printed.contains(&credentials.api_key) && !printed.contains(SECRET),
        "{printed}"
    );
    let encoder = RequestEncoder::new(credentials);
    assert_eq!(encoder.credentials().api_key.len(), 64);
}

#[test]
fn an_account_is_asked_for_by_each_market_s_path_and_weight() {
    let cases = [
        (Market::UsdM, "/fapi/v3/account", 5),
        (Market::Spot, "/api/v3/account", 20),
    ];
    for (market, path, weight) in cases {
        let call = rest::account(market, &credentials(), STAMP);
        assert_eq!(
            (call.method.as_str(), call.path, call.weight),
            ("GET", path, weight)
        );
        assert!(call.query.contains("signature="), "{path}");
    }
}

#[test]
fn rest_answers_become_reports() {
    let table = [instrument(Market::UsdM)];
    let instruments = Instruments(&table);
    let orders = r#"[{"avgPrice":"0.00","clientOrderId":"abc","cumQuote":"0","executedQty":"0.001","orderId":1917641,"origQty":"0.40","origType":"LIMIT","price":"9300.10","reduceOnly":false,"side":"BUY","status":"NEW","symbol":"BTCUSDT","time":1579276756075,"timeInForce":"GTC","type":"LIMIT","updateTime":1579276756075},
                     {"clientOrderId":"x","executedQty":"0","orderId":2,"origQty":"1","price":"1","side":"BUY","status":"NEW","symbol":"OTHER","timeInForce":"GTC","type":"LIMIT"}]"#;
    let open = rest::parse_open_orders(orders.as_bytes(), &instruments, Market::UsdM).unwrap();
    assert_eq!((open.orders.len(), open.other_symbols), (1, 1));
    assert_eq!(
        (open.orders[0].price, open.orders[0].quantity),
        (Price(93_001), Quantity(400))
    );
    let positions = r#"[{"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"-0.010","entryPrice":"9300.123456789","updateTime":1},{"symbol":"BTCUSDT","positionSide":"LONG","positionAmt":"0.001","entryPrice":"1","updateTime":1}]"#;
    let held = rest::parse_positions(positions.as_bytes(), &instruments).unwrap();
    assert_eq!(held.positions[0].quantity, Quantity(-10));
    assert_eq!(held.positions[0].entry_price_e8, 930_012_345_678);
    assert_eq!(held.hedge_legs, 1);
    let balances = r#"[{"accountAlias":"S","asset":"USDT","balance":"122607.35137903","updateTime":1617939110373}]"#;
    let balances = rest::parse_balances(balances.as_bytes()).unwrap();
    assert_eq!(balances.balances[0].wallet, Money(12_260_735_137_903));
    let trades = r#"[{"buyer":false,"commission":"-0.07819010","commissionAsset":"USDT","id":698759,"maker":false,"orderId":25851813,"price":"7819.10","qty":"0.002","quoteQty":"15.63802","realizedPnl":"-0.91539999","side":"SELL","positionSide":"BOTH","symbol":"BTCUSDT","time":1569514978020}]"#;
    let trades = rest::parse_user_trades(trades.as_bytes(), &table[0]).unwrap();
    assert_eq!(
        (trades[0].side, trades[0].commission),
        (Side::Sell, Money(-7_819_010))
    );
    assert!(rest::parse_listen_key(br#"{"listenKey":"../x"}"#).is_err());
    assert_eq!(
        rest::parse_listen_key(br#"{"listenKey":"pqia91"}"#).unwrap(),
        "pqia91"
    );
    let failure = rest::parse_failure(400, br#"{"code":-2013,"msg":"Order does not exist."}"#);
    assert_eq!(
        (failure.class, failure.outcome()),
        (ErrorClass::OrderNotFound, ReplyOutcome::Rejected)
    );
}

/// Weights as the exchange's pages list them: what is asked for too cheaply ends in a ban.
#[test]
fn calls_have_the_path_and_the_weight_of_their_market() {
    let (usdm, spot) = (instrument(Market::UsdM), instrument(Market::Spot));
    let target = |call: &rest::Call| (call.target(), call.weight);
    let time = rest::time(Market::UsdM);
    assert_eq!(target(&time), ("/fapi/v1/time".into(), 1));
    let info = rest::exchange_info(Market::Spot);
    assert_eq!(target(&info), ("/api/v3/exchangeInfo".into(), 20));
    let levels = [
        (&usdm, 50, 2),
        (&usdm, 100, 5),
        (&usdm, 500, 10),
        (&usdm, 1_000, 20),
        (&spot, 100, 5),
        (&spot, 500, 25),
        (&spot, 1_000, 50),
        (&spot, 5_000, 250),
    ];
    for (one, limit, weight) in levels {
        let market = one.market;
        assert_eq!(rest::depth(one, limit).weight, weight, "{market} {limit}");
    }
    let open = |market, of| {
        let call = rest::open_orders(market, of, &credentials(), STAMP);
        (call.path, call.weight, call.query.contains("symbol="))
    };
    let (fapi, api) = ("/fapi/v1/openOrders", "/api/v3/openOrders");
    assert_eq!(open(Market::UsdM, Some(&usdm)), (fapi, 1, true));
    assert_eq!(open(Market::UsdM, None), (fapi, 40, false));
    assert_eq!(open(Market::Spot, Some(&spot)), (api, 6, true));
    assert_eq!(open(Market::Spot, None), (api, 80, false));
    for (one, path, weight) in [
        (&usdm, "/fapi/v1/userTrades", 5),
        (&spot, "/api/v3/myTrades", 20),
    ] {
        let from = rest::TradesFrom::Time(UtcMs(5));
        let call = rest::user_trades(one, from, &credentials(), STAMP);
        assert_eq!((call.path, call.weight), (path, weight));
        assert!(call.query.contains("startTime=5") && !call.query.contains("fromId"));
    }
    for (action, method) in [
        (rest::ListenKeyAction::Create, "POST"),
        (rest::ListenKeyAction::KeepAlive, "PUT"),
        (rest::ListenKeyAction::Close, "DELETE"),
    ] {
        let call = rest::listen_key(action);
        assert_eq!((call.method.as_str(), call.with_key), (method, true));
    }
}

#[test]
fn an_order_of_another_symbol_is_not_the_answer() {
    let text = r#"{"clientOrderId":"abc","executedQty":"0.001","orderId":9,"origQty":"0.40","price":"9300.10","side":"BUY","status":"NEW","symbol":"BTCUSDT","timeInForce":"GTC","type":"LIMIT"}"#;
    let ours = instrument(Market::UsdM);
    let order = rest::parse_order(text.as_bytes(), &ours).unwrap();
    assert_eq!(order.exchange_order_id, ExchangeOrderId(9));
    assert_eq!(order.cumulative_quantity, Quantity(1));
    let other = text.replace("BTCUSDT", "BTCUSDC");
    assert!(rest::parse_order(other.as_bytes(), &ours).is_err());
    let unknown = text.replace("NEW", "ASLEEP");
    assert!(rest::parse_order(unknown.as_bytes(), &ours).is_err());
}

#[test]
fn a_trade_of_spot_says_its_side_by_who_bought() {
    let spot = instrument(Market::Spot);
    let trade = |side: &str| {
        let text = format!(
            r#"[{{"symbol":"BTCUSDT","id":28457,"orderId":100234,"price":"4000.10","qty":"0.012","quoteQty":"48","commission":"0.01","commissionAsset":"BNB","time":1499865549590,{side}"isMaker":true,"isBestMatch":true}}]"#
        );
        rest::parse_user_trades(text.as_bytes(), &spot)
    };
    for (text, side) in [
        (r#""isBuyer":true,"#, Side::Buy),
        (r#""isBuyer":false,"#, Side::Sell),
    ] {
        let read = trade(text).unwrap()[0];
        assert_eq!((read.side, read.realized), (side, Money::ZERO));
        assert_eq!(read.liquidity, market::Liquidity::Maker);
        assert_eq!(read.commission_asset.as_str(), "BNB");
    }
    assert!(trade("").is_err(), "a side is never guessed");
}

#[test]
fn a_position_without_an_entry_price_has_none() {
    let table = [instrument(Market::UsdM)];
    let text = r#"[{"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"0.010"}]"#;
    let held = rest::parse_positions(text.as_bytes(), &Instruments(&table)).unwrap();
    let told = (held.positions[0].quantity, held.positions[0].entry_price_e8);
    assert_eq!(told, (Quantity(10), 0));
}
