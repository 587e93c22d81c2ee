//! From options to a running exchange core: feeds, floors, keys.
//!
//! In: options. Out: an exchange whose market starts now. Never: a socket.

use std::sync::{Arc, Mutex};

use market::{Instrument, InstrumentId, Market, Money};
use matching::{SpotBalances, Venue, VenueConfig};

use crate::accounts::Accounts;
use crate::api::auth::Keys;
use crate::api::weights::Weights;
use crate::arrival_log::ArrivalLog;
use crate::clock::Clock;
use crate::exchange::{Exchange, Shared};
use crate::faults::Faults;
use crate::faults::schedule::Schedule;
use crate::feed::follow::Following;
use crate::feed::generator::Generator;
use crate::feed::recording::Recording;
use crate::feed::{Feed, parameters};
use crate::floor::{Floor, SharedLog};
use crate::latency::{Delays, Latency};
use crate::listing::Listing;
use crate::options::Options;
use crate::private::{ListenKeys, Subscriptions};
use crate::state::State;
use crate::wire_log::WireLog;

/// Opening wallet of the account in USDT.
const WALLET_USDT: i64 = 100_000;
/// Leverage of every symbol at the start, as production has it.
const LEVERAGE: u32 = 20;
/// First ids of orders and of our own trades; public trades have others.
const FIRST_ORDER_ID: u64 = 8_000_000_001;
const FIRST_TRADE_ID: u64 = 900_000_000_001;
const MS: i64 = 1_000_000;

/// Why the exchange cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An argument is wrong: exit code 2.
    #[error("{0}")]
    Argument(String),
    /// A file is missing or broken: exit code 1.
    #[error("{0}")]
    Input(String),
}

/// Builds the exchange and lets its market run: of a followed one as soon as it answers.
///
/// # Errors
/// [`StartError`].
pub async fn start(options: &Options) -> Result<Shared, StartError> {
    let following = Following::open(options).await;
    let Some(following) = following.map_err(StartError::Input)? else {
        return Ok(Shared::new(build(options)?));
    };
    let feeds = (following.feeds(Market::UsdM), following.feeds(Market::Spot));
    let shared = Shared::new(build_of(options, feeds)?);
    following.start(&shared);
    Ok(shared)
}

/// Builds an exchange that follows nobody.
///
/// # Errors
/// [`StartError`].
pub fn build(options: &Options) -> Result<Exchange, StartError> {
    build_of(options, feeds(options)?)
}

fn build_of(options: &Options, (usdm, spot): (Feeds, Feeds)) -> Result<Exchange, StartError> {
    let keys = keys(options)?;
    let latency = Latency::from_specs(&options.latency).map_err(StartError::Input)?;
    let clock = Clock::start();
    let start_ns = clock.now_ns();
    let rebatch_ns = options.rebatch_depth.map(|ms| i64::from(ms) * MS);
    let log = arrival_log(options)?;
    let floor = |market, feeds: Vec<Box<dyn Feed>>| -> Result<Floor, StartError> {
        let config = venue_config(options, market, &feeds);
        if let Some(log) = &log {
            let mut log = log.lock().expect("nobody else has it yet");
            let model = options.queue_model.to_string();
            log.venue(market, &config, &model).map_err(input)?;
        }
        let mut venue = Venue::new(config);
        venue.set_queue_model(options.queue_model);
        if log.is_some() {
            venue.record_inputs();
        }
        let mut floor = Floor::new(market, venue, feeds, options.speed, rebatch_ns, start_ns);
        if let Some(log) = &log {
            floor.log_arrivals(log.clone());
        }
        Ok(floor)
    };
    let weights = match options.no_limits {
        true => Weights::without_limits,
        false => Weights::new,
    };
    let mut exchange = Exchange {
        clock,
        usdm: floor(Market::UsdM, usdm)?,
        spot: floor(Market::Spot, spot)?,
        faults: Faults::from_specs(&options.fault),
        schedule: options
            .fault_schedule
            .map(|spec| Schedule::new(spec, start_ns)),
        delays: Delays::new(latency, options.seed),
        wire: WireLog::default(),
        keys,
        key_rights: options.key_rights,
        accounts: Accounts::default(),
        listen_keys: ListenKeys::default(),
        spot_subscriptions: Subscriptions::default(),
        usdm_weights: weights(Market::UsdM),
        spot_weights: weights(Market::Spot),
        requests: 0,
        private_events: 0,
        state: None,
    };
    exchange.reset_latency();
    if let Some(directory) = &options.state_dir {
        let state = State::open(directory, &mut exchange);
        exchange.state = Some(state.map_err(|error| StartError::Input(error.to_string()))?);
    }
    Ok(exchange)
}

