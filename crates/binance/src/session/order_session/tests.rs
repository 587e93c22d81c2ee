//! What becomes of requests: answered, late, lost.
//!
//! In: tables of bytes and times. Out: verdicts. Never: a socket.

use super::*;
use crate::session::{Governor, HttpReply, Listings};
use crate::sign::Signer;
use market::{
    AccountConfigChange, BalanceReport, ExchangeOrderId, Filters, InstrumentStatus, IntentId,
    OrderType, OrderUpdate, PositionReport, Price, Quantity, Side, Step, StrategyId, Symbol,
    TimeInForce, UtcMs,
};

mod rare;
mod silence;

#[derive(Default)]
struct Seen(Vec<String>);

impl OrderEvents for Seen {
    fn reply(&mut self, reply: OrderReply, took_ns: Option<u64>) {
        let (outcome, id, code) = (reply.outcome, reply.client_order_id, reply.error_code);
        let timed = if took_ns.is_some() { " timed" } else { "" };
        self.0
            .push(format!("{} {outcome} {id} {code}{timed}", reply.request));
    }
    fn stream(&mut self, _: Market, up: bool) {
        self.0.push(if up { "up" } else { "down" }.to_string());
    }
    fn unreadable(&mut self) {
        self.0.push("unreadable".to_string());
    }
}

impl UserEvents for Seen {
    fn order_update(&mut self, update: OrderUpdate) {
        self.0.push(format!("update {}", update.client_order_id));
    }
    fn position(&mut self, _: PositionReport) {
        self.0.push("position".to_string());
    }
    fn balance(&mut self, balance: BalanceReport) {
        self.0.push(format!("balance {}", balance.asset));
    }
    fn account_config(&mut self, _: AccountConfigChange) {}
    fn wallet_moved(&mut self, _: Market) {}
    fn stream(&mut self, _: Market, up: bool) {
        self.0
            .push(if up { "private up" } else { "private down" }.to_string());
    }
    fn parse_error(&mut self, error: DecodeError) {
        self.0.push(format!("error {}", error.reason()));
    }
}

fn instrument() -> Instrument {
    Instrument {
        id: InstrumentId(0),
        market: Market::UsdM,
        symbol: Symbol::new(b"BTCUSDT").unwrap(),
        tick: Step::from_text(b"0.10").unwrap(),
        lot: Step::from_text(b"0.001").unwrap(),
        price_decimals: 2,
        quantity_decimals: 3,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    }
}

fn order(id: &str) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId::new(id.as_bytes()).unwrap(),
        intent: IntentId(1),
        instrument: InstrumentId(0),
        strategy: StrategyId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::PostOnly,
        price: Price(1000),
        quantity: Quantity(2),
        reduce_only: false,
    }
}

fn now(ms: u64) -> Now {
    Now {
        mono: MonoNs(ms * MILLISECOND_NS),
        server: UtcMs(1_700_000_000_000 + ms as i64),
    }
}

fn session(signer: Signer) -> OrderSession {
    OrderSession::new(OrderSessionSettings {
        market: Market::UsdM,
        credentials: Credentials {
            api_key: "k".to_string(),
            signer,
        },
        recv_window_ms: 1_000,
        reply_timeout_ns: 3 * SECOND_NS,
        seed: 1,
    })
}

/// A session that is up since 1 ms, and what it said so far.
fn connected() -> (OrderSession, Seen) {
    let mut session = session(Signer::hmac(b"s"));
    let mut seen = Seen::default();
    assert_eq!(session.poll(now(1), &mut seen), Some(LinkAction::Connect));
    session.on_connected(now(1), &mut seen);
    assert_eq!(std::mem::take(&mut seen.0), ["up"]);
    (session, seen)
}

fn place(session: &mut OrderSession, seen: &mut Seen, id: &str, at: u64) -> String {
    let mut out = Vec::new();
    session.place(
        &order(id),
        &instrument(),
        now(at).mono,
        now(at),
        &mut out,
        seen,
    );
    String::from_utf8(out).unwrap()
}

fn answer(session: &mut OrderSession, seen: &mut Seen, frame: &str, at: u64) {
    let table = [instrument()];
    let action = session.on_frame(frame.as_bytes(), now(at), &Instruments(&table), seen);
    assert_eq!(action, None);
}

