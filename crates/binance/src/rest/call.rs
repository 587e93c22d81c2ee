//! Requests: method, path, query, weight.
//!
//! In: what is wanted, credentials and a stamp where it is signed. Out: one call, ready to be
//! sent byte by byte. Never: a body; every parameter goes into the query.

use crate::orders::Stamp;
use crate::params::Params;
use crate::sign::Credentials;
use market::{CancelOrder, Instrument, Market, TradeId, UtcMs};

/// HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// Path, with the leading slash.
    pub path: &'static str,
    /// Query without the question mark; empty without parameters. Signed where needed.
    pub query: String,
    /// True when the header `X-MBX-APIKEY` must go along.
    pub with_key: bool,
    /// Request weight.
    pub weight: u32,
}

/// What to do with a listenKey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenKeyAction {
    /// Make one, or extend the active one.
    Create,
    /// Extend by 60 minutes.
    KeepAlive,
    /// Close.
    Close,
}

impl Method {
    /// As HTTP writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

impl Call {
    /// Path and query: what stands in the request line.
    #[must_use]
    pub fn target(&self) -> String {
        if self.query.is_empty() {
            self.path.to_owned()
        } else {
            format!("{}?{}", self.path, self.query)
        }
    }

    pub(super) fn new(
        method: Method,
        path: &'static str,
        weight: u32,
        params: &Params<'_>,
    ) -> Self {
        let mut query = Vec::new();
        params.write_query(&mut query);
        Self {
            method,
            path,
            query: String::from_utf8(query).expect("percent-encoded text is ASCII"),
            with_key: false,
            weight,
        }
    }

