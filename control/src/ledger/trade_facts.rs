//! What a history needs beside orders and fills becomes rows: legs of trades and their funding, the
//! market at decisions and after fills, balances.
//!
//! In: decoded records inside of a transaction. Out: rows. Never: funding twice; a trade's funding is
//! added up anew from the exchange's list whenever one of the two arrives, in whichever order.

use super::facts::{Facts, Stored};
use super::signed;
use market::record::{BalanceRecord, Fill, Markout, TradeClosed};
use market::units::round_div_saturating;
use market::{IncomeKind, IncomeReport, Mid, UtcMs};
use rusqlite::{Connection, params};

impl Facts<'_> {
    /// The market at a decision; its place is the decision's.
    pub(super) fn decision_mid(&self, mid: Option<Mid>) -> Stored {
        let Some(mid) = mid else { return Ok(()) };
        self.transaction
            .prepare_cached("INSERT INTO decision_mids VALUES (?1, ?2, ?3)")?
            .execute(params![self.generation(), self.sequence(), mid.0])?;
        Ok(())
    }

    pub(super) fn markout(&self, one: &Markout) -> Stored {
        self.transaction
            .prepare_cached("INSERT INTO markouts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
            .execute(params![
                self.generation(),
                self.sequence(),
                one.instrument.0,
                one.side.as_str(),
                signed(one.trade_id.0),
                one.after.as_str(),
                one.mid.map(|mid| mid.0),
                one.none_because.map(|reason| reason.as_str()),
                self.record.utc.0,
            ])?;
        Ok(())
    }

    pub(super) fn balance(&self, one: &BalanceRecord) -> Stored {
        self.transaction
            .prepare_cached("INSERT INTO balances VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![
                self.generation(),
                self.sequence(),
                one.asset.as_str(),
                one.wallet.0,
                one.event_time.0,
                self.record.utc.0,
            ])?;
        Ok(())
    }

    /// A fill that an earlier life has in its journal: not a fill again, but this life's position
    /// has moved by it.
    pub(super) fn told_again(&self, one: &Fill) -> Stored {
        self.transaction
            .prepare_cached("INSERT INTO told_again VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
            .execute(params![
                self.generation(),
                self.sequence(),
                one.instrument.0,
                one.side.as_str(),
                signed(one.trade_id.0),
                one.quantity.0,
                one.fee.0,
                one.realized.0,
            ])?;
        Ok(())
    }

    /// The two ends of a trade, and the funding that the exchange has listed for its time already.
    pub(super) fn trade_legs(&self, one: &TradeClosed) -> Stored {
        let Some(legs) = &one.legs else { return Ok(()) };
        let (market, symbol) = self.name(one.instrument);
        self.transaction
            .prepare_cached(
                "INSERT INTO trade_legs VALUES
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0)",
            )?
            .execute(params![
                self.generation(),
                self.sequence(),
                market,
                symbol,
                legs.lots.0,
                legs.entry_tick_lots.to_string(),
                legs.exit_tick_lots.to_string(),
                legs.entry_reason.as_str(),
                legs.entry_order.as_str(),
                legs.exit_order.as_str(),
                legs.opened.0,
                legs.closed.0,
                self.record.utc.0.saturating_sub_unsigned(one.held_ns),
            ])?;
        fund_trade(self.transaction, (self.generation(), self.sequence()))?;
        Ok(())
    }

    /// Funding that was listed now belongs to the trades that were open then.
    pub(super) fn fund_trades(&self, one: &IncomeReport) -> Stored {
        let (IncomeKind::FundingFee, Some(symbol)) = (one.kind, one.symbol) else {
            return Ok(());
        };
        let mut statement = self.transaction.prepare_cached(
            "SELECT generation, sequence FROM trade_legs
             WHERE market = 'usdm' AND symbol = ?1 AND closed_ms >= ?2",
        )?;
        let rows = statement.query_map(params![symbol.as_str(), one.time.0], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        let places: Vec<(i64, i64)> = rows.collect::<Result<_, _>>()?;
        for place in places {
            fund_trade(self.transaction, place)?;
        }
        Ok(())
    }
}

