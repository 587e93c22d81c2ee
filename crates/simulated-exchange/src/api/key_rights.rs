//! What an API key may: `GET /sapi/v1/account/apiRestrictions`, and the refusal of what it may not.
//!
//! In: rights as words, a checked call. Out: the answer in the dialect. Never: a right that is told and
//! not held to; nothing can be withdrawn here, so that this one is told alone.

use binance::encode::JsonText;
use market::Market;
use std::str::FromStr;

use super::endpoint::{Answer, Call, Endpoint};
use super::error::ApiError;

/// When every key was made, milliseconds UTC: 2025-01-01.
const CREATED_MS: i64 = 1_735_689_600_000;

/// What keys may; the same for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRights {
    /// Look at the account.
    pub reading: bool,
    /// Place orders on spot.
    pub spot: bool,
    /// Place orders on futures.
    pub futures: bool,
    /// Withdraw.
    pub withdrawals: bool,
    /// Only from addresses of a list.
    pub ip_restricted: bool,
}

impl Default for KeyRights {
    fn default() -> Self {
        Self {
            reading: true,
            spot: true,
            futures: true,
            withdrawals: false,
            ip_restricted: true,
        }
    }
}

impl FromStr for KeyRights {
    type Err = String;

    /// `reading+spot+futures+withdrawals+ip-restricted`, any of them; `none`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut rights = Self {
            reading: false,
            spot: false,
            futures: false,
            withdrawals: false,
            ip_restricted: false,
        };
        for word in text.split('+').filter(|_| text != "none") {
            let place = match word {
                "reading" => &mut rights.reading,
                "spot" => &mut rights.spot,
                "futures" => &mut rights.futures,
                "withdrawals" => &mut rights.withdrawals,
                "ip-restricted" => &mut rights.ip_restricted,
                _ => {
                    return Err(format!(
                        "`{word}`: allowed: reading, spot, futures, withdrawals, ip-restricted with \
                         + between, or none"
                    ));
                }
            };
            *place = true;
        }
        Ok(rights)
    }
}

impl KeyRights {
    /// Refuses what the key may not, as for an address that it may not come from.
    ///
    /// # Errors
    /// -2015.
    pub fn check(self, market: Market, endpoint: &Endpoint) -> Result<(), ApiError> {
        let may_trade = match market {
            Market::UsdM => self.futures,
            Market::Spot => self.spot,
        };
        if endpoint.orders == 0 || may_trade {
            return Ok(());
        }
        let message = "Invalid API-key, IP, or permissions for action.";
        Err(ApiError::new(-2015, message).with_status(401))
    }
}

/// `GET /sapi/v1/account/apiRestrictions`.
///
/// # Errors
/// Never.
pub fn restrictions(call: &mut Call<'_>) -> Answer {
    let rights = call.exchange.key_rights;
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open();
    json.boolean("ipRestrict", rights.ip_restricted);
    json.integer("createTime", CREATED_MS);
    json.boolean("enableReading", rights.reading);
    json.boolean("enableWithdrawals", rights.withdrawals);
    for name in [
        "enableInternalTransfer",
        "enableMargin",
        "permitsUniversalTransfer",
        "enableVanillaOptions",
        "enablePortfolioMarginTrading",
        "enableFixApiTrade",
        "enableFixReadOnly",
    ] {
        json.boolean(name, false);
    }
    json.boolean("enableFutures", rights.futures);
    json.boolean("enableSpotAndMarginTrading", rights.spot);
    json.close();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_word_by_word() {
        let read = |text: &str| text.parse::<KeyRights>();
        assert_eq!(
            read("reading+spot+futures+ip-restricted"),
            Ok(KeyRights::default())
        );
        let none = read("none").expect("no right at all");
        assert!(!none.reading && !none.futures && !none.ip_restricted);
        assert!(read("trading").is_err_and(|text| text.contains("withdrawals")));
        assert!(read("").is_err());
    }
}
