//! Builds the shell of the protective stops.
//!
//! In: a [`Start`]. Out: a shell whose machine is at rest; none where stops are switched off or the
//! market has none. Never: a call.

use super::shell::{ProtectionCells, ProtectionShell, Watch};
use crate::server_clock::ServerClock;
use crate::startup::Start;
use crate::telemetry::Telemetry;
use binance::rest::TriggerPrice;
use binance::session::{ProtectSettings, Protector, SECOND_NS};
use futures_util::stream::FuturesUnordered;
use ipc::RegisterError;
use market::Market;
use market::record::ProtectionAct;
use settings::StopTrigger;
use std::sync::Arc;

/// Seed of the back-off of lists.
const SEED: u64 = 24;

/// The shell of `market`.
///
/// # Errors
/// [`RegisterError`].
pub fn protection_shell(
    start: &Start,
    telemetry: Telemetry<'_>,
    market: Market,
    clock: &ServerClock,
) -> Result<Option<ProtectionShell>, RegisterError> {
    let wanted = &start.settings.protective_stop;
    if !wanted.enabled || market != Market::UsdM {
        return Ok(None);
    }
    let bps = |value: u64| i64::try_from(value).expect("checked to be small");
    let settings = ProtectSettings {
        distance_bps: bps(wanted.distance_bps),
        trigger: match wanted.working_type {
            StopTrigger::Mark => TriggerPrice::Mark,
            StopTrigger::Last => TriggerPrice::Last,
        },
        replace_above_bps: bps(wanted.replace_above_bps),
        check_every_ns: wanted.check_every_s * SECOND_NS,
        epoch: start.epoch,
    };
    let instruments = || start.instruments.iter().filter(|one| one.market == market);
    let credentials = start.credentials.clone();
    let steps = ProtectionAct::ALL.iter().map(|act| {
        let name = format!("protective_stops_total{{market=\"{market}\",act=\"{act}\"}}");
        telemetry.counter(&name)
    });
    let cell = |family: &str| telemetry.counter(&format!("{family}{{market=\"{market}\"}}"));
    Ok(Some(ProtectionShell {
        machine: Protector::new(settings, instruments().copied(), credentials, SEED),
        watch: Watch::new(instruments().map(|one| usize::from(one.id.0)).collect()),
        segment: Arc::clone(&start.segment),
        clock: clock.clone(),
        calls: FuturesUnordered::new(),
        cells: ProtectionCells {
            bare: cell("positions_without_stop")?,
            bare_s: cell("position_without_stop_seconds")?,
            steps: steps.collect::<Result<_, _>>()?,
        },
    }))
}
