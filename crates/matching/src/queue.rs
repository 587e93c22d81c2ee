//! The queue position of resting orders.
//!
//! In: how much stands ahead of an order, trades at its price, the level's new quantity. Out:
//! what of a trade reaches the order. Never: an optimistic guess.
//!
//! The model is risk-averse: who cancels is assumed to stand behind us, so that only trades at
//! our price and a level smaller than our queue move us forward.

/// Where an order stands: lots of other people's orders ahead of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueuePosition {
    ahead: i64,
}

impl QueuePosition {
    /// Behind everything that stands at the price on arrival.
    #[must_use]
    pub fn behind(level_lots: i64) -> Self {
        Self {
            ahead: level_lots.max(0),
        }
    }

    /// Lots ahead.
    #[must_use]
    pub fn ahead(self) -> i64 {
        self.ahead
    }

    /// A trade of `lots` at our price: the lots that reach past the queue to us.
    pub fn trade(&mut self, lots: i64) -> i64 {
        let reached = (lots - self.ahead).max(0);
        self.ahead = (self.ahead - lots).max(0);
        reached
    }

    /// The level now holds `level_lots`: no more than that can stand ahead.
    pub fn level_changed(&mut self, level_lots: i64) {
        self.ahead = self.ahead.min(level_lots.max(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trades_eat_the_queue_before_they_reach_us() {
        let mut queue = QueuePosition::behind(10);
        assert_eq!(queue.trade(4), 0);
        assert_eq!(queue.ahead(), 6);
        assert_eq!(queue.trade(9), 3);
        assert_eq!(queue.ahead(), 0);
    }

    #[test]
    fn a_shrinking_level_moves_us_only_when_it_is_smaller_than_our_queue() {
        let mut queue = QueuePosition::behind(10);
        queue.level_changed(25);
        assert_eq!(queue.ahead(), 10);
        queue.level_changed(3);
        assert_eq!(queue.ahead(), 3);
    }
}
