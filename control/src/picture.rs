//! Pictures: what the newest [`View`](crate::view::View) says of one subject, for the API and the stream.
//!
//! In: a view, the settings. Out: plain values with their units in their names, decimals as text.
//! Never: a question to the hot path, a float for money.

pub mod account;
pub mod instruments;
pub mod latency;
pub mod machine;
pub mod risk;

use market::page::InstrumentPage;
use market::{
    Filters, Instrument, InstrumentStatus, Money, Price, Quantity, Step, decimal::TEXT_MAX,
};

/// The instrument of a page, as far as values need it.
fn instrument_of(page: &InstrumentPage) -> Instrument {
    Instrument {
        id: page.instrument,
        market: page.market,
        symbol: page.symbol,
        tick: page.tick,
        lot: page.lot,
        price_decimals: page.tick.decimals,
        quantity_decimals: page.lot.decimals,
        status: InstrumentStatus::Trading,
        filters: Filters::NONE,
    }
}

/// Signed value of the position at mark, or at the best bid where there is no mark.
fn position_notional(page: &InstrumentPage) -> Money {
    let price = if page.mark.0 > 0 {
        page.mark
    } else {
        page.bid.price
    };
    instrument_of(page).notional(price, page.position)
}

/// A price as text; none where it is not known.
fn price(page: &InstrumentPage, price: Price) -> Option<String> {
    (price.0 > 0).then(|| steps(page.tick, price.0))
}

/// A quantity as text.
fn quantity(page: &InstrumentPage, quantity: Quantity) -> String {
    steps(page.lot, quantity.0)
}

fn steps(step: Step, count: i64) -> String {
    crate::decimal::steps(step, count)
}

/// `part` of `whole` with four decimals, cut; none without a whole.
fn share(part: i64, whole: i64) -> Option<String> {
    if whole <= 0 {
        return None;
    }
    let parts = i128::from(part) * 10_000 / i128::from(whole);
    let parts = i64::try_from(parts).unwrap_or(i64::MAX);
    let mut buffer = [0; TEXT_MAX];
    let text = market::decimal::write_decimal(parts, 4, &mut buffer);
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use crate::view::View;
    use market::event::Level;
    use market::page::{AccountPage, InstrumentPage};
    use market::{
        BookState, InstrumentId, Market, Money, MonoNs, Price, Quantity, Rate, StateReason, Step,
        Symbol, TradingState, UpdateId, UtcNs,
    };

    /// An account with 10,000 USDT, and one instrument.
    pub(crate) fn view() -> View {
        View {
            account: Some(account_page()),
            instruments: vec![instrument_page()],
            ..View::default()
        }
    }

    fn account_page() -> AccountPage {
        AccountPage {
            trading_state: TradingState::Active,
            reason: StateReason::Reconciled,
            input_sequence: 1,
            time: MonoNs(1),
            utc: UtcNs(1),
            output_hash: 0,
            wallet: Money::from_whole(10_000),
            equity: Money::from_whole(10_000),
            realized: Money(0),
            unrealized: Money(0),
            fees: Money(0),
            funding: Money(0),
            drawdown: Rate(0),
            unknown_ever: 0,
            unknown_now: 0,
            orders_open: 2,
            market_stream_up: true,
            user_stream_up: true,
            reconciled: true,
            orders_inherited: 0,
            gross_notional: Money(0),
            net_notional: Money(0),
            balances_untold: 0,
            strategies_latched: 0,
            config_version: 0,
            config_hash: 0,
        }
    }

    pub(crate) fn instrument_page() -> InstrumentPage {
        let level = |price| Level {
            price: Price(price),
            quantity: Quantity(5),
        };
        InstrumentPage {
            instrument: InstrumentId(0),
            market: Market::UsdM,
            symbol: Symbol::new(b"BTCUSDT").unwrap(),
            tick: Step::from_text(b"0.10").unwrap(),
            lot: Step::from_text(b"0.001").unwrap(),
            book_state: BookState::Synced,
            update_id: UpdateId(1),
            book_time: MonoNs(1_000_000_000),
            bid: level(281_450),
            ask: level(281_451),
            imbalance_ratio: 1.5,
            mark: Price(281_451),
            position: Quantity(0),
            cost_tick_lots: 0,
            realized: Money(0),
            unrealized: Money(0),
            fees: Money(0),
            orders_open: 0,
            orders_unknown: 0,
            orders_sent: 0,
            fills: 0,
            trades_won: 0,
            trades_closed: 0,
            book_gaps: 0,
            book_resyncs: 0,
            protective_stop: Price(0),
            opening: Quantity(0),
            reconciled: true,
            no_signal: None,
        }
    }
}
