//! What differs between two configurations, key by key, and when each difference takes effect.
//!
//! In: two checked files. Out: the keys that differ, each with its old and new value. Never: a key
//! that decides where money lies or what bounds it, among those that change while a process runs.

use crate::checked::Settings;
use crate::keys::{Form, Key};
use crate::limits::Ceilings;
use crate::written::SettingsError;
use std::mem::discriminant;

/// When a changed key takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// As soon as the hot path takes the version.
    AtOnce,
    /// At the next start of the hot path.
    HotPathStart,
    /// At the next start of control.
    ControlStart,
    /// Only by the configuration's own file, and a start: whoever can be reached over a network does
    /// not choose the exchange, the account, or what has no ceiling.
    FileOnly,
}

impl Effect {
    /// As the API and the command line write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AtOnce => "at_once",
            Self::HotPathStart => "hot_path_start",
            Self::ControlStart => "control_start",
            Self::FileOnly => "file_only",
        }
    }
}

/// A key that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Full name, such as `risk.daily_loss_usdt` or `strategy[0].enabled`.
    pub key: String,
    /// What held; `None` where there was no such key.
    pub old: Option<String>,
    /// What is to hold; `None` where there is no such key any more.
    pub new: Option<String>,
    /// When.
    pub effect: Effect,
}

/// A checked file with all its keys.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// What the processes use.
    pub settings: Settings,
    /// Every key of it.
    pub keys: Vec<Key>,
}

/// Keys that only the file changes, beside all of `[venue]`. The last two have no ceiling: who chose
/// them freely could pass the limits that have one.
const FILE_ONLY: [&str; 10] = [
    "mode",
    "account",
    "live_account",
    "market_data.usdm_second_stream_url",
    "market_data.spot_second_stream_url",
    "emergency.operator_public_key",
    "emergency.api_key_file",
    "emergency.api_secret_file",
    "risk.dry_breakers",
    "risk.day_starts_at_hour_utc",
];

impl Configuration {
    /// Checks a text.
    ///
    /// # Errors
    /// [`SettingsError`] shows every problem with its line.
    pub fn check(file: &str, text: &str, ceilings: &Ceilings) -> Result<Self, SettingsError> {
        let (settings, keys) = Settings::catalogue(file, text, ceilings)?;
        Ok(Self { settings, keys })
    }

    /// What is to change to get from here to `new`.
    #[must_use]
    pub fn changes_to(&self, new: &Self) -> Vec<Change> {
        changes(&self.keys, &new.keys, self.takes_strategies_of(new))
    }

    /// True where the strategies of `new` are those that run here, with other parameters: the same
    /// ones, by the same names, on the same instruments. The stop at the exchange has to lie further
    /// away than each of theirs, so that a new one waits together with them.
    #[must_use]
    pub fn takes_strategies_of(&self, new: &Self) -> bool {
        let (old, new) = (&self.settings, &new.settings);
        let same = old
            .strategies
            .iter()
            .zip(&new.strategies)
            .all(|(old, new)| {
                old.name == new.name
                    && old.instruments == new.instruments
                    && discriminant(&old.kind) == discriminant(&new.kind)
            });
        same && old.strategies.len() == new.strategies.len()
            && old.instruments == new.instruments
            && old.protective_stop == new.protective_stop
    }

    /// Takes from `new` what takes effect at once, and nothing else.
    pub fn take_at_once(&mut self, new: &Self) {
        for change in self.changes_to(new) {
            let known = self.keys.iter_mut().find(|key| key.path == change.key);
            let wanted = new.keys.iter().find(|key| key.path == change.key);
            if let (Effect::AtOnce, Some(known), Some(wanted)) = (change.effect, known, wanted) {
                known.clone_from(wanted);
            }
        }
        if self.takes_strategies_of(new) {
            self.settings
                .strategies
                .clone_from(&new.settings.strategies);
        }
        let (dry, day) = (
            self.settings.risk.dry_breakers,
            self.settings.risk.day_starts_at_hour_utc,
        );
        self.settings.risk = new.settings.risk;
        self.settings.risk.dry_breakers = dry;
        self.settings.risk.day_starts_at_hour_utc = day;
    }
}

/// What differs between two files' keys.
fn changes(old: &[Key], new: &[Key], strategies_at_once: bool) -> Vec<Change> {
    let find = |keys: &[Key], path: &str| {
        let found = keys.iter().find(|key| key.path == path);
        found.map(Key::plain_value)
    };
    let gone = old.iter().filter(|one| find(new, &one.path).is_none());
    let all = new.iter().chain(gone).map(|key| key.path.as_str());
    let change = |key: &str| Change {
        key: key.to_string(),
        old: find(old, key),
        new: find(new, key),
        effect: effect_of(key, strategies_at_once),
    };
    all.map(change).filter(|one| one.old != one.new).collect()
}

