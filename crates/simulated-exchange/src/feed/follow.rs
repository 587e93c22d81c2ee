//! The followed market: a real exchange's public streams as a third source of the market.
//!
//! In: base URLs of public REST and public streams. Out: feeds whose frames came from there. Never:
//! a key, an order, a signed request; a difference passed on that does not follow the one before.
//!
//! ```text
//! exchangeInfo, depth --GET--> Line (per instrument) --> inbox --> Floor: venue, then subscribers
//! streams ------------WS-----^
//! ```
//!
//! A book that is not known (a broken connection, a missing difference) is an outage: its streams
//! are silent, orders on it are refused with 503 and -1001, cancels work. That is what the exchange
//! itself looks like then. Subscribers see the gap in the ids afterwards, and resynchronise.

mod dial;
pub mod line;
mod listing;
pub mod relay;
mod route;
mod shop;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use binance::decode::decode_snapshot;
use binance::session::Backoff;
use market::{Instrument, InstrumentId, InstrumentStatus, Level, Market, Side};

use self::dial::Dialer;
use self::line::{Line, LineCounts};
use self::relay::Relay;
use self::shop::Shop;
use super::{Feed, FeedEvent, StartBook};
use crate::exchange::Shared;
use crate::options::Options;
use crate::tape::past::Pace;

/// Levels of a snapshot: as many as cost no more weight than they are worth.
const SNAPSHOT_LEVELS: usize = 1_000;
/// First and longest wait between two attempts.
const RETRY_NS: (u64, u64) = (250_000_000, 30_000_000_000);
/// Nothing of the past is known; candles before the start have this many trades.
const PACE: Pace = Pace {
    lots_per_minute: 1_000,
    trades_per_minute: 100,
    first_trade_id: 1_000_000_000,
};

/// Waiting times between attempts.
fn backoff(seed: u64) -> Backoff {
    Backoff::new(RETRY_NS.0, RETRY_NS.1, seed)
}

async fn pause(backoff: &mut Backoff) {
    tokio::time::sleep(Duration::from_nanos(backoff.fail())).await;
}

/// Where a followed market is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Futures or spot.
    pub market: Market,
    /// Base of public REST, no trailing slash.
    pub rest: String,
    /// Base of public streams, no trailing slash.
    pub stream: String,
}

impl Target {
    /// A market at a REST base; its streams are where that exchange has them unless told otherwise.
    ///
    /// # Errors
    /// When a URL has another scheme.
    pub fn new(market: Market, rest: &str, stream: Option<&str>) -> Result<Self, String> {
        let rest = rest.trim_end_matches('/');
        if !rest.starts_with("http://") && !rest.starts_with("https://") {
            return Err(format!("`{rest}` is no URL with http:// or https://"));
        }
        let stream = match stream {
            Some(stream) => stream.trim_end_matches('/').to_owned(),
            None => stream_base(rest),
        };
        if !stream.starts_with("ws://") && !stream.starts_with("wss://") {
            return Err(format!("`{stream}` is no URL with ws:// or wss://"));
        }
        let rest = rest.to_owned();
        Ok(Self {
            market,
            rest,
            stream,
        })
    }

    fn api(&self) -> String {
        let path = match self.market {
            Market::UsdM => "/fapi/v1",
            Market::Spot => "/api/v3",
        };
        format!("{}{path}", self.rest)
    }

    fn depth(&self, symbol: &str) -> String {
        let api = self.api();
        format!("{api}/depth?symbol={symbol}&limit={SNAPSHOT_LEVELS}")
    }
}

/// The streams of a REST base: Binance has them on hosts of their own (binance.md 1.1), a simulated
/// exchange on the same port.
fn stream_base(rest: &str) -> String {
    let known = [
        ("https://fapi.binance.com", "wss://fstream.binance.com"),
        ("https://api.binance.com", "wss://stream.binance.com:9443"),
        (
            "https://demo-fapi.binance.com",
            "wss://demo-fstream.binance.com",
        ),
        (
            "https://testnet.binance.vision",
            "wss://stream.testnet.binance.vision",
        ),
    ];
    let found = known.iter().find(|(base, _)| *base == rest);
    found.map_or_else(
        || rest.replacen("http", "ws", 1),
        |(_, stream)| (*stream).to_owned(),
    )
}

/// What waits for the floor, and how the line stands.
#[derive(Debug, Default)]
pub struct Inbox {
    relays: VecDeque<Relay>,
    standing: Standing,
}

/// How a followed instrument stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its book is known.
    pub live: bool,
    /// Counts of its frames.
    pub counts: LineCounts,
    /// Times that a connection of its market ended.
    pub disconnects: u64,
    /// Frames of its market that could not be read.
    pub unreadable: u64,
}

type SharedInbox = Arc<Mutex<Inbox>>;

/// One followed instrument.
pub struct Followed {
    instrument: Instrument,
    start: StartBook,
    inbox: SharedInbox,
}

impl Feed for Followed {
    fn instrument(&self) -> Instrument {
        self.instrument
    }

    fn start_book(&self) -> StartBook {
        self.start.clone()
    }

    fn pace(&self) -> Pace {
        PACE
    }

    /// Whatever waits is due: it happened already, elsewhere.
    fn next_time_ns(&self) -> Option<i64> {
        let inbox = self.inbox.lock().expect("no piece of work panicked");
        (!inbox.relays.is_empty()).then_some(0)
    }

    fn next_event(&mut self) -> Option<FeedEvent> {
        None
    }

    fn next_relay(&mut self) -> Option<Relay> {
        let mut inbox = self.inbox.lock().expect("no piece of work panicked");
        inbox.relays.pop_front()
    }

