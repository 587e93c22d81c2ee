//! What is measured of a market.
//!
//! In: a feed. Out: one column of the table of `docs/generated-market.md`, and the curves of its
//! plots. Never: a socket, a wall clock.

use market::{Instrument, Level, Side, UtcMs};
use matching::MarketView;
use simulated_exchange::feed::{Feed, FeedEvent};

const MS: i64 = 1_000_000;
/// Windows in which events are counted.
pub(crate) const WINDOWS_MS: [i64; 5] = [10, 100, 1_000, 10_000, 30_000];
/// Horizons of returns and lags of the imbalance.
pub(crate) const HORIZONS_MS: [i64; 7] = [100, 200, 500, 1_000, 5_000, 20_000, 60_000];
/// Lags of returns of one second.
pub(crate) const RETURN_LAGS: [usize; 6] = [1, 2, 5, 10, 20, 40];
const DISTANCES: [i64; 8] = [1, 3, 10, 30, 100, 300, 1_000, 3_000];
const SPREADS: [i64; 8] = [1, 2, 3, 5, 10, 20, 50, 100];
/// The middle and the imbalance are sampled so often.
const SAMPLE_NS: i64 = 100 * MS;

/// One column and its curves.
pub(crate) struct Summary {
    pub(crate) rows: Vec<(String, String)>,
    pub(crate) fano_trades: Vec<f64>,
    pub(crate) signature_bp: Vec<f64>,
    pub(crate) imbalance: Vec<f64>,
    pub(crate) clustering: Vec<f64>,
    pub(crate) profile: Vec<(f64, f64)>,
    pub(crate) spread: Vec<(f64, f64)>,
    pub(crate) sizes: Vec<(f64, f64)>,
}

/// What is collected on the way.
pub(crate) struct Measures {
    instrument: Instrument,
    view: MarketView,
    seconds: f64,
    level_changes: u64,
    far_changes: u64,
    trade_times: Vec<i64>,
    ticker_times: Vec<i64>,
    trade_lots: Vec<f64>,
    taker_lots: Vec<f64>,
    last_taker: Option<(UtcMs, Side)>,
    spread_ns: Vec<(i64, i64)>,
    spread_since: Option<(i64, i64)>,
    best_lots: Vec<f64>,
    fifth_lots: Vec<f64>,
    fifth_distance: Vec<f64>,
    twentieth_distance: Vec<f64>,
    profile: [f64; DISTANCES.len()],
    books: u64,
    ratios: Vec<f64>,
    signals: u64,
    signalled: bool,
    middles: Vec<f64>,
    imbalances: Vec<f64>,
}

impl Measures {
    pub(crate) fn new(feed: &dyn Feed) -> Self {
        let start = feed.start_book();
        let mut view = MarketView::default();
        view.reset(start.last_update_id, &start.bids, &start.asks);
        Self {
            instrument: feed.instrument(),
            view,
            seconds: 0.0,
            level_changes: 0,
            far_changes: 0,
            trade_times: Vec::new(),
            ticker_times: Vec::new(),
            trade_lots: Vec::new(),
            taker_lots: Vec::new(),
            last_taker: None,
            spread_ns: Vec::new(),
            spread_since: None,
            best_lots: Vec::new(),
            fifth_lots: Vec::new(),
            fifth_distance: Vec::new(),
            twentieth_distance: Vec::new(),
            profile: [0.0; DISTANCES.len()],
            books: 0,
            ratios: Vec::new(),
            signals: 0,
            signalled: false,
            middles: Vec::new(),
            imbalances: Vec::new(),
        }
    }

    /// Plays a feed for `seconds`.
    pub(crate) fn run(&mut self, feed: &mut dyn Feed, seconds: i64) {
        let mut next_sample_ns = 0;
        while let Some(time_ns) = feed.next_time_ns().filter(|at| *at < seconds * 1_000 * MS) {
            while time_ns >= next_sample_ns {
                self.sample();
                next_sample_ns += SAMPLE_NS;
            }
            let Some(event) = feed.next_event() else {
                break;
            };
            self.event(time_ns, &event);
            self.seconds = time_ns as f64 / 1e9;
        }
    }

    fn event(&mut self, time_ns: i64, event: &FeedEvent) {
        match event {
            FeedEvent::Depth(change) => {
                self.view.apply_depth(&change.as_update());
                self.level_changes += (change.bids.len() + change.asks.len()) as u64;
                let best = |side| self.view.best(side).map_or(0, |level| level.price.0);
                let (bid, ask) = (best(Side::Buy), best(Side::Sell));
                let far = |levels: &[Level], from: i64| {
                    levels
                        .iter()
                        .filter(|level| (level.price.0 - from).abs() > 100)
                        .count()
                };
                self.far_changes += (far(&change.bids, bid) + far(&change.asks, ask)) as u64;
                self.book();
            }
            FeedEvent::Ticker(ticker) => {
                self.view.apply_ticker(ticker);
                self.ticker_times.push(time_ns);
                let spread = ticker.ask.price.0 - ticker.bid.price.0;
                if let Some((since, before)) = self.spread_since.replace((time_ns, spread)) {
                    self.spread_ns.push((before, time_ns - since));
                }
            }
            FeedEvent::Trade(trade) => {
                let lots = trade.quantity.0 as f64;
                self.trade_lots.push(lots);
                let taker = (trade.transaction_time, trade.aggressor);
                match self.taker_lots.last_mut() {
                    Some(sum) if self.last_taker == Some(taker) => *sum += lots,
                    _ => {
                        self.taker_lots.push(lots);
                        self.trade_times.push(time_ns);
                    }
                }
                self.last_taker = Some(taker);
            }
            FeedEvent::Mark(_) => {}
        }
    }

