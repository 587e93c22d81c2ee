//! The comparison after each round: the box, its ledger, and the exchange, to the last lot.
//!
//! In: a halted box, the ledger's file, the exchange's own history. Out: counts, or the first
//! difference in words. Never: a tolerance; a fill that the ledger does not list is allowed only of
//! a time in which no hot path lived to hear of it, and it is counted.

use crate::rig::Rig;
use rusqlite::{Connection, OpenFlags, params};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A time without a living, reconciled hot path, in milliseconds UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blind {
    /// What was told shortly before may have been heard by nobody.
    pub(super) from_ms: i64,
    /// Until it was reconciled again.
    pub(super) to_ms: i64,
}

/// What a comparison without a difference counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) orders: u64,
    pub(super) fills: u64,
    pub(super) fills_adopted: u64,
    pub(super) fills_nameless: u64,
    pub(super) never_reached: u64,
    pub(super) left_undecided: u64,
}

/// States that nothing follows.
const FINAL: [&str; 5] = ["DENIED", "FILLED", "CANCELED", "EXPIRED", "REJECTED"];

struct LedgerOrder {
    generation: i64,
    state: String,
    certainty: String,
    cumulative_lots: i64,
}

impl LedgerOrder {
    fn is_final(&self) -> bool {
        FINAL.contains(&self.state.as_str())
    }
}

/// A fill as either side has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fill {
    trade_id: i64,
    client_order_id: String,
    lots: i64,
    time_ms: i64,
}

impl Fill {
    /// The same trade, told without the name of its order.
    fn is_nameless(&self, theirs: &Self) -> bool {
        let named = Self {
            client_order_id: theirs.client_order_id.clone(),
            ..self.clone()
        };
        self.client_order_id.is_empty() && named == *theirs
    }
}

struct Ledger {
    orders: BTreeMap<String, LedgerOrder>,
    fills: Vec<Fill>,
    newest: i64,
    last_sequence: i64,
}

fn text(error: impl std::fmt::Display) -> String {
    format!("ledger: {error}")
}

fn open(rig: &Rig) -> Result<Connection, String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(rig.ledger(), flags).map_err(text)?;
    let patience = std::time::Duration::from_secs(2);
    connection.busy_timeout(patience).map_err(text)?;
    Ok(connection)
}