    pub(super) fn signed(
        method: Method,
        path: &'static str,
        weight: u32,
        mut params: Params<'_>,
        credentials: &Credentials,
        stamp: Stamp,
    ) -> Self {
        params.integer("recvWindow", i64::from(stamp.recv_window_ms));
        params.integer("timestamp", stamp.timestamp.0);
        let mut call = Self::new(method, path, weight, &params);
        let signature = credentials.signer.sign(call.query.as_bytes());
        let mut query = call.query.into_bytes();
        query.extend_from_slice(b"&signature=");
        crate::params::percent_encode(&mut query, &signature);
        call.query = String::from_utf8(query).expect("percent-encoded text is ASCII");
        call.with_key = true;
        call
    }
}

/// Server time.
#[must_use]
pub fn time(market: Market) -> Call {
    let path = by_market(market, "/fapi/v1/time", "/api/v3/time");
    Call::new(Method::Get, path, 1, &Params::new())
}

/// Symbols, filters and limits.
#[must_use]
pub fn exchange_info(market: Market) -> Call {
    let path = by_market(market, "/fapi/v1/exchangeInfo", "/api/v3/exchangeInfo");
    let weight = match market {
        Market::UsdM => 1,
        Market::Spot => 20,
    };
    Call::new(Method::Get, path, weight, &Params::new())
}

/// A snapshot of at most `limit` levels a side (futures: 5, 10, 20, 50, 100, 500 or 1000).
#[must_use]
pub fn depth(instrument: &Instrument, limit: u32) -> Call {
    let mut params = symbol(instrument);
    params.integer("limit", i64::from(limit));
    let path = by_market(instrument.market, "/fapi/v1/depth", "/api/v3/depth");
    let weight = match (instrument.market, limit) {
        (Market::UsdM, 0..=50) => 2,
        (Market::UsdM, 51..=100) => 5,
        (Market::UsdM, 101..=500) => 10,
        (Market::UsdM, _) => 20,
        (Market::Spot, 0..=100) => 5,
        (Market::Spot, 101..=500) => 25,
        (Market::Spot, 501..=1000) => 50,
        (Market::Spot, _) => 250,
    };
    Call::new(Method::Get, path, weight, &params)
}

/// Open orders of one instrument, or of all of `market` (dear: 40 or 80).
#[must_use]
pub fn open_orders(
    market: Market,
    instrument: Option<&Instrument>,
    credentials: &Credentials,
    stamp: Stamp,
) -> Call {
    let path = by_market(market, "/fapi/v1/openOrders", "/api/v3/openOrders");
    let weight = match (market, instrument) {
        (Market::UsdM, Some(_)) => 1,
        (Market::UsdM, None) => 40,
        (Market::Spot, Some(_)) => 6,
        (Market::Spot, None) => 80,
    };
    let params = instrument.map_or_else(Params::new, symbol);
    Call::signed(Method::Get, path, weight, params, credentials, stamp)
}

/// Cancels one order by our client id.
#[must_use]
pub fn cancel_order(
    instrument: &Instrument,
    order: &CancelOrder,
    credentials: &Credentials,
    stamp: Stamp,
) -> Call {
    let params = crate::orders::named_order(instrument, order);
    let path = order_path(instrument);
    Call::signed(Method::Delete, path, 1, params, credentials, stamp)
}

/// Asks for one order by our client id.
#[must_use]
pub fn query_order(
    instrument: &Instrument,
    order: &CancelOrder,
    credentials: &Credentials,
    stamp: Stamp,
) -> Call {
    let params = crate::orders::named_order(instrument, order);
    let weight = match instrument.market {
        Market::UsdM => 1,
        Market::Spot => 4,
    };
    let path = order_path(instrument);
    Call::signed(Method::Get, path, weight, params, credentials, stamp)
}

/// Futures positions that are held or have orders.
#[must_use]
pub fn positions(credentials: &Credentials, stamp: Stamp) -> Call {
    let path = "/fapi/v3/positionRisk";
    Call::signed(Method::Get, path, 5, Params::new(), credentials, stamp)
}

/// The account: balances and positions (futures), balances (spot).
#[must_use]
pub fn account(market: Market, credentials: &Credentials, stamp: Stamp) -> Call {
    let path = by_market(market, "/fapi/v3/account", "/api/v3/account");
    let weight = match market {
        Market::UsdM => 5,
        Market::Spot => 20,
    };
    Call::signed(Method::Get, path, weight, Params::new(), credentials, stamp)
}

/// Futures balances.
#[must_use]
pub fn balances(credentials: &Credentials, stamp: Stamp) -> Call {
    let path = "/fapi/v3/balance";
    Call::signed(Method::Get, path, 5, Params::new(), credentials, stamp)
}

/// The futures listenKey. Spot has none any more: its user data come over the WebSocket API.
#[must_use]
pub fn listen_key(action: ListenKeyAction) -> Call {
    let method = match action {
        ListenKeyAction::Create => Method::Post,
        ListenKeyAction::KeepAlive => Method::Put,
        ListenKeyAction::Close => Method::Delete,
    };
    let mut call = Call::new(method, "/fapi/v1/listenKey", 1, &Params::new());
    call.with_key = true;
    call
}

/// Rows of one page of own trades.
pub const TRADES_PAGE: usize = 1_000;

/// Where a list of own trades begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradesFrom {
    /// With this trade.
    Trade(TradeId),
    /// With the first trade of this moment or after; the exchange takes no id beside it.
    Time(UtcMs),
}

/// Own trades of one instrument, oldest first, at most [`TRADES_PAGE`].
#[must_use]
pub fn user_trades(
    instrument: &Instrument,
    from: TradesFrom,
    credentials: &Credentials,
    stamp: Stamp,
) -> Call {
    let path = by_market(instrument.market, "/fapi/v1/userTrades", "/api/v3/myTrades");
    let weight = match instrument.market {
        Market::UsdM => 5,
        Market::Spot => 20,
    };
    let mut params = symbol(instrument);
    params.integer("limit", TRADES_PAGE as i64);
    let (key, value) = match from {
        TradesFrom::Trade(id) => ("fromId", i64::try_from(id.0).unwrap_or(i64::MAX)),
        TradesFrom::Time(since) => ("startTime", since.0),
    };
    params.integer(key, value);
    Call::signed(Method::Get, path, weight, params, credentials, stamp)
}

fn symbol(instrument: &Instrument) -> Params<'_> {
    let mut params = Params::new();
    params.text("symbol", instrument.symbol.as_bytes());
    params
}

const fn order_path(instrument: &Instrument) -> &'static str {
    by_market(instrument.market, "/fapi/v1/order", "/api/v3/order")
}

const fn by_market(market: Market, usdm: &'static str, spot: &'static str) -> &'static str {
    match market {
        Market::UsdM => usdm,
        Market::Spot => spot,
    }
}
