//! How the account is set up: position mode, margin type, leverage.
//!
//! In: what is wanted; bodies of answers. Out: signed calls, plain values. Never: a judgement; a
//! refusal to change what is so already is found by reading again.

use super::RestError;
use super::call::{Call, Method};
use crate::orders::Stamp;
use crate::params::Params;
use crate::sign::Credentials;
use market::{Instrument, InstrumentId, Instruments, Market};
use serde::Deserialize;

/// Cross or isolated margin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarginType {
    /// The whole wallet stands behind a position.
    Crossed,
    /// Only what was put aside for it.
    Isolated,
}

/// How one symbol is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SymbolConfig {
    /// Which instrument.
    pub instrument: InstrumentId,
    /// Its margin type.
    pub margin_type: MarginType,
    /// Its leverage.
    pub leverage: u32,
}

/// Is the account in hedge mode?
#[must_use]
pub fn position_mode(credentials: &Credentials, stamp: Stamp) -> Call {
    let path = "/fapi/v1/positionSide/dual";
    Call::signed(Method::Get, path, 30, Params::new(), credentials, stamp)
}

/// One-way mode, for all symbols.
#[must_use]
pub fn set_one_way(credentials: &Credentials, stamp: Stamp) -> Call {
    let mut params = Params::new();
    params.text("dualSidePosition", b"false");
    let path = "/fapi/v1/positionSide/dual";
    Call::signed(Method::Post, path, 1, params, credentials, stamp)
}

/// Margin type and leverage of all symbols.
#[must_use]
pub fn symbol_config(credentials: &Credentials, stamp: Stamp) -> Call {
    let path = "/fapi/v1/symbolConfig";
    Call::signed(Method::Get, path, 5, Params::new(), credentials, stamp)
}

/// Changes the margin type of a symbol.
#[must_use]
pub fn set_margin_type(
    instrument: &Instrument,
    margin_type: MarginType,
    credentials: &Credentials,
    stamp: Stamp,
) -> Call {
    let mut params = Params::new();
    params.text("symbol", instrument.symbol.as_bytes());
    params.text(
        "marginType",
        match margin_type {
            MarginType::Crossed => b"CROSSED",
            MarginType::Isolated => b"ISOLATED",
        },
    );
    let path = "/fapi/v1/marginType";
    Call::signed(Method::Post, path, 1, params, credentials, stamp)
}

/// Changes the leverage of a symbol.
#[must_use]
pub fn set_leverage(
    instrument: &Instrument,
    leverage: u32,
    credentials: &Credentials,
    stamp: Stamp,
) -> Call {
    let mut params = Params::new();
    params.text("symbol", instrument.symbol.as_bytes());
    params.integer("leverage", i64::from(leverage));
    let path = "/fapi/v1/leverage";
    Call::signed(Method::Post, path, 1, params, credentials, stamp)
}

/// Reads `GET /fapi/v1/positionSide/dual`: true in hedge mode.
///
/// # Errors
/// [`RestError`].
pub fn parse_position_mode(body: &[u8]) -> Result<bool, RestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        dual_side_position: bool,
    }
    Ok(serde_json::from_slice::<Written>(body)?.dual_side_position)
}

/// Reads `GET /fapi/v1/symbolConfig` and keeps the instruments of the table.
///
/// # Errors
/// [`RestError`].
pub fn parse_symbol_config(
    body: &[u8],
    instruments: &Instruments<'_>,
) -> Result<Vec<SymbolConfig>, RestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        symbol: String,
        margin_type: String,
        leverage: u32,
    }
    let written: Vec<Written> = serde_json::from_slice(body)?;
    let mut all = Vec::new();
    for one in &written {
        let Some(instrument) = instruments.find(Market::UsdM, one.symbol.as_bytes()) else {
            continue;
        };
        let margin_type = match one.margin_type.to_ascii_uppercase().as_str() {
            "CROSSED" | "CROSS" => MarginType::Crossed,
            "ISOLATED" => MarginType::Isolated,
            other => return Err(super::bad_value("marginType", other)),
        };
        all.push(SymbolConfig {
            instrument: instrument.id,
            margin_type,
            leverage: one.leverage,
        });
    }
    Ok(all)
}
