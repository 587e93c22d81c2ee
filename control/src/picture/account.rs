//! The account: state, equity and profit, exposure, positions, balances, health.
//!
//! In: a view. Out: what it says of the account. Never: a sum over what is not known.

use super::{position_notional, price, quantity, share, steps};
use crate::decimal::{money, text};
use crate::view::{View, state_word};
use market::page::{AccountPage, InstrumentPage};
use market::{Market, Money};
use serde::Serialize;
use utoipa::ToSchema;

/// Trading state, links and the process behind them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Status {
    /// ACTIVE, REDUCING, HALTED, KILLED; null before the hot path has shown itself.
    pub trading_state: Option<&'static str>,
    /// Why.
    pub reason: Option<&'static str>,
    /// The kill latch is set.
    pub kill_latched: bool,
    /// Agrees with the exchange since the start.
    pub reconciled: bool,
    /// Market streams are live.
    pub market_stream_up: bool,
    /// The private stream is live.
    pub user_stream_up: bool,
    /// Number of the hot path's start; null before the first.
    pub generation: Option<u64>,
    /// `starting`, `running`, `stopped` or `unknown`; null before the first.
    pub hot_path: Option<&'static str>,
    /// Own open orders.
    pub orders_open: u32,
    /// Own orders of unknown fate.
    pub orders_unknown: u32,
    /// Why it is not ready; empty when it is.
    pub not_ready: Vec<String>,
}

/// Of this view.
#[must_use]
pub fn status(view: &View) -> Status {
    let account = view.account.as_ref();
    let is = |fact: fn(&AccountPage) -> bool| account.is_some_and(fact);
    Status {
        trading_state: account.map(|page| page.trading_state.as_str()),
        reason: account.map(|page| page.reason.as_str()),
        kill_latched: view.segment.is_some_and(|segment| segment.kill_latched),
        reconciled: is(|page| page.reconciled),
        market_stream_up: is(|page| page.market_stream_up),
        user_stream_up: is(|page| page.user_stream_up),
        generation: view.segment.map(|segment| segment.generation),
        hot_path: view.segment.map(|segment| state_word(segment.state)),
        orders_open: account.map_or(0, |page| page.orders_open),
        orders_unknown: account.map_or(0, |page| page.unknown_now),
        not_ready: view.reasons_not_ready(),
    }
}

/// Equity, profit and exposure; null before the hot path has shown its account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Account {
    /// Wallet as the exchange states it, plus fills since.
    pub wallet_usdt: String,
    /// Wallet plus unrealised profit.
    pub equity_usdt: String,
    /// Realised profit before fees, since the start.
    pub realized_usdt: String,
    /// Unrealised profit.
    pub unrealized_usdt: String,
    /// Fees paid, since the start.
    pub fees_usdt: String,
    /// Funding received, since the start; negative where it was paid.
    pub funding_usdt: String,
    /// Largest fall from the high-water mark, as a share of it.
    pub drawdown_ratio: String,
    /// Sum of the values of all positions.
    pub exposure_gross_usdt: String,
    /// Long less short.
    pub exposure_net_usdt: String,
    /// Gross exposure over equity; null without equity.
    pub leverage_ratio: Option<String>,
}

/// Of this view.
#[must_use]
pub fn account(view: &View) -> Option<Account> {
    let page = view.account.as_ref()?;
    let (mut gross, mut net) = (Money::ZERO, Money::ZERO);
    for instrument in &view.instruments {
        let notional = position_notional(instrument);
        gross = Money(gross.0.saturating_add(notional.0.saturating_abs()));
        net = Money(net.0.saturating_add(notional.0));
    }
    Some(Account {
        wallet_usdt: money(page.wallet),
        equity_usdt: money(page.equity),
        realized_usdt: money(page.realized),
        unrealized_usdt: money(page.unrealized),
        fees_usdt: money(page.fees),
        funding_usdt: money(page.funding),
        drawdown_ratio: text(page.drawdown.0, 8),
        exposure_gross_usdt: money(gross),
        exposure_net_usdt: money(net),
        leverage_ratio: share(gross.0, page.equity.0),
    })
}

/// The position of an instrument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Position {
    /// `usdm` or `spot`.
    pub market: &'static str,
    /// Symbol.
    pub symbol: String,
    /// Signed, in the base asset.
    pub quantity: String,
    /// Mean price of the entry; null while flat.
    pub entry_price: Option<String>,
    /// Mark price; null while not known.
    pub mark_price: Option<String>,
    /// Value at mark, signed.
    pub notional_usdt: String,
    /// Unrealised profit.
    pub unrealized_usdt: String,
    /// Realised profit before fees, since the start.
    pub realized_usdt: String,
    /// Fees paid, since the start.
    pub fees_usdt: String,
    /// Price at which a stop at the exchange closes it; null without one.
    pub protective_stop: Option<String>,
    /// What the account holds beside ours.
    pub others: String,
    /// Own open orders.
    pub orders_open: u32,
}

