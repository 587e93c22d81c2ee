//! The market as the hot path sees it: instruments, books, signals.
//!
//! In: a view, the settings. Out: one row an instrument. Never: a signal that is not valid and does not
//! say why.

use super::{price, quantity, steps};
use crate::figure::FigureName;
use crate::view::View;
use market::page::InstrumentPage;
use market::{BookState, Level};
use serde::Serialize;
use settings::{MarginType, Settings};
use utoipa::ToSchema;

/// A traded instrument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct InstrumentRow {
    /// `usdm` or `spot`.
    pub market: String,
    /// Symbol.
    pub symbol: String,
    /// Step of prices; null before the hot path has shown the instrument.
    pub tick: Option<String>,
    /// Step of quantities; null like it.
    pub lot: Option<String>,
    /// The exchange takes orders for it; null while not known.
    pub tradable: Option<bool>,
    /// State of its book; null like the steps.
    pub book: Option<&'static str>,
    /// Nothing about orders and position is in doubt.
    pub reconciled: bool,
    /// `crossed` or `isolated` as configured; null where the exchange's is left alone.
    pub margin_type_wanted: Option<&'static str>,
    /// `crossed` or `isolated` as last read at the exchange; null while not known.
    pub margin_type: Option<&'static str>,
    /// Leverage as configured; null where the exchange's is left alone.
    pub leverage_wanted: Option<u32>,
    /// Leverage as last read at the exchange; null while not known.
    pub leverage: Option<u64>,
}

/// Every configured instrument.
#[must_use]
pub fn instruments(view: &View, settings: &Settings) -> Vec<InstrumentRow> {
    let keys = settings.instruments.iter().enumerate();
    keys.map(|(index, key)| {
        let page = view
            .instruments
            .iter()
            .find(|page| page.market == key.market && page.symbol == key.symbol);
        let (market, symbol) = (key.market.as_str(), key.symbol.to_string());
        let cell = |family: &str| {
            let found = view.gauges.iter().find(|(name, _)| {
                FigureName::parse(name).is_some_and(|name| {
                    name.family == family
                        && name.label("market") == Some(market)
                        && name.label("symbol") == Some(&symbol)
                })
            });
            found.map(|(_, value)| *value)
        };
        let futures = key.market == market::Market::UsdM;
        let setup = settings.setups.get(index).filter(|_| futures);
        let leverage = cell("instrument_leverage").filter(|leverage| *leverage > 0);
        let isolated = cell("shown_instrument_isolated").filter(|_| leverage.is_some());
        InstrumentRow {
            market: market.to_string(),
            tick: page.map(|page| steps(page.tick, 1)),
            lot: page.map(|page| steps(page.lot, 1)),
            tradable: cell("instrument_tradable").map(|one| one != 0),
            book: page.map(|page| page.book_state.as_str()),
            reconciled: page.is_some_and(|page| page.reconciled),
            margin_type_wanted: setup.and_then(|setup| match setup.margin_type {
                MarginType::Leave => None,
                MarginType::Crossed => Some("crossed"),
                MarginType::Isolated => Some("isolated"),
            }),
            margin_type: isolated.map(|one| ["crossed", "isolated"][usize::from(one != 0)]),
            leverage_wanted: setup.and_then(|setup| setup.leverage),
            leverage,
            symbol,
        }
    })
    .collect()
}

/// The top of a book.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Book {
    /// `usdm` or `spot`.
    pub market: &'static str,
    /// Symbol.
    pub symbol: String,
    /// State.
    pub state: &'static str,
    /// The exchange's id of its last change.
    pub update_id: u64,
    /// Since its last change, milliseconds.
    pub age_ms: u64,
    /// Best bid; null without one.
    pub bid_price: Option<String>,
    /// Its quantity in the base asset.
    pub bid_quantity: Option<String>,
    /// Best ask; null without one.
    pub ask_price: Option<String>,
    /// Its quantity in the base asset.
    pub ask_quantity: Option<String>,
    /// Ask less bid, in ticks; null without both.
    pub spread_ticks: Option<i64>,
    /// Bids over asks of the top levels; null while not valid.
    pub imbalance_ratio: Option<f64>,
    /// Mark price; null while not known.
    pub mark_price: Option<String>,
}

/// Of this page, at `now_ns` of the machine's monotonic clock.
#[must_use]
pub fn book(page: &InstrumentPage, now_ns: u64) -> Book {
    let there = |level: Level| (!level.quantity.is_zero()).then_some(level);
    let (bid, ask) = (there(page.bid), there(page.ask));
    Book {
        market: page.market.as_str(),
        symbol: page.symbol.to_string(),
        state: page.book_state.as_str(),
        update_id: page.update_id.0,
        age_ms: now_ns.saturating_sub(page.book_time.0) / 1_000_000,
        bid_price: bid.map(|bid| steps(page.tick, bid.price.0)),
        bid_quantity: bid.map(|bid| quantity(page, bid.quantity)),
        ask_price: ask.map(|ask| steps(page.tick, ask.price.0)),
        ask_quantity: ask.map(|ask| quantity(page, ask.quantity)),
        spread_ticks: bid
            .zip(ask)
            .map(|(bid, ask)| ask.price.0.saturating_sub(bid.price.0)),
        imbalance_ratio: finite(page.imbalance_ratio),
        mark_price: price(page, page.mark),
    }
}

