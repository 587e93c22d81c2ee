//! What is known of an account over a restart, as a file: that it was started before, for which
//! venue and mode, and where its trades go on.
//!
//! In: the engine's memory after each look on which both sides agreed. Out: a small text, written
//! durably; at the next start the same memory. Never: an account taken for a known one because a
//! file could not be read, or because another mode or venue left it there; then there is no start,
//! and a person has to look.

use crate::state_directory::{StateError, write_durably};
use engine::Engine;
use market::units::round_div_wide;
use market::{Instrument, InstrumentId, InstrumentMemory, Quantity, Step, TradeId, UtcMs};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// First line of the file.
const TITLE: &str = "fulcrum-account 1";
/// Most instruments of one engine.
const INSTRUMENTS_MAX: usize = engine::config::INSTRUMENTS_MAX;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum AccountFileError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what was written.
    #[error(
        "{path}: {what}; it says that this account was started before and where its trades go on: \
         restore it, or remove it to make this a first start (hot_path.first_start decides what \
         happens to what the account has)"
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Another venue, mode or account wrote it.
    #[error(
        "{path}: this state directory belongs to {found}, the configuration is of {wanted}; give \
         each its own --state-dir, or, if the account is meant to change, move this file away"
    )]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who asks.
        wanted: String,
    },
}

/// Everything of an account that outlives the process; of fixed size, the pinned thread copies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountMemory {
    /// By id; none for an instrument that was never agreed on.
    pub instruments: [Option<InstrumentMemory>; INSTRUMENTS_MAX],
}

impl Default for AccountMemory {
    fn default() -> Self {
        Self {
            instruments: [None; INSTRUMENTS_MAX],
        }
    }
}

impl AccountMemory {
    /// Of an engine that agrees with the exchange; `None` before the first time.
    #[must_use]
    pub fn of(engine: &Engine) -> Option<Self> {
        engine.has_reconciled().then(|| {
            let mut memory = Self::default();
            for (index, place) in memory.instruments.iter_mut().enumerate() {
                *place = engine.instrument_memory(InstrumentId(index as u16));
            }
            memory
        })
    }
}

/// What a start is told of its account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one a process, and the pinned thread frees no box"
)]
pub enum AccountStart {
    /// Nothing: an engine whose account is nobody's, for practice.
    #[default]
    Untold,
    /// No earlier start agreed with the exchange on this account.
    First,
    /// An earlier one did.
    Known(AccountMemory),
}

/// The file of one account.
#[derive(Clone, Debug)]
pub struct AccountFile {
    path: PathBuf,
    account: String,
    venue: String,
    mode: String,
    instruments: Vec<Instrument>,
}

impl AccountFile {
    /// Names the file in `folder`. `venue` is whom the account is with.
    #[must_use]
    pub fn new(
        folder: &Path,
        account: &str,
        venue: &str,
        mode: &str,
        instruments: &[Instrument],
    ) -> Self {
        Self {
            path: folder.join(format!("account-{account}")),
            account: account.to_string(),
            venue: venue.to_string(),
            mode: mode.to_string(),
            instruments: instruments.to_vec(),
        }
    }

