//! Errors as Binance writes them: HTTP status, code, message.
//!
//! In: refusals of the venue and of the checks. Out: one error a rule (binance.md 5.4). Never: a
//! message that shows what the server looks like inside.

use binance::encode::JsonText;
use market::Market;
use matching::Rejection;

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status; `status` of the WebSocket API.
    pub status: u16,
    /// Negative code.
    pub code: i64,
    /// `msg`.
    pub message: String,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u32>,
    /// `data` as JSON, where the exchange sends some.
    pub data: Option<Vec<u8>>,
}

impl ApiError {
    /// Status 400.
    #[must_use]
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            code,
            message: message.into(),
            retry_after: None,
            data: None,
        }
    }

    /// Another status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// -1102 for a parameter.
    #[must_use]
    pub fn mandatory(name: &str) -> Self {
        Self::new(
            -1102,
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed."),
        )
    }

    /// -1130 for a parameter.
    #[must_use]
    pub fn invalid(name: &str) -> Self {
        Self::new(
            -1130,
            format!("Data sent for parameter '{name}' is not valid."),
        )
    }

    /// -1100 for a number with a sign.
    #[must_use]
    pub fn illegal(name: &str) -> Self {
        let range = "^([0-9]{1,20})(\\.[0-9]{1,20})?$";
        Self::new(
            -1100,
            format!("Illegal characters found in parameter '{name}'; legal range is '{range}'."),
        )
    }

    /// -1106 for a parameter.
    #[must_use]
    pub fn not_required(name: &str) -> Self {
        Self::new(-1106, format!("Parameter '{name}' sent when not required."))
    }

    /// -1121.
    #[must_use]
    pub fn invalid_symbol() -> Self {
        Self::new(-1121, "Invalid symbol.")
    }

    /// 429 with -1003.
    #[must_use]
    pub fn too_many_requests(message: &str, retry_after_s: u32) -> Self {
        Self {
            retry_after: Some(retry_after_s),
            ..Self::new(-1003, message).with_status(429)
        }
    }

    /// What a fault makes of an order: 503 "unknown".
    #[must_use]
    pub fn unknown_503() -> Self {
        Self::new(
            -1000,
            "Unknown error, please check your request or try again later.",
        )
        .with_status(503)
    }

    /// What an order meets while the market behind the exchange is not known.
    #[must_use]
    pub fn disconnected() -> Self {
        Self::new(
            -1001,
            "Internal error; unable to process your request. Please try again.",
        )
        .with_status(503)
    }

    /// What a fault makes of an order: 408 with -1007.
    #[must_use]
    pub fn timeout() -> Self {
        Self::new(
            -1007,
            "Timeout waiting for response from backend server. Send status unknown; execution \
             status unknown.",
        )
        .with_status(408)
    }

    /// The REST body.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut json = JsonText::new(&mut out);
        json.open();
        json.integer("code", self.code);
        json.text("msg", self.message.as_bytes());
        if let Some(data) = &self.data {
            json.raw("data", data);
        }
        json.close();
        out
    }

    /// The error of a refusal in a market.
    #[must_use]
    pub fn of(rejection: Rejection, market: Market) -> Self {
        match market {
            Market::UsdM => Self::of_usdm(rejection),
            Market::Spot => Self::of_spot(rejection),
        }
    }

    fn of_usdm(rejection: Rejection) -> Self {
        let (code, message) = match rejection {
            Rejection::UnknownInstrument => (-1121, "Invalid symbol."),
            Rejection::NotTrading => (-4140, "Invalid symbol status for opening position."),
            Rejection::PriceNotPositive => (-4001, "Price less than 0."),
            Rejection::PriceTooLow => (-4013, "Price less than min price."),
            Rejection::PriceTooHigh => (-4002, "Price greater than max price."),
            Rejection::PriceAboveMultiplier => (
                -4016,
                "Limit price can't be higher than the mark price multiplier cap.",
            ),
            Rejection::PriceBelowMultiplier => (
                -4024,
                "Limit price can't be lower than the mark price multiplier floor.",
            ),
            Rejection::QuantityNotPositive => (-4003, "Quantity less than or equal to zero."),
            Rejection::QuantityTooSmall => (-4004, "Quantity less than min quantity."),
            Rejection::QuantityTooLarge | Rejection::MarketQuantityTooLarge => {
                (-4005, "Quantity greater than max quantity.")
            }
            Rejection::NotionalTooSmall(least) => {
                let whole = least.0 / market::units::ONE;
                let message = format!(
                    "Order's notional must be no smaller than {whole} (unless you choose reduce \
                     only)."
                );
                return Self::new(-4164, message);
            }
            Rejection::TooManyOpenOrders => (-2025, "Reach max open order limit."),
            Rejection::DuplicateClientOrderId => (-4116, "ClientOrderId is duplicated."),
            Rejection::ReduceOnly => (-2022, "ReduceOnly Order is rejected."),
            Rejection::MarginInsufficient => (-2019, "Margin is insufficient."),
            Rejection::PostOnlyWouldTake => (
                -5022,
                "Due to the order could not be executed as maker, the Post Only order will be \
                 rejected. The order will not be recorded in the order history",
            ),
            Rejection::FillOrKillUnfillable => (
                -5021,
                "Due to the order could not be filled immediately, the FOK order has been \
                 rejected. The order will not be recorded in the order history",
            ),
            Rejection::NoCounterparty => (
                -4131,
                "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
            ),
            Rejection::UnknownOrder => (-2011, "Unknown order sent."),
            Rejection::PositionAboveCap => (
                -2027,
                "Exceeded the maximum allowable position at current leverage.",
            ),
            Rejection::TooManyModifications => (-5026, "Exceed maximum modify order limit."),
            Rejection::NotModifiable => (-5025, "Only limit order is supported."),
            Rejection::Unchanged => (-5027, "No need to modify the order."),
            // What only spot has.
            Rejection::NotionalTooLarge
            | Rejection::TooManyStops
            | Rejection::TooManyLists
            | Rejection::DuplicateListId
            | Rejection::WouldTrigger
            | Rejection::TrailingDelta
            | Rejection::ListPrices => (-1020, "This operation is not supported."),
        };
        Self::new(code, message)
    }

    fn of_spot(rejection: Rejection) -> Self {
        let (code, message) = match rejection {
            Rejection::UnknownInstrument => (-1121, "Invalid symbol."),
            Rejection::NotTrading => (-2010, "Market is closed."),
            Rejection::PriceNotPositive | Rejection::PriceTooLow | Rejection::PriceTooHigh => {
                (-1013, "Filter failure: PRICE_FILTER")
            }
            Rejection::PriceAboveMultiplier | Rejection::PriceBelowMultiplier => {
                (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE")
            }
            Rejection::QuantityNotPositive
            | Rejection::QuantityTooSmall
            | Rejection::QuantityTooLarge => (-1013, "Filter failure: LOT_SIZE"),
            Rejection::MarketQuantityTooLarge => (-1013, "Filter failure: MARKET_LOT_SIZE"),
            Rejection::NotionalTooSmall(_) | Rejection::NotionalTooLarge => {
                (-1013, "Filter failure: NOTIONAL")
            }
            Rejection::TrailingDelta => (-1013, "Filter failure: TRAILING_DELTA"),
            Rejection::TooManyStops => (-1013, "Filter failure: MAX_NUM_ALGO_ORDERS"),
            Rejection::TooManyLists => (-1013, "Filter failure: MAX_NUM_ORDER_LISTS"),
            Rejection::DuplicateListId => (-2010, "Duplicate order sent."),
            Rejection::WouldTrigger => (-2010, "Stop price would trigger immediately."),
            Rejection::ListPrices => (
                -2010,
                "The relationship of the prices for the orders is not correct.",
            ),
            Rejection::TooManyOpenOrders => (-1013, "Filter failure: MAX_NUM_ORDERS"),
            Rejection::DuplicateClientOrderId => (-2010, "Duplicate order sent."),
            Rejection::MarginInsufficient | Rejection::ReduceOnly => (
                -2010,
                "Account has insufficient balance for requested action.",
            ),
            Rejection::PostOnlyWouldTake => (-2010, "Order would immediately match and take."),
            Rejection::FillOrKillUnfillable | Rejection::NoCounterparty => (
                -2010,
                "Order book liquidity is less than LOT_SIZE filter minimum quantity.",
            ),
            Rejection::UnknownOrder => (-2011, "Unknown order sent."),
            Rejection::PositionAboveCap
            | Rejection::TooManyModifications
            | Rejection::NotModifiable
            | Rejection::Unchanged => (
                -2038,
                "The requested action would change no state; rejecting.",
            ),
        };
        Self::new(code, message)
    }
}
