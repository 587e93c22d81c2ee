//! The public streams of one instrument.
//!
//! In: market events with their wall-clock time, the liquidity view. Out: frames to the hub, past
//! the faults. Never: text that nobody listens to.

mod relay;

use std::collections::VecDeque;

use binance::encode::{self, Layout, MarkPriceDetail};
use market::{AggTrade, BookTicker, Instrument, Level, Market, Side, Trade, TradeId, UtcMs};
use market::{Price, Rate};
use matching::MarketView;

use super::cadence::Cadence;
use super::hub::{FrameKey, Hub, StreamId};
use super::names::StreamKind;
use crate::faults::{Faults, FrameFate};
use crate::feed::DepthChange;
use crate::tape::funding::INTERVAL_MS;

const MS: i64 = 1_000_000;
/// Longest time that trades of one taker order are collected (binance.md 3.2).
const AGGREGATE_NS: i64 = 100 * MS;
/// Aggregates that are kept for requests.
const AGGREGATES_MAX: usize = 20_000;

/// All streams of an instrument.
pub struct Publisher {
    instrument: Instrument,
    speeds: Vec<Speed>,
    ticker: StreamId,
    trade: StreamId,
    aggregate: StreamId,
    mark: Option<(StreamId, StreamId)>,
    pending: Option<AggTrade>,
    aggregates: VecDeque<AggTrade>,
    pending_since_ns: i64,
    next_aggregate_id: u64,
    marks_sent: u64,
    text: Vec<u8>,
}

struct Speed {
    cadence: Cadence,
    differences: Vec<StreamId>,
    partial: Vec<(usize, StreamId)>,
}

impl Publisher {
    /// Registers the instrument's streams. Aggregates are numbered from `first_aggregate_id` on;
    /// `rebatch_ns` sets the cadence of the fastest depth.
    pub fn new(
        instrument: Instrument,
        last_id: market::UpdateId,
        first_aggregate_id: u64,
        rebatch_ns: Option<i64>,
        hub: &mut Hub,
    ) -> Self {
        let symbol = instrument.symbol.as_str().to_lowercase();
        let mut add = |suffix: &str, kind| hub.add_stream(format!("{symbol}@{suffix}"), kind);
        // The fastest depth carries every name that a recording or client may use for it.
        let variants: &[(Option<i64>, &[&str])] = match instrument.market {
            Market::UsdM => &[
                (rebatch_ns, &["@100ms", "@0ms"]),
                (Some(250 * MS), &[""]),
                (Some(500 * MS), &["@500ms"]),
            ],
            Market::Spot => &[(rebatch_ns, &["@100ms"]), (Some(1_000 * MS), &[""])],
        };
        let speeds = variants
            .iter()
            .map(|(period_ns, suffixes)| Speed {
                cadence: Cadence::new(*period_ns, last_id),
                differences: suffixes
                    .iter()
                    .map(|suffix| add(&format!("depth{suffix}"), StreamKind::Depth))
                    .collect(),
                partial: [5, 10, 20]
                    .into_iter()
                    .map(|count| {
                        let name = format!("depth{count}{}", suffixes[0]);
                        (count, add(&name, StreamKind::PartialDepth))
                    })
                    .collect(),
            })
            .collect();
        Self {
            speeds,
            ticker: add("bookTicker", StreamKind::BookTicker),
            trade: add("trade", StreamKind::Trade),
            aggregate: add("aggTrade", StreamKind::AggTrade),
            mark: (instrument.market == Market::UsdM).then(|| {
                let every_second = add("markPrice@1s", StreamKind::MarkPrice);
                (every_second, add("markPrice", StreamKind::MarkPrice))
            }),
            instrument,
            pending: None,
            aggregates: VecDeque::new(),
            pending_since_ns: 0,
            next_aggregate_id: first_aggregate_id,
            marks_sent: 0,
            text: Vec::with_capacity(16 * 1024),
        }
    }

    /// A book difference.
    pub fn depth(
        &mut self,
        change: &DepthChange,
        view: &MarketView,
        hub: &mut Hub,
        faults: &mut Faults,
    ) {
        for index in 0..self.speeds.len() {
            if let Some(sent) = self.speeds[index].cadence.add(change) {
                self.send_depth(index, &sent, view, hub, faults);
            }
        }
    }

