//! How the followed exchange lists its instruments, looked at again and again.
//!
//! In: its `exchangeInfo`. Out: status and filters of ours as they are there now. Never: another tick
//! or lot in a running market; what stands on another grid is not traded.

use std::time::Duration;

use binance::rest::{ExchangeInfo, parse_exchange_info};
use market::Instrument;

use super::Target;
use super::dial::Dialer;
use crate::exchange::Shared;

/// What it lists.
pub(super) async fn fetch(dialer: &Dialer, target: &Target) -> Result<ExchangeInfo, String> {
    let url = format!("{}/exchangeInfo", target.api());
    let body = dialer.get(&url).await?;
    parse_exchange_info(&body, target.market).map_err(|error| format!("{url}: {error}"))
}

/// Looks once in so long, until the runtime ends; without an answer all stays as it was.
pub(super) async fn watch(
    dialer: Dialer,
    target: Target,
    instruments: Vec<Instrument>,
    every: Duration,
    shared: Shared,
) {
    loop {
        tokio::time::sleep(every).await;
        let info = match fetch(&dialer, &target).await {
            Ok(info) => info,
            Err(error) => {
                tracing::warn!(%error, "the followed exchange's listing is as it was before");
                continue;
            }
        };
        let mut exchange = shared.lock();
        let floor = exchange.floor_mut(target.market);
        for instrument in &instruments {
            let listed = info.find(instrument.symbol.as_str());
            floor.relist(instrument.id, listed.map(|one| &one.instrument));
        }
    }
}
