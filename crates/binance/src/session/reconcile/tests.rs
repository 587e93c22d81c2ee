//! A look at the account, against texts.
//!
//! In: bodies as the exchange writes them. Out: the order of what is told. Never: a socket.

use super::*;
use crate::session::HttpReply;
use crate::sign::Signer;
use market::{Filters, Instrument, InstrumentId, InstrumentStatus, Step, Symbol};

#[derive(Default)]
struct Seen(Vec<String>);

impl ReconcileEvents for Seen {
    fn begin(&mut self) {
        self.0.push("begin".to_string());
    }
    fn trade(&mut self, trade: TradeReport) {
        let (id, lots) = (trade.trade_id.0, trade.quantity.0);
        self.0.push(format!("trade {id} {lots}"));
    }
    fn trades_listed(&mut self, instrument: InstrumentId) {
        self.0.push(format!("listed {}", instrument.0));
    }
    fn algo_order(&mut self, order: AlgoOrderReport) {
        let (id, price) = (order.client_order_id, order.price.0);
        self.0.push(format!("algo {id} {price}"));
    }
    fn elsewhere(&mut self, one: ElsewhereReport) {
        let told = [one.orders, one.algo_orders, one.positions];
        if told != [0; 3] {
            self.0.push(format!("elsewhere {told:?}"));
        }
    }
    fn incomplete(&mut self, _: String) {
        self.0.push("incomplete".to_string());
    }
    fn open_order(&mut self, order: OpenOrderReport) {
        self.0.push(format!("order {}", order.client_order_id));
    }
    fn position(&mut self, position: PositionReport) {
        let text = format!("position {} {}", position.instrument.0, position.quantity.0);
        self.0.push(text);
    }
    fn balance(&mut self, balance: BalanceReport) {
        self.0.push(format!("balance {}", balance.asset));
    }
    fn end(&mut self) {
        self.0.push("end".to_string());
    }
    fn failed(&mut self, _: String) {
        self.0.push("failed".to_string());
    }
}

fn table() -> Vec<Instrument> {
    let one = |id, symbol: &str| Instrument {
        id: InstrumentId(id),
        market: Market::UsdM,
        symbol: Symbol::new(symbol.as_bytes()).unwrap(),
        tick: Step::from_text(b"0.10").unwrap(),
        lot: Step::from_text(b"0.001").unwrap(),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    };
    vec![one(0, "BTCUSDT"), one(1, "ETHUSDT")]
}

fn now(ms: u64) -> Now {
    Now {
        mono: MonoNs(ms * MILLISECOND_NS),
        server: UtcMs(ms as i64),
    }
}

fn ok(body: &[u8]) -> HttpOutcome<'_> {
    Some(HttpReply {
        status: 200,
        retry_after_s: None,
        used_weight: None,
        body,
    })
}

fn reconciler() -> Reconciler {
    let credentials = Credentials {
        api_key: "k".to_string(),
        signer: Signer::hmac(b"s"),
    };
    Reconciler::new(Market::UsdM, credentials, 1)
}

const POSITIONS: &[u8] =
    br#"[{"symbol":"ETHUSDT","positionSide":"BOTH","positionAmt":"-0.005","entryPrice":"1.0","updateTime":1}]"#;

#[test]
fn orders_positions_and_balances_come_between_begin_and_end() {
    let table = table();
    let instruments = Instruments(&table);
    let mut governor = Governor::new(2400);
    let mut reconciler = reconciler();
    let mut seen = Seen::default();
    reconciler.want(now(1).mono);
    let bodies: [(&str, &[u8]); 4] = [
        ("/fapi/v1/openOrders", b"[]"),
        ("/fapi/v1/openAlgoOrders", b"[]"),
        ("/fapi/v3/positionRisk", POSITIONS),
        (
            "/fapi/v3/balance",
            br#"[{"asset":"USDT","balance":"5.0","updateTime":1}]"#,
        ),
    ];
    for (path, body) in bodies {
        let request = reconciler
            .poll(now(3), &mut governor, &instruments, &mut seen)
            .unwrap();
        assert_eq!(request.call.path, path);
        assert!(request.call.query.contains("&signature="));
        reconciler.on_reply(ok(body), now(3).mono, &instruments, &mut seen);
    }
    let expected = [
        "begin",
        "position 0 0",
        "position 1 -5",
        "balance USDT",
        "end",
    ];
    assert_eq!(seen.0, expected);
    assert_eq!(
        reconciler.poll(now(9), &mut governor, &instruments, &mut seen),
        None
    );
}

