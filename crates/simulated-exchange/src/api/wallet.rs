//! The few calls of `/sapi` that clients of spot make on their own before they trade: system status,
//! coins, margin pairs, fees.
//!
//! In: a checked call. Out: what the simulated account truly has: its coins, its fees, no margin.
//! Never: a deposit, a withdrawal, a loan.

use binance::encode::JsonText;

use super::endpoint::{Answer, Call};
use super::exchange_info::base_asset;

/// `GET /sapi/v1/system/status`.
///
/// # Errors
/// Never.
pub fn status(_: &mut Call<'_>) -> Answer {
    Ok(br#"{"status":0,"msg":"normal"}"#.to_vec())
}

/// `GET /sapi/v1/margin/allPairs`, `…/margin/isolated/allPairs`: nothing is traded on margin.
///
/// # Errors
/// Never.
pub fn no_pairs(_: &mut Call<'_>) -> Answer {
    Ok(b"[]".to_vec())
}

/// `GET /sapi/v1/capital/config/getall`: the coins of the account. None has a network; they come and
/// go by the control API alone.
///
/// # Errors
/// Never.
pub fn coins(call: &mut Call<'_>) -> Answer {
    let venue = &call.exchange.spot.venue;
    let bases = venue
        .instruments()
        .iter()
        .map(|one| (base_asset(one), venue.spot_base(one.id)));
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for (coin, balance) in std::iter::once(("USDT", venue.spot_quote())).chain(bases) {
        json.open();
        json.text("coin", coin.as_bytes());
        json.text("name", coin.as_bytes());
        for name in ["depositAllEnable", "withdrawAllEnable", "isLegalMoney"] {
            json.boolean(name, false);
        }
        json.boolean("trading", true);
        json.decimal("free", balance.free.0, 8);
        json.decimal("locked", balance.locked.0, 8);
        for name in ["freeze", "withdrawing", "ipoing", "ipoable", "storage"] {
            json.text(name, b"0");
        }
        json.open_list("networkList").close_list();
        json.close();
    }
    json.close_list();
    Ok(out)
}

/// `GET /sapi/v1/asset/tradeFee`: the account's rates, the same for every symbol.
///
/// # Errors
/// -1121.
pub fn trade_fee(call: &mut Call<'_>) -> Answer {
    let instruments = call.instruments()?;
    let fees = call.exchange.spot.venue.account().fees;
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for instrument in instruments {
        json.open();
        json.text("symbol", instrument.symbol.as_bytes());
        json.short_decimal("makerCommission", fees.maker.0, 8);
        json.short_decimal("takerCommission", fees.taker.0, 8);
        json.close();
    }
    json.close_list();
    Ok(out)
}
