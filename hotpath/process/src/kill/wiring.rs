//! Builds the emergency shell of a market.
//!
//! In: a [`Start`]. Out: a shell whose machines are at rest. Never: a call.

use super::desk::Desk;
use super::shell::{EmergencyShell, Watched};
use crate::clock;
use crate::configuration::CLIENT_ID_PREFIX;
use crate::server_clock::ServerClock;
use crate::startup::Start;
use crate::telemetry::Telemetry;
use binance::session::{Deadman, SweepSettings, Sweeper};
use futures_util::stream::FuturesUnordered;
use ipc::RegisterError;
use market::{Market, MonoNs, Symbol};
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;

/// Seed of the sweep's back-off.
const SWEEP_SEED: u64 = 23;

/// The shell of `market`.
///
/// # Errors
/// [`RegisterError`].
pub fn emergency_shell(
    start: &Start,
    telemetry: Telemetry<'_>,
    (market, weight_limit): (Market, u32),
    wake: &Rc<Notify>,
    clock: &ServerClock,
) -> Result<EmergencyShell, RegisterError> {
    let emergency = &start.settings.emergency;
    let credentials = &start.credentials;
    let own_only = !emergency.kill_foreign_orders;
    let settings = SweepSettings {
        market,
        close_positions: false,
        only_prefix: own_only.then(|| CLIENT_ID_PREFIX.to_string()),
        id_prefix: closing_prefix('k', start.epoch),
    };
    let counts = market == Market::UsdM && emergency.deadman_countdown_s > 0;
    let mut watched = Vec::new();
    for one in start.instruments.iter().filter(|one| one.market == market) {
        let name = format!(
            "deadman_expires_timestamp_seconds{{market=\"{market}\",symbol=\"{}\"}}",
            one.symbol
        );
        let cell = counts.then(|| telemetry.counter(&name)).transpose()?;
        watched.push(Watched {
            symbol: one.symbol,
            page: usize::from(one.id.0),
            cell,
        });
    }
    let symbols: Vec<Symbol> = watched.iter().map(|one| one.symbol).collect();
    let deadman = counts.then(|| {
        let countdown_s = emergency.deadman_countdown_s;
        Deadman::new(&symbols, countdown_s, weight_limit, credentials.clone())
    });
    Ok(EmergencyShell {
        desk: Rc::new(Desk::new(market, Rc::clone(wake))),
        sweeper: Sweeper::new(settings, credentials.clone(), SWEEP_SEED),
        deadman,
        watched,
        credentials: credentials.clone(),
        segment: Arc::clone(&start.segment),
        clock: clock.clone(),
        calls: FuturesUnordered::new(),
        look_at: MonoNs(0),
    })
}

/// What ids of closing orders begin with: who closes, the epoch and the time of its start. They
/// are no ids of the engine's, whose prefix they do not have, so that no start adopts one.
#[must_use]
pub fn closing_prefix(who: char, epoch: u32) -> String {
    let ms = clock::utc().0.unsigned_abs() / 1_000_000;
    format!("{who}{epoch}-{ms:x}-")
}
