//! The key and its account: what it may, how positions are kept, what is open.
//!
//! In: the key's files, where this user may read them. Out: checks. Never: the key in a finding; an
//! order, or a setting that is changed.

use super::exchange::Venue;
use super::report::Report;
use crate::client::{Client, Dialer, Endpoint};
use binance::orders::Stamp;
use binance::rest::{self, Call, KeyRights};
use binance::sign::{Credentials, Signer};
use market::{Market, UtcMs};
use settings::{Mode, Settings};
use std::path::Path;
use std::time::Duration;

const KEY: &str = "key";
const ACCOUNT: &str = "account";
const PATIENCE: Duration = Duration::from_secs(10);
/// Long: nothing here is an order.
const RECV_WINDOW_MS: u32 = 5_000;

/// Looks at the key's rights and at the account of each market.
pub(super) async fn check(settings: &Settings, venues: &mut [Venue], report: &mut Report) {
    let credentials = match credentials(settings) {
        Ok(credentials) => credentials,
        Err(why) => {
            report.skip(KEY, "rights", why);
            return;
        }
    };
    rights(settings, venues, &credentials, report).await;
    for venue in venues {
        account(venue, &credentials, report).await;
    }
}

/// Key and secret, as the hot path has them.
fn credentials(settings: &Settings) -> Result<Credentials, String> {
    let venue = &settings.venue;
    let (key, secret) = match (&venue.api_key_file, &venue.api_secret_file) {
        (Some(key), Some(secret)) => (key, secret),
        (None, None) if settings.mode == Mode::Paper => {
            return Ok(Credentials {
                api_key: "paper".to_string(),
                signer: Signer::hmac(b"paper"),
            });
        }
        _ => return Err("the configuration names no key; run it where the key is".to_string()),
    };
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path);
        text.map_err(|error| format!("{}: {error}; run it as who may read it", path.display()))
    };
    let signer = Signer::from_secret_text(&read(secret)?)
        .map_err(|error| format!("{}: {error}", secret.display()))?;
    let api_key = read(key)?.trim().to_string();
    match !api_key.is_empty() && api_key.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(Credentials { api_key, signer }),
        false => Err(format!("{}: not an API key", key.display())),
    }
}

fn stamp(venue: &Venue) -> Stamp {
    Stamp {
        timestamp: UtcMs(venue.now_ms()),
        recv_window_ms: RECV_WINDOW_MS,
    }
}

async fn rights(
    settings: &Settings,
    venues: &[Venue],
    credentials: &Credentials,
    report: &mut Report,
) {
    if settings.mode == Mode::Testnet {
        report.skip(
            KEY,
            "rights",
            "the test networks do not tell what a key may",
        );
        return;
    }
    // They are told at spot's host, whatever is traded.
    let url = &settings.venue.spot_rest_url;
    let Ok(endpoint) = Endpoint::of_url(url) else {
        report.skip(KEY, "rights", format!("{url} is no URL"));
        return;
    };
    let mut asked = Venue {
        market: Market::Spot,
        client: Client::new(
            Dialer::new(settings.venue.ca_file.as_deref(), PATIENCE),
            endpoint,
        ),
        silent: None,
        listed: None,
        offset_ms: venues.first().map_or(0, |one| one.offset_ms),
        used_weight: None,
    };
    let call = rest::key_rights(credentials, stamp(&asked));
    let answer = asked.ask(&call, &credentials.api_key).await;
    let rights = answer
        .and_then(|answer| rest::parse_key_rights(&answer.body).map_err(|error| error.to_string()));
    match rights {
        Ok(rights) => judge(rights, settings, report),
        Err(error) => report.warn(
            KEY,
            "rights",
            format!("{url}: {error}"),
            "what the key may is not known: look at it in the exchange's own pages",
        ),
    }
}

