//! When a WebSocket peer is pinged, and when it counts as gone (binance.md 2.2, 3.1).
//!
//! In: the time of pings and pongs. Out: whether the peer is given up. Never: a socket, a clock.

use std::time::Duration;

use market::Market;
use tokio::time::Instant;

/// The pulse of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    /// Time between two pings.
    pub period: Duration,
    patience: Duration,
    heard: Instant,
}

impl Heartbeat {
    /// Of a connection that begins now.
    #[must_use]
    pub const fn new(market: Market, now: Instant) -> Self {
        let (period_s, patience_s) = match market {
            Market::UsdM => (180, 600),
            Market::Spot => (20, 60),
        };
        Self {
            period: Duration::from_secs(period_s),
            patience: Duration::from_secs(patience_s),
            heard: now,
        }
    }

    /// A pong came. An unasked one is allowed and has no payload; it keeps nothing alive.
    pub fn pong(&mut self, payload: &[u8], now: Instant) {
        if !payload.is_empty() {
            self.heard = now;
        }
    }

    /// True when the peer has been silent for too long to be pinged once more.
    #[must_use]
    pub fn is_dead(&self, now: Instant) -> bool {
        now.duration_since(self.heard) >= self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pong_with_a_payload_keeps_a_connection_alive() {
        for (market, patience_s) in [(Market::UsdM, 600), (Market::Spot, 60)] {
            let begin = Instant::now();
            let after = |seconds| begin + Duration::from_secs(seconds);
            let mut pulse = Heartbeat::new(market, begin);
            assert!(pulse.period < Duration::from_secs(patience_s));
            assert!(!pulse.is_dead(after(patience_s - 1)));
            assert!(pulse.is_dead(after(patience_s)));
            pulse.pong(b"", after(patience_s - 1));
            assert!(pulse.is_dead(after(patience_s)));
            pulse.pong(b"1700000000000", after(patience_s - 1));
            assert!(!pulse.is_dead(after(2 * patience_s - 2)));
            assert!(pulse.is_dead(after(2 * patience_s - 1)));
        }
    }
}