    fn sample(&mut self) {
        let (Some(bid), Some(ask)) = (self.view.best(Side::Buy), self.view.best(Side::Sell)) else {
            return;
        };
        self.middles.push((bid.price.0 + ask.price.0) as f64 / 2.0);
        let sum = |side| -> f64 {
            self.view
                .levels(side)
                .take(5)
                .map(|level| level.quantity.0 as f64)
                .sum()
        };
        let (bids, asks) = (sum(Side::Buy), sum(Side::Sell));
        self.imbalances.push((bids - asks) / (bids + asks));
        let ratio = bids / asks;
        self.ratios.push(ratio);
        let signal = !(0.33..=3.0).contains(&ratio);
        self.signals += u64::from(signal && !self.signalled);
        self.signalled = signal;
    }

    fn book(&mut self) {
        let top: Vec<Level> = self.view.depth_levels(Side::Buy).take(1_500).collect();
        if top.len() < 20 {
            return;
        }
        self.books += 1;
        self.best_lots.push(top[0].quantity.0 as f64);
        self.fifth_lots.push(top[4].quantity.0 as f64);
        let behind = |index: usize| (top[0].price.0 - top[index].price.0) as f64;
        self.fifth_distance.push(behind(4));
        self.twentieth_distance.push(behind(19));
        for level in &top {
            let distance = top[0].price.0 - level.price.0 + 1;
            for (sum, reach) in self.profile.iter_mut().zip(DISTANCES) {
                if distance <= reach {
                    *sum += level.quantity.0 as f64;
                }
            }
        }
    }

    /// How much happens, and how large it is. Sorts what it prints.
    fn sizes(&mut self, rows: &mut Vec<(String, String)>) {
        let lot = self.instrument.lot.to_f64();
        let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
        let seconds = self.seconds;
        let rate = |count: usize| format!("{:.1}", count as f64 / seconds);
        row("book tickers a second", rate(self.ticker_times.len()));
        row("taker orders a second", rate(self.taker_lots.len()));
        row("trades a second", rate(self.trade_lots.len()));
        row("level changes a second", rate(self.level_changes as usize));
        row(
            "of these further than 100 ticks away",
            rate(self.far_changes as usize),
        );
        for (name, values) in [
            ("taker size: median / mean / 95 %", &mut self.taker_lots),
            ("trade size", &mut self.trade_lots),
            ("quantity at the best bid", &mut self.best_lots),
            ("quantity at the fifth bid", &mut self.fifth_lots),
        ] {
            row(name, three(values, lot, 3));
        }
        row(
            "fifth bid, ticks behind the best",
            three(&mut self.fifth_distance, 1.0, 1),
        );
        row("twentieth bid", three(&mut self.twentieth_distance, 1.0, 1));
    }

    /// Spread, signals, burstiness: the curves of the spread and of the taker orders.
    fn moments(&self, rows: &mut Vec<(String, String)>) -> (Vec<(f64, f64)>, Vec<f64>) {
        let seconds = self.seconds;
        let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
        let whole: i64 = self.spread_ns.iter().map(|(_, ns)| ns).sum();
        let wider = |than: i64| {
            let wide = self.spread_ns.iter().filter(|(spread, _)| *spread > than);
            wide.map(|(_, ns)| ns).sum::<i64>() as f64 / whole.max(1) as f64
        };
        let spread: Vec<(f64, f64)> = SPREADS
            .iter()
            .map(|than| (*than as f64, wider(*than)))
            .collect();
        let shares = [0, 2, 4].map(|at| format!("{:.4}", spread[at].1));
        row(
            "share of the time with a spread above 1 / 3 / 10 ticks",
            shares.join(" / "),
        );
        let share = |test: &dyn Fn(f64) -> bool| {
            let hits = self.ratios.iter().filter(|ratio| test(**ratio)).count();
            hits as f64 / self.ratios.len().max(1) as f64
        };
        let ratios = [share(&|ratio| ratio > 3.0), share(&|ratio| ratio < 0.33)];
        row(
            "share of the time with an imbalance above 3 / below 0.33",
            list(&ratios, 2),
        );
        row(
            "signals a minute",
            format!("{:.0}", 60.0 * self.signals as f64 / seconds),
        );
        let trades = WINDOWS_MS.map(|ms| fano(&self.trade_times, ms, seconds));
        row(
            "Fano factor of taker orders in 10 ms / 100 ms / 1 s / 10 s / 30 s",
            list(&trades, 1),
        );
        let tickers = WINDOWS_MS.map(|ms| fano(&self.ticker_times, ms, seconds));
        row("Fano factor of book tickers", list(&tickers, 1));
        (spread, trades.to_vec())
    }