fn input(error: std::io::Error) -> StartError {
    StartError::Input(error.to_string())
}

fn arrival_log(options: &Options) -> Result<Option<SharedLog>, StartError> {
    let Some(file) = &options.arrival_log else {
        return Ok(None);
    };
    let log = ArrivalLog::create(file)
        .map_err(|error| StartError::Input(format!("{}: {error}", file.display())))?;
    Ok(Some(Arc::new(Mutex::new(log))))
}

fn keys(options: &Options) -> Result<Keys, StartError> {
    let (Some(key), Some(file)) = (&options.api_key, &options.api_secret_file) else {
        return Ok(Keys::default());
    };
    let secret = std::fs::read_to_string(file)
        .map_err(|error| StartError::Input(format!("{}: {error}", file.display())))?;
    Keys::new(key.clone(), &secret)
        .map_err(|error| StartError::Input(format!("{}: {error}", file.display())))
}

type Feeds = Vec<Box<dyn Feed>>;

fn feeds(options: &Options) -> Result<(Feeds, Feeds), StartError> {
    let listing = Listing::read(&options.exchange_info).map_err(StartError::Input)?;
    if options.capture.is_empty() {
        generated(options, &listing)
    } else {
        recorded(options, &listing)
    }
}

fn recorded(options: &Options, listing: &Listing) -> Result<(Feeds, Feeds), StartError> {
    let read = recordings::Options {
        skip_bad: options.skip_bad,
    };
    let catalog = recordings::Catalog::open(&options.capture, read)
        .map_err(|error| StartError::Input(error.to_string()))?;
    if catalog.skipped_lines > 0 {
        tracing::warn!(
            skipped = catalog.skipped_lines,
            "broken lines of recordings skipped"
        );
    }
    let mut both: (Feeds, Feeds) = (Vec::new(), Vec::new());
    for session in &catalog.sessions {
        let feeds = match session.market {
            Market::UsdM => &mut both.0,
            Market::Spot => &mut both.1,
        };
        let symbol = session.symbol.as_str();
        if feeds
            .iter()
            .any(|feed| feed.instrument().symbol.as_str() == symbol)
        {
            return Err(StartError::Input(format!(
                "{symbol} was recorded in two sessions that do not continue each other; give one"
            )));
        }
        let listed = listing
            .find(session.market, symbol)
            .map_err(StartError::Input)?;
        let feed = Recording::load(session, listed, options.repeat, options.skip_bad)
            .map_err(StartError::Input)?;
        tracing::info!(market = %session.market, symbol, tick = ?session.tick(),
            lot = ?session.lot(), messages = session.facts.messages, "recording loaded");
        feeds.push(Box::new(feed));
    }
    Ok(both)
}

fn generated(options: &Options, listing: &Listing) -> Result<(Feeds, Feeds), StartError> {
    let mut both = (Vec::new(), Vec::new());
    for market in [Market::UsdM, Market::Spot] {
        for symbol in &options.symbols {
            let built_in = parameters::instrument(market, symbol).map_err(StartError::Argument)?;
            let listed = listing.find(market, symbol).map_err(StartError::Argument)?;
            let instrument = listed.unwrap_or(built_in);
            let flow = parameters::flow(&instrument);
            let feed: Box<dyn Feed> = Box::new(Generator::new(instrument, flow, options.seed));
            match market {
                Market::UsdM => both.0.push(feed),
                Market::Spot => both.1.push(feed),
            }
        }
    }
    Ok(both)
}

fn venue_config(options: &Options, market: Market, feeds: &Feeds) -> VenueConfig {
    let instruments: Vec<Instrument> = feeds
        .iter()
        .enumerate()
        .map(|(index, feed)| {
            let mut instrument = feed.instrument();
            instrument.id = InstrumentId(index as u16);
            instrument
        })
        .collect();
    let spot = (market == Market::Spot).then(|| SpotBalances {
        quote: Money::from_whole(WALLET_USDT),
        bases: instruments.iter().map(opening_base).collect(),
    });
    VenueConfig {
        instruments,
        spot,
        wallet: Money::from_whole(WALLET_USDT),
        fees: match market {
            Market::UsdM => options.fees,
            Market::Spot => options.spot_fees,
        },
        leverage: LEVERAGE,
        first_order_id: FIRST_ORDER_ID,
        first_trade_id: FIRST_TRADE_ID,
    }
}

/// Opening balance of a base asset, so that both sides can be traded at once.
pub(crate) fn opening_base(instrument: &Instrument) -> Money {
    Money::from_whole(match instrument.symbol.as_str() {
        "BTCUSDT" => 1,
        "ETHUSDT" => 20,
        _ => 10_000,
    })
}
