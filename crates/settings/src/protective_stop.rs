//! The stop at the exchange, which closes a position when we cannot.
//!
//! In: the section `[protective_stop]`. Out: [`ProtectiveStopSettings`]. Never: one that lies nearer
//! than a strategy's own stop; it would take over what the strategy does better.

use crate::strategies::{StrategyKind, StrategySettings};
use crate::written::{Problem, Section};

/// Which price triggers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopTrigger {
    /// The mark price, which no single trade moves.
    Mark,
    /// The price of the last trade.
    Last,
}

/// The section `[protective_stop]`, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtectiveStopSettings {
    /// Each futures position has one.
    pub enabled: bool,
    /// From the average price of the position.
    pub distance_bps: u64,
    /// Which price triggers it.
    pub working_type: StopTrigger,
    /// It is moved when it lies so far from where it should.
    pub replace_above_bps: u64,
    /// Between two looks at what lies at the exchange.
    pub check_every_s: u64,
}

/// Units of a rate in a basis point.
const BPS_E8: u64 = 10_000;

impl ProtectiveStopSettings {
    /// Reads the section.
    pub(crate) fn check(
        mut section: Section<'_>,
        strategies: &[StrategySettings],
        problems: &mut Vec<Problem>,
    ) -> Self {
        let triggers = [("mark", StopTrigger::Mark), ("last", StopTrigger::Last)];
        let settings = Self {
            enabled: section.flag("enabled", true, problems),
            distance_bps: section.whole("distance_bps", 100, (10, 5_000), problems),
            working_type: section.word("working_type", StopTrigger::Mark, &triggers, problems),
            replace_above_bps: section.whole("replace_above_bps", 10, (1, 1_000), problems),
            check_every_s: section.whole("check_every_s", 60, (10, 3_600), problems),
        };
        let own = strategies.iter().filter_map(|one| match &one.kind {
            StrategyKind::Imbalance(imbalance) => Some(imbalance.stop_loss.0.unsigned_abs()),
            StrategyKind::Dummy(_) => None,
        });
        let furthest = own.max().unwrap_or_default();
        if settings.enabled && settings.distance_bps * BPS_E8 <= furthest {
            let bps = furthest.div_ceil(BPS_E8);
            let allowed = format!("more than {bps}, the furthest stop_loss_bps of a strategy");
            section.reject("distance_bps", &allowed, problems);
        }
        section.finish(problems);
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::StopTrigger;
    use crate::{Settings, SettingsError};

    fn check(lines: &str) -> Result<Settings, Vec<String>> {
        let text = format!(
            "[[instrument]]\nsymbol = \"BTCUSDT\"\n[[strategy]]\nkind = \"imbalance\"\n\
             stop_loss_bps = 60\n[protective_stop]\n{lines}\n"
        );
        match Settings::check("fulcrum.toml", &text) {
            Ok(settings) => Ok(settings),
            Err(SettingsError::Invalid { problems, .. }) => {
                Err(problems.into_iter().map(|one| one.key).collect())
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn it_is_on_and_wide_and_never_nearer_than_a_strategys_own_stop() {
        let stop = check("").expect("nothing is needed").protective_stop;
        assert!(stop.enabled && stop.distance_bps == 100);
        assert_eq!(stop.working_type, StopTrigger::Mark);
        assert!(check("distance_bps = 61").is_ok());
        assert!(check("enabled = false\ndistance_bps = 60").is_ok());
        for (line, key) in [
            ("distance_bps = 60", "protective_stop.distance_bps"),
            ("distance_bps = 5", "protective_stop.distance_bps"),
            ("working_type = \"index\"", "protective_stop.working_type"),
            ("check_every_s = 1", "protective_stop.check_every_s"),
            ("distance = 1", "protective_stop.distance"),
        ] {
            let found = check(line).expect_err(line);
            assert!(found.iter().all(|one| one == key), "{line}: {found:?}");
        }
    }
}