const ACCEPTED: &str = r#"{"id":"ID","status":200,"result":{"orderId":9,"clientOrderId":"fuA","status":"NEW","executedQty":"0"}}"#;

#[test]
fn each_answer_is_matched_to_its_request_in_any_order() {
    let cases = [
        (ACCEPTED, "PLACE CONFIRMED fuA 0 timed"),
        (
            r#"{"id":"ID","status":400,"error":{"code":-2019,"msg":"Margin is insufficient."}}"#,
            "PLACE REJECTED fuA -2019 timed",
        ),
        (
            r#"{"id":"ID","status":503,"error":{"code":-1007,"msg":"Timeout"}}"#,
            "PLACE UNRESOLVED fuA -1007 timed",
        ),
        (
            r#"{"id":"ID","status":200,"result":{"orderId":9,"clientOrderId":"other"}}"#,
            "PLACE UNRESOLVED fuA 0 timed",
        ),
    ];
    for (frame, expected) in cases {
        let (mut session, mut seen) = connected();
        let sent = place(&mut session, &mut seen, "fuA", 10);
        assert!(sent.contains(r#""method":"order.place""#) && sent.contains("signature"));
        place(&mut session, &mut seen, "fuB", 11);
        answer(&mut session, &mut seen, &frame.replace("ID", "p1"), 20);
        assert_eq!(seen.0, [expected]);
    }
}

#[test]
fn a_request_without_answer_is_unresolved_once_and_a_late_answer_is_evidence() {
    let (mut session, mut seen) = connected();
    place(&mut session, &mut seen, "fuA", 10);
    place(&mut session, &mut seen, "fuB", 20);
    answer(
        &mut session,
        &mut seen,
        &ACCEPTED.replace("ID", "p2").replace("fuA", "fuB"),
        30,
    );
    assert_eq!(session.next_deadline(), now(3_010).mono);
    assert_eq!(session.poll(now(3_009), &mut seen), None);
    assert_eq!(
        session.poll(now(3_010), &mut seen),
        None,
        "the connection has answered"
    );
    assert_eq!(session.poll(now(9_000), &mut seen), Some(LinkAction::Ping));
    answer(
        &mut session,
        &mut seen,
        &ACCEPTED.replace("ID", "p1"),
        9_001,
    );
    answer(
        &mut session,
        &mut seen,
        &ACCEPTED.replace("ID", "p1"),
        9_002,
    );
    let expected = [
        "PLACE CONFIRMED fuB 0 timed",
        "PLACE UNRESOLVED fuA 0",
        "PLACE CONFIRMED fuA 0 timed",
        "unreadable",
    ];
    assert_eq!(seen.0, expected);
}

#[test]
fn a_connection_that_answers_nothing_is_dropped() {
    let (mut session, mut seen) = connected();
    place(&mut session, &mut seen, "fuA", 10);
    let close = Some(LinkAction::Close(CloseReason::Silent));
    assert_eq!(session.poll(now(3_010), &mut seen), close);
    assert_eq!(seen.0, ["PLACE UNRESOLVED fuA 0", "down"]);
}

#[test]
fn a_connection_that_does_not_answer_a_ping_is_dropped_before_an_order_finds_out() {
    let (mut session, mut seen) = connected();
    session.on_alive(now(150_000).mono);
    assert_eq!(session.next_deadline(), now(153_000).mono);
    assert_eq!(session.poll(now(152_999), &mut seen), None);
    let ping = Some(LinkAction::Ping);
    assert_eq!(session.poll(now(153_000), &mut seen), ping);
    session.on_alive(now(153_050).mono);
    assert_eq!(session.poll(now(156_049), &mut seen), None);
    assert_eq!(session.poll(now(156_050), &mut seen), ping);
    // An order that is sent meanwhile is unresolved, not lost.
    place(&mut session, &mut seen, "fuA", 157_000);
    assert_eq!(session.poll(now(159_049), &mut seen), None);
    let close = LinkAction::Close(CloseReason::Unanswered);
    assert_eq!(session.poll(now(159_050), &mut seen), Some(close));
    assert!(!session.is_ready());
    assert_eq!(seen.0, ["down", "PLACE UNRESOLVED fuA 0"]);
}

#[test]
fn a_lost_connection_leaves_every_request_unresolved_and_repeats_none() {
    let (mut session, mut seen) = connected();
    place(&mut session, &mut seen, "fuA", 10);
    place(&mut session, &mut seen, "fuB", 10);
    answer(&mut session, &mut seen, &ACCEPTED.replace("ID", "p1"), 11);
    place(&mut session, &mut seen, "fuC", 12);
    seen.0.clear();
    session.on_disconnected(now(13), &mut seen);
    session.on_disconnected(now(13), &mut seen);
    assert_eq!(
        seen.0,
        ["down", "PLACE UNRESOLVED fuB 0", "PLACE UNRESOLVED fuC 0"]
    );
    seen.0.clear();
    assert_eq!(place(&mut session, &mut seen, "fuD", 14), "");
    assert_eq!(seen.0, ["PLACE REJECTED fuD 1"]);
    assert_eq!(
        session.poll(now(5_000), &mut seen),
        Some(LinkAction::Connect)
    );
    session.on_connected(now(5_001), &mut seen);
    assert!(
        !session.due_frame(now(5_001), &mut Vec::new()),
        "nothing is sent again"
    );
}

#[test]
fn cancels_and_reducing_orders_have_the_long_window_and_entries_the_short_one() {
    let reducing = NewOrder {
        reduce_only: true,
        ..order("fuA")
    };
    let sale = NewOrder {
        side: Side::Sell,
        ..order("fuA")
    };
    let cases = [
        (Market::UsdM, order("fuA"), 1_000),
        (Market::UsdM, sale, 1_000),
        (Market::UsdM, reducing, 5_000),
        (Market::Spot, order("fuA"), 1_000),
        (Market::Spot, sale, 5_000),
    ];
    for (market, order, window_ms) in cases {
        let (mut session, mut seen) = connected();
        session.settings.market = market;
        let mut out = Vec::new();
        session.place(
            &order,
            &instrument(),
            now(10).mono,
            now(10),
            &mut out,
            &mut seen,
        );
        let sent = String::from_utf8(out).unwrap();
        let window = format!("\"recvWindow\":{window_ms},");
        assert!(sent.contains(&window), "{market} {sent}");
    }
    let (mut session, mut seen) = connected();
    assert!(query(&mut session, &mut seen, "fuA", 10).contains("\"recvWindow\":5000"));
}

#[test]
fn a_refused_time_stamp_is_told_to_the_shell_once() {
    let (mut session, mut seen) = connected();
    assert!(!session.take_clock_refused());
    for code in [-1021, -5028] {
        place(&mut session, &mut seen, "fuA", 10);
        let id = format!("p{}", session.next_sequence - 1);
        answer(&mut session, &mut seen, &refusal(&id, 400, code), 20);
        assert!(session.take_clock_refused() && !session.take_clock_refused());
    }
}

#[test]
fn a_refusal_for_filters_or_status_has_the_listings_looked_at() {
    for (code, expected) in [(-4014, true), (-1111, true), (-4140, true), (-2019, false)] {
        let doubt = ListingDoubt::default();
        let (mut session, mut seen) = connected();
        session.listing_doubt = doubt.clone();
        place(&mut session, &mut seen, "fuA", 10);
        answer(&mut session, &mut seen, &refusal("p1", 400, code), 20);
        let table = [instrument()];
        let begun = now(0).mono;
        let mut listings = Listings::new(Market::UsdM, &Instruments(&table), doubt, begun);
        let asked = listings.poll(now(30), &mut Governor::new(2_400));
        assert_eq!(asked.is_some(), expected, "{code}");
    }
}

#[test]
fn an_order_that_opens_is_not_sent_on_an_old_decision_and_one_that_reduces_is() {
    let (entry, reducing) = (
        order("fuA"),
        NewOrder {
            reduce_only: true,
            ..order("fuB")
        },
    );
    let cases = [
        (entry, 500, true),
        (entry, 501, false),
        (entry, 90_000, false),
        (reducing, 90_000, true),
    ];
    for (order, age_ms, expected) in cases {
        let (mut session, mut seen) = connected();
        let (decided, sent) = (now(10).mono, now(10 + age_ms));
        let mut out = Vec::new();
        let wanted = session.place(&order, &instrument(), decided, sent, &mut out, &mut seen);
        assert_eq!((wanted, out.is_empty()), (expected, !expected), "{age_ms}");
        assert_eq!(seen.0.is_empty(), expected);
        assert!(expected || seen.0 == ["PLACE REJECTED fuA 1"]);
    }
}

#[test]
fn an_ed25519_key_logs_on_first_and_orders_then_go_unsigned() {
    let mut session = session(Signer::ed25519(&[7; 32]));
    let mut seen = Seen::default();
    session.poll(now(1), &mut seen);
    let mut out = Vec::new();
    session.on_connected(now(1), &mut seen);
    assert!(session.due_frame(now(1), &mut out));
    let sent = String::from_utf8(out).unwrap();
    assert!(sent.contains(r#""method":"session.logon""#) && sent.contains("signature"));
    assert_eq!(place(&mut session, &mut seen, "fuA", 2), "");
    assert_eq!(seen.0, ["PLACE REJECTED fuA 1"]);
    seen.0.clear();
    answer(
        &mut session,
        &mut seen,
        r#"{"id":"l1","status":200,"result":{}}"#,
        3,
    );
    let sent = place(&mut session, &mut seen, "fuB", 4);
    assert!(sent.contains("order.place") && !sent.contains("signature"));
    assert_eq!(seen.0, ["up"]);
}

#[test]
fn a_refused_or_missing_log_on_closes_the_connection() {
    let refused: &[u8] = br#"{"id":"l1","status":401,"error":{"code":-2015,"msg":"x"}}"#;
    for frame in [Some(refused), None] {
        let mut session = session(Signer::ed25519(&[7; 32]));
        let mut seen = Seen::default();
        session.poll(now(1), &mut seen);
        session.on_connected(now(1), &mut seen);
        assert!(session.due_frame(now(1), &mut Vec::new()));
        let table = [instrument()];
        let action = match frame {
            Some(frame) => session.on_frame(frame, now(2), &Instruments(&table), &mut seen),
            None => session.poll(now(5_001), &mut seen),
        };
        assert_eq!(action, Some(LinkAction::Close(CloseReason::LogonFailed)));
        assert!(!session.is_ready() && seen.0.is_empty());
    }
}

#[test]
fn frames_that_answer_nothing_of_ours_are_counted() {
    let (mut session, mut seen) = connected();
    let frames = [
        "rubbish",
        r#"{"id":null,"status":401,"error":{"code":-2015,"msg":"x"}}"#,
        r#"{"id":"p77","status":200,"result":{}}"#,
    ];
    for frame in frames {
        answer(&mut session, &mut seen, frame, 5);
    }
    assert_eq!(seen.0, ["unreadable", "unreadable", "unreadable"]);
}

#[test]
fn more_requests_than_there_is_room_for_lose_none_silently() {
    let (mut session, mut seen) = connected();
    for index in 0..=PENDING_MAX {
        place(&mut session, &mut seen, &format!("fu{index}"), 10);
    }
    assert_eq!(seen.0, ["PLACE UNRESOLVED fu0 0"]);
    seen.0.clear();
    session.on_disconnected(now(11), &mut seen);
    assert_eq!(seen.0.len(), 1 + PENDING_MAX);
}

#[test]
fn spot_subscribes_to_its_private_events_on_the_same_connection() {
    let mut session = OrderSession::new(OrderSessionSettings {
        market: Market::Spot,
        ..session(Signer::hmac(b"s")).settings
    });
    let mut seen = Seen::default();
    session.poll(now(1), &mut seen);
    session.on_connected(now(1), &mut seen);
    let mut out = Vec::new();
    assert!(session.due_frame(now(1), &mut out));
    let sent = String::from_utf8(out).unwrap();
    assert!(
        sent.contains("userDataStream.subscribe.signature"),
        "{sent}"
    );
    assert!(!session.due_frame(now(1), &mut Vec::new()));
    let frames = [
        r#"{"id":"u1","status":200,"result":{"subscriptionId":0}}"#,
        r#"{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":1,"u":1,"B":[{"a":"USDT","f":"1.0","l":"0.0"}]}}"#,
    ];
    for frame in frames {
        answer(&mut session, &mut seen, frame, 2);
    }
    session.on_disconnected(now(3), &mut seen);
    let expected = ["up", "private up", "balance USDT", "down", "private down"];
    assert_eq!(seen.0, expected);
}

#[test]
fn a_private_event_that_cannot_be_read_renews_the_connection() {
    let mut session = OrderSession::new(OrderSessionSettings {
        market: Market::Spot,
        ..session(Signer::hmac(b"s")).settings
    });
    let mut seen = Seen::default();
    session.poll(now(1), &mut seen);
    session.on_connected(now(1), &mut seen);
    assert!(session.due_frame(now(1), &mut Vec::new()));
    answer(
        &mut session,
        &mut seen,
        r#"{"id":"u1","status":200,"result":{}}"#,
        2,
    );
    let table = [instrument()];
    let frame = br#"{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":1}}"#;
    let action = session.on_frame(frame, now(3), &Instruments(&table), &mut seen);
    assert_eq!(action, Some(LinkAction::Close(CloseReason::Unreadable)));
    assert_eq!(seen.0[2..], ["error missing_field", "down", "private down"]);
}

fn query(session: &mut OrderSession, seen: &mut Seen, id: &str, at: u64) -> String {
    let order = CancelOrder {
        client_order_id: ClientOrderId::new(id.as_bytes()).unwrap(),
        instrument: InstrumentId(0),
        exchange_order_id: ExchangeOrderId(0),
    };
    let mut out = Vec::new();
    session.query(&order, &instrument(), now(at), &mut out, seen);
    String::from_utf8(out).unwrap()
}

fn refusal(id: &str, status: u16, code: i64) -> String {
    format!(r#"{{"id":"{id}","status":{status},"error":{{"code":{code},"msg":"x"}}}}"#)
}

#[test]
fn only_the_exchanges_word_that_it_does_not_know_the_order_rejects_a_query() {
    let cases = [
        (400, -2013, "REJECTED"),
        (400, -2026, "UNRESOLVED"),
        (400, -2011, "UNRESOLVED"),
        (400, -1000, "UNRESOLVED"),
        (400, -1003, "UNRESOLVED"),
        (400, -1021, "UNRESOLVED"),
        (400, -1022, "UNRESOLVED"),
        (400, -1102, "UNRESOLVED"),
        (400, -1121, "UNRESOLVED"),
        (400, -1125, "UNRESOLVED"),
        (401, -2014, "UNRESOLVED"),
        (401, -2015, "UNRESOLVED"),
        (403, -1, "UNRESOLVED"),
        (404, -1, "UNRESOLVED"),
        (408, -1007, "UNRESOLVED"),
        (418, -1003, "UNRESOLVED"),
        (418, -2013, "UNRESOLVED"),
        (429, -1003, "UNRESOLVED"),
        (429, -2013, "UNRESOLVED"),
        (500, -1001, "UNRESOLVED"),
        (503, -1008, "UNRESOLVED"),
        (503, -2013, "UNRESOLVED"),
    ];
    for (status, code, expected) in cases {
        let (mut session, mut seen) = connected();
        assert!(query(&mut session, &mut seen, "fuA", 10).contains("order.status"));
        answer(&mut session, &mut seen, &refusal("q1", status, code), 20);
        let expected = format!("QUERY {expected} fuA {code} timed");
        assert_eq!(seen.0, [expected], "{status} {code}");
    }
}

#[test]
fn a_query_that_was_never_sent_is_unresolved() {
    let (mut session, mut seen) = connected();
    query(&mut session, &mut seen, "fuA", 10);
    answer(&mut session, &mut seen, &refusal("q1", 429, -1003), 20);
    assert_eq!(query(&mut session, &mut seen, "fuA", 30), "");
    session.on_disconnected(now(40), &mut seen);
    assert_eq!(query(&mut session, &mut seen, "fuA", 50), "");
    let expected = [
        "QUERY UNRESOLVED fuA -1003 timed",
        "QUERY UNRESOLVED fuA 1",
        "down",
        "QUERY UNRESOLVED fuA 1",
    ];
    assert_eq!(seen.0, expected);
}

#[test]
fn an_answer_says_nothing_once_a_later_query_was_meant_whether_it_left_or_not() {
    let (mut session, mut seen) = connected();
    query(&mut session, &mut seen, "fuA", 10);
    query(&mut session, &mut seen, "fuB", 20);
    answer(&mut session, &mut seen, &refusal("q2", 429, -1003), 30);
    assert_eq!(query(&mut session, &mut seen, "fuA", 1_010), "");
    answer(&mut session, &mut seen, &refusal("q1", 400, -2013), 1_020);
    let expected = [
        "QUERY UNRESOLVED fuB -1003 timed",
        "QUERY UNRESOLVED fuA 1",
        "QUERY UNRESOLVED fuA -2013 timed",
    ];
    assert_eq!(seen.0, expected);
}

#[test]
fn not_found_counts_only_as_the_answer_to_the_query_under_way() {
    let (mut session, mut seen) = connected();
    query(&mut session, &mut seen, "fuA", 10);
    query(&mut session, &mut seen, "fuB", 10);
    query(&mut session, &mut seen, "fuA", 1_010);
    for (id, at) in [("q1", 1_011), ("q2", 1_012), ("q3", 1_013)] {
        answer(&mut session, &mut seen, &refusal(id, 400, -2013), at);
    }
    // One that was given up as unresolved before says nothing either.
    query(&mut session, &mut seen, "fuC", 2_000);
    answer(&mut session, &mut seen, "rubbish", 2_001);
    session.poll(now(5_000), &mut seen);
    answer(&mut session, &mut seen, &refusal("q4", 400, -2013), 5_001);
    let expected = [
        "QUERY UNRESOLVED fuA -2013 timed",
        "QUERY REJECTED fuB -2013 timed",
        "QUERY REJECTED fuA -2013 timed",
        "unreadable",
        "QUERY UNRESOLVED fuC 0",
        "QUERY UNRESOLVED fuC -2013 timed",
    ];
    assert_eq!(seen.0, expected);
}

fn amend(session: &mut OrderSession, seen: &mut Seen, id: &str, price: i64, at: u64) -> String {
    let amend = AmendOrder {
        order: NewOrder {
            price: Price(price),
            ..order(id)
        },
        decision: IntentId(2),
        exchange_order_id: ExchangeOrderId(9),
        old_price: Price(1000),
        old_quantity: Quantity(2),
    };
    let mut out = Vec::new();
    let (table, decided) = (instrument(), now(at).mono);
    session.amend(&amend, &table, decided, now(at), &mut out, seen);
    String::from_utf8(out).unwrap()
}

#[test]
fn an_amendment_names_its_order_with_price_and_the_whole_quantity() {
    let (mut session, mut seen) = connected();
    let frame = amend(&mut session, &mut seen, "fuA", 1003, 2);
    for part in [
        r#""method":"order.modify""#,
        r#""origClientOrderId":"fuA""#,
        r#""symbol":"BTCUSDT""#,
        r#""side":"BUY""#,
        r#""quantity":"0.002""#,
        r#""price":"100.3"#,
        r#""recvWindow":1000"#,
    ] {
        assert!(frame.contains(part), "{part} in {frame}");
    }
}

#[test]
fn the_exchanges_answers_to_an_amendment_are_told_apart() {
    // What the documentation and recordings of the futures API show.
    let done = r#"{"id":"ID","status":200,"result":{"orderId":9,"symbol":"BTCUSDT","pair":"BTCUSDT","status":"NEW","clientOrderId":"fuA","price":"100.30","avgPrice":"0.00000","origQty":"0.002","executedQty":"0.000","cumQty":"0.000","cumQuote":"0.00000","timeInForce":"GTX","type":"LIMIT","reduceOnly":false,"closePosition":false,"side":"BUY","positionSide":"BOTH","stopPrice":"0","updateTime":1700000000555}}"#;
    let refused = |code: i64, text: &str| {
        format!(r#"{{"id":"ID","status":400,"error":{{"code":{code},"msg":"{text}"}}}}"#)
    };
    let cases = [
        (done.to_string(), "AMEND CONFIRMED fuA 0 timed"),
        (
            done.replace("\"NEW\"", "\"CANCELED\""),
            "AMEND CONFIRMED fuA 0 timed",
        ),
        // Without its price and quantity nobody knows what the order is.
        (
            done.replace("\"origQty\":\"0.002\",", ""),
            "AMEND UNRESOLVED fuA 0 timed",
        ),
        (done.replace("fuA", "fuB"), "AMEND UNRESOLVED fuA 0 timed"),
        (
            refused(-5027, "No need to modify the order."),
            "AMEND CONFIRMED fuA -5027 timed",
        ),
        (
            refused(-5026, "Exceed maximum modify order limit."),
            "AMEND REJECTED fuA -5026 timed",
        ),
        (
            refused(
                -5028,
                "Timestamp for this request is outside of the ME recvWindow.",
            ),
            "AMEND REJECTED fuA -5028 timed",
        ),
        (
            refused(
                -5043,
                "A pending modification already exists for this order.",
            ),
            "AMEND REJECTED fuA -5043 timed",
        ),
        (
            refused(-2013, "Order does not exist."),
            "AMEND REJECTED fuA -2013 timed",
        ),
        (
            r#"{"id":"ID","status":503,"error":{"code":-1007,"msg":"Timeout"}}"#.to_string(),
            "AMEND UNRESOLVED fuA -1007 timed",
        ),
    ];
    for (frame, expected) in cases {
        let (mut session, mut seen) = connected();
        amend(&mut session, &mut seen, "fuA", 1003, 2);
        answer(&mut session, &mut seen, &frame.replace("ID", "a1"), 3);
        assert_eq!(seen.0, [expected], "{frame}");
    }
}

#[test]
fn an_amendment_without_an_answer_is_unresolved_when_the_connection_ends() {
    let (mut session, mut seen) = connected();
    amend(&mut session, &mut seen, "fuA", 1003, 2);
    session.on_disconnected(now(5), &mut seen);
    assert_eq!(seen.0, ["down", "AMEND UNRESOLVED fuA 0"]);
    seen.0.clear();
    assert_eq!(amend(&mut session, &mut seen, "fuA", 1004, 6), "");
    assert_eq!(seen.0, ["AMEND REJECTED fuA 1"], "not sent");
}

#[test]
fn a_late_refusal_of_a_former_amendment_is_no_answer_to_the_present_one() {
    let (mut session, mut seen) = connected();
    amend(&mut session, &mut seen, "fuA", 1003, 2);
    session.on_alive(now(2_900).mono);
    session.poll(now(3_100), &mut seen);
    assert_eq!(std::mem::take(&mut seen.0), ["AMEND UNRESOLVED fuA 0"]);
    amend(&mut session, &mut seen, "fuA", 1004, 3_200);
    let refused =
        r#"{"id":"a1","status":400,"error":{"code":-2013,"msg":"Order does not exist."}}"#;
    answer(&mut session, &mut seen, refused, 3_300);
    assert_eq!(seen.0, [] as [&str; 0]);
    let refused = refused.replace("a1", "a2");
    answer(&mut session, &mut seen, &refused, 3_400);
    assert_eq!(seen.0, ["AMEND REJECTED fuA -2013 timed"]);
}

#[test]
fn a_query_tells_price_quantity_and_when_they_changed() {
    let frame = r#"{"id":"q1","status":200,"result":{"orderId":9,"clientOrderId":"fuA","status":"PARTIALLY_FILLED","price":"100.30","origQty":"0.002","executedQty":"0.001","updateTime":1700000000555}}"#;
    let reply = decode_reply(frame.as_bytes()).unwrap();
    let id = order("fuA").client_order_id;
    let told = reply.order_reply(RequestKind::Query, id, &instrument());
    let terms = market::OrderTerms {
        price: Price(1003),
        quantity: Quantity(2),
        changed: UtcMs(1_700_000_000_555),
    };
    assert_eq!(told.terms, Some(terms));
    assert_eq!(told.cumulative_quantity, Quantity(1));
}
