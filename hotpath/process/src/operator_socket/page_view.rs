//! State, positions and limits, as the pages of the segment show them.
//!
//! In: pages, settings. Out: lines of replies. Never: a question to the engine's thread or to the
//! exchange.

use crate::clock;
use crate::kill::keeper::account_page;
use crate::kill::shell::read_page;
use ipc::Segment;
use market::decimal::{TEXT_MAX, write_decimal};
use market::page::{InstrumentPage, PAGE_BYTES_MAX};
use market::units::ONE;
use market::{Instrument, Money, MonoNs, Price, Quantity, Step};
use operator::{KillLine, LimitLine, PositionLine, StatusReply};
use settings::{Mode, Settings};

/// The answer to `status`; none before the engine has shown itself.
#[must_use]
pub fn status(
    segment: &Segment,
    settings: &Settings,
    account: &str,
    started: MonoNs,
    kill: KillLine,
) -> Option<StatusReply> {
    let page = account_page(segment)?;
    let grace_ns = settings.hot_path.control_grace_s * 1_000_000_000;
    let beat = MonoNs(segment.control_heartbeat_ns()).max(started);
    Some(StatusReply {
        account: account.to_string(),
        mode: match settings.mode {
            Mode::Paper => "paper",
            Mode::Testnet => "testnet",
            Mode::Live => "live",
        }
        .to_string(),
        generation: segment.generation(),
        state: page.trading_state.to_string(),
        reason: page.reason.to_string(),
        reconciled: page.reconciled,
        market_stream_up: page.market_stream_up,
        user_stream_up: page.user_stream_up,
        control_alive: clock::monotonic().since(beat) <= grace_ns,
        orders_open: page.orders_open,
        orders_unknown: page.unknown_now,
        equity_usdt: money(page.equity),
        unrealized_usdt: money(page.unrealized),
        realized_usdt: money(page.realized),
        utc_ms: page.utc.to_ms().0,
        kill,
    })
}

/// The answer to `positions`.
#[must_use]
pub fn positions(segment: &Segment, instruments: &[Instrument]) -> Vec<PositionLine> {
    let pages = pages(segment, instruments);
    pages
        .map(|(instrument, page)| line(instrument, &page))
        .collect()
}

/// The answer to `limits`.
#[must_use]
pub fn limits(
    segment: &Segment,
    instruments: &[Instrument],
    settings: &Settings,
) -> Vec<LimitLine> {
    let (mut notional, mut orders) = (Money::ZERO, 0);
    for (instrument, page) in pages(segment, instruments) {
        let price = if page.mark.0 > 0 {
            page.mark
        } else {
            page.bid.price
        };
        notional = notional.max(instrument.notional(price, page.position.magnitude()));
        orders = orders.max(page.orders_open);
    }
    let orders_account = account_page(segment).map_or(0, |page| page.orders_open);
    let risk = &settings.risk;
    let line = |limit: &str, value: String, used: String| LimitLine {
        limit: format!("risk.{limit}"),
        value,
        used,
    };
    let none = String::new;
    vec![
        line(
            "max_order_notional_usdt",
            money(risk.order_notional_max),
            none(),
        ),
        line(
            "max_position_notional_usdt",
            money(risk.position_notional_max),
            money(notional),
        ),
        line(
            "max_open_orders",
            risk.open_orders_max.to_string(),
            orders.to_string(),
        ),
        line(
            "max_open_orders_account",
            risk.open_orders_account_max.to_string(),
            orders_account.to_string(),
        ),
        line(
            "max_orders_per_10s",
            risk.orders_per_10s_max.to_string(),
            none(),
        ),
        line(
            "max_orders_per_minute",
            risk.orders_per_minute_max.to_string(),
            none(),
        ),
        line("daily_loss_usdt", money(risk.daily_loss_max), none()),
        line("drawdown_usdt", money(risk.drawdown_max), none()),
    ]
}

/// True when every futures position is closed and no own order is left, as the engine shows it.
#[must_use]
pub fn is_flat(segment: &Segment, instruments: &[Instrument]) -> bool {
    let quiet =
        account_page(segment).is_some_and(|page| page.orders_open == 0 && page.unknown_now == 0);
    quiet && pages(segment, instruments).all(|(_, page)| page.position.is_zero())
}

fn pages<'a>(
    segment: &'a Segment,
    instruments: &'a [Instrument],
) -> impl Iterator<Item = (&'a Instrument, InstrumentPage)> {
    instruments.iter().filter_map(|instrument| {
        let mut bytes = [0; PAGE_BYTES_MAX];
        let page = read_page(segment, usize::from(instrument.id.0), &mut bytes)?;
        Some((instrument, page))
    })
}

fn line(instrument: &Instrument, page: &InstrumentPage) -> PositionLine {
    PositionLine {
        market: page.market.to_string(),
        symbol: page.symbol.to_string(),
        quantity: steps(page.position.0, page.lot),
        entry_price: entry_price(page.cost_tick_lots, page.position, page.tick),
        mark_price: match page.mark {
            Price(0) => String::new(),
            mark => steps(mark.0, instrument.tick),
        },
        protective_stop: match page.protective_stop {
            Price(0) => String::new(),
            stop => steps(stop.0, instrument.tick),
        },
        unrealized_usdt: money(page.unrealized),
        book: page.book_state.to_string(),
        orders_open: page.orders_open,
    }
}

/// Cost over quantity, cut to three digits more than a tick has.
fn entry_price(cost_tick_lots: i128, position: Quantity, tick: Step) -> String {
    if position.is_zero() {
        return String::new();
    }
    let milliticks = cost_tick_lots.saturating_mul(1_000) / i128::from(position.0);
    let value = milliticks.saturating_mul(i128::from(tick.mantissa));
    decimal(
        i64::try_from(value).unwrap_or(i64::MAX),
        u32::from(tick.decimals) + 3,
    )
}

fn steps(count: i64, step: Step) -> String {
    decimal(
        count.saturating_mul(step.mantissa),
        u32::from(step.decimals),
    )
}

fn money(value: Money) -> String {
    // Cents and a bit more; the ledger has the rest.
    decimal(value.0 / (ONE / 10_000), 4)
}

fn decimal(value: i64, decimals: u32) -> String {
    let mut buffer = [0; TEXT_MAX];
    String::from_utf8_lossy(write_decimal(value, decimals, &mut buffer)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_exact_decimals() {
        let tick = Step::from_text(b"0.10").unwrap();
        assert_eq!(steps(-14, Step::from_text(b"0.001").unwrap()), "-0.014");
        assert_eq!(
            entry_price(-14 * 600_001, Quantity(-14), tick),
            "60000.1000"
        );
        assert_eq!(entry_price(0, Quantity(0), tick), "");
        assert_eq!(money(Money(-123_456_789)), "-1.2345");
    }
}
