//! The futures account by request: positions, balances, listen keys.
//!
//! In: a checked call. Out: the account as the venue keeps it. Never: a figure of its own; all
//! come from `matching`.

use binance::encode::JsonText;
use market::{Instrument, Money, Side};
use matching::{AccountTotals, MarginType, PositionSide};

use super::account_settings::whole;
use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::order_object::quantity;
use crate::streams::publisher::mark_detail;

/// Legs that the account's mode shows.
fn legs(call: &Call<'_>) -> &'static [PositionSide] {
    match call.exchange.usdm.venue.account().dual_side {
        false => &[PositionSide::Both],
        true => &[PositionSide::Long, PositionSide::Short],
    }
}

/// True where something is held or ordered.
fn is_active(call: &Call<'_>, instrument: &Instrument, leg: PositionSide) -> bool {
    let venue = &call.exchange.usdm.venue;
    let mut open = venue.open_orders(instrument.id);
    !venue.position(instrument.id, leg).quantity.is_zero()
        || open.any(|order| order.request.options.position_side == leg)
}

/// `GET /fapi/v3/positionRisk`: only what is held or ordered.
///
/// # Errors
/// -1121.
pub fn position_risk_v3(call: &mut Call<'_>) -> Answer {
    positions(call, false, |call, json, instrument, leg| {
        isolated(call, json, instrument, leg);
        json.text("marginAsset", b"USDT");
        margin_members(call, json, instrument, leg, true);
        json.integer("adl", 1);
        order_values(call, json, instrument, leg);
    })
}

/// `GET /fapi/v2/positionRisk`: every symbol.
///
/// # Errors
/// -1121.
pub fn position_risk_v2(call: &mut Call<'_>) -> Answer {
    positions(call, true, |call, json, instrument, leg| {
        let venue = &call.exchange.usdm.venue;
        let leverage = leverage_of(call, instrument);
        json.text("leverage", leverage.to_string().as_bytes());
        let most = venue.brackets(instrument.id).notional_max(leverage);
        json.text("maxNotionalValue", whole(most).to_string().as_bytes());
        let word: &[u8] = match venue.margin_type(instrument.id) {
            MarginType::Cross => b"cross",
            MarginType::Isolated => b"isolated",
        };
        json.text("marginType", word);
        json.text("isAutoAddMargin", b"false");
        isolated(call, json, instrument, leg);
    })
}

/// `isolatedMargin` (with the profit in it), `notional`, `isolatedWallet`.
fn isolated(call: &Call<'_>, json: &mut JsonText<'_>, instrument: &Instrument, leg: PositionSide) {
    let venue = &call.exchange.usdm.venue;
    let position = venue.position(instrument.id, leg);
    let profit = match venue.margin_type(instrument.id) {
        MarginType::Isolated => venue.unrealized_of(instrument.id, leg),
        MarginType::Cross => Money::ZERO,
    };
    json.decimal("isolatedMargin", (position.isolated + profit).0, 8);
    json.decimal("notional", venue.notional(instrument.id, leg).0, 8);
    match position.isolated {
        Money::ZERO => json.text("isolatedWallet", b"0"),
        some => json.decimal("isolatedWallet", some.0, 8),
    };
}

fn order_values(
    call: &Call<'_>,
    json: &mut JsonText<'_>,
    instrument: &Instrument,
    leg: PositionSide,
) {
    let venue = &call.exchange.usdm.venue;
    for (name, side) in [("bidNotional", Side::Buy), ("askNotional", Side::Sell)] {
        match venue.order_value(instrument.id, side, Some(leg)) {
            Money::ZERO => json.text(name, b"0"),
            some => json.decimal(name, some.0, 8),
        };
    }
}

/// Initial and maintenance margin of a leg.
fn margin_members(
    call: &Call<'_>,
    json: &mut JsonText<'_>,
    instrument: &Instrument,
    leg: PositionSide,
    parts: bool,
) {
    let venue = &call.exchange.usdm.venue;
    let id = instrument.id;
    let (initial, held) = (venue.margin_of(id, leg), venue.position_margin_of(id, leg));
    json.decimal("initialMargin", initial.0, 8);
    json.decimal("maintMargin", venue.maintenance_of(id, leg).0, 8);
    if parts {
        json.decimal("positionInitialMargin", held.0, 8);
        json.decimal("openOrderInitialMargin", (initial - held).0, 8);
    }
}

fn positions(
    call: &Call<'_>,
    all: bool,
    more: impl Fn(&Call<'_>, &mut JsonText<'_>, &Instrument, PositionSide),
) -> Answer {
    let venue = &call.exchange.usdm.venue;
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for instrument in &call.instruments()? {
        for leg in legs(call) {
            if !all && !is_active(call, instrument, *leg) {
                continue;
            }
            let position = venue.position(instrument.id, *leg);
            let mark = mark_detail(instrument, venue.mark(instrument.id), call.now);
            let profit = venue.unrealized_of(instrument.id, *leg);
            json.open();
            json.text("symbol", instrument.symbol.as_bytes());
            json.text("positionSide", leg.as_str().as_bytes());
            quantity(&mut json, "positionAmt", instrument, position.quantity);
            json.decimal("entryPrice", position.entry_price_e8(instrument), 8);
            json.decimal("breakEvenPrice", position.break_even_e8(instrument), 8);
            json.decimal("markPrice", mark.mark_e8, 8);
            json.decimal("unRealizedProfit", profit.0, 8);
            match venue.liquidation_price_e8(instrument.id, *leg) {
                0 => json.text("liquidationPrice", b"0"),
                price_e8 => json.decimal("liquidationPrice", price_e8, 8),
            };
            more(call, &mut json, instrument, *leg);
            json.integer("updateTime", position.updated.0);
            json.close();
        }
    }
    json.close_list();
    Ok(out)
}

/// `GET /fapi/v3/account`.
///
/// # Errors
/// Never.
pub fn account_v3(call: &mut Call<'_>) -> Answer {
    account(call, false)
}

/// `GET /fapi/v2/account`.
///
/// # Errors
/// Never.
pub fn account_v2(call: &mut Call<'_>) -> Answer {
    account(call, true)
}

fn account(call: &Call<'_>, old: bool) -> Answer {
    let venue = &call.exchange.usdm.venue;
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open();
    if old {
        json.integer("feeTier", i64::from(venue.account().fee_tier));
        json.boolean("feeBurn", venue.account().bnb.is_some());
        for name in ["canTrade", "canDeposit", "canWithdraw"] {
            json.boolean(name, true);
        }
        let multi_assets = call.exchange.usdm.standing.multi_assets;
        json.boolean("multiAssetsMargin", multi_assets);
        json.integer("tradeGroupId", -1);
        json.integer("updateTime", 0);
    }
    let total = venue.totals_of_account();
    json.decimal("totalInitialMargin", total.initial.0, 8);
    json.decimal("totalMaintMargin", total.maintenance.0, 8);
    json.decimal("totalWalletBalance", total.wallet.0, 8);
    json.decimal("totalUnrealizedProfit", total.unrealized.0, 8);
    json.decimal("totalMarginBalance", total.margin_balance().0, 8);
    json.decimal("totalPositionInitialMargin", total.position.0, 8);
    json.decimal("totalOpenOrderInitialMargin", total.open_orders().0, 8);
    json.decimal("totalCrossWalletBalance", total.cross_wallet.0, 8);
    json.decimal("totalCrossUnPnl", total.cross_unrealized.0, 8);
    json.decimal("availableBalance", total.available.0, 8);
    json.decimal("maxWithdrawAmount", total.withdrawable().0, 8);
    json.open_list("assets");
    for (name, sums) in assets(call) {
        asset(&mut json, name, &sums, call.now.0, old);
    }
    json.close_list();
    json.open_list("positions");
    let shown = match (old, venue.account().dual_side) {
        // The old form shows every leg that a position can have.
        (true, true) => &PositionSide::ALL,
        _ => legs(call),
    };
    for instrument in venue.instruments() {
        for leg in shown {
            if old || is_active(call, instrument, *leg) {
                account_position(call, &mut json, instrument, *leg, old);
            }
        }
    }
    json.close_list();
    json.close();
    Ok(out)
}

/// The margin asset, and BNB where fees are paid with it.
fn assets(call: &Call<'_>) -> Vec<(&'static str, AccountTotals)> {
    let venue = &call.exchange.usdm.venue;
    let mut all = vec![("USDT", venue.totals_of_account())];
    if let Some(bnb) = venue.account().bnb {
        let alone = AccountTotals {
            wallet: bnb.balance,
            cross_wallet: bnb.balance,
            available: bnb.balance,
            ..AccountTotals::default()
        };
        all.push(("BNB", alone));
    }
    all
}

fn asset(json: &mut JsonText<'_>, name: &str, total: &AccountTotals, now: i64, old: bool) {
    json.open();
    json.text("asset", name.as_bytes());
    json.decimal("walletBalance", total.wallet.0, 8);
    json.decimal("unrealizedProfit", total.unrealized.0, 8);
    json.decimal("marginBalance", total.margin_balance().0, 8);
    json.decimal("maintMargin", total.maintenance.0, 8);
    json.decimal("initialMargin", total.initial.0, 8);
    json.decimal("positionInitialMargin", total.position.0, 8);
    json.decimal("openOrderInitialMargin", total.open_orders().0, 8);
    json.decimal("crossWalletBalance", total.cross_wallet.0, 8);
    json.decimal("crossUnPnl", total.cross_unrealized.0, 8);
    json.decimal("availableBalance", total.available.0, 8);
    json.decimal("maxWithdrawAmount", total.withdrawable().0, 8);
    if old {
        json.boolean("marginAvailable", true);
    }
    json.integer("updateTime", now);
    json.close();
}

fn account_position(
    call: &Call<'_>,
    json: &mut JsonText<'_>,
    instrument: &Instrument,
    leg: PositionSide,
    old: bool,
) {
    let venue = &call.exchange.usdm.venue;
    let position = venue.position(instrument.id, leg);
    json.open();
    json.text("symbol", instrument.symbol.as_bytes());
    json.text("positionSide", leg.as_str().as_bytes());
    quantity(json, "positionAmt", instrument, position.quantity);
    let profit = venue.unrealized_of(instrument.id, leg);
    json.decimal("unrealizedProfit", profit.0, 8);
    isolated(call, json, instrument, leg);
    margin_members(call, json, instrument, leg, old);
    if old {
        let leverage = leverage_of(call, instrument);
        json.text("leverage", leverage.to_string().as_bytes());
        let alone = venue.margin_type(instrument.id) == MarginType::Isolated;
        json.boolean("isolated", alone);
        json.decimal("entryPrice", position.entry_price_e8(instrument), 8);
        json.decimal("breakEvenPrice", position.break_even_e8(instrument), 8);
        let most = venue.brackets(instrument.id).notional_max(leverage);
        json.text("maxNotional", whole(most).to_string().as_bytes());
        order_values(call, json, instrument, leg);
    }
    json.integer("updateTime", position.updated.0);
    json.close();
}

/// `GET /fapi/v3/balance`, `GET /fapi/v2/balance`.
///
/// # Errors
/// Never.
pub fn balance(call: &mut Call<'_>) -> Answer {
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    let alias = format!("SimA{}", call.account().0);
    json.open_array();
    for (name, sums) in assets(call) {
        json.open();
        json.text("accountAlias", alias.as_bytes());
        json.text("asset", name.as_bytes());
        json.decimal("balance", sums.wallet.0, 8);
        json.decimal("crossWalletBalance", sums.cross_wallet.0, 8);
        json.decimal("crossUnPnl", sums.cross_unrealized.0, 8);
        json.decimal("availableBalance", sums.available.0, 8);
        json.decimal("maxWithdrawAmount", sums.withdrawable().0, 8);
        json.boolean("marginAvailable", true);
        json.integer("updateTime", call.now.0);
        json.close();
    }
    json.close_list();
    Ok(out)
}

/// `GET /fapi/v1/adlQuantile`: nobody else is there, so nobody is deleveraged before us.
///
/// # Errors
/// -1121.
pub fn adl_quantile(call: &mut Call<'_>) -> Answer {
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for instrument in call.instruments()? {
        if !legs(call)
            .iter()
            .any(|leg| is_active(call, &instrument, *leg))
        {
            continue;
        }
        json.open();
        json.text("symbol", instrument.symbol.as_bytes());
        json.open_member("adlQuantile");
        for leg in PositionSide::ALL {
            let held = call
                .exchange
                .usdm
                .venue
                .position(instrument.id, leg)
                .quantity;
            json.integer(leg.as_str(), i64::from(!held.is_zero()));
        }
        json.close();
        json.close();
    }
    json.close_list();
    Ok(out)
}

/// `GET …/rateLimit/order`.
///
/// # Errors
/// Never.
pub fn order_limits(call: &mut Call<'_>) -> Answer {
    let mut out = Vec::new();
    let (market, account, now) = (call.market, call.account(), call.now);
    let counted = (market == market::Market::Spot).then_some((account, now));
    let weights = call.exchange.weights_mut(market);
    weights.write_orders(&mut JsonText::new(&mut out), counted);
    Ok(out)
}

fn leverage_of(call: &Call<'_>, instrument: &Instrument) -> u32 {
    call.exchange.usdm.venue.account().leverage[usize::from(instrument.id.0)]
}

/// `POST /fapi/v1/listenKey`, `userDataStream.start`.
///
/// # Errors
/// Never.
pub fn listen_key_create(call: &mut Call<'_>) -> Answer {
    let account = call.account();
    let key = call.exchange.listen_keys.create(account, call.now);
    Ok(format!(r#"{{"listenKey":"{key}"}}"#).into_bytes())
}

/// `PUT /fapi/v1/listenKey`, `userDataStream.ping`.
///
/// # Errors
/// -1125.
pub fn listen_key_renew(call: &mut Call<'_>) -> Answer {
    let account = call.account();
    let key = call
        .exchange
        .listen_keys
        .renew(account, call.now)
        .ok_or_else(|| {
            ApiError::new(
                -1125,
                "This listenKey does not exist. Please use `POST /fapi/v1/listenKey` to recreate \
             `listenKey`",
            )
        })?;
    Ok(format!(r#"{{"listenKey":"{key}"}}"#).into_bytes())
}

/// `DELETE /fapi/v1/listenKey`, `userDataStream.stop`.
///
/// # Errors
/// Never.
pub fn listen_key_close(call: &mut Call<'_>) -> Answer {
    let account = call.account();
    call.exchange.expire_listen_key_of(account, call.now);
    Ok(b"{}".to_vec())
}