/// Of this view, one an instrument.
#[must_use]
pub fn positions(view: &View) -> Vec<Position> {
    let position = |page: &InstrumentPage| Position {
        market: page.market.as_str(),
        symbol: page.symbol.to_string(),
        quantity: quantity(page, page.position),
        entry_price: entry_price(page),
        mark_price: price(page, page.mark),
        notional_usdt: money(position_notional(page)),
        unrealized_usdt: money(page.unrealized),
        realized_usdt: money(page.realized),
        fees_usdt: money(page.fees),
        protective_stop: price(page, page.protective_stop),
        others: quantity(page, page.opening),
        orders_open: page.orders_open,
    };
    view.instruments.iter().map(position).collect()
}

/// Cost over quantity, cut to three digits more than a tick has.
fn entry_price(page: &InstrumentPage) -> Option<String> {
    if page.position.is_zero() {
        return None;
    }
    let milliticks = page.cost_tick_lots.saturating_mul(1_000) / i128::from(page.position.0);
    let value = milliticks.saturating_mul(i128::from(page.tick.mantissa));
    let value = i64::try_from(value).ok()?;
    Some(text(value, u32::from(page.tick.decimals) + 3))
}

/// What the account holds of an asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Balance {
    /// Asset.
    pub asset: String,
    /// `spot` for a coin; null for the wallets in USDT, which are told as one sum.
    pub market: Option<&'static str>,
    /// Ours and the others'.
    pub amount: String,
    /// What our own orders bought.
    pub ours: String,
    /// What was there beside them.
    pub others: String,
}

/// Of this view: the wallets in USDT, and the coins of the traded spot instruments.
#[must_use]
pub fn balances(view: &View) -> Vec<Balance> {
    let wallet = view.account.as_ref().map(|page| Balance {
        asset: "USDT".to_string(),
        market: None,
        amount: money(page.wallet),
        ours: money(page.wallet),
        others: money(Money::ZERO),
    });
    let coins = view
        .instruments
        .iter()
        .filter(|page| page.market == Market::Spot);
    let coins = coins.map(|page| {
        let symbol = page.symbol.to_string();
        let amount = page.position.0.saturating_add(page.opening.0);
        Balance {
            asset: symbol.strip_suffix("USDT").unwrap_or(&symbol).to_string(),
            market: Some(page.market.as_str()),
            amount: steps(page.lot, amount),
            ours: quantity(page, page.position),
            others: quantity(page, page.opening),
        }
    });
    wallet.into_iter().chain(coins).collect()
}

/// Whether it trades, or could, and what of it does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Health {
    /// It does.
    pub ready: bool,
    /// Why not.
    pub reasons: Vec<String>,
    /// Every part that was looked at.
    pub parts: Vec<Part>,
}

/// A part of the appliance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Part {
    /// Such as `hot path`.
    pub part: String,
    /// As it should be.
    pub well: bool,
    /// What was found.
    pub found: String,
}

/// Of this view.
#[must_use]
pub fn health(view: &View) -> Health {
    let mut parts = Vec::new();
    let mut part = |name: String, well: bool, found: String| {
        parts.push(Part {
            part: name,
            well,
            found,
        });
    };
    match view.segment {
        None => part("hot path".to_string(), false, "never started".to_string()),
        Some(segment) => {
            let age = segment.heartbeat_age_ns.map(|ns| ns / 1_000_000);
            let word = state_word(segment.state);
            let beat = age.map_or("no sign of life yet".to_string(), |ms| {
                format!("last sign of life {ms} ms ago")
            });
            let running = word == "running" && segment.process_exists;
            let lives = age.is_some_and(|ms| ms <= 2_000);
            part(
                "hot path".to_string(),
                running && lives,
                format!("{word}, {beat}"),
            );
            let latch = ["not set", "set"][usize::from(segment.kill_latched)];
            part(
                "kill latch".to_string(),
                !segment.kill_latched,
                latch.to_string(),
            );
        }
    }
    if let Some(page) = &view.account {
        for (name, up) in [
            ("market streams", page.market_stream_up),
            ("private stream", page.user_stream_up),
            ("reconciliation", page.reconciled),
        ] {
            let found = ["down", "up"][usize::from(up)];
            part(name.to_string(), up, found.to_string());
        }
        let unknown = format!("{} of unknown fate", page.unknown_now);
        part("orders".to_string(), page.unknown_now == 0, unknown);
    }
    for page in &view.instruments {
        let name = format!("book {} {}", page.market, page.symbol);
        let synced = page.book_state == market::BookState::Synced;
        part(name, synced, page.book_state.as_str().to_string());
    }
    for (name, up, errors) in [
        ("ledger", view.ledger_up, view.ledger_errors),
        ("input log", view.input_log_up, view.input_log_errors),
    ] {
        part(name.to_string(), up, format!("{errors} failed writes"));
    }
    for ring in &view.rings {
        // Above three quarters the hot path opens nothing any more.
        let well = ring.depth * 4 < ring.capacity * 3;
        let found = format!("{} of {} slots", ring.depth, ring.capacity);
        part(format!("ring {}", ring.name), well, found);
    }
    let reasons = view.reasons_not_ready();
    Health {
        ready: reasons.is_empty(),
        reasons,
        parts,
    }
}
