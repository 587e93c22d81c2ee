//! A followed market on the floor: its frames reach the venue, then the subscribers.
//!
//! In: relays of a feed. Out: changes of venue and tape, frames as they came. Never: an order
//! matched against a book that is not known.

use market::{InstrumentId, MarkPrice, Side, Trade, UtcMs};
use serde_json::{Value, json};

use super::Floor;
use crate::api::error::ApiError;
use crate::faults::Faults;
use crate::feed::follow::relay::{Frame, Meaning, Relay};
use crate::tape::funding;

impl Floor {
    /// Handles the next relay of an instrument.
    pub(super) fn relay(&mut self, index: usize, wall_ns: i64, faults: &mut Faults) {
        let lane = &mut self.feeds[index];
        let relay = lane.feed.next_relay();
        lane.next_ns = lane.feed.next_time_ns();
        let Some(relay) = relay else {
            return;
        };
        self.events += 1;
        let id = InstrumentId(index as u16);
        match relay {
            Relay::Lost => {
                tracing::warn!(market = %self.market, instrument = index, "the followed book is lost");
                self.feeds[index].lost = true;
            }
            Relay::Book(book) => {
                tracing::info!(market = %self.market, instrument = index, "the followed book is known");
                self.venue
                    .on_snapshot(id, book.last_update_id, &book.bids, &book.asks);
                if !std::mem::replace(&mut self.feeds[index].known_before, true) {
                    self.venue.stand_at_the_back(id);
                }
                self.feeds[index].lost = false;
            }
            Relay::Frame(frame) => self.relay_frame(index, frame, wall_ns, faults),
        }
    }

    fn relay_frame(&mut self, index: usize, frame: Frame, wall_ns: i64, faults: &mut Faults) {
        let id = InstrumentId(index as u16);
        let now = UtcMs(wall_ns.div_euclid(1_000_000));
        match &frame.meaning {
            Meaning::Depth(change) => {
                let update = change.as_update();
                self.venue.on_depth(now, &update, &mut self.outputs);
            }
            Meaning::Ticker(ticker) => self.venue.on_ticker(now, ticker, &mut self.outputs),
            Meaning::Trade(trade, counts) => self.relay_trade(index, trade, *counts, now),
            Meaning::Aggregate(_, Some(trade)) => self.relay_trade(index, trade, true, now),
            Meaning::Aggregate(_, None) => {}
            Meaning::Mark(mark) => self.relay_mark(index, mark, now, faults),
        }
        let view = self.venue.view(id);
        let publisher = &mut self.feeds[index].publisher;
        publisher.relay(frame, view, &mut self.hub, faults);
        if !self.feeds[index].lost {
            self.trigger(id, now);
        }
    }

    fn relay_trade(&mut self, index: usize, trade: &Trade, counts: bool, now: UtcMs) {
        if counts {
            self.last_prices[index] = trade.price;
            self.tapes[index].trade(trade, now);
            self.venue.on_trade(now, trade, &mut self.outputs);
        }
    }

    fn relay_mark(&mut self, index: usize, mark: &MarkPrice, now: UtcMs, faults: &Faults) {
        let id = InstrumentId(index as u16);
        let price = faults.mark(mark.mark);
        self.venue.on_mark(id, price);
        self.supervise(now);
        let view = self.venue.view(id);
        let best = |side| view.best(side).map_or(price, |level| level.price);
        let premium_e8 = funding::premium_e8(best(Side::Buy), best(Side::Sell), price);
        let tape = &mut self.tapes[index];
        tape.funding.follow(mark.funding_rate);
        tape.mark(price, premium_e8, now);
    }

    /// What an order meets while its book is not known: what it meets in an outage of Binance.
    ///
    /// # Errors
    /// 503 with -1001: it failed, and may be sent again.
    pub fn refuse_while_lost(&self, instrument: InstrumentId) -> Result<(), ApiError> {
        if self.feeds[usize::from(instrument.0)].lost {
            return Err(ApiError::disconnected());
        }
        Ok(())
    }

    /// How each followed instrument stands.
    #[must_use]
    pub fn following(&self) -> Vec<Value> {
        let lanes = self.feeds.iter().zip(self.venue.instruments());
        let followed = lanes.filter_map(|(lane, instrument)| {
            let standing = lane.feed.standing()?;
            let counts = standing.counts;
            Some(json!({
                "symbol": instrument.symbol.as_str(),
                "in_sync": !lane.lost,
                "frames": counts.frames,
                "repeated": counts.repeated,
                "gaps": counts.gaps,
                "snapshots": counts.snapshots,
                "disconnects": standing.disconnects,
                "unreadable": standing.unreadable,
            }))
        });
        followed.collect()
    }
}