fn finite(ratio: f64) -> Option<f64> {
    ratio.is_finite().then_some(ratio)
}

/// The signal of an instrument.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SignalRow {
    /// `usdm` or `spot`.
    pub market: &'static str,
    /// Symbol.
    pub symbol: String,
    /// It may be traded on.
    pub valid: bool,
    /// Why not, in the words of the non-actions; null while it is valid.
    pub why: Option<&'static str>,
    /// Bids over asks of the top levels; null while it cannot be told.
    pub imbalance_ratio: Option<f64>,
    /// Levels of each side that it is made of.
    pub levels: u64,
    /// Since the book's last change, milliseconds.
    pub age_ms: u64,
}

/// One an instrument, at `now_ns` of the machine's monotonic clock.
#[must_use]
pub fn signals(view: &View, settings: &Settings, now_ns: u64) -> Vec<SignalRow> {
    let row = |page: &InstrumentPage| {
        let age_ms = now_ns.saturating_sub(page.book_time.0) / 1_000_000;
        let why = why_not(page, age_ms, settings.book.stale_after_ms);
        SignalRow {
            market: page.market.as_str(),
            symbol: page.symbol.to_string(),
            valid: why.is_none(),
            why,
            imbalance_ratio: finite(page.imbalance_ratio),
            levels: settings.book.signal_levels,
            age_ms,
        }
    };
    view.instruments.iter().map(row).collect()
}

/// In the order in which the engine looks.
fn why_not(page: &InstrumentPage, age_ms: u64, stale_after_ms: u64) -> Option<&'static str> {
    if page.book_state != BookState::Synced {
        return Some("SIGNAL_BOOK_UNSYNCED");
    }
    if age_ms > stale_after_ms {
        return Some("SIGNAL_STALE");
    }
    if page.bid.quantity.is_zero() || page.ask.quantity.is_zero() {
        return Some("SIGNAL_THIN");
    }
    if page.bid.price >= page.ask.price {
        return Some("SIGNAL_CROSSED");
    }
    // A page does not tell the two apart.
    (!page.imbalance_ratio.is_finite()).then_some("SIGNAL_THIN or SIGNAL_BOOK_EDGE")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tests::{instrument_page, view};
    use market::{Price, Quantity};

    const NOW_NS: u64 = 1_100_000_000;

    fn settings() -> Settings {
        let text = "[[instrument]]\nsymbol = \"BTCUSDT\"\nleverage = 3\nmargin_type = \"isolated\"\n\
            [[strategy]]\nkind = \"dummy\"\n";
        Settings::check("test", text).unwrap()
    }

    #[test]
    fn a_signal_that_is_not_valid_says_why() {
        type Change = fn(&mut InstrumentPage);
        let changes: [(Option<&str>, Change); 6] = [
            (None, |_| {}),
            (Some("SIGNAL_BOOK_UNSYNCED"), |page| {
                page.book_state = BookState::Stale
            }),
            (Some("SIGNAL_STALE"), |page| {
                page.book_time = market::MonoNs(0)
            }),
            (Some("SIGNAL_THIN"), |page| page.bid.quantity = Quantity(0)),
            (Some("SIGNAL_CROSSED"), |page| {
                page.bid.price = Price(281_451)
            }),
            (Some("SIGNAL_THIN or SIGNAL_BOOK_EDGE"), |page| {
                page.imbalance_ratio = f64::NAN
            }),
        ];
        let mut settings = settings();
        settings.book.stale_after_ms = 1_000;
        for (why, change) in changes {
            let (mut view, mut page) = (view(), instrument_page());
            change(&mut page);
            view.instruments = vec![page];
            let row = &signals(&view, &settings, NOW_NS)[0];
            assert_eq!((row.why, row.valid), (why, why.is_none()));
        }
    }

    #[test]
    fn an_instrument_is_told_as_wanted_and_as_found() {
        let mut view = view();
        let row = |view: &View| instruments(view, &settings()).remove(0);
        let found = row(&view);
        assert_eq!(
            (found.tick.as_deref(), found.lot.as_deref()),
            (Some("0.1"), Some("0.001"))
        );
        assert_eq!((found.leverage_wanted, found.leverage), (Some(3), None));
        assert_eq!(
            (found.margin_type_wanted, found.margin_type),
            (Some("isolated"), None)
        );
        let cell = |family: &str| format!("{family}{{market=\"usdm\",symbol=\"BTCUSDT\"}}");
        for (family, value) in [
            ("instrument_leverage", 5),
            ("shown_instrument_isolated", 0),
            ("instrument_tradable", 1),
        ] {
            view.gauges.insert(cell(family), value);
        }
        let found = row(&view);
        assert_eq!(
            (found.leverage, found.margin_type),
            (Some(5), Some("crossed"))
        );
        assert_eq!(found.tradable, Some(true));
        assert_eq!(row(&View::default()).book, None);
    }

    #[test]
    fn a_book_without_a_side_has_none() {
        let mut page = instrument_page();
        let whole = book(&page, NOW_NS);
        assert_eq!((whole.spread_ticks, whole.age_ms), (Some(1), 100));
        assert_eq!(whole.bid_price.as_deref(), Some("28145.0"));
        page.ask.quantity = Quantity(0);
        let half = book(&page, NOW_NS);
        assert_eq!((half.ask_price, half.spread_ticks), (None, None));
    }
}
