//! The exchange's own list of what moved the wallet, beside what our fills say.
//!
//! In: income records, in whichever life they were heard. Out: each entry once, with the amount that
//! the fill of the same trade has. Never: a fill changed because the exchange says otherwise; a
//! difference is counted and told.

use super::facts::{Facts, Stored};
use super::signed;
use market::{IncomeKind, IncomeReport, Money};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

/// The asset in which fills are kept.
const QUOTE_ASSET: &str = "USDT";

/// The exchange rounds its entry price, so its profit of a trade may be some units of 1e-8 beside
/// ours; so far it is the same money: 0.0001 USDT.
pub(super) const TOLERANCE_E8: i64 = 10_000;

/// What the entries add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncomeTotals {
    /// Sums in USDT, by kind.
    pub by_kind: BTreeMap<String, Money>,
    /// Trades whose fee or profit is another one at the exchange.
    pub differences: u64,
    /// By how much in sum: the exchange less ours, over all trades that both have.
    pub difference: Money,
}

impl IncomeTotals {
    /// Adds the table up.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut totals = Self::default();
        let mut statement = connection
            .prepare("SELECT kind, sum(amount_e8) FROM incomes WHERE asset = ?1 GROUP BY 1")?;
        let mut rows = statement.query([QUOTE_ASSET])?;
        while let Some(row) = rows.next()? {
            totals.by_kind.insert(row.get(0)?, Money(row.get(1)?));
        }
        let (differences, difference): (i64, i64) = connection.query_row(
            "SELECT coalesce(sum(abs(amount_e8 - ours_e8) > ?1), 0),
                coalesce(sum(amount_e8 - ours_e8), 0) FROM incomes WHERE ours_e8 IS NOT NULL",
            [TOLERANCE_E8],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        totals.differences = differences.cast_unsigned();
        totals.difference = Money(difference);
        Ok(totals)
    }

    fn add(&mut self, one: &IncomeReport, ours: Option<Money>) {
        if one.asset.as_bytes() == QUOTE_ASSET.as_bytes() {
            let kind = one.kind.as_str().to_string();
            *self.by_kind.entry(kind).or_default() += one.amount;
        }
        if let Some(ours) = ours {
            self.differences += u64::from(differs(one, ours));
            self.difference += one.amount - ours;
        }
    }
}

fn differs(one: &IncomeReport, ours: Money) -> bool {
    (one.amount.0 - ours.0).abs() > TOLERANCE_E8
}

impl Facts<'_> {
    pub(super) fn income(&mut self, one: &IncomeReport) -> Stored {
        let symbol = one.symbol.map(|symbol| symbol.as_str().to_string());
        let symbol = symbol.unwrap_or_default();
        let ours = self.our_amount(one, &symbol)?;
        let stored = self
            .transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO incomes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                one.kind.as_str(),
                signed(one.transaction_id),
                symbol,
                one.asset.as_str(),
                one.amount.0,
                one.time.0,
                signed(one.trade_id.0),
                ours.map(|ours| ours.0),
                self.generation(),
                self.sequence(),
                self.identity.venue("usdm"),
            ])?;
        if stored == 0 {
            // An earlier life has heard of it.
            return Ok(());
        }
        if let Some(ours) = ours.filter(|ours| differs(one, *ours)) {
            let (kind, trade_id) = (one.kind.as_str(), one.trade_id.0);
            let (theirs_e8, ours_e8) = (one.amount.0, ours.0);
            tracing::error!(kind, symbol, trade_id, theirs_e8, ours_e8, "INCOME_DIFFERS");
        }
        self.totals.incomes.add(one, ours);
        self.fund_trades(one)
    }

    /// What our fill of the same trade says; none where there is no such fill, or nothing to
    /// compare.
    fn our_amount(
        &self,
        one: &IncomeReport,
        symbol: &str,
    ) -> Result<Option<Money>, rusqlite::Error> {
        let in_quote = one.asset.as_bytes() == QUOTE_ASSET.as_bytes();
        let column = match one.kind {
            IncomeKind::Commission => "sum(-fee_e8)",
            IncomeKind::RealizedPnl => "sum(realized_e8)",
            _ => return Ok(None),
        };
        if one.trade_id.0 == 0 || !in_quote {
            return Ok(None);
        }
        let sql = format!(
            "SELECT {column} FROM fills f JOIN instruments i USING (generation, instrument)
             WHERE f.trade_id = ?1 AND i.market = 'usdm' AND i.symbol = ?2 HAVING count(*) > 0"
        );
        self.transaction
            .prepare_cached(&sql)?
            .query_row(params![signed(one.trade_id.0), symbol], |row| row.get(0))
            .optional()
            .map(|found| found.map(Money))
    }
}
