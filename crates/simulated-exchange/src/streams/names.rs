//! Stream names and routes.
//!
//! In: symbols, request paths. Out: the list of streams of an instrument, the route of a path,
//! the names in it. Never: a subscription.

use market::Market;

/// The part of the futures streams that a connection reaches (binance.md 3.1-3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Books. Unrouted connections are here, too.
    Public,
    /// Trades and mark prices.
    Market,
    /// User data.
    Private,
    /// Spot: everything is on one route.
    Spot,
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamKind {
    /// Differences of the book.
    Depth,
    /// The best levels, whole.
    PartialDepth,
    /// Best bid and ask.
    BookTicker,
    /// Trades.
    Trade,
    /// Aggregate trades.
    AggTrade,
    /// Mark price.
    MarkPrice,
    /// Candles.
    Kline,
    /// 24 h tickers, whole and mini, of one symbol or all.
    Ticker,
    /// Liquidations.
    ForceOrder,
}

impl StreamKind {
    /// The word in the control API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Depth => "depth",
            Self::PartialDepth => "partial_depth",
            Self::BookTicker => "bookTicker",
            Self::Trade => "trade",
            Self::AggTrade => "aggTrade",
            Self::MarkPrice => "markPrice",
            Self::Kline => "kline",
            Self::Ticker => "ticker",
            Self::ForceOrder => "forceOrder",
        }
    }

    /// True when a connection of `route` gets this kind. `trade` is undocumented on futures and
    /// asked for on both routes by real clients.
    #[must_use]
    pub fn is_on(self, route: Route) -> bool {
        match route {
            Route::Spot => true,
            Route::Private => false,
            Route::Public => matches!(
                self,
                Self::Depth | Self::PartialDepth | Self::BookTicker | Self::Trade
            ),
            Route::Market => !matches!(self, Self::Depth | Self::PartialDepth | Self::BookTicker),
        }
    }
}

/// What a WebSocket path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPath {
    /// Which streams it reaches.
    pub route: Route,
    /// True when events come wrapped in `{"stream":…,"data":…}`.
    pub combined: bool,
    /// Streams (or listen keys) named in the URL.
    pub names: Vec<String>,
}

/// Reads the path and query of a stream connection; `None` when it is none.
///
/// Accepted: `/ws`, `/ws/<name>[/<name>…]`, `/stream[?streams=a/b]`, each after an optional
/// `/public`, `/market` or `/private`, with `listenKey=` in the query on `/private`.
#[must_use]
pub fn parse_path(market: Market, path: &str, query: &str) -> Option<StreamPath> {
    let spot = market == Market::Spot;
    let (route, rest) = if let Some(rest) = path.strip_prefix("/public") {
        (Route::Public, rest)
    } else if let Some(rest) = path.strip_prefix("/market") {
        (Route::Market, rest)
    } else if let Some(rest) = path.strip_prefix("/private") {
        (Route::Private, rest)
    } else {
        (Route::Public, path)
    };
    let route = if spot { Route::Spot } else { route };
    // ccxt puts spot's streams below /stream/ws.
    let rest = rest.strip_prefix("/stream/ws").map_or(rest, |_| "/ws");
    let mut names = Vec::new();
    let combined = if let Some(tail) = rest.strip_prefix("/ws") {
        names.extend(tail.split('/').filter(|name| !name.is_empty()).map(decode));
        false
    } else if rest == "/stream" || rest == "/stream/" {
        true
    } else {
        return None;
    };
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("streams", list)) => {
                names.extend(
                    decode(list)
                        .split('/')
                        .filter(|n| !n.is_empty())
                        .map(str::to_owned),
                );
            }
            Some(("listenKey", key)) if !key.is_empty() => names.push(decode(key)),
            _ => {}
        }
    }
    Some(StreamPath {
        route,
        combined,
        names,
    })
}

fn decode(text: &str) -> String {
    crate::api::params::percent_decode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, query: &str, expected: Option<(Route, bool, &[&str])>) {
        let found = parse_path(Market::UsdM, path, query);
        let expected = expected.map(|(route, combined, names)| StreamPath {
            route,
            combined,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        });
        assert_eq!(found, expected, "{path}?{query}");
    }

    #[test]
    fn every_form_of_path_that_a_client_uses_is_read() {
        use Route::{Market as M, Private, Public};
        check(
            "/ws/btcusdt@depth",
            "",
            Some((Public, false, &["btcusdt@depth"])),
        );
        check("/public/ws/a/b", "", Some((Public, false, &["a", "b"])));
        check(
            "/market/stream",
            "streams=a/b",
            Some((M, true, &["a", "b"])),
        );
        check(
            "/public/stream",
            "streams=a%2Fb%40c",
            Some((Public, true, &["a", "b@c"])),
        );
        check("/stream", "streams=", Some((Public, true, &[])));
        check("/private/ws/KEY", "", Some((Private, false, &["KEY"])));
        check(
            "/private/ws",
            "listenKey=KEY&events=A",
            Some((Private, false, &["KEY"])),
        );
        check(
            "/private/stream",
            "listenKey=KEY",
            Some((Private, true, &["KEY"])),
        );
        check("/fapi/v1/ping", "", None);
    }
}
