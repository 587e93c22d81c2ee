//! Each trade is applied once.
//!
//! In: trade ids of one instrument. Out: whether one is new. Never: an unbounded memory; the
//! window is wide enough for what a stream can repeat after a reconnect.

use market::{CodecError, Reader, TradeId, Wire, Writer};

// Trade ids that are remembered for each instrument.
const FILL_WINDOW: usize = 256;

/// The last trade ids of one instrument.
#[derive(Clone, Debug)]
pub struct FillWindow {
    ids: [TradeId; FILL_WINDOW],
    next: usize,
}

impl Default for FillWindow {
    fn default() -> Self {
        Self {
            ids: [TradeId(0); FILL_WINDOW],
            next: 0,
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
        self.ids[self.next] = id;
        self.next = (self.next + 1) % FILL_WINDOW;
        true
    }
}

impl Wire for FillWindow {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), CodecError> {
        (self.next as u64).encode(writer)?;
        self.ids.iter().try_for_each(|id| id.encode(writer))
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let next = u64::decode(reader)? as usize;
        if next >= FILL_WINDOW {
            return Err(CodecError::TooLong);
        }
        let mut ids = [TradeId(0); FILL_WINDOW];
        for id in &mut ids {
            *id = TradeId::decode(reader)?;
        }
        Ok(Self { ids, next })
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
        for id in 100..100 + FILL_WINDOW as u64 {
            assert!(window.insert(TradeId(id)));
        }
        assert!(window.insert(TradeId(7)), "it left the window");
    }
}
