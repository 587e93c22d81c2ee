//! Recorded answers of `exchangeInfo` as the source of ticks, lots and filters.
//!
//! In: the recorded files, broken ones. Out: what the exchange lists is what the file lists. Never:
//! a socket.

use std::path::Path;

use crate::support::captures;
use binance::rest::parse_exchange_info;
use clap::Parser as _;
use market::{Instrument, Market};
use simulated_exchange::api::rest::{self, Request};
use simulated_exchange::assembly;
use simulated_exchange::exchange::Exchange;
use simulated_exchange::options::Options;

fn build(arguments: &[&str]) -> Result<Exchange, String> {
    let all = std::iter::once("simulated-exchange").chain(arguments.iter().copied());
    let options = Options::try_parse_from(all).expect("arguments of a test");
    assembly::build(&options).map_err(|error| error.to_string())
}

fn served(exchange: &mut Exchange, market: Market) -> Vec<Instrument> {
    let path = match market {
        Market::UsdM => "/fapi/v1/exchangeInfo",
        Market::Spot => "/api/v3/exchangeInfo",
    };
    let request = Request {
        method: "GET",
        path,
        query: "",
        body: b"",
        key: None,
    };
    let body = rest::handle(exchange, market, &request).body.expect("JSON");
    let info = parse_exchange_info(&body, market).expect("an answer of exchangeInfo");
    assert_eq!(info.refused, []);
    info.instruments.iter().map(|one| one.instrument).collect()
}

fn written(name: &str, text: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("a file under target");
    path.display().to_string()
}

#[test]
fn what_a_recorded_answer_lists_is_listed_again() {
    let Some(folder) = captures() else { return };
    let folder = folder.join("cryptofeed/exchangeInfo");
    let files = ["usdm_20210722.json", "spot_20211012.json.gz"].map(|name| folder.join(name));
    let list = files
        .each_ref()
        .map(|path| path.display().to_string())
        .join(",");
    let symbols = "BTCUSDT,ADAUSDT,DOGEUSDT,1INCHUSDT";
    let mut exchange =
        build(&["--exchange-info", &list, "--symbols", symbols]).expect("both files");
    for (market, file) in [Market::UsdM, Market::Spot].into_iter().zip(&files) {
        let text = recordings::read_whole(file).expect("a recorded file");
        let recorded = parse_exchange_info(&text, market).expect("a recorded answer");
        let listed = served(&mut exchange, market);
        assert_eq!(listed.len(), 4);
        for found in listed {
            let symbol = found.symbol.as_str();
            let expected = recorded.find(symbol).expect("it was asked for").instrument;
            assert_eq!(found.tick, expected.tick, "{market} {symbol}");
            assert_eq!(found.lot, expected.lot, "{market} {symbol}");
            assert_eq!(found.filters, expected.filters, "{market} {symbol}");
        }
    }
}

#[test]
fn a_market_of_listed_instruments_starts_inside_of_their_price_filters() {
    let Some(folder) = captures() else { return };
    let file = folder.join("cryptofeed/exchangeInfo/usdm_20210722.json");
    let text = recordings::read_whole(&file).expect("a recorded file");
    let recorded = parse_exchange_info(&text, Market::UsdM).expect("a recorded answer");
    let mut symbols: Vec<&str> = recorded
        .instruments
        .iter()
        .map(|one| one.instrument.symbol.as_str())
        .filter(|symbol| symbol.ends_with("USDT"))
        .collect();
    symbols.truncate(60);
    let (file, list) = (file.display().to_string(), symbols.join(","));
    let mut exchange = build(&["--exchange-info", &file, "--symbols", &list]).expect("all of them");
    let now_ns = exchange.clock.now_ns();
    exchange.advance(now_ns);
    for (index, instrument) in exchange.usdm.venue.instruments().iter().enumerate() {
        let filters = &instrument.filters;
        let id = market::InstrumentId(index as u16);
        let bid = exchange.usdm.venue.view(id).best(market::Side::Buy);
        let price = bid.expect("a market has a bid").price;
        let high = filters.price_max.0 == 0 || price <= filters.price_max;
        assert!(
            price >= filters.price_min && high,
            "{}",
            instrument.symbol.as_str()
        );
    }
}

#[test]
fn files_that_are_no_listing_are_refused_with_their_name() {
    let error = |arguments: &[&str]| build(arguments).err().expect("a refusal");
    let missing = error(&["--exchange-info", "/nowhere/info.json"]);
    assert!(missing.contains("/nowhere/info.json"), "{missing}");
    let text = written("text.json", "[1,2]");
    let found = error(&["--exchange-info", &text]);
    assert!(
        found.contains("text.json") && found.contains("exchangeInfo"),
        "{found}"
    );
    let spot = written("spot.json", r#"{"serverTime":1,"symbols":[]}"#);
    let twice = error(&["--exchange-info", &format!("{spot},{spot}")]);
    assert!(twice.contains("give one"), "{twice}");
    let unlisted = error(&["--exchange-info", &spot, "--symbols", "BTCUSDT"]);
    assert!(
        unlisted.contains("lists 0 symbols") && unlisted.contains("BTCUSDT"),
        "{unlisted}"
    );
}