    /// Sends what has been collected long enough.
    pub fn tick(&mut self, now_ns: i64, view: &MarketView, hub: &mut Hub, faults: &mut Faults) {
        for index in 0..self.speeds.len() {
            if let Some(sent) = self.speeds[index].cadence.flush(now_ns) {
                self.send_depth(index, &sent, view, hub, faults);
            }
        }
        if self.pending.is_some() && now_ns - self.pending_since_ns >= AGGREGATE_NS {
            self.send_aggregate(hub, faults);
        }
    }

    /// When [`Publisher::tick`] has something to do.
    #[must_use]
    pub fn next_tick_ns(&self) -> Option<i64> {
        let aggregate = self.pending.map(|_| self.pending_since_ns + AGGREGATE_NS);
        let speeds = self
            .speeds
            .iter()
            .filter_map(|speed| speed.cadence.next_flush_ns());
        speeds.chain(aggregate).min()
    }

    /// Best bid and ask.
    pub fn ticker(&mut self, ticker: &BookTicker, hub: &mut Hub, faults: &mut Faults) {
        if hub.has_subscribers(self.ticker) {
            self.text.clear();
            encode::book_ticker(&mut self.text, &self.instrument, ticker, Layout::Current);
            let key = self.key(StreamKind::BookTicker, ticker.update_id.0);
            send(hub, faults, self.ticker, &mut self.text, key);
        }
    }

    /// A trade.
    pub fn trade(&mut self, trade: &Trade, now_ns: i64, hub: &mut Hub, faults: &mut Faults) {
        if hub.has_subscribers(self.trade) {
            self.text.clear();
            encode::trade(&mut self.text, &self.instrument, trade, Layout::Current);
            let key = self.key(StreamKind::Trade, trade.trade_id.0);
            send(hub, faults, self.trade, &mut self.text, key);
        }
        if !trade.from_book {
            return;
        }
        if let Some(pending) = &mut self.pending {
            let same = pending.price == trade.price
                && pending.aggressor == trade.aggressor
                && pending.transaction_time == trade.transaction_time;
            if same {
                pending.last_trade_id = trade.trade_id;
                pending.quantity += trade.quantity;
                return;
            }
            self.send_aggregate(hub, faults);
        }
        self.pending_since_ns = now_ns;
        self.pending = Some(AggTrade {
            instrument: self.instrument.id,
            aggregate_id: TradeId(self.next_aggregate_id),
            first_trade_id: trade.trade_id,
            last_trade_id: trade.trade_id,
            price: trade.price,
            quantity: trade.quantity,
            aggressor: trade.aggressor,
            transaction_time: trade.transaction_time,
            event_time: trade.event_time,
        });
        self.next_aggregate_id += 1;
    }

    /// A mark price, once a second.
    pub fn mark(
        &mut self,
        mark: Price,
        rate: Rate,
        now: UtcMs,
        hub: &mut Hub,
        faults: &mut Faults,
    ) {
        let Some((every_second, every_third)) = self.mark else {
            return;
        };
        let mut streams = vec![every_second];
        if self.marks_sent.is_multiple_of(3) {
            streams.push(every_third);
        }
        self.marks_sent += 1;
        let detail = MarkPriceDetail {
            funding_rate: rate,
            ..mark_detail(&self.instrument, mark, now)
        };
        for stream in streams {
            if hub.has_subscribers(stream) {
                self.text.clear();
                encode::mark_price(&mut self.text, &self.instrument, &detail, Layout::Current);
                let key = self.key(StreamKind::MarkPrice, now.0.unsigned_abs());
                send(hub, faults, stream, &mut self.text, key);
            }
        }
    }

    /// Kept aggregates, oldest first.
    pub fn aggregates(&self) -> impl DoubleEndedIterator<Item = &AggTrade> + ExactSizeIterator {
        self.aggregates.iter()
    }

    fn send_depth(
        &mut self,
        index: usize,
        change: &DepthChange,
        view: &MarketView,
        hub: &mut Hub,
        faults: &mut Faults,
    ) {
        let differences = self.speeds[index].differences.clone();
        for stream in differences {
            if hub.has_subscribers(stream) {
                self.text.clear();
                let update = change.as_update();
                encode::depth_update(&mut self.text, &self.instrument, &update, Layout::Current);
                let key = self.key(StreamKind::Depth, change.header.last_update_id.0);
                send(hub, faults, stream, &mut self.text, key);
            }
        }
        self.send_partial(index, change, view, hub, faults);
    }

