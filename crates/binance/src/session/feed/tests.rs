//! Two copies with every misfortune against one whole stream.
//!
//! In: streams that are lost in part, late, dead. Out: what went on. Never: a socket.

use super::*;
use crate::session::SECOND_NS;
use market::event::DepthHeader;
use market::{
    AggTrade, BookTicker, DepthUpdate, Filters, Instrument, InstrumentStatus, Level, Price,
    Quantity, Side, Step, Symbol, TradeId, UpdateId, UtcMs,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

mod rare;

/// What went on.
#[derive(Default)]
struct Seen {
    /// Differences as (follows, first, last, levels).
    depth: Vec<(u64, u64, u64, Vec<Level>)>,
    tickers: Vec<u64>,
    trades: Vec<u64>,
    told: Vec<&'static str>,
}

impl MarketEvents for Seen {
    fn market_data(&mut self, message: StreamMessage<'_>) {
        match message {
            StreamMessage::Depth(depth) => {
                let header = depth.header;
                self.depth.push((
                    header.previous_update_id.0,
                    header.first_update_id.0,
                    header.last_update_id.0,
                    depth.bids.to_vec(),
                ));
            }
            StreamMessage::BookTicker(ticker) => self.tickers.push(ticker.update_id.0),
            StreamMessage::AggTrade(trade) => self.trades.push(trade.aggregate_id.0),
            _ => {}
        }
    }
    fn book_doubtful(&mut self, _: InstrumentId) {
        self.told.push("doubtful");
    }
    fn parse_error(&mut self, _: DecodeError) {}
    fn stream(&mut self, _: Market, up: bool) {
        self.told.push(if up { "up" } else { "down" });
    }
}

impl Seen {
    /// True when every difference continues the one before it.
    fn is_whole(&self) -> bool {
        self.depth.windows(2).all(|pair| pair[1].0 == pair[0].2)
    }

    /// The book that follows from the differences.
    fn book(&self) -> BTreeMap<i64, i64> {
        let mut book = BTreeMap::new();
        for level in self.depth.iter().flat_map(|(.., levels)| levels) {
            book.insert(level.price.0, level.quantity.0);
        }
        book
    }
}

const fn at_ms(ms: u64) -> MonoNs {
    MonoNs(SECOND_NS + ms * MILLISECOND_NS)
}

/// The difference that ends with this id; each covers ten.
fn depth_of<T>(id: u64, use_it: impl FnOnce(StreamMessage<'_>) -> T) -> T {
    let level = |step: u64| Level {
        price: Price((id / 10 % 7 + step) as i64),
        quantity: Quantity((id + step) as i64),
    };
    let bids = [level(0), level(1)];
    let header = DepthHeader {
        instrument: InstrumentId(0),
        first_update_id: UpdateId(id - 9),
        last_update_id: UpdateId(id),
        previous_update_id: UpdateId(id - 10),
        event_time: UtcMs(1),
        transaction_time: UtcMs(1),
    };
    let asks = &[];
    let bids = &bids;
    use_it(StreamMessage::Depth(DepthUpdate { header, bids, asks }))
}

fn ticker(id: u64) -> StreamMessage<'static> {
    StreamMessage::BookTicker(BookTicker {
        instrument: InstrumentId(0),
        update_id: UpdateId(id),
        bid: Level::default(),
        ask: Level::default(),
        event_time: UtcMs(1),
        transaction_time: UtcMs(1),
    })
}

fn trade(id: u64) -> StreamMessage<'static> {
    StreamMessage::AggTrade(AggTrade {
        instrument: InstrumentId(0),
        aggregate_id: TradeId(id),
        first_trade_id: TradeId(id),
        last_trade_id: TradeId(id),
        price: Price(1),
        quantity: Quantity(1),
        aggressor: Side::Buy,
        transaction_time: UtcMs(1),
        event_time: UtcMs(1),
    })
}

/// A feed of two, both open.
fn feed(seen: &mut Seen) -> Feed {
    let mut feed = Feed::new(MarketRoute::Public, 2, 1);
    feed.set_live(0, true, seen);
    feed.set_live(1, true, seen);
    feed
}