    fn standing(&self) -> Option<Standing> {
        let inbox = self.inbox.lock().expect("no piece of work panicked");
        Some(inbox.standing)
    }
}

/// A followed exchange before its market starts.
pub struct Following {
    dialer: Dialer,
    renew: Duration,
    relist: Duration,
    markets: Vec<FollowedMarket>,
}

struct FollowedMarket {
    target: Target,
    instruments: Vec<Instrument>,
    inboxes: Vec<SharedInbox>,
    starts: Vec<StartBook>,
}

impl Following {
    /// Asks the followed exchange for instruments and first books, until it answers.
    ///
    /// # Errors
    /// What no second attempt would mend: a wrong URL, an unreadable authority, a symbol that is
    /// not listed there.
    pub async fn open(options: &Options) -> Result<Option<Self>, String> {
        let targets = options.targets()?;
        if targets.is_empty() {
            return Ok(None);
        }
        let dialer = Dialer::new(options.follow_ca.as_deref())?;
        let mut markets = Vec::new();
        for target in targets {
            markets.push(FollowedMarket::open(&dialer, target, &options.symbols).await?);
        }
        Ok(Some(Self {
            dialer,
            renew: Duration::from_secs(options.follow_renew_s),
            relist: Duration::from_secs(options.follow_listing_s),
            markets,
        }))
    }

    /// The feeds of a market, in the order of its instruments.
    #[must_use]
    pub fn feeds(&self, market: Market) -> Vec<Box<dyn Feed>> {
        let of_market = self
            .markets
            .iter()
            .filter(|one| one.target.market == market);
        of_market.flat_map(FollowedMarket::feeds).collect()
    }

    /// Connects, and goes on until the runtime ends.
    pub fn start(self, shared: &Shared) {
        for market in self.markets {
            let (dialer, target) = (self.dialer.clone(), market.target.clone());
            let instruments = market.instruments.clone();
            let watch = listing::watch(dialer, target, instruments, self.relist, shared.clone());
            tokio::spawn(watch);
            let shop = Shop::start(market, self.dialer.clone(), shared.clone());
            route::start(&shop, &self.dialer, self.renew);
        }
    }
}

impl FollowedMarket {
    async fn open(dialer: &Dialer, target: Target, symbols: &[String]) -> Result<Self, String> {
        let mut waits = backoff(1);
        let info = loop {
            match listing::fetch(dialer, &target).await {
                Ok(info) => break info,
                Err(error) => tracing::warn!(%error, "the followed exchange does not answer yet"),
            }
            pause(&mut waits).await;
        };
        let mut instruments = Vec::new();
        for (index, symbol) in symbols.iter().enumerate() {
            let found = info.find(symbol);
            let mut instrument = found
                .map(|listed| listed.instrument)
                .ok_or_else(|| format!("{symbol} is not listed at {}", target.rest))?;
            instrument.id = InstrumentId(index as u16);
            if instrument.status != InstrumentStatus::Trading {
                tracing::warn!(symbol, status = ?instrument.status, "followed, but not trading");
            }
            instruments.push(instrument);
        }
        let mut starts = Vec::new();
        for instrument in &instruments {
            starts.push(first_book(dialer, &target, instrument).await);
        }
        let inboxes = instruments.iter().map(|_| SharedInbox::default()).collect();
        Ok(Self {
            target,
            instruments,
            inboxes,
            starts,
        })
    }

    fn feeds(&self) -> impl Iterator<Item = Box<dyn Feed>> + '_ {
        let parts = self.instruments.iter().zip(&self.starts).zip(&self.inboxes);
        parts.map(|((instrument, start), inbox)| {
            let feed: Box<dyn Feed> = Box::new(Followed {
                instrument: *instrument,
                start: start.clone(),
                inbox: inbox.clone(),
            });
            feed
        })
    }

    fn lines(&self) -> Vec<Line> {
        let market = self.target.market;
        self.instruments.iter().map(|_| Line::new(market)).collect()
    }
}

async fn first_book(dialer: &Dialer, target: &Target, instrument: &Instrument) -> StartBook {
    let mut waits = backoff(u64::from(instrument.id.0) + 2);
    loop {
        match fetch_book(dialer, target, instrument).await {
            Ok(book) => return book,
            Err(error) => tracing::warn!(%error, "no first book yet"),
        }
        pause(&mut waits).await;
    }
}

async fn fetch_book(
    dialer: &Dialer,
    target: &Target,
    instrument: &Instrument,
) -> Result<StartBook, String> {
    let url = target.depth(instrument.symbol.as_str());
    let body = dialer.get(&url).await?;
    let snapshot = decode_snapshot(&body, instrument).map_err(|error| format!("{url}: {error}"))?;
    let levels = |side| {
        let mut buffer = vec![Level::default(); SNAPSHOT_LEVELS];
        snapshot.runs(side).next_run(&mut buffer).to_vec()
    };
    Ok(StartBook {
        last_update_id: snapshot.header().last_update_id,
        bids: levels(Side::Buy),
        asks: levels(Side::Sell),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_are_found_from_the_rest_base() {
        let stream = |rest, told| Target::new(Market::UsdM, rest, told).map(|one| one.stream);
        for (rest, told, expected) in [
            (
                "https://fapi.binance.com/",
                None,
                "wss://fstream.binance.com",
            ),
            ("http://127.0.0.1:8900", None, "ws://127.0.0.1:8900"),
            ("https://localhost:1", None, "wss://localhost:1"),
            ("http://a", Some("wss://b/"), "wss://b"),
        ] {
            assert_eq!(stream(rest, told).as_deref(), Ok(expected));
        }
        assert!(stream("ftp://a", None).is_err());
        assert!(stream("http://a", Some("http://b")).is_err());
    }
}
