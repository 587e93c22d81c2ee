//! Recordings of several symbols, both markets and both formats at once.
//!
//! In: the recorded files. Out: each symbol's book and counts are those of its recording alone.
//! Never: a socket.

use std::path::PathBuf;

use crate::support::captures;
use clap::Parser as _;
use market::{InstrumentId, Level, Market, Side};
use simulated_exchange::assembly;
use simulated_exchange::exchange::Exchange;
use simulated_exchange::floor::Floor;
use simulated_exchange::options::Options;

/// Longer than any recording here.
const HOUR_NS: i64 = 3_600_000_000_000;

/// Of hftbacktest's format, and of cryptofeed's, which holds several symbols in a file.
const FILES: [&str; 5] = [
    "hftbacktest/usdm/btcusdt_20240718.gz",
    "hftbacktest/usdm/ethusdt_20240718.gz",
    "hftbacktest/spot/btcusdt_20240808.gz",
    "cryptofeed/v3_jsonl/BINANCE_FUTURES.jsonl.zst",
    "cryptofeed/v3_jsonl/BINANCE.jsonl.zst",
];

/// The exchange after all of the files has happened.
fn replayed(files: &[PathBuf]) -> Result<Exchange, String> {
    let list: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let arguments = ["simulated-exchange", "--capture", &list.join(",")];
    let options = Options::try_parse_from(arguments).expect("arguments of a test");
    let mut exchange = assembly::build(&options).map_err(|error| error.to_string())?;
    let end_ns = exchange.clock.now_ns() + HOUR_NS;
    while exchange
        .advance(end_ns)
        .is_some_and(|next_ns| next_ns <= end_ns)
    {}
    Ok(exchange)
}

/// What a floor holds, by symbol.
fn books(floor: &Floor) -> Vec<(String, Vec<Level>)> {
    let instruments = floor.venue.instruments().iter().enumerate();
    let books = instruments.map(|(index, instrument)| {
        let view = floor.venue.view(InstrumentId(index as u16));
        let levels =
            [Side::Buy, Side::Sell].map(|side| view.depth_levels(side).collect::<Vec<_>>());
        (instrument.symbol.as_str().to_string(), levels.concat())
    });
    books.collect()
}

#[test]
fn each_symbol_is_what_its_recording_alone_makes_it() {
    let Some(folder) = captures() else { return };
    let files = FILES.map(|name| folder.join(name));
    let mut alone = Vec::new();
    let mut events = [0; 2];
    let mut chosen = Vec::new();
    for file in &files {
        let exchange = replayed(std::slice::from_ref(file)).expect("a sound recording");
        let found = [Market::UsdM, Market::Spot].map(|market| books(exchange.floor(market)));
        let symbols = |market: usize, list: &[(usize, String, Vec<Level>)]| {
            found[market].iter().any(|(symbol, _)| {
                list.iter()
                    .any(|(other, known, _)| *other == market && known == symbol)
            })
        };
        // One symbol is recorded once: what another file has already is left out.
        if symbols(0, &alone) || symbols(1, &alone) {
            continue;
        }
        chosen.push(file.clone());
        for (market, books) in found.into_iter().enumerate() {
            events[market] += [exchange.usdm.events(), exchange.spot.events()][market];
            alone.extend(
                books
                    .into_iter()
                    .map(|(symbol, levels)| (market, symbol, levels)),
            );
        }
    }
    assert!(chosen.len() >= 3, "{chosen:?}");
    let together = replayed(&chosen).expect("sound recordings");
    assert_eq!([together.usdm.events(), together.spot.events()], events);
    for (market, floor) in [&together.usdm, &together.spot].into_iter().enumerate() {
        for (symbol, levels) in books(floor) {
            let expected = alone.iter().find(|one| one.0 == market && one.1 == symbol);
            let (_, _, expected) = expected.expect("it was recorded");
            assert!(!levels.is_empty(), "{symbol}");
            assert!(levels == *expected, "{symbol}: another book than alone");
        }
    }
    println!(
        "{} files, {events:?} events, {} symbols",
        chosen.len(),
        alone.len()
    );
}

#[test]
fn a_symbol_that_is_recorded_twice_is_refused_with_its_name() {
    let Some(folder) = captures() else { return };
    let files = ["20230404.dat.gz", "20240718.gz"];
    let files = files.map(|name| folder.join(format!("hftbacktest/usdm/btcusdt_{name}")));
    let error = replayed(&files).err().expect("a refusal");
    assert!(
        error.contains("BTCUSDT") && error.contains("give one"),
        "{error}"
    );
}
