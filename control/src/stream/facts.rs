//! Facts of the ledger: orders, fills, trades, and what happened to the account.
//!
//! In: places. Out: rows as JSON, in the order of the journal. Never: a row of a place twice.

use super::topic::{Facts, Place, place_of};
use crate::ledger::{FillRow, LedgerError, OrderEventRow, Placed, TradeRow, Wanted, rows_of};
use rusqlite::{Connection, named_params};
use serde::Serialize;

/// Most rows of one message.
pub(super) const ROWS_MAX: u32 = 1_000;

/// Rows in one order, each with its place.
pub(super) type Rows = Vec<(Place, String)>;

/// Something that happened to the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct EventRow {
    /// Place in the journal: start of the hot path and sequence.
    place: String,
    /// `state`, `breaker`, `denial`, `kill`, `stop`, `book`, `note`.
    kind: String,
    /// `usdm` or `spot`, where it is about an instrument.
    market: Option<String>,
    /// Symbol, where it is about one.
    symbol: Option<String>,
    /// What: the state or book state after it, the breaker, the denial's code, the act.
    code: String,
    /// The state before it.
    before: Option<String>,
    /// Why, or what became of it.
    reason: Option<String>,
    /// What a breaker measured; how many a kill's list showed; the exchange's code for a stop.
    value: Option<i64>,
    /// What a breaker allows.
    allowed: Option<i64>,
    /// When, nanoseconds UTC.
    utc_ns: i64,
}

/// One arm for each table: its columns, its rows behind or before a place, each by its own index.
const EVENTS: [&str; 7] = [
    "SELECT x.generation AS g, x.sequence AS s, 'state' AS kind, NULL AS market, NULL AS symbol,
     to_state AS code, from_state AS before, reason, NULL AS value, NULL AS allowed, utc_ns
     FROM trading_states x",
    "SELECT x.generation, x.sequence, 'breaker', i.market, i.symbol, breaker, NULL,
     CASE dry WHEN 0 THEN NULL ELSE 'DRY' END, value, allowed, utc_ns
     FROM breakers x LEFT JOIN instruments i USING (generation, instrument)",
    "SELECT x.generation, x.sequence, 'denial', i.market, i.symbol, code, NULL, side, NULL, NULL,
     utc_ns FROM denials x LEFT JOIN instruments i USING (generation, instrument)",
    "SELECT x.generation, x.sequence, 'kill', market, nullif(symbol, ''), act, NULL,
     CASE error_code WHEN 0 THEN NULL ELSE 'error ' || error_code END, count, NULL, utc_ns
     FROM kill_steps x",
    "SELECT x.generation, x.sequence, 'stop', NULL, symbol, act, NULL, side, error_code, NULL,
     utc_ns FROM protective_stops x",
    "SELECT x.generation, x.sequence, 'book', i.market, i.symbol, to_state, from_state, reason,
     NULL, NULL, utc_ns FROM book_states x LEFT JOIN instruments i USING (generation, instrument)",
    "SELECT x.generation, x.sequence, 'note', i.market, i.symbol, kind, NULL, nullif(fate, ''),
     NULL, NULL, utc_ns FROM account_notes x LEFT JOIN instruments i USING (generation, instrument)",
];

/// Rows behind a place, the oldest first.
///
/// # Errors
/// [`LedgerError`] of SQLite.
pub(super) fn after(
    connection: &Connection,
    facts: Facts,
    place: Place,
) -> Result<Rows, LedgerError> {
    read(connection, facts, place, false, ROWS_MAX)
}

/// The last `limit` rows up to and with a place, the oldest first. Of orders those that are open: the
/// last step of each.
///
/// # Errors
/// [`LedgerError`] of SQLite.
pub(super) fn newest(
    connection: &Connection,
    facts: Facts,
    up_to: Place,
    limit: u32,
) -> Result<Rows, LedgerError> {
    if facts == Facts::Orders {
        return open_orders(connection, up_to);
    }
    let behind = (up_to.0, up_to.1.saturating_add(1));
    let mut rows = read(connection, facts, behind, true, limit)?;
    rows.reverse();
    Ok(rows)
}

