//! What the merging meets seldom: batches that overlap while they wait, a difference too large to
//! wait, three connections, one that ends while it is replaced.
//!
//! In: messages with other ends than ten apart. Out: what went on. Never: a socket.

use super::*;
use crate::decode::OtherEvent;
use market::{MarkPrice, Rate, Trade};

/// A difference of one level or of `levels`, from the id after `follows` to `id`.
fn bring_one(
    feed: &mut Feed,
    connection: usize,
    (follows, id): (u64, u64),
    levels: usize,
    seen: &mut Seen,
) {
    let header = DepthHeader {
        instrument: InstrumentId(0),
        first_update_id: UpdateId(follows + 1),
        last_update_id: UpdateId(id),
        previous_update_id: UpdateId(follows),
        event_time: UtcMs(1),
        transaction_time: UtcMs(1),
    };
    let bids = &vec![Level::default(); levels];
    let asks = &[];
    let message = StreamMessage::Depth(DepthUpdate { header, bids, asks });
    feed.take(connection, message, at_ms(0), seen);
}

fn headers(seen: &Seen) -> Vec<(u64, u64, u64)> {
    seen.depth.iter().map(|one| (one.0, one.1, one.2)).collect()
}

#[test]
fn what_waited_is_joined_to_another_batch_that_covers_a_part_of_it_and_dropped_if_all() {
    let mut seen = Seen::default();
    let mut feed = feed(&mut seen);
    for (connection, ends) in [
        (0, (100, 110)),
        (0, (120, 130)),
        (1, (100, 110)),
        (1, (110, 125)),
        // The first one is ahead again, the other brings more than what waits.
        (0, (140, 150)),
        (1, (130, 160)),
        (0, (150, 170)),
    ] {
        bring_one(&mut feed, connection, ends, 1, &mut seen);
    }
    let expected = [
        (100, 101, 110),
        (110, 111, 125),
        (125, 126, 130),
        (130, 131, 160),
        (160, 161, 170),
    ];
    assert_eq!(headers(&seen), expected);
    assert_eq!((feed.counts(0).second, feed.counts(1).second), (1, 1));
}

/// More levels than a place to wait has: the gap goes on at once, and nothing overtakes.
#[test]
fn a_difference_too_large_to_wait_goes_on_after_all_that_waits_before_it() {
    const LARGE: usize = 1_025;
    let ids = |seen: &Seen| seen.depth.iter().map(|one| one.2).collect::<Vec<_>>();
    let mut seen = Seen::default();
    let mut alone = feed(&mut seen);
    bring_one(&mut alone, 0, (100, 110), 1, &mut seen);
    bring_one(&mut alone, 0, (120, 130), LARGE, &mut seen);
    assert_eq!(ids(&seen), [110, 130]);
    assert_eq!(seen.depth[1].3.len(), LARGE);
    // Two wait before it, with a gap before each.
    let mut seen = Seen::default();
    let mut behind = feed(&mut seen);
    for ends in [(100, 110), (120, 130), (140, 150)] {
        bring_one(&mut behind, 0, ends, 1, &mut seen);
    }
    assert_eq!(ids(&seen), [110]);
    bring_one(&mut behind, 0, (160, 170), LARGE, &mut seen);
    assert_eq!(ids(&seen), [110, 130, 150, 170]);
    // It begins inside of what waits before it.
    let mut seen = Seen::default();
    let mut inside = feed(&mut seen);
    for ends in [(100, 110), (120, 130)] {
        bring_one(&mut inside, 0, ends, 1, &mut seen);
    }
    bring_one(&mut inside, 0, (125, 140), LARGE, &mut seen);
    assert_eq!(headers(&seen)[1..], [(120, 121, 130), (130, 131, 140)]);
}

#[test]
fn two_gaps_that_both_have_are_told_in_their_order() {
    let mut seen = Seen::default();
    let mut feed = feed(&mut seen);
    for ends in [(100, 110), (120, 130), (140, 150)] {
        bring_one(&mut feed, 0, ends, 1, &mut seen);
    }
    // The other one has lost more: nobody will bring what is missing.
    bring_one(&mut feed, 1, (140, 150), 1, &mut seen);
    let expected = [(100, 101, 110), (120, 121, 130), (140, 141, 150)];
    assert_eq!(headers(&seen), expected);
    assert_eq!((feed.counts(0).first, feed.counts(1).second), (3, 1));
}