fn bring(feed: &mut Feed, connection: usize, id: u64, ms: u64, seen: &mut Seen) {
    depth_of(id, |message| {
        feed.take(connection, message, at_ms(ms), seen)
    });
}

#[test]
fn the_first_copy_of_each_goes_on_and_it_is_counted_who_brought_it() {
    let mut seen = Seen::default();
    let mut feed = feed(&mut seen);
    for (connection, id) in [(0, 110), (1, 110), (1, 120), (0, 120), (0, 130), (1, 130)] {
        bring(&mut feed, connection, id, 0, &mut seen);
    }
    for (connection, id) in [(0, 7), (1, 7), (1, 9), (0, 8), (0, 9)] {
        feed.take(connection, ticker(id), at_ms(0), &mut seen);
    }
    for (connection, id) in [(0, 1), (1, 1), (1, 2), (0, 2)] {
        feed.take(connection, trade(id), at_ms(0), &mut seen);
    }
    let ids: Vec<u64> = seen.depth.iter().map(|one| one.2).collect();
    assert_eq!(ids, [110, 120, 130]);
    assert_eq!((seen.tickers, seen.trades), (vec![7, 9], vec![1, 2]));
    assert_eq!(seen.told, ["up"]);
    let counts = |connection| {
        let counts = feed.counts(connection);
        (counts.first, counts.second)
    };
    assert_eq!((counts(0), counts(1)), ((4, 4), (3, 4)));
}

#[test]
fn a_gap_that_the_other_connection_fills_is_none() {
    let mut seen = Seen::default();
    let mut feed = feed(&mut seen);
    // The first connection loses 120 and is ahead by two.
    for (connection, id) in [
        (0, 110),
        (0, 130),
        (0, 140),
        (1, 110),
        (1, 120),
        (1, 130),
        (1, 140),
    ] {
        bring(&mut feed, connection, id, 0, &mut seen);
    }
    for (connection, id) in [(0, 1), (0, 3), (1, 1), (1, 2), (1, 3), (0, 4)] {
        feed.take(connection, trade(id), at_ms(0), &mut seen);
    }
    let ids: Vec<u64> = seen.depth.iter().map(|one| one.2).collect();
    assert_eq!(ids, [110, 120, 130, 140]);
    assert!(seen.is_whole());
    assert_eq!(seen.trades, [1, 2, 3, 4]);
    assert_eq!(feed.counts(1).filled, 2);
    assert_eq!((feed.counts(0).missed, feed.counts(1).missed), (2, 0));
}

#[test]
fn a_gap_on_all_is_told_at_once_and_one_that_nobody_fills_soon() {
    // Both have lost 120.
    let mut seen = Seen::default();
    let mut both = feed(&mut seen);
    for (connection, id) in [(0, 110), (1, 110), (0, 130), (1, 130), (1, 140)] {
        bring(&mut both, connection, id, 0, &mut seen);
    }
    let ids: Vec<u64> = seen.depth.iter().map(|one| one.2).collect();
    assert_eq!(ids, [110, 130, 140]);
    assert!(!seen.is_whole());
    // The other one is silent: after its patience the gap goes on, and no message is lost.
    let mut seen = Seen::default();
    let mut silent = feed(&mut seen);
    for id in [110, 130, 140] {
        bring(&mut silent, 0, id, 0, &mut seen);
    }
    silent.expire(at_ms(299), &mut seen);
    assert_eq!(seen.depth.len(), 1);
    silent.expire(at_ms(300), &mut seen);
    let ids: Vec<u64> = seen.depth.iter().map(|one| one.2).collect();
    assert_eq!(ids, [110, 130, 140]);
    // It dies: nobody is waited for.
    let mut seen = Seen::default();
    let mut dying = feed(&mut seen);
    bring(&mut dying, 0, 110, 0, &mut seen);
    bring(&mut dying, 0, 130, 0, &mut seen);
    dying.set_live(1, false, &mut seen);
    assert_eq!(seen.depth.len(), 2);
}

#[test]
fn after_a_gap_on_all_the_next_one_is_still_waited_for() {
    // Both have lost 120, the first one 140 too, which the other brings in time.
    let mut seen = Seen::default();
    let mut feed = feed(&mut seen);
    for (connection, id) in [(0, 110), (1, 110), (1, 130), (0, 150), (1, 140), (1, 150)] {
        bring(&mut feed, connection, id, 0, &mut seen);
    }
    let ids: Vec<u64> = seen.depth.iter().map(|one| one.2).collect();
    assert_eq!(ids, [110, 130, 140, 150]);
}