#[test]
fn a_part_that_fails_starts_the_whole_again_and_never_ends_it() {
    let table = table();
    let instruments = Instruments(&table);
    let mut governor = Governor::new(2400);
    let mut reconciler = reconciler();
    let mut seen = Seen::default();
    reconciler.want(now(1).mono);
    reconciler
        .poll(now(1), &mut governor, &instruments, &mut seen)
        .unwrap();
    reconciler.on_reply(ok(b"[]"), now(2).mono, &instruments, &mut seen);
    reconciler
        .poll(now(2), &mut governor, &instruments, &mut seen)
        .unwrap();
    reconciler.on_reply(None, now(3).mono, &instruments, &mut seen);
    assert_eq!(
        reconciler.poll(now(3), &mut governor, &instruments, &mut seen),
        None
    );
    let again = reconciler
        .poll(now(300), &mut governor, &instruments, &mut seen)
        .unwrap();
    assert_eq!(again.call.path, "/fapi/v1/openOrders");
    assert_eq!(seen.0, ["begin", "failed", "begin"]);
}

#[test]
fn a_wish_during_a_run_is_not_lost() {
    let table = table();
    let instruments = Instruments(&table);
    let mut governor = Governor::new(2400);
    let mut reconciler = reconciler();
    let mut seen = Seen::default();
    reconciler.want(now(1).mono);
    for body in [&b"[]"[..], b"[]", b"[]", b"[]"] {
        reconciler
            .poll(now(1), &mut governor, &instruments, &mut seen)
            .unwrap();
        reconciler.want(now(1).mono);
        reconciler.on_reply(ok(body), now(1).mono, &instruments, &mut seen);
    }
    assert!(
        reconciler
            .poll(now(1), &mut governor, &instruments, &mut seen)
            .is_some()
    );
}

