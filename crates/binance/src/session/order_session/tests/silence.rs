//! What the exchange forbids: here, over REST, in an earlier life.
//!
//! In: answers with 429 and 418, times. Out: what is sent and what is not. Never: a socket.

use super::*;

#[test]
fn after_429_nothing_goes_out_before_retry_after() {
    let (mut session, mut seen) = connected();
    place(&mut session, &mut seen, "fuA", 10);
    let until = now(60_000).server.0;
    let frame = format!(
        r#"{{"id":"p1","status":429,"error":{{"code":-1003,"msg":"x","data":{{"serverTime":1,"retryAfter":{until}}}}}}}"#
    );
    answer(&mut session, &mut seen, &frame, 20);
    assert_eq!(place(&mut session, &mut seen, "fuB", 59_999), "");
    assert_ne!(place(&mut session, &mut seen, "fuC", 60_001), "");
    assert_eq!(
        seen.0,
        ["PLACE REJECTED fuA -1003 timed", "PLACE REJECTED fuB 1"]
    );
}

#[test]
fn a_retry_after_beyond_any_ban_counts_as_none() {
    let (mut session, mut seen) = connected();
    place(&mut session, &mut seen, "fuA", 10);
    let frame = r#"{"id":"p1","status":429,"error":{"code":-1003,"msg":"x","data":{"retryAfter":18446744073709551615}}}"#;
    answer(&mut session, &mut seen, frame, 20);
    assert_eq!(place(&mut session, &mut seen, "fuB", 10_019), "");
    assert_ne!(place(&mut session, &mut seen, "fuC", 10_021), "");
}

#[test]
fn a_log_on_over_a_new_connection_waits_for_retry_after_too() {
    let mut session = session(Signer::ed25519(&[7; 32]));
    let mut seen = Seen::default();
    session.poll(now(1), &mut seen);
    session.on_connected(now(1), &mut seen);
    assert!(session.due_frame(now(1), &mut Vec::new()));
    let until = now(60_000).server.0;
    let frame = format!(
        r#"{{"id":"l1","status":418,"error":{{"code":-1003,"msg":"x","data":{{"serverTime":1,"retryAfter":{until}}}}}}}"#
    );
    let table = [instrument()];
    let refused = session.on_frame(frame.as_bytes(), now(2), &Instruments(&table), &mut seen);
    assert_eq!(refused, Some(LinkAction::Close(CloseReason::LogonFailed)));
    // The exchange counts a connection, too.
    assert_eq!(session.next_deadline(), now(60_000).mono);
    assert_eq!(session.poll(now(59_999), &mut seen), None);
    let connect = session.poll(now(60_000), &mut seen);
    assert_eq!(connect, Some(LinkAction::Connect));
    session.on_connected(now(60_001), &mut seen);
    assert!(session.due_frame(now(60_001), &mut Vec::new()));
}

#[test]
fn a_connection_that_was_under_way_when_the_silence_began_waits_with_its_log_on() {
    let silence = Silence::default();
    let mut session = session(Signer::ed25519(&[7; 32])).with_silence(silence.clone());
    let mut seen = Seen::default();
    session.poll(now(1), &mut seen);
    silence.hear(now(5_000).mono, false);
    session.on_connected(now(2), &mut seen);
    assert!(!session.due_frame(now(4_999), &mut Vec::new()));
    assert_eq!(
        session.next_deadline(),
        now(3_002).mono,
        "a ping is no request"
    );
    session.on_alive(now(4_000).mono);
    assert_eq!(session.next_deadline(), now(5_000).mono);
    assert!(session.due_frame(now(5_000), &mut Vec::new()));
}

#[test]
fn what_rest_is_told_silences_orders_to_the_second_and_what_orders_are_told_silences_rest() {
    let silence = Silence::default();
    let mut governor = Governor::new(2_400).sharing(silence.clone());
    let mut session = session(Signer::hmac(b"s")).with_silence(silence);
    let mut seen = Seen::default();
    session.poll(now(1), &mut seen);
    session.on_connected(now(1), &mut seen);
    let too_many = HttpReply {
        status: 429,
        retry_after_s: Some(7),
        used_weight: None,
        body: b"",
    };
    governor.on_reply(&too_many, now(1_000));
    assert_eq!(place(&mut session, &mut seen, "fuA", 7_999), "");
    assert_ne!(place(&mut session, &mut seen, "fuB", 8_000), "");
    let until = now(60_000).server.0;
    let frame = format!(
        r#"{{"id":"p1","status":418,"error":{{"code":-1003,"msg":"x","data":{{"serverTime":1,"retryAfter":{until}}}}}}}"#
    );
    answer(&mut session, &mut seen, &frame, 8_100);
    assert_eq!(governor.admit(1, now(59_999)), Err(now(60_000).mono));
    assert_eq!(
        governor.banned_until(now(59_999).mono),
        Some(now(60_000).mono)
    );
    assert_eq!(governor.admit(1, now(60_000)), Ok(()));
    let expected = [
        "up",
        "PLACE REJECTED fuA 1",
        "PLACE REJECTED fuB -1003 timed",
    ];
    assert_eq!(seen.0, expected);
}

#[test]
fn what_an_earlier_life_was_told_holds_before_the_first_connection() {
    let silence = Silence::default();
    silence.hold(now(400).mono);
    let mut session = session(Signer::hmac(b"s")).with_silence(silence.clone());
    let mut seen = Seen::default();
    assert_eq!(session.poll(now(399), &mut seen), None);
    assert_eq!(session.next_deadline(), now(400).mono);
    assert_eq!(session.poll(now(400), &mut seen), Some(LinkAction::Connect));
    session.on_connected(now(401), &mut seen);
    place(&mut session, &mut seen, "a", 401);
    let until = now(9_000).server.0;
    let limited = format!(
        r#"{{"id":"p1","status":429,"error":{{"code":-1003,"msg":"x","data":{{"serverTime":1,"retryAfter":{until}}}}}}}"#
    );
    let table = [instrument()];
    session.on_frame(
        limited.as_bytes(),
        now(402),
        &Instruments(&table),
        &mut seen,
    );
    assert_eq!(silence.until(now(402).mono), Some(now(9_000).mono));
}
