//! What the account has at stake: equity, exposure, margin.
//!
//! In: positions with their prices, live orders, what the exchange says of margin. Out: sums for
//! the controls, kept as they change. Never: a walk over all instruments for an order.

use super::breakers::About;
use super::core::Engine;
use super::emit::Emit;
use crate::bounds;
use crate::orders::Order;
use crate::outbox::Observer;
use crate::risk::{AccountView, Trip, margin_of};
use market::units::ONE;
use market::{
    Breaker, DenialCode, LiquidationReport, MarginReport, Market, Money, NewOrder, Price, Rate,
    Side, VenueReport, wire_struct,
};

/// A price that was not seen for so long is no reference for the next.
const ANCHOR_STALE_NS: u64 = 60_000_000_000;
const MINUTE_NS: u64 = 60_000_000_000;
/// Parts of a tick in which the anchor moves.
const ANCHOR_PARTS: i64 = 10_000;

wire_struct! {
    /// Margin as the exchange last stated it, and what stood then.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ToldMargin {
        /// Free for new orders.
        pub available: Money,
        /// Our equity then.
        pub equity: Money,
        /// Our gross exposure then, orders included.
        pub gross: Money,
    }
}

impl Engine {
    /// Equity less the profit since start; `None` until every wallet was told.
    pub(super) fn base(&self) -> Option<Money> {
        let mut base = Money::ZERO;
        for link in self.links.iter().filter(|link| link.used) {
            if !link.wallet_known {
                return None;
            }
            base += link.wallet_base;
        }
        Some(base)
    }

    /// Wallets plus unrealised profit; `None` until every wallet was told.
    pub(super) fn equity(&self) -> Option<Money> {
        self.base().map(|base| base + self.profit())
    }

    /// Values the position of one instrument, and adds what changed to the account's sums.
    pub(super) fn value_position<O: Observer>(&mut self, index: usize, emit: &mut Emit<'_, O>) {
        let (now, stale_ns) = (self.facts.now, self.config.signal.stale_after_ns);
        let instrument = &self.config.instruments[index];
        let state = &mut self.instruments[index];
        let before = state.facts.notional;
        self.facts.unrealized += state.revalue(instrument, now, stale_ns);
        let change = state.facts.notional - before;
        let gross = Money(state.facts.notional.0.abs() - before.0.abs());
        self.facts.net_exposure += change;
        match instrument.market {
            Market::UsdM => self.facts.gross_usdm += gross,
            Market::Spot => self.facts.gross_spot += gross,
        }
        let unvalued = !state.position.is_flat() && !state.facts.valued;
        if self.facts.unvalued == 0 {
            self.facts.unvalued_since = now;
        }
        self.facts.unvalued &= !(1 << index);
        self.facts.unvalued |= u64::from(unvalued) << index;
        let price = state.value_price(now, stale_ns);
        self.watch_trades(index, price, emit);
    }

    /// What the controls want to know of the account. `reserved` are the open orders that may add
    /// to positions, those of the order's own side and those of its own market.
    pub(super) fn account_view(&self, new: &NewOrder, reserved: Reserved) -> AccountView {
        let positions = self.facts.gross_usdm + self.facts.gross_spot;
        let index = usize::from(new.instrument.0);
        let facts = &self.instruments[index].facts;
        let market = self.config.instruments[index].market;
        let here = match market {
            Market::UsdM => self.facts.gross_usdm,
            Market::Spot => self.facts.gross_spot,
        } + reserved.market;
        let net = Money(self.facts.net_exposure.0 * new.side.sign());
        let leverage_max = self.breakers.leverage_max(&self.config.risk);
        let equity = self.equity();
        let told = self.links[market as usize].margin;
        let available = told.zip(equity).map(|(told, equity)| {
            let since = Money((here - told.gross).0.max(0));
            let used = match market {
                _ if since == Money::ZERO => since,
                Market::UsdM => margin_of(since, leverage_max),
                Market::Spot => since,
            };
            let gain = equity.0.saturating_sub(told.equity.0);
            let available = told.available.0.saturating_add(gain);
            Money(available.saturating_sub(used.0))
        });
        AccountView {
            equity,
            gross: positions + reserved.all,
            net: net + reserved.side,
            leverage_max,
            size: self.breakers.size(&self.config.risk),
            available,
            liquidation: facts.liquidation,
            anchor: facts.anchor.map(|parts| Price(parts / ANCHOR_PARTS)),
        }
    }

    /// Adds what a live order reserves to the sums that matter to `new`.
    #[inline]
    pub(super) fn add_reserved(&self, order: &Order, new: &NewOrder, sums: &mut Reserved) {
        let reserved = order.reserved();
        if reserved == Money::ZERO {
            return;
        }
        sums.all += reserved;
        if order.new.side == new.side {
            sums.side += reserved;
        }
        let market = self.config.instruments[usize::from(new.instrument.0)].market;
        if self.market_of(order) == market {
            sums.market += reserved;
        }
    }

    /// Reserved exposure of all open orders that may add to positions (I12).
    #[must_use]
    pub fn reserved_exposure(&self) -> Money {
        self.orders
            .live_orders()
            .map(|order| order.reserved())
            .sum()
    }

