//! The market's sources: a recording that loops, a generator that never crosses.
//!
//! In: a small recording written here, seeds. Out: passes, or the event that is wrong. Never: a
//! file from outside.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use market::{Market, Side, UpdateId};
use matching::MarketView;
use recordings::{Catalog, Options};
use simulated_exchange::feed::generator::Generator;
use simulated_exchange::feed::recording::Recording;
use simulated_exchange::feed::{Feed, FeedEvent, parameters};

fn write(name: &str, lines: &[&str]) -> PathBuf {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut file = std::fs::File::create(&path).expect("a writable folder");
    for (number, line) in lines.iter().enumerate() {
        writeln!(
            file,
            "{} {line}",
            1_700_000_000_000_000u64 + number as u64 * 10_000
        )
        .expect("written");
    }
    path
}

fn futures() -> PathBuf {
    write(
        "futures.dat",
        &[
            r#"{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1700000000000,"T":1700000000000,"s":"BTCUSDT","U":90,"u":99,"pu":89,"b":[["99.90","5.000"]],"a":[]}}"#,
            r#"{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1700000000010,"T":1700000000010,"s":"BTCUSDT","U":100,"u":110,"pu":99,"b":[["100.00","1.500"]],"a":[["100.10","0"]]}}"#,
            r#"{"lastUpdateId":105,"E":1700000000008,"T":1700000000008,"bids":[["100.00","1.000"],["99.90","5.000"]],"asks":[["100.10","2.000"],["100.20","3.000"]]}"#,
            r#"{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":112,"s":"BTCUSDT","b":"100.00","B":"1.200","a":"100.20","A":"3.000","T":1700000000020,"E":1700000000020}}"#,
            r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1700000000020,"T":1700000000020,"s":"BTCUSDT","t":7,"p":"100.00","q":"0.300","X":"MARKET","m":true}}"#,
            r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1700000001020,"T":1700000001020,"s":"BTCUSDT","t":8,"p":"100.20","q":"0.301","X":"MARKET","m":false}}"#,
            r#"{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1700000001030,"T":1700000001030,"s":"BTCUSDT","U":111,"u":120,"pu":110,"b":[["100.00","0"],["98.00","4.001"]],"a":[["100.10","1.000"]]}}"#,
        ],
    )
}

fn load(path: PathBuf, repeat: bool) -> Recording {
    let catalog = Catalog::open(&[path], Options::default()).expect("a sound recording");
    Recording::load(&catalog.sessions[0], None, repeat, false).expect("sound messages")
}

#[test]
fn a_looped_recording_keeps_ids_and_times_continuous_and_comes_back_to_its_start() {
    let mut feed = load(futures(), true);
    let start = feed.start_book();
    assert_eq!(start.last_update_id, UpdateId(105));
    let mut view = MarketView::default();
    view.reset(start.last_update_id, &start.bids, &start.asks);
    let at_start: Vec<_> = view
        .depth_levels(Side::Buy)
        .chain(view.depth_levels(Side::Sell))
        .collect();
    let (mut last, mut last_ns, mut last_trade) = (105, 0, 6);
    let (mut depths, mut marks) = (0, 0);
    while depths < 9 {
        let time_ns = feed.next_time_ns().expect("it loops");
        assert!(time_ns >= last_ns);
        last_ns = time_ns;
        match feed.next_event().expect("it loops") {
            FeedEvent::Depth(change) => {
                let header = change.header;
                assert_eq!(header.previous_update_id.0, last);
                assert!(header.first_update_id.0 > last);
                assert!(header.last_update_id >= header.first_update_id);
                last = header.last_update_id.0;
                view.apply_depth(&change.as_update());
                depths += 1;
                if depths % 3 == 0 {
                    let sides = view
                        .depth_levels(Side::Buy)
                        .chain(view.depth_levels(Side::Sell));
                    assert_eq!(sides.collect::<Vec<_>>(), at_start);
                }
            }
            FeedEvent::Trade(trade) => {
                assert_eq!(trade.trade_id.0, last_trade + 1);
                last_trade += 1;
            }
            FeedEvent::Ticker(ticker) => assert!(ticker.update_id.0 > last),
            FeedEvent::Mark(mark) => {
                assert!((980..1_010).contains(&mark.0));
                marks += 1;
            }
        }
    }
    assert!(marks >= 3, "a mark price is derived every second");
}

