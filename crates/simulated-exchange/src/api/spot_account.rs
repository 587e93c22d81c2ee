//! The spot account by request, and its user data subscription on the WebSocket API.
//!
//! In: a checked call. Out: balances, fills, subscriptions. Never: futures' words.

use binance::encode::JsonText;

use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::exchange_info::base_asset;

/// `GET /api/v3/account`, `account.status`.
///
/// # Errors
/// Never.
pub fn account(call: &mut Call<'_>) -> Answer {
    let venue = &call.exchange.spot.venue;
    let fees = venue.account().fees;
    let omit = call
        .params
        .get("omitZeroBalances")
        .is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open();
    // Basis points, as spot has always written them.
    json.integer("makerCommission", fees.maker.0 / 10_000);
    json.integer("takerCommission", fees.taker.0 / 10_000);
    json.integer("buyerCommission", 0);
    json.integer("sellerCommission", 0);
    json.open_member("commissionRates");
    json.decimal("maker", fees.maker.0, 8);
    json.decimal("taker", fees.taker.0, 8);
    json.text("buyer", b"0.00000000");
    json.text("seller", b"0.00000000");
    json.close();
    for name in ["canTrade", "canWithdraw", "canDeposit"] {
        json.boolean(name, true);
    }
    for name in ["brokered", "requireSelfTradePrevention", "preventSor"] {
        json.boolean(name, false);
    }
    json.integer("updateTime", call.now.0);
    json.text("accountType", b"SPOT");
    json.open_list("balances");
    let bases = venue
        .instruments()
        .iter()
        .map(|instrument| (base_asset(instrument), venue.spot_base(instrument.id)));
    for (asset, balance) in std::iter::once(("USDT", venue.spot_quote())).chain(bases) {
        if omit && (balance.free + balance.locked).0 == 0 {
            continue;
        }
        json.open();
        json.text("asset", asset.as_bytes());
        json.decimal("free", balance.free.0, 8);
        json.decimal("locked", balance.locked.0, 8);
        json.close();
    }
    json.close_list();
    json.open_list("permissions").element(b"SPOT").close_list();
    json.integer("uid", 354_937_868);
    json.close();
    Ok(out)
}

/// `GET /api/v3/account/commission`, `account.commission`.
///
/// # Errors
/// -1102, -1121.
pub fn commission(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let fees = call.exchange.spot.venue.account().fees;
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open();
    json.text("symbol", instrument.symbol.as_bytes());
    for name in ["standardCommission", "specialCommission", "taxCommission"] {
        let standard = name == "standardCommission";
        json.open_member(name);
        json.decimal("maker", if standard { fees.maker.0 } else { 0 }, 8);
        json.decimal("taker", if standard { fees.taker.0 } else { 0 }, 8);
        json.decimal("buyer", 0, 8);
        json.decimal("seller", 0, 8);
        json.close();
    }
    bnb_discount(&mut json);
    json.close();
    Ok(out)
}

/// What fees in BNB would save; nobody here pays in it.
pub(super) fn bnb_discount(json: &mut JsonText<'_>) {
    json.open_member("discount");
    json.boolean("enabledForAccount", false);
    json.boolean("enabledForSymbol", false);
    json.text("discountAsset", b"BNB");
    json.text("discount", b"0.75000000");
    json.close();
}

/// `userDataStream.subscribe` and `….signature`: events come on the same connection.
///
/// # Errors
/// -2035 when this connection has a subscription; -1014 over REST.
pub fn subscribe(call: &mut Call<'_>) -> Answer {
    let connection = connection(call)?;
    let account = call.account();
    let id = call
        .exchange
        .spot_subscriptions
        .subscribe(connection, account)
        .ok_or_else(|| ApiError::new(-2035, "Account is already subscribed on this connection."))?;
    Ok(format!(r#"{{"subscriptionId":{id}}}"#).into_bytes())
}

/// `userDataStream.unsubscribe`.
///
/// # Errors
/// -2036 without a subscription.
pub fn unsubscribe(call: &mut Call<'_>) -> Answer {
    let connection = connection(call)?;
    if call.exchange.spot_subscriptions.forget(connection) {
        return Ok(b"{}".to_vec());
    }
    Err(ApiError::new(
        -2036,
        "User Data Stream subscription not active.",
    ))
}

/// `session.subscriptions`.
///
/// # Errors
/// -1014 over REST.
pub fn subscriptions(call: &mut Call<'_>) -> Answer {
    let connection = connection(call)?;
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for (_, id) in call
        .exchange
        .spot_subscriptions
        .iter()
        .filter(|(id, _)| *id == connection)
    {
        json.open();
        json.id("subscriptionId", id);
        json.close();
    }
    json.close_list();
    Ok(out)
}

fn connection(call: &Call<'_>) -> Result<crate::streams::hub::ConnectionId, ApiError> {
    call.connection
        .ok_or_else(|| ApiError::new(-1014, "Unsupported method."))
}