impl Ledger {
    fn read(connection: &Connection) -> Result<Self, rusqlite::Error> {
        let mut statement = connection.prepare(
            "SELECT client_order_id, generation, state, certainty, cumulative_lots FROM orders",
        )?;
        let orders = statement.query_map([], |row| {
            let order = LedgerOrder {
                generation: row.get(1)?,
                state: row.get(2)?,
                certainty: row.get(3)?,
                cumulative_lots: row.get(4)?,
            };
            Ok((row.get(0)?, order))
        })?;
        let orders = orders.collect::<Result<_, _>>()?;
        let mut statement = connection.prepare(
            "SELECT trade_id, client_order_id, CASE side WHEN 'BUY' THEN quantity_lots
             ELSE -quantity_lots END, transaction_time_ms FROM fills",
        )?;
        let fills = statement.query_map([], |row| {
            Ok(Fill {
                trade_id: row.get(0)?,
                client_order_id: row.get(1)?,
                lots: row.get(2)?,
                time_ms: row.get(3)?,
            })
        })?;
        let fills = fills.collect::<Result<_, _>>()?;
        let (newest, last_sequence) = connection.query_row(
            "SELECT generation, coalesce(last_sequence, 0) FROM generations
             ORDER BY generation DESC LIMIT 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(Self {
            orders,
            fills,
            newest,
            last_sequence,
        })
    }
}

/// Compares everything once. A difference may be gone a moment later: the caller asks again until
/// its patience ends.
pub(super) fn compare(rig: &Rig, blind: &[Blind]) -> Result<Counts, String> {
    let status = rig.ask(r#"{"verb":"status"}"#);
    // What it has written by now must be in the ledger; so this is read first.
    let written = rig.counters();
    let connection = open(rig)?;
    let ledger = Ledger::read(&connection).map_err(text)?;
    let history = rig.history();
    let newest = ledger.newest.cast_unsigned();
    if newest != written.generation {
        let generation = written.generation;
        return Err(format!(
            "the ledger is at start {newest}, we are at {generation}"
        ));
    }
    let records = written.get("journal_records_total").cast_signed();
    if ledger.last_sequence < records {
        let last = ledger.last_sequence;
        return Err(format!("{records} journal records, {last} in the ledger"));
    }
    sound(&connection)?;
    let mut counts = orders(&ledger, &history, &status)?;
    fills(&ledger, &history, blind, &mut counts)?;
    positions(rig, &connection, newest.cast_signed(), &history)?;
    Ok(counts)
}

/// What the ledger itself counts as broken.
fn sound(connection: &Connection) -> Result<(), String> {
    let columns = [
        "holes",
        "fill_duplicates",
        "order_id_reuses",
        "position_mismatches",
        "last_sequence - records",
    ];
    for column in columns {
        let sql = format!("SELECT coalesce(sum({column}), 0) FROM generations");
        let count: i64 = connection
            .query_row(&sql, [], |row| row.get(0))
            .map_err(text)?;
        if count != 0 {
            return Err(format!("{column} in the ledger: {count}"));
        }
    }
    let sql = "SELECT count(*) FROM unread_records";
    let unread: i64 = connection
        .query_row(sql, [], |row| row.get(0))
        .map_err(text)?;
    let sql = "SELECT count(*) FROM generations WHERE drained = 0 AND generation <
               (SELECT max(generation) FROM generations)";
    let undrained: i64 = connection
        .query_row(sql, [], |row| row.get(0))
        .map_err(text)?;
    match (unread, undrained) {
        (0, 0) => Ok(()),
        _ => Err(format!(
            "{unread} records unread, {undrained} dead starts not drained"
        )),
    }
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// Every order has one fate, the same on both sides; what is open is open on both.
fn orders(ledger: &Ledger, history: &Value, status: &Value) -> Result<Counts, String> {
    let mut theirs = BTreeMap::new();
    for order in list(history, "orders") {
        let id = word(order, "client_order_id");
        if theirs.insert(id, order).is_some() {
            return Err(format!("{id}: used twice"));
        }
        if !ledger.orders.contains_key(id) {
            return Err(format!("{id}: at the exchange, its intent in no journal"));
        }
    }
    let mut counts = Counts {
        orders: theirs.len() as u64,
        ..Counts::default()
    };
    let mut open = 0;
    for (id, ours) in &ledger.orders {
        let lives_on = ours.generation == ledger.newest;
        let Some(theirs) = theirs.get(id.as_str()) else {
            counts.never_reached += 1;
            let state = &ours.state;
            if ours.cumulative_lots != 0 || (lives_on && state != "REJECTED") {
                return Err(format!(
                    "{id}: {state} in the ledger, never at the exchange"
                ));
            }
            continue;
        };
        let (state, is_final) = (word(theirs, "state"), theirs["final"] == true);
        open += u64::from(!is_final);
        let filled = theirs["filled_lots"].as_i64().unwrap_or(-1);
        let same = state == ours.state && filled == ours.cumulative_lots;
        if same && ours.certainty == "KNOWN" {
            continue;
        }
        // A dead start hears no more of its orders, but what is open must be in somebody's care.
        if lives_on || !is_final || ours.is_final() {
            return Err(format!(
                "{id}: {} with {} lots ({}) in the ledger, {state} with {filled} at the exchange",
                ours.state, ours.cumulative_lots, ours.certainty
            ));
        }
        counts.left_undecided += 1;
    }
    let shown = (&status["orders_open"], &status["orders_unknown"]);
    if shown != (&Value::from(open), &Value::from(0)) {
        return Err(format!(
            "the box shows {} open and {} unknown, the exchange has {open} open",
            shown.0, shown.1
        ));
    }
    Ok(counts)
}

/// No fill twice, none that is not the exchange's, none lost.
fn fills(
    ledger: &Ledger,
    history: &Value,
    blind: &[Blind],
    counts: &mut Counts,
) -> Result<(), String> {
    let theirs: Vec<Fill> = list(history, "fills")
        .iter()
        .map(|fill| Fill {
            trade_id: fill["trade_id"].as_i64().unwrap_or(0),
            client_order_id: word(fill, "client_order_id").to_string(),
            lots: fill["lots"].as_i64().unwrap_or(0),
            time_ms: fill["time_ms"].as_i64().unwrap_or(0),
        })
        .collect();
    counts.fills = theirs.len() as u64;
    let by_id: BTreeMap<i64, &Fill> = theirs.iter().map(|fill| (fill.trade_id, fill)).collect();
    let unheard = |fill: &Fill| {
        let mut all = blind.iter();
        all.any(|one| (one.from_ms..=one.to_ms).contains(&fill.time_ms))
    };
    let mut seen = BTreeSet::new();
    // Of an order whose trades were told late only their sum is known: those have no trade id.
    let mut summed: BTreeMap<&str, i64> = BTreeMap::new();
    for fill in &ledger.fills {
        if fill.trade_id == 0 {
            *summed.entry(&fill.client_order_id).or_default() += fill.lots;
            continue;
        }
        match by_id.get(&fill.trade_id) {
            Some(theirs) if *theirs == fill => {}
            // Recovered from the list of trades, which does not name orders: that of a dead start, whose
            // answer nobody read.
            Some(theirs) if fill.is_nameless(theirs) && unheard(theirs) => {
                counts.fills_nameless += 1;
            }
            _ => return Err(format!("{fill:?} in the ledger is no fill of the exchange")),
        }
        if !seen.insert(fill.trade_id) {
            return Err(format!("{fill:?} is in the ledger twice"));
        }
    }
    for fill in theirs.iter().filter(|fill| !seen.contains(&fill.trade_id)) {
        let rest = summed.entry(&fill.client_order_id).or_default();
        if *rest != 0 && rest.signum() == fill.lots.signum() && rest.abs() >= fill.lots.abs() {
            *rest -= fill.lots;
            continue;
        }
        if !unheard(fill) {
            return Err(format!("{fill:?} is lost; nobody could hear in {blind:?}"));
        }
        counts.fills_adopted += 1;
    }
    match summed.iter().find(|(_, rest)| **rest != 0) {
        Some((id, rest)) => Err(format!("{id}: {rest} lots too many in the ledger")),
        None => Ok(()),
    }
}

/// The box's position, the ledger's, the exchange's, and the sum of its fills.
fn positions(
    rig: &Rig,
    connection: &Connection,
    newest: i64,
    history: &Value,
) -> Result<(), String> {
    let shown = rig.ask(r#"{"verb":"positions"}"#);
    let account = rig.account();
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    for fill in list(history, "fills") {
        *sums.entry(word(fill, "symbol")).or_default() += fill["lots"].as_i64().unwrap_or(0);
    }
    for position in list(&account, "positions") {
        let symbol = word(position, "symbol");
        let lots = position["quantity_lots"].as_i64().unwrap_or(0);
        let sum = sums.get(symbol).copied().unwrap_or(0);
        let kept = kept_position(connection, newest, symbol).map_err(text)?;
        let box_shows = list(&shown, "positions")
            .iter()
            .find(|one| word(one, "symbol") == symbol)
            .map(|one| word(one, "quantity"));
        let exchange_shows = word(position, "quantity");
        if sum != lots || kept != lots || box_shows != Some(exchange_shows) {
            return Err(format!(
                "{symbol}: {exchange_shows} ({lots} lots) at the exchange, sum of fills {sum}, \
                 ledger {kept}, the box shows {box_shows:?}"
            ));
        }
    }
    Ok(())
}

/// Last position of the newest start with the fills after it.
fn kept_position(
    connection: &Connection,
    newest: i64,
    symbol: &str,
) -> Result<i64, rusqlite::Error> {
    connection.query_row(
        "SELECT coalesce((SELECT p.quantity_lots FROM positions p JOIN instruments i
             USING (generation, instrument) WHERE p.generation = ?1 AND i.symbol = ?2
             ORDER BY p.sequence DESC LIMIT 1), 0)
         + coalesce((SELECT sum(CASE f.side WHEN 'BUY' THEN f.quantity_lots
             ELSE -f.quantity_lots END) FROM fills f JOIN instruments i
             USING (generation, instrument) WHERE f.generation = ?1 AND i.symbol = ?2
             AND f.sequence > coalesce((SELECT max(p.sequence) FROM positions p
             WHERE p.generation = ?1 AND p.instrument = f.instrument), -1)), 0)",
        params![newest, symbol],
        |row| row.get(0),
    )
}

/// When the last I4 window of a dead start closes, in milliseconds UTC: of its orders that nobody
/// had answered. `None` without one.
pub(super) fn last_window_ms(rig: &Rig, generation: u64, window_ms: i64) -> Option<i64> {
    let connection = open(rig).ok()?;
    let decided_ns: Option<i64> = connection
        .query_row(
            "SELECT max(e.utc_ns) FROM order_events e WHERE e.generation = ?1
             AND e.event = 'INTENT' AND NOT EXISTS (SELECT 1 FROM order_events c
             WHERE c.generation = ?1 AND c.client_order_id = e.client_order_id
             AND c.event = 'CHANGE' AND c.state <> 'SUBMITTED')",
            [generation.cast_signed()],
            |row| row.get(0),
        )
        .ok()?;
    decided_ns.map(|ns| ns / 1_000_000 + window_ms)
}
