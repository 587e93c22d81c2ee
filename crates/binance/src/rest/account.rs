//! Account, positions, balances, listenKey.
//!
//! In: bodies. Out: venue-neutral reports. Never: a hedge-mode leg taken for a one-way position;
//! it is counted.

use super::order::money;
use super::{RestError, bad_value};
use market::ids::Asset;
use market::{
    BalanceReport, Instrument, Instruments, LiquidationReport, MarginReport, Market, Money,
    PositionReport, Quantity, UtcMs, parse_signed_decimal,
};
use serde::Deserialize;

/// Positions of the instruments in the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// One-way positions, flat ones too where the exchange lists them.
    pub positions: Vec<PositionReport>,
    /// Positions that are not flat on symbols outside of the table.
    pub other_symbols: usize,
    /// Legs of hedge mode that are not flat; Fulcrum trades one-way only.
    pub hedge_legs: usize,
    /// Maintenance margin of all positions, those outside of the table too.
    pub maintenance: Money,
    /// Liquidation prices of the positions in the table, where they are told.
    pub liquidations: Vec<LiquidationReport>,
}

/// Balances; those whose names are too long for us are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balances {
    /// One an asset.
    pub balances: Vec<BalanceReport>,
    /// One an asset; futures positions have their maintenance margin elsewhere.
    pub margins: Vec<MarginReport>,
}

/// What `GET …/account` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    /// Balances.
    pub balances: Balances,
    /// Positions; futures only.
    pub positions: Positions,
    /// Margin that is free for new orders; futures only.
    pub available: Money,
}

/// Reads `GET /fapi/v3/positionRisk`.
///
/// # Errors
/// [`RestError`].
pub fn parse_positions(body: &[u8], instruments: &Instruments<'_>) -> Result<Positions, RestError> {
    let written: Vec<WrittenPosition> = serde_json::from_slice(body)?;
    positions(&written, instruments)
}

/// Reads `GET /fapi/v3/balance`.
///
/// # Errors
/// [`RestError`].
pub fn parse_balances(body: &[u8]) -> Result<Balances, RestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        asset: String,
        balance: String,
        cross_un_pnl: Option<String>,
        available_balance: Option<String>,
        #[serde(default)]
        update_time: i64,
    }
    let written: Vec<Written> = serde_json::from_slice(body)?;
    let mut all = Balances::default();
    for one in &written {
        let wallet = money("balance", &one.balance)?;
        all.add(&one.asset, wallet, one.update_time);
        if let (Some(gain), Some(available)) = (&one.cross_un_pnl, &one.available_balance) {
            let gain = signed_money("crossUnPnl", gain)?;
            let balance = Money(wallet.0.saturating_add(gain.0));
            let available = signed_money("availableBalance", available)?;
            all.add_margin(Market::UsdM, &one.asset, available, balance);
        }
    }
    Ok(all)
}

/// Reads `GET /fapi/v3/account` or `GET /api/v3/account`.
///
/// # Errors
/// [`RestError`].
pub fn parse_account(
    body: &[u8],
    instruments: &Instruments<'_>,
    market: Market,
) -> Result<AccountState, RestError> {
    match market {
        Market::UsdM => usdm_account(body, instruments),
        Market::Spot => spot_account(body),
    }
}

/// Reads the answer to POST or PUT of the listenKey; `{}` of an old server is no key.
///
/// # Errors
/// [`RestError`].
pub fn parse_listen_key(body: &[u8]) -> Result<String, RestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        listen_key: String,
    }
    let key = serde_json::from_slice::<Written>(body)?.listen_key;
    // It goes into a path: nothing but letters and digits.
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(bad_value("listenKey", "(not shown)"));
    }
    Ok(key)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenPosition {
    symbol: String,
    position_side: String,
    position_amt: String,
    entry_price: Option<String>,
    maint_margin: Option<String>,
    liquidation_price: Option<String>,
    #[serde(default)]
    update_time: i64,
}

