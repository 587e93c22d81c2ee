//! Prints the statistics of a market, recorded or generated, as one column of the table in
//! `docs/generated-market.md`.
//!
//! In: `SECONDS SYMBOL [RECORDING …]`; without recordings the generated market. Out: a list on
//! stdout. Never: a socket.

use std::path::PathBuf;
use std::process::ExitCode;

use market::{Market, Side, UtcMs};
use matching::MarketView;
use recordings::{Catalog, Options};
use simulated_exchange::feed::generator::Generator;
use simulated_exchange::feed::recording::Recording;
use simulated_exchange::feed::{Feed, FeedEvent, parameters};

const SECOND_NS: i64 = 1_000_000_000;

#[derive(Default)]
struct Statistics {
    seconds: f64,
    depths: u64,
    level_changes: u64,
    tickers: u64,
    trade_lots: Vec<f64>,
    taker_lots: Vec<f64>,
    last_taker: Option<(UtcMs, Side)>,
    one_tick_spreads: u64,
    best_lots: Vec<f64>,
    fifth_lots: Vec<f64>,
    fifth_distance: Vec<f64>,
    twentieth_distance: Vec<f64>,
    ratios: Vec<f64>,
    signals: u64,
    signalled: bool,
    middles: Vec<f64>,
}

impl Statistics {
    fn event(&mut self, event: &FeedEvent, view: &MarketView) {
        match event {
            FeedEvent::Depth(change) => {
                self.depths += 1;
                self.level_changes += (change.bids.len() + change.asks.len()) as u64;
                self.book(view);
            }
            FeedEvent::Ticker(_) => self.tickers += 1,
            FeedEvent::Trade(trade) => {
                let lots = trade.quantity.0 as f64;
                self.trade_lots.push(lots);
                let taker = (trade.transaction_time, trade.aggressor);
                match self.taker_lots.last_mut() {
                    Some(sum) if self.last_taker == Some(taker) => *sum += lots,
                    _ => self.taker_lots.push(lots),
                }
                self.last_taker = Some(taker);
            }
            FeedEvent::Mark(_) => {}
        }
    }

    fn book(&mut self, view: &MarketView) {
        let top = |side| view.depth_levels(side).take(20).collect::<Vec<_>>();
        let (bids, asks) = (top(Side::Buy), top(Side::Sell));
        if bids.len() < 20 || asks.len() < 20 {
            return;
        }
        self.one_tick_spreads += u64::from(asks[0].price.0 - bids[0].price.0 == 1);
        self.best_lots.push(bids[0].quantity.0 as f64);
        self.fifth_lots.push(bids[4].quantity.0 as f64);
        self.fifth_distance
            .push((bids[0].price.0 - bids[4].price.0) as f64);
        self.twentieth_distance
            .push((bids[0].price.0 - bids[19].price.0) as f64);
        let sum = |levels: &[market::Level]| -> f64 {
            levels[..5]
                .iter()
                .map(|level| level.quantity.0 as f64)
                .sum()
        };
        let ratio = sum(&bids) / sum(&asks);
        self.ratios.push(ratio);
        let signal = !(0.33..=3.0).contains(&ratio);
        self.signals += u64::from(signal && !self.signalled);
        self.signalled = signal;
    }

    fn print(&mut self, instrument: &market::Instrument) {
        let lot = instrument.lot.to_f64();
        let rate = |count: f64| count / self.seconds;
        println!("seconds {:.0}", self.seconds);
        println!(
            "level changes a second {:.0}",
            rate(self.level_changes as f64)
        );
        println!("book tickers a second {:.0}", rate(self.tickers as f64));
        println!("trades a second {:.1}", rate(self.trade_lots.len() as f64));
        println!(
            "taker orders a second {:.1}",
            rate(self.taker_lots.len() as f64)
        );
        for (name, values) in [
            ("trade size", &mut self.trade_lots),
            ("taker size", &mut self.taker_lots),
            ("best quantity", &mut self.best_lots),
            ("fifth quantity", &mut self.fifth_lots),
        ] {
            let sizes: Vec<String> = quantiles(values)
                .iter()
                .map(|v| format!("{:.3}", v * lot))
                .collect();
            println!("{name} (median, mean, 95 %) {}", sizes.join(" "));
        }
        println!(
            "fifth level, ticks behind the best (median, mean, 95 %) {:.1?}",
            quantiles(&mut self.fifth_distance)
        );
        println!(
            "twentieth level (median, mean, 95 %) {:.1?}",
            quantiles(&mut self.twentieth_distance)
        );
        println!(
            "spread of one tick {:.4}",
            self.one_tick_spreads as f64 / self.ratios.len() as f64
        );
        let share = |test: &dyn Fn(f64) -> bool| {
            self.ratios.iter().filter(|ratio| test(**ratio)).count() as f64
                / self.ratios.len() as f64
        };
        println!(
            "ratio above 3: {:.3}, below 0.33: {:.3}",
            share(&|r| r > 3.0),
            share(&|r| r < 0.33)
        );
        println!("signals a minute {:.1}", 60.0 * rate(self.signals as f64));
        for horizon in [1, 10, 60] {
            println!(
                "standard deviation of the mid over {horizon} s, ticks {:.1}",
                deviation(&self.middles, horizon)
            );
        }
    }
}

