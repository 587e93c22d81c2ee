//! What a request says about an order: side, type, price, quantity, ids, modes.
//!
//! In: parameters. Out: an order on the instrument's grid, or the first rule that they break.
//! Never: a default where the exchange wants a parameter.

use market::instrument::NumberError;
use market::{
    ClientOrderId, DecimalError, Instrument, Market, OrderType, Price, Quantity, Side, TimeInForce,
    UtcMs,
};
use matching::{MarketView, OrderOptions, PRICE_MATCHES, PlaceOrder, PositionSide, SelfTrade};

use super::endpoint::Call;
use super::error::ApiError;

/// A good-till-date order lives longer than this.
const GOOD_TILL_MS_MIN: i64 = 600_000;
/// End of the times that are taken.
const GOOD_TILL_MAX: i64 = 253_402_300_799_000;

/// An order as requested.
///
/// # Errors
/// The first rule that a parameter breaks.
pub(super) fn parse_place(call: &Call<'_>) -> Result<PlaceOrder, ApiError> {
    if call.market == Market::Spot {
        return super::spot_parse::order(call);
    }
    let instrument = call.instrument()?;
    let side = side_of(call)?;
    let (order_type, time_in_force) = parse_type(call)?;
    let position_side = position_side(call)?;
    let (self_trade, good_till) = (self_trade(call)?, good_till(call)?);
    let price_match = price_match(call, order_type)?;
    let price = match (order_type, price_match) {
        (OrderType::Limit, "") => price_of(call, "price", &instrument)?,
        (OrderType::Limit, word) => matched_price(call, word, side, &instrument)?,
        _ => Price(0),
    };
    let quantity = quantity_of(call, &instrument)?;
    Ok(PlaceOrder {
        client_order_id: client_order_id(call, "newClientOrderId")?,
        instrument: instrument.id,
        side,
        order_type,
        time_in_force,
        price,
        quantity,
        reduce_only: reduce_only(call)?,
        options: OrderOptions {
            position_side,
            self_trade,
            good_till,
            price_match,
            ..OrderOptions::default()
        },
    })
}

/// `side`.
///
/// # Errors
/// -1102, -1117.
pub(super) fn side_of(call: &Call<'_>) -> Result<Side, ApiError> {
    Side::from_word(call.params.require("side")?)
        .ok_or_else(|| ApiError::new(-1117, "Invalid side."))
}

