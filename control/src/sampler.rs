//! Once a second, what the pages show goes into the ledger: equity, signals, non-actions; and what
//! follows from the facts is kept up: thinned equity, summaries of days.
//!
//! In: the attached generation, the settings. Out: samples and summaries in the ledger. Never: a
//! sample of a hot path that does not live, or of an account that was not looked at yet.
//!
//! Equity is sampled here and not told by the engine: nobody decides on it, a page is as exact as a
//! record would be, and the journal's slots are for what must not be lost. The time of a sample is
//! the exchange's, as the engine knows it, carried on from the page to now.

use crate::attached::Attached;
use crate::ledger::{
    EquitySample, Ledger, LedgerError, NonActionSample, SignalSample, Thinning, sums_by_label,
};
use market::UtcNs;
use market::page::{AccountPage, InstrumentPage};
use settings::ControlSettings;
use std::collections::BTreeMap;

const SECOND_NS: u64 = 1_000_000_000;

/// A page older than this without a heartbeat beside it shows nothing that is.
const HEARTBEAT_MAX_NS: u64 = 2 * SECOND_NS;

/// How often old samples are thinned and days are summarised.
const UPKEEP_NS: u64 = 10 * SECOND_NS;

const DAY_NS: i64 = 86_400 * SECOND_NS as i64;

/// How often, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Between two samples of the signals and non-actions; 0 for none.
    pub signals_every_ns: u64,
    /// How long equity stays as it is.
    pub thinning: Thinning,
}

impl Sampling {
    /// As the settings want it.
    #[must_use]
    pub fn of(settings: &ControlSettings) -> Self {
        Self {
            signals_every_ns: settings.signal_sample_ms * 1_000_000,
            thinning: Thinning {
                seconds_for_ns: settings.equity_seconds_days.cast_signed() * DAY_NS,
                minutes_for_ns: settings.equity_minutes_days.cast_signed() * DAY_NS,
            },
        }
    }
}

/// The rhythm of the samples.
pub struct Sampler {
    sampling: Sampling,
    equity_at: u64,
    signals_at: u64,
    upkeep_at: u64,
    /// Generation whose account was looked at, and the non-actions that it had counted.
    known: Option<(u64, BTreeMap<String, u64>)>,
}

impl Sampler {
    /// None taken yet.
    #[must_use]
    pub const fn new(sampling: Sampling) -> Self {
        Self {
            sampling,
            equity_at: 0,
            signals_at: 0,
            upkeep_at: 0,
            known: None,
        }
    }

    /// Takes what is due.
    ///
    /// # Errors
    /// [`LedgerError`] of SQLite; the samples of this moment are missing then.
    pub fn pass(
        &mut self,
        current: &Attached,
        ledger: &mut Ledger,
        now_ns: u64,
    ) -> Result<(), LedgerError> {
        let equity_due = is_due(&mut self.equity_at, now_ns, SECOND_NS);
        let every = self.sampling.signals_every_ns;
        let signals_due = every > 0 && is_due(&mut self.signals_at, now_ns, every);
        if !equity_due && !signals_due {
            return Ok(());
        }
        let alive = current.view(now_ns, false).heartbeat_age_ns;
        let Some(account) = current
            .account_page()
            .filter(|_| alive.is_some_and(|age| age <= HEARTBEAT_MAX_NS))
        else {
            return Ok(());
        };
        let Some(time) = utc_of(&account, now_ns) else {
            return Ok(());
        };
        let generation = current.generation();
        let known = self.known.as_ref().is_some_and(|(of, _)| *of == generation);
        if !known && !account.reconciled {
            // Its wallet is not known yet.
            return Ok(());
        }
        let counted = counted(current);
        let before = self.known.take().filter(|(of, _)| *of == generation);
        let before = before.map(|(_, counted)| counted).unwrap_or_default();
        let (mut signals, mut non_actions) = (Vec::new(), Vec::new());
        if signals_due {
            signals.extend(current.instrument_pages().iter().map(signal_of));
            non_actions = grown(&before, &counted);
        }
        self.known = Some((generation, if signals_due { counted } else { before }));
        let equity = equity_due.then(|| equity_of(&account, generation, time));
        let moment = (generation, time);
        ledger.write_samples(moment, equity.as_ref(), &signals, &non_actions)?;
        self.keep_up(ledger, now_ns, time)
    }

    fn keep_up(
        &mut self,
        ledger: &mut Ledger,
        now_ns: u64,
        time: UtcNs,
    ) -> Result<(), LedgerError> {
        if !is_due(&mut self.upkeep_at, now_ns, UPKEEP_NS) {
            return Ok(());
        }
        let days = ledger.summarise_days(time)?;
        // What a summary needs is not thinned before it is made.
        if !days {
            ledger.thin_equity(time, &self.sampling.thinning)?;
        }
        Ok(())
    }
}

/// True once the time has come; the next one is on the same beat.
fn is_due(at: &mut u64, now_ns: u64, every: u64) -> bool {
    if now_ns < *at {
        return false;
    }
    *at = now_ns - now_ns % every + every;
    true
}

/// The exchange's time now; none before the engine knows it.
fn utc_of(account: &AccountPage, now_ns: u64) -> Option<UtcNs> {
    let since = now_ns.saturating_sub(account.time.0);
    (account.utc.0 != 0).then(|| UtcNs(account.utc.0.saturating_add_unsigned(since)))
}

fn equity_of(account: &AccountPage, generation: u64, time: UtcNs) -> EquitySample {
    EquitySample {
        time,
        generation,
        wallet: account.wallet,
        unrealized: account.unrealized,
        equity: account.equity,
        gross: account.gross_notional,
        net: account.net_notional,
        state: account.trading_state,
    }
}

fn signal_of(page: &InstrumentPage) -> SignalSample {
    let ratio = page.imbalance_ratio;
    SignalSample {
        instrument: page.instrument.0,
        imbalance_ratio: ratio.is_finite().then_some(ratio),
        no_signal: page.no_signal,
        book_state: page.book_state,
        bid: page.bid.price,
        ask: page.ask.price,
    }
}

/// Non-actions by reason, as the engine has counted them.
fn counted(current: &Attached) -> BTreeMap<String, u64> {
    sums_by_label(&current.non_actions(), "non_actions_total", "reason")
}

fn grown(before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> Vec<NonActionSample> {
    let since = |(reason, count): (&String, &u64)| {
        let count = count.saturating_sub(before.get(reason).copied().unwrap_or(0));
        (count > 0).then(|| NonActionSample {
            reason: reason.clone(),
            count,
        })
    };
    now.iter().filter_map(since).collect()
}
