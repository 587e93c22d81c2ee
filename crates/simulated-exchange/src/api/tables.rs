//! The endpoints of both markets: path, WebSocket method, security, weight, handler.
//!
//! In: what a caller names. Out: the row. Never: logic; each row's handler is elsewhere.

use market::Market;

use super::account_settings as settings;
use super::auth::Security::{Key, None as Open, Signed};
use super::endpoint::Endpoint;
use super::order_queries as queries;
use super::params::Params;
use super::{
    account, algo, batch, candles, exchange_info, income, key_rights, market_data, order_lists,
    prints, spot_account, spot_trading, trading, wallet,
};

/// The row of a REST call.
#[must_use]
pub fn rest(market: Market, method: &str, path: &str) -> Option<&'static Endpoint> {
    let mut rows = rows(market).iter();
    rows.find(|row| row.path == path && row.method == method && !row.path.is_empty())
}

/// True when another method would find this path.
#[must_use]
pub fn path_exists(market: Market, path: &str) -> bool {
    rows(market).iter().any(|row| row.path == path)
}

/// The row of a WebSocket call; `v3/` may stand before the method.
#[must_use]
pub fn websocket(market: Market, method: &str) -> Option<&'static Endpoint> {
    let method = method.strip_prefix("v3/").unwrap_or(method);
    rows(market)
        .iter()
        .find(|row| row.ws_methods.contains(&method))
}

/// All rows of a market.
#[must_use]
pub fn rows(market: Market) -> &'static [Endpoint] {
    match market {
        Market::UsdM => USDM,
        Market::Spot => SPOT,
    }
}

/// One row: `"METHOD path" | "ws.method" …, security, weight, orders => handler`.
macro_rules! endpoints {
    ($($method:literal $path:literal [$($ws:literal),*] $security:ident $weight:expr, $orders:literal => $handler:path;)*) => {
        &[$(Endpoint {
            method: $method,
            path: $path,
            ws_methods: &[$($ws),*],
            security: $security,
            weight: $weight,
            orders: $orders,
            handler: $handler,
        },)*]
    };
}

const ONE: fn(&Params) -> u32 = |_| 1;
const FIVE: fn(&Params) -> u32 = |_| 5;
const TWENTY: fn(&Params) -> u32 = |_| 20;
const FORTY: fn(&Params) -> u32 = |_| 40;
/// Trades of one order cost less than those of a symbol.
const FIVE_OR_TWENTY: fn(&Params) -> u32 = |params| {
    if params.get("orderId").is_some() {
        5
    } else {
        20
    }
};
const TWENTY_OR_FIFTY: fn(&Params) -> u32 = |params| {
    if params.get("symbol").is_some() {
        20
    } else {
        50
    }
};
const THIRTY: fn(&Params) -> u32 = |_| 30;
const NOTHING: fn(&Params) -> u32 = |_| 0;
const TEN: fn(&Params) -> u32 = |_| 10;
const TWO: fn(&Params) -> u32 = |_| 2;
const FOUR: fn(&Params) -> u32 = |_| 4;
const SIX: fn(&Params) -> u32 = |_| 6;
const SIX_OR_EIGHTY: fn(&Params) -> u32 = |params| {
    if params.get("symbol").is_some() {
        6
    } else {
        80
    }
};
const ONE_OR_FORTY: fn(&Params) -> u32 = |params| {
    if params.get("symbol").is_some() {
        1
    } else {
        40
    }
};
const ONE_OR_TEN: fn(&Params) -> u32 = |params| {
    if params.get("symbol").is_some() {
        1
    } else {
        10
    }
};
const TWENTY_FIVE: fn(&Params) -> u32 = |_| 25;
const ONE_OR_TWO: fn(&Params) -> u32 = |params| if params.get("symbol").is_some() { 1 } else { 2 };
const TWO_OR_FOUR: fn(&Params) -> u32 = |params| if params.get("symbol").is_some() { 2 } else { 4 };
/// By the number of symbols in the list: up to 20, up to 100, all.
const TWO_TO_EIGHTY: fn(&Params) -> u32 = |params| match params.get("symbols") {
    _ if params.get("symbol").is_some() => 2,
    Some(list) => match list.matches(',').count() {
        ..20 => 2,
        20..100 => 40,
        _ => 80,
    },
    None => 80,
};
const TWO_OR_FIVE: fn(&Params) -> u32 = |params| if params.get("symbol").is_some() { 2 } else { 5 };