    /// Writes it so that a power cut leaves the old or the new one.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn write(&self, memory: &AccountMemory) -> Result<(), StateError> {
        write_durably(&self.path, self.text(memory).as_bytes())
    }

    /// What earlier starts left.
    ///
    /// # Errors
    /// [`AccountFileError`].
    pub fn read(&self) -> Result<AccountStart, AccountFileError> {
        let path = || self.path.clone();
        match std::fs::read_to_string(&self.path) {
            Ok(text) => self.parse(&text).map(AccountStart::Known),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(AccountStart::First),
            Err(source) => Err(AccountFileError::Unreadable {
                path: path(),
                source,
            }),
        }
    }

    fn owner(account: &str, venue: &str, mode: &str) -> String {
        format!("account {account} in mode {mode} at {venue}")
    }

    fn text(&self, memory: &AccountMemory) -> String {
        let mut text = format!(
            "{TITLE}\naccount {}\nvenue {}\nmode {}\n",
            self.account, self.venue, self.mode
        );
        for (one, memory) in self.instruments.iter().zip(&memory.instruments) {
            let Some(memory) = memory else { continue };
            let _ = writeln!(
                text,
                "instrument {} {} {} {} {} {} {} {} {}",
                one.market,
                one.symbol,
                step(one.tick),
                step(one.lot),
                memory.after.0,
                memory.since.0,
                memory.quantity.0,
                memory.cost_tick_lots,
                memory.opening.0,
            );
        }
        let _ = writeln!(text, "end {:016x}", checksum(&text));
        text
    }

    fn parse(&self, text: &str) -> Result<AccountMemory, AccountFileError> {
        let damaged = |what: &str| AccountFileError::Damaged {
            path: self.path.clone(),
            what: what.to_string(),
        };
        let whole = text.strip_suffix('\n').unwrap_or(text);
        let split = whole.rsplit_once('\n');
        let (body, end) = split.ok_or_else(|| damaged("it is no such file"))?;
        let body = format!("{body}\n");
        if end != format!("end {:016x}", checksum(&body)) {
            return Err(damaged("it is torn or was changed by hand"));
        }
        let mut lines = body.lines();
        if lines.next() != Some(TITLE) {
            let what = format!("another build wrote it; this one reads `{TITLE}`");
            return Err(damaged(&what));
        }
        let mut field = |key: &str| {
            let line = lines.next().and_then(|line| line.strip_prefix(key));
            let value = line.and_then(|rest| rest.strip_prefix(' '));
            value.map(str::to_string)
        };
        let fields = [field("account"), field("venue"), field("mode")];
        let [Some(account), Some(venue), Some(mode)] = fields else {
            return Err(damaged("account, venue or mode is missing"));
        };
        let found = Self::owner(&account, &venue, &mode);
        let wanted = Self::owner(&self.account, &self.venue, &self.mode);
        if found != wanted {
            return Err(AccountFileError::Foreign {
                path: self.path.clone(),
                found,
                wanted,
            });
        }
        let mut memory = AccountMemory::default();
        for line in lines {
            self.take_line(line, &mut memory)
                .ok_or_else(|| damaged(&format!("`{line}` is not understood")))?;
        }
        Ok(memory)
    }

    /// An instrument that is not configured any more is forgotten, and so is a position that the
    /// exchange's present lots cannot hold. What is forgotten is somebody else's if it is met again.
    fn take_line(&self, line: &str, memory: &mut AccountMemory) -> Option<()> {
        let words: Vec<&str> = line.strip_prefix("instrument ")?.split(' ').collect();
        let [
            market,
            symbol,
            tick,
            lot,
            after,
            since,
            quantity,
            cost,
            opening,
        ] = words[..]
        else {
            return None;
        };
        let told = InstrumentMemory {
            instrument: InstrumentId(0),
            after: TradeId(after.parse().ok()?),
            since: UtcMs(since.parse().ok()?),
            quantity: Quantity(quantity.parse().ok()?),
            cost_tick_lots: cost.parse().ok()?,
            opening: Quantity(opening.parse().ok()?),
        };
        let mut table = self.instruments.iter();
        let found =
            table.position(|one| one.market.as_str() == market && one.symbol.as_str() == symbol);
        if let Some(index) = found {
            let now = &self.instruments[index];
            let (tick, lot) = (parse_step(tick)?, parse_step(lot)?);
            *memory.instruments.get_mut(index)? =
                on_grid(&told, (tick, lot), now).map(|told| InstrumentMemory {
                    instrument: InstrumentId(index as u16),
                    ..told
                });
        }
        Some(())
    }
}

/// What was told in other ticks and lots, in those of now; `None` where a quantity has no whole
/// number of lots any more.
fn on_grid(
    told: &InstrumentMemory,
    (tick, lot): (Step, Step),
    now: &Instrument,
) -> Option<InstrumentMemory> {
    let (up, down) = ratio(lot, now.lot);
    let lots = |quantity: Quantity| {
        let whole = i128::from(quantity.0) * up;
        let exact = whole % down == 0;
        let lots = i64::try_from(whole / down).ok();
        lots.filter(|_| exact).map(Quantity)
    };
    let (tick_up, tick_down) = ratio(tick, now.tick);
    let cost = told.cost_tick_lots.checked_mul(up)?.checked_mul(tick_up)?;
    Some(InstrumentMemory {
        quantity: lots(told.quantity)?,
        opening: lots(told.opening)?,
        cost_tick_lots: round_div_wide(cost, down * tick_down),
        ..*told
    })
}

/// `from / to` as a fraction.
fn ratio(from: Step, to: Step) -> (i128, i128) {
    let scale = |step: Step| 10i128.pow(u32::from(step.decimals));
    let (up, down) = (
        i128::from(from.mantissa) * scale(to),
        i128::from(to.mantissa) * scale(from),
    );
    let mut common = (up, down);
    while common.1 != 0 {
        common = (common.1, common.0 % common.1);
    }
    (up / common.0, down / common.0)
}

fn step(step: Step) -> String {
    format!("{}e-{}", step.mantissa, step.decimals)
}

fn parse_step(text: &str) -> Option<Step> {
    let (mantissa, decimals) = text.split_once("e-")?;
    let mantissa = mantissa.parse().ok().filter(|one| *one > 0)?;
    let decimals = decimals.parse().ok().filter(|one| *one <= 18)?;
    Some(Step { mantissa, decimals })
}