/// Answers each request with what the script has for its path; the paths must be just these.
fn run(
    reconciler: &mut Reconciler,
    at: u64,
    script: &[(&str, HttpOutcome<'_>)],
) -> (Vec<String>, Vec<String>) {
    let table = table();
    let instruments = Instruments(&table);
    let (mut governor, mut seen) = (Governor::new(2400), Seen::default());
    let mut queries = Vec::new();
    for (path, outcome) in script {
        let request = reconciler.poll(now(at), &mut governor, &instruments, &mut seen);
        let call = request.expect(path).call;
        assert_eq!(call.path, *path);
        let stamp = ["recvWindow", "timestamp", "signature"];
        let own = call.query.split('&');
        let own: Vec<&str> = own
            .filter(|one| !stamp.iter().any(|key| one.starts_with(key)))
            .collect();
        queries.push(own.join("&"));
        reconciler.on_reply(*outcome, now(at).mono, &instruments, &mut seen);
    }
    (seen.0, queries)
}

const TRADES: &str = "/fapi/v1/userTrades";
const ORDERS: &str = "/fapi/v1/openOrders";
const ALGO: &str = "/fapi/v1/openAlgoOrders";
const HELD: &str = "/fapi/v3/positionRisk";
const BALANCE: &str = "/fapi/v3/balance";

fn trades(ids: std::ops::Range<u64>) -> Vec<u8> {
    let row = |id: u64| {
        format!(
            r#"{{"buyer":true,"commission":"0.1","commissionAsset":"USDT","id":{id},"maker":false,"orderId":9,"price":"10.0","qty":"0.002","realizedPnl":"0","side":"BUY","symbol":"BTCUSDT","time":5}}"#
        )
    };
    let rows: Vec<String> = ids.map(row).collect();
    format!("[{}]", rows.join(",")).into_bytes()
}

fn wanted(id: u16, after: u64) -> TradesWanted {
    TradesWanted {
        instrument: InstrumentId(id),
        after: TradeId(after),
        since: UtcMs(77),
    }
}

#[test]
fn trades_are_listed_first_page_by_page_and_only_of_what_is_doubted() {
    let mut reconciler = reconciler();
    reconciler.want_trades(wanted(0, 500));
    reconciler.want_trades(wanted(0, 400));
    reconciler.want_trades(wanted(1, 0));
    reconciler.want(now(1).mono);
    let (first, second) = (trades(401..1_401), trades(1_401..1_403));
    let script = [
        (TRADES, ok(&first)),
        (TRADES, ok(&second)),
        (TRADES, ok(b"[]")),
        (ORDERS, ok(b"[]")),
        (ALGO, ok(b"[]")),
        (HELD, ok(b"[]")),
        (BALANCE, ok(b"[]")),
    ];
    let (seen, queries) = run(&mut reconciler, 1, &script);
    let queries: Vec<&str> = queries.iter().take(3).map(String::as_str).collect();
    assert_eq!(
        queries,
        [
            "fromId=401&limit=1000&symbol=BTCUSDT",
            "fromId=1401&limit=1000&symbol=BTCUSDT",
            "limit=1000&startTime=77&symbol=ETHUSDT",
        ]
    );
    assert_eq!(
        (seen[0].as_str(), seen[1].as_str()),
        ("begin", "trade 401 2")
    );
    let rest: Vec<&str> = seen[1_001..].iter().map(String::as_str).collect();
    assert_eq!(
        rest,
        [
            "trade 1401 2",
            "trade 1402 2",
            "listed 0",
            "listed 1",
            "position 0 0",
            "position 1 0",
            "end"
        ]
    );
    // They were wanted once.
    reconciler.want(now(2).mono);
    run(
        &mut reconciler,
        2,
        &[(ORDERS, ok(b"[]")), (HELD, ok(b"[]")), (BALANCE, ok(b"[]"))],
    );
}

#[test]
fn a_list_of_trades_that_fails_is_not_complete_and_does_not_hold_up_the_rest() {
    let mut reconciler = reconciler();
    reconciler.want_trades(wanted(0, 7));
    reconciler.want(now(1).mono);
    let script = [
        (TRADES, None),
        (ORDERS, ok(b"[]")),
        (ALGO, ok(b"[]")),
        (HELD, ok(b"[]")),
        (BALANCE, ok(b"[]")),
    ];
    let (seen, _) = run(&mut reconciler, 1, &script);
    assert_eq!(
        seen,
        ["begin", "incomplete", "position 0 0", "position 1 0", "end"]
    );
}

#[test]
fn trades_are_listed_again_when_another_part_failed() {
    let mut reconciler = reconciler();
    reconciler.want_trades(wanted(0, 7));
    reconciler.want(now(1).mono);
    let page = trades(8..9);
    let (seen, _) = run(&mut reconciler, 1, &[(TRADES, ok(&page)), (ORDERS, None)]);
    assert_eq!(seen, ["begin", "trade 8 2", "listed 0", "failed"]);
    let (seen, _) = run(&mut reconciler, 400, &[(TRADES, ok(&page))]);
    assert_eq!(seen, ["begin", "trade 8 2", "listed 0"]);
}

#[test]
fn conditional_orders_and_what_lies_beside_the_table_are_told() {
    let mut reconciler = reconciler();
    reconciler.want(now(1).mono);
    let algo = br#"[{"symbol":"BTCUSDT","clientAlgoId":"web_1","algoId":5,"side":"SELL","orderType":"STOP_MARKET","triggerPrice":"12.0","quantity":"0","closePosition":true},
        {"symbol":"XYZUSDT","clientAlgoId":"web_2","algoId":6,"side":"SELL","orderType":"STOP_MARKET","triggerPrice":"","quantity":"","closePosition":true}]"#;
    let held = br#"[{"symbol":"XYZUSDT","positionSide":"BOTH","positionAmt":"1","entryPrice":"1.0","updateTime":1}]"#;
    // The first look has to know them.
    let (seen, _) = run(&mut reconciler, 1, &[(ORDERS, ok(b"[]")), (ALGO, None)]);
    assert_eq!(seen, ["begin", "failed"]);
    let script = [
        (ORDERS, ok(b"[]")),
        (ALGO, ok(algo)),
        (HELD, ok(held)),
        (BALANCE, ok(b"[]")),
    ];
    let (seen, _) = run(&mut reconciler, 400, &script);
    assert_eq!(
        seen,
        [
            "begin",
            "algo web_1 120",
            "position 0 0",
            "position 1 0",
            "elsewhere [0, 1, 1]",
            "end"
        ]
    );
}

#[test]
fn a_wish_for_younger_trades_does_not_shorten_the_list_and_one_for_no_instrument_is_passed_over() {
    let mut reconciler = reconciler();
    reconciler.want_trades(wanted(0, 400));
    reconciler.want_trades(wanted(0, 500));
    reconciler.want_trades(wanted(7, 1));
    reconciler.want(now(1).mono);
    let (_, queries) = run(&mut reconciler, 1, &[(TRADES, ok(b"[]"))]);
    assert_eq!(queries, ["fromId=401&limit=1000&symbol=BTCUSDT"]);
    let table = table();
    let (instruments, mut seen) = (Instruments(&table), Seen::default());
    let mut governor = Governor::new(2400);
    let asked = reconciler.poll(now(1), &mut governor, &instruments, &mut seen);
    assert_eq!(asked, None);
    run(&mut reconciler, 1, &[(ORDERS, ok(b"[]"))]);
}

#[test]
fn a_look_begins_when_there_is_weight_for_it() {
    let table = table();
    let (instruments, mut seen) = (Instruments(&table), Seen::default());
    let mut reconciler = reconciler();
    assert_eq!(reconciler.next_deadline(), None);
    reconciler.want(now(1).mono);
    let mut governor = Governor::new(2400);
    governor.admit_emergency(2_400, now(1)).unwrap();
    let asked = reconciler.poll(now(2), &mut governor, &instruments, &mut seen);
    assert_eq!(asked, None);
    assert!(
        seen.0.is_empty(),
        "what is asked for meanwhile is covered by it"
    );
    let at = reconciler.next_deadline().unwrap();
    assert!(at > now(2).mono && at <= now(60_001).mono);
    let later = Now {
        mono: at,
        ..now(at.0 / MILLISECOND_NS)
    };
    let request = reconciler.poll(later, &mut governor, &instruments, &mut seen);
    assert_eq!(request.expect("the minute is over").call.path, ORDERS);
    assert_eq!(seen.0, ["begin"]);
    assert_eq!(reconciler.next_deadline(), None);
}

#[test]
fn an_answer_that_nobody_waits_for_tells_nothing() {
    let table = table();
    let (instruments, mut seen) = (Instruments(&table), Seen::default());
    let mut reconciler = reconciler();
    reconciler.on_reply(ok(b"[]"), now(1).mono, &instruments, &mut seen);
    reconciler.want(now(1).mono);
    reconciler.on_reply(ok(b"[]"), now(1).mono, &instruments, &mut seen);
    assert!(seen.0.is_empty());
    run(&mut reconciler, 1, &[(ORDERS, ok(b"[]"))]);
}

#[test]
fn an_account_in_hedge_mode_is_never_taken_for_reconciled() {
    let mut reconciler = reconciler();
    reconciler.want(now(1).mono);
    let held = br#"[{"symbol":"BTCUSDT","positionSide":"LONG","positionAmt":"0.005","entryPrice":"1.0","updateTime":1},
        {"symbol":"BTCUSDT","positionSide":"SHORT","positionAmt":"-0.005","entryPrice":"1.0","updateTime":1}]"#;
    let script = [(ORDERS, ok(b"[]")), (ALGO, ok(b"[]")), (HELD, ok(held))];
    let (seen, _) = run(&mut reconciler, 1, &script);
    assert_eq!(seen, ["begin", "failed"]);
}

