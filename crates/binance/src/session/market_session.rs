//! One connection of market streams: connect, decode, notice silence, reconnect.
//!
//! In: frames and the time. Out: decoded market events in the caller's sink, and connect or close.
//! Never: an allocation per frame, a frame lost without a count, a book trusted after a frame
//! that could not be read.

use super::{CloseReason, Link, LinkAction, LinkSettings, SECOND_NS};
use crate::decode::{
    DecodeError, OtherEvent, StreamMessage, decode_stream_message, instrument_hint,
};
use market::{Instrument, InstrumentId, Instruments, Level, Market, MonoNs};

/// Which part of the streams a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarketRoute {
    /// Futures books: `/public`.
    Public,
    /// Futures trades and mark prices: `/market`.
    Market,
    /// Everything of spot.
    Spot,
}

/// Takes what the streams bring.
pub trait MarketEvents {
    /// One decoded event.
    fn market_data(&mut self, message: StreamMessage<'_>);
    /// A frame of this instrument's book could not be read (I8).
    fn book_doubtful(&mut self, instrument: InstrumentId);
    /// A frame could not be read; for the counters.
    fn parse_error(&mut self, error: DecodeError);
    /// The book stream of a market went up or down.
    fn stream(&mut self, market: Market, up: bool);
    /// This connection, of whatever route, opened or ended. One who does not care leaves it.
    fn connection(&mut self, _: bool) {}
}

/// A connection and its instruments.
#[derive(Clone, Debug)]
pub struct MarketSession {
    route: MarketRoute,
    url: String,
    link: Link,
    levels: Vec<Level>,
    /// Somebody else opens another connection before this one is closed for its age.
    relieved: bool,
    /// Its server has said that it ends.
    ending: bool,
}

/// Without a frame for this long a connection is dead: mark prices come each second, book tickers
/// of a traded symbol far more often.
const SILENCE_NS: u64 = 15 * SECOND_NS;

/// So long a connection that is too old waits for the one that replaces it; the exchange ends it at
/// 24 h.
const OVERTIME_NS: u64 = 20 * 60 * SECOND_NS;

/// Most levels of one difference; more make the book resync.
const LEVELS_MAX: usize = 4096;

impl MarketRoute {
    /// The routes of a market.
    #[must_use]
    pub const fn of(market: Market) -> &'static [Self] {
        match market {
            Market::UsdM => &[Self::Public, Self::Market],
            Market::Spot => &[Self::Spot],
        }
    }

    /// Its market.
    #[must_use]
    pub const fn market(self) -> Market {
        match self {
            Self::Public | Self::Market => Market::UsdM,
            Self::Spot => Market::Spot,
        }
    }

    /// The metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Market => "market",
            Self::Spot => "spot",
        }
    }

    /// True when books come over this route.
    #[must_use]
    pub const fn carries_books(self) -> bool {
        matches!(self, Self::Public | Self::Spot)
    }
}

impl MarketSession {
    /// A session that connects at its first poll. `base_url` has no trailing slash.
    #[must_use]
    pub fn new(
        route: MarketRoute,
        base_url: &str,
        instruments: &Instruments<'_>,
        depth_interval_ms: u64,
        seed: u64,
    ) -> Self {
        let url = stream_url(route, base_url, instruments, depth_interval_ms);
        Self::of_url(route, url, 0, seed)
    }

    /// The same, of a [`Feed`](super::Feed): it is replaced before it is closed for its age.
    #[must_use]
    pub fn relieved(
        route: MarketRoute,
        base_url: &str,
        instruments: &Instruments<'_>,
        depth_interval_ms: u64,
        seed: u64,
    ) -> Self {
        let url = stream_url(route, base_url, instruments, depth_interval_ms);
        Self {
            relieved: true,
            ..Self::of_url(route, url, OVERTIME_NS, seed)
        }
    }

