//! How the futures account is set up, by request: leverage, margin type, position mode, isolated
//! margin, brackets, fee burn.
//!
//! In: a checked call. Out: the setting as the venue keeps it. Never: a setting that is answered
//! with success and not kept.

use binance::encode::JsonText;
use market::{Instrument, Money};
use matching::{BnbFees, MarginType, SettingRefusal};

use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::order_parse::position_side;
use crate::accounting::Notice;
use crate::user_events;

/// The answer to a setting that was made.
const SUCCESS: &[u8] = br#"{"code":200,"msg":"success"}"#;

/// What an account with fee burn has of BNB, and what one costs, where nobody said otherwise.
const BNB: BnbFees = BnbFees {
    balance: Money::from_whole(10),
    price: Money::from_whole(600),
};

fn refusal(refusal: SettingRefusal, what: &str) -> ApiError {
    let (code, message) = match (refusal, what) {
        (SettingRefusal::Unchanged, "margin") => (-4046, "No need to change margin type."),
        (SettingRefusal::Unchanged, _) => (-4059, "No need to change position side."),
        (SettingRefusal::OpenOrders, "margin") => (
            -4047,
            "Margin type cannot be changed if there exists open orders.",
        ),
        (SettingRefusal::OpenOrders, _) => (
            -4067,
            "Position side cannot be changed if there exists open orders.",
        ),
        (SettingRefusal::PositionExists, "margin") => (
            -4048,
            "Margin type cannot be changed if there exists position.",
        ),
        (SettingRefusal::PositionExists, _) => (
            -4068,
            "Position side cannot be changed if there exists position.",
        ),
        (SettingRefusal::LeverageInvalid, _) => {
            return ApiError::new(-4028, format!("Leverage {what} is not valid"));
        }
        (SettingRefusal::AboveNotionalCap, _) => (
            -2027,
            "Exceeded the maximum allowable position at current leverage.",
        ),
        (SettingRefusal::MarginInsufficient, _) => (
            -2028,
            "Leverage is smaller than permitted: insufficient margin balance.",
        ),
        (SettingRefusal::IsolatedPosition, _) => (
            -4161,
            "Leverage reduction is not supported in Isolated Margin Mode with open positions.",
        ),
        (SettingRefusal::NotIsolated, _) => {
            (-4049, "Add margin only support for isolated position.")
        }
        (SettingRefusal::NoPosition, _) => (-4054, "Cannot add position margin: position is 0."),
        (SettingRefusal::CrossInsufficient, _) => (-4050, "Cross balance insufficient."),
        (SettingRefusal::IsolatedInsufficient, _) => (-4051, "Isolated balance insufficient."),
        (SettingRefusal::AmountNotPositive, _) => (-4055, "Amount must be positive."),
    };
    ApiError::new(code, message)
}

