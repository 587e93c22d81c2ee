//! Income: every movement of the futures wallet, as the exchange lists it.
//!
//! In: since when, the page; bodies. Out: a call; reports, oldest first. Never: an entry left out
//! because its kind or its symbol is not known here.

use super::account::signed_money;
use super::call::{Call, Method};
use super::{RestError, bad_value};
use crate::orders::Stamp;
use crate::params::Params;
use crate::sign::Credentials;
use market::ids::Asset;
use market::{IncomeKind, IncomeReport, Symbol, TradeId, UtcMs};
use serde::Deserialize;

/// Entries of a page, the most that the exchange gives.
pub const INCOME_PAGE: usize = 1_000;

/// What one page costs.
const INCOME_WEIGHT: u32 = 30;

/// One page of the income of futures since `since`, oldest first; the first page is 1.
#[must_use]
pub fn income(since: UtcMs, page: u32, credentials: &Credentials, stamp: Stamp) -> Call {
    let mut params = Params::new();
    params.integer("startTime", since.0);
    params.integer("limit", INCOME_PAGE as i64);
    params.integer("page", i64::from(page));
    let path = "/fapi/v1/income";
    Call::signed(Method::Get, path, INCOME_WEIGHT, params, credentials, stamp)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(default)]
    symbol: String,
    income_type: String,
    income: String,
    asset: String,
    time: i64,
    tran_id: u64,
    #[serde(default)]
    trade_id: String,
}

/// Reads `GET /fapi/v1/income`.
///
/// # Errors
/// [`RestError`].
pub fn parse_income(body: &[u8]) -> Result<Vec<IncomeReport>, RestError> {
    let written: Vec<Written> = serde_json::from_slice(body)?;
    let report = |one: &Written| {
        let asset = Asset::new(one.asset.as_bytes());
        let trade_id = match one.trade_id.as_str() {
            "" => 0,
            text => text
                .parse()
                .map_err(|_| bad_value("tradeId", &one.trade_id))?,
        };
        Ok(IncomeReport {
            kind: IncomeKind::from_word(&one.income_type).unwrap_or(IncomeKind::Other),
            symbol: Symbol::new(one.symbol.as_bytes()).filter(|one| !one.as_bytes().is_empty()),
            asset: asset.ok_or_else(|| bad_value("asset", &one.asset))?,
            amount: signed_money("income", &one.income)?,
            time: UtcMs(one.time),
            transaction_id: one.tran_id,
            trade_id: TradeId(trade_id),
        })
    };
    written.iter().map(report).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::Money;

    #[test]
    fn what_the_documentation_shows_is_read() {
        let body = br#"[{"symbol":"","incomeType":"TRANSFER","income":"-0.37500000","asset":"USDT","info":"TRANSFER","time":1570608000000,"tranId":9689322392,"tradeId":""},{"symbol":"BTCUSDT","incomeType":"COMMISSION","income":"-0.01000000","asset":"USDT","info":"COMMISSION","time":1570636800000,"tranId":9689322392,"tradeId":"2059192"},{"symbol":"BTCUSDT","incomeType":"A_NEW_ONE","income":"2","asset":"BNB","info":"","time":1570636800001,"tranId":7}]"#;
        let told = parse_income(body).unwrap();
        let shown: Vec<_> = told
            .iter()
            .map(|one| (one.kind, one.amount, one.transaction_id, one.trade_id.0))
            .collect();
        let expected = [
            (IncomeKind::Transfer, Money(-37_500_000), 9_689_322_392, 0),
            (
                IncomeKind::Commission,
                Money(-1_000_000),
                9_689_322_392,
                2_059_192,
            ),
            (IncomeKind::Other, Money(200_000_000), 7, 0),
        ];
        assert_eq!(shown, expected);
        assert_eq!((told[0].symbol, told[1].symbol.is_some()), (None, true));
        assert!(parse_income(b"{}").is_err());
    }
}
