//! Pages of the ledger for those who look: fills, trades, orders, denials, breakers, states, income.
//!
//! In: a place, a limit, filters. Out: rows in one order, and the place after the last. Never: a
//! page whose next one skips or repeats a row; money as a float.

use super::reports::open_to_read;
use super::{LedgerError, signed};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use serde::Serialize;
use std::path::Path;
use utoipa::ToSchema;

/// Most rows of a page.
pub const PAGE_MAX: u32 = 1_000;

/// Which rows.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Behind this place, (generation, sequence); none: from the end that comes first.
    pub after: Option<(u64, u64)>,
    /// The newest first.
    pub newest_first: bool,
    /// At most so many, up to [`PAGE_MAX`].
    pub limit: u32,
    /// Of this symbol alone.
    pub symbol: Option<String>,
    /// Of the strategy with this index alone.
    pub strategy: Option<u8>,
}

/// Rows, and where the next page begins.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// `after` of the next page; null at the end.
    pub next: Option<String>,
}

/// A row with its place in the journal.
pub trait Placed: Sized {
    /// Its table, with the instruments where there are any, and the columns that it is read from.
    const FROM: &'static str;
    /// Whether it has a symbol to filter by.
    const HAS_SYMBOL: bool;
    /// Whether it has a strategy to filter by.
    const HAS_STRATEGY: bool;
    /// Its columns begin behind generation and sequence.
    ///
    /// # Errors
    /// Of SQLite.
    fn read(row: &Row<'_>) -> rusqlite::Result<Self>;
}

macro_rules! rows {
    ($(#[$doc:meta])* $name:ident from $from:literal symbol $symbol:literal strategy $strategy:literal {
        $($(#[$field_doc:meta])* $field:ident: $type:ty),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
        pub struct $name {
            /// Place in the journal: start of the hot path and sequence.
            pub place: String,
            $($(#[$field_doc])* pub $field: $type,)+
        }

        impl Placed for $name {
            const FROM: &'static str = $from;
            const HAS_SYMBOL: bool = $symbol;
            const HAS_STRATEGY: bool = $strategy;
            fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
                let mut column = 1;
                let place = place(row)?;
                Ok(Self {
                    place,
                    $($field: {
                        column += 1;
                        row.get(column)?
                    },)+
                })
            }
        }
    };
}

fn place(row: &Row<'_>) -> rusqlite::Result<String> {
    let (generation, sequence): (i64, i64) = (row.get(0)?, row.get(1)?);
    Ok(format!(
        "{}-{}",
        generation.cast_unsigned(),
        sequence.cast_unsigned()
    ))
}

rows! {
    /// An execution, applied once.
    FillRow from "SELECT x.generation, x.sequence, x.market, x.symbol, x.client_order_id, x.strategy,
        x.side, x.trade_id, x.price, x.quantity, x.fee, x.realized, x.liquidity,
        x.transaction_time_ms FROM fills_text x" symbol true strategy true {
        /// `usdm` or `spot`.
        market: String,
        /// Symbol.
        symbol: String,
        /// Order that it is of; empty for one that is not ours.
        client_order_id: String,
        /// Index of the strategy; 255 for none.
        strategy: u8,
        /// `BUY` or `SELL`.
        side: String,
        /// The exchange's id.
        trade_id: i64,
        /// Price.
        price: String,
        /// Quantity in the base asset.
        quantity: String,
        /// Fee in USDT, positive = paid.
        fee: String,
        /// Realised profit in USDT before fees.
        realized: String,
        /// `MAKER` or `TAKER`.
        liquidity: String,
        /// Time of the exchange, milliseconds UTC.
        transaction_time_ms: i64,
    }
}

rows! {
    /// A trade from entry to exit.
    TradeRow from "SELECT x.generation, x.sequence, x.market, x.symbol, x.strategy, x.side, x.reason,
        x.held_ns, x.net, x.fees, x.utc_ns FROM trades_text x" symbol true strategy true {
        /// `usdm` or `spot`.
        market: String,
        /// Symbol.
        symbol: String,
        /// Index of the strategy.
        strategy: u8,
        /// `BUY` for a long one, `SELL` for a short one.
        side: String,
        /// Why it was closed.
        reason: String,
        /// How long it was held, nanoseconds.
        held_ns: i64,
        /// Profit in USDT after fees.
        net: String,
        /// Fees in USDT.
        fees: String,
        /// When it was closed, nanoseconds UTC.
        utc_ns: i64,
    }
}

rows! {
    /// An order with its newest state.
    OrderRow from "SELECT o.generation, o.sequence, x.market, x.symbol, x.client_order_id, x.strategy,
        x.side, x.order_type, x.time_in_force, x.reduce_only, x.price, x.quantity, x.filled, x.state,
        x.certainty, x.error_code, x.decided_utc_ns, x.changed_utc_ns
        FROM orders_text x JOIN orders o USING (client_order_id)" symbol true strategy true {
        /// `usdm` or `spot`.
        market: String,
        /// Symbol.
        symbol: String,
        /// The client's id.
        client_order_id: String,
        /// Index of the strategy.
        strategy: u8,
        /// `BUY` or `SELL`.
        side: String,
        /// Such as `LIMIT`.
        order_type: String,
        /// Such as `GTX`.
        time_in_force: String,
        /// May only reduce.
        reduce_only: bool,
        /// Limit price.
        price: String,
        /// Ordered.
        quantity: String,
        /// Filled.
        filled: String,
        /// State.
        state: String,
        /// `KNOWN` or `UNKNOWN`.
        certainty: String,
        /// The exchange's code where it refused; 0 for none.
        error_code: i64,
        /// When it was decided, nanoseconds UTC.
        decided_utc_ns: i64,
        /// When its state changed last, nanoseconds UTC.
        changed_utc_ns: i64,
    }
}

rows! {
    /// A step in the life of an order, with the order as it was decided.
    OrderEventRow from "SELECT e.generation, e.sequence, x.market, x.symbol, e.client_order_id,
        x.strategy, x.side, x.order_type, x.time_in_force, x.reduce_only, x.price, x.quantity,
        e.event, e.state, e.pending, e.certainty,
        (SELECT printf('%d.%0*d', e.cumulative_lots * i.lot_mantissa / i.lot_scale, i.lot_decimals,
            e.cumulative_lots * i.lot_mantissa % i.lot_scale)
            FROM orders o JOIN instruments i USING (generation, instrument)
            WHERE o.client_order_id = e.client_order_id),
        e.error_code, e.utc_ns
        FROM order_events e JOIN orders_text x USING (client_order_id)" symbol true strategy true {
        /// `usdm` or `spot`.
        market: String,
        /// Symbol.
        symbol: String,
        /// The client's id.
        client_order_id: String,
        /// Index of the strategy.
        strategy: u8,
        /// `BUY` or `SELL`.
        side: String,
        /// Such as `LIMIT`.
        order_type: String,
        /// Such as `GTX`.
        time_in_force: String,
        /// May only reduce.
        reduce_only: bool,
        /// Limit price, as it is now.
        price: String,
        /// Ordered, as it is now.
        quantity: String,
        /// Such as `INTENT`.
        event: String,
        /// State after it; null where it says nothing of that.
        state: Option<String>,
        /// Request under way after it.
        pending: Option<String>,
        /// `KNOWN` or `UNKNOWN`.
        certainty: Option<String>,
        /// Filled until then; null where it says nothing of that.
        filled: Option<String>,
        /// The exchange's code where it refused; 0 for none.
        error_code: i64,
        /// When, nanoseconds UTC.
        utc_ns: i64,
    }
}

rows! {
    /// An order that risk refused.
    DenialRow from "SELECT x.generation, x.sequence, coalesce(i.market, ''),
        coalesce(i.symbol, ''), x.strategy, x.code, x.side,
        x.price_ticks, x.quantity_lots, x.utc_ns FROM denials x
        LEFT JOIN instruments i USING (generation, instrument)" symbol true strategy true {
        /// `usdm` or `spot`; empty where the journal has not named the instrument.
        market: String,
        /// Symbol; likewise.
        symbol: String,
        /// Index of the strategy.
        strategy: u8,
        /// Which control.
        code: String,
        /// `BUY` or `SELL`.
        side: String,
        /// Price in ticks.
        price_ticks: i64,
        /// Quantity in lots.
        quantity_lots: i64,
        /// When, nanoseconds UTC.
        utc_ns: i64,
    }
}