#[test]
fn what_finds_no_room_to_wait_goes_on_with_what_waits_before_it() {
    let mut seen = Seen::default();
    let mut feed = feed(&mut seen);
    bring(&mut feed, 0, 110, 0, &mut seen);
    let late: Vec<u64> = (13..=40).map(|number| 10 * number).collect();
    for id in &late {
        bring(&mut feed, 0, *id, 0, &mut seen);
    }
    for id in 3..60 {
        feed.take(0, trade(id), at_ms(0), &mut seen);
    }
    feed.expire(at_ms(300), &mut seen);
    let ids: Vec<u64> = seen.depth.iter().skip(1).map(|one| one.2).collect();
    assert_eq!(ids, late);
    assert_eq!(seen.trades, (3..60).collect::<Vec<u64>>());
}

/// While one connection takes the place of another there are three, and two of them may be ahead.
#[test]
fn a_second_copy_of_what_waits_takes_no_room_to_wait() {
    let mut seen = Seen::default();
    let mut feed = feed(&mut seen);
    feed.set_live(2, true, &mut seen);
    for connection in 0..3 {
        bring(&mut feed, connection, 100, 0, &mut seen);
    }
    for id in (120..=270).step_by(10) {
        for connection in [1, 2] {
            bring(&mut feed, connection, id, 1, &mut seen);
        }
    }
    assert_eq!(seen.depth.len(), 1, "sixteen wait");
    bring(&mut feed, 0, 110, 2, &mut seen);
    assert_eq!(seen.depth.len(), 18);
    assert!(seen.is_whole());
}

#[test]
fn a_stream_is_down_when_its_last_connection_is() {
    let mut seen = Seen::default();
    let mut feed = feed(&mut seen);
    feed.set_live(0, false, &mut seen);
    feed.set_live(0, true, &mut seen);
    feed.set_live(1, false, &mut seen);
    assert_eq!(seen.told, ["up"]);
    feed.set_live(0, false, &mut seen);
    feed.set_live(1, true, &mut seen);
    assert_eq!(seen.told, ["up", "down", "up"]);
}

#[test]
fn other_batches_of_the_same_stream_are_joined() {
    let mut seen = Seen::default();
    let mut feed = feed(&mut seen);
    // Ends at 110, 120 here, at 115, 125 there.
    for (connection, id) in [(0, 110), (1, 115), (0, 120), (1, 125), (0, 130)] {
        bring(&mut feed, connection, id, 0, &mut seen);
    }
    let headers: Vec<_> = seen.depth.iter().map(|one| (one.0, one.1, one.2)).collect();
    let expected = [
        (100, 101, 110),
        (110, 111, 115),
        (115, 116, 120),
        (120, 121, 125),
        (125, 126, 130),
    ];
    assert_eq!(headers, expected);
}

#[test]
fn ids_that_begin_anew_on_every_connection_go_on() {
    let mut seen = Seen::default();
    let mut feed = feed(&mut seen);
    for (connection, id) in [
        (0, 910),
        (1, 910),
        (0, 20),
        (0, 30),
        (1, 20),
        (1, 30),
        (0, 40),
    ] {
        bring(&mut feed, connection, id, 0, &mut seen);
    }
    let ids: Vec<u64> = seen.depth.iter().map(|one| one.2).collect();
    assert_eq!(ids, [910, 20, 30, 40]);
}

#[test]
fn what_a_dead_connection_had_brought_is_not_told_again_by_the_one_that_was_behind() {
    let mut seen = Seen::default();
    let mut feed = feed(&mut seen);
    for (connection, id) in [(0, 110), (1, 110), (0, 120), (0, 130)] {
        bring(&mut feed, connection, id, 0, &mut seen);
    }
    feed.set_live(0, false, &mut seen);
    for id in [120, 130, 140] {
        bring(&mut feed, 1, id, 0, &mut seen);
    }
    let ids = |seen: &Seen| seen.depth.iter().map(|one| one.2).collect::<Vec<_>>();
    assert_eq!(ids(&seen), [110, 120, 130, 140]);
    // Alone, its own rewind goes on: the book judges it.
    bring(&mut feed, 1, 130, 0, &mut seen);
    assert_eq!(ids(&seen).last(), Some(&130));
}