    fn send_partial(
        &mut self,
        index: usize,
        change: &DepthChange,
        view: &MarketView,
        hub: &mut Hub,
        faults: &mut Faults,
    ) {
        for (count, stream) in self.speeds[index].partial.clone() {
            if hub.has_subscribers(stream) {
                self.write_partial(count, change, view);
                let key = self.key(StreamKind::PartialDepth, change.header.last_update_id.0);
                send(hub, faults, stream, &mut self.text, key);
            }
        }
    }

    fn write_partial(&mut self, count: usize, change: &DepthChange, view: &MarketView) {
        let top = |side| -> Vec<Level> { view.depth_levels(side).take(count).collect() };
        let (bids, asks) = (top(Side::Buy), top(Side::Sell));
        self.text.clear();
        let header = change.header;
        if self.instrument.market == Market::Spot {
            let (id, time) = (header.last_update_id, header.event_time);
            encode::snapshot(&mut self.text, &self.instrument, id, time, &bids, &asks);
        } else {
            let whole = DepthChange { header, bids, asks };
            let update = whole.as_update();
            encode::depth_update(&mut self.text, &self.instrument, &update, Layout::Current);
        }
    }

    fn send_aggregate(&mut self, hub: &mut Hub, faults: &mut Faults) {
        let Some(aggregate) = self.pending.take() else {
            return;
        };
        if self.aggregates.len() == AGGREGATES_MAX {
            self.aggregates.pop_front();
        }
        self.aggregates.push_back(aggregate);
        if hub.has_subscribers(self.aggregate) {
            self.text.clear();
            encode::agg_trade(
                &mut self.text,
                &self.instrument,
                &aggregate,
                Layout::Current,
            );
            let key = self.key(StreamKind::AggTrade, aggregate.aggregate_id.0);
            send(hub, faults, self.aggregate, &mut self.text, key);
        }
    }

    fn key(&self, kind: StreamKind, id: u64) -> FrameKey {
        FrameKey {
            kind,
            instrument: self.instrument.id,
            id,
        }
    }
}

/// Mark, index and settlement price are one here; the funding rate is the interest alone.
#[must_use]
pub fn mark_detail(instrument: &Instrument, mark: Price, now: UtcMs) -> MarkPriceDetail {
    let decimals = u32::from(instrument.tick.decimals);
    let scale = 10i64.pow(8u32.saturating_sub(decimals));
    let mark_e8 = mark.0 * instrument.tick.mantissa * scale;
    MarkPriceDetail {
        mark_e8,
        average_e8: mark_e8,
        index_e8: mark_e8,
        settle_e8: mark_e8,
        funding_rate: Rate(10_000),
        next_funding_time: UtcMs((now.0 / INTERVAL_MS + 1) * INTERVAL_MS),
        event_time: now,
    }
}

/// Publishes a frame, or does with it what a fault says.
pub(super) fn send(
    hub: &mut Hub,
    faults: &mut Faults,
    stream: StreamId,
    text: &mut Vec<u8>,
    key: FrameKey,
) {
    let fate = faults.on_frame(stream, key, text);
    let only_one_breaks = fate == FrameFate::DisconnectOne;
    match fate {
        FrameFate::Send => hub.publish(stream, text, Some(key)),
        FrameFate::Drop => {}
        FrameFate::Duplicate => {
            hub.publish(stream, text, Some(key));
            hub.publish(stream, text, Some(key));
        }
        FrameFate::After(held) => {
            hub.publish(stream, text, Some(key));
            hub.publish(stream, &held, None);
        }
        FrameFate::DropOne | FrameFate::DisconnectOne => {
            let first = hub.first_subscriber(stream);
            hub.publish_without(stream, text, Some(key), first);
            if let Some(first) = first.filter(|_| only_one_breaks) {
                hub.tell(first, super::hub::Outgoing::Abort);
            }
        }
        FrameFate::Disconnect => {
            hub.tell_market_connections(&super::hub::Outgoing::Abort);
        }
    }
}