rows! {
    /// A breaker that tripped.
    BreakerRow from "SELECT x.generation, x.sequence, x.breaker, x.value, x.allowed, x.dry, x.utc_ns
        FROM breakers x" symbol false strategy false {
        /// Which.
        breaker: String,
        /// What was measured, in the form of its limit.
        value: i64,
        /// What is allowed.
        allowed: i64,
        /// It only told what it would have done.
        dry: bool,
        /// When, nanoseconds UTC.
        utc_ns: i64,
    }
}

rows! {
    /// A change of the trading state.
    StateRow from "SELECT x.generation, x.sequence, x.from_state, x.to_state, x.reason, x.utc_ns
        FROM trading_states x" symbol false strategy false {
        /// Before.
        from: String,
        /// After.
        to: String,
        /// Why.
        reason: String,
        /// When, nanoseconds UTC.
        utc_ns: i64,
    }
}

rows! {
    /// An entry of the exchange's income list: fees, funding, transfers.
    IncomeRow from "SELECT x.generation, x.sequence, x.kind, x.symbol, x.asset,
        printf('%s%d.%08d', CASE WHEN x.amount_e8 < 0 THEN '-' ELSE '' END,
            abs(x.amount_e8) / 100000000, abs(x.amount_e8) % 100000000), x.time_ms
        FROM incomes x" symbol true strategy false {
        /// Such as `FUNDING_FEE`.
        kind: String,
        /// Symbol; empty for none.
        symbol: String,
        /// Asset.
        asset: String,
        /// Amount in the asset, negative where it was paid.
        amount: String,
        /// When, milliseconds UTC.
        time_ms: i64,
    }
}