#[test]
fn what_waits_goes_on_waiting_when_one_of_three_ends() {
    let mut seen = Seen::default();
    let mut feed = feed(&mut seen);
    feed.set_live(2, true, &mut seen);
    for connection in 0..3 {
        bring_one(&mut feed, connection, (100, 110), 1, &mut seen);
    }
    bring_one(&mut feed, 0, (120, 130), 1, &mut seen);
    feed.set_live(1, false, &mut seen);
    assert_eq!(headers(&seen).len(), 1);
    bring_one(&mut feed, 2, (110, 120), 1, &mut seen);
    assert!(seen.is_whole() && seen.depth.len() == 3);
    assert_eq!(feed.counts(2).filled, 1);
}

/// What else streams bring, as (kind, id).
#[derive(Default)]
struct Others(Vec<(&'static str, u64)>);

impl MarketEvents for Others {
    fn market_data(&mut self, message: StreamMessage<'_>) {
        self.0.push(match message {
            StreamMessage::Depth(depth) => ("depth", depth.header.last_update_id.0),
            StreamMessage::Trade(trade) => ("trade", trade.trade_id.0),
            StreamMessage::MarkPrice(mark) => ("mark", mark.mark.0 as u64),
            StreamMessage::Other(_) => ("other", 0),
            _ => ("unexpected", 0),
        });
    }
    fn book_doubtful(&mut self, _: InstrumentId) {}
    fn parse_error(&mut self, error: DecodeError) {
        assert_eq!(error, DecodeError::Missing("u"));
        self.0.push(("unreadable", 0));
    }
    fn stream(&mut self, _: Market, _: bool) {}
}

#[test]
fn trades_wait_for_what_is_missing_and_mark_prices_never_and_what_has_no_id_goes_through() {
    let mut seen = Others::default();
    let mut feed = Feed::new(MarketRoute::Public, 2, 1);
    feed.set_live(0, true, &mut seen);
    feed.set_live(1, true, &mut seen);
    let trade = |id| {
        StreamMessage::Trade(Trade {
            instrument: InstrumentId(0),
            trade_id: TradeId(id),
            price: Price(1),
            quantity: Quantity(1),
            aggressor: Side::Buy,
            from_book: true,
            transaction_time: UtcMs(1),
            event_time: UtcMs(1),
        })
    };
    for (connection, id) in [(0, 1), (0, 3), (1, 1), (1, 2), (1, 3), (0, 4)] {
        feed.take(connection, trade(id), at_ms(0), &mut seen);
    }
    let mark = |seconds: i64, price| {
        StreamMessage::MarkPrice(MarkPrice {
            instrument: InstrumentId(0),
            mark: Price(price),
            funding_rate: Rate(0),
            next_funding_time: UtcMs(0),
            event_time: UtcMs(seconds * 1_000),
        })
    };
    for (connection, seconds) in [(0, 1), (1, 1), (1, 4), (0, 3), (0, 4), (0, 5)] {
        let price = 10 * seconds + connection as i64;
        feed.take(connection, mark(seconds, price), at_ms(0), &mut seen);
    }
    let other = StreamMessage::Other(OtherEvent::Unused);
    feed.take(1, other, at_ms(0), &mut seen);
    let mut sink = feed.sink(1, at_ms(0), &mut seen);
    sink.parse_error(DecodeError::Missing("u"));
    let trades = [1, 2, 3, 4].map(|id| ("trade", id));
    let marks = [10, 41, 50].map(|price| ("mark", price));
    assert_eq!(seen.0[..4], trades);
    assert_eq!(seen.0[4..7], marks);
    assert_eq!(seen.0[7..], [("other", 0), ("unreadable", 0)]);
}

#[test]
fn differences_of_spot_follow_the_one_before_their_first() {
    let mut seen = Seen::default();
    let mut feed = feed(&mut seen);
    let spot = |feed: &mut Feed, connection, (first, last), seen: &mut Seen| {
        let header = DepthHeader {
            instrument: InstrumentId(0),
            first_update_id: UpdateId(first),
            last_update_id: UpdateId(last),
            previous_update_id: UpdateId(0),
            event_time: UtcMs(1),
            transaction_time: UtcMs(1),
        };
        let (bids, asks) = (&[][..], &[][..]);
        let message = StreamMessage::Depth(DepthUpdate { header, bids, asks });
        feed.take(connection, message, at_ms(0), seen);
    };
    for (connection, ends) in [
        (0, (101, 110)),
        (0, (121, 130)),
        (1, (101, 110)),
        (1, (111, 125)),
    ] {
        spot(&mut feed, connection, ends, &mut seen);
    }
    // The continuation begins where the other one ended, and has no previous id either.
    let expected = [(0, 101, 110), (0, 111, 125), (0, 126, 130)];
    assert_eq!(headers(&seen), expected);
}

/// One working connection that grows old at once, and its spare.
fn retiring() -> (Feed, Vec<MarketSession>, Seen) {
    let table = table();
    let instruments = Instruments(&table);
    let mut seen = Seen::default();
    let mut feed = Feed::new(MarketRoute::Public, 1, 1);
    let session =
        |seed| MarketSession::relieved(MarketRoute::Public, "ws://h", &instruments, 100, seed);
    let mut sessions: Vec<MarketSession> = (0..2).map(session).collect();
    let connect = Some(LinkAction::Connect);
    assert_eq!(feed.poll(0, &mut sessions[0], at_ms(0), &mut seen), connect);
    feed.on_connected(0, &mut sessions[0], at_ms(0), &mut seen);
    let frame = br#"{"e":"serverShutdown","E":1770123456789}"#;
    let (one, now) = (&mut sessions[0], at_ms(0));
    assert_eq!(
        feed.on_frame(0, one, frame, now, &instruments, &mut seen),
        None
    );
    assert_eq!(feed.poll(0, &mut sessions[0], now, &mut seen), None);
    (feed, sessions, seen)
}

#[test]
fn a_connection_that_ends_while_its_successor_is_open_rests_from_then_on() {
    let (mut feed, mut sessions, mut seen) = retiring();
    let connect = Some(LinkAction::Connect);
    assert_eq!(feed.poll(1, &mut sessions[1], at_ms(0), &mut seen), connect);
    feed.on_connected(1, &mut sessions[1], at_ms(1), &mut seen);
    feed.on_disconnected(0, &mut sessions[0], at_ms(2), &mut seen);
    let later = at_ms(60_000);
    assert_eq!(feed.poll(0, &mut sessions[0], later, &mut seen), None);
    assert_eq!(feed.next_deadline(0, &sessions[0]), None);
    assert_eq!(seen.told, ["up"], "the successor carries it on");
    // The successor is the one that is opened anew.
    feed.on_disconnected(1, &mut sessions[1], later, &mut seen);
    let later = at_ms(120_000);
    assert_eq!(feed.poll(0, &mut sessions[0], later, &mut seen), None);
    assert_eq!(feed.poll(1, &mut sessions[1], later, &mut seen), connect);
    assert_eq!(seen.told, ["up", "down"]);
}

#[test]
fn a_connection_that_ends_before_a_successor_opens_is_opened_anew_itself() {
    let (mut feed, mut sessions, mut seen) = retiring();
    feed.on_disconnected(0, &mut sessions[0], at_ms(1), &mut seen);
    assert_eq!(seen.told, ["up", "down"]);
    let (later, connect) = (at_ms(60_000), Some(LinkAction::Connect));
    assert_eq!(feed.poll(1, &mut sessions[1], later, &mut seen), None);
    assert_eq!(feed.poll(0, &mut sessions[0], later, &mut seen), connect);
    // What could not be opened was not up.
    feed.on_disconnected(0, &mut sessions[0], later, &mut seen);
    assert_eq!(seen.told, ["up", "down"]);
}
