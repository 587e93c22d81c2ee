//! Cancels and queries over REST: what is sent, and what becomes of each.
//!
//! In: tables of answers and times. Out: requests, verdicts. Never: a socket.

use super::*;
use crate::session::{HttpReply, MILLISECOND_NS};
use crate::sign::Signer;
use market::{
    ClientOrderId, ExchangeOrderId, Filters, Instrument, InstrumentId, InstrumentStatus, Market,
    OrderState, Price, Quantity, Step, Symbol, UtcMs,
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

fn order(number: u64) -> CancelOrder {
    CancelOrder {
        client_order_id: ClientOrderId::compose("fu", 1, number),
        instrument: InstrumentId(0),
        exchange_order_id: ExchangeOrderId(7),
    }
}

fn now(ms: u64) -> Now {
    Now {
        mono: MonoNs(ms * MILLISECOND_NS),
        server: UtcMs(1_700_000_000_000 + ms as i64),
    }
}

struct World {
    machine: OrdersOverRest,
    governor: Governor,
    table: [Instrument; 1],
    told: Vec<OrderReply>,
}

impl World {
    fn new(market: Market) -> Self {
        Self {
            machine: OrdersOverRest::new(Credentials {
                api_key: "k".to_string(),
                signer: Signer::hmac(b"s"),
            }),
            governor: Governor::new(2_400),
            table: [instrument(market)],
            told: Vec::new(),
        }
    }

    fn poll(&mut self, ms: u64) -> Option<(u64, HttpRequest)> {
        let (table, told) = (Instruments(&self.table), &mut self.told);
        let mut tell = |reply| told.push(reply);
        self.machine
            .poll(now(ms), &mut self.governor, &table, &mut tell)
    }

    /// Everything that goes out then, as `METHOD path`.
    fn sent(&mut self, ms: u64) -> Vec<String> {
        let mut sent = Vec::new();
        while let Some((_, request)) = self.poll(ms) {
            let method = request.call.method.as_str();
            sent.push(format!("{method} {}", request.call.path));
        }
        sent
    }

    fn answer(&mut self, number: u64, status: u16, body: &str) -> Option<OrderReply> {
        let reply = HttpReply {
            status,
            retry_after_s: None,
            used_weight: None,
            body: body.as_bytes(),
        };
        let table = Instruments(&self.table);
        self.machine.on_reply(number, Some(reply), &table)
    }

    /// The verdict on one wish that the exchange answers so.
    fn verdict(&mut self, request: RequestKind, status: u16, body: &str) -> OrderReply {
        let full = match request {
            RequestKind::Cancel => self.machine.cancel(order(1), now(0).mono),
            _ => self.machine.query(order(1), now(0).mono),
        };
        assert_eq!(full, None);
        let (number, _) = self.poll(0).expect("it goes out at once");
        let verdict = self.answer(number, status, body).expect("one verdict");
        assert_eq!(self.answer(number, status, body), None, "and no other");
        assert_eq!(self.machine.open(), 0);
        verdict
    }
}

fn refusal(code: i64) -> String {
    format!(r#"{{"code":{code},"msg":"as the exchange says it"}}"#)
}

fn told(reply: &OrderReply) -> (RequestKind, ReplyOutcome, i64) {
    (reply.request, reply.outcome, reply.error_code)
}

#[test]
fn cancels_and_queries_name_their_order_and_are_signed() {
    for (market, path) in [
        (Market::UsdM, "/fapi/v1/order"),
        (Market::Spot, "/api/v3/order"),
    ] {
        let mut world = World::new(market);
        assert_eq!(world.machine.query(order(1), now(0).mono), None);
        assert_eq!(world.machine.cancel(order(2), now(0).mono), None);
        for (method, id) in [("DELETE", order(2)), ("GET", order(1))] {
            let (_, request) = world.poll(0).expect("cancels first");
            let call = &request.call;
            assert_eq!((call.method.as_str(), call.path), (method, path));
            let name = format!("origClientOrderId={}", id.client_order_id);
            assert!(call.query.contains(&name), "{}", call.query);
            for part in ["recvWindow=5000", "timestamp=1700000000000", "&signature="] {
                assert!(call.query.contains(part), "{part} in {}", call.query);
            }
            assert!(call.with_key);
            assert_eq!(request.deadline, now(3_000).mono);
        }
        assert_eq!(world.poll(0), None);
    }
}

#[test]
fn a_verdict_says_no_more_than_the_answer_proves() {
    use ReplyOutcome::{Rejected, Unresolved};
    use RequestKind::{Cancel, Query};
    let page = "<html>403</html>".to_string();
    let cases = [
        (Cancel, 400, refusal(-2011), Rejected, -2011),
        (Query, 400, refusal(-2013), Rejected, -2013),
        // A refusal of the question is no answer to it.
        (Query, 400, refusal(-2011), Unresolved, -2011),
        (Query, 400, refusal(-1021), Unresolved, -1021),
        (Query, 401, refusal(-2015), Unresolved, -2015),
        (Query, 429, refusal(-1003), Unresolved, -1003),
        (Query, 503, refusal(-2013), Unresolved, -2013),
        (Cancel, 400, refusal(-1021), Rejected, -1021),
        (Cancel, 400, refusal(-1007), Unresolved, -1007),
        (Cancel, 503, refusal(-1008), Rejected, -1008),
        (Cancel, 500, refusal(-1000), Unresolved, -1000),
        (Cancel, 403, page.clone(), Unresolved, 0),
        (Query, 400, page, Unresolved, 0),
        (Cancel, 400, String::new(), Unresolved, 0),
        (Cancel, 200, String::new(), Unresolved, 0),
        (Query, 200, "{}".to_string(), Unresolved, 0),
        (Cancel, 200, refusal(-2011), Unresolved, 0),
    ];
    for (request, status, body, outcome, code) in cases {
        let mut world = World::new(Market::UsdM);
        let verdict = world.verdict(request, status, &body);
        assert_eq!(told(&verdict), (request, outcome, code), "{status} {body}");
        assert_eq!(verdict.client_order_id, order(1).client_order_id);
    }
}

#[test]
fn an_answer_about_the_order_tells_how_it_stands() {
    let id = order(1).client_order_id;
    let body = format!(
        r#"{{"orderId":77,"symbol":"BTCUSDT","status":"PARTIALLY_FILLED","clientOrderId":"{id}","price":"50000.10","avgPrice":"0","origQty":"0.020","executedQty":"0.004","updateTime":9}}"#
    );
    let mut world = World::new(Market::UsdM);
    let verdict = world.verdict(RequestKind::Query, 200, &body);
    assert_eq!(verdict.outcome, ReplyOutcome::Confirmed);
    assert_eq!(verdict.state, OrderState::PartiallyFilled);
    assert_eq!(verdict.cumulative_quantity, Quantity(4));
    let terms = verdict.terms.expect("a query tells them");
    assert_eq!(
        (terms.price, terms.quantity),
        (Price(500_001), Quantity(20))
    );
    // A spot cancel names itself in `clientOrderId`.
    let body = format!(
        r#"{{"symbol":"BTCUSDT","origClientOrderId":"{id}","orderId":77,"clientOrderId":"x","status":"CANCELED","executedQty":"0.004"}}"#
    );
    let mut world = World::new(Market::Spot);
    let verdict = world.verdict(RequestKind::Cancel, 200, &body);
    assert_eq!(verdict.outcome, ReplyOutcome::Confirmed);
    assert_eq!(verdict.state, OrderState::Canceled);
    let other = body.replace(&id.to_string(), "fu-other");
    let verdict = world.verdict(RequestKind::Cancel, 200, &other);
    assert_eq!(verdict.outcome, ReplyOutcome::Unresolved);
}

#[test]
fn without_an_answer_a_request_is_unresolved() {
    for request in [RequestKind::Cancel, RequestKind::Query] {
        let mut world = World::new(Market::UsdM);
        let full = match request {
            RequestKind::Cancel => world.machine.cancel(order(1), now(0).mono),
            _ => world.machine.query(order(1), now(0).mono),
        };
        assert_eq!(full, None);
        let (number, _) = world.poll(0).unwrap();
        let table = Instruments(&world.table);
        let verdict = world.machine.on_reply(number, None, &table).unwrap();
        assert_eq!(told(&verdict), (request, ReplyOutcome::Unresolved, 0));
    }
}

#[test]
fn what_cannot_be_sent_in_its_time_is_told_and_not_sent() {
    let mut world = World::new(Market::UsdM);
    let ban = HttpReply {
        status: 418,
        retry_after_s: Some(60),
        used_weight: None,
        body: b"",
    };
    world.governor.on_reply(&ban, now(0));
    assert_eq!(world.machine.cancel(order(1), now(0).mono), None);
    assert_eq!(world.machine.query(order(2), now(0).mono), None);
    assert_eq!(world.sent(0), [""; 0]);
    assert_eq!(world.machine.next_deadline(), Some(now(1_000).mono));
    assert_eq!(world.sent(999), [""; 0]);
    assert_eq!(world.told, []);
    assert_eq!(world.sent(1_000), [""; 0]);
    assert_eq!(world.machine.next_deadline(), Some(now(3_000).mono));
    assert_eq!(world.sent(3_000), [""; 0]);
    let verdicts: Vec<_> = world.told.iter().map(told).collect();
    assert_eq!(
        verdicts,
        [
            (RequestKind::Query, ReplyOutcome::Unresolved, NOT_SENT),
            (RequestKind::Cancel, ReplyOutcome::Rejected, NOT_SENT),
        ]
    );
    assert_eq!(
        (world.machine.open(), world.machine.next_deadline()),
        (0, None)
    );
    assert_eq!(world.sent(61_000), [""; 0]);
}

#[test]
fn cancels_have_the_weight_that_is_kept_for_a_kill_and_queries_have_not() {
    let mut world = World::new(Market::UsdM);
    assert_eq!(world.governor.admit(1_920, now(0)), Ok(()));
    assert_eq!(world.machine.query(order(1), now(0).mono), None);
    assert_eq!(world.machine.cancel(order(2), now(0).mono), None);
    assert_eq!(world.sent(0), ["DELETE /fapi/v1/order"]);
}

#[test]
fn wishes_have_a_bound_and_go_out_a_few_at_a_time() {
    let mut world = World::new(Market::UsdM);
    for number in 0..WISHES_MAX as u64 {
        assert_eq!(world.machine.cancel(order(number), now(0).mono), None);
    }
    let full = world.machine.cancel(order(9_999), now(0).mono);
    let never = (RequestKind::Cancel, ReplyOutcome::Rejected, NOT_SENT);
    assert_eq!(full.as_ref().map(told), Some(never));
    let full = world.machine.query(order(9_999), now(0).mono);
    let never = (RequestKind::Query, ReplyOutcome::Unresolved, NOT_SENT);
    assert_eq!(full.as_ref().map(told), Some(never));
    assert_eq!(world.sent(0).len(), PARALLEL_MAX);
    // Each answer makes room for one.
    assert!(world.answer(1, 400, &refusal(-2011)).is_some());
    assert_eq!(world.sent(1).len(), 1);
    assert_eq!(world.machine.open(), WISHES_MAX - 1);
}

#[test]
fn an_order_of_no_known_instrument_has_its_verdict_too() {
    let mut world = World::new(Market::UsdM);
    let strange = CancelOrder {
        instrument: InstrumentId(5),
        ..order(1)
    };
    assert_eq!(world.machine.cancel(strange, now(0).mono), None);
    assert_eq!(world.machine.cancel(order(2), now(0).mono), None);
    assert_eq!(world.sent(0), ["DELETE /fapi/v1/order"]);
    assert_eq!(world.told.len(), 1);
    assert_eq!(world.told[0].client_order_id, strange.client_order_id);
}