#[test]
fn without_a_loop_a_recording_ends() {
    let mut feed = load(futures(), false);
    let mut events = 0;
    while feed.next_event().is_some() {
        events += 1;
    }
    assert!(events >= 5);
    assert_eq!(feed.next_time_ns(), None);
}

#[test]
fn a_message_that_cannot_be_decoded_is_named_by_file_and_line() {
    let broken = r#"{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1700000000000,"T":1700000000000,"s":"BTCUSDT","U":90,"u":99,"pu":89,"b":[["99.90"]],"a":[]}}"#;
    let path = write("broken.dat", &[broken]);
    let error = Catalog::open(&[path], Options::default())
        .map_err(|error| error.to_string())
        .and_then(|catalog| Recording::load(&catalog.sessions[0], None, false, false).map(|_| ()))
        .expect_err("a level without a quantity");
    assert!(
        error.contains("broken.dat") && error.contains("line 1"),
        "{error}"
    );
}

fn generator(symbol: &str, seed: u64) -> Generator {
    let instrument = parameters::instrument(Market::UsdM, symbol).expect("a known symbol");
    Generator::new(instrument, parameters::flow(&instrument), seed)
}

/// Runs `seconds` of a generated market; calls `at` after each event with its time and the view.
fn run(feed: &mut Generator, seconds: i64, mut at: impl FnMut(i64, &FeedEvent, &MarketView)) {
    let start = feed.start_book();
    let mut view = MarketView::default();
    view.reset(start.last_update_id, &start.bids, &start.asks);
    while let Some(time_ns) = feed.next_time_ns() {
        if time_ns > seconds * 1_000_000_000 {
            return;
        }
        let event = feed.next_event().expect("it never ends");
        match &event {
            FeedEvent::Depth(change) => view.apply_depth(&change.as_update()),
            FeedEvent::Ticker(ticker) => view.apply_ticker(ticker),
            FeedEvent::Trade(_) | FeedEvent::Mark(_) => {}
        }
        at(time_ns, &event, &view);
    }
}

#[test]
fn the_generated_book_is_never_crossed_and_its_ids_never_jump() {
    for symbol in ["BTCUSDT", "ETHUSDT", "DOGEUSDT"] {
        for seed in 1..4 {
            let mut feed = generator(symbol, seed);
            let mut last = feed.start_book().last_update_id;
            let mut trade = None;
            run(&mut feed, 120, |_, event, view| {
                let bid = view.best(Side::Buy).expect("a bid");
                let ask = view.best(Side::Sell).expect("an ask");
                assert!(
                    bid.price < ask.price,
                    "{symbol} seed {seed}: {bid:?} {ask:?}"
                );
                match event {
                    FeedEvent::Depth(change) => {
                        assert_eq!(change.header.previous_update_id, last);
                        assert_eq!(change.header.first_update_id.0, last.0 + 1);
                        last = change.header.last_update_id;
                    }
                    FeedEvent::Trade(next) => {
                        assert!(trade.is_none_or(|id| next.trade_id.0 == id + 1));
                        trade = Some(next.trade_id.0);
                    }
                    FeedEvent::Ticker(_) | FeedEvent::Mark(_) => {}
                }
            });
        }
    }
}

#[test]
fn the_imbalance_signal_occurs_several_times_a_minute() {
    for symbol in ["BTCUSDT", "ETHUSDT"] {
        let mut feed = generator(symbol, 1);
        let mut minutes: BTreeMap<i64, u32> = BTreeMap::new();
        let mut signalled = false;
        run(&mut feed, 300, |time_ns, _, view| {
            let sum = |side| -> i64 {
                view.levels(side)
                    .take(5)
                    .map(|level| level.quantity.0)
                    .sum()
            };
            let (bids, asks) = (sum(Side::Buy) as f64, sum(Side::Sell) as f64);
            let ratio = bids / asks;
            let signal = !(0.33..=3.0).contains(&ratio);
            if signal && !signalled {
                *minutes.entry(time_ns / 60_000_000_000).or_default() += 1;
            }
            signalled = signal;
        });
        for minute in 0..5 {
            let count = minutes.get(&minute).copied().unwrap_or(0);
            assert!(count >= 3, "{symbol}: {count} signals in minute {minute}");
        }
    }
}

#[test]
fn one_seed_makes_one_market() {
    let events = |seed| {
        let mut events = Vec::new();
        run(&mut generator("BTCUSDT", seed), 5, |time, event, _| {
            events.push((time, event.clone()))
        });
        events
    };
    assert_eq!(events(1), events(1));
    assert_ne!(events(1), events(2));
}
