//! What a key may and how its account is kept: what a person asks before trading.
//!
//! In: credentials; bodies of answers. Out: calls, plain values. Never: a right that the exchange did not
//! name; what is missing in an answer makes it none.

use super::RestError;
use super::call::{Call, Method};
use crate::orders::Stamp;
use crate::params::Params;
use crate::sign::Credentials;
use market::{Instrument, Market};
use serde::Deserialize;

/// What a key may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRights {
    /// Look at the account.
    pub reading: bool,
    /// Place orders on spot.
    pub spot: bool,
    /// Place orders on futures.
    pub futures: bool,
    /// Withdraw to anywhere.
    pub withdrawals: bool,
    /// Move money to other accounts of the exchange.
    pub transfers: bool,
    /// Only from addresses of a list.
    pub ip_restricted: bool,
}

/// Is anybody there?
#[must_use]
pub fn ping(market: Market) -> Call {
    let path = match market {
        Market::UsdM => "/fapi/v1/ping",
        Market::Spot => "/api/v3/ping",
    };
    Call::new(Method::Get, path, 1, &Params::new())
}

/// Best prices of one instrument.
#[must_use]
pub fn best_prices(instrument: &Instrument) -> Call {
    let path = match instrument.market {
        Market::UsdM => "/fapi/v1/ticker/bookTicker",
        Market::Spot => "/api/v3/ticker/bookTicker",
    };
    let mut params = Params::new();
    params.text("symbol", instrument.symbol.as_bytes());
    Call::new(Method::Get, path, 2, &params)
}

/// What the key may. It lies at spot's host, for keys of futures, too.
#[must_use]
pub fn key_rights(credentials: &Credentials, stamp: Stamp) -> Call {
    let path = "/sapi/v1/account/apiRestrictions";
    Call::signed(Method::Get, path, 1, Params::new(), credentials, stamp)
}

/// Do all assets of the futures wallet margin together?
#[must_use]
pub fn multi_assets(credentials: &Credentials, stamp: Stamp) -> Call {
    let path = "/fapi/v1/multiAssetsMargin";
    Call::signed(Method::Get, path, 30, Params::new(), credentials, stamp)
}

/// Reads `GET /sapi/v1/account/apiRestrictions`.
///
/// # Errors
/// [`RestError`].
pub fn parse_key_rights(body: &[u8]) -> Result<KeyRights, RestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        ip_restrict: bool,
        enable_reading: bool,
        enable_withdrawals: bool,
        #[serde(default)]
        enable_internal_transfer: bool,
        #[serde(default)]
        permits_universal_transfer: bool,
        enable_futures: bool,
        enable_spot_and_margin_trading: bool,
    }
    let written: Written = serde_json::from_slice(body)?;
    Ok(KeyRights {
        reading: written.enable_reading,
        spot: written.enable_spot_and_margin_trading,
        futures: written.enable_futures,
        withdrawals: written.enable_withdrawals,
        transfers: written.enable_internal_transfer || written.permits_universal_transfer,
        ip_restricted: written.ip_restrict,
    })
}

/// Reads `GET /fapi/v1/multiAssetsMargin`.
///
/// # Errors
/// [`RestError`].
pub fn parse_multi_assets(body: &[u8]) -> Result<bool, RestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        multi_assets_margin: bool,
    }
    Ok(serde_json::from_slice::<Written>(body)?.multi_assets_margin)
}

/// Reads `GET …/ticker/bookTicker` of one instrument: best bid and ask as they are written.
///
/// # Errors
/// [`RestError`].
pub fn parse_best_prices(body: &[u8]) -> Result<(String, String), RestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        bid_price: String,
        ask_price: String,
    }
    let written: Written = serde_json::from_slice(body)?;
    Ok((written.bid_price, written.ask_price))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_that_is_not_told_is_none_and_one_that_must_be_is_missed() {
        let told = br#"{"ipRestrict":false,"createTime":1623840271000,"enableReading":true,
            "enableWithdrawals":true,"enableInternalTransfer":true,"enableMargin":false,
            "enableFutures":true,"permitsUniversalTransfer":false,"enableVanillaOptions":false,
            "enableSpotAndMarginTrading":false,"enablePortfolioMarginTrading":true}"#;
        let wanted = KeyRights {
            reading: true,
            spot: false,
            futures: true,
            withdrawals: true,
            transfers: true,
            ip_restricted: false,
        };
        assert_eq!(parse_key_rights(told), Ok(wanted));
        assert!(parse_key_rights(br#"{"ipRestrict":true}"#).is_err());
    }

    #[test]
    fn best_prices_and_the_mode_of_assets_are_read() {
        let body = br#"{"symbol":"BTCUSDT","bidPrice":"1.10","bidQty":"2","askPrice":"1.20","askQty":"3"}"#;
        let prices = ("1.10".to_string(), "1.20".to_string());
        assert_eq!(parse_best_prices(body), Ok(prices));
        assert_eq!(
            parse_multi_assets(br#"{"multiAssetsMargin":true}"#),
            Ok(true)
        );
        assert!(parse_multi_assets(b"[]").is_err());
    }
}