/// `POST /fapi/v1/leverage`.
///
/// # Errors
/// -1102, -1121, -4028, -4161, -2027, -2028.
pub fn leverage(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let asked = call
        .params
        .integer("leverage")?
        .ok_or_else(|| ApiError::mandatory("leverage"))?;
    let venue = &mut call.exchange.usdm.venue;
    let most = venue
        .set_leverage(instrument.id, u32::try_from(asked).unwrap_or(0))
        .map_err(|error| refusal(error, &asked.to_string()))?;
    let (symbol, most) = (instrument.symbol, whole(most));
    call.exchange.tell_leverage(&instrument, asked, call.now);
    let text = format!(r#"{{"leverage":{asked},"maxNotionalValue":"{most}","symbol":"{symbol}"}}"#);
    Ok(text.into_bytes())
}

/// An amount without its fraction.
pub(super) fn whole(amount: Money) -> i64 {
    amount.0 / market::units::ONE
}

/// `POST /fapi/v1/marginType`.
///
/// # Errors
/// -1102, -1121, -4046, -4047, -4048.
pub fn margin_type(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let asked = match call.params.require("marginType")? {
        "CROSSED" | "CROSS" => MarginType::Cross,
        "ISOLATED" => MarginType::Isolated,
        _ => return Err(ApiError::invalid("marginType")),
    };
    if asked == MarginType::Isolated && call.exchange.usdm.standing.multi_assets {
        return Err(ApiError::new(
            -4168,
            "Unable to adjust to isolated-margin mode under the Multi-Assets mode.",
        ));
    }
    call.exchange
        .usdm
        .venue
        .set_margin_type(instrument.id, asked)
        .map_err(|error| refusal(error, "margin"))?;
    Ok(SUCCESS.to_vec())
}

/// `GET /fapi/v1/positionSide/dual`.
///
/// # Errors
/// Never.
pub fn position_mode(call: &mut Call<'_>) -> Answer {
    let dual = call.exchange.usdm.venue.account().dual_side;
    Ok(format!(r#"{{"dualSidePosition":{dual}}}"#).into_bytes())
}

/// `POST /fapi/v1/positionSide/dual`.
///
/// # Errors
/// -1102, -4059, -4067, -4068.
pub fn set_position_mode(call: &mut Call<'_>) -> Answer {
    let dual = boolean(call, "dualSidePosition")?;
    let floor = &mut call.exchange.usdm;
    if floor.venue.account().dual_side != dual && floor.conditional.open().next().is_some() {
        return Err(refusal(SettingRefusal::OpenOrders, "side"));
    }
    floor
        .venue
        .set_dual_side(dual)
        .map_err(|error| refusal(error, "side"))?;
    Ok(SUCCESS.to_vec())
}

fn boolean(call: &Call<'_>, name: &str) -> Result<bool, ApiError> {
    let word = call.params.require(name)?;
    match word.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ApiError::mandatory(name)),
    }
}

/// `GET /fapi/v1/multiAssetsMargin`.
///
/// # Errors
/// Never.
pub fn multi_assets(call: &mut Call<'_>) -> Answer {
    let on = call.exchange.usdm.standing.multi_assets;
    Ok(format!(r#"{{"multiAssetsMargin":{on}}}"#).into_bytes())
}

/// `POST /fapi/v1/multiAssetsMargin`. There is one margin asset, so that nothing else changes but
/// that isolated margin goes with single-asset margin only.
///
/// # Errors
/// -1102, -4171 where it is so already, -4167 with isolated symbols, -4067 with open orders, -4068
/// with positions.
pub fn set_multi_assets(call: &mut Call<'_>) -> Answer {
    let on = boolean(call, "multiAssetsMargin")?;
    let floor = &mut call.exchange.usdm;
    if floor.standing.multi_assets == on {
        return Err(ApiError::new(-4171, "No need to change multi-assets mode."));
    }
    let account = floor.venue.account();
    if on && account.margin_types.contains(&MarginType::Isolated) {
        return Err(ApiError::new(
            -4167,
            "Unable to adjust to Multi-Assets mode with symbols of USDⓈ-M Futures under \
             isolated-margin mode.",
        ));
    }
    floor.standing.multi_assets = on;
    floor.notices.push(Notice {
        account: floor.venue.selected(),
        text: user_events::multi_assets(on, call.now),
    });
    Ok(SUCCESS.to_vec())
}

/// `POST /fapi/v1/positionMargin`.
///
/// # Errors
/// -1102, -1121, -4049 to -4061.
pub fn position_margin(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let leg = position_side(call)?;
    let text = call.params.require("amount")?.to_owned();
    let amount = market::decimal::parse_decimal(text.as_bytes(), 8)
        .map_err(|_| ApiError::mandatory("amount"))?;
    let kind = call
        .params
        .integer("type")?
        .ok_or_else(|| ApiError::mandatory("type"))?;
    let signed = match kind {
        1 => Money(amount),
        2 => Money(-amount),
        _ => return Err(ApiError::invalid("type")),
    };
    let now = call.now;
    let floor = &mut call.exchange.usdm;
    floor
        .venue
        .move_margin(now, instrument.id, leg, signed, &mut floor.outputs)
        .map_err(|error| refusal(error, "isolated"))?;
    let text = format!(
        r#"{{"amount":{text},"code":200,"msg":"Successfully modify position margin.","type":{kind}}}"#
    );
    Ok(text.into_bytes())
}

/// `GET /fapi/v1/positionMargin/history`.
///
/// # Errors
/// -1102, -1121.
pub fn position_margin_history(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let kind = call.params.integer("type")?;
    let start = call.params.integer("startTime")?.unwrap_or(0);
    let end = call.params.integer("endTime")?.unwrap_or(i64::MAX);
    let most = call.params.integer("limit")?.unwrap_or(500).clamp(1, 500) as usize;
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    let moves = call.exchange.usdm.venue.margin_moves().rev();
    let asked = moves.filter(|one| {
        let added = if one.amount > Money::ZERO { 1 } else { 2 };
        one.instrument == instrument.id
            && kind.is_none_or(|kind| kind == added)
            && (start..=end).contains(&one.time.0)
    });
    for one in asked.take(most) {
        json.open();
        json.text("symbol", instrument.symbol.as_bytes());
        json.integer("type", if one.amount > Money::ZERO { 1 } else { 2 });
        json.text("deltaType", b"USER_ADJUST");
        json.decimal("amount", one.amount.0.abs(), 8);
        json.text("asset", b"USDT");
        json.integer("time", one.time.0);
        json.text("positionSide", one.position_side.as_str().as_bytes());
        json.close();
    }
    json.close_list();
    Ok(out)
}

/// `GET /fapi/v1/symbolConfig`.
///
/// # Errors
/// -1121.
pub fn symbol_config(call: &mut Call<'_>) -> Answer {
    each(call, |call, json, instrument| {
        let venue = &call.exchange.usdm.venue;
        let leverage = venue.account().leverage[usize::from(instrument.id.0)];
        let word: &[u8] = match venue.margin_type(instrument.id) {
            MarginType::Cross => b"CROSSED",
            MarginType::Isolated => b"ISOLATED",
        };
        json.text("marginType", word);
        json.boolean("isAutoAddMargin", false);
        json.integer("leverage", i64::from(leverage));
        let most = venue.brackets(instrument.id).notional_max(leverage);
        json.text("maxNotionalValue", whole(most).to_string().as_bytes());
    })
}

/// `GET /fapi/v1/leverageBracket`: a list, with a symbol too.
///
/// # Errors
/// -1121.
pub fn leverage_bracket(call: &mut Call<'_>) -> Answer {
    each(call, |call, json, instrument| {
        json.open_list("brackets");
        let brackets = call.exchange.usdm.venue.brackets(instrument.id);
        for (number, row) in brackets.rows().iter().enumerate() {
            json.open();
            json.integer("bracket", number as i64 + 1);
            json.integer("initialLeverage", i64::from(row.leverage));
            json.integer("notionalCap", whole(row.cap));
            json.integer("notionalFloor", whole(row.floor));
            number_member(json, "maintMarginRatio", row.rate.0);
            number_member(json, "cum", row.cumulative.0);
            json.close();
        }
        json.close_list();
    })
}

/// A decimal as a JSON number, which is how the exchange writes brackets.
fn number_member(json: &mut JsonText<'_>, name: &str, value_e8: i64) {
    let mut buffer = [0; market::decimal::TEXT_MAX];
    let text = market::decimal::write_decimal(value_e8, 8, &mut buffer);
    let text = std::str::from_utf8(text).expect("digits");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    json.raw(name, short.as_bytes());
}

fn each(call: &Call<'_>, write: impl Fn(&Call<'_>, &mut JsonText<'_>, &Instrument)) -> Answer {
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for instrument in call.instruments()? {
        json.open();
        json.text("symbol", instrument.symbol.as_bytes());
        write(call, &mut json, &instrument);
        json.close();
    }
    json.close_list();
    Ok(out)
}

/// `GET /fapi/v1/accountConfig`.
///
/// # Errors
/// Never.
pub fn account_config(call: &mut Call<'_>) -> Answer {
    let account = call.exchange.usdm.venue.account();
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open();
    json.integer("feeTier", i64::from(account.fee_tier));
    for name in ["canTrade", "canDeposit", "canWithdraw"] {
        json.boolean(name, true);
    }
    json.boolean("dualSidePosition", account.dual_side);
    json.integer("updateTime", 0);
    json.boolean(
        "multiAssetsMargin",
        call.exchange.usdm.standing.multi_assets,
    );
    json.integer("tradeGroupId", -1);
    json.close();
    Ok(out)
}

/// `GET /fapi/v1/feeBurn`.
///
/// # Errors
/// Never.
pub fn fee_burn(call: &mut Call<'_>) -> Answer {
    let burns = call.exchange.usdm.venue.account().bnb.is_some();
    Ok(format!(r#"{{"feeBurn":{burns}}}"#).into_bytes())
}

/// `POST /fapi/v1/feeBurn`: fees in BNB from a balance that is there for it, or not.
///
/// # Errors
/// -1102.
pub fn set_fee_burn(call: &mut Call<'_>) -> Answer {
    let burns = boolean(call, "feeBurn")?;
    let venue = &mut call.exchange.usdm.venue;
    let balance = venue.account().bnb.unwrap_or(BNB);
    venue.set_bnb_fees(burns.then_some(balance));
    Ok(SUCCESS.to_vec())
}

/// `GET /fapi/v1/commissionRate`.
///
/// # Errors
/// -1102, -1121.
pub fn commission_rate(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let fees = call.exchange.usdm.venue.account().fees;
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open();
    json.text("symbol", instrument.symbol.as_bytes());
    json.short_decimal("makerCommissionRate", fees.maker.0, 8);
    json.short_decimal("takerCommissionRate", fees.taker.0, 8);
    json.text("rpiCommissionRate", b"0.00005");
    json.close();
    Ok(out)
}
