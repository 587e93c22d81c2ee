//! Cancels, amendments that are not sent, answers that come to nobody.
//!
//! In: requests, answers, times. Out: frames and verdicts. Never: a socket.

use super::*;

fn cancel(session: &mut OrderSession, seen: &mut Seen, id: &str, at: u64) -> String {
    let order = CancelOrder {
        client_order_id: ClientOrderId::new(id.as_bytes()).unwrap(),
        instrument: InstrumentId(0),
        exchange_order_id: ExchangeOrderId(0),
    };
    let mut out = Vec::new();
    let sent = session.cancel(&order, &instrument(), now(at), &mut out, seen);
    assert_eq!(sent, !out.is_empty());
    String::from_utf8(out).unwrap()
}

#[test]
fn a_cancel_names_its_order_has_the_long_window_and_is_answered_as_a_cancel() {
    let (mut session, mut seen) = connected();
    let sent = cancel(&mut session, &mut seen, "fuA", 10);
    for part in [
        r#""method":"order.cancel""#,
        r#""symbol":"BTCUSDT""#,
        r#""origClientOrderId":"fuA""#,
        r#""recvWindow":5000"#,
        r#""signature":"#,
    ] {
        assert!(sent.contains(part), "{part}: {sent}");
    }
    let id = sent.split('"').nth(3).unwrap();
    let gone = ACCEPTED.replace("ID", id).replace("NEW", "CANCELED");
    answer(&mut session, &mut seen, &gone, 20);
    assert_eq!(seen.0, ["CANCEL CONFIRMED fuA 0 timed"]);
}

#[test]
fn a_cancel_that_cannot_be_sent_is_refused_and_one_without_answer_is_unresolved() {
    let (mut session, mut seen) = connected();
    cancel(&mut session, &mut seen, "fuA", 10);
    session.on_disconnected(now(11), &mut seen);
    assert_eq!(cancel(&mut session, &mut seen, "fuB", 12), "");
    let expected = ["down", "CANCEL UNRESOLVED fuA 0", "CANCEL REJECTED fuB 1"];
    assert_eq!(seen.0, expected);
}

#[test]
fn an_amendment_of_an_old_decision_or_on_spot_is_not_sent() {
    for (market, age_ms, reduces, expected) in [
        (Market::UsdM, 500, false, true),
        (Market::UsdM, 501, false, false),
        (Market::UsdM, 90_000, true, true),
        (Market::Spot, 0, false, false),
        (Market::Spot, 0, true, false),
    ] {
        let (mut session, mut seen) = connected();
        session.settings.market = market;
        let amend = AmendOrder {
            order: NewOrder {
                reduce_only: reduces,
                ..order("fuA")
            },
            decision: IntentId(2),
            exchange_order_id: ExchangeOrderId(9),
            old_price: Price(1000),
            old_quantity: Quantity(2),
        };
        let (table, mut out) = (instrument(), Vec::new());
        let (decided, at) = (now(10).mono, now(10 + age_ms));
        let sent = session.amend(&amend, &table, decided, at, &mut out, &mut seen);
        assert_eq!((sent, out.is_empty()), (expected, !expected));
        let told: &[&str] = match expected {
            true => &[],
            false => &["AMEND REJECTED fuA 1"],
        };
        assert_eq!(seen.0, told, "{market} {age_ms}");
    }
}

#[test]
fn the_word_of_spot_that_its_market_is_closed_has_the_listings_looked_at() {
    for (message, expected) in [("Market is closed.", true), ("Account is closed.", false)] {
        let doubt = ListingDoubt::default();
        let mut session = session(Signer::hmac(b"s")).with_listing_doubt(doubt.clone());
        let mut seen = Seen::default();
        session.poll(now(1), &mut seen);
        session.on_connected(now(1), &mut seen);
        place(&mut session, &mut seen, "fuA", 10);
        let frame =
            format!(r#"{{"id":"p1","status":400,"error":{{"code":-2010,"msg":"{message}"}}}}"#);
        answer(&mut session, &mut seen, &frame, 20);
        let table = [instrument()];
        let begun = now(0).mono;
        let mut listings = Listings::new(Market::Spot, &Instruments(&table), doubt, begun);
        let asked = listings.poll(now(30), &mut Governor::new(2_400));
        assert_eq!(asked.is_some(), expected, "{message}");
    }
}

#[test]
fn a_log_on_is_waited_for_no_longer_than_its_time_and_its_second_answer_is_nobodys() {
    let mut session = session(Signer::ed25519(&[7; 32]));
    let mut seen = Seen::default();
    session.poll(now(1), &mut seen);
    session.on_connected(now(1), &mut seen);
    assert!(session.due_frame(now(1), &mut Vec::new()));
    session.on_alive(now(4_000).mono);
    assert_eq!(session.next_deadline(), now(5_001).mono);
    let answered = r#"{"id":"l1","status":200,"result":{}}"#;
    answer(&mut session, &mut seen, answered, 4_100);
    assert!(session.is_ready());
    // Not even a refusal that nobody waits for ends a connection with orders under way.
    let refused = r#"{"id":"l1","status":401,"error":{"code":-2015,"msg":"x"}}"#;
    answer(&mut session, &mut seen, refused, 4_200);
    assert!(session.is_ready());
    assert_eq!(seen.0, ["up", "unreadable"]);
}
