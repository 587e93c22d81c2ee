//! Both recorded exchangeInfo files, whole, and today's form of one symbol.

use crate::captures::folder;
use binance::rest::{ExchangeInfo, parse_exchange_info};
use market::{InstrumentStatus, Market, Money, Price, Quantity, Rate};
use std::io::Read;

fn recorded(name: &str, market: Market) -> Option<(serde_json::Value, ExchangeInfo)> {
    let path = folder().join("cryptofeed/exchangeInfo").join(name);
    let Ok(bytes) = std::fs::read(&path) else {
        println!("skipped: no captures at {}", path.display());
        return None;
    };
    let mut body = Vec::new();
    if name.ends_with(".gz") {
        flate2::read::MultiGzDecoder::new(&bytes[..])
            .read_to_end(&mut body)
            .unwrap();
    } else {
        body = bytes;
    }
    let info = parse_exchange_info(&body, market).unwrap();
    Some((serde_json::from_slice(&body).unwrap(), info))
}

/// Every step and bound of every symbol, against the text.
fn check_all(name: &str, market: Market, symbols: usize) -> Option<ExchangeInfo> {
    let (value, info) = recorded(name, market)?;
    assert_eq!(info.refused, []);
    assert_eq!(info.instruments.len(), symbols);
    for (written, listed) in value["symbols"]
        .as_array()
        .unwrap()
        .iter()
        .zip(&info.instruments)
    {
        let instrument = &listed.instrument;
        assert_eq!(
            instrument.symbol.as_str(),
            written["symbol"].as_str().unwrap()
        );
        let trading = written["status"] == "TRADING";
        assert_eq!(instrument.status == InstrumentStatus::Trading, trading);
        for filter in written["filters"].as_array().unwrap() {
            let text = |name: &str| filter[name].as_str().unwrap().as_bytes();
            match filter["filterType"].as_str().unwrap() {
                "PRICE_FILTER" => {
                    assert_eq!(instrument.price_from_text(text("tickSize")), Ok(Price(1)));
                    let max = instrument.filters.price_max;
                    let exact = instrument.price_from_text(text("maxPrice"));
                    assert!(exact.is_err() || exact == Ok(max));
                }
                "LOT_SIZE" => {
                    assert_eq!(
                        instrument.quantity_from_text(text("stepSize")),
                        Ok(Quantity(1))
                    );
                    let min = instrument.filters.quantity_min;
                    assert_eq!(instrument.quantity_from_text(text("minQty")), Ok(min));
                }
                _ => {}
            }
        }
    }
    Some(info)
}

#[test]
fn recorded_futures_list_becomes_instruments() {
    let Some(info) = check_all("usdm_20210722.json", Market::UsdM, 122) else {
        return;
    };
    let btc = info.find("BTCUSDT").unwrap().instrument;
    assert_eq!((btc.price_decimals, btc.quantity_decimals), (2, 3));
    assert_eq!(btc.filters.notional_min, Money::from_whole(5));
    assert_eq!(btc.filters.multiplier_up, Rate(115_000_000));
    assert_eq!(btc.filters.price_max, Price(100_000_000));
    assert_eq!(btc.filters.open_orders_max, 200);
    assert_eq!(info.limits.iter().filter(|limit| limit.orders).count(), 2);
}

#[test]
fn recorded_spot_list_becomes_instruments() {
    let Some(info) = check_all("spot_20211012.json.gz", Market::Spot, 1695) else {
        return;
    };
    let eth = info.find("ETHBTC").unwrap();
    assert_eq!(
        (
            eth.instrument.price_decimals,
            eth.instrument.quantity_decimals
        ),
        (8, 8)
    );
    assert_eq!((eth.base.as_str(), eth.quote.as_str()), ("ETH", "BTC"));
    assert_eq!(
        eth.instrument.filters.market_quantity_max,
        Quantity(8_739_072)
    );
    assert_eq!(eth.instrument.filters.notional_min, Money(10_000));
}

#[test]
fn a_symbol_that_does_not_fit_is_refused_alone() {
    let body = r#"{"serverTime":1,"rateLimits":[],"symbols":[
        {"symbol":"龙虾USDT","status":"CANCEL_ONLY","baseAsset":"龙虾","quoteAsset":"USDT","pricePrecision":7,"quantityPrecision":0,
         "filters":[{"filterType":"PRICE_FILTER","minPrice":"0.0000100","maxPrice":"200","tickSize":"0.0000100"},{"filterType":"LOT_SIZE","minQty":"1","maxQty":"5000000","stepSize":"1"},{"filterType":"MIN_NOTIONAL","notional":"5"}]},
        {"symbol":"BADUSDT","status":"TRADING","baseAsset":"BAD","quoteAsset":"USDT","filters":[{"filterType":"PRICE_FILTER","minPrice":"0","maxPrice":"0","tickSize":"0"},{"filterType":"LOT_SIZE","minQty":"1","maxQty":"1","stepSize":"1"}]}]}"#;
    let info = parse_exchange_info(body.as_bytes(), Market::UsdM).unwrap();
    assert_eq!(info.instruments.len(), 1);
    assert_eq!(
        info.instruments[0].instrument.status,
        InstrumentStatus::CancelOnly
    );
    assert_eq!(info.instruments[0].instrument.price_decimals, 7);
    assert_eq!(info.refused[0].0, "BADUSDT");
}
