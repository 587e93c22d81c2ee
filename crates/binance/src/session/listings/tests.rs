//! When the list is asked for, and what of it is told.
//!
//! In: lists and times. Out: requests and reports. Never: a socket.

use super::*;
use crate::session::HttpReply;
use market::UtcMs;

#[derive(Default)]
struct Seen(Vec<String>);

impl ListingEvents for Seen {
    fn listing(&mut self, report: ListingReport) {
        let fault = report.fault.map_or(String::new(), |one| format!(" {one}"));
        let least = report.filters.notional_min.0 / 100_000_000;
        let text = format!("{} {} {least}{fault}", report.instrument.0, report.status);
        self.0.push(text);
    }
    fn failed(&mut self, why: String) {
        self.0.push(why);
    }
}

/// One symbol of a list.
fn symbol(name: &str, status: &str, tick: &str, notional: &str) -> String {
    format!(
        r#"{{"symbol":"{name}","status":"{status}","baseAsset":"BTC","quoteAsset":"USDT","pricePrecision":2,"quantityPrecision":3,"filters":[{{"filterType":"PRICE_FILTER","minPrice":"0.10","maxPrice":"1000000","tickSize":"{tick}"}},{{"filterType":"LOT_SIZE","minQty":"0.001","maxQty":"1000","stepSize":"0.001"}},{{"filterType":"MIN_NOTIONAL","notional":"{notional}"}}]}}"#
    )
}

fn list(symbols: &[String]) -> String {
    format!(r#"{{"serverTime":1,"symbols":[{}]}}"#, symbols.join(","))
}

fn reply(status: u16, body: &str) -> HttpOutcome<'_> {
    Some(HttpReply {
        status,
        retry_after_s: None,
        used_weight: None,
        body: body.as_bytes(),
    })
}

fn at(seconds: u64) -> Now {
    Now {
        mono: MonoNs(seconds * SECOND_NS),
        server: UtcMs(seconds as i64 * 1_000),
    }
}

/// The table that a start would make of the list.
fn table(body: &str) -> Vec<Instrument> {
    let info = rest::parse_exchange_info(body.as_bytes(), Market::UsdM).unwrap();
    let listed = info.instruments.iter().enumerate();
    let with_id = listed.map(|(index, one)| Instrument {
        id: market::InstrumentId(index as u16),
        ..one.instrument
    });
    with_id.collect()
}

struct Rig {
    listings: Listings,
    table: Vec<Instrument>,
    governor: Governor,
    doubt: ListingDoubt,
    seen: Seen,
}

fn rig(symbols: &[String]) -> Rig {
    let table = table(&list(symbols));
    let doubt = ListingDoubt::default();
    let listings = Listings::new(
        Market::UsdM,
        &Instruments(&table),
        doubt.clone(),
        at(1).mono,
    );
    Rig {
        listings,
        table,
        governor: Governor::new(2_400),
        doubt,
        seen: Seen::default(),
    }
}

impl Rig {
    fn asks(&mut self, seconds: u64) -> bool {
        let request = self.listings.poll(at(seconds), &mut self.governor);
        if let Some(request) = &request {
            assert_eq!(request.call.path, "/fapi/v1/exchangeInfo");
        }
        request.is_some()
    }

    fn answer(&mut self, outcome: HttpOutcome<'_>, seconds: u64) -> Vec<String> {
        let table = Instruments(&self.table);
        self.listings
            .on_reply(outcome, at(seconds).mono, &table, &mut self.seen);
        std::mem::take(&mut self.seen.0)
    }
}

#[test]
fn a_change_of_status_or_filters_is_told_once_and_only_where_it_is() {
    let symbols = ["AUSDT", "BUSDT"].map(|name| symbol(name, "TRADING", "0.10", "5"));
    let mut rig = rig(&symbols);
    assert!(!rig.asks(600) && rig.asks(601));
    assert!(!rig.asks(602), "one at a time");
    let none: [&str; 0] = [];
    assert_eq!(rig.answer(reply(200, &list(&symbols)), 602), none);
    assert_eq!(rig.listings.next_deadline(), Some(at(1_202).mono));
    assert!(rig.asks(1_202));
    let halted = [
        symbol("AUSDT", "TRADING", "0.10", "20"),
        symbol("BUSDT", "PRE_SETTLE", "0.10", "5"),
    ];
    let told = rig.answer(reply(200, &list(&halted)), 1_202);
    assert_eq!(told, ["0 TRADING 20", "1 NOT_TRADING 5"]);
    // While one is not traded it is waited for.
    assert!(!rig.asks(1_231) && rig.asks(1_232));
    assert_eq!(rig.answer(reply(200, &list(&halted)), 1_232), none);
    assert!(rig.asks(1_262));
    let told = rig.answer(reply(200, &list(&symbols)), 1_262);
    assert_eq!(told, ["0 TRADING 5", "1 TRADING 5"]);
    assert!(!rig.asks(1_800));
}