    /// One column and its curves.
    pub(crate) fn summary(mut self) -> Summary {
        let lot = self.instrument.lot.to_f64();
        let mut rows = Vec::new();
        self.sizes(&mut rows);
        let (spread, fano_trades) = self.moments(&mut rows);
        let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
        let level = self.middles.first().copied().unwrap_or(1.0);
        let signature = HORIZONS_MS.map(|ms| {
            let horizon = (ms * MS / SAMPLE_NS) as usize;
            deviation(&self.middles, horizon) / level * 1e4 / (ms as f64 / 1e3).sqrt()
        });
        row(
            "volatility signature in bp a root of a second: 0.1 / 0.2 / 0.5 / 1 / 5 / 20 / 60 s",
            list(&signature, 2),
        );
        let imbalance =
            HORIZONS_MS.map(|ms| correlation(&self.imbalances, (ms * MS / SAMPLE_NS) as usize));
        row(
            "autocorrelation of the imbalance at the same lags",
            list(&imbalance, 2),
        );
        let returns: Vec<f64> = self
            .middles
            .chunks_exact(10)
            .map(|second| second[0])
            .collect::<Vec<_>>()
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .collect();
        let of_returns = RETURN_LAGS.map(|lag| correlation(&returns, lag));
        row(
            "autocorrelation of returns of 1 s at 1 / 2 / 5 / 10 / 20 / 40 s",
            list(&of_returns, 2),
        );
        let sizes: Vec<f64> = returns.iter().map(|one| one.abs()).collect();
        let clustering = RETURN_LAGS.map(|lag| correlation(&sizes, lag));
        row("autocorrelation of their sizes", list(&clustering, 2));
        let books = self.books.max(1) as f64;
        let profile = DISTANCES.iter().zip(self.profile);
        let profile = profile
            .map(|(reach, sum)| (*reach as f64, sum * lot / books))
            .collect();
        Summary {
            rows,
            fano_trades,
            signature_bp: signature.to_vec(),
            imbalance: imbalance.to_vec(),
            clustering: clustering.to_vec(),
            profile,
            spread,
            sizes: survival(&self.trade_lots, lot),
        }
    }
}

fn list(values: &[f64], decimals: usize) -> String {
    let texts: Vec<String> = values
        .iter()
        .map(|value| format!("{value:.decimals$}"))
        .collect();
    texts.join(" / ")
}

fn three(values: &mut [f64], unit: f64, decimals: usize) -> String {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = (values.len() as f64 * share) as usize;
        values.get(index).copied().unwrap_or(0.0) * unit
    };
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64 * unit;
    list(&[at(0.5), mean, at(0.95)], decimals)
}

/// Variance over mean of the counts in windows: 1 for a Poisson process.
fn fano(times: &[i64], window_ms: i64, seconds: f64) -> f64 {
    let windows = (seconds * 1e3 / window_ms as f64) as usize;
    let mut counts = vec![0.0f64; windows];
    for time in times {
        if let Some(count) = counts.get_mut((time / MS / window_ms) as usize) {
            *count += 1.0;
        }
    }
    let mean = counts.iter().sum::<f64>() / windows.max(1) as f64;
    let variance = counts.iter().map(|one| (one - mean).powi(2)).sum::<f64>();
    variance / windows.max(1) as f64 / mean.max(1e-12)
}

/// Standard deviation of changes over `horizon` samples.
fn deviation(values: &[f64], horizon: usize) -> f64 {
    let changes: Vec<f64> = values
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

fn correlation(values: &[f64], lag: usize) -> f64 {
    if values.len() <= lag + 1 {
        return 0.0;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance: f64 = values.iter().map(|one| (one - mean).powi(2)).sum();
    let pairs = values.iter().zip(&values[lag..]);
    let shared: f64 = pairs
        .map(|(left, right)| (left - mean) * (right - mean))
        .sum();
    let pairs = (values.len() - lag) as f64;
    shared / pairs / (variance / values.len() as f64).max(1e-12)
}

/// Share of sizes above a few, in steps of a third of a decade.
fn survival(sorted: &[f64], unit: f64) -> Vec<(f64, f64)> {
    let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else {
        return Vec::new();
    };
    let mut at = least.max(1.0);
    let mut points = Vec::new();
    while at < *most {
        let above = sorted.iter().filter(|one| **one > at).count();
        points.push((at * unit, above as f64 / sorted.len() as f64));
        at *= 10f64.powf(1.0 / 3.0);
    }
    points
}
