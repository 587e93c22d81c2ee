//! The wallet and what moves it: trades, funding, money that comes and goes.
//!
//! In: amounts that were booked, entries of the exchange's income, wallets that looks were told.
//! Out: profit since start, and of each market the base that it is added to. Never: an amount in
//! both.

use super::core::Engine;
use super::emit::Emit;
use super::reconcile::RECONCILE_CALM_NS;
use crate::bounds;
use crate::outbox::Observer;
use market::record::Record;
use market::{IncomeKind, IncomeReport, Market, Money, MonoNs, UtcMs};

impl Engine {
    /// Books what a trade or funding brought or cost.
    pub(super) fn earn(&mut self, market: Market, amount: Money) {
        self.facts.net_realized += amount;
        self.links[market as usize].earned += amount;
    }

    /// An entry of the income. Funding of our instruments since this start is profit or loss; every
    /// other kind is booked elsewhere, or found in the wallet.
    pub(super) fn take_income<O: Observer>(
        &mut self,
        report: &IncomeReport,
        emit: &mut Emit<'_, O>,
    ) {
        emit.record(Record::Income(*report));
        let began = self.facts.began;
        let counts = report.kind == IncomeKind::FundingFee
            && report.asset == self.config.quote_asset
            && began != UtcMs(0)
            && report.time > began;
        let mut table = self.config.instruments.iter();
        let ours = table.any(|one| {
            one.market == Market::UsdM && report.symbol.is_some_and(|it| it == one.symbol)
        });
        if !counts || !ours {
            return;
        }
        self.earn(Market::UsdM, report.amount);
        self.facts.funding += report.amount;
        let link = &mut self.links[Market::UsdM as usize];
        if report.time <= link.wallet_at {
            // The wallet that was told last had it already.
            link.wallet_base -= report.amount;
        }
    }

    /// Money came or went that no trade of ours moved: the wallet is looked at.
    pub(super) fn wallet_moved<O: Observer>(&mut self, market: Market, emit: &mut Emit<'_, O>) {
        let now = self.facts.now;
        let link = &mut self.links[market as usize];
        link.wallet_moved = Some(now);
        if link.ever_reconciled && self.run.market != Some(market) {
            link.ask_at = link.ask_at.min(now);
            self.schedule(now);
            self.ask_reconcile(emit);
        }
    }

    /// Takes the wallet of a look that began then. One in the middle of trading misses fills: it
    /// counts after a doubt, when entries rest, and after money has moved, once nothing fills.
    pub(super) fn take_wallet(
        &mut self,
        market: Market,
        (wallet, requested_at): (Money, MonoNs),
        doubted: bool,
        clear: bool,
    ) {
        let calm = clear && !self.has_filled_since(market, requested_at);
        let moved = self.links[market as usize].wallet_moved;
        // A look that began before may show what was there before.
        let shown = moved.is_some_and(|at| at <= requested_at);
        let paid = self.paid(market);
        let since_ms = self.facts.now.since(requested_at) / 1_000_000;
        let utc = self.utc_now().to_ms().0;
        let link = &mut self.links[market as usize];
        if doubted || (shown && calm) {
            link.wallet_base = wallet + paid - link.earned;
            link.wallet_at = UtcMs(utc.saturating_sub_unsigned(since_ms));
            link.wallet_moved = moved.filter(|_| !shown);
        }
        link.wallet_known = true;
    }

    /// The pause before the next look, where no wallet has shown yet what moved.
    pub(super) fn wallet_pause(&self, market: Market, pause: u64) -> u64 {
        match self.links[market as usize].wallet_moved {
            Some(_) => pause.min(RECONCILE_CALM_NS),
            None => pause,
        }
    }

    fn has_filled_since(&self, market: Market, since: MonoNs) -> bool {
        let mut all = self.instruments.iter().zip(&self.config.instruments);
        all.any(|(state, one)| one.market == market && state.facts.last_fill_at >= since)
    }

    /// What spot positions of ours have cost: it has left the wallet, but not the account.
    fn paid(&self, market: Market) -> Money {
        if market == Market::UsdM {
            return Money::ZERO;
        }
        let held = self.instruments.iter().zip(&self.config.instruments);
        held.filter(|(_, instrument)| instrument.market == Market::Spot)
            .map(|(state, one)| bounds::amount(one, state.position.cost_tick_lots))
            .sum()
    }
}
