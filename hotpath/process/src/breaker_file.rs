//! What the breakers remember over a restart, as a file of the account.
//!
//! In: the engine's memory, told when it changes. Out: a small text, written durably; at the next
//! start the same memory. Never: a fresh allowance because a file could not be read; then there is
//! no start, and a person has to look.

use crate::state_directory::{StateError, write_durably};
use engine::Engine;
use engine::risk::{BreakerMemory, Cooldown};
use market::{Breaker, Instrument, InstrumentId, Money, UtcMs};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// First line of the file.
const TITLE: &str = "fulcrum-breakers 1";
/// Most instruments of one engine.
const INSTRUMENTS_MAX: usize = engine::config::INSTRUMENTS_MAX;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum BreakerFileError {
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
        "{path}: {what}; it remembers losses and latches of this account: restore it, or remove it \
         to start with a fresh allowance"
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// Everything that outlives the process, of fixed size: the pinned thread copies it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerState {
    /// Measures and latches.
    pub memory: BreakerMemory,
    /// Pauses of instruments, by id; 0 for none.
    pub cooldowns: [UtcMs; INSTRUMENTS_MAX],
}

impl Default for BreakerState {
    fn default() -> Self {
        Self {
            memory: BreakerMemory::default(),
            cooldowns: [UtcMs(0); INSTRUMENTS_MAX],
        }
    }
}

impl BreakerState {
    /// Of an engine.
    #[must_use]
    pub fn of(engine: &Engine) -> Self {
        let mut state = Self {
            memory: engine.breaker_memory(),
            ..Self::default()
        };
        for (index, until) in state.cooldowns.iter_mut().enumerate() {
            *until = engine.cooldown(InstrumentId(index as u16));
        }
        state
    }

    /// True when more than a mark that moves with every price has changed.
    #[must_use]
    pub fn differs_in_substance(&self, other: &Self) -> bool {
        let plain = |state: &Self| Self {
            memory: BreakerMemory {
                high_water: Money::ZERO,
                ..state.memory
            },
            ..*state
        };
        plain(self) != plain(other)
    }

    /// The pauses that there are.
    pub fn cooldowns(&self) -> impl Iterator<Item = Cooldown> {
        let all = self.cooldowns.iter().enumerate();
        all.filter(|(_, until)| until.0 != 0)
            .map(|(index, until)| Cooldown {
                instrument: InstrumentId(index as u16),
                until: *until,
            })
    }
}

/// The file of one account and mode, and the names behind the numbers of this start.
#[derive(Clone, Debug)]
pub struct BreakerFile {
    path: PathBuf,
    /// `account mode`: losses on paper are none of real money.
    identity: String,
    strategies: Vec<String>,
    instruments: Vec<String>,
}

impl BreakerFile {
    /// Names the file in `folder`.
    #[must_use]
    pub fn new(
        folder: &Path,
        account: &str,
        mode: &str,
        strategies: Vec<String>,
        instruments: &[Instrument],
    ) -> Self {
        let name = |one: &Instrument| format!("{} {}", one.market, one.symbol);
        Self {
            path: folder.join(format!("breakers-{account}-{mode}")),
            identity: format!("{account} {mode}"),
            strategies,
            instruments: instruments.iter().map(name).collect(),
        }
    }

