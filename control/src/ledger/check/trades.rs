//! Trades against the fills between their ends.
//!
//! In: trades with their legs, fills. Out: a line. Never: the engine's position code; entries and
//! exits are added up from flat to flat.

use super::{CheckLine, Place, PlainFill};
use market::units::round_div_wide;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// A trade as the ledger has it.
#[derive(Debug)]
struct Kept {
    sequence: i64,
    side: String,
    figures: Figures,
    realized: i64,
    adopted: bool,
}

/// What must be equal to the last unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Figures {
    peak: i64,
    lots: i64,
    entry: i128,
    exit: i128,
    fees: i64,
}

/// One strategy on one instrument, from flat to flat.
#[derive(Debug, Default)]
struct Run {
    held: i64,
    now: Figures,
    closed: Vec<(i64, i64, Figures)>,
}

impl Run {
    fn add(&mut self, fill: &PlainFill) {
        let opposes = self.held != 0 && self.held.signum() != fill.lots.signum();
        let closing = match opposes {
            true => fill.lots.abs().min(self.held.abs()),
            false => 0,
        };
        let opening = fill.lots.abs() - closing;
        let whole = i128::from(fill.lots.abs());
        // A fee over both ends is shared by lots, to the nearest unit.
        let share = i128::from(fill.fee) * i128::from(closing);
        let closing_fee = round_div_wide(share, whole) as i64;
        let side = fill.lots.signum();
        if closing > 0 {
            self.now.exit += i128::from(fill.price) * i128::from(closing);
            self.now.fees += closing_fee;
            self.held += side * closing;
            if self.held == 0 {
                self.closed.push((fill.sequence, -side, self.now));
                self.now = Figures::default();
            }
        }
        if opening > 0 {
            self.now.entry += i128::from(fill.price) * i128::from(opening);
            self.now.lots += opening;
            self.now.fees += fill.fee - closing_fee;
            self.held += side * opening;
            self.now.peak = self.now.peak.max(self.held.abs());
        }
    }

    fn forget(&mut self) {
        (self.held, self.now) = (0, Figures::default());
        self.closed.clear();
    }
}

pub(super) fn check(
    connection: &Connection,
    fills: &BTreeMap<Place, Vec<PlainFill>>,
    holes: &[i64],
) -> rusqlite::Result<[CheckLine; 2]> {
    let mut line = CheckLine::of("each trade's figures are those of its fills");
    let mut funding = CheckLine::of("each trade's profit is what its ends are apart");
    let mut places = connection.prepare(
        "SELECT DISTINCT t.generation, t.instrument, t.strategy, coalesce(i.market, ''),
            i.tick_mantissa, i.tick_scale, i.lot_mantissa, i.lot_scale FROM trades t
         LEFT JOIN instruments i USING (generation, instrument)",
    )?;
    let mut rows = places.query([])?;
    let none = Vec::new();
    while let Some(row) = rows.next()? {
        let (place, strategy): (Place, u8) = ((row.get(0)?, row.get(1)?), row.get(2)?);
        let market: String = row.get(3)?;
        let steps: [Option<i64>; 4] = [row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?];
        let kept = kept(connection, place, strategy)?;
        let [Some(tick), Some(ticks), Some(lot), Some(lots)] = steps else {
            line.left_out += kept.len() as u64;
            continue;
        };
        for trade in &kept {
            let side = if trade.side == "BUY" { 1 } else { -1 };
            let apart = (trade.figures.exit - trade.figures.entry) * side;
            let unit = apart * i128::from(tick) * i128::from(lot) * 100_000_000;
            let exact = round_div_wide(unit, i128::from(ticks) * i128::from(lots));
            funding.compare(&i128::from(trade.realized), &exact, || {
                format!(
                    "{place:?} at {}: {} and {exact}",
                    trade.sequence, trade.realized
                )
            });
        }
        if market != "usdm" || holes.contains(&place.0) {
            // What a fee takes in kind is no fill.
            line.left_out += kept.len() as u64;
            continue;
        }
        let here = fills.get(&place).unwrap_or(&none);
        compare(place, strategy, here, &kept, &mut line);
    }
    Ok([line, funding])
}

fn compare(place: Place, strategy: u8, fills: &[PlainFill], kept: &[Kept], line: &mut CheckLine) {
    let mut run = Run::default();
    let mut next = 0;
    for trade in kept {
        let mut foreign = false;
        while let Some(fill) = fills.get(next).filter(|one| one.sequence < trade.sequence) {
            next += 1;
            match fill.strategy {
                one if one == strategy => run.add(fill),
                // What no strategy ordered is taken from those that held it.
                255 => foreign = true,
                _ => {}
            }
        }
        if foreign || trade.adopted {
            line.left_out += 1;
            if run.held != 0 || foreign {
                run.forget();
            }
            run.closed.clear();
            continue;
        }
        let found = run.closed.first().copied();
        let side = if trade.side == "BUY" { 1 } else { -1 };
        let same = found.is_some_and(|(_, sign, figures)| {
            run.closed.len() == 1 && sign == side && figures == trade.figures
        });
        line.compare(&same, &true, || {
            format!(
                "{place:?} strategy {strategy} at {}: {:?}, the fills give {:?}",
                trade.sequence, trade.figures, run.closed
            )
        });
        run.closed.clear();
    }
}

fn kept(connection: &Connection, place: Place, strategy: u8) -> rusqlite::Result<Vec<Kept>> {
    let mut statement = connection.prepare_cached(
        "SELECT t.sequence, t.side, t.quantity_lots, l.lots, l.entry_tick_lots, l.exit_tick_lots,
            t.fees_e8, t.realized_e8, l.entry_reason FROM trades t
         JOIN trade_legs l ON l.generation = t.generation AND l.sequence = t.sequence
         WHERE t.generation = ?1 AND t.instrument = ?2 AND t.strategy = ?3 ORDER BY t.sequence",
    )?;
    let rows = statement.query_map(params![place.0, place.1, strategy], |row| {
        let sum = |column: usize| -> rusqlite::Result<i128> {
            let text: String = row.get(column)?;
            // Text that is no number equals no sum.
            Ok(text.parse().unwrap_or(i128::MIN / 4))
        };
        Ok(Kept {
            sequence: row.get(0)?,
            side: row.get(1)?,
            figures: Figures {
                peak: row.get(2)?,
                lots: row.get(3)?,
                entry: sum(4)?,
                exit: sum(5)?,
                fees: row.get(6)?,
            },
            realized: row.get(7)?,
            adopted: row.get::<_, String>(8)? == "ADOPTED",
        })
    })?;
    rows.collect()
}