#[test]
fn spot_is_asked_for_orders_and_balances_alone() {
    let mut reconciler = reconciler();
    reconciler.market = Market::Spot;
    reconciler.want(now(1).mono);
    let account = br#"{"balances":[{"asset":"BTC","free":"0.5","locked":"0.25"},{"asset":"USDT","free":"7","locked":"0"}]}"#;
    let script = [
        ("/api/v3/openOrders", ok(b"[]")),
        ("/api/v3/account", ok(account)),
    ];
    let (seen, _) = run(&mut reconciler, 1, &script);
    assert_eq!(seen, ["begin", "balance BTC", "balance USDT", "end"]);
}

/// Margin and liquidation prices, which one who does not care leaves.
#[derive(Default)]
struct Margins(Vec<String>);

impl ReconcileEvents for Margins {
    fn begin(&mut self) {}
    fn trade(&mut self, _: TradeReport) {}
    fn trades_listed(&mut self, _: InstrumentId) {}
    fn open_order(&mut self, _: OpenOrderReport) {}
    fn position(&mut self, _: PositionReport) {}
    fn balance(&mut self, balance: BalanceReport) {
        self.0.push(format!("balance {}", balance.asset));
    }
    fn margin(&mut self, margin: MarginReport) {
        self.0.push(format!("maintenance {}", margin.maintenance.0));
    }
    fn liquidation(&mut self, one: LiquidationReport) {
        let (id, price) = (one.instrument.0, one.price_e8);
        self.0.push(format!("liquidation {id} {price}"));
    }
    fn end(&mut self) {}
    fn failed(&mut self, why: String) {
        self.0.push(why);
    }
}