    /// Writes it so that a power cut leaves the old or the new one.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn write(&self, state: &BreakerState) -> Result<(), StateError> {
        write_durably(&self.path, self.text(state).as_bytes())
    }

    /// Reads what an earlier start remembered; `None` when there was none.
    ///
    /// # Errors
    /// [`BreakerFileError`].
    pub fn read(&self) -> Result<Option<BreakerState>, BreakerFileError> {
        let path = || self.path.clone();
        match std::fs::read_to_string(&self.path) {
            Ok(text) => self
                .parse(&text)
                .map(Some)
                .map_err(|what| BreakerFileError::Damaged { path: path(), what }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(BreakerFileError::Unreadable {
                path: path(),
                source,
            }),
        }
    }

    fn text(&self, state: &BreakerState) -> String {
        let memory = &state.memory;
        let mut text = format!("{TITLE}\naccount {}\n", self.identity);
        if let Some(day) = memory.day {
            let _ = writeln!(text, "day {day}");
        }
        let _ = writeln!(text, "day_start_e8 {}", memory.day_start.0);
        let _ = writeln!(text, "high_water_e8 {}", memory.high_water.0);
        let _ = writeln!(text, "level {}", memory.level);
        let _ = writeln!(text, "loss_streak {}", memory.loss_streak);
        for breaker in Breaker::ALL {
            if memory.tripped & breaker.bit() != 0 {
                let _ = writeln!(text, "tripped {breaker}");
            }
        }
        for (index, name) in self.strategies.iter().enumerate().take(32) {
            if memory.latched_strategies >> index & 1 != 0 {
                let _ = writeln!(text, "latched {name}");
            }
        }
        for (name, until) in self.instruments.iter().zip(&state.cooldowns) {
            if until.0 != 0 {
                let _ = writeln!(text, "cooldown {name} {}", until.0);
            }
        }
        let _ = writeln!(text, "end {:016x}", checksum(&text));
        text
    }

    fn parse(&self, text: &str) -> Result<BreakerState, String> {
        let whole = text.strip_suffix('\n').unwrap_or(text);
        let (body, end) = whole.rsplit_once('\n').ok_or("it is no such file")?;
        let body = format!("{body}\n");
        if end != format!("end {:016x}", checksum(&body)) {
            return Err("it is torn or was changed by hand".to_string());
        }
        let mut lines = body.lines();
        if lines.next() != Some(TITLE) {
            return Err(format!("another build wrote it; this one reads `{TITLE}`"));
        }
        let mut state = BreakerState::default();
        for line in lines {
            self.take_line(line, &mut state)
                .ok_or_else(|| format!("`{line}` is not understood"))?;
        }
        Ok(state)
    }

    /// A strategy or an instrument that is not configured any more has nothing to latch.
    fn take_line(&self, line: &str, state: &mut BreakerState) -> Option<()> {
        let (key, value) = line.split_once(' ')?;
        let memory = &mut state.memory;
        match key {
            "account" if value == self.identity => {}
            "day" => memory.day = Some(value.parse().ok()?),
            "day_start_e8" => memory.day_start = Money(value.parse().ok()?),
            "high_water_e8" => memory.high_water = Money(value.parse().ok()?),
            "level" => memory.level = value.parse().ok()?,
            "loss_streak" => memory.loss_streak = value.parse().ok()?,
            "tripped" => memory.tripped |= Breaker::from_word(value)?.bit(),
            "latched" => {
                if let Some(index) = self.strategies.iter().position(|one| one == value) {
                    memory.latched_strategies |= 1u32.checked_shl(index as u32)?;
                }
            }
            "cooldown" => {
                let (name, until) = value.rsplit_once(' ')?;
                let until = UtcMs(until.parse().ok()?);
                if let Some(index) = self.instruments.iter().position(|one| one == name) {
                    *state.cooldowns.get_mut(index)? = until;
                }
            }
            _ => return None,
        }
        Some(())
    }
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
    use market::{Filters, InstrumentStatus, Market, Step, Symbol};

    fn instrument(id: u16, symbol: &str) -> Instrument {
        Instrument {
            id: InstrumentId(id),
            market: Market::UsdM,
            symbol: Symbol::new(symbol.as_bytes()).unwrap(),
            tick: Step::from_text(b"0.1").unwrap(),
            lot: Step::from_text(b"0.001").unwrap(),
            price_decimals: 2,
            quantity_decimals: 3,
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        }
    }

    fn file(folder: &Path, mode: &str, strategies: &[&str], symbols: &[&str]) -> BreakerFile {
        let strategies = strategies.iter().map(|one| (*one).to_string()).collect();
        let instruments: Vec<Instrument> = symbols
            .iter()
            .enumerate()
            .map(|(index, symbol)| instrument(index as u16, symbol))
            .collect();
        BreakerFile::new(folder, "demo", mode, strategies, &instruments)
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("breakers-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn state() -> BreakerState {
        let mut state = BreakerState {
            memory: BreakerMemory {
                day: Some(19_700),
                day_start: Money(-5),
                high_water: Money(7),
                level: 2,
                loss_streak: 4,
                tripped: Breaker::DailyLoss.bit() | Breaker::Latency.bit(),
                latched_strategies: 0b10,
            },
            ..BreakerState::default()
        };
        state.cooldowns[1] = UtcMs(1_700_000_000_000);
        state
    }

    #[test]
    fn what_is_written_is_read_by_name() {
        let folder = folder("trip");
        let written = file(&folder, "paper", &["a", "b"], &["BTCUSDT", "ETHUSDT"]);
        assert_eq!(written.read().unwrap(), None, "there was no start before");
        written.write(&state()).unwrap();
        assert_eq!(written.read().unwrap(), Some(state()));
        // Numbers change with the configuration, names do not.
        let moved = file(&folder, "paper", &["b"], &["ETHUSDT", "BTCUSDT"]);
        let read = moved.read().unwrap().unwrap();
        assert_eq!(read.memory.latched_strategies, 0b1);
        assert_eq!(read.cooldowns[0], UtcMs(1_700_000_000_000));
        assert_eq!(read.cooldowns().count(), 1);
        // Paper and live have nothing to do with each other.
        assert_eq!(file(&folder, "live", &[], &[]).read().unwrap(), None);
    }

    #[test]
    fn a_file_that_is_not_as_written_stops_the_start_and_says_what_to_do() {
        let folder = folder("damage");
        let file = file(&folder, "paper", &["a"], &["BTCUSDT"]);
        file.write(&state()).unwrap();
        let good = std::fs::read_to_string(&file.path).unwrap();
        for bad in [
            String::new(),
            good.replace("level 2", "level 0"),
            good.lines().take(4).collect::<Vec<_>>().join("\n"),
            good.replace("fulcrum-breakers 1", "fulcrum-breakers 2"),
        ] {
            std::fs::write(&file.path, bad).unwrap();
            let error = file.read().unwrap_err().to_string();
            assert!(error.contains("restore it, or remove it"), "{error}");
        }
    }

    #[test]
    fn a_mark_that_moves_is_no_change_of_substance() {
        let mut other = state();
        other.memory.high_water = Money(8);
        assert!(!state().differs_in_substance(&other));
        other.memory.loss_streak += 1;
        assert!(state().differs_in_substance(&other));
    }
}