static USDM: &[Endpoint] = endpoints! {
    "GET" "/fapi/v1/ping" ["ping"] Open ONE, 0 => market_data::ping;
    "GET" "/fapi/v1/time" ["time"] Open ONE, 0 => market_data::time;
    "GET" "/fapi/v1/exchangeInfo" [] Open ONE, 0 => exchange_info::usdm;
    "GET" "/fapi/v1/depth" ["depth"] Open market_data::depth_weight, 0 => market_data::depth;
    "GET" "/fapi/v1/ticker/bookTicker" ["ticker.book"] Open TWO_OR_FIVE, 0 => market_data::book_ticker;
    "GET" "/fapi/v1/ticker/price" ["ticker.price"] Open ONE_OR_TWO, 0 => market_data::price;
    "GET" "/fapi/v2/ticker/price" [] Open ONE_OR_TWO, 0 => market_data::price;
    "GET" "/fapi/v1/ticker/24hr" [] Open ONE_OR_FORTY, 0 => market_data::day;
    "GET" "/fapi/v1/premiumIndex" [] Open ONE_OR_TEN, 0 => market_data::premium_index;
    "GET" "/fapi/v1/fundingRate" [] Open NOTHING, 0 => market_data::funding_rate;
    "GET" "/fapi/v1/fundingInfo" [] Open NOTHING, 0 => market_data::funding_info;
    "GET" "/fapi/v1/openInterest" [] Open ONE, 0 => market_data::open_interest;
    "GET" "/fapi/v1/klines" [] Open candles::weight, 0 => candles::klines;
    "GET" "/fapi/v1/continuousKlines" [] Open candles::weight, 0 => candles::continuous;
    "GET" "/fapi/v1/indexPriceKlines" [] Open candles::weight, 0 => candles::index;
    "GET" "/fapi/v1/markPriceKlines" [] Open candles::weight, 0 => candles::mark;
    "GET" "/fapi/v1/premiumIndexKlines" [] Open candles::weight, 0 => candles::premium;
    "GET" "/fapi/v1/trades" [] Open FIVE, 0 => prints::trades;
    "GET" "/fapi/v1/historicalTrades" [] Key TWENTY, 0 => prints::historical;
    "GET" "/fapi/v1/aggTrades" [] Open TWENTY, 0 => prints::aggregates;
    "POST" "/fapi/v1/order" ["order.place"] Signed NOTHING, 1 => trading::place;
    "POST" "/fapi/v1/order/test" [] Signed NOTHING, 0 => trading::test;
    "PUT" "/fapi/v1/order" ["order.modify"] Signed NOTHING, 1 => trading::modify;
    "DELETE" "/fapi/v1/order" ["order.cancel"] Signed ONE, 0 => trading::cancel;
    "GET" "/fapi/v1/order" ["order.status"] Signed ONE, 0 => queries::query;
    "GET" "/fapi/v1/openOrder" [] Signed ONE, 0 => queries::query_open;
    "GET" "/fapi/v1/openOrders" [] Signed ONE_OR_FORTY, 0 => queries::open_orders;
    "GET" "/fapi/v1/allOrders" [] Signed FIVE, 0 => queries::all_orders;
    "DELETE" "/fapi/v1/allOpenOrders" [] Signed ONE, 0 => trading::cancel_all;
    "POST" "/fapi/v1/batchOrders" [] Signed FIVE, 5 => batch::place;
    "PUT" "/fapi/v1/batchOrders" [] Signed FIVE, 5 => batch::modify;
    "DELETE" "/fapi/v1/batchOrders" [] Signed ONE, 0 => batch::cancel;
    "GET" "/fapi/v1/orderAmendment" [] Signed ONE, 0 => queries::amendments;
    "GET" "/fapi/v1/forceOrders" [] Signed TWENTY_OR_FIFTY, 0 => queries::forced;
    "GET" "/fapi/v1/rateLimit/order" [] Signed ONE, 0 => account::order_limits;
    "POST" "/fapi/v1/countdownCancelAll" [] Signed TEN, 0 => trading::countdown;
    "POST" "/fapi/v1/algoOrder" ["algoOrder.place"] Signed NOTHING, 1 => algo::place;
    "DELETE" "/fapi/v1/algoOrder" ["algoOrder.cancel"] Signed ONE, 0 => algo::cancel;
    "GET" "/fapi/v1/algoOrder" [] Signed ONE, 0 => algo::query;
    "GET" "/fapi/v1/openAlgoOrders" [] Signed ONE_OR_FORTY, 0 => algo::open_orders;
    "GET" "/fapi/v1/allAlgoOrders" [] Signed FIVE, 0 => algo::all_orders;
    "DELETE" "/fapi/v1/algoOpenOrders" [] Signed ONE, 0 => algo::cancel_all;
    "GET" "/fapi/v1/userTrades" [] Signed FIVE, 0 => queries::user_trades;
    "GET" "/fapi/v2/positionRisk" ["v1/account.position"] Signed FIVE, 0 => account::position_risk_v2;
    "GET" "/fapi/v3/positionRisk" ["account.position", "v2/account.position"] Signed FIVE, 0 => account::position_risk_v3;
    "GET" "/fapi/v2/account" ["account.status"] Signed FIVE, 0 => account::account_v2;
    "GET" "/fapi/v3/account" ["v2/account.status"] Signed FIVE, 0 => account::account_v3;
    "GET" "/fapi/v2/balance" [] Signed FIVE, 0 => account::balance;
    "GET" "/fapi/v3/balance" ["account.balance", "v2/account.balance"] Signed FIVE, 0 => account::balance;
    "GET" "/fapi/v1/commissionRate" [] Signed TWENTY, 0 => settings::commission_rate;
    "POST" "/fapi/v1/leverage" [] Signed ONE, 0 => settings::leverage;
    "POST" "/fapi/v1/marginType" [] Signed ONE, 0 => settings::margin_type;
    "GET" "/fapi/v1/positionSide/dual" [] Signed THIRTY, 0 => settings::position_mode;
    "POST" "/fapi/v1/positionSide/dual" [] Signed ONE, 0 => settings::set_position_mode;
    "GET" "/fapi/v1/multiAssetsMargin" [] Signed THIRTY, 0 => settings::multi_assets;
    "GET" "/fapi/v1/symbolConfig" [] Signed FIVE, 0 => settings::symbol_config;
    "GET" "/fapi/v1/accountConfig" [] Signed FIVE, 0 => settings::account_config;
    "GET" "/fapi/v1/leverageBracket" [] Signed ONE, 0 => settings::leverage_bracket;
    "GET" "/fapi/v1/income" [] Signed THIRTY, 0 => income::income;
    "GET" "/fapi/v1/adlQuantile" [] Signed FIVE, 0 => account::adl_quantile;
    "POST" "/fapi/v1/positionMargin" [] Signed ONE, 0 => settings::position_margin;
    "GET" "/fapi/v1/positionMargin/history" [] Signed ONE, 0 => settings::position_margin_history;
    "GET" "/fapi/v1/feeBurn" [] Signed THIRTY, 0 => settings::fee_burn;
    "POST" "/fapi/v1/feeBurn" [] Signed ONE, 0 => settings::set_fee_burn;
    "POST" "/fapi/v1/multiAssetsMargin" [] Signed ONE, 0 => settings::set_multi_assets;
    "POST" "/fapi/v1/listenKey" ["userDataStream.start"] Key ONE, 0 => account::listen_key_create;
    "PUT" "/fapi/v1/listenKey" ["userDataStream.ping"] Key ONE, 0 => account::listen_key_renew;
    "DELETE" "/fapi/v1/listenKey" ["userDataStream.stop"] Key ONE, 0 => account::listen_key_close;
};

