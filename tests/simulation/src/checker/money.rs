//! What is reserved, what was traded, what a signal is made of (I10, I12, I14).
//!
//! In: the engine's figures, the exchange's own fills. Out: violations. Never: a sum that the
//! engine made, where it can be made again.

use engine::Engine;
use market::record::Fill;
use market::{Market, Money, Quantity, Side, TradeId};
use simulated_exchange::exchange::Exchange;

use super::{Checker, Shadow};

/// By how much two divisions of the same numbers may differ.
const NEARLY: f64 = 1e-9;

/// An order is worth at most so many hundredths of its limit price: the collar holds it there.
const DEAREST_PERCENT: i128 = 110;

impl Shadow {
    /// Lots that may still fill, or have and were not told one by one.
    fn left(&self) -> i64 {
        if self.state.is_final() {
            (self.told - self.filled).max(0)
        } else {
            (self.order.quantity.0 - self.filled).max(0)
        }
    }
}

impl Checker {
    /// Reserved exposure is the sum over the orders that may still fill (I12). What the engine
    /// reserved depends on prices that it saw; the limit price and the collar bound it.
    pub fn check_reserved(&mut self, engine: &Engine) {
        if self.holed {
            return;
        }
        let (mut least, mut most) = (0i128, 0i128);
        for order in engine.orders().live_orders() {
            let id = &order.new.client_order_id;
            // Adopted orders and those that somebody amended are the exchange's word.
            let shadow = self.orders.get(id).filter(|one| one.life == self.life);
            let known = shadow.filter(|one| one.quantity_most == one.order.quantity.0);
            if known.is_none_or(|one| order.new.price != one.order.price) {
                return;
            }
        }
        let here = self.orders.values().filter(|one| one.life == self.life);
        for shadow in here.filter(|one| one.left() > 0) {
            let order = &shadow.order;
            let Some(instrument) = self.instrument(order.instrument) else {
                return;
            };
            let sells_held = instrument.market == Market::Spot && order.side == Side::Sell;
            if order.reduce_only || sells_held {
                continue;
            }
            let worth = instrument.notional(order.price, Quantity(shadow.left()));
            least += i128::from(worth.0);
            most += i128::from(worth.0) * DEAREST_PERCENT / 100 + 2;
        }
        let reserved = engine.reserved_exposure();
        let sum = i128::from(reserved.0);
        if sum < least || sum > most {
            let text = format!("{} reserved, open orders are {least} to {most}", reserved.0);
            self.broken("I12", text);
        }
    }

    /// What really rests at the exchange is reserved too (I12): while the fate of an amendment is
    /// not known, the larger of both is.
    pub fn check_reserved_truth(&mut self, exchange: &Exchange, engine: &Engine, now: u64) {
        self.now = now;
        if self.holed {
            return;
        }
        let mut rests = 0i128;
        let venue = &exchange.usdm.venue;
        for listed in venue.instruments() {
            for order in venue.open_orders(listed.id) {
                let shadow = self.orders.get(&order.request.client_order_id);
                let known =
                    |one: &&Shadow| one.life == self.life && !one.outside && !one.state.is_final();
                if shadow.is_some_and(|one| known(&one)) && !order.request.reduce_only {
                    let worth = listed.notional(order.request.price, order.remaining());
                    rests += i128::from(worth.0);
                }
            }
        }
        let reserved = engine.reserved_exposure();
        if i128::from(reserved.0) < rests {
            let text = format!("{} reserved, {rests} rest at the exchange", reserved.0);
            self.broken("I12", text);
        }
    }

    /// Keeps a fill for the comparison with the exchange's.
    pub(super) fn keep_fill(&mut self, fill: &Fill) {
        self.booked = self.booked + fill.realized - fill.fee;
        let index = usize::from(fill.instrument.0);
        self.booked_to[index] = self.booked_to[index].max(fill.trade_id.0);
        let flat = &mut self.flats[index];
        flat.ours += fill.realized;
        flat.fills += 1;
        // One that was made before both were flat was under way then: it belongs to no such time.
        flat.unclear |= fill.trade_id.0 <= flat.trade;
        if fill.trade_id.0 != 0 {
            self.fills_fresh.push(*fill);
        }
    }

    /// Each fill is a trade of the exchange, with its price, its lots and its fee to the last
    /// unit; and what was booked is what the engine shows (I14).
    pub fn check_trades(&mut self, exchange: &Exchange) {
        self.compare_realized(exchange);
        for fill in std::mem::take(&mut self.fills_fresh) {
            let Some(instrument) = self.instrument(fill.instrument).copied() else {
                continue;
            };
            let floor = exchange.floor(instrument.market);
            let Some(trade) = trade_of(exchange, instrument.market, fill.trade_id) else {
                let text = format!("trade {} is none of the exchange's", fill.trade_id.0);
                return self.broken("I14", text);
            };
            let listed = floor.venue.instruments()[usize::from(trade.instrument.0)];
            // On spot the fee is in what was bought; and there are fees in a third asset (F46),
            // which count with the rate.
            let spot = instrument.market == Market::Spot;
            let worth = instrument.notional(fill.price, fill.quantity);
            let fees = matching::Fees::FIRST_TIER;
            let by_rate = [fees.maker, fees.taker].map(|rate| worth.times(rate));
            let fee = spot || fill.fee == trade.commission || by_rate.contains(&fill.fee);
            let same = listed.symbol == instrument.symbol
                && fill.side == trade.side
                && fill.price == trade.price
                && fill.quantity == trade.quantity
                && fee;
            if !same {
                let text = format!("booked {fill:?}, the exchange has {trade:?}");
                return self.broken("I14", text);
            }
        }
    }