/// FNV-1a.
fn checksum(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Filters, InstrumentStatus, Market, Symbol};

    fn instrument(id: u16, symbol: &str, tick: &str) -> Instrument {
        Instrument {
            id: InstrumentId(id),
            market: Market::UsdM,
            symbol: Symbol::new(symbol.as_bytes()).unwrap(),
            tick: Step::from_text(tick.as_bytes()).unwrap(),
            lot: Step::from_text(b"0.001").unwrap(),
            price_decimals: 2,
            quantity_decimals: 3,
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("account-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn file(folder: &Path, venue: &str, mode: &str, table: &[(&str, &str)]) -> AccountFile {
        let table: Vec<Instrument> = table
            .iter()
            .enumerate()
            .map(|(id, (symbol, tick))| instrument(id as u16, symbol, tick))
            .collect();
        AccountFile::new(folder, "demo", venue, mode, &table)
    }

    fn memory() -> AccountMemory {
        let mut memory = AccountMemory::default();
        memory.instruments[1] = Some(InstrumentMemory {
            instrument: InstrumentId(1),
            after: TradeId(77),
            since: UtcMs(5),
            quantity: Quantity(-3),
            cost_tick_lots: -1_500_000_000_000_000_000_000,
            opening: Quantity(4),
        });
        memory
    }

    const TABLE: &[(&str, &str)] = &[("BTCUSDT", "0.10"), ("ETHUSDT", "0.01")];

    #[test]
    fn what_is_written_is_read_by_name() {
        let folder = folder("trip");
        let written = file(&folder, "simulated", "paper", TABLE);
        assert_eq!(written.read().unwrap(), AccountStart::First);
        written.write(&memory()).unwrap();
        assert_eq!(written.read().unwrap(), AccountStart::Known(memory()));
        let moved = file(&folder, "simulated", "paper", &[("ETHUSDT", "0.01")]);
        let AccountStart::Known(read) = moved.read().unwrap() else {
            panic!("it was started before");
        };
        assert_eq!(read.instruments[0].unwrap().after, TradeId(77));
        // Not configured any more: forgotten, but the account is known.
        let other = file(&folder, "simulated", "paper", &[("BTCUSDT", "0.10")]);
        let known = AccountStart::Known(AccountMemory::default());
        assert_eq!(other.read().unwrap(), known);
    }

    #[test]
    fn a_position_is_told_in_the_ticks_and_lots_of_now() {
        let folder = folder("grid");
        let told = |tick: &str, lot: &str| {
            let mut table = [
                instrument(0, "BTCUSDT", "0.10"),
                instrument(1, "ETHUSDT", tick),
            ];
            table[1].lot = Step::from_text(lot.as_bytes()).unwrap();
            let file = AccountFile::new(&folder, "demo", "simulated", "paper", &table);
            match file.read().unwrap() {
                AccountStart::Known(read) => read.instruments[1],
                other => panic!("{other:?}"),
            }
        };
        // 10 lots of 0.001 that cost 15,000.25 ticks of 0.01 a lot.
        let mut memory = memory();
        memory.instruments[1] = memory.instruments[1].map(|one| InstrumentMemory {
            quantity: Quantity(10),
            cost_tick_lots: 150_003,
            opening: Quantity(-20),
            ..one
        });
        let file = file(&folder, "simulated", "paper", TABLE);
        file.write(&memory).unwrap();
        let cases = [
            ("0.01", "0.001", Some((10, -20, 150_003))),
            ("0.001", "0.001", Some((10, -20, 1_500_030))),
            ("0.10", "0.001", Some((10, -20, 15_000))),
            ("0.01", "0.0001", Some((100, -200, 1_500_030))),
            ("0.05", "0.005", Some((2, -4, 6_000))),
            // Ten lots are no whole number of these.
            ("0.01", "0.003", None),
            ("0.01", "0.1", None),
        ];
        for (tick, lot, expected) in cases {
            let found = told(tick, lot);
            let found = found.map(|one| (one.quantity.0, one.opening.0, one.cost_tick_lots));
            assert_eq!(found, expected, "tick {tick}, lot {lot}");
        }
    }

    #[test]
    fn the_marker_of_another_mode_or_venue_is_refused_with_what_to_do() {
        let folder = folder("foreign");
        let paper = file(&folder, "simulated", "paper", TABLE);
        paper.write(&memory()).unwrap();
        let cases = [
            ("fapi.binance.com", "live"),
            ("simulated", "live"),
            ("elsewhere", "paper"),
        ];
        for (venue, mode) in cases {
            let error = file(&folder, venue, mode, TABLE).read().unwrap_err();
            assert!(matches!(error, AccountFileError::Foreign { .. }));
            let text = error.to_string();
            assert!(
                text.contains("mode paper") && text.contains("--state-dir"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_file_that_is_not_as_written_stops_the_start_and_says_what_to_do() {
        let folder = folder("damage");
        let file = file(&folder, "simulated", "paper", TABLE);
        file.write(&memory()).unwrap();
        let good = std::fs::read_to_string(&file.path).unwrap();
        for bad in [
            String::new(),
            good.replace("77", "78"),
            good.lines().take(3).collect::<Vec<_>>().join("\n"),
            good.replace("fulcrum-account 1", "fulcrum-account 2"),
        ] {
            std::fs::write(&file.path, bad).unwrap();
            let error = file.read().unwrap_err().to_string();
            assert!(error.contains("restore it, or remove it"), "{error}");
        }
    }
}