/// The first key that only the file changes and that differs.
pub(crate) fn differs_in_file_only(old: &[Key], new: &[Key]) -> Option<Change> {
    let mut changes = changes(old, new, false).into_iter();
    changes.find(|one| one.effect == Effect::FileOnly)
}

fn effect_of(key: &str, strategies_at_once: bool) -> Effect {
    if FILE_ONLY.contains(&key) || key.starts_with("venue.") {
        return Effect::FileOnly;
    }
    let section = key.split(['.', '[']).next().unwrap_or_default();
    match section {
        "risk" => Effect::AtOnce,
        "strategy" if strategies_at_once => Effect::AtOnce,
        "control" | "paper" => Effect::ControlStart,
        _ => Effect::HotPathStart,
    }
}

impl Key {
    /// What holds, so written that the same number is the same text.
    #[must_use]
    pub fn plain_value(&self) -> String {
        let plain = self.value.trim_matches('"').replace('_', "");
        match self.form {
            Form::Decimal { .. } if plain.contains('.') => plain
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_string(),
            Form::Decimal { .. } | Form::Whole { .. } => plain,
            _ => self.value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[[instrument]]\nsymbol = \"BTCUSDT\"\n[[strategy]]\nkind = \"imbalance\"\n\
                        stop_loss_bps = 20\n[risk]\nmax_open_orders = 10\n[protective_stop]\n\
                        distance_bps = 100\n";

    fn configuration(text: &str) -> Configuration {
        let checked = Configuration::check("fulcrum.toml", text, &Ceilings::of_this_build());
        checked.expect(text)
    }

    fn changed(from: &str, to: &str) -> Vec<(String, Effect)> {
        let new = configuration(&TEXT.replace(from, to));
        let changes = configuration(TEXT).changes_to(&new);
        changes
            .into_iter()
            .map(|one| (one.key, one.effect))
            .collect()
    }

    #[test]
    fn each_key_takes_effect_when_it_can() {
        use Effect::{AtOnce, ControlStart, FileOnly, HotPathStart};
        let one = |key: &str, effect| vec![(key.to_string(), effect)];
        let cases = [
            (
                "max_open_orders = 10",
                "max_open_orders = 9",
                one("risk.max_open_orders", AtOnce),
            ),
            ("stop_loss_bps = 20", "stop_loss_bps = 20.0", vec![]),
            (
                "stop_loss_bps = 20",
                "stop_loss_bps = 2_1",
                one("strategy[0].stop_loss_bps", AtOnce),
            ),
            (
                "[risk]",
                "enabled = false\n[risk]",
                one("strategy[0].enabled", AtOnce),
            ),
            (
                "[risk]",
                "name = \"other\"\n[risk]",
                one("strategy[0].name", HotPathStart),
            ),
            (
                "[risk]",
                "[control]\nlock_out = false\n[risk]",
                one("control.lock_out", ControlStart),
            ),
            (
                "[risk]",
                "[book]\nfusion = false\n[risk]",
                one("book.fusion", HotPathStart),
            ),
            (
                "[risk]",
                "[risk]\ndry_breakers = [\"LATENCY\"]",
                one("risk.dry_breakers", FileOnly),
            ),
            (
                "[risk]",
                "[venue]\nrecv_window_ms = 900\n[risk]",
                one("venue.recv_window_ms", FileOnly),
            ),
        ];
        for (from, to, expected) in cases {
            assert_eq!(changed(from, to), expected, "{to}");
        }
        // Nearer than the strategy's new stop the running one would lie: both wait.
        let both = TEXT
            .replace("bps = 20", "bps = 120")
            .replace("bps = 100", "bps = 200");
        let changes = configuration(TEXT).changes_to(&configuration(&both));
        assert!(
            changes.iter().all(|one| one.effect == HotPathStart),
            "{changes:?}"
        );
        assert_eq!(changes.len(), 2);
    }

    #[test]
    fn what_waits_for_a_start_stays_as_it_is() {
        let mut running = configuration(TEXT);
        let new = TEXT
            .replace(
                "max_open_orders = 10",
                "max_open_orders = 9\ndry_breakers = [\"LATENCY\"]",
            )
            .replace("[risk]", "[book]\nfusion = false\n[risk]");
        let new = configuration(&new);
        running.take_at_once(&new);
        assert_eq!(running.settings.risk.open_orders_max, 9);
        assert_eq!(running.settings.risk.dry_breakers, 0);
        assert!(running.settings.book.fusion);
        let left: Vec<String> = running
            .changes_to(&new)
            .into_iter()
            .map(|one| one.key)
            .collect();
        assert_eq!(left, ["book.fusion", "risk.dry_breakers"]);
    }
}
