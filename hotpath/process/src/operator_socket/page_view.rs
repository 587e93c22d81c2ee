//! State, positions and limits, as the pages of the segment show them.
//!
//! In: pages, settings. Out: lines of replies. Never: a question to the engine's thread or to the
//! exchange.

use super::milestones::Milestones;
use crate::account_log::{FIRST_START_ADVICE, SECOND_INSTANCE_ADVICE};
use crate::clock;
use crate::kill::keeper::account_page;
use crate::kill::shell::read_page;
use ipc::Segment;
use market::decimal::{TEXT_MAX, write_decimal};
use market::page::{InstrumentPage, PAGE_BYTES_MAX};
use market::units::ONE;
use market::{Instrument, Money, MonoNs, Price, Quantity, StateReason, Step};
use operator::{KillLine, LimitLine, PositionLine, StatusReply};
use settings::{LIMITS, Mode, Settings};

/// The answer to `status`; none before the engine has shown itself.
#[must_use]
pub fn status(
    segment: &Segment,
    settings: &Settings,
    account: &str,
    started: MonoNs,
    milestones: &Milestones,
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
        advice: match page.reason {
            StateReason::FirstStart => FIRST_START_ADVICE.to_string(),
            StateReason::SecondInstance => SECOND_INSTANCE_ADVICE.to_string(),
            StateReason::Startup if page.reconciled => START_ADVICE.to_string(),
            _ => String::new(),
        },
        reconciled: page.reconciled,
        market_stream_up: page.market_stream_up,
        user_stream_up: page.user_stream_up,
        control_alive: clock::monotonic().since(beat) <= grace_ns,
        orders_open: page.orders_open,
        orders_unknown: page.unknown_now,
        orders_inherited: page.orders_inherited,
        safe_after_ms: milestones.safe_after_ms(),
        ready_after_ms: milestones.ready_after_ms(),
        equity_usdt: money(page.equity),
        unrealized_usdt: money(page.unrealized),
        realized_usdt: money(page.realized),
        fees_usdt: money(page.fees),
        funding_usdt: money(page.funding),
        utc_ms: page.utc.to_ms().0,
        kill,
    })
}

/// What a start waits for that is reconciled and does not trade.
const START_ADVICE: &str = "it waits for `fulcrum start`: hot_path.start_active is false, or too \
     many starts had no clean end (CRASH_LOOP in the log)";

/// State, positions, orders and equity in a line.
#[must_use]
pub fn summary(segment: &Segment, instruments: &[Instrument]) -> Option<String> {
    let page = account_page(segment)?;
    let held = pages(segment, instruments).filter(|(_, page)| page.position.0 != 0);
    Some(format!(
        "{} ({}), positions {}, orders {}, equity {} USDT",
        page.trading_state,
        page.reason,
        held.count(),
        page.orders_open,
        money(page.equity)
    ))
}

/// The answer to `positions`.
#[must_use]
pub fn positions(segment: &Segment, instruments: &[Instrument]) -> Vec<PositionLine> {
    let pages = pages(segment, instruments);
    pages
        .map(|(instrument, page)| line(instrument, &page))
        .collect()
}

/// The answer to `limits`: every limit that is in force, with its use where that is a level.
#[must_use]
pub fn limits(
    segment: &Segment,
    instruments: &[Instrument],
    settings: &Settings,
) -> Vec<LimitLine> {
    let used = Use::of(segment, instruments);
    let in_force = LIMITS.iter().zip(&settings.risk.in_force);
    in_force
        .map(|(limit, one)| LimitLine {
            limit: format!("risk.{}", limit.key),
            value: limit.text(one.value),
            ceiling: limit.text(one.ceiling),
            used: used.text(limit.key),
            guards: limit.guards.to_string(),
        })
        .collect()
}

/// How much of the limits the account uses, by the pages. Open orders are counted, not priced.
#[derive(Default)]
struct Use {
    /// Of the largest position.
    notional: Money,
    gross: Money,
    net: Money,
    equity: Money,
    /// Of the instrument that has most.
    orders: u32,
    orders_account: u32,
}

impl Use {
    fn of(segment: &Segment, instruments: &[Instrument]) -> Self {
        let mut used = Self::default();
        for (instrument, page) in pages(segment, instruments) {
            let price = if page.mark.0 > 0 {
                page.mark
            } else {
                page.bid.price
            };
            let notional = instrument.notional(price, page.position.magnitude());
            used.notional = used.notional.max(notional);
            used.gross += notional;
            used.net += Money(notional.0 * page.position.0.signum());
            used.orders = used.orders.max(page.orders_open);
        }
        if let Some(page) = account_page(segment) {
            (used.equity, used.orders_account) = (page.equity, page.orders_open);
        }
        used
    }

    /// Empty for what is no level.
    fn text(&self, key: &str) -> String {
        match key {
            "max_position_notional_usdt" => money(self.notional),
            "max_exposure_ratio" => self.share(self.notional),
            "max_gross_exposure_usdt" => money(self.gross),
            "max_net_exposure_usdt" => money(Money(self.net.0.abs())),
            "max_leverage_ratio" => self.share(self.gross),
            "max_open_orders" => self.orders.to_string(),
            "max_open_orders_account" => self.orders_account.to_string(),
            _ => String::new(),
        }
    }

    fn share(&self, of: Money) -> String {
        if self.equity.0 <= 0 {
            return String::new();
        }
        let share = i128::from(of.0) * 10_000 / i128::from(self.equity.0);
        decimal(i64::try_from(share).unwrap_or(i64::MAX), 4)
    }
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