    /// From flat to flat the same is realised here and there, to the last unit (I14).
    fn compare_realized(&mut self, exchange: &Exchange) {
        let venue = &exchange.usdm.venue;
        for index in 0..self.instruments.len() {
            let one = self.instruments[index];
            let mut listed = venue.instruments().iter();
            let place = listed.position(|other| other.symbol == one.symbol);
            let Some(place) = place.filter(|_| one.market == Market::UsdM) else {
                continue;
            };
            let theirs = venue.account().positions[place];
            if !theirs.quantity.is_zero() || self.positions[index] != 0 {
                continue;
            }
            let flat = self.flats[index];
            let id = venue.instruments()[place].id;
            let newer = venue
                .fills()
                .rev()
                .take_while(|fill| fill.trade_id.0 > flat.trade);
            let made = newer.filter(|fill| fill.instrument == id).count();
            if made != flat.fills && !flat.unclear {
                // Some of them are still under way.
                continue;
            }
            let realized = theirs.realized - flat.theirs;
            if !flat.unclear && realized != flat.ours {
                let (ours, theirs) = (flat.ours.0, realized.0);
                let text = format!("instrument {index}: realised {ours}, at the exchange {theirs}");
                self.broken("I14", text);
            }
            self.flats[index] = Flat {
                theirs: theirs.realized,
                trade: venue.fills().next_back().map_or(0, |fill| fill.trade_id.0),
                ..Flat::default()
            };
        }
    }

    /// The engine's profit is what its fills say (I14). Spot pays fees in kind, which moves the
    /// realised profit without a fill.
    pub(super) fn check_profit(&mut self, engine: &Engine) {
        let futures = |one: &market::Instrument| one.market == Market::UsdM;
        if !self.instruments.iter().all(futures) {
            return;
        }
        let page = engine.account_page();
        let shown = page.realized - page.fees;
        if shown != self.booked {
            let (shown, booked) = (shown.0, self.booked.0);
            self.broken("I14", format!("profit {shown}, fills say {booked}"));
        }
    }

    /// Funding that counts is what the exchange charged from some moment on to another, each once
    /// (I14).
    pub fn check_funding(&mut self, exchange: &Exchange, engine: &Engine) {
        let counted = engine.account_page().funding;
        if counted == std::mem::replace(&mut self.funding, counted) {
            return;
        }
        let venue = &exchange.usdm.venue;
        let ours = |one: &matching::WalletChange| {
            let id = one.instrument?;
            let symbol = venue.instruments()[usize::from(id.0)].symbol;
            let table = &self.instruments;
            table
                .iter()
                .find(|one| one.market == Market::UsdM && one.symbol == symbol)
        };
        let charged = venue.moves().map(|(_, one)| one);
        let charged = charged.filter(|one| one.reason == "FUNDING_FEE" && ours(one).is_some());
        let charged: Vec<Money> = charged.map(|one| one.change).collect();
        let sums = (0..=charged.len())
            .flat_map(|first| (first..=charged.len()).map(move |last| (first, last)));
        let mut sums = sums.map(|(first, last)| charged[first..last].iter().copied().sum());
        if !sums.any(|sum: Money| sum == counted) {
            let counted = counted.0;
            self.broken(
                "I14",
                format!("funding {counted}, the exchange charged {charged:?}"),
            );
        }
    }

    /// Signals are finite and of one version of the book (I10).
    pub fn check_signals(&mut self, engine: &Engine) {
        let levels = engine.config().signal.levels;
        for index in 0..self.instruments.len() {
            let id = self.instruments[index].id;
            let shown = engine.instrument_page(id).imbalance_ratio;
            let Some(book) = engine.book(id).filter(|_| !shown.is_nan()) else {
                continue;
            };
            let sum = |side| -> i64 {
                let all = book.levels(side).take(levels);
                all.map(|level| level.quantity.0).sum()
            };
            let (bid, ask) = (sum(Side::Buy), sum(Side::Sell));
            let ours = bid as f64 / ask as f64;
            if !shown.is_finite() || (shown - ours).abs() > NEARLY * ours {
                let text = format!("instrument {index}: ratio {shown}, the book says {ours}");
                self.broken("I10", text);
            }
        }
    }
}

fn trade_of(exchange: &Exchange, market: Market, id: TradeId) -> Option<matching::Fill> {
    // The newest come last, and it is the newest that are asked for.
    let mut newest_first = exchange.floor(market).venue.fills().rev();
    newest_first.find(|one| one.trade_id == id).copied()
}

/// From where on the profit of one instrument is compared: it was flat here and there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flat {
    /// The exchange's realised profit then.
    pub(super) theirs: Money,
    /// The newest trade then.
    pub(super) trade: u64,
    /// What we have realised since.
    pub(super) ours: Money,
    /// Fills since.
    pub(super) fills: usize,
    /// A position was adopted since, or a fill booked without its trade.
    pub(super) unclear: bool,
}