    /// Counts as old after `age_ns`, for whoever cannot wait a day to see it replaced.
    #[must_use]
    pub fn aging(mut self, age_ns: u64, seed: u64) -> Self {
        self.link = Link::new(LinkSettings {
            silence_ns: SILENCE_NS,
            rotate_after_ns: age_ns,
            overtime_ns: OVERTIME_NS,
            // Neighbours' rotations lie minutes apart; here they may not.
            seed: seed & !0xF,
            ..LinkSettings::default()
        });
        self
    }

    fn of_url(route: MarketRoute, url: String, overtime_ns: u64, seed: u64) -> Self {
        Self {
            route,
            url,
            link: Link::new(LinkSettings {
                silence_ns: SILENCE_NS,
                overtime_ns,
                seed,
                ..LinkSettings::default()
            }),
            levels: vec![Level::default(); LEVELS_MAX],
            relieved: false,
            ending: false,
        }
    }

    /// Where to connect.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Which part of the streams it carries.
    #[must_use]
    pub const fn route(&self) -> MarketRoute {
        self.route
    }

    /// What is due now.
    pub fn poll(&mut self, now: MonoNs, events: &mut impl MarketEvents) -> Option<LinkAction> {
        let was_up = self.link.is_up();
        let action = self.link.poll(now);
        if was_up && !self.link.is_up() {
            self.tell(false, events);
        }
        action
    }

    /// When `poll` has to be called at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> MonoNs {
        self.link.next_deadline()
    }

    /// True once another connection is to take its place.
    #[must_use]
    pub fn is_due_for_replacement(&self, now: MonoNs) -> bool {
        self.link.is_up() && (self.ending || self.link.is_aged(now))
    }

    /// Another connection has taken its place.
    pub fn retire(&mut self, now: MonoNs, events: &mut impl MarketEvents) -> LinkAction {
        if self.link.is_up() {
            self.tell(false, events);
        }
        self.link.close(CloseReason::Rotated, now)
    }

    /// The connection is open; the URL itself subscribes.
    pub fn on_connected(&mut self, now: MonoNs, events: &mut impl MarketEvents) {
        self.ending = false;
        self.link.on_connected(now);
        self.tell(true, events);
    }

    /// The connection ended or could not be opened.
    pub fn on_disconnected(&mut self, now: MonoNs, events: &mut impl MarketEvents) {
        if self.link.on_disconnected(now) {
            self.tell(false, events);
        }
    }

    /// One text frame.
    pub fn on_frame(
        &mut self,
        bytes: &[u8],
        now: MonoNs,
        instruments: &Instruments<'_>,
        events: &mut impl MarketEvents,
    ) -> Option<LinkAction> {
        self.link.on_data(now);
        let market = self.route.market();
        match decode_stream_message(bytes, instruments, market, &mut self.levels) {
            // There are ten minutes left for somebody to take its place.
            Ok(StreamMessage::Other(OtherEvent::ServerShutdown)) if self.relieved => {
                self.ending = true;
                None
            }
            Ok(StreamMessage::Other(OtherEvent::ServerShutdown)) => {
                self.tell(false, events);
                Some(self.link.close(CloseReason::ServerShutdown, now))
            }
            Ok(StreamMessage::Other(OtherEvent::Unused) | StreamMessage::Control(_)) => None,
            Ok(message) => {
                events.market_data(message);
                None
            }
            Err(error) => {
                self.refuse(bytes, error, instruments, events);
                None
            }
        }
    }

    /// A frame that cannot be read makes its book doubtful, and every book when nobody can tell
    /// whose it was. Messages of other markets and of symbols that are not ours concern nobody.
    #[cold]
    fn refuse(
        &self,
        bytes: &[u8],
        error: DecodeError,
        instruments: &Instruments<'_>,
        events: &mut impl MarketEvents,
    ) {
        events.parse_error(error);
        let foreign = matches!(error, DecodeError::UnknownSymbol | DecodeError::OtherMarket);
        if foreign || !self.route.carries_books() {
            return;
        }
        match instrument_hint(bytes, instruments, self.route.market()) {
            Some(instrument) => events.book_doubtful(instrument),
            None => own(self.route, instruments).for_each(|one| events.book_doubtful(one.id)),
        }
    }

    fn tell(&self, up: bool, events: &mut impl MarketEvents) {
        events.connection(up);
        if self.route.carries_books() {
            events.stream(self.route.market(), up);
        }
    }
}

