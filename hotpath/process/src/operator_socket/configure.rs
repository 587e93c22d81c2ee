//! Another version of the configuration, taken while the engine runs.
//!
//! In: a number and a text that somebody else has accepted. Out: inputs of the engine for what takes
//! effect at once; what waits for a start, by name. Never: trust in who sends it: the text is checked
//! here with this process's own ceilings, and nothing in it moves the mode, the account, the exchange
//! or what has no ceiling. What cannot be taken changes nothing.

use super::verbs::Operator;
use crate::clock;
use crate::configuration::{risk_config, strategy_changes};
use crate::kill::keeper::account_page;
use engine::Input;
use engine::config::RiskConfig;
use engine::event::{Configure, LIMIT_LEVELS, StrategyChange};
use market::Level;
use operator::{ConfiguredReply, ErrorCode, Refusal, Reply};
use settings::{Ceilings, Configuration, Effect, SettingsError};
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// How long the engine may take to confirm; it takes a turn and an upkeep.
const PATIENCE_NS: u64 = 2_000_000_000;

const LOOK: Duration = Duration::from_micros(500);

/// What runs, and what bounds it.
pub struct Reload {
    ceilings: Ceilings,
    running: RefCell<Configuration>,
    version: Cell<u64>,
}

/// What is to be done to take a version.
#[derive(Debug)]
pub struct Taking {
    /// What runs afterwards.
    next: Configuration,
    strategies: Vec<StrategyChange>,
    risk: RiskConfig,
    config_hash: u64,
    at_once: Vec<String>,
    waiting: Vec<String>,
}

impl Reload {
    /// What this start runs with.
    #[must_use]
    pub const fn new(ceilings: Ceilings, running: Configuration, version: u64) -> Self {
        Self {
            ceilings,
            running: RefCell::new(running),
            version: Cell::new(version),
        }
    }

    /// Limits as they are in force.
    #[must_use]
    pub fn risk(&self) -> settings::RiskSettings {
        self.running.borrow().settings.risk
    }

    /// Checks a text, and says what is to be done with it.
    ///
    /// # Errors
    /// [`Refusal`] with the key that is wrong, that passes its ceiling, or that only the file changes.
    pub fn look_at(&self, version: u64, text: &str) -> Result<Taking, Refusal> {
        let known = self.version.get();
        if version < known {
            let message = format!("version {version} is older than {known}, which runs");
            return Err(Refusal::new(ErrorCode::OldVersion, message));
        }
        let name = format!("version {version}");
        let new = Configuration::check(&name, text, &self.ceilings).map_err(refused)?;
        let running = self.running.borrow();
        let changes = running.changes_to(&new);
        let file_only = changes.iter().find(|one| one.effect == Effect::FileOnly);
        if let Some(change) = file_only {
            let value = |value: &Option<String>| value.clone().unwrap_or("nothing".to_string());
            let message = format!(
                "`{}` is {} here and {} in version {version}: only the configuration's own file \
                 changes it, at a start of the hot path",
                change.key,
                value(&change.old),
                value(&change.new)
            );
            return Err(Refusal::new(ErrorCode::NeedsRestart, message));
        }
        let named = |at_once: bool| {
            let chosen = changes
                .iter()
                .filter(|one| (one.effect == Effect::AtOnce) == at_once);
            chosen.map(|one| one.key.clone()).collect()
        };
        let mut next = running.clone();
        next.take_at_once(&new);
        Ok(Taking {
            strategies: strategy_changes(&next.settings),
            risk: risk_config(&next.settings.risk),
            config_hash: new.settings.short_hash(),
            at_once: named(true),
            waiting: named(false),
            next,
        })
    }
}

/// Every problem in its own words, the key first.
fn refused(error: SettingsError) -> Refusal {
    Refusal::new(ErrorCode::BadConfiguration, error.to_string())
}