#[test]
fn a_start_with_a_halted_instrument_hears_within_half_a_minute_that_it_trades() {
    let mut rig = rig(&[symbol("AUSDT", "PENDING_TRADING", "0.10", "5")]);
    assert!(!rig.asks(30) && rig.asks(31));
    let trading = list(&[symbol("AUSDT", "TRADING", "0.10", "5")]);
    assert_eq!(rig.answer(reply(200, &trading), 31), ["0 TRADING 5"]);
}

#[test]
fn another_grid_or_no_listing_at_all_is_no_listing_that_can_be_traded() {
    let trading = [symbol("AUSDT", "TRADING", "0.10", "5")];
    let cases = [
        (
            list(&[symbol("AUSDT", "TRADING", "0.01", "7")]),
            "GRID_CHANGED",
        ),
        (
            list(&[symbol("AUSDT", "TRADING", "0.50", "7")]),
            "GRID_CHANGED",
        ),
        (
            list(&[symbol("AUSDT", "TRADING", "0", "7")]),
            "GRID_CHANGED",
        ),
        (
            list(&trading).replace(r#""stepSize":"0.001""#, r#""stepSize":"0.01""#),
            "GRID_CHANGED",
        ),
        (
            list(&trading).replace(r#""pricePrecision":2"#, r#""pricePrecision":5"#),
            "GRID_CHANGED",
        ),
        (list(&[]), "DELISTED"),
    ];
    for (body, fault) in cases {
        let mut rig = rig(&trading);
        assert!(rig.asks(601));
        let told = rig.answer(reply(200, &body), 601);
        assert_eq!(told, [format!("0 NOT_TRADING 5 {fault}")], "{body}");
        assert!(rig.asks(631));
        let told = rig.answer(reply(200, &list(&trading)), 631);
        assert_eq!(told, ["0 TRADING 5"]);
    }
}

#[test]
fn a_refused_order_is_looked_into_at_once_and_a_burst_of_them_once() {
    let symbols = [symbol("AUSDT", "TRADING", "0.10", "5")];
    let mut rig = rig(&symbols);
    rig.doubt.raise();
    assert!(rig.asks(5));
    rig.doubt.raise();
    rig.answer(reply(200, &list(&symbols)), 6);
    assert!(!rig.asks(7) && !rig.asks(14) && rig.asks(15));
    rig.answer(reply(200, &list(&symbols)), 15);
    assert!(!rig.asks(600));
}

#[test]
fn what_fails_is_asked_again_and_changes_nothing() {
    let symbols = [symbol("AUSDT", "TRADING", "0.10", "5")];
    let mut rig = rig(&symbols);
    assert!(rig.asks(601));
    assert_eq!(rig.answer(None, 601), ["no reply"]);
    assert!(rig.asks(603));
    assert_eq!(rig.answer(reply(503, "x"), 603), ["status 503: x (0)"]);
    assert!(rig.asks(610));
    let told = rig.answer(reply(200, "<html>"), 610);
    assert!(told.len() == 1 && told[0].contains("expected"), "{told:?}");
    // A ban is waited for.
    rig.governor.on_reply(&reply(418, "").unwrap(), at(611));
    assert!(!rig.asks(700));
    assert_eq!(rig.listings.next_deadline(), Some(at(731).mono));
}

#[test]
fn a_look_waits_for_weight_and_an_answer_to_nobody_tells_nothing() {
    let symbols = [symbol("AUSDT", "TRADING", "0.10", "5")];
    let mut rig = rig(&symbols);
    rig.governor.admit_emergency(2_400, at(601)).unwrap();
    assert!(!rig.asks(601));
    assert_eq!(rig.listings.next_deadline(), Some(at(660).mono));
    let halted = list(&[symbol("AUSDT", "HALT", "0.10", "5")]);
    assert_eq!(rig.answer(reply(200, &halted), 602), [""; 0]);
    assert!(!rig.asks(659) && rig.asks(660));
    assert_eq!(rig.listings.next_deadline(), None);
    assert_eq!(rig.answer(reply(200, &halted), 661).len(), 1);
}

#[test]
fn a_list_says_nothing_of_instruments_of_the_other_market() {
    let symbols = ["AUSDT", "BUSDT"].map(|name| symbol(name, "TRADING", "0.10", "5"));
    let mut rig = rig(&symbols);
    rig.table[1].market = Market::Spot;
    assert!(rig.asks(601));
    let halted = ["AUSDT", "BUSDT"].map(|name| symbol(name, "HALT", "0.10", "5"));
    let told = rig.answer(reply(200, &list(&halted)), 602);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("0 "), "{told:?}");
}