fn own<'a>(
    route: MarketRoute,
    instruments: &Instruments<'a>,
) -> impl Iterator<Item = &'a Instrument> {
    let of_market = move |one: &&Instrument| one.market == route.market();
    instruments.0.iter().filter(of_market)
}

/// Where a connection of `route` finds the streams of its instruments; depth at this interval.
#[must_use]
pub fn stream_url(
    route: MarketRoute,
    base_url: &str,
    instruments: &Instruments<'_>,
    depth_interval_ms: u64,
) -> String {
    let depth = match (route, depth_interval_ms) {
        (MarketRoute::Spot, _) => "depth@100ms".to_string(),
        // Asked for by its number the default speed is acknowledged and silent.
        (_, 250) => "depth".to_string(),
        (_, interval) => format!("depth@{interval}ms"),
    };
    let (path, streams): (&str, &[&str]) = match route {
        MarketRoute::Public => ("/public", &[&depth, "bookTicker"]),
        MarketRoute::Market => ("/market", &["aggTrade", "markPrice@1s"]),
        MarketRoute::Spot => ("", &[&depth, "bookTicker", "aggTrade"]),
    };
    let mut url = format!("{base_url}{path}/stream?streams=");
    for (index, instrument) in own(route, instruments).enumerate() {
        for (number, stream) in streams.iter().enumerate() {
            if index + number > 0 {
                url.push('/');
            }
            push_lower_case(instrument.symbol.as_str(), &mut url);
            url.push('@');
            url.push_str(stream);
        }
    }
    url
}