#[test]
fn every_futures_instrument_has_a_liquidation_price_and_the_margin_comes_before_the_balance() {
    let table = table();
    let (instruments, mut seen) = (Instruments(&table), Margins::default());
    let mut governor = Governor::new(2400);
    let mut reconciler = reconciler();
    reconciler.want(now(1).mono);
    let bodies: [&[u8]; 4] = [
        b"[]",
        b"[]",
        br#"[{"symbol":"ETHUSDT","positionSide":"BOTH","positionAmt":"-0.005","entryPrice":"1.0","liquidationPrice":"3.5","maintMargin":"0.25","updateTime":1}]"#,
        br#"[{"asset":"USDT","balance":"5.0","crossWalletBalance":"5.0","crossUnPnl":"0","availableBalance":"4.0","updateTime":1}]"#,
    ];
    for body in bodies {
        let asked = reconciler.poll(now(1), &mut governor, &instruments, &mut seen);
        assert!(asked.is_some());
        reconciler.on_reply(ok(body), now(1).mono, &instruments, &mut seen);
    }
    let expected = [
        "liquidation 0 0",
        "liquidation 1 350000000",
        "maintenance 25000000",
        "balance USDT",
    ];
    assert_eq!(seen.0, expected);
}

#[test]
fn an_exchange_without_conditional_orders_has_none_and_a_later_list_that_fails_holds_nothing_up() {
    let unknown = Some(HttpReply {
        status: 404,
        retry_after_s: None,
        used_weight: None,
        body: b"",
    });
    let mut reconciler = reconciler();
    for (at, outcome) in [(1, unknown), (301_000, None)] {
        reconciler.want(now(at).mono);
        let order = br#"[{"clientOrderId":"fuA","executedQty":"0","orderId":9,"origQty":"0.4","price":"93.10","side":"BUY","status":"NEW","symbol":"BTCUSDT","timeInForce":"GTC","type":"LIMIT"}]"#;
        let script = [
            (ORDERS, ok(order)),
            (ALGO, outcome),
            (HELD, ok(b"[]")),
            (BALANCE, ok(b"[]")),
        ];
        let (seen, _) = run(&mut reconciler, at, &script);
        let expected = [
            "begin",
            "order fuA",
            "incomplete",
            "position 0 0",
            "position 1 0",
            "end",
        ];
        assert_eq!(seen, expected);
    }
}