/// A page of rows.
///
/// # Errors
/// [`LedgerError`] of SQLite.
pub fn page<T: Placed>(path: &Path, wanted: &Wanted) -> Result<Page<T>, LedgerError> {
    let (mut rows, more) = rows_of::<T>(&open_to_read(path)?, wanted)?;
    let next = rows.last().filter(|_| more).map(|(place, _)| place.clone());
    let rows = rows.drain(..).map(|(_, row)| row).collect();
    Ok(Page { rows, next })
}

/// Rows with their places, and whether there are more.
///
/// # Errors
/// [`LedgerError`] of SQLite.
pub fn rows_of<T: Placed>(
    connection: &Connection,
    wanted: &Wanted,
) -> Result<(Vec<(String, T)>, bool), LedgerError> {
    let limit = wanted.limit.clamp(1, PAGE_MAX) as usize;
    let (sign, order) = match wanted.newest_first {
        true => ("<", "DESC"),
        false => (">", "ASC"),
    };
    let mut conditions = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    let columns = T::FROM.trim_start_matches("SELECT ");
    let table = columns.split('.').next().unwrap_or("x");
    if let Some((generation, sequence)) = wanted.after {
        conditions.push(format!(
            "({table}.generation, {table}.sequence) {sign} (?, ?)"
        ));
        values.extend([signed(generation).into(), signed(sequence).into()]);
    }
    if let Some(symbol) = &wanted.symbol {
        conditions.push("symbol = ?".to_string());
        values.push(symbol.clone().into());
    }
    if let Some(strategy) = wanted.strategy {
        conditions.push("x.strategy = ?".to_string());
        values.push(i64::from(strategy).into());
    }
    let conditions = match conditions.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", conditions.join(" AND ")),
    };
    values.push(i64::try_from(limit + 1).unwrap_or(i64::MAX).into());
    let sql = format!(
        "{}{conditions} ORDER BY {table}.generation {order}, {table}.sequence {order} LIMIT ?",
        T::FROM
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        Ok((place(row)?, T::read(row)?))
    })?;
    let mut rows: Vec<(String, T)> = rows.collect::<Result<_, _>>()?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    Ok((rows, more))
}
