//! The way to the exchange: name, connection, time, streams, and what it lists of our instruments.
//!
//! In: the venue of the configuration. Out: checks; a client and the list of each market for those that
//! follow. Never: a request to a host that has asked for silence; an order.

use super::report::Report;
use crate::client::{Answer, Client, Dialer, Endpoint, Phases, Question};
use crate::decimal;
use crate::table::columns::duration;
use binance::rest::{self, Call, ExchangeInfo};
use hyper::Method;
use market::{Instrument, InstrumentStatus, Market, Money};
use settings::{InstrumentKey, Settings, StrategyKind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio_tungstenite::client_async;

/// How long a connection and an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Round trip of half of the pings that is warned of.
const ROUND_TRIP_WARN: Duration = Duration::from_millis(50);
/// Difference to the exchange's clock that is warned of, and at which requests are refused.
const OFFSET_WARN_MS: i64 = 100;
const OFFSET_MAX_MS: i64 = 1_000;
/// Samples of its time; the one with the shortest round trip counts.
const SAMPLES: u32 = 5;

/// A market that is traded.
pub(super) struct Venue {
    pub(super) market: Market,
    pub(super) client: Client,
    /// Why it is not asked any more.
    pub(super) silent: Option<String>,
    pub(super) listed: Option<ExchangeInfo>,
    /// The exchange's clock less ours, in milliseconds.
    pub(super) offset_ms: i64,
    pub(super) used_weight: Option<u64>,
}

impl Venue {
    /// Asks; the answer where it is one with 200.
    pub(super) async fn ask(&mut self, call: &Call, api_key: &str) -> Result<Answer, String> {
        if let Some(why) = &self.silent {
            return Err(why.clone());
        }
        let target = call.target();
        let headers = [("x-mbx-apikey", api_key)];
        let question = Question {
            method: Method::GET,
            path: &target,
            headers: if call.with_key { &headers } else { &[] },
            body: String::new(),
        };
        let answer = self.client.ask(&question, PATIENCE).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let used = answer
            .header("x-mbx-used-weight-1m")
            .and_then(|text| text.parse().ok());
        self.used_weight = used.or(self.used_weight);
        if [418, 429].contains(&answer.status) {
            let wait = answer.header("retry-after").unwrap_or("some");
            let text = format!("it wants silence for {wait} s (status {})", answer.status);
            self.silent = Some(text.clone());
            return Err(text);
        }
        match answer.status {
            200 => Ok(answer),
            status => {
                let failure = rest::parse_failure(status, &answer.body);
                Err(format!(
                    "status {status}: {} {}",
                    failure.code, failure.message
                ))
            }
        }
    }

    /// The exchange's time now, for signed requests.
    pub(super) fn now_ms(&self) -> i64 {
        utc_ms() + self.offset_ms
    }
}

fn group(market: Market) -> &'static str {
    match market {
        Market::UsdM => "exchange usdm",
        Market::Spot => "exchange spot",
    }
}

fn utc_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Looks at every market that is traded.
pub(super) async fn check(settings: &Settings, pings: u32, report: &mut Report) -> Vec<Venue> {
    let mut markets: Vec<Market> = settings.instruments.iter().map(|one| one.market).collect();
    markets.sort_unstable_by_key(|market| market.as_str());
    markets.dedup();
    let mut venues = Vec::new();
    for market in markets {
        if let Some(venue) = of_market(settings, market, pings, report).await {
            venues.push(venue);
        }
    }
    venues
}

async fn of_market(
    settings: &Settings,
    market: Market,
    pings: u32,
    report: &mut Report,
) -> Option<Venue> {
    let venue = &settings.venue;
    let (url, streams) = match market {
        Market::UsdM => (&venue.usdm_rest_url, &venue.usdm_stream_url),
        Market::Spot => (&venue.spot_rest_url, &venue.spot_stream_url),
    };
    let dialer = Dialer::new(venue.ca_file.as_deref(), PATIENCE);
    let mut venue = match open(&dialer, url, market).await {
        Ok(venue) => venue,
        Err(error) => {
            let todo = "see that it runs, the name resolves, the port is open and venue.ca_file is its own";
            report.fail(group(market), "connection", error, todo);
            return None;
        }
    };
    let phases = venue.client.phases();
    report.pass(
        group(market),
        "connection",
        format!("{url}: {}", steps(phases)),
    );
    round_trips(&mut venue, pings, report).await;
    time(&mut venue, report).await;
    web_socket(&dialer, streams, market, report).await;
    let listed = venue.ask(&rest::exchange_info(market), "").await;
    let listed = listed.and_then(|answer| {
        rest::parse_exchange_info(&answer.body, market).map_err(|error| error.to_string())
    });
    match listed {
        Err(error) => report.fail(
            group(market),
            "exchangeInfo",
            error,
            "without it nothing can be traded; is venue.*_rest_url a Binance?",
        ),
        Ok(info) => {
            for (index, key) in settings.instruments.iter().enumerate() {
                if key.market == market {
                    instrument(&mut venue, settings, index, key, &info, report).await;
                }
            }
            weight(&venue, &info, report);
            venue.listed = Some(info);
        }
    }
    Some(venue)
}