    pub(super) fn take_margin<O: Observer>(
        &mut self,
        report: &MarginReport,
        emit: &mut Emit<'_, O>,
    ) {
        if report.asset != self.config.quote_asset {
            return;
        }
        let told = ToldMargin {
            available: report.available,
            // Before the first wallet there is no equity to compare with.
            equity: self.equity().unwrap_or(report.balance),
            gross: self.gross_of(report.market),
        };
        self.links[report.market as usize].margin = Some(told);
        let most = self.config.risk.margin_ratio_max;
        let share = share(report.maintenance, report.balance);
        if report.maintenance.0 > 0 && share >= most.0 {
            let trip = Trip {
                breaker: Breaker::MarginRatio,
                value: share,
                limit: most.0,
            };
            self.trip(trip, About::default(), emit);
        }
    }

    /// Positions and open orders of a market.
    fn gross_of(&self, market: Market) -> Money {
        let positions = match market {
            Market::UsdM => self.facts.gross_usdm,
            Market::Spot => self.facts.gross_spot,
        };
        let here = |order: &&Order| self.market_of(order) == market;
        let orders = self.orders.live_orders().filter(here);
        positions + orders.map(Order::reserved).sum()
    }

    /// What a reconciliation found is in the margin that it told.
    pub(super) fn settle_margin(&mut self, market: Market) {
        let gross = self.gross_of(market);
        let equity = self.equity();
        if let Some(told) = &mut self.links[market as usize].margin {
            told.gross = gross;
            told.equity = equity.unwrap_or(told.equity);
        }
    }

    pub(super) fn take_liquidation(&mut self, report: &LiquidationReport) {
        let Some(index) = self.index_of(report.instrument) else {
            return;
        };
        let tick = self.config.instruments[index].tick;
        let scale = 10i128.pow(u32::from(tick.decimals));
        let tick_e8 = i128::from(tick.mantissa.max(1)) * i128::from(ONE);
        let ticks = i128::from(report.price_e8) * scale / tick_e8;
        let price = i64::try_from(ticks).ok().map(Price);
        let price = price.filter(|price| bounds::is_price(*price));
        self.instruments[index].facts.liquidation = price;
    }

    pub(super) fn take_venue(&mut self, report: &VenueReport) {
        self.links[report.market as usize].venue = *report;
        self.touch_all();
    }

    /// Whether the exchange takes an order now, or the code that says why not. Only a ban holds
    /// back orders that reduce: to send during one makes it longer (I20).
    pub(super) fn venue_takes(&self, market: Market, reducing: bool) -> Result<(), DenialCode> {
        let venue = &self.links[market as usize].venue;
        let now = self.facts.now;
        if now < venue.banned_until || (!reducing && now < venue.silent_until) {
            Err(DenialCode::ApiBanned)
        } else if venue.maintenance && !reducing {
            Err(DenialCode::VenueMaintenance)
        } else {
            Ok(())
        }
    }

    /// Moves the anchors of all collars towards the market, no faster than is allowed. Four times
    /// a second.
    pub(super) fn move_anchors(&mut self) {
        let (now, stale_ns) = (self.facts.now, self.config.signal.stale_after_ns);
        let most_a_minute = self.config.risk.price_drift_max;
        for state in &mut self.instruments {
            let Some(price) = state.value_price(now, stale_ns) else {
                continue;
            };
            let target = price.0.saturating_mul(ANCHOR_PARTS);
            let elapsed_ns = now.since(state.facts.anchor_at);
            state.facts.anchor_at = now;
            let old = state.facts.anchor.filter(|_| elapsed_ns <= ANCHOR_STALE_NS);
            state.facts.anchor = Some(match old {
                Some(anchor) => {
                    let most = drift(anchor, most_a_minute, elapsed_ns);
                    anchor + (target - anchor).clamp(-most, most)
                }
                None => target,
            });
        }
    }
}

#[cfg(test)]
impl Engine {
    /// The account as a control would see it behind `new`.
    pub(super) fn account_view_for_tests(&self, new: &NewOrder) -> AccountView {
        let mut reserved = Reserved::default();
        for order in self.orders.live_orders() {
            self.add_reserved(order, new, &mut reserved);
        }
        self.account_view(new, reserved)
    }
}

/// Exposure that open orders may add.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reserved {
    /// Of the account.
    pub(super) all: Money,
    /// Of the order's side.
    pub(super) side: Money,
    /// Of the order's market.
    pub(super) market: Money,
}

impl Reserved {
    /// Adds exposure of the order's own side and market.
    pub(super) fn add(&mut self, reserved: Money) {
        self.all += reserved;
        self.side += reserved;
        self.market += reserved;
    }
}

/// What an order reserves: its notional, unless it can only reduce.
pub(super) fn reserve_of(new: &NewOrder, market: Market, worth: Money) -> Money {
    let sells_what_is_held = market == Market::Spot && new.side == Side::Sell;
    if new.reduce_only || sells_what_is_held {
        Money::ZERO
    } else {
        // Sums of these have to fit, whatever price somebody told.
        worth.min(bounds::RESERVE_MAX)
    }
}

/// How far an anchor may move in a time.
fn drift(anchor: i64, a_minute: Rate, elapsed_ns: u64) -> i64 {
    let scaled = i128::from(anchor) * i128::from(a_minute.0) * i128::from(elapsed_ns);
    let most = scaled / (i128::from(ONE) * i128::from(MINUTE_NS));
    i64::try_from(most).unwrap_or(i64::MAX).max(0)
}

/// `part` of `whole` in 1e-8; everything when there is no whole.
fn share(part: Money, whole: Money) -> i64 {
    if whole.0 <= 0 {
        return i64::MAX;
    }
    let scaled = i128::from(part.0) * i128::from(ONE) / i128::from(whole.0);
    i64::try_from(scaled).unwrap_or(i64::MAX)
}