/// A parameter that is `true` or not; in any case.
pub(super) fn flag(call: &Call<'_>, name: &str) -> bool {
    let value = call.params.get(name);
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// `reduceOnly`; in the hedge mode it must not be sent.
pub(super) fn reduce_only(call: &Call<'_>) -> Result<bool, ApiError> {
    if is_dual(call) && call.params.get("reduceOnly").is_some() {
        return Err(ApiError::not_required("reduceonly"));
    }
    Ok(call.market == Market::UsdM && flag(call, "reduceOnly"))
}

fn is_dual(call: &Call<'_>) -> bool {
    call.market == Market::UsdM && call.exchange.usdm.venue.account().dual_side
}

fn parse_type(call: &Call<'_>) -> Result<(OrderType, TimeInForce), ApiError> {
    let word = call.params.require("type")?;
    match word {
        "MARKET" => {
            for name in ["timeInForce", "price"] {
                if call.params.get(name).is_some() {
                    return Err(ApiError::not_required(name));
                }
            }
            Ok((OrderType::Market, TimeInForce::GoodTillCancel))
        }
        "LIMIT" => {
            let word = call.params.require("timeInForce")?;
            let lifetime = lifetime_of(word, true)?;
            Ok((OrderType::Limit, lifetime))
        }
        "STOP" | "STOP_MARKET" | "TAKE_PROFIT" | "TAKE_PROFIT_MARKET" | "TRAILING_STOP_MARKET" => {
            Err(ApiError::new(
                -4120,
                "Order type not supported for this endpoint. Please use the Algo Order API \
                 endpoints instead.",
            ))
        }
        _ => Err(ApiError::new(-1116, "Invalid orderType.")),
    }
}

/// `timeInForce`; a good-till-date order is good till cancelled and has an end beside that.
pub(super) fn lifetime_of(word: &str, futures: bool) -> Result<TimeInForce, ApiError> {
    if futures && word == "GTD" {
        return Ok(TimeInForce::GoodTillCancel);
    }
    TimeInForce::from_word(word)
        .filter(|lifetime| futures || *lifetime != TimeInForce::PostOnly)
        .ok_or_else(|| ApiError::new(-1115, "Invalid timeInForce."))
}

/// `goodTillDate` of a good-till-date order, in whole seconds.
///
/// # Errors
/// -1102 without it, -5040 where it is too near or too far.
pub(super) fn good_till(call: &Call<'_>) -> Result<Option<UtcMs>, ApiError> {
    if call.market == Market::Spot || call.params.get("timeInForce") != Some("GTD") {
        return Ok(None);
    }
    let asked = call.params.integer("goodTillDate")?;
    let at = asked.ok_or_else(|| ApiError::mandatory("goodTillDate"))?;
    if at <= call.now.0 + GOOD_TILL_MS_MIN || at >= GOOD_TILL_MAX {
        return Err(ApiError::new(
            -5040,
            "The goodTillDate timestamp must be greater than the current time plus 600 seconds \
             and smaller than 253402300799000.",
        ));
    }
    Ok(Some(UtcMs(at / 1_000 * 1_000)))
}

/// `selfTradePreventionMode`; the documented default is to end the maker.
///
/// # Errors
/// -5039.
pub(super) fn self_trade(call: &Call<'_>) -> Result<SelfTrade, ApiError> {
    match call.params.get("selfTradePreventionMode") {
        None => Ok(SelfTrade::default()),
        Some(word) => SelfTrade::from_word(word).ok_or_else(|| match call.market {
            Market::UsdM => ApiError::new(-5039, "Invalid selfTradePreventionMode."),
            Market::Spot => ApiError::invalid("selfTradePreventionMode"),
        }),
    }
}

/// `positionSide` as the account's mode wants it.
///
/// # Errors
/// -4060 for no leg at all, -4061 for one of the other mode.
pub(super) fn position_side(call: &Call<'_>) -> Result<PositionSide, ApiError> {
    let word = call.params.get("positionSide").unwrap_or("BOTH");
    if call.market == Market::Spot {
        return Ok(PositionSide::Both);
    }
    let leg = PositionSide::from_word(word)
        .ok_or_else(|| ApiError::new(-4060, "Invalid position side."))?;
    if (leg != PositionSide::Both) != is_dual(call) {
        return Err(ApiError::new(
            -4061,
            "Order's position side does not match user's setting.",
        ));
    }
    Ok(leg)
}

/// `priceMatch`; empty where the price is the order's own.
pub(super) fn price_match(
    call: &Call<'_>,
    order_type: OrderType,
) -> Result<&'static str, ApiError> {
    let word = match call.params.get("priceMatch") {
        None | Some("NONE") => return Ok(""),
        Some(word) => word,
    };
    let known = PRICE_MATCHES.into_iter().find(|known| *known == word);
    let Some(word) = known else {
        return Err(ApiError::new(-5037, "Invalid price match"));
    };
    if order_type != OrderType::Limit {
        return Err(ApiError::new(
            -5038,
            "Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT",
        ));
    }
    if call.params.get("price").is_some() {
        return Err(ApiError::not_required("price"));
    }
    Ok(word)
}

/// The price of a level of the book as it is now.
pub(super) fn matched_price(
    call: &Call<'_>,
    word: &str,
    side: Side,
    instrument: &Instrument,
) -> Result<Price, ApiError> {
    let view = call.exchange.floor(call.market).venue.view(instrument.id);
    matched_level(view, word, side)
        .ok_or_else(|| ApiError::new(-5041, "No depth matches this BBO order"))
}

/// The price of the level that a word of [`PRICE_MATCHES`] names; `None` where the book ends before
/// it.
pub(crate) fn matched_level(view: &MarketView, word: &str, side: Side) -> Option<Price> {
    // `QUEUE` and `OPPONENT` are the first level, a number names another one.
    let (queue, level) = word.split_once('_').unwrap_or((word, "1"));
    let level: usize = level.parse().ok()?;
    let side = match queue {
        "OPPONENT" => side.opposite(),
        _ => side,
    };
    let found = view.levels(side).nth(level.checked_sub(1)?);
    found.map(|level| level.price)
}

