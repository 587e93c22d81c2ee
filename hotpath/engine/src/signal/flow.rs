//! Order flow imbalance at the touch.
//!
//! In: the touch after each change. Out: the sum of its last changes, in lots (Cont, Kukanov,
//! Stoikov: The Price Impact of Order Book Events, 2014, eq. 2). Never: a float.

use super::Top;
use market::{CodecError, Level, Reader, Wire, Writer};

/// Number of changes in the sum.
const FLOW_WINDOW: usize = 64;

/// Largest change that is counted as it is: no window of such changes overflows its sum.
const CHANGE_MAX: i64 = i64::MAX / (2 * FLOW_WINDOW as i64);

/// The last changes of the touch.
#[derive(Clone, Debug)]
pub struct OrderFlow {
    last: Option<Top>,
    changes: [i64; FLOW_WINDOW],
    next: usize,
    sum: i64,
}

impl Default for OrderFlow {
    fn default() -> Self {
        Self {
            last: None,
            changes: [0; FLOW_WINDOW],
            next: 0,
            sum: 0,
        }
    }
}

impl OrderFlow {
    /// Takes the touch after a change; `None` forgets everything.
    pub fn update(&mut self, top: Option<Top>) {
        let Some(top) = top else {
            *self = Self::default();
            return;
        };
        if let Some(last) = self.last {
            let change = change(&last, &top);
            self.sum += change - self.changes[self.next];
            self.changes[self.next] = change;
            self.next = (self.next + 1) % FLOW_WINDOW;
        }
        self.last = Some(top);
    }

    /// Net lots added in favour of buyers over the last changes.
    #[must_use]
    pub const fn lots(&self) -> i64 {
        self.sum
    }
}

fn change(last: &Top, now: &Top) -> i64 {
    let mut lots = 0i64;
    if now.bid.price >= last.bid.price {
        lots = lots.saturating_add(now.bid.quantity.0);
    }
    if now.bid.price <= last.bid.price {
        lots = lots.saturating_sub(last.bid.quantity.0);
    }
    if now.ask.price <= last.ask.price {
        lots = lots.saturating_sub(now.ask.quantity.0);
    }
    if now.ask.price >= last.ask.price {
        lots = lots.saturating_add(last.ask.quantity.0);
    }
    lots.clamp(-CHANGE_MAX, CHANGE_MAX)
}

impl Wire for OrderFlow {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), CodecError> {
        self.last.map(|top| top.bid).encode(writer)?;
        self.last.map(|top| top.ask).encode(writer)?;
        (self.next as u64).encode(writer)?;
        self.changes.iter().try_for_each(|one| one.encode(writer))
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let bid = Option::<Level>::decode(reader)?;
        let ask = Option::<Level>::decode(reader)?;
        let next = u64::decode(reader)? as usize;
        if next >= FLOW_WINDOW {
            return Err(CodecError::TooLong);
        }
        let mut changes = [0; FLOW_WINDOW];
        for one in &mut changes {
            *one = i64::decode(reader)?.clamp(-CHANGE_MAX, CHANGE_MAX);
        }
        let sum = changes.iter().sum();
        let last = bid.zip(ask).map(|(bid, ask)| Top { bid, ask });
        Ok(Self {
            last,
            changes,
            next,
            sum,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Price, Quantity};

    fn top(bid: (i64, i64), ask: (i64, i64)) -> Option<Top> {
        let level = |(price, quantity)| Level {
            price: Price(price),
            quantity: Quantity(quantity),
        };
        Some(Top {
            bid: level(bid),
            ask: level(ask),
        })
    }

    #[test]
    fn each_kind_of_change_counts_as_in_the_paper() {
        // (before, after, lots): added bid, lifted bid, bid gone, added ask, ask gone.
        let base = top((100, 5), (101, 7));
        let cases = [
            (top((100, 9), (101, 7)), 4),
            (top((101, 3), (102, 7)), 3 + 7),
            (top((99, 8), (101, 7)), -5),
            (top((100, 5), (101, 9)), -2),
            (top((100, 5), (102, 4)), 7),
            (base, 0),
        ];
        for (after, expected) in cases {
            let mut flow = OrderFlow::default();
            flow.update(base);
            flow.update(after);
            assert_eq!(flow.lots(), expected, "{after:?}");
        }
    }

    #[test]
    fn the_sum_forgets_what_leaves_the_window_and_a_broken_book_forgets_all() {
        let mut flow = OrderFlow::default();
        flow.update(top((100, 1), (101, 1)));
        flow.update(top((100, 11), (101, 1)));
        assert_eq!(flow.lots(), 10);
        for _ in 0..FLOW_WINDOW {
            flow.update(top((100, 11), (101, 1)));
        }
        assert_eq!(flow.lots(), 0);
        flow.update(top((100, 20), (101, 1)));
        flow.update(None);
        assert_eq!(flow.lots(), 0);
    }

    #[test]
    fn absurd_quantities_saturate_and_leave_the_window_like_others() {
        let huge = i64::MAX;
        let mut flow = OrderFlow::default();
        for price in 1..200 {
            flow.update(top((price, huge), (price + 1, huge)));
        }
        assert_eq!(flow.lots(), FLOW_WINDOW as i64 * CHANGE_MAX);
        for price in (1..200).rev() {
            flow.update(top((price, huge), (price + 1, huge)));
        }
        assert_eq!(flow.lots(), -(FLOW_WINDOW as i64) * CHANGE_MAX);
        for _ in 0..FLOW_WINDOW {
            flow.update(top((1, 5), (2, 5)));
        }
        assert_eq!(flow.lots(), 0);
    }
}