fn read(
    connection: &Connection,
    facts: Facts,
    place: Place,
    newest_first: bool,
    limit: u32,
) -> Result<Rows, LedgerError> {
    let wanted = Wanted {
        after: Some(place),
        newest_first,
        limit,
        ..Wanted::default()
    };
    match facts {
        Facts::Orders => placed::<OrderEventRow>(connection, &wanted),
        Facts::Fills => placed::<FillRow>(connection, &wanted),
        Facts::Trades => placed::<TradeRow>(connection, &wanted),
        Facts::Events => events(connection, &wanted),
    }
}

fn placed<T: Placed + Serialize>(
    connection: &Connection,
    wanted: &Wanted,
) -> Result<Rows, LedgerError> {
    let (rows, _) = rows_of::<T>(connection, wanted)?;
    Ok(rows
        .iter()
        .filter_map(|(place, row)| Some((place_of(place).ok()?, serde_json::to_string(row).ok()?)))
        .collect())
}

fn events(connection: &Connection, wanted: &Wanted) -> Result<Rows, LedgerError> {
    let (sign, order) = match wanted.newest_first {
        true => ("<", "DESC"),
        false => (">", "ASC"),
    };
    let arm = |columns: &str| {
        format!(
            "SELECT * FROM ({columns} WHERE (x.generation, x.sequence) {sign} (:g, :s)
             ORDER BY x.generation {order}, x.sequence {order} LIMIT :limit)"
        )
    };
    let arms = EVENTS.map(arm).join(" UNION ALL ");
    let sql = format!("SELECT * FROM ({arms}) ORDER BY g {order}, s {order} LIMIT :limit");
    let (g, s) = wanted.after.unwrap_or_default();
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(
        named_params! { ":g": g.cast_signed(), ":s": s.cast_signed(), ":limit": wanted.limit },
        |row| {
            let place = (row.get::<_, i64>(0)?, row.get::<_, i64>(1)?);
            let place = (place.0.cast_unsigned(), place.1.cast_unsigned());
            let event = EventRow {
                place: text_of(place),
                kind: row.get(2)?,
                market: row.get(3)?,
                symbol: row.get(4)?,
                code: row.get(5)?,
                before: row.get(6)?,
                reason: row.get(7)?,
                value: row.get(8)?,
                allowed: row.get(9)?,
                utc_ns: row.get(10)?,
            };
            Ok((place, serde_json::to_string(&event).unwrap_or_default()))
        },
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The last step up to a place of every order that is open now.
fn open_orders(connection: &Connection, up_to: Place) -> Result<Rows, LedgerError> {
    // The words of the index, so that it is used.
    let sql = format!(
        "{} JOIN orders o ON o.client_order_id = e.client_order_id
         WHERE o.state NOT IN ('FILLED', 'CANCELED', 'EXPIRED', 'REJECTED', 'DENIED')
         AND (e.generation, e.sequence) = (SELECT l.generation, l.sequence FROM order_events l
            WHERE l.client_order_id = o.client_order_id AND l.state IS NOT NULL
            AND (l.generation, l.sequence) <= (?1, ?2)
            ORDER BY l.generation DESC, l.sequence DESC LIMIT 1)
         ORDER BY e.generation, e.sequence LIMIT ?3",
        OrderEventRow::FROM
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let place = (up_to.0.cast_signed(), up_to.1.cast_signed());
    let rows = statement.query_map((place.0, place.1, ROWS_MAX), |row| {
        let place: (i64, i64) = (row.get(0)?, row.get(1)?);
        let row = OrderEventRow::read(row)?;
        let text = serde_json::to_string(&row).unwrap_or_default();
        Ok(((place.0.cast_unsigned(), place.1.cast_unsigned()), text))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// `GENERATION-SEQUENCE`.
pub(super) fn text_of(place: Place) -> String {
    format!("{}-{}", place.0, place.1)
}

/// Rows as the data of a message; `place` is where a client goes on from.
pub(super) fn data(rows: &Rows, place: Place, complete: bool) -> String {
    let rows: Vec<&str> = rows.iter().map(|(_, row)| row.as_str()).collect();
    format!(
        "{{\"rows\":[{}],\"place\":\"{}\",\"complete\":{complete}}}",
        rows.join(","),
        text_of(place)
    )
}