fn judge(rights: KeyRights, settings: &Settings, report: &mut Report) {
    let words = |good: bool, yes: &str, no: &str| if good { yes } else { no }.to_string();
    report.fail_unless(
        !rights.withdrawals,
        KEY,
        "withdrawals",
        words(
            !rights.withdrawals,
            "the key may not withdraw",
            "the key may withdraw",
        ),
        "take that right away: whoever steals this key takes the money",
    );
    report.warn_unless(
        !rights.transfers,
        KEY,
        "transfers",
        words(
            !rights.transfers,
            "the key may not move money",
            "the key may move money to other accounts",
        ),
        "take internal and universal transfers away: trading needs neither",
    );
    report.fail_unless(
        rights.reading,
        KEY,
        "reading",
        words(
            rights.reading,
            "the key may look",
            "the key may not look at its account",
        ),
        "enable reading: nothing can be reconciled without it",
    );
    for (market, may, name) in [
        (Market::UsdM, rights.futures, "futures"),
        (Market::Spot, rights.spot, "spot"),
    ] {
        if settings.instruments.iter().any(|one| one.market == market) {
            report.fail_unless(
                may,
                KEY,
                name,
                words(may, "the key may trade", "the key may not trade there"),
                "enable it for this key; for futures the account needs a futures wallet first",
            );
        }
    }
    report.warn_unless(
        rights.ip_restricted,
        KEY,
        "addresses",
        words(
            rights.ip_restricted,
            "only from addresses of its list",
            "from anywhere",
        ),
        "restrict the key to this machine's address; without it the exchange ends it after 90 days",
    );
}

async fn account(venue: &mut Venue, credentials: &Credentials, report: &mut Report) {
    if venue.market == Market::UsdM {
        modes(venue, credentials, report).await;
    }
    open(venue, credentials, report).await;
}

async fn told<T>(
    venue: &mut Venue,
    call: &Call,
    credentials: &Credentials,
    parse: impl FnOnce(&[u8]) -> Result<T, rest::RestError>,
) -> Result<T, String> {
    let answer = venue.ask(call, &credentials.api_key).await?;
    parse(&answer.body).map_err(|error| error.to_string())
}

async fn modes(venue: &mut Venue, credentials: &Credentials, report: &mut Report) {
    let key = "the key is refused: see whether it is this venue's, and its rights";
    let call = rest::position_mode(credentials, stamp(venue));
    match told(venue, &call, credentials, rest::parse_position_mode).await {
        Err(error) => report.fail(ACCOUNT, "position mode", error, key),
        Ok(hedge) => report.warn_unless(
            !hedge,
            ACCOUNT,
            "position mode",
            if hedge { "hedge" } else { "one-way" },
            "the hot path sets one-way at its start, which needs an account without positions",
        ),
    }
    let call = rest::multi_assets(credentials, stamp(venue));
    match told(venue, &call, credentials, rest::parse_multi_assets).await {
        Err(error) => report.warn(ACCOUNT, "multi-assets mode", error, key),
        Ok(on) => report.warn_unless(
            !on,
            ACCOUNT,
            "multi-assets mode",
            if on { "on" } else { "off" },
            "switch it off: limits of margin and liquidation are reckoned in USDT alone",
        ),
    }
}

async fn open(venue: &mut Venue, credentials: &Credentials, report: &mut Report) {
    let name = match venue.market {
        Market::UsdM => "open on usdm",
        Market::Spot => "open on spot",
    };
    let orders = rest::open_orders(venue.market, None, credentials, stamp(venue));
    let orders = told(venue, &orders, credentials, rest::parse_listed_orders).await;
    let orders = match orders {
        Ok(orders) => orders.len(),
        Err(error) => {
            let todo = "the key is refused: see whether it is this venue's, and its rights";
            report.fail(ACCOUNT, name, error, todo);
            return;
        }
    };
    if venue.market == Market::Spot {
        report.pass(ACCOUNT, name, format!("{orders} orders"));
        return;
    }
    let positions = rest::positions(credentials, stamp(venue));
    let positions = told(venue, &positions, credentials, rest::parse_held_positions).await;
    match positions {
        Ok(held) => report.pass(
            ACCOUNT,
            name,
            format!("{orders} orders, {} positions", held.len()),
        ),
        Err(error) => report.warn(
            ACCOUNT,
            name,
            error,
            "positions are not known: look at the exchange",
        ),
    }
}
