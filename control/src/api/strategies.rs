//! Strategies: what each trades and how, and its switch.
//!
//! In: names, symbols. Out: rows; a new version of the configuration. Never: a switch beside the
//! configuration: what is off is off after a restart, too.

#![allow(
    unused_qualifications,
    reason = "the descriptions of routes write the types of their parameters in full"
)]

use super::access::Caller;
use super::configuration::change;
use super::problem::Problem;
use super::verbs::read;
use crate::configuration::{Applied, Switch, Wish};
use crate::http::Site;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use settings::{Configuration, StrategyKind};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// A strategy.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct StrategyRow {
    /// Name.
    name: String,
    /// Kind.
    kind: &'static str,
    /// False: it opens nothing anywhere.
    enabled: bool,
    /// A limit has latched it off, until a rearm; null while no hot path runs.
    latched: Option<bool>,
    /// What it trades.
    instruments: Vec<StrategyInstrument>,
    /// Its other keys, as TOML writes them.
    parameters: BTreeMap<String, String>,
}

/// An instrument of a strategy.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct StrategyInstrument {
    /// `usdm` or `spot`.
    market: String,
    /// Symbol.
    symbol: String,
    /// False: nothing is opened here.
    enabled: bool,
}

/// Where a switch is turned.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SwitchArguments {
    /// On one symbol; without it everywhere.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 32)]
    symbol: Option<String>,
}

/// Every strategy of what runs, with its switches.
#[utoipa::path(get, path = "/api/v1/strategies", tag = "strategies", responses(
    (status = 200, description = "one a strategy", body = Vec<StrategyRow>)))]
pub(super) async fn strategies(State(site): State<Arc<Site>>) -> Response {
    let view = site.shared.get();
    let latched = view.account.map(|page| page.strategies_latched);
    Json(rows(&site.configuration.running(), latched)).into_response()
}

fn rows(running: &Configuration, latched: Option<u32>) -> Vec<StrategyRow> {
    let settings = &running.settings;
    let row = |(index, one): (usize, &settings::StrategySettings)| {
        let before = format!("strategy[{index}].");
        let own = running.keys.iter().filter_map(|key| {
            let name = key.path.strip_prefix(before.as_str())?;
            let told = [
                "name",
                "kind",
                "market",
                "symbols",
                "enabled",
                "disabled_symbols",
            ];
            (!told.contains(&name)).then(|| (name.to_string(), key.value.clone()))
        });
        let instrument = |place: &usize| {
            let key = settings.instruments[*place];
            StrategyInstrument {
                market: key.market.to_string(),
                symbol: key.symbol.to_string(),
                enabled: !one.off.contains(place),
            }
        };
        StrategyRow {
            name: one.name.clone(),
            kind: match one.kind {
                StrategyKind::Imbalance(_) => "imbalance",
                StrategyKind::Dummy(_) => "dummy",
            },
            enabled: one.enabled,
            latched: latched.map(|latched| latched.checked_shr(index as u32).unwrap_or(0) & 1 != 0),
            instruments: one.instruments.iter().map(instrument).collect(),
            parameters: own.collect(),
        }
    };
    settings.strategies.iter().enumerate().map(row).collect()
}

macro_rules! switch_route {
    ($name:ident, $path:literal, $enable:literal, $what:literal) => {
        #[doc = $what]
        #[utoipa::path(
            post, path = $path, tag = "strategies", summary = $what,
            request_body = Option<SwitchArguments>,
            params(("name" = String, Path, min_length = 1, max_length = 64),
                ("Idempotency-Key" = String, Header,
                description = "the same key gets the first answer again",
                min_length = 1, max_length = 64, pattern = "^[!-~]+$"),
                ("If-Match" = Option<String>, Header,
                description = "number of the version that is taken for active",
                pattern = "^\"[0-9]{1,19}\"$")),
            responses(
                (status = 200, description = "the version that has it", body = Applied),
                (status = 400, description = "not a request", body = Problem),
                (status = 404, description = "no such strategy, or it does not trade it", body = Problem),
                (status = 409, description = "refused, nothing has changed", body = Problem),
                (status = 412, description = "another version is active", body = Problem),
                (status = 422, description = "the key was used otherwise", body = Problem),
                (status = 503, description = "it could not be stored", body = Problem),
                (status = 504, description = "not known whether it was carried out", body = Problem),
            )
        )]
        pub(super) async fn $name(
            State(site): State<Arc<Site>>,
            Extension(caller): Extension<Caller>,
            path: Result<Path<String>, axum::extract::rejection::PathRejection>,
            headers: HeaderMap,
            body: Bytes,
        ) -> Response {
            turn(site, caller, path, headers, body, $enable).await
        }
    };
}

switch_route!(
    enable,
    "/api/v1/strategies/{name}/enable",
    true,
    "A strategy may open positions again, everywhere or on one symbol"
);
switch_route!(
    disable,
    "/api/v1/strategies/{name}/disable",
    false,
    "A strategy opens nothing more: entries are cancelled, positions managed to their exit"
);

async fn turn(
    site: Arc<Site>,
    caller: Caller,
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
    body: Bytes,
    enable: bool,
) -> Response {
    let strategy = match path {
        Ok(Path(name)) => name,
        Err(error) => {
            return Problem::new(StatusCode::BAD_REQUEST, error.body_text()).into_response();
        }
    };
    let arguments: SwitchArguments = match read(&body) {
        Ok(arguments) => arguments,
        Err(problem) => return problem.into_response(),
    };
    let noted = serde_json::json!({ "strategy": strategy, "symbol": arguments.symbol });
    let act = match enable {
        true => "strategy_enable",
        false => "strategy_disable",
    };
    let wish = Wish::Switch(Switch {
        strategy,
        symbol: arguments.symbol,
        enable,
    });
    change(site, caller, &headers, act, noted, wish, false).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use settings::Ceilings;

    #[test]
    fn a_row_says_what_is_off_and_why() {
        let text = "[[instrument]]\nsymbol = \"BTCUSDT\"\n[[instrument]]\nsymbol = \"ETHUSDT\"\n\
                    [[strategy]]\nkind = \"dummy\"\ndisabled_symbols = [\"ETHUSDT\"]\nrest_ms = 7\n\
                    [[strategy]]\nkind = \"imbalance\"\nenabled = false\n";
        let running =
            Configuration::check("text", text, &Ceilings::of_this_build()).expect("it is one");
        let rows = rows(&running, Some(2));
        let on = |row: &StrategyRow| -> Vec<bool> {
            row.instruments.iter().map(|one| one.enabled).collect()
        };
        assert_eq!(
            (rows[0].kind, rows[0].enabled, rows[0].latched),
            ("dummy", true, Some(false))
        );
        assert_eq!(on(&rows[0]), [true, false]);
        assert_eq!(rows[0].parameters["rest_ms"], "7");
        assert!(!rows[0].parameters.contains_key("symbols"));
        assert_eq!((rows[1].enabled, rows[1].latched), (false, Some(true)));
        assert_eq!(on(&rows[1]), [false, false]);
    }
}