#[test]
fn a_frame_that_cannot_be_read_matters_only_where_nobody_else_has_it() {
    let mut seen = Seen::default();
    let mut feed = feed(&mut seen);
    let doubt = |feed: &mut Feed, seen: &mut Seen| {
        feed.sink(0, at_ms(0), seen).book_doubtful(InstrumentId(0));
    };
    doubt(&mut feed, &mut seen);
    assert_eq!((seen.told.len(), feed.counts(0).spared), (1, 1));
    feed.set_live(1, false, &mut seen);
    doubt(&mut feed, &mut seen);
    assert_eq!(seen.told, ["up", "doubtful"]);
}

fn table() -> Vec<Instrument> {
    vec![Instrument {
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

/// One working connection and its spare, at the age of the first one's end.
#[test]
fn an_old_connection_is_closed_after_the_one_that_replaces_it_has_brought_something() {
    let table = table();
    let instruments = Instruments(&table);
    for shutdown in [false, true] {
        let mut seen = Seen::default();
        let mut feed = Feed::new(MarketRoute::Public, 1, 1);
        let mut sessions: Vec<MarketSession> = (0..2)
            .map(|seed| {
                let route = MarketRoute::Public;
                MarketSession::relieved(route, "ws://h", &instruments, 100, seed)
            })
            .collect();
        let connect = Some(LinkAction::Connect);
        assert_eq!(feed.poll(0, &mut sessions[0], at_ms(0), &mut seen), connect);
        assert_eq!(feed.poll(1, &mut sessions[1], at_ms(0), &mut seen), None);
        feed.on_connected(0, &mut sessions[0], at_ms(0), &mut seen);
        let mut now = at_ms(0);
        let quiet = br#"{"e":"listStatus"}"#;
        let frame = |feed: &mut Feed,
                     sessions: &mut [MarketSession],
                     one,
                     text: &[u8],
                     now,
                     seen: &mut Seen| {
            feed.on_frame(one, &mut sessions[one], text, now, &instruments, seen)
        };
        if shutdown {
            let text = br#"{"e":"serverShutdown","E":1770123456789}"#;
            assert_eq!(
                frame(&mut feed, &mut sessions, 0, text, now, &mut seen),
                None
            );
        } else {
            // Almost a day of data.
            for _ in 0..(23 * 60 + 29) * 6 {
                now = now.after(10 * SECOND_NS);
                frame(&mut feed, &mut sessions, 0, quiet, now, &mut seen);
                assert_eq!(feed.poll(0, &mut sessions[0], now, &mut seen), None);
                assert_eq!(feed.poll(1, &mut sessions[1], now, &mut seen), None);
            }
            now = now.after(70 * SECOND_NS);
            frame(&mut feed, &mut sessions, 0, quiet, now, &mut seen);
        }
        assert_eq!(feed.poll(0, &mut sessions[0], now, &mut seen), None);
        assert_eq!(feed.poll(1, &mut sessions[1], now, &mut seen), connect);
        feed.on_connected(1, &mut sessions[1], now, &mut seen);
        // Open alone is not enough.
        assert_eq!(feed.poll(0, &mut sessions[0], now, &mut seen), None);
        bring(&mut feed, 1, 110, 0, &mut seen);
        let close = Some(LinkAction::Close(crate::session::CloseReason::Rotated));
        assert_eq!(feed.poll(0, &mut sessions[0], now, &mut seen), close);
        assert_eq!(
            feed.poll(0, &mut sessions[0], now, &mut seen),
            None,
            "it rests"
        );
        assert_eq!(seen.told, ["up"]);
        assert_eq!(feed.next_deadline(0, &sessions[0]), None);
    }
}

/// What one connection does to a whole stream of differences.
#[derive(Clone, Debug)]
struct Misfortune {
    lost: Vec<bool>,
    late_ms: Vec<u64>,
    /// It ends before this one.
    dies_at: usize,
}

fn misfortune(length: usize) -> impl Strategy<Value = Misfortune> {
    let lost = prop::collection::vec(prop::bool::weighted(0.15), length);
    let late = prop::collection::vec(0u64..90, length);
    (lost, late, 0..2 * length).prop_map(|(lost, late_ms, dies_at)| Misfortune {
        lost,
        late_ms,
        dies_at,
    })
}

const LENGTH: usize = 60;
const STEP_MS: u64 = 100;

proptest! {
    /// Each difference is lost on one connection at most, and one of the two lives to the end: the
    /// book is the one of the whole stream, without a gap.
    #[test]
    fn two_copies_with_loss_delay_and_death_of_one_are_one_whole_stream(
        mut one in misfortune(LENGTH), mut other in misfortune(LENGTH), dies in 0usize..2,
    ) {
        let (mortal, survivor) = (&mut one, &mut other);
        survivor.dies_at = usize::MAX;
        for number in 0..LENGTH {
            // What the mortal one does not bring, in time before its end, the survivor does.
            let last = number + 5 >= mortal.dies_at;
            survivor.lost[number] &= !mortal.lost[number] && !last;
        }
        let mut arrivals = Vec::new();
        for (copy, connection) in [(&one, dies), (&other, 1 - dies)] {
            let mut at = 0;
            for number in 0..LENGTH.min(copy.dies_at) {
                // One connection keeps its order.
                at = at.max(number as u64 * STEP_MS + copy.late_ms[number]);
                if !copy.lost[number] {
                    arrivals.push((at, connection, Some(110 + 10 * number as u64)));
                }
            }
            if copy.dies_at < LENGTH {
                arrivals.push((at + 1, connection, None));
            }
        }
        arrivals.sort_by_key(|arrival| (arrival.0, arrival.2.is_none()));
        let mut seen = Seen::default();
        let mut feed = feed(&mut seen);
        // Both are where the stream begins.
        bring(&mut feed, 0, 100, 0, &mut seen);
        bring(&mut feed, 1, 100, 0, &mut seen);
        for (at, connection, what) in arrivals {
            feed.expire(at_ms(at), &mut seen);
            match what {
                Some(id) => bring(&mut feed, connection, id, at, &mut seen),
                None => feed.set_live(connection, false, &mut seen),
            }
        }
        feed.expire(at_ms(1_000_000), &mut seen);
        let mut whole = Seen::default();
        for number in 0..=LENGTH as u64 {
            depth_of(100 + 10 * number, |message| whole.market_data(message));
        }
        prop_assert!(seen.is_whole(), "{:?}", seen.depth.iter().map(|one| (one.0, one.2)).collect::<Vec<_>>());
        prop_assert_eq!(seen.book(), whole.book());
        prop_assert_eq!(seen.told, vec!["up"]);
    }

    /// Whatever is lost, also on both: what any of them brought goes on once, in its order.
    #[test]
    fn what_one_of_them_brought_goes_on_once(
        one in misfortune(LENGTH), other in misfortune(LENGTH),
    ) {
        let mut arrivals = Vec::new();
        for (connection, copy) in [&one, &other].into_iter().enumerate() {
            let mut at = 0;
            for number in (0..LENGTH).filter(|number| !copy.lost[*number]) {
                at = at.max(number as u64 * STEP_MS + copy.late_ms[number]);
                arrivals.push((at, connection, 110 + 10 * number as u64));
            }
        }
        arrivals.sort_by_key(|arrival| arrival.0);
        let mut seen = Seen::default();
        let mut feed = feed(&mut seen);
        bring(&mut feed, 0, 100, 0, &mut seen);
        bring(&mut feed, 1, 100, 0, &mut seen);
        for (at, connection, id) in &arrivals {
            feed.expire(at_ms(*at), &mut seen);
            bring(&mut feed, *connection, *id, *at, &mut seen);
        }
        feed.expire(at_ms(1_000_000), &mut seen);
        let mut brought: Vec<u64> = arrivals.iter().map(|arrival| arrival.2).collect();
        brought.sort_unstable();
        brought.dedup();
        let ids: Vec<u64> = seen.depth.iter().skip(1).map(|one| one.2).collect();
        prop_assert_eq!(ids, brought);
    }
}