impl Operator {
    /// Takes a version, and waits until the engine's page shows it.
    pub(super) async fn configure(&self, version: u64, text: &str) -> Result<Reply, Refusal> {
        let taking = self.reload.look_at(version, text)?;
        for change in &taking.strategies {
            self.tell(Input::Strategy(*change));
        }
        let mut room = [Level::default(); LIMIT_LEVELS];
        let configure = Configure::new(version, taking.config_hash, &taking.risk, &mut room);
        self.tell(Input::Configure(configure));
        let begun = clock::monotonic();
        let shown =
            || account_page(&self.segment).map(|page| (page.config_version, page.config_hash));
        let wanted = Some((version, taking.config_hash));
        while shown() != wanted && clock::monotonic().since(begun) < PATIENCE_NS {
            tokio::time::sleep(LOOK).await;
        }
        // Another one may have come meanwhile, and is what runs then.
        let confirmed = shown() == wanted;
        if confirmed {
            self.reload.version.set(version);
            self.reload.running.replace(taking.next);
        }
        Ok(Reply::Configured(ConfiguredReply {
            version,
            config_hash: format!("{:016x}", taking.config_hash),
            confirmed,
            at_once: taking.at_once,
            waiting: taking.waiting,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CEILINGS: &str = "[risk]\nmax_order_notional_usdt = 6000\nstop_cooldown_s = 3\n";
    const RUNNING: &str = "account = \"a\"\n[venue]\nusdm_rest_url = \"http://127.0.0.1:1\"\n\
                           [[instrument]]\nsymbol = \"BTCUSDT\"\n[[strategy]]\nkind = \"dummy\"\n\
                           [risk]\nmax_order_notional_usdt = 5000\ndaily_loss_usdt = 100\n";

    fn reload() -> Reload {
        let ceilings = Ceilings::check("ceilings.toml", CEILINGS).expect("ceilings");
        let running = Configuration::check("fulcrum.toml", RUNNING, &ceilings);
        Reload::new(ceilings, running.expect("a configuration"), 3)
    }

    fn with(from: &str, to: &str) -> String {
        assert!(RUNNING.contains(from), "{from}");
        RUNNING.replace(from, to)
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table of cases")]
    fn a_hostile_text_moves_nothing_that_it_must_not_move() {
        let reload = reload();
        let notional = "max_order_notional_usdt = 5000";
        let first = "[[instrument]]";
        let live = format!("mode = \"live\"\nlive_account = \"a\"\n{RUNNING}");
        let cases = [
            // (text, code, what the message names)
            (
                with(notional, "max_order_notional_usdt = 6000.01"),
                "BadConfiguration",
                "max_order_notional_usdt",
            ),
            (
                with(notional, "max_order_notional_usdt = 1e9"),
                "BadConfiguration",
                "max_order_notional_usdt",
            ),
            (
                with(notional, "max_order_notional_usdt = -1"),
                "BadConfiguration",
                "max_order_notional_usdt",
            ),
            (
                with(notional, "stop_cooldown_s = 2"),
                "BadConfiguration",
                "stop_cooldown_s",
            ),
            (
                with(notional, "max_order_notional = 1"),
                "BadConfiguration",
                "max_order_notional_usdt",
            ),
            (
                with(notional, "dry_breakers = [\"DAILY_LOSS\"]"),
                "NeedsRestart",
                "risk.dry_breakers",
            ),
            (
                with(notional, "day_starts_at_hour_utc = 7"),
                "NeedsRestart",
                "day_starts_at_hour_utc",
            ),
            (with("\"a\"", "\"b\""), "NeedsRestart", "account"),
            (
                with("127.0.0.1:1", "127.0.0.1:2"),
                "NeedsRestart",
                "venue.usdm_rest_url",
            ),
            (live, "BadConfiguration", "venue"),
            (
                with(
                    first,
                    "[emergency]\noperator_public_key = \"00\"\n[[instrument]]",
                ),
                "BadConfiguration",
                "operator_public_key",
            ),
            (
                with(
                    first,
                    &format!(
                        "[emergency]\noperator_public_key = \"{}\"\n[[instrument]]",
                        "0f".repeat(32)
                    ),
                ),
                "NeedsRestart",
                "emergency.operator_public_key",
            ),
            (
                with(
                    first,
                    "[market_data]\nusdm_second_stream_url = \"ws://127.0.0.1:9\"\n[[instrument]]",
                ),
                "NeedsRestart",
                "usdm_second_stream_url",
            ),
            (
                with(
                    first,
                    "[ceilings]\nmax_order_notional_usdt = 1\n[[instrument]]",
                ),
                "BadConfiguration",
                "ceilings",
            ),
            (String::new(), "BadConfiguration", "instrument"),
            ("\u{0}".repeat(1_000), "BadConfiguration", "TOML"),
            ("[".repeat(100_000), "BadConfiguration", "TOML"),
            (format!("{RUNNING}{}", "#".repeat(900_000)), "taken", ""),
        ];
        for (text, code, named) in cases {
            let shown: String = text.chars().take(400).collect();
            match reload.look_at(4, &text) {
                Ok(taking) => {
                    assert_eq!(code, "taken", "{shown}");
                    assert!(taking.at_once.is_empty() && taking.waiting.is_empty());
                }
                Err(refusal) => {
                    assert_eq!(format!("{:?}", refusal.code), code, "{shown}: {refusal:?}");
                    assert!(refusal.message.contains(named), "{shown}: {refusal:?}");
                }
            }
            assert_eq!(reload.risk(), reload_risk(), "{shown}");
        }
        assert!(
            reload
                .look_at(2, RUNNING)
                .is_err_and(|one| one.code == ErrorCode::OldVersion)
        );
    }

    fn reload_risk() -> settings::RiskSettings {
        reload().risk()
    }

    #[test]
    fn limits_and_parameters_are_taken_and_the_rest_waits_by_name() {
        let text = RUNNING
            .replace("= 5000", "= 200\nmax_open_orders = 2")
            .replace(
                "kind = \"dummy\"",
                "kind = \"dummy\"\nenabled = false\ndistance_bps = 7",
            )
            .replace(
                "[[instrument]]",
                "[book]\nsignal_levels = 3\n[[instrument]]",
            );
        let taking = reload().look_at(4, &text).expect("a good text");
        let sorted = |mut keys: Vec<String>| {
            keys.sort();
            keys
        };
        assert_eq!(
            sorted(taking.at_once),
            [
                "risk.max_open_orders",
                "risk.max_order_notional_usdt",
                "strategy[0].distance_bps",
                "strategy[0].enabled",
            ]
        );
        assert_eq!(taking.waiting, ["book.signal_levels"]);
        assert_eq!(
            taking.risk.order_notional_max,
            market::Money::from_whole(200)
        );
        assert_eq!(taking.strategies.len(), 1);
        assert_eq!(taking.strategies[0].off, 1);
        assert_eq!(taking.next.settings.book.signal_levels, 5);
    }
}