/// Where a trade lies between its fills.
struct Span {
    instrument: u16,
    strategy: u8,
    symbol: String,
    opened: UtcMs,
    closed: UtcMs,
    side: i64,
    /// Lots that were there when it began, of one that was taken over.
    adopted_lots: i64,
}

/// Adds up anew what funding a closed trade was charged or received.
///
/// The exchange charges the account's position at a moment. With one strategy on the instrument all
/// of it is that trade's; with several each has the share of its part in the position then.
fn fund_trade(connection: &Connection, (generation, sequence): (i64, i64)) -> Stored {
    let span = connection
        .prepare_cached(
            "SELECT t.instrument, t.strategy, l.symbol, l.opened_ms, l.opened_utc_ns, l.closed_ms,
             t.side, l.entry_reason, t.quantity_lots FROM trade_legs l
             JOIN trades t USING (generation, sequence)
             WHERE l.generation = ?1 AND l.sequence = ?2 AND l.market = 'usdm'",
        )?
        .query_map(params![generation, sequence], |row| {
            let told: i64 = row.get(3)?;
            let by_engine = row.get::<_, i64>(4)? / 1_000_000;
            let side = if row.get::<_, String>(6)? == "BUY" {
                1
            } else {
                -1
            };
            let adopted = row.get::<_, String>(7)? == "ADOPTED";
            let lots: i64 = row.get(8)?;
            Ok(Span {
                instrument: row.get(0)?,
                strategy: row.get(1)?,
                symbol: row.get(2)?,
                opened: UtcMs(if told > 0 { told } else { by_engine }),
                closed: UtcMs(row.get(5)?),
                side,
                adopted_lots: if adopted { side * lots } else { 0 },
            })
        })?
        .next()
        .transpose()?;
    let Some(span) = span else { return Ok(()) };
    let mut sum = 0i64;
    let mut statement = connection.prepare_cached(
        "SELECT amount_e8, time_ms FROM incomes WHERE kind = 'FUNDING_FEE' AND symbol = ?1
         AND asset = 'USDT' AND time_ms > ?2 AND time_ms <= ?3",
    )?;
    let mut rows = statement.query(params![span.symbol, span.opened.0, span.closed.0])?;
    while let Some(row) = rows.next()? {
        let (amount, time): (i64, i64) = (row.get(0)?, row.get(1)?);
        sum = sum.saturating_add(share_of(connection, generation, &span, amount, time)?);
    }
    connection
        .prepare_cached(
            "UPDATE trade_legs SET funding_e8 = ?3 WHERE generation = ?1 AND sequence = ?2",
        )?
        .execute(params![generation, sequence, sum])?;
    Ok(())
}

/// The trade's share of what was charged at `time`.
fn share_of(
    connection: &Connection,
    generation: i64,
    span: &Span,
    amount: i64,
    time: i64,
) -> Result<i64, rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT strategy, sum(CASE side WHEN 'BUY' THEN quantity_lots ELSE -quantity_lots END)
         FROM fills WHERE generation = ?1 AND instrument = ?2 AND transaction_time_ms <= ?3
         GROUP BY strategy",
    )?;
    let mut rows = statement.query(params![generation, span.instrument, time])?;
    let (mut own, mut others) = (span.adopted_lots, 0i64);
    while let Some(row) = rows.next()? {
        let (strategy, lots): (u8, i64) = (row.get(0)?, row.get(1)?);
        match strategy == span.strategy {
            true => own += lots,
            false => others += lots,
        }
    }
    let whole = own + others;
    if others == 0 || whole == 0 || own.signum() != span.side {
        return Ok(amount);
    }
    let part = i128::from(amount) * i128::from(own);
    Ok(round_div_saturating(part, i128::from(whole)))
}
