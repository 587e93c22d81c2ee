//! Each trade is applied once.
//!
//! In: trade ids of one instrument. Out: whether one is new. Never: an unbounded memory; the
//! window is wide enough for what a stream can repeat after a reconnect.

use market::{CodecError, Reader, TradeId, Wire, Writer};

// Trade ids that are remembered for each instrument: an order of a thousand slices, told again.
const FILL_WINDOW: usize = 1_024;

/// The last trade ids of one instrument.
#[derive(Clone, Debug)]
pub struct FillWindow {
    ids: [TradeId; FILL_WINDOW],
    next: usize,
    /// The highest id that has left the window.
    floor: TradeId,
}

impl Default for FillWindow {
    fn default() -> Self {
        Self {
            ids: [TradeId(0); FILL_WINDOW],
            next: 0,
            floor: TradeId(0),
        }
    }
}

impl FillWindow {
    /// Remembers `id`; false when it was known. Id 0 means "none told" and is always new.
    pub fn insert(&mut self, id: TradeId) -> bool {
        if id == TradeId(0) {
            return true;
        }
        if self.ids.contains(&id) {
            return false;
        }
        self.floor = self.floor.max(self.ids[self.next]);
        self.ids[self.next] = id;
        self.next = (self.next + 1) % FILL_WINDOW;
        true
    }

    /// True when `id` is in the window.
    #[must_use]
    pub fn contains(&self, id: TradeId) -> bool {
        id != TradeId(0) && self.ids.contains(&id)
    }

    /// Whether an id up to this one was booked is not known any more: it counts as booked.
    #[must_use]
    pub const fn floor(&self) -> TradeId {
        self.floor
    }
}

impl Wire for FillWindow {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), CodecError> {
        (self.next as u64).encode(writer)?;
        self.floor.encode(writer)?;
        self.ids.iter().try_for_each(|id| id.encode(writer))
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let next = u64::decode(reader)? as usize;
        if next >= FILL_WINDOW {
            return Err(CodecError::TooLong);
        }
        let floor = TradeId::decode(reader)?;
        let mut ids = [TradeId(0); FILL_WINDOW];
        for id in &mut ids {
            *id = TradeId::decode(reader)?;
        }
        Ok(Self { ids, next, floor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trade_is_new_once_while_it_is_in_the_window() {
        let mut window = FillWindow::default();
        assert!(window.insert(TradeId(7)));
        assert!(!window.insert(TradeId(7)));
        assert!(window.insert(TradeId(0)) && window.insert(TradeId(0)));
        assert_eq!(window.floor(), TradeId(0));
        for id in 100..100 + FILL_WINDOW as u64 {
            assert!(window.insert(TradeId(id)));
        }
        assert!(!window.contains(TradeId(7)) && window.contains(TradeId(100)));
        assert_eq!(window.floor(), TradeId(7), "a list may not bring it again");
        assert!(window.insert(TradeId(7)), "it left the window");
    }
}