/// The client's id: `^[\.A-Z\:/a-z0-9_-]{1,36}$`, or one of the exchange's making.
pub(super) fn client_order_id(call: &Call<'_>, name: &str) -> Result<ClientOrderId, ApiError> {
    let Some(text) = call.params.get(name) else {
        // Several of one request differ by what they are for.
        let made = format!("sim{:015x}{:08x}", call.now.0, call.exchange.requests);
        let kind: u32 = name.bytes().fold(0, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u32::from(byte))
        });
        let made = format!("{made}{:04x}", kind & 0xffff);
        return Ok(ClientOrderId::new(made.as_bytes()).expect("30 ASCII bytes"));
    };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".:/_-".contains(&byte);
    let illegal = || match call.market {
        Market::UsdM => ApiError::new(-4015, "Client order id is not valid."),
        Market::Spot => ApiError::new(
            -1100,
            format!(
                "Illegal characters found in parameter '{name}'; legal range is \
                 '^[\\.A-Z\\:/a-z0-9_-]{{1,36}}$'."
            ),
        ),
    };
    ClientOrderId::new(text.as_bytes())
        .filter(|_| text.bytes().all(legal))
        .ok_or_else(illegal)
}

pub(super) fn price_of(
    call: &Call<'_>,
    name: &str,
    instrument: &Instrument,
) -> Result<Price, ApiError> {
    let text = call.params.require(name)?;
    if too_precise(text, decimals_of(call, instrument.price_decimals)) {
        return Err(precision(call, name));
    }
    instrument
        .price_from_text(text.as_bytes())
        .map_err(|error| match error {
            NumberError::OffGrid if call.market == Market::Spot => {
                ApiError::new(-1013, "Filter failure: PRICE_FILTER")
            }
            NumberError::OffGrid => ApiError::new(-4014, "Price not increased by tick size."),
            NumberError::Decimal(DecimalError::Sign) if call.market == Market::Spot => {
                ApiError::illegal(name)
            }
            NumberError::Decimal(DecimalError::Sign) => ApiError::new(-4001, "Price less than 0."),
            NumberError::Decimal(_) => ApiError::mandatory(name),
        })
}

pub(super) fn quantity_of(call: &Call<'_>, instrument: &Instrument) -> Result<Quantity, ApiError> {
    quantity_named(call, "quantity", instrument)
}

pub(super) fn quantity_named(
    call: &Call<'_>,
    name: &str,
    instrument: &Instrument,
) -> Result<Quantity, ApiError> {
    let text = call.params.require(name)?;
    if too_precise(text, decimals_of(call, instrument.quantity_decimals)) {
        return Err(precision(call, name));
    }
    instrument
        .quantity_from_text(text.as_bytes())
        .map_err(|error| match error {
            NumberError::OffGrid if call.market == Market::Spot => {
                ApiError::new(-1013, "Filter failure: LOT_SIZE")
            }
            NumberError::OffGrid => ApiError::new(-4023, "Qty not increased by step size."),
            NumberError::Decimal(DecimalError::Sign) if call.market == Market::Spot => {
                ApiError::illegal(name)
            }
            NumberError::Decimal(DecimalError::Sign) => {
                ApiError::new(-4003, "Quantity less than or equal to zero.")
            }
            NumberError::Decimal(_) => ApiError::mandatory(name),
        })
}

/// True when a text has more significant decimals than the asset.
fn too_precise(text: &str, decimals: u8) -> bool {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    fraction.trim_end_matches('0').len() > usize::from(decimals)
}

/// Decimals that a number may have before it is too precise; spot's assets all have eight, and
/// what lies between two steps there breaks a filter.
const fn decimals_of(call: &Call<'_>, decimals: u8) -> u8 {
    match call.market {
        Market::UsdM => decimals,
        Market::Spot => 8,
    }
}

fn precision(call: &Call<'_>, name: &str) -> ApiError {
    match call.market {
        Market::UsdM => ApiError::new(
            -1111,
            "Precision is over the maximum defined for this asset.",
        ),
        Market::Spot => ApiError::new(-1111, format!("Parameter '{name}' has too much precision.")),
    }
}
