//! The mean price of the last minutes, which spot's price filter is measured from.
//!
//! In: trades. Out: their mean, weighted by quantity, over the last five minutes. Never: a price
//! that nobody traded at; without trades there is no mean.

use market::units::round_div;
use market::{Price, Trade, UtcMs};

/// Minutes of the mean (`avgPriceMins`).
pub const AVERAGE_MINUTES: i64 = 5;

/// Sums of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Minute {
    number: i64,
    tick_lots: i128,
    lots: i64,
}

/// The running mean of one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Average {
    minutes: [Minute; AVERAGE_MINUTES as usize],
    newest: i64,
}

impl Average {
    /// Takes a trade into the mean.
    pub(crate) fn trade(&mut self, now: UtcMs, trade: &Trade) {
        let number = now.0.div_euclid(60_000);
        let place = number.rem_euclid(AVERAGE_MINUTES) as usize;
        let minute = &mut self.minutes[place];
        if minute.number != number {
            *minute = Minute {
                number,
                ..Minute::default()
            };
        }
        minute.tick_lots += i128::from(trade.price.0) * i128::from(trade.quantity.0);
        minute.lots += trade.quantity.0;
        self.newest = number;
    }

    /// The mean over the five minutes that end with the newest trade; `None` without a trade.
    pub(crate) fn mean(&self) -> Option<Price> {
        let recent = self
            .minutes
            .iter()
            .filter(|minute| minute.number > self.newest - AVERAGE_MINUTES);
        let (mut tick_lots, mut lots) = (0, 0);
        for minute in recent {
            tick_lots += minute.tick_lots;
            lots += i128::from(minute.lots);
        }
        (lots > 0).then(|| Price(round_div(tick_lots, lots)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{InstrumentId, Quantity, Side, TradeId};

    fn trade(price: i64, lots: i64) -> Trade {
        Trade {
            instrument: InstrumentId(0),
            trade_id: TradeId(1),
            price: Price(price),
            quantity: Quantity(lots),
            aggressor: Side::Buy,
            from_book: true,
            transaction_time: UtcMs(0),
            event_time: UtcMs(0),
        }
    }

    #[test]
    fn trades_count_by_their_quantity_and_for_five_minutes() {
        let mut average = Average::default();
        assert_eq!(average.mean(), None);
        average.trade(UtcMs(60_000), &trade(100, 1));
        average.trade(UtcMs(61_000), &trade(200, 3));
        assert_eq!(average.mean(), Some(Price(175)));
        average.trade(UtcMs(5 * 60_000), &trade(575, 4));
        assert_eq!(average.mean(), Some(Price(375)));
        // A minute later the first one is too old.
        average.trade(UtcMs(6 * 60_000), &trade(575, 1));
        assert_eq!(average.mean(), Some(Price(575)));
    }
}
