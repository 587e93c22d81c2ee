//! How busy a generated market is: regimes that last seconds, and events that excite others.
//!
//! In: the time, events, random numbers. Out: a factor on all rates, 1 in the mean. Never: a
//! random number of its own.
//!
//! The factor is a regime's (calm, usual, busy; drawn anew when one ends) plus a self-exciting
//! part in the manner of Hawkes: each market order and sweep lifts it, and the lift fades. The
//! regime does not multiply the lift: a busy market would excite itself without end.

/// Factor, share of the time, mean length in seconds of each regime. The mean factor is 1, its
/// variance 0.47: what the counts of recorded taker orders in windows of 1 s to 30 s ask for.
const REGIMES: [(f64, f64, f64); 3] = [(0.57, 0.55, 25.0), (1.13, 0.35, 15.0), (2.90, 0.10, 6.0)];
/// Share of the events that others have excited.
const EXCITED_SHARE: f64 = 0.45;
/// Time in which an excitement fades to 1/e.
const FADE_S: f64 = 0.05;

/// The state of one market.
#[derive(Clone, Copy, Debug)]
pub struct Activity {
    regime: usize,
    regime_until_ns: i64,
    excitement: f64,
    jump: f64,
    time_ns: i64,
}

impl Activity {
    /// A market whose exciting events come at `rate_per_s` in the mean.
    #[must_use]
    pub fn new(rate_per_s: f64) -> Self {
        Self {
            regime: 1,
            regime_until_ns: 0,
            excitement: EXCITED_SHARE,
            jump: EXCITED_SHARE / (rate_per_s.max(1e-3) * FADE_S),
            time_ns: 0,
        }
    }

    /// Goes on to a time. `uniform` and `exponential` are asked for only when a regime ends.
    pub fn advance(&mut self, now_ns: i64, mut draw: impl FnMut() -> (f64, f64)) {
        let elapsed_s = (now_ns - self.time_ns) as f64 / 1e9;
        self.excitement *= (-elapsed_s / FADE_S).exp();
        self.time_ns = now_ns;
        while self.regime_until_ns <= now_ns {
            let (uniform, exponential) = draw();
            // Regimes begin as often as their share of the time over their length.
            let begins = REGIMES.map(|(_, share, length_s)| share / length_s);
            let mut left = uniform * begins.iter().sum::<f64>();
            self.regime = begins
                .iter()
                .position(|weight| {
                    left -= weight;
                    left < 0.0
                })
                .unwrap_or(REGIMES.len() - 1);
            let length_s = REGIMES[self.regime].2 * exponential;
            self.regime_until_ns += (length_s * 1e9) as i64 + 1;
        }
    }

    /// The factor on all rates; until the next event it only falls, or the regime ends.
    #[must_use]
    pub fn factor(&self) -> f64 {
        REGIMES[self.regime].0 * (1.0 - EXCITED_SHARE) + self.excitement
    }

    /// When the regime ends.
    #[must_use]
    pub fn regime_until_ns(&self) -> i64 {
        self.regime_until_ns
    }

    /// A market order or a sweep happens.
    pub fn excite(&mut self) {
        self.excitement += self.jump;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_factor_of_the_regimes_is_one() {
        let mean: f64 = REGIMES
            .iter()
            .map(|(factor, share, _)| factor * share)
            .sum();
        let share: f64 = REGIMES.iter().map(|(_, share, _)| share).sum();
        assert!(
            (mean - 1.0).abs() < 0.005 && (share - 1.0).abs() < 1e-9,
            "{mean} {share}"
        );
    }

    /// Fewer than one event follows from an event, whatever the regime.
    #[test]
    fn no_regime_excites_itself_without_end() {
        let rate_per_s = 8.0;
        let mut activity = Activity::new(rate_per_s);
        for regime in 0..REGIMES.len() {
            activity.regime = regime;
            let before = activity.factor();
            activity.excite();
            let followers = (activity.factor() - before) * FADE_S * rate_per_s;
            assert!(followers < 0.9, "{followers} follow in regime {regime}");
        }
    }

    #[test]
    fn an_event_lifts_the_rates_and_the_lift_fades() {
        let mut activity = Activity::new(8.0);
        activity.advance(1, || (0.5, 1.0));
        let before = activity.factor();
        activity.excite();
        let lifted = activity.factor();
        assert!(lifted > 1.5 * before);
        activity.advance(200_000_000, || (0.5, 1.0));
        assert!(activity.factor() < before);
    }
}