fn quantiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        values
            .get((values.len() as f64 * share) as usize)
            .copied()
            .unwrap_or(0.0)
    };
    [
        at(0.5),
        values.iter().sum::<f64>() / values.len().max(1) as f64,
        at(0.95),
    ]
}

/// Of changes over `horizon` samples of one second.
fn deviation(middles: &[f64], horizon: usize) -> f64 {
    let changes: Vec<f64> = middles
        .windows(horizon + 1)
        .map(|w| w[horizon] - w[0])
        .collect();
    let count = changes.len().max(1) as f64;
    let mean = changes.iter().sum::<f64>() / count;
    (changes
        .iter()
        .map(|change| (change - mean).powi(2))
        .sum::<f64>()
        / count)
        .sqrt()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seconds, symbol, files @ ..] = arguments.as_slice() else {
        eprintln!("usage: market_statistics SECONDS SYMBOL [RECORDING …]");
        return ExitCode::from(2);
    };
    match (seconds.parse(), feed(symbol, files)) {
        (Ok(seconds), Ok(feed)) => {
            measure(feed, seconds);
            ExitCode::SUCCESS
        }
        (Err(_), _) => ExitCode::from(2),
        (_, Err(error)) => {
            eprintln!("market_statistics: {error}");
            ExitCode::FAILURE
        }
    }
}

fn feed(symbol: &str, files: &[String]) -> Result<Box<dyn Feed>, String> {
    if files.is_empty() {
        let instrument = parameters::instrument(Market::UsdM, symbol)?;
        let flow = parameters::flow(&instrument);
        return Ok(Box::new(Generator::new(instrument, flow, 1)));
    }
    let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
    let catalog = Catalog::open(&files, Options::default()).map_err(|error| error.to_string())?;
    let session = catalog
        .sessions
        .iter()
        .find(|session| session.symbol == symbol);
    let session = session.ok_or_else(|| format!("{symbol} is not in these recordings"))?;
    Ok(Box::new(Recording::load(session, false, false)?))
}

fn measure(mut feed: Box<dyn Feed>, seconds: i64) {
    let start = feed.start_book();
    let mut view = MarketView::default();
    view.reset(start.last_update_id, &start.bids, &start.asks);
    let mut statistics = Statistics::default();
    let mut next_sample_ns = 0;
    while let Some(time_ns) = feed
        .next_time_ns()
        .filter(|time_ns| *time_ns < seconds * SECOND_NS)
    {
        while time_ns >= next_sample_ns {
            if let (Some(bid), Some(ask)) = (view.best(Side::Buy), view.best(Side::Sell)) {
                statistics
                    .middles
                    .push((bid.price.0 + ask.price.0) as f64 / 2.0);
            }
            next_sample_ns += SECOND_NS;
        }
        let Some(event) = feed.next_event() else {
            break;
        };
        match &event {
            FeedEvent::Depth(change) => view.apply_depth(&change.as_update()),
            FeedEvent::Ticker(ticker) => view.apply_ticker(ticker),
            FeedEvent::Trade(_) | FeedEvent::Mark(_) => {}
        }
        statistics.event(&event, &view);
        statistics.seconds = time_ns as f64 / SECOND_NS as f64;
    }
    let instrument = feed.instrument();
    statistics.print(&instrument);
}
