//! Accounts of the control API: who they are, open one, move money, set fees.
//!
//! In: requests on the control port. Out: accounts by name with keys and balances. Never: a
//! secret in an answer; the Binance dialect.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use market::{Market, Money, Rate};
use matching::{Account, AccountId, BnbFees, Fees, SpotBalances};
use serde::Deserialize;
use serde_json::{Value, json};

use super::control_api::decimal;
use crate::accounts::{ACCOUNTS_MAX, Registered};
use crate::api::auth::Keys;
use crate::api::exchange_info::base_asset;
use crate::exchange::{Exchange, Shared};

/// Leverage of a new account, as production has it.
const LEVERAGE: u32 = 20;
/// What the first account is called.
const FIRST: &str = "default";

/// A new account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    name: String,
    api_key: String,
    /// HMAC secret; or the key below.
    secret: Option<String>,
    /// Public key in PEM.
    public_key: Option<String>,
    /// Futures wallet in USDT, a decimal text.
    usdm: Option<String>,
    /// Spot balances by asset, decimal texts.
    #[serde(default)]
    spot: std::collections::BTreeMap<String, String>,
    /// Fee rates of futures, decimal texts; VIP 0 without.
    maker: Option<String>,
    /// As `maker`.
    taker: Option<String>,
    /// The exchange's number of the fee rates.
    #[serde(default)]
    fee_tier: u32,
    /// BNB that fees are paid with; none without.
    bnb: Option<String>,
}

/// All accounts.
pub(super) async fn list(State(shared): State<Shared>) -> Json<Value> {
    let mut exchange = shared.lock();
    let named = exchange.accounts.iter();
    let named = named.map(|one| (one.name.clone(), Some(one.key.clone()), one.account));
    let first = (FIRST.to_owned(), None, AccountId(0));
    let all: Vec<_> = std::iter::once(first).chain(named).collect();
    let rows = all
        .into_iter()
        .map(|(name, key, account)| describe(&mut exchange, &name, key.as_deref(), account));
    Json(json!({ "accounts": rows.collect::<Vec<_>>() }))
}

fn describe(exchange: &mut Exchange, name: &str, key: Option<&str>, account: AccountId) -> Value {
    let selected = exchange.select(account);
    let totals = exchange.usdm.venue.totals_of_account();
    let futures = exchange.usdm.venue.account();
    let quote = exchange.spot.venue.spot_quote();
    let answer = json!({
        "account": account.0,
        "name": name,
        "api_key": key,
        "wallet_usdt": decimal(totals.wallet.0, 8),
        "available_usdt": decimal(totals.available.0, 8),
        "dual_side": futures.dual_side,
        "fee_tier": futures.fee_tier,
        "maker": decimal(futures.fees.maker.0, 8),
        "taker": decimal(futures.fees.taker.0, 8),
        "spot_usdt": decimal((quote.free + quote.locked).0, 8),
    });
    exchange.select(selected);
    answer
}

/// Opens an account.
pub(super) async fn open(State(shared): State<Shared>, Json(new): Json<NewAccount>) -> Response {
    let mut exchange = shared.lock();
    match create(&mut exchange, new) {
        Ok(_) if !exchange.keep() => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Ok(answer) => Json(answer).into_response(),
        Err(message) => (StatusCode::BAD_REQUEST, message + "\n").into_response(),
    }
}

fn create(exchange: &mut Exchange, new: NewAccount) -> Result<Value, String> {
    let taken = new.name == FIRST || exchange.accounts.of_name(&new.name).is_some();
    if new.name.is_empty() || taken {
        return Err(format!(
            "an account needs a name of its own, not `{}`",
            new.name
        ));
    }
    let firsts = &exchange.keys;
    let known = exchange.accounts.of_key(Some(&new.api_key)).is_some()
        || firsts.is_registered() && firsts.check_key(Some(&new.api_key)).is_ok();
    if new.api_key.is_empty() || known {
        return Err("another account has this key, or it is empty".to_owned());
    }
    if exchange.accounts.iter().count() + 1 >= ACCOUNTS_MAX {
        return Err(format!("at most {ACCOUNTS_MAX} accounts"));
    }
    let secret = new.secret.as_deref().or(new.public_key.as_deref());
    let secret = secret.ok_or("an account needs `secret` or `public_key`")?;
    let keys = Keys::new(new.api_key.clone(), secret)?;
    let futures = futures_account(exchange, &new)?;
    let spot = spot_account(exchange, &new)?;
    let account = exchange.usdm.open_account(futures);
    let same = exchange.spot.open_account(spot);
    assert_eq!(account, same, "both floors have the same accounts");
    exchange.note_request(account);
    exchange.accounts.add(Registered {
        name: new.name.clone(),
        key: new.api_key.clone(),
        secret: secret.to_owned(),
        keys,
        account,
    });
    Ok(describe(exchange, &new.name, Some(&new.api_key), account))
}