static SPOT: &[Endpoint] = endpoints! {
    "GET" "/api/v3/ping" ["ping"] Open ONE, 0 => market_data::ping;
    "GET" "/api/v3/time" ["time"] Open ONE, 0 => market_data::time;
    "GET" "/api/v3/exchangeInfo" ["exchangeInfo"] Open TWENTY, 0 => exchange_info::spot;
    "GET" "/api/v3/depth" ["depth"] Open market_data::spot_depth_weight, 0 => market_data::depth;
    "GET" "/api/v3/ticker/bookTicker" ["ticker.book"] Open TWO_OR_FOUR, 0 => market_data::book_ticker;
    "GET" "/api/v3/ticker/price" ["ticker.price"] Open TWO_OR_FOUR, 0 => market_data::price;
    "GET" "/api/v3/ticker/24hr" ["ticker.24hr"] Open TWO_TO_EIGHTY, 0 => market_data::day;
    "GET" "/api/v3/ticker/tradingDay" ["ticker.tradingDay"] Open FOUR, 0 => market_data::trading_day;
    "GET" "/api/v3/ticker" ["ticker"] Open FOUR, 0 => market_data::window;
    "GET" "/api/v3/avgPrice" ["avgPrice"] Open TWO, 0 => market_data::average;
    "GET" "/api/v3/klines" ["klines"] Open TWO, 0 => candles::klines;
    "GET" "/api/v3/uiKlines" ["uiKlines"] Open TWO, 0 => candles::klines;
    "GET" "/api/v3/trades" ["trades.recent"] Open TWENTY_FIVE, 0 => prints::trades;
    "GET" "/api/v3/historicalTrades" ["trades.historical"] Open TWENTY_FIVE, 0 => prints::historical;
    "GET" "/api/v3/aggTrades" ["trades.aggregate"] Open FOUR, 0 => prints::aggregates;
    "POST" "/api/v3/order" ["order.place"] Signed ONE, 1 => trading::place;
    "POST" "/api/v3/order/test" ["order.test"] Signed ONE, 0 => trading::test;
    "GET" "/api/v3/order" ["order.status"] Signed FOUR, 0 => queries::query;
    "DELETE" "/api/v3/order" ["order.cancel"] Signed ONE, 0 => trading::cancel;
    "GET" "/api/v3/openOrders" ["openOrders.status"] Signed SIX_OR_EIGHTY, 0 => queries::open_orders;
    "DELETE" "/api/v3/openOrders" ["openOrders.cancelAll"] Signed ONE, 0 => trading::cancel_all;
    "GET" "/api/v3/allOrders" ["allOrders"] Signed TWENTY, 0 => queries::all_orders;
    "GET" "/api/v3/myTrades" ["myTrades"] Signed FIVE_OR_TWENTY, 0 => queries::user_trades;
    "POST" "/api/v3/orderList/oco" ["orderList.place.oco"] Signed ONE, 2 => order_lists::place_oco;
    "POST" "/api/v3/order/oco" ["orderList.place"] Signed ONE, 2 => order_lists::place_oco_old;
    "POST" "/api/v3/orderList/oto" ["orderList.place.oto"] Signed ONE, 2 => order_lists::place_oto;
    "POST" "/api/v3/orderList/otoco" ["orderList.place.otoco"] Signed ONE, 3 => order_lists::place_otoco;
    "DELETE" "/api/v3/orderList" ["orderList.cancel"] Signed ONE, 0 => order_lists::cancel;
    "GET" "/api/v3/orderList" ["orderList.status"] Signed FOUR, 0 => order_lists::query;
    "GET" "/api/v3/allOrderList" ["allOrderLists"] Signed TWENTY, 0 => order_lists::all;
    "GET" "/api/v3/openOrderList" ["openOrderLists.status"] Signed SIX, 0 => order_lists::open;
    "GET" "/api/v3/myPreventedMatches" ["myPreventedMatches"] Signed TWENTY, 0 => spot_trading::prevented_matches;
    "GET" "/api/v3/myAllocations" ["myAllocations"] Signed TWENTY, 0 => spot_trading::allocations;
    "GET" "/api/v3/order/amendments" ["order.amendments"] Signed FOUR, 0 => spot_trading::amendments;
    "POST" "/api/v3/order/cancelReplace" ["order.cancelReplace"] Signed ONE, 1 => spot_trading::cancel_replace;
    "PUT" "/api/v3/order/amend/keepPriority" ["order.amend.keepPriority"] Signed FOUR, 0 => spot_trading::amend;
    "GET" "/sapi/v1/system/status" [] Open ONE, 0 => wallet::status;
    "GET" "/sapi/v1/capital/config/getall" [] Signed TEN, 0 => wallet::coins;
    "GET" "/sapi/v1/margin/allPairs" [] Key ONE, 0 => wallet::no_pairs;
    "GET" "/sapi/v1/margin/isolated/allPairs" [] Key ONE, 0 => wallet::no_pairs;
    "GET" "/sapi/v1/account/apiRestrictions" [] Signed ONE, 0 => key_rights::restrictions;
    "GET" "/sapi/v1/asset/tradeFee" [] Signed ONE, 0 => wallet::trade_fee;
    "GET" "/api/v3/account" ["account.status"] Signed TWENTY, 0 => spot_account::account;
    "GET" "/api/v3/account/commission" ["account.commission"] Signed TWENTY, 0 => spot_account::commission;
    "GET" "/api/v3/rateLimit/order" ["account.rateLimits.orders"] Signed FORTY, 0 => account::order_limits;
    "" "" ["userDataStream.subscribe", "userDataStream.subscribe.signature"] Signed TWO, 0 => spot_account::subscribe;
    "" "" ["userDataStream.unsubscribe"] Open TWO, 0 => spot_account::unsubscribe;
    "" "" ["session.subscriptions"] Open TWO, 0 => spot_account::subscriptions;
};
