//! A followed market on the floor: its frames reach the venue, then the subscribers.
//!
//! In: relays of a feed. Out: changes of venue and tape, frames as they came. Never: an order
//! matched against a book that is not known.

use market::{Instrument, InstrumentId, InstrumentStatus, MarkPrice, Rate, Side, Trade, UtcMs};
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
        let told = (mark.funding_rate, mark.next_funding_time);
        let funding = &mut self.tapes[index].funding;
        if let Some(due) = funding.follow(told, mark.event_time, price) {
            self.venue.fund(now, id, due.rate, &mut self.outputs);
        }
        self.supervise(now);
        let view = self.venue.view(id);
        let best = |side| view.best(side).map_or(price, |level| level.price);
        let premium_e8 = funding::premium_e8(best(Side::Buy), best(Side::Sell), price);
        let tape = &mut self.tapes[index];
        tape.mark(price, premium_e8, now);
    }

    /// True where the market is another exchange's.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.feeds.first().is_some_and(|lane| lane.followed)
    }

    /// Charges what a silent exchange has charged by now.
    pub(crate) fn charge_followed(&mut self, now: UtcMs) {
        let before = self.outputs.len();
        for index in 0..self.tapes.len() {
            let id = InstrumentId(index as u16);
            let mark = self.venue.mark(id);
            // What a position was worth at the boundary is not known before a price is.
            if self.venue.is_marked(id)
                && let Some(due) = self.tapes[index].funding.pass(now, mark)
            {
                self.venue.fund(now, id, due.rate, &mut self.outputs);
            }
        }
        if self.outputs.len() > before {
            self.supervise(now);
        }
    }

    /// What the followed exchange charges next, by instrument.
    pub(crate) fn followed_fundings(&self) -> Vec<Option<(UtcMs, Rate)>> {
        let all = self.tapes.iter().map(|tape| tape.funding.due());
        all.collect()
    }

    /// Goes on with what an earlier process knew of it.
    pub(crate) fn resume_fundings(&mut self, all: &[Option<(UtcMs, Rate)>]) {
        for (tape, due) in self.tapes.iter_mut().zip(all) {
            tape.funding.resume(*due);
        }
    }

    /// The followed exchange lists an instrument like this now, or not at all. What stands on another
    /// grid cannot be traded on ours: a start over another state directory takes the new one.
    pub(crate) fn relist(&mut self, id: InstrumentId, listed: Option<&Instrument>) {
        let ours = self.venue.instruments()[usize::from(id.0)];
        let same_grid = |one: &&Instrument| (one.tick, one.lot) == (ours.tick, ours.lot);
        let on_our_grid = listed.filter(same_grid);
        let symbol = ours.symbol.as_str();
        if let (Some(listed), None) = (listed, on_our_grid) {
            let (tick, lot) = (listed.tick, listed.lot);
            tracing::error!(
                symbol,
                ?tick,
                ?lot,
                "the followed exchange has another tick or lot: not traded here until a new start"
            );
        }
        let status = on_our_grid.map_or(InstrumentStatus::NotTrading, |one| one.status);
        if status != ours.status {
            tracing::warn!(symbol, %status, "the followed exchange lists it so");
            self.venue.set_status(id, status);
        }
        if let Some(listed) = on_our_grid.filter(|one| one.filters != ours.filters) {
            tracing::warn!(symbol, filters = ?listed.filters, "the followed exchange has other filters");
            self.venue.set_filters(id, listed.filters);
        }
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use market::{Quantity, Step};

    use super::*;
    use crate::assembly;
    use crate::options::Options;

    #[test]
    fn what_is_listed_on_another_grid_or_not_at_all_is_not_traded() {
        let options = Options::parse_from(["simulated-exchange", "--symbols", "BTCUSDT"]);
        let mut floor = assembly::build(&options).expect("a market").usdm;
        let id = InstrumentId(0);
        let ours = floor.venue.instruments()[0];
        let mut other = ours;
        other.filters.quantity_min = Quantity(7);
        floor.relist(id, Some(&other));
        assert_eq!(floor.venue.instruments()[0], other);
        for change in [
            Some(Instrument {
                tick: Step::from_text(b"0.01").expect("a step"),
                ..ours
            }),
            Some(Instrument {
                lot: Step::from_text(b"0.00001").expect("a step"),
                ..ours
            }),
            None,
        ] {
            floor.relist(id, Some(&ours));
            assert_eq!(floor.venue.instruments()[0], ours);
            floor.relist(id, change.as_ref());
            let now = floor.venue.instruments()[0];
            assert_eq!(now.status, InstrumentStatus::NotTrading, "{change:?}");
            assert_eq!(
                (now.tick, now.lot, now.filters),
                (ours.tick, ours.lot, ours.filters)
            );
        }
    }
}