fn amount(text: &str) -> Result<Money, String> {
    market::decimal::parse_decimal(text.as_bytes(), 8)
        .map(Money)
        .map_err(|_| format!("`{text}` is no amount"))
}

fn futures_account(exchange: &Exchange, new: &NewAccount) -> Result<Account, String> {
    let rate = |text: &Option<String>, default: Rate| {
        let given = text.as_deref().map(amount).transpose();
        given.map(|given| given.map_or(default, |rate| Rate(rate.0)))
    };
    let fees = Fees {
        maker: rate(&new.maker, Fees::FIRST_TIER.maker)?,
        taker: rate(&new.taker, Fees::FIRST_TIER.taker)?,
    };
    let wallet = new.usdm.as_deref().map_or(Ok(Money::ZERO), amount)?;
    let bnb = new.bnb.as_deref().map(amount).transpose()?;
    let count = exchange.usdm.venue.instruments().len();
    Ok(Account {
        fee_tier: new.fee_tier,
        bnb: bnb.map(|balance| BnbFees {
            balance,
            price: Money::from_whole(600),
        }),
        ..Account::new(wallet, fees, LEVERAGE, count)
    })
}

fn spot_account(exchange: &Exchange, new: &NewAccount) -> Result<Account, String> {
    let venue = &exchange.spot.venue;
    let of = |asset: &str| {
        new.spot
            .get(asset)
            .map_or(Ok(Money::ZERO), |text| amount(text))
    };
    let assets = || venue.instruments().iter().map(base_asset);
    for asset in new.spot.keys() {
        if asset != "USDT" && !assets().any(|known| known == asset) {
            return Err(format!("{asset} is not traded here"));
        }
    }
    let quote = of("USDT")?;
    let bases = assets().map(of).collect::<Result<Vec<_>, _>>()?;
    let fees = venue.account().fees;
    let count = venue.instruments().len();
    Ok(Account {
        spot: Some(SpotBalances { quote, bases }),
        ..Account::new(quote, fees, LEVERAGE, count)
    })
}

/// Money that comes to an account, or leaves it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Transfer {
    /// The account's name; the first one without.
    name: Option<String>,
    /// In USDT; a decimal text, negative when it leaves.
    amount: String,
}

/// Moves money of a futures wallet.
pub(super) async fn transfer(State(shared): State<Shared>, Json(new): Json<Transfer>) -> Response {
    let mut exchange = shared.lock();
    let name = new.name.as_deref().unwrap_or(FIRST);
    let found = exchange.accounts.of_name(name).map(|one| one.account);
    let account = match (found, name) {
        (Some(account), _) => account,
        (None, FIRST) => AccountId(0),
        (None, _) => return (StatusCode::NOT_FOUND, "no such account\n").into_response(),
    };
    let (sign, digits) = match new.amount.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, new.amount.as_str()),
    };
    let moved = match amount(digits) {
        Ok(moved) => Money(sign * moved.0),
        Err(message) => return (StatusCode::BAD_REQUEST, message + "\n").into_response(),
    };
    let now = exchange.clock.now();
    let selected = exchange.select(account);
    let floor = exchange.floor_mut(Market::UsdM);
    let reason = if sign > 0 { "DEPOSIT" } else { "WITHDRAW" };
    let short = floor.venue.available_balance() + moved < Money::ZERO;
    if !short {
        floor
            .venue
            .move_money(now, moved, reason, &mut floor.outputs);
    }
    let wallet = floor.venue.account().wallet;
    exchange.select(selected);
    if short {
        return (StatusCode::BAD_REQUEST, "not so much is available\n").into_response();
    }
    if !exchange.keep() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    exchange.send_private(now);
    Json(json!({ "wallet_usdt": decimal(wallet.0, 8) })).into_response()
}