/// Stream names are lower case; an upper-case one is acknowledged and silent. Bytes outside of
/// ASCII are percent-encoded, as a URL wants them.
fn push_lower_case(symbol: &str, url: &mut String) {
    for byte in symbol.to_lowercase().bytes() {
        if byte.is_ascii_graphic() {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Filters, InstrumentStatus, Step, Symbol};

    #[derive(Default)]
    struct Seen(Vec<String>);

    impl MarketEvents for Seen {
        fn market_data(&mut self, message: StreamMessage<'_>) {
            self.0.push(match message {
                StreamMessage::Depth(depth) => format!("depth {}", depth.header.last_update_id.0),
                StreamMessage::BookTicker(ticker) => format!("ticker {}", ticker.update_id.0),
                _ => "other".to_string(),
            });
        }
        fn book_doubtful(&mut self, instrument: InstrumentId) {
            self.0.push(format!("doubtful {}", instrument.0));
        }
        fn parse_error(&mut self, error: DecodeError) {
            self.0.push(format!("error {}", error.reason()));
        }
        fn stream(&mut self, market: Market, up: bool) {
            self.0
                .push(format!("{market} {}", if up { "up" } else { "down" }));
        }
    }

    fn instrument(id: u16, symbol: &str, market: Market) -> Instrument {
        Instrument {
            id: InstrumentId(id),
            market,
            symbol: Symbol::new(symbol.as_bytes()).unwrap(),
            tick: Step::from_text(b"0.10").unwrap(),
            lot: Step::from_text(b"0.001").unwrap(),
            price_decimals: 2,
            quantity_decimals: 3,
            status: InstrumentStatus::Trading,
            filters: Filters::NONE,
        }
    }

    fn table() -> Vec<Instrument> {
        vec![
            instrument(0, "BTCUSDT", Market::UsdM),
            instrument(1, "币USDT", Market::UsdM),
            instrument(2, "BTCUSDT", Market::Spot),
        ]
    }

    const fn at(seconds: u64) -> MonoNs {
        MonoNs(seconds * SECOND_NS)
    }

    #[test]
    fn the_url_subscribes_to_each_route_of_each_symbol() {
        let table = table();
        let url = |route, interval| stream_url(route, "ws://h", &Instruments(&table), interval);
        assert_eq!(
            url(MarketRoute::Public, 100),
            "ws://h/public/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker\
             /%E5%B8%81usdt@depth@100ms/%E5%B8%81usdt@bookTicker"
        );
        assert!(url(MarketRoute::Public, 0).contains("btcusdt@depth@0ms/"));
        assert!(url(MarketRoute::Public, 250).contains("btcusdt@depth/"));
        assert!(url(MarketRoute::Market, 100).starts_with("ws://h/market/stream?streams=btcusdt@"));
        assert_eq!(
            url(MarketRoute::Spot, 0),
            "ws://h/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@aggTrade"
        );
    }

    #[test]
    fn frames_become_events_and_broken_ones_make_books_doubtful() {
        let table = table();
        let depth = br#"{"stream":"x","data":{"e":"depthUpdate","E":2,"T":1,"s":"BTCUSDT","U":5,"u":7,"pu":4,"b":[],"a":[["1.10","2"]]}}"#;
        let cases: [(&[u8], &[&str]); 6] = [
            (depth, &["depth 7"]),
            (
                br#"{"e":"depthUpdate","s":"BTCUSDT","U":5}"#,
                &["error missing_field", "doubtful 0"],
            ),
            (b"rubbish", &["error syntax", "doubtful 0", "doubtful 1"]),
            (
                br#"{"e":"bookTicker","u":9,"s":"ETHUSDT","b":"1","B":"1","a":"2","A":"1","T":1,"E":1}"#,
                &["error unknown_symbol"],
            ),
            (br#"{"result":null,"id":1}"#, &[]),
            (br#"{"e":"listStatus"}"#, &[]),
        ];
        let instruments = Instruments(&table);
        let mut session = MarketSession::new(MarketRoute::Public, "ws://h", &instruments, 100, 1);
        for (frame, expected) in cases {
            let mut seen = Seen::default();
            assert_eq!(
                session.on_frame(frame, at(1), &instruments, &mut seen),
                None
            );
            assert_eq!(seen.0, expected, "{}", String::from_utf8_lossy(frame));
        }
    }

    #[test]
    fn a_lost_or_silent_book_stream_is_told_at_once_and_only_once() {
        let table = table();
        let instruments = Instruments(&table);
        let mut seen = Seen::default();
        let mut session = MarketSession::new(MarketRoute::Public, "ws://h", &instruments, 100, 1);
        assert_eq!(session.poll(at(1), &mut seen), Some(LinkAction::Connect));
        session.on_connected(at(1), &mut seen);
        session.on_disconnected(at(2), &mut seen);
        session.on_disconnected(at(2), &mut seen);
        assert_eq!(session.poll(at(3), &mut seen), Some(LinkAction::Connect));
        session.on_connected(at(3), &mut seen);
        let close = Some(LinkAction::Close(CloseReason::Silent));
        assert_eq!(session.poll(at(30), &mut seen), close);
        assert_eq!(seen.0, ["usdm up", "usdm down", "usdm up", "usdm down"]);
    }

    #[test]
    fn a_server_that_shuts_down_is_left_before_it_leaves_us() {
        let table = table();
        let instruments = Instruments(&table);
        let mut seen = Seen::default();
        let mut session = MarketSession::new(MarketRoute::Spot, "ws://h", &instruments, 100, 1);
        session.poll(at(1), &mut seen);
        session.on_connected(at(1), &mut seen);
        let frame = br#"{"e":"serverShutdown","E":1770123456789}"#;
        assert_eq!(
            session.on_frame(frame, at(2), &instruments, &mut seen),
            Some(LinkAction::Close(CloseReason::ServerShutdown))
        );
        assert_eq!(seen.0, ["spot up", "spot down"]);
    }
}