async fn open(dialer: &Dialer, url: &str, market: Market) -> Result<Venue, String> {
    let endpoint = Endpoint::of_url(url).map_err(|error| error.to_string())?;
    let mut venue = Venue {
        market,
        client: Client::new(dialer.clone(), endpoint),
        silent: None,
        listed: None,
        offset_ms: 0,
        used_weight: None,
    };
    venue.ask(&rest::ping(market), "").await?;
    Ok(venue)
}

fn steps(phases: Phases) -> String {
    let mut text = format!("name {}, TCP {}", text(phases.name), text(phases.connect));
    match phases.tls {
        Some(tls) => text.push_str(&format!(", TLS {}", self::text(tls))),
        None => text.push_str(", no TLS"),
    }
    text
}

fn text(time: Duration) -> String {
    duration(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

async fn round_trips(venue: &mut Venue, pings: u32, report: &mut Report) {
    let mut times = Vec::new();
    for _ in 0..pings {
        let begun = Instant::now();
        if let Err(error) = venue.ask(&rest::ping(venue.market), "").await {
            let todo = "the way breaks under twenty requests: look at the network, and at bans";
            report.fail(group(venue.market), "round trip", error, todo);
            return;
        }
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let Some(last) = times.len().checked_sub(1) else {
        report.skip(group(venue.market), "round trip", "no ping was wanted");
        return;
    };
    let at = |percent: usize| times[last * percent / 100];
    let found = format!(
        "REST p50 {}, p90 {}, max {} of {} pings",
        text(at(50)),
        text(at(90)),
        text(times[last]),
        times.len()
    );
    let todo = "stand nearer: Binance's matching is in Tokyo (AWS ap-northeast-1)";
    let good = at(50) <= ROUND_TRIP_WARN;
    report.warn_unless(good, group(venue.market), "round trip", found, todo);
}

async fn time(venue: &mut Venue, report: &mut Report) {
    let mut best: Option<(Duration, i64)> = None;
    for _ in 0..SAMPLES {
        let (begun, sent) = (Instant::now(), utc_ms());
        let Ok(answer) = venue.ask(&rest::time(venue.market), "").await else {
            break;
        };
        let round_trip = begun.elapsed();
        let Ok(server) = rest::parse_time(&answer.body) else {
            break;
        };
        let half = i64::try_from(round_trip.as_millis() / 2).unwrap_or(0);
        let offset = server.0 - (sent + half);
        if best.is_none_or(|(shortest, _)| round_trip < shortest) {
            best = Some((round_trip, offset));
        }
    }
    let Some((round_trip, offset)) = best else {
        report.fail(
            group(venue.market),
            "time",
            "it does not tell its time",
            "requests cannot be stamped without it; is venue.*_rest_url a Binance?",
        );
        return;
    };
    venue.offset_ms = offset;
    let bound = round_trip.as_millis() / 2 + 1;
    let found = format!("its clock is {offset} ms ahead of ours, give or take {bound} ms");
    let todo = "set this machine's clock (chrony); the hot path measures the difference itself";
    let group = group(venue.market);
    if offset.abs() <= OFFSET_WARN_MS {
        report.pass(group, "time", found);
    } else if offset.abs() <= OFFSET_MAX_MS {
        report.warn(group, "time", found, todo);
    } else {
        report.fail(group, "time", found, todo);
    }
}

async fn web_socket(dialer: &Dialer, base: &str, market: Market, report: &mut Report) {
    let begun = Instant::now();
    let path = match market {
        Market::UsdM => "/public/stream",
        Market::Spot => "/stream",
    };
    let url = format!("{base}{path}");
    let opened = async {
        let endpoint = Endpoint::of_url(base).map_err(|error| error.to_string())?;
        let connected = dialer
            .connect(&endpoint)
            .await
            .map_err(|error| error.to_string())?;
        let upgraded = client_async(url.as_str(), connected.stream);
        let upgraded = tokio::time::timeout(PATIENCE, upgraded).await;
        let upgraded = upgraded.map_err(|_| "no upgrade in time".to_string())?;
        let (mut socket, _) = upgraded.map_err(|error| error.to_string())?;
        // It is told that we leave; whether it hears it does not matter.
        let _ = socket.close(None).await;
        Ok::<(), String>(())
    };
    let opened = opened.await;
    let todo = "market data comes this way: see venue.*_stream_url and proxies between";
    match opened {
        Ok(()) => {
            let found = format!("{url}: open after {}", text(begun.elapsed()));
            report.pass(group(market), "streams", found);
        }
        Err(error) => report.fail(group(market), "streams", format!("{url}: {error}"), todo),
    }
}

/// Whether orders of the configured sizes pass the filters at the price of now.
#[allow(
    clippy::too_many_lines,
    reason = "one verdict an instrument, by the first thing amiss"
)]
async fn instrument(
    venue: &mut Venue,
    settings: &Settings,
    index: usize,
    key: &InstrumentKey,
    info: &ExchangeInfo,
    report: &mut Report,
) {
    let (place, symbol) = (group(venue.market), key.symbol.as_str());
    let Some(listed) = info.find(symbol) else {
        let why = info.refused.iter().find(|(name, _)| name == symbol);
        let found = match why {
            Some((_, error)) => format!("its filters cannot be used: {error}"),
            None => "it is not listed".to_string(),
        };
        report.fail(
            place,
            symbol,
            found,
            "name an instrument that this market has",
        );
        return;
    };
    let instrument = &listed.instrument;
    if instrument.status != InstrumentStatus::Trading {
        report.fail(
            place,
            symbol,
            format!("the exchange takes no orders: {}", instrument.status),
            "wait, or take it out of the configuration",
        );
        return;
    }
    let prices = venue.ask(&rest::best_prices(instrument), "").await;
    let price = prices.and_then(|answer| {
        let (bid, _) = rest::parse_best_prices(&answer.body).map_err(|error| error.to_string())?;
        instrument
            .price_from_text(bid.as_bytes())
            .map_err(|error| error.to_string())
    });
    let price = match price {
        Ok(price) => price,
        Err(error) => {
            let todo = "its book is empty or it does not tell: sizes cannot be compared";
            report.warn(place, symbol, format!("no price: {error}"), todo);
            return;
        }
    };
    let sizes = settings
        .strategies
        .iter()
        .filter(|one| one.instruments.contains(&index));
    let sizes = sizes.map(|one| match &one.kind {
        StrategyKind::Imbalance(it) => (one.name.as_str(), it.order_notional),
        StrategyKind::Dummy(it) => (one.name.as_str(), it.order_notional),
    });
    let mut amiss = Vec::new();
    let mut good = Vec::new();
    for (name, notional) in sizes {
        match fits(
            instrument,
            price,
            notional,
            settings.risk.order_notional_max,
        ) {
            Ok(quantity) => good.push(format!("{name} {quantity}")),
            Err(why) => amiss.push(format!("{name}: {why}")),
        }
    }
    let least = decimal::money_rounded(instrument.filters.notional_min, 2);
    match (amiss.is_empty(), good.is_empty()) {
        (false, _) => report.fail(
            place,
            symbol,
            amiss.join("; "),
            "change order_notional_usdt of the strategy, or risk.max_order_notional_usdt",
        ),
        (true, false) => report.pass(
            place,
            symbol,
            format!(
                "orders fit its filters: {} (least {least} USDT)",
                good.join(", ")
            ),
        ),
        (true, true) => report.warn(
            place,
            symbol,
            "listed, and no strategy trades it",
            "name it under a strategy's symbols, or take it out",
        ),
    }
}

/// The quantity of an order of this size, or which filter or limit it does not pass.
fn fits(
    instrument: &Instrument,
    price: market::Price,
    notional: Money,
    order_max: Money,
) -> Result<String, String> {
    let filters = &instrument.filters;
    let quantity = instrument.quantity_for(price, notional);
    let value = instrument.notional(price, quantity);
    let written = decimal::steps(instrument.lot, quantity.0);
    let money = |money: Money| decimal::money_rounded(money, 2);
    let lots = |quantity: market::Quantity| decimal::steps(instrument.lot, quantity.0);
    if notional > order_max {
        return Err(format!(
            "{} USDT are more than risk.max_order_notional_usdt {}",
            money(notional),
            money(order_max)
        ));
    }
    if quantity < filters.quantity_min || quantity.0 == 0 {
        return Err(format!(
            "{} USDT are {written}, and LOT_SIZE wants {} at least",
            money(notional),
            lots(filters.quantity_min.max(market::Quantity(1)))
        ));
    }
    if filters.quantity_max.0 > 0 && quantity > filters.quantity_max {
        return Err(format!(
            "{written} are more than LOT_SIZE allows, {}",
            lots(filters.quantity_max)
        ));
    }
    if value < filters.notional_min {
        return Err(format!(
            "{written} are worth {} USDT, and MIN_NOTIONAL wants {}",
            money(value),
            money(filters.notional_min)
        ));
    }
    Ok(written)
}

fn weight(venue: &Venue, info: &ExchangeInfo, report: &mut Report) {
    let limits = info
        .limits
        .iter()
        .filter(|one| !one.orders && one.window_s == 60);
    let limit = limits.map(|one| u64::from(one.limit)).min();
    let (Some(used), Some(limit)) = (venue.used_weight, limit) else {
        report.skip(group(venue.market), "request weight", "it does not tell");
        return;
    };
    let found = format!("{used} of {limit} in this minute, the doctor's own among them");
    let todo = "who else asks from this address? At the limit orders are refused, then the address";
    match used * 100 / limit.max(1) {
        0..50 => report.pass(group(venue.market), "request weight", found),
        50..90 => report.warn(group(venue.market), "request weight", found, todo),
        _ => report.fail(group(venue.market), "request weight", found, todo),
    }
}
