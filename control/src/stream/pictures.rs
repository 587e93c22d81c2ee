//! Pictures as JSON.
//!
//! In: a view, the settings. Out: the data of a message. Never: a wait.

use super::topic::Picture;
use crate::drain::monotonic_ns;
use crate::picture::{account, instruments, latency, risk};
use crate::view::View;
use serde::Serialize;
use settings::Settings;

/// The data of a picture; `null` while nothing is known of it.
pub(super) fn data(picture: Picture, view: &View, settings: &Settings) -> String {
    match picture {
        Picture::Status => json(&account::status(view)),
        Picture::Account => json(&account::account(view)),
        Picture::Positions => json(&account::positions(view)),
        Picture::Signals => json(&instruments::signals(view, settings, monotonic_ns())),
        Picture::Risk => json(&risk::risk(view, settings)),
        Picture::Latency => json(&latency::rows(view)),
        Picture::Book(market, symbol) => {
            let page = view
                .instruments
                .iter()
                .find(|page| page.market == market && page.symbol == symbol);
            json(&page.map(|page| instruments::book(page, monotonic_ns())))
        }
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_string())
}