fn usdm_account(body: &[u8], instruments: &Instruments<'_>) -> Result<AccountState, RestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct WrittenAsset {
        asset: String,
        wallet_balance: String,
        #[serde(default)]
        update_time: i64,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        available_balance: String,
        assets: Vec<WrittenAsset>,
        positions: Vec<WrittenPosition>,
    }
    let written: Written = serde_json::from_slice(body)?;
    let mut balances = Balances::default();
    for one in &written.assets {
        let wallet = money("walletBalance", &one.wallet_balance)?;
        balances.add(&one.asset, wallet, one.update_time);
    }
    Ok(AccountState {
        balances,
        positions: positions(&written.positions, instruments)?,
        available: money("availableBalance", &written.available_balance)?,
    })
}

fn spot_account(body: &[u8]) -> Result<AccountState, RestError> {
    #[derive(Deserialize)]
    struct WrittenBalance {
        asset: String,
        free: String,
        locked: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        #[serde(default)]
        update_time: i64,
        balances: Vec<WrittenBalance>,
    }
    let written: Written = serde_json::from_slice(body)?;
    let mut state = AccountState::default();
    for one in &written.balances {
        let free = money("free", &one.free)?;
        let locked = money("locked", &one.locked)?;
        let wallet = free
            .0
            .checked_add(locked.0)
            .ok_or_else(|| bad_value("locked", &one.locked))?;
        state
            .balances
            .add(&one.asset, Money(wallet), written.update_time);
        state
            .balances
            .add_margin(Market::Spot, &one.asset, free, Money(wallet));
    }
    Ok(state)
}

impl Balances {
    fn add_margin(&mut self, market: Market, asset: &str, available: Money, balance: Money) {
        if let Some(asset) = Asset::new(asset.as_bytes()) {
            self.margins.push(MarginReport {
                market,
                asset,
                available,
                balance,
                maintenance: Money::ZERO,
            });
        }
    }

    fn add(&mut self, asset: &str, wallet: Money, time: i64) {
        if let Some(asset) = Asset::new(asset.as_bytes()) {
            self.balances.push(BalanceReport {
                asset,
                wallet,
                event_time: UtcMs(time),
            });
        }
    }
}

fn positions(
    written: &[WrittenPosition],
    instruments: &Instruments<'_>,
) -> Result<Positions, RestError> {
    let mut all = Positions::default();
    for one in written {
        if let Some(margin) = &one.maint_margin {
            let margin = signed_money("maintMargin", margin)?;
            all.maintenance = Money(all.maintenance.0.saturating_add(margin.0));
        }
        let flat = one
            .position_amt
            .bytes()
            .all(|byte| matches!(byte, b'0' | b'.' | b'-'));
        let Some(instrument) = instruments.find(Market::UsdM, one.symbol.as_bytes()) else {
            all.other_symbols += usize::from(!flat);
            continue;
        };
        if one.position_side != "BOTH" {
            all.hedge_legs += usize::from(!flat);
            continue;
        }
        if let Some(price) = &one.liquidation_price {
            all.liquidations.push(LiquidationReport {
                instrument: instrument.id,
                price_e8: decimal_cut("liquidationPrice", price)?,
            });
        }
        all.positions.push(PositionReport {
            instrument: instrument.id,
            quantity: signed_quantity(&one.position_amt, instrument)?,
            entry_price_e8: match &one.entry_price {
                Some(text) => decimal_cut("entryPrice", text)?,
                None => 0,
            },
            update_time: UtcMs(one.update_time),
        });
    }
    Ok(all)
}

fn signed_quantity(text: &str, instrument: &Instrument) -> Result<Quantity, RestError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let quantity = instrument
        .quantity_from_text(digits.as_bytes())
        .map_err(|_| bad_value("positionAmt", text))?;
    Ok(if negative { -quantity } else { quantity })
}

/// An amount that may be negative, at 1e-8.
pub(super) fn signed_money(field: &'static str, text: &str) -> Result<Money, RestError> {
    decimal_cut(field, text).map(Money)
}

/// An average price at 1e-8; digits beyond are cut, since the exchange rounds averages itself.
fn decimal_cut(field: &'static str, text: &str) -> Result<i64, RestError> {
    let end = text
        .find('.')
        .map_or(text.len(), |dot| (dot + 9).min(text.len()));
    text.get(..end)
        .and_then(|kept| parse_signed_decimal(kept.as_bytes(), 8).ok())
        .ok_or_else(|| bad_value(field, text))
}
